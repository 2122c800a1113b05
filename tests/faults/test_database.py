"""The faults of a database, shorter and under fewer calls than in `make faults`."""

from pathlib import Path

import pytest

from tests.faults import database
from tests.faults.figures import broken
from tests.lab.lab import start_lab

pytestmark = [pytest.mark.pbx]

AT_ONCE, AGENTS = 12, 24


@pytest.mark.timeout(240)
async def test_whatever_the_database_does_no_call_is_lost_and_nobody_waits(tmp_path: Path) -> None:
    plan = database.steps(1, 12.0, frozen_for=6.0, others=4.0)
    async with start_lab(tmp_path / "lab", crowd=AGENTS) as lab:
        figures = await database.trouble(lab, tmp_path, 1, plan, AT_ONCE, (2.0, 6.0), print)
    print(*(figure.line for figure in figures), sep="\n")
    assert not broken(figures), f"{broken(figures)}\nlogs in {tmp_path}"
