"""The API does what its description says, whoever asks: every operation, with good input and with bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.api import try_every_operation
from tests.browser.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_stranger_gets_what_the_description_says(house: House, tmp_path: Path) -> None:
    report = await try_every_operation(house.address, tmp_path, {"Accept": "application/json"})
    report.assert_good()
