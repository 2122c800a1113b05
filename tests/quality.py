"""The groups of modules whose tests are held to more than that they pass: [tool.quality] in pyproject.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "ari_recorder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`modules` and `tests`: paths from the root of the project, modules in their order."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """`package`: percent of all branches that tests go. `killed`: percent of the faults put in that tests notice."""

    package: float
    killed: float
    groups: tuple[Group, ...]


def quality(root: Path = ROOT) -> Quality:
    """ValueError: a pattern that no module has, or tests that are not there. Such a gate would stand open unseen."""
    with (root / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)["tool"]["quality"]
    groups = tuple(_group(root, name, **group) for name, group in told["groups"].items())
    return Quality(package=told["package"], killed=told["killed"], groups=groups)


def _group(root: Path, name: str, modules: list[str], tests: list[str]) -> Group:
    found: set[str] = set()
    for pattern in modules:
        these = {str(path.relative_to(root)) for path in (root / PACKAGE).glob(pattern)}
        if not these:
            raise ValueError(f"group {name}: no module is called {pattern}")
        found |= these
    for test in tests:
        if not (root / test).exists():
            raise ValueError(f"group {name}: there is no {test}")
    return Group(name=name, modules=tuple(sorted(found)), tests=tuple(tests))
