"""A personal data breach: what somebody could reach in a time, and until when the authority is told. Pure.

    account or host, period ─► rights and units as they were then ─► Reach ─► recordings ─► Findings
    aware_at + 72 h ─► due: the supervisory authority is told by then (GDPR, article 33 (1))

What was opened is in the audit log; what could have been follows from the history of rights alone. A right that stood
for a minute of the period reached all that was there in that minute. Where something cannot be told any more it counts
as reached: a report may say too much, never too little.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from uuid import UUID

from ari_recorder.domain.accounts import EVERYTHING, PERMISSIONS, Permission, Scope
from ari_recorder.domain.audit import Action
from ari_recorder.domain.errors import BreachAhead, BreachAwareEarly, BreachPeriodEmpty, HostRefused
from ari_recorder.domain.retention import HELSINKI, midnight
from ari_recorder.domain.rights import Right, UnitChange, units_at

# GDPR, article 33 (1). Hours are hours: weekends and holidays count.
TIME_TO_TELL = timedelta(hours=72)
# How an entry of the log says that a recording was opened. A list shows times and queues, and opens nothing.
OPENINGS = (Action.RECORDING_VIEW, Action.RECORDING_PLAY, Action.RECORDING_EXPORT)
LOOKS_AT_LISTS = (Action.RECORDING_SEARCH, Action.RECORDING_LIST)


class SubjectKind(StrEnum):
    ACCOUNT = "account"
    HOST = "host"


class BreachState(StrEnum):
    OPEN = "open"
    NOTIFIED = "notified"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`subject`: the name of an account, or the address of a host. `until` itself does not belong."""

    kind: SubjectKind
    subject: str
    since: datetime
    until: datetime
    aware_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What an account could listen to, from then until then. `queues`, `interfaces`: None is all of them."""

    account_id: str
    since: datetime
    until: datetime
    queues: tuple[str, ...] | None
    interfaces: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Data subjects. `callers`: distinct numbers. Calls whose callers cannot be told apart: `no_number` had none,
    `forgotten` were destroyed since, `waiting` have no index yet. `staff`: advisers who answered, as far as known."""

    calls: int
    callers: int
    no_number: int
    forgotten: int
    waiting: int
    staff: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenLog:
    """The entries of the period. `sha256`: over the SHA-256 of each leaf, in their order."""

    entries: int
    first_seq: int | None
    last_seq: int | None
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """`accounts`: whose they were; of a host, all that were used from there. `lists`: searches and lists they saw."""

    accounts: tuple[str, ...]
    reach: tuple[Reach, ...]
    reachable: int
    viewed: int
    played: int
    exported: int
    without_right: int
    lists: int
    people: People
    log: FrozenLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A recording that was opened, and how the audit log calls that."""

    recording_id: UUID
    by_right: bool
    opened: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A case. `notified_at`: when the authority was told, under `reference`. `due_at`: when it is to be told."""

    id: UUID
    wanted: Wanted
    opened_at: datetime
    findings: Findings
    notified_at: datetime | None = None
    reference: str = ""
    closed_at: datetime | None = None

    @property
    def due_at(self) -> datetime:
        return self.wanted.aware_at + TIME_TO_TELL

    @property
    def state(self) -> BreachState:
        if self.closed_at is not None:
            return BreachState.CLOSED
        return BreachState.NOTIFIED if self.notified_at is not None else BreachState.OPEN

    def left(self, now: datetime) -> timedelta:
        """Until it is due; negative when that is past. The clock stops when the authority is told, or the case ends."""
        stopped = self.notified_at or self.closed_at
        return self.due_at - (stopped if stopped is not None else now)


def check(wanted: Wanted, now: datetime) -> Wanted:
    """With the address in its one form. BreachPeriodEmpty, BreachAhead, BreachAwareEarly, HostRefused."""
    if wanted.since >= wanted.until:
        raise BreachPeriodEmpty
    for moment in (wanted.until, wanted.aware_at):
        if moment > now:
            raise BreachAhead(moment=f"{moment.astimezone(HELSINKI):%Y-%m-%d %H:%M}")
    if wanted.aware_at < wanted.since:
        raise BreachAwareEarly
    if wanted.kind is SubjectKind.ACCOUNT:
        return replace(wanted, subject=wanted.subject.strip().casefold())
    try:
        return replace(wanted, subject=str(ip_address(wanted.subject.strip())))
    except ValueError:
        raise HostRefused(host=wanted.subject) from None


def reach(
    rights: Iterable[Right], units: Sequence[UnitChange], account_id: str, since: datetime, until: datetime
) -> tuple[Reach, ...]:
    """By each right of this account that lets somebody listen, piece by piece as rights and units changed."""
    mine = [
        one
        for one in rights
        if str(one.account_id) == account_id and Permission.RECORDING_PLAY in PERMISSIONS[one.grant.role]
    ]
    found: list[Reach] = []
    for right in mine:
        moments = sorted({since, *(one for one in _changes(right, units) if since < one < until)})
        for begin, end in zip(moments, [*moments[1:], until], strict=True):
            scope = _scope(right, units, begin)
            if scope is None:
                continue
            one = _reach(account_id, begin, end, scope)
            if found and replace(found[-1], since=begin, until=end) == one and found[-1].until == begin:
                found[-1] = replace(found[-1], until=end)
            else:
                found.append(one)
    return tuple(found)


def _changes(right: Right, units: Sequence[UnitChange]) -> Iterator[datetime]:
    """When what this right reaches may have changed."""
    yield midnight(right.grant.valid_from)
    yield midnight(right.grant.valid_until + timedelta(days=1))
    for moment in (right.approved_at, right.ended_at):
        if moment is not None:
            yield moment
    for span in right.confirmed:
        yield span.since
        if span.until is not None:
            yield span.until
    yield from (one.at for one in units if one.unit == right.grant.unit)


def _scope(right: Right, units: Sequence[UnitChange], moment: datetime) -> Scope | None:
    """None: it gave nothing then."""
    if not right.held_at(moment):
        return None
    grant = right.grant
    queues = None if grant.unit == EVERYTHING else units_at(units, moment).get(grant.unit, frozenset())
    if queues is not None and not queues:
        return None
    return Scope(queues=queues, interfaces=grant.interfaces or None)


def _reach(account_id: str, since: datetime, until: datetime, scope: Scope) -> Reach:
    return Reach(
        account_id=account_id,
        since=since,
        until=until,
        queues=None if scope.queues is None else tuple(sorted(scope.queues)),
        interfaces=None if scope.interfaces is None else tuple(sorted(scope.interfaces)),
    )
