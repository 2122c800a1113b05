"""`make mutation`: small faults are put into the program, one at a time. Do the tests of that group notice?

    python -m tests.mutation                        a sample of each group
    python -m tests.mutation vault --sample 0       every fault there can be in one

mutmut makes the faults, in a copy of the project, and runs those tests of the group that come by the changed function.
The sample is drawn by a seed: the same seed and the same source give the same faults. A fault that no test comes by
counts as not noticed. What only a log would show is not changed: its words are for people.
0: every group is noticed often enough. 1: one is not. 2: the tests fail without any fault, or were not run.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

from tests.quality import ROOT, Group, quality

SAMPLE = 60
SEED = 20261128
NOTICED = frozenset({"killed", "timeout", "segfault"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`outcomes` by the name of the fault, in mutmut's words."""

    outcomes: Mapping[str, str]

    @property
    def percent(self) -> float:
        return 100 * sum(outcome in NOTICED for outcome in self.outcomes.values()) / len(self.outcomes)

    @property
    def unnoticed(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, outcome in self.outcomes.items() if outcome not in NOTICED))

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {what}" for what, count in sorted(Counter(self.outcomes.values()).items()))
        return f"{self.percent:5.1f} %  of {len(self.outcomes)}: {counted}"


def drawn(faults: Sequence[str], sample: int, seed: int) -> list[str]:
    """So many of them, the same for the same seed; all for 0."""
    if not sample or sample >= len(faults):
        return sorted(faults)
    return sorted(random.Random(seed).sample(sorted(faults), sample))


def faults_in(folder: Path, group: Group) -> list[str]:
    """The names of all faults that can be put into the modules of the group."""
    names: list[str] = []
    with contextlib.chdir(folder):
        for module in group.modules:
            made = mutate_file_contents(module, Path(module).read_text(encoding="utf-8"))
            names += [get_mutant_name(Path(module), name) for name in made.mutant_names]
    return names


def copied(target: Path, group: Group) -> None:
    """The project as it is now, committed or not, with what mutmut is to do with it."""
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    files = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    beside = sorted({name.split("/")[0] for name in files} - {"ari_recorder", "tests", "pyproject.toml"})
    settings = {
        "source_paths": ["ari_recorder"],
        "only_mutate": list(group.modules),
        "do_not_mutate_patterns": [r"^\s*log\.\w+\("],
        "pytest_add_cli_args_test_selection": list(group.tests),
        "pytest_add_cli_args": ["-p", "no:randomly", "-p", "no:xdist"],
        "also_copy": beside,
        "timeout_constant": 20.0,  # a PostgreSQL is started for each fault
    }
    with (target / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.mutmut]\n")
        file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def outcomes(folder: Path, group: Group, faults: Sequence[str]) -> dict[str, str]:
    """What became of each. One that was not tried is "not checked"."""
    ended: dict[str, int | None] = {}
    with contextlib.chdir(folder):
        for module in group.modules:
            data = SourceFileMutationData(path=Path(module))
            data.load()
            ended |= data.exit_code_by_key
    return {fault: status_by_exit_code[ended[fault]] for fault in faults}


def measured(group: Group, sample: int, seed: int) -> tuple[Score, int] | None:
    """The score, and of how many faults the sample is. None: the tests do not pass as they are, or it was stopped."""
    folder = ROOT / "build" / "mutation" / group.name
    copied(folder, group)
    every = faults_in(folder, group)
    faults = drawn(every, sample, seed)
    with (folder / "mutmut.log").open("w") as output:
        ran = subprocess.run(
            [Path(sys.executable).with_name("mutmut"), "run", "--max-children", str(os.cpu_count() or 1), *faults],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    score = Score(outcomes=outcomes(folder, group, faults))
    # Who stops it stops it in good order: what was not tried says nothing of the tests.
    if ran.returncode or "not checked" in score.outcomes.values():
        return None
    return score, len(every)


def main() -> int:
    wanted = quality()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(group.name for group in wanted.groups))
    parser.add_argument("--sample", type=int, default=SAMPLE, help="faults for each group; 0 is all of them")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    if unknown := set(asked.groups) - {group.name for group in wanted.groups}:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    code = 0
    for group in wanted.groups:
        if asked.groups and group.name not in asked.groups:
            continue
        done = measured(group, asked.sample, asked.seed)
        if done is None:
            print(f"{group.name:15} NOT RUN: see build/mutation/{group.name}/mutmut.log", flush=True)
            code = 2
            continue
        score, every = done
        fails = score.percent < wanted.killed
        print(f"{group.name:15} {score} (there are {every})  {'FAILS' if fails else 'holds'}", flush=True)
        for name in score.unnoticed:
            print(f"    {name}", flush=True)
        code = max(code, int(fails))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
