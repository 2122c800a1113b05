"""Many real calls at once, fewer than `make faults` has: tests run on every core meanwhile."""

from pathlib import Path

import pytest

from tests.faults import load
from tests.faults.figures import broken
from tests.lab.lab import start_lab

pytestmark = [pytest.mark.pbx]

SOME = load.Load(long=15, a_second=2.0, agents=40)


@pytest.mark.timeout(240)
async def test_of_many_calls_at_once_each_is_heard_in_exactly_its_own_recording(tmp_path: Path) -> None:
    async with start_lab(tmp_path / "lab", crowd=SOME.agents) as lab:
        figures = await load.figures(lab, tmp_path, 15, 8, SOME, print)
    print(*(figure.line for figure in figures), sep="\n")
    assert not broken(figures), f"{broken(figures)}\nlogs in {tmp_path}"
