"""Every table of tests/scenarios/ ends as it says."""

from pathlib import Path

import pytest

from tests.domain.scenario import run, told

TABLES = sorted((Path(__file__).parent.parent / "scenarios").glob("*.txt"))


def test_there_are_tables() -> None:
    assert TABLES


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_the_call_ends_as_the_table_says(table: Path) -> None:
    bench, expected = run(table)
    assert expected, "a table without expectations proves nothing"
    happened = told(bench)
    assert {key: happened[key] for key in expected} == expected
