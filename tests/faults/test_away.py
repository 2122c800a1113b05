"""The service is not there, shorter than in `make faults`."""

from pathlib import Path

import pytest

from tests.faults import away
from tests.faults.figures import broken
from tests.lab.lab import start_lab

pytestmark = [pytest.mark.pbx]


@pytest.mark.timeout(240)
async def test_calls_of_a_time_without_a_service_are_adopted(tmp_path: Path) -> None:
    async with start_lab(tmp_path / "lab", crowd=away.AGENTS) as lab:
        figures = await away.away(lab, tmp_path, 1, 30, print, talk=(3.0, 10.0))
    print(*(figure.line for figure in figures), sep="\n")
    assert not broken(figures), f"{broken(figures)}\nlogs in {tmp_path}"
