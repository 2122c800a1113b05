"""How long a recording is kept: the rule, its calendar, and the decision with its reason. Who carries it out: not here.

    sealed ── due ──► erasing ── key gone, file gone ──► erased
                       (no way back)                      (a tombstone: no key, no path, nothing personal)

The rule of a queue is an ISO 8601 period of whole days, like P3M, counted on the calendar of Helsinki from the day on
which the recording began. As in Finnish law (150/1930, section 3), a period in months ends on the day of the same
number, or on the month's last day if there is none; that day still belongs to it. With its end the recording is due:

    began 23 November 2026, 14:05   P3M   kept to the end of 23 February 2027   destroyed on 24 February 2027
    began 30 November 2026          P3M   kept to the end of 28 February 2027   destroyed on 1 March 2027

Whole days, because a night's recordings lie in one folder and people are told a date. Midnight exists once on every
day in Helsinki: its clocks change at 03:00 and 04:00. The time zone data are the host's (Debian: package tzdata).

What is due is computed when the sweep looks, and not stored with the recording: the rule in force now is the rule,
for old recordings too, and a preview, the sweep and the date shown to people cannot differ.

Five things keep a recording longer, the first that holds is the reason:

    a hold                      until somebody releases it (domain/holds.py)
    an open subject request     until it is closed (domain/holds.py)
    a restriction of processing until it is lifted, where the person opposes the erasure (domain/restriction.py)
    a flag nobody decided on    a grace period more, counted from the last day of the ordinary one, and not a day longer
    rules not confirmed         as long as either the rules in force or the proposed ones say

What is in quarantine (domain/quarantine.py) goes by none of this, but on the day it was told when it came there.

Rules are proposed when a change of the configuration would destroy recordings at once: a slip of the pen must not.
"""

import re
from calendar import monthrange
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

from ari_recorder.domain.errors import PeriodRefused
from ari_recorder.domain.holds import Freeze, Hold

HELSINKI = ZoneInfo("Europe/Helsinki")

_PERIOD = re.compile(
    r"P(?:(?P<years>[0-9]{1,6})Y)?(?:(?P<months>[0-9]{1,6})M)?(?:(?P<weeks>[0-9]{1,6})W)?(?:(?P<days>[0-9]{1,6})D)?",
    re.ASCII,
)
# Nobody keeps calls for a century; the calendar ends in 9999.
_LONGEST_MONTHS = 1200
_LONGEST_DAYS = 36525


class StoredState(StrEnum):
    SEALED = "sealed"
    ERASING = "erasing"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Calendar months, then days."""

    text: str
    months: int
    days: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`P3M`, `P1Y6M`, `P2W`, `P14D`; years, months, weeks, days in this order. PeriodRefused says what is wrong."""
        if not text.strip():
            raise PeriodRefused(text=text, reason="there is none")
        if "-" in text:
            raise PeriodRefused(text=text, reason="it is negative")
        if re.fullmatch(r"P[0-9YMWD.,]*T[0-9HMS.,]*", text):
            raise PeriodRefused(text=text, reason="recordings are kept for whole days, hours and minutes do not count")
        match = _PERIOD.fullmatch(text)
        if match is None or text == "P":
            raise PeriodRefused(text=text, reason="it is not of that form")
        years, months, weeks, days = (int(match[part] or 0) for part in ("years", "months", "weeks", "days"))
        period = cls(text=text, months=12 * years + months, days=7 * weeks + days)
        if period.months == 0 and period.days == 0:
            raise PeriodRefused(text=text, reason="it keeps nothing: a recording would be destroyed at once")
        if period.months > _LONGEST_MONTHS or period.days > _LONGEST_DAYS:
            raise PeriodRefused(text=text, reason="it is longer than a hundred years")
        return period

    def after(self, day: date) -> date:
        """The last day of the period that begins on `day`. Never earlier for a later day."""
        return months_on(day, self.months) + timedelta(days=self.days)


