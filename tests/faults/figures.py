"""A figure of the fault suite: what was counted or measured, what it has to be, and whether it is. A scenario gives
several; with the seed of the run it can be had again, as far as a real PBX is the same twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Tell = Callable[[str], None]  # takes what happens, while it happens


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    value: float
    wanted: str = ""  # empty: shown, and nothing is demanded of it
    holds: bool = True
    timed: bool = False  # how quick it is, which a machine that tests on every core cannot promise
    details: tuple[str, ...] = ()  # which ones, when it does not hold; for people

    @property
    def line(self) -> str:
        told = f"{self.value:d}" if isinstance(self.value, int) else f"{self.value:.2f}"
        demanded = f" (wanted: {self.wanted})" if self.wanted else ""
        verdict = "    " if not self.wanted else "ok  " if self.holds else "FAIL"
        return f"{verdict} {told:>8}  {self.name}{demanded}"

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "wanted": self.wanted, "holds": self.holds}


def shown(name: str, value: float) -> Figure:
    return Figure(name=name, value=value)


def none_of(name: str, found: Sequence[str], *, timed: bool = False) -> Figure:
    """There must be no such thing."""
    return Figure(name=name, value=len(found), wanted="0", holds=not found, timed=timed, details=tuple(found[:20]))


def at_most(name: str, value: float, most: float, *, timed: bool = False) -> Figure:
    return Figure(name=name, value=value, wanted=f"at most {most:g}", holds=value <= most, timed=timed)


def at_least(name: str, value: float, least: float, *, timed: bool = False) -> Figure:
    return Figure(name=name, value=value, wanted=f"at least {least:g}", holds=value >= least, timed=timed)


def broken(figures: Sequence[Figure]) -> str:
    """What does not hold, for the message of a test; empty when everything does. How quick it is, `make faults` asks:
    that nothing is lost or unexplained holds on any machine."""
    wrong = [one for one in figures if not one.holds and not one.timed]
    return "\n".join("\n      ".join((one.line, *one.details)) for one in wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`run` leaves whatever it writes in the folder it is given. `mounts`: in a namespace of the run (mounts.py)."""

    name: str
    what: str
    count: int  # how often in `make faults`
    run: Callable[[Path, int, int, Tell], Awaitable[list[Figure]]]  # folder, seed, count
    mounts: bool = False
