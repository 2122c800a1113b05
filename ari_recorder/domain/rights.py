"""How rights came about, and who had which on a day of the past. What a right allows: domain/accounts.py.

    granted ──approved──► held ──attested──► held, until later ──► over: the last day has passed, or ended
       └──────────────────────────ended────────────────────────────►

History is only added to. What was held on a day follows from it alone: a right is held from its approval, not before
its first day, to the end of its last day, unless it was ended; and only while it was confirmed whose log-in it is, for
a reset suspends all rights of an account. It can be attested while it is held only, so what is added later never
changes the days before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.accounts import EVERYTHING, PERMISSIONS, Grant, Permission, Role
from ari_recorder.domain.retention import local_day


class Change(StrEnum):
    GRANTED = "granted"
    APPROVED = "approved"
    ATTESTED = "attested"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RightChange:
    """One line of the history. Of `granted` it has all fields, of `attested` the new last day."""

    right_id: UUID
    change: Change
    at: datetime
    by: str
    why: str
    account_id: UUID | None = None
    role: Role | None = None
    unit: str | None = None
    interfaces: frozenset[str] | None = None
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerChange:
    """From then on it is confirmed that the owner has the log-in of this account, or it is not."""

    account_id: UUID
    confirmed: bool
    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From then, until then; None: still."""

    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A right with who gave it and who approved. `confirmed`: when it was known that its owner has the log-in."""

    account_id: UUID
    grant: Grant
    why: str
    granted_at: datetime
    granted_by: str
    approved_at: datetime | None = None
    approved_by: str | None = None
    attested_at: datetime | None = None
    attested_by: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_why: str | None = None
    confirmed: tuple[Span, ...] = field(default=())

    @property
    def is_suspended(self) -> bool:
        """It gives nothing now, whatever else is true of it: nobody has confirmed whose log-in it is."""
        return not self.confirmed or self.confirmed[-1].until is not None

    def held_on(self, day: date) -> bool:
        """At any moment of that day."""
        if self.approved_at is None or not self.grant.valid_from <= day <= self.grant.valid_until:
            return False
        return any(_meets(self.approved_at, self.ended_at, span, day) for span in self.confirmed)

    def held_at(self, moment: datetime) -> bool:
        if self.approved_at is None or moment < self.approved_at:
            return False
        if self.ended_at is not None and moment >= self.ended_at:
            return False
        if not self.grant.valid_from <= local_day(moment) <= self.grant.valid_until:
            return False
        return any(span.since <= moment and (span.until is None or moment < span.until) for span in self.confirmed)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """From then on the unit was these queues. `approved_by`: who agreed, where somebody had to."""

    unit: str
    queues: frozenset[str]
    at: datetime
    by: str
    why: str
    approved_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedUnit:
    """Queues that somebody asked for, and that wait for somebody else."""

    id: UUID
    unit: str
    queues: frozenset[str]
    at: datetime
    by: str
    why: str


def fold(history: Iterable[RightChange], owners: Iterable[OwnerChange]) -> tuple[Right, ...]:
    """All rights there ever were, in the order they were granted."""
    spans = _spans(owners)
    rights: dict[UUID, Right] = {}
    for one in history:
        if one.change is Change.GRANTED:
            rights[one.right_id] = _granted(one)
        else:
            rights[one.right_id] = _changed(rights[one.right_id], one)
    return tuple(replace(right, confirmed=spans.get(right.account_id, ())) for right in rights.values())


def held_on(history: Iterable[RightChange], owners: Iterable[OwnerChange], day: date) -> tuple[Right, ...]:
    return tuple(right for right in fold(history, owners) if right.held_on(day))


def split_change(now: frozenset[str], wanted: frozenset[str], *, held: bool) -> tuple[frozenset[str], bool]:
    """The queues of a unit from here on, and whether the rest waits for somebody else: what widens the rights that are
    held there does, and what narrows them bites at once."""
    waits = held and not wanted <= now
    return (wanted & now if waits else wanted), waits


def units_on(history: Iterable[UnitChange], day: date) -> Mapping[str, frozenset[str]]:
    """As they were at the end of that day."""
    return _units(one for one in history if local_day(one.at) <= day)


def units_at(history: Iterable[UnitChange], moment: datetime) -> Mapping[str, frozenset[str]]:
    return _units(one for one in history if one.at <= moment)


def _units(history: Iterable[UnitChange]) -> Mapping[str, frozenset[str]]:
    units = {one.unit: one.queues for one in history}
    return {name: queues for name, queues in units.items() if queues}


def had_right(
    rights: Iterable[Right],
    units: Iterable[UnitChange],
    permission: Permission,
    account_id: str,
    moment: datetime,
    queue: str | None,
    agents: frozenset[str] | None,
) -> bool:
    """Did a right of this account reach a call to this queue, at that moment? `agents`: who answered it, in small
    letters. None: that is not known any more, and not asked."""
    then = units_at(units, moment)
    for right in rights:
        grant = right.grant
        if str(right.account_id) != account_id or permission not in PERMISSIONS[grant.role]:
            continue
        reaches = grant.unit == EVERYTHING or queue is None or queue in then.get(grant.unit, frozenset())
        own = not grant.interfaces or agents is None or bool({one.lower() for one in grant.interfaces} & agents)
        if reaches and own and right.held_at(moment):
            return True
    return False


def _spans(owners: Iterable[OwnerChange]) -> dict[UUID, tuple[Span, ...]]:
    """By account. Confirmed and not confirmed take turns: storage writes down what changed only."""
    spans: dict[UUID, tuple[Span, ...]] = {}
    for one in owners:
        known = spans.get(one.account_id, ())
        if one.confirmed:
            spans[one.account_id] = (*known, Span(since=one.at))
        else:
            spans[one.account_id] = (*known[:-1], Span(since=known[-1].since, until=one.at))
    return spans


def _meets(approved_at: datetime, ended_at: datetime | None, span: Span, day: date) -> bool:
    """Did right and confirmation go together at any moment of that day?"""
    begins = max(approved_at, span.since)
    ends = min((one for one in (ended_at, span.until) if one is not None), default=None)
    if ends is None:
        return local_day(begins) <= day
    return begins < ends and local_day(begins) <= day <= local_day(ends)


def _granted(one: RightChange) -> Right:
    if one.account_id is None or one.role is None or one.unit is None or one.interfaces is None:
        raise ValueError("a grant without its facts")
    if one.valid_from is None or one.valid_until is None:
        raise ValueError("a grant without its days")
    grant = Grant(
        id=one.right_id,
        role=one.role,
        unit=one.unit,
        valid_from=one.valid_from,
        valid_until=one.valid_until,
        interfaces=one.interfaces,
    )
    return Right(account_id=one.account_id, grant=grant, why=one.why, granted_at=one.at, granted_by=one.by)


def _changed(right: Right, one: RightChange) -> Right:
    if one.change is Change.APPROVED:
        return replace(right, approved_at=one.at, approved_by=one.by)
    if one.change is Change.ENDED:
        return replace(right, ended_at=one.at, ended_by=one.by, ended_why=one.why)
    if one.valid_until is None:
        raise ValueError("attested without a day")
    grant = replace(right.grant, valid_until=one.valid_until)
    return replace(right, grant=grant, attested_at=one.at, attested_by=one.by)