def months_on(day: date, months: int) -> date:
    """The same day so many months later, or before; the month's last, if there is none."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))


# Why what was in quarantine is destroyed: on its certificate and in the audit log.
QUARANTINE = "the end of its quarantine"

# How long a flagged call waits for a supervisor's decision beyond its ordinary period, unless the site says otherwise.
USUAL_GRACE = Period(text="P14D", months=0, days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The period of each queue, and the grace period of flagged calls nobody decided on."""

    queues: Mapping[str, Period]
    undecided_grace: Period = USUAL_GRACE

    def __post_init__(self) -> None:
        if not self.queues:
            raise PeriodRefused(text="", reason="no queue has one")

    def of(self, queue: str, began: date) -> tuple[Period, str]:
        """The period and, in words, whose it is.

        A queue that is no longer configured has lost its rule. Its recordings are kept by the longest of the others:
        not destroyed before any rule would have it, and not kept for ever either.
        """
        period = self.queues.get(queue)
        if period is not None:
            return period, f"{period.text} of queue {queue}"
        longest = max(self.queues.values(), key=lambda candidate: candidate.after(began))
        return longest, f"{longest.text}, the longest period, for queue {queue} is not configured"

    def last_day(self, queue: str, began: date, *, undecided: bool) -> date:
        """The last day on which a recording that began on this day is kept by its period."""
        ordinary = self.of(queue, began)[0].after(began)
        return self.undecided_grace.after(ordinary) if undecided else ordinary


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules in force with their version, and those that wait for a person to confirm them."""

    rules: Rules
    version: int = 0
    proposed: Rules | None = None

    @property
    def all_rules(self) -> tuple[Rules, ...]:
        return (self.rules,) if self.proposed is None else (self.rules, self.proposed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The facts of a recording that its retention depends on. `kept_from`: its beginning, or later when the clock was
    behind then. `undecided`: flagged, and no supervisor decided yet. `quarantined_until`: it is in quarantine."""

    queue: str
    kept_from: datetime
    undecided: bool = False
    quarantined_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """`until`: the moment it becomes due, None while a hold or a request keeps it. Its local date is the date shown as
    that of its destruction."""

    until: datetime | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    because: str


def decide(
    recording: Kept, policy: Policy, holds: Collection[Hold], requests: Collection[Freeze], now: datetime
) -> Keep | Erase:
    """`holds` and `requests` are those of this recording; what was released or closed does not count."""
    if recording.quarantined_until is not None:
        over = recording.quarantined_until <= now
        return Erase(because=QUARANTINE) if over else Keep(until=recording.quarantined_until, because=QUARANTINE)
    for hold in holds:
        if hold.released_at is None:
            return Keep(until=None, because=f"a hold ({hold.reference}), to be reviewed on {hold.review_on}")
    for request in requests:
        if request.closed_at is None:
            what = "a restriction of processing" if request.restricts else "an open request"
            return Keep(until=None, because=f"{what} ({request.reference})")
    began = local_day(recording.kept_from)
    last_days = [rules.last_day(recording.queue, began, undecided=recording.undecided) for rules in policy.all_rules]
    until = midnight(max(last_days) + timedelta(days=1))
    because = _because(recording, policy.rules, began)
    if until <= now:
        return Erase(because=because)
    if last_days[0] != max(last_days) and policy.proposed is not None:
        because = f"{_because(recording, policy.proposed, began)}, proposed and not confirmed"
    return Keep(until=until, because=because)


def _because(recording: Kept, rules: Rules, began: date) -> str:
    _, because = rules.of(recording.queue, began)
    if recording.undecided:
        because = f"{because}, and {rules.undecided_grace.text} for a flag nobody decided on"
    return because


def due_before(queue: str, policy: Policy, now: datetime, *, undecided: bool = False) -> datetime:
    """What began before this moment and is not held is due now, all else is kept: the decision for a whole queue."""
    return min(_due_before(queue, rules, now, undecided) for rules in policy.all_rules)


def _due_before(queue: str, rules: Rules, now: datetime, undecided: bool) -> datetime:
    today = local_day(now)
    # A guess within days of the answer: an average month has 30.44 days.
    period, _ = rules.of(queue, today)
    grace = rules.undecided_grace
    months = period.months + (grace.months if undecided else 0)
    days = period.days + (grace.days if undecided else 0)
    day = today - timedelta(days=round(months * 30.44) + days)
    while rules.last_day(queue, day, undecided=undecided) < today:
        day += timedelta(days=1)
    while not rules.last_day(queue, day - timedelta(days=1), undecided=undecided) < today:
        day -= timedelta(days=1)
    return midnight(day)


def whole_day_due(day: date, policy: Policy, now: datetime) -> bool:
    """Would every recording that began on this day be due, whatever its queue? Holds and flags are not asked."""
    nowhere = ""  # the queue nobody configured goes by the longest period
    return all(rules.last_day(nowhere, day, undecided=False) < local_day(now) for rules in policy.all_rules)


def local_day(moment: datetime) -> date:
    return moment.astimezone(HELSINKI).date()


def midnight(day: date) -> datetime:
    """The beginning of a day in Helsinki, in UTC."""
    return datetime.combine(day, time(), HELSINKI).astimezone(UTC)
