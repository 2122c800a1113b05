"""`make coverage`: the branches that tests went, from coverage's JSON, held against [tool.quality] in pyproject.toml.

    python -m tests.coverage_gates build/coverage/report.json            every group at 100 %
    python -m tests.coverage_gates --package build/coverage/report.json  and the package at its own figure

A branch is a way out of a line that has more than one. A line that no test reached counts, too, although it is no
branch: a module without a condition would be whole otherwise without any test. 0: all gates hold. 1: one does not.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.quality import Group, Quality, quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """`branches` of which tests went `gone`; `missing` says where they did not, `module:line` or `module:line→line`."""

    branches: int
    gone: int
    missing: tuple[str, ...]

    @property
    def percent(self) -> float:
        return 100 * self.gone / self.branches if self.branches else 100.0


def gone(files: Mapping[str, Any], modules: Iterable[str]) -> Gone:
    """KeyError: a module that was not measured."""
    branches = reached = 0
    missing: list[str] = []
    for module in modules:
        summary = files[module]["summary"]
        branches += summary["num_branches"]
        reached += summary["covered_branches"]
        missing += [f"{module}:{line}" for line in files[module]["missing_lines"]]
        unseen = set(files[module]["missing_lines"])
        missing += [
            f"{module}:{start}→{'exit' if end < 0 else end}"
            for start, end in files[module]["missing_branches"]
            if start not in unseen and end not in unseen
        ]
    return Gone(branches=branches, gone=reached, missing=tuple(missing))


def told(files: Mapping[str, Any], wanted: Quality, *, package: bool) -> tuple[bool, str]:
    """Do the gates hold, and the lines that say so: one for each gate, then what is missing in those that do not."""
    lines: list[str] = []
    holds = True
    for group in wanted.groups:
        holds = _gate(lines, gone(files, group.modules), group) and holds
    whole = gone(files, files)
    enough = whole.percent >= wanted.package
    word = ("holds" if enough else "FAILS") if package else "not held here: without calls and browser"
    lines.append(f"{'package':15} {_figure(whole)}  {word}")
    return holds and (enough or not package), "\n".join(lines)


def _gate(lines: list[str], seen: Gone, group: Group) -> bool:
    lines.append(f"{group.name:15} {_figure(seen)}  {'FAILS' if seen.missing else 'holds'}")
    lines.extend(f"    {place}" for place in seen.missing)
    return not seen.missing


def _figure(seen: Gone) -> str:
    return f"{seen.gone:5} of {seen.branches:5} branches  {seen.percent:6.2f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--package", action="store_true", help="hold the whole package against its figure, too")
    asked = parser.parse_args()
    holds, lines = told(json.loads(asked.report.read_text())["files"], quality(), package=asked.package)
    print(lines)
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
