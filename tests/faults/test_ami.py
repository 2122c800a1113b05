"""The faults of the connection to the PBX, shorter than in `make faults`."""

from pathlib import Path

import pytest

from tests.faults import ami
from tests.faults.figures import broken
from tests.lab.lab import start_lab

pytestmark = [pytest.mark.pbx]

TIMES = ami.Times(losing=15, cutting=10, black_hole=12, after=4)


@pytest.mark.timeout(240)
async def test_whatever_gets_lost_on_the_way_from_the_pbx_every_call_is_accounted_for(tmp_path: Path) -> None:
    async with start_lab(tmp_path / "lab", crowd=20) as lab:
        figures = await ami.trouble(lab, tmp_path, 1, TIMES, 8, print, patient=False)
    print(*(figure.line for figure in figures), sep="\n")
    assert not broken(figures), f"{broken(figures)}\nlogs in {tmp_path}"
