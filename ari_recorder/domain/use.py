"""How people use recordings, week by week: what is counted, what stands out, what is drawn for sign-off. Pure.

    touches of a week ─► a row for each user and unit ─► findings          compared with the weeks before
                └──────► a sample of the listenings ─► signed off by somebody else, within a fortnight

A finding is no verdict: it says what somebody should ask about. Nobody is judged by a machine.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

_ZONE = ZoneInfo("Europe/Helsinki")
WEEK = timedelta(days=7)
# Half a year: the weeks one is compared with. Fewer than four say nothing.
HISTORY_WEEKS = 26
_LEAST_HISTORY = 4
# SECURITY L15: beyond three standard deviations.
_SIGMAS = 3
# A supervisor listens to a call twice; who hears it five times has a reason that can be asked for.
_SAME_RECORDING = 4
_SAME_CALLER = 4
# A wrong link or a right that has just ended makes one or two.
_REFUSED = 5
# So many entries are named with a finding; the audit log has them all.
_MOST_NAMED = 20


class TouchKind(StrEnum):
    LISTENING = "listening"
    EXPORT = "export"
    SEARCH = "search"
    VIEW = "view"


class Verdict(StrEnum):
    """What somebody says who looked at a listening of another one."""

    IN_ORDER = "in-order"
    TO_BE_CLARIFIED = "to-be-clarified"


class FindingKind(StrEnum):
    OUT_OF_HOURS = "out-of-hours"
    DAY_OFF = "day-off"
    OWN_NUMBER = "own-number"
    COLLEAGUE_NUMBER = "colleague-number"
    MORE_THAN_BEFORE = "more-than-before"
    MORE_THAN_OTHERS = "more-than-others"
    MANY_SEARCHES = "many-searches"
    EXPORTED = "exported"
    SAME_CALLER = "same-caller"
    SAME_RECORDING = "same-recording"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Something somebody did. `seq`: its entry in the audit log. `caller`: what stands for the caller's number."""

    seq: int
    entry_id: UUID
    at: datetime
    kind: TouchKind
    actor: str
    unit: str
    because: str = ""
    refused: bool = False
    recording_id: UUID | None = None
    queue: str | None = None
    caller: bytes | None = None
    own_number: bool = False
    colleague_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When people work. `weekdays`: 0 is Monday."""

    opens: time
    closes: time
    weekdays: frozenset[int]
    closed_days: frozenset[date]

    def is_day_off(self, at: datetime) -> bool:
        day = at.astimezone(_ZONE).date()
        return day.weekday() not in self.weekdays or day in self.closed_days

    def is_out(self, at: datetime) -> bool:
        local = at.astimezone(_ZONE).time()
        return self.is_day_off(at) or not self.opens <= local < self.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`usual`: what would still have been usual, where that was computed."""

    kind: FindingKind
    count: int
    usual: int | None = None
    entries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRow:
    """The week of one user in one unit."""

    week: date
    actor: str
    unit: str
    listenings: int = 0
    exports: int = 0
    searches: int = 0
    views: int = 0
    refused: int = 0
    out_of_hours: int = 0
    findings: tuple[Finding, ...] = ()


def week_of(at: datetime) -> date:
    """Its Monday, Europe/Helsinki."""
    day = at.astimezone(_ZONE).date()
    return day - timedelta(days=day.weekday())


def units_of(unit: str) -> frozenset[str]:
    """The units of a row. Names of units have no comma."""
    return frozenset(one for one in unit.split(", ") if one)


def rows(week: date, touches: Iterable[Touch], history: Sequence[UseRow], hours: Hours) -> tuple[UseRow, ...]:
    """`history`: rows of the weeks before. Who stands out is told apart by unit: other work, other figures."""
    of_user: dict[tuple[str, str], list[Touch]] = defaultdict(list)
    for touch in touches:
        of_user[touch.actor, touch.unit].append(touch)
    counted = {who: _counted(week, who, mine, hours) for who, mine in of_user.items()}
    before = [row for row in history if week - HISTORY_WEEKS * WEEK <= row.week < week]
    found = []
    for who, row in sorted(counted.items()):
        others = [one for one in (*before, *counted.values()) if one.unit == row.unit and one.actor != row.actor]
        mine = _weeks(row, before)
        found.append(_with_findings(row, of_user[who], mine, others, hours))
    return tuple(found)


def sample(listenings: Iterable[Touch], seed: bytes, percent: int) -> tuple[Touch, ...]:
    """Listenings to be signed off: that share of all, rounded up, and one of each user at least. Drawn by the hash of
    seed and entry: whoever has both draws the same again, and nobody knows before which they will be."""
    heard = [one for one in listenings if one.kind is TouchKind.LISTENING and not one.refused]
    drawn = sorted(heard, key=lambda one: (sha256(seed + one.entry_id.bytes).digest(), one.seq))
    wanted = -(-len(drawn) * percent // 100)
    first: dict[str, Touch] = {}
    for one in drawn:
        first.setdefault(one.actor, one)
    chosen = {one.seq: one for one in first.values()}
    for one in drawn:
        if len(chosen) >= wanted:
            break
        chosen[one.seq] = one
    return tuple(chosen[seq] for seq in sorted(chosen))


def usual(counts: Sequence[int]) -> int | None:
    """The most that is not unusual: the mean and three standard deviations. Counts scatter by the root of their mean at
    least (Poisson), so that one more than nothing is no finding. None: too few weeks to say."""
    if len(counts) < _LEAST_HISTORY:
        return None
    mean = sum(counts) / len(counts)
    deviation = math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts))
    return math.floor(mean + _SIGMAS * max(deviation, math.sqrt(mean), 1.0))


