"""What all tests share: a real PostgreSQL when a test asks for one, and a log that is as it was before each test."""

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import hypothesis
import pytest
import structlog

pytest_plugins = ["tests.database", "tests.s3"]

# How long an example takes tells of the computer and of what measures it, not of the program.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands that run in the test's own process set it up as they need it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines that the program logs, as they are given: `event`, `log_level` and the fields."""
    with structlog.testing.capture_logs() as lines:
        yield lines
