"""The gates themselves: what they hold against each other, and that none of them stands open unseen."""

from pathlib import Path
from typing import Any

import pytest

from tests.coverage_gates import gone, told
from tests.mutation import Score, drawn
from tests.quality import Group, Quality, quality

VAULT = Group(name="vault", modules=("a.py",), tests=("tests/vault",))
WANTED = Quality(package=95, killed=80, groups=(VAULT,))


def measured(branches: int, covered: int, lines: list[int], ways: list[tuple[int, int]]) -> dict[str, Any]:
    return {
        "summary": {"num_branches": branches, "covered_branches": covered},
        "missing_lines": lines,
        "missing_branches": ways,
    }


WHOLE = measured(10, 10, [], [])


def test_the_groups_are_the_files_that_are_there() -> None:
    groups = {group.name: set(group.modules) for group in quality().groups}
    assert {name: len(modules) > 5 for name, modules in groups.items()} == {
        "vault": True,
        "retention": True,
        "authorisation": True,
        "audit": True,
    }
    assert "ari_recorder/vault/keyring.py" in groups["vault"]
    assert "ari_recorder/domain/retention_told.py" in groups["retention"]


@pytest.mark.parametrize(
    ("modules", "tests", "reason"),
    [('["gone.py"]', '["tests"]', "no module is called gone.py"), ('["a.py"]', '["tests/x"]', "there is no tests/x")],
)
def test_a_group_of_what_is_not_there_is_refused(tmp_path: Path, modules: str, tests: str, reason: str) -> None:
    (tmp_path / "ari_recorder").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "ari_recorder" / "a.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.quality]\npackage = 95\nkilled = 80\n[tool.quality.groups.g]\nmodules = {modules}\ntests = {tests}\n"
    )
    with pytest.raises(ValueError, match=reason):
        quality(tmp_path)


@pytest.mark.parametrize(
    ("file", "places"),
    [
        (WHOLE, ()),
        (measured(0, 0, [3], []), ("a.py:3",)),
        (measured(4, 3, [], [(7, 9)]), ("a.py:7→9",)),
        (measured(4, 3, [], [(7, -1)]), ("a.py:7→exit",)),
        (measured(4, 3, [9], [(7, 9)]), ("a.py:9",)),
    ],
)
def test_a_line_or_a_way_that_no_test_went_is_named_once(file: dict[str, Any], places: tuple[str, ...]) -> None:
    assert gone({"a.py": file}, ["a.py"]).missing == places
    holds, lines = told({"a.py": file}, WANTED, package=False)
    assert holds == (not places)
    assert all(place in lines for place in places)


def test_a_module_that_was_not_measured_holds_nothing() -> None:
    with pytest.raises(KeyError, match=r"a\.py"):
        told({"b.py": WHOLE}, WANTED, package=False)


@pytest.mark.parametrize(("covered", "holds"), [(90, True), (89, False)])
def test_the_package_is_held_against_its_own_figure(covered: int, holds: bool) -> None:
    files = {"a.py": WHOLE, "b.py": measured(90, covered - 5, [], [])}
    assert gone(files, files).percent == covered + 5
    assert told(files, WANTED, package=True)[0] is holds
    assert told(files, WANTED, package=False)[0]


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    faults = [f"fault {number}" for number in range(100)]
    assert drawn(faults, 10, 1) == drawn(faults[::-1], 10, 1)
    assert drawn(faults, 10, 1) != drawn(faults, 10, 2)
    assert len(set(drawn(faults, 10, 1))) == 10
    assert drawn(faults, 0, 1) == sorted(faults)
    assert drawn(faults, 101, 1) == sorted(faults)


def test_a_fault_that_no_test_comes_by_is_not_noticed() -> None:
    score = Score(outcomes={"a": "killed", "b": "timeout", "c": "survived", "d": "no tests"})
    assert score.percent == 50
    assert score.unnoticed == ("c", "d")