def _weeks(row: UseRow, before: Iterable[UseRow]) -> tuple[UseRow, ...]:
    """The user's own weeks since the first one; a week without a row is one without use."""
    known: Mapping[date, UseRow] = {one.week: one for one in before if (one.actor, one.unit) == (row.actor, row.unit)}
    weeks = []
    week = min(known, default=row.week)
    while week < row.week:
        weeks.append(known.get(week, UseRow(week=week, actor=row.actor, unit=row.unit)))
        week += WEEK
    return tuple(weeks)


def _counted(week: date, who: tuple[str, str], touches: Sequence[Touch], hours: Hours) -> UseRow:
    done = Counter(touch.kind for touch in touches if not touch.refused)
    return UseRow(
        week=week,
        actor=who[0],
        unit=who[1],
        listenings=done[TouchKind.LISTENING],
        exports=done[TouchKind.EXPORT],
        searches=done[TouchKind.SEARCH],
        views=done[TouchKind.VIEW],
        refused=sum(touch.refused for touch in touches),
        out_of_hours=sum(hours.is_out(touch.at) for touch in touches),
    )


def _with_findings(
    row: UseRow, touches: Sequence[Touch], mine: Sequence[UseRow], others: Sequence[UseRow], hours: Hours
) -> UseRow:
    heard = [touch for touch in touches if touch.kind is TouchKind.LISTENING and not touch.refused]
    out = [touch for touch in touches if hours.is_out(touch.at)]
    findings = [
        *_listed(FindingKind.OUT_OF_HOURS, [touch for touch in out if not hours.is_day_off(touch.at)]),
        *_listed(FindingKind.DAY_OFF, [touch for touch in out if hours.is_day_off(touch.at)]),
        *_listed(FindingKind.OWN_NUMBER, [touch for touch in touches if touch.own_number]),
        *_listed(FindingKind.COLLEAGUE_NUMBER, [touch for touch in touches if touch.colleague_number]),
        *_listed(FindingKind.EXPORTED, [one for one in touches if one.kind is TouchKind.EXPORT and not one.refused]),
        *_more(FindingKind.MORE_THAN_BEFORE, row.listenings, [one.listenings for one in mine]),
        *_more(FindingKind.MORE_THAN_OTHERS, row.listenings, [one.listenings for one in others]),
        *_more(
            FindingKind.MANY_SEARCHES, row.searches + row.views, [one.searches + one.views for one in (*mine, *others)]
        ),
        *_again(FindingKind.SAME_RECORDING, heard, _SAME_RECORDING),
        *_followed(heard),
    ]
    if row.refused >= _REFUSED:
        findings += _listed(FindingKind.REFUSED, [touch for touch in touches if touch.refused])
    return UseRow(
        week=row.week,
        actor=row.actor,
        unit=row.unit,
        listenings=row.listenings,
        exports=row.exports,
        searches=row.searches,
        views=row.views,
        refused=row.refused,
        out_of_hours=row.out_of_hours,
        findings=tuple(findings),
    )


def _listed(kind: FindingKind, touches: Sequence[Touch]) -> list[Finding]:
    if not touches:
        return []
    return [Finding(kind=kind, count=len(touches), entries=tuple(touch.seq for touch in touches[:_MOST_NAMED]))]


def _more(kind: FindingKind, count: int, counts: Sequence[int]) -> list[Finding]:
    most = usual(counts)
    return [Finding(kind=kind, count=count, usual=most)] if most is not None and count > most else []


def _again(kind: FindingKind, heard: Sequence[Touch], most: int) -> list[Finding]:
    of_one: dict[UUID | None, list[Touch]] = defaultdict(list)
    for touch in heard:
        of_one[touch.recording_id].append(touch)
    return [
        finding
        for recording_id, touches in of_one.items()
        if recording_id is not None and len(touches) > most
        for finding in _listed(kind, touches)
    ]


def _followed(heard: Sequence[Touch]) -> list[Finding]:
    """Different recordings of one caller."""
    of_caller: dict[bytes, dict[UUID, Touch]] = defaultdict(dict)
    for touch in heard:
        if touch.caller and touch.recording_id is not None:
            of_caller[touch.caller].setdefault(touch.recording_id, touch)
    return [
        finding
        for touches in of_caller.values()
        if len(touches) > _SAME_CALLER
        for finding in _listed(FindingKind.SAME_CALLER, list(touches.values()))
    ]
