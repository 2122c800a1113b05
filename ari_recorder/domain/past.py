"""What was so at a moment of the past. Nothing is kept for this: it follows from what is only ever added to.

    version 1 ─► version 2 ─┬─► version 3        of one thing: a field of a call, the notice, the state of a recording
                in force then, and what has come since
    begun ──────────────────┼─► over             of several that may end: restrictions, disclosures
    step 1 ─► step 2 ───────┼─► step 3           a case: it stands where its steps have brought it

What was made at the very moment that is asked for was made. Versions and steps are given in the order in which they
were made, and that order counts: a clock that was set back between two of them does not bring the older one back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from ari_recorder.domain.audit import JSON
from ari_recorder.domain.subject_requests import Decision, State, Step

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions(Generic[T]):
    """Of one thing, each part the oldest first. `in_force`: None before the first; `superseded` by it; `since`: what
    has come after it, and the last of those is what is so now."""

    superseded: tuple[T, ...]
    in_force: T | None
    since: tuple[T, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting(Generic[T]):
    """Several that begin and may end: which were going on then, which were `over`, and which have begun `since`."""

    going_on: tuple[T, ...]
    over: tuple[T, ...]
    since: tuple[T, ...]


class Made(Protocol):
    """A step of a case, as its history has it (services/casebook.py says what is in `facts`)."""

    @property
    def step(self) -> Step: ...
    @property
    def state(self) -> State: ...
    @property
    def made_at(self) -> datetime: ...
    @property
    def facts(self) -> Mapping[str, JSON]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """Where a case stood. `version`: so many steps it had. `certificate`: the number of that of a refusal. `theirs`: of
    each call that was looked at, by its id, whether it is the person's; `granted`: for which calls."""

    version: int
    state: State
    decision: Decision | None = None
    decided_at: datetime | None = None
    extended_to: date | None = None
    certificate: str = ""
    answered_at: datetime | None = None
    closed_at: datetime | None = None
    appeal_until: date | None = None
    released_at: datetime | None = None
    theirs: Mapping[UUID, bool]
    granted: frozenset[UUID] = frozenset()


def versions_at(made: Sequence[T], at: datetime, when: Callable[[T], datetime]) -> Versions[T]:
    """`made`: in the order in which they were; `when` each was."""
    there = max((number for number, one in enumerate(made, 1) if when(one) <= at), default=0)
    return Versions(
        superseded=tuple(made[: max(there - 1, 0)]),
        in_force=made[there - 1] if there else None,
        since=tuple(made[there:]),
    )


def lasting_at(
    several: Sequence[T], at: datetime, began: Callable[[T], datetime], ended: Callable[[T], datetime | None]
) -> Lasting[T]:
    """`ended`: None while it goes on."""
    going_on: list[T] = []
    over: list[T] = []
    since: list[T] = []
    for one in several:
        end = ended(one)
        part = since if began(one) > at else going_on if end is None or end > at else over
        part.append(one)
    return Lasting(going_on=tuple(going_on), over=tuple(over), since=tuple(since))


def stood(steps: Sequence[Made]) -> Stood | None:
    """Where these steps have brought a case; the first one opened it. None without any."""
    case: Stood | None = None
    for one in steps:
        case = _after(case or Stood(version=0, state=one.state, theirs={}), one)
    return case


def _after(case: Stood, made: Made) -> Stood:
    case = replace(case, version=case.version + 1, state=made.state)
    facts, at = made.facts, made.made_at
    match made.step:
        case Step.CONFIRM:
            looked_at = {one: name == "theirs" for name in ("theirs", "not_theirs") for one in _ids(facts, name)}
            return replace(case, theirs={**case.theirs, **looked_at})
        case Step.DECIDE:
            decision = Decision(str(facts["decision"]))
            return replace(case, decision=decision, decided_at=at, granted=frozenset(_ids(facts, "calls")))
        case Step.EXTEND:
            return replace(case, extended_to=date.fromisoformat(str(facts["until"])))
        case Step.REFUSE:
            case = replace(case, certificate=str(facts["certificate"]))
            if facts["extent"] == "part":
                return case
            return replace(case, decision=Decision.REFUSED, decided_at=at, answered_at=at)
        case Step.HAND_OVER:
            return replace(case, answered_at=at)
        case Step.CLOSE:
            case = replace(case, closed_at=at, appeal_until=date.fromisoformat(str(facts["appeal_until"])))
            # Whatever else is closed was decided on before.
            return case if case.decision is not None else replace(case, decision=Decision.TAKEN_BACK, decided_at=at)
        case Step.RELEASE:
            return replace(case, released_at=at)
        case Step.OPEN | Step.IDENTITY | Step.MATCH:
            return case


def _ids(facts: Mapping[str, JSON], name: str) -> list[UUID]:
    told = facts.get(name, [])
    return [UUID(str(one)) for one in told] if isinstance(told, list) else []
