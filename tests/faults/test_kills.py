"""The kill loop in short: the same as `make faults`, for as many kills as a minute and a bit has room for."""

from pathlib import Path

import pytest

from tests.faults import kills
from tests.faults.figures import broken
from tests.faults.weigh import weigh
from tests.lab.lab import start_lab

pytestmark = [pytest.mark.pbx]

# On a machine with nothing else to do a kill takes 1.5 s; one that tests on every core is slow to start anything.
COUNT, LEAST = 50, 5
SECONDS = 50.0


@pytest.mark.timeout(300)
async def test_whenever_the_service_is_killed_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    async with start_lab(tmp_path / "lab", crowd=kills.AGENTS) as lab:
        killer, after, _ = await kills.kill_loop(lab, tmp_path, 50, COUNT, print, seconds=SECONDS, patient=False)
    figures = weigh(after)
    print(*(figure.line for figure in figures), sep="\n")
    assert not broken(figures), f"{broken(figures)}\nlogs in {tmp_path}"
    assert not killer.ended
    assert killer.kinds.total() >= LEAST
