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
"""

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

from ari_recorder.domain.errors import PeriodRefused

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
        month = day.month - 1 + self.months
        year, month = day.year + month // 12, month % 12 + 1
        clamped = day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))
        return clamped + timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The period of each queue, as configured now."""

    queues: Mapping[str, Period]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The facts of a recording that its retention depends on."""

    queue: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """`until`: the moment it becomes due. Its local date is the date shown as that of its destruction."""

    until: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    because: str


def decide(recording: Kept, rules: Rules, now: datetime) -> Keep | Erase:
    began = local_day(recording.started_at)
    period, because = rules.of(recording.queue, began)
    until = midnight(period.after(began) + timedelta(days=1))
    return Erase(because=because) if until <= now else Keep(until=until, because=because)


def due_before(queue: str, rules: Rules, now: datetime) -> datetime:
    """What began before this moment is due now, all else is kept: the same decision for a whole queue."""
    today = local_day(now)
    # A guess within days of the answer: an average month has 30.44 days.
    period, _ = rules.of(queue, today)
    day = today - timedelta(days=round(period.months * 30.44) + period.days)
    while _over(queue, rules, day, today):
        day += timedelta(days=1)
    while not _over(queue, rules, day - timedelta(days=1), today):
        day -= timedelta(days=1)
    return midnight(day)


def _over(queue: str, rules: Rules, began: date, today: date) -> bool:
    return rules.of(queue, began)[0].after(began) < today


def local_day(moment: datetime) -> date:
    return moment.astimezone(HELSINKI).date()


def midnight(day: date) -> datetime:
    """The beginning of a day in Helsinki, in UTC."""
    return datetime.combine(day, time(), HELSINKI).astimezone(UTC)
