"""How rights came about, and who had which on a day of the past. What a right allows: domain/accounts.py.

    granted ──approved──► held ──attested──► held, until later ──► over: the last day has passed, or ended
       └──────────────────────────ended────────────────────────────►

History is only added to. What was held on a day follows from it alone: a right is held from its approval, not before
its first day, to the end of its last day, unless it was ended. It can be attested while it is held only, so what is
added later never changes the days before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.accounts import Grant, Role
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
class Right:
    """A right with who gave it and who approved."""

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

    def held_on(self, day: date) -> bool:
        """At any moment of that day."""
        if self.approved_at is None or local_day(self.approved_at) > day:
            return False
        if self.ended_at is not None and (self.ended_at <= self.approved_at or local_day(self.ended_at) < day):
            return False
        return self.grant.valid_from <= day <= self.grant.valid_until


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """From then on the unit was these queues."""

    unit: str
    queues: frozenset[str]
    at: datetime
    by: str
    why: str


def fold(history: Iterable[RightChange]) -> tuple[Right, ...]:
    """All rights there ever were, in the order they were granted."""
    rights: dict[UUID, Right] = {}
    for one in history:
        if one.change is Change.GRANTED:
            rights[one.right_id] = _granted(one)
        else:
            rights[one.right_id] = _changed(rights[one.right_id], one)
    return tuple(rights.values())


def held_on(history: Iterable[RightChange], day: date) -> tuple[Right, ...]:
    return tuple(right for right in fold(history) if right.held_on(day))


def units_on(history: Iterable[UnitChange], day: date) -> Mapping[str, frozenset[str]]:
    """As they were at the end of that day."""
    units: dict[str, frozenset[str]] = {}
    for one in history:
        if local_day(one.at) <= day:
            units[one.unit] = one.queues
    return {name: queues for name, queues in units.items() if queues}


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
