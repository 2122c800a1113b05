"""What can be wrong with the configuration, as shown to a person."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where, what, and how to mend it."""

    key: str
    what: str
    mend: str


class ConfigError(Exception):
    """The configuration cannot be used. The text has one line for each problem; no line repeats a secret."""

    code: ClassVar[str] = "config_refused"

    def __init__(self, path: Path, *problems: Problem) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(f"{path}: {p.key}: {p.what}. {p.mend}" for p in problems))
