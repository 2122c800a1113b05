"""A long journal does not keep the service from starting, nor the next caller from being recorded."""

from pathlib import Path

import pytest

from tests.faults import start_up
from tests.faults.figures import broken
from tests.lab.lab import start_lab

pytestmark = [pytest.mark.pbx]


@pytest.mark.timeout(240)
async def test_calls_that_wait_in_the_journal_are_stored_once_and_delay_nobody(tmp_path: Path) -> None:
    async with start_lab(tmp_path / "lab", crowd=4) as lab:
        figures = await start_up.figures(lab, tmp_path, 1, 1000, print)
    # How quick a machine is that tests on every core, nobody can promise.
    weighed = [one for one in figures if "start-up" not in one.name]
    print(*(figure.line for figure in figures), sep="\n")
    assert not broken(weighed), f"{broken(weighed)}\nlogs in {tmp_path}"
