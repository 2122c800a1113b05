"""docs/asvs.csv: what a public standard asks of a page like ours, and the tests that hold us to it.

The ids are those of the OWASP Application Security Verification Standard 5.0.0, levels 1 and 2, and what of level 3 was
taken on. The words are ours; the standard's count.
"""

import ast
import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "asvs.csv"
STATUSES = {"done", "not-applicable", "open"}
# Of level 3. The part of 16.3.2 that was taken on has no number of its own.
TAKEN_ON = {
    *("V1.2.10", "V2.3.5", "V3.5.8", "V5.2.4", "V6.3.5", "V6.3.7", "V6.3.8", "V6.4.6", "V6.5.6", "V6.5.8", "V7.5.3"),
    *("V8.3.2", "V11.2.4", "V11.2.5", "V11.3.4", "V13.3.4", "V14.2.7", "V15.4.2"),
}


def rows() -> list[dict[str, str]]:
    with FILE.open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def names_in(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    )
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def mistakes(row: dict[str, str]) -> list[str]:
    """What is wrong with a row."""
    found = []
    tests = row["tests"].split()
    if row["status"] not in STATUSES:
        found.append(f"no such status: {row['status']}")
    if row["status"] == "done" and not tests:
        found.append("done, and no test")
    if row["status"] != "done" and not row["why"]:
        found.append(f"{row['status']}, and no reason")
    for test in tests:
        path, _, name = test.partition("::")
        if name not in names_in(ROOT / path):
            found.append(f"no such test: {test}")
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_what_is_called_done_has_its_tests(row: dict[str, str]) -> None:
    assert not mistakes(row)


def test_each_requirement_of_levels_1_and_2_stands_there_once() -> None:
    ids = [row["id"] for row in rows()]
    assert all(re.fullmatch(r"V\d+\.\d+\.\d+", name) for name in ids)
    assert len(set(ids)) == len(ids)
    levels = Counter(row["level"] for row in rows())
    assert (levels["1"], levels["2"]) == (70, 183)  # as many as the standard has
    assert levels["3"] >= 19
    assert {row["id"] for row in rows() if row["level"] == "3"} >= TAKEN_ON


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"status": "done", "why": "", "tests": ""}, "done, and no test"),
        ({"status": "done", "why": "", "tests": "tests/test_asvs.py::test_nobody_wrote"}, "no such test"),
        ({"status": "done", "why": "", "tests": "tests/test_gone.py::test_x"}, "no such test"),
        ({"status": "not-applicable", "why": "", "tests": ""}, "no reason"),
        ({"status": "nearly", "why": "soon", "tests": ""}, "no such status"),
    ],
)
def test_a_row_that_only_claims_is_found(row: dict[str, str], told: str) -> None:
    assert any(told in mistake for mistake in mistakes(row))
