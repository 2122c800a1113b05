"""The API does what its description says, whoever asks: every operation, with good input and with bad."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ari_recorder.web import cookies
from ari_recorder.web.routes import ROUTES
from tests.browser.api import Report, try_every_operation
from tests.browser.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

NIGHTLY = os.environ.get("ARI_RECORDER_NIGHTLY") == "1"
EXAMPLES = 60 if NIGHTLY else 2


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def tries_count_for_nobody_else(house: House) -> AsyncIterator[None]:
    yield
    await house.forget_tries()


def as_a_page(house: House, cookie: str, secret: str) -> dict[str, str]:
    """With the proof that the request comes from a page of ours: else nothing would be tried but that it is missing."""
    return {
        "Accept": "application/json",
        "Cookie": f"{cookie}={secret}",
        "X-CSRF-Token": cookies.proof(secret),
        "Origin": house.address,
    }


def as_a_visitor(house: House) -> dict[str, str]:
    return as_a_page(house, cookies.VISIT, cookies.new_secret())


def assert_all(report: Report, without: tuple[str, ...] = ()) -> None:
    report.assert_good()
    assert report.selected == len(ROUTES) - len(without) - 1  # schemathesis leaves out the description itself


async def test_a_stranger_gets_what_the_description_says(house: House, tmp_path: Path) -> None:
    assert_all(await try_every_operation(house.address, tmp_path, as_a_visitor(house), examples=EXAMPLES))
