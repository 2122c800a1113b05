"""What the browser tests share."""

from collections.abc import Generator

import pytest

from tests.browser.fixtures import browser, context, contexts, house, outcome, page

__all__ = ["browser", "context", "contexts", "house", "page"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fixtures that end after the test can ask whether it passed."""
    report = yield
    if report.when == "call":
        item.stash[outcome] = report.passed
    return report
