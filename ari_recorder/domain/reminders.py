"""Which reminder is due today: of a flagged call nobody decided on, of a hold, of audio in quarantine, of somebody's
request, of a breach nobody has told the authority of. How it is delivered: not here.

    flag     14 days before the ordinary end  │ notice, weekly
             in the grace period              │ urgent, daily
             its last three days              │ final, daily: what is not decided is destroyed
    hold     30 days before the review day    │ notice, once
             from the review day on           │ urgent, daily
             a fortnight after it             │ final, daily: nobody looks after this hold
    breach   at once, and while the 72 hours run: 24 hours before they are over, 6 hours before
             from then on                 │ final, daily, until the authority has been told
    quarantine   as soon as it is there       │ urgent, once
             its last three days              │ final, once more: who wants to know what made it has to look now
    request  seven days before the answer     │ notice, once
             after the day of the answer      │ urgent, daily
             after the last day of the law    │ final, daily

A day has one reminder for each subject, however often one asks and however many services run.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ari_recorder.domain.due_dates import Due, Standing, standing
from ari_recorder.domain.retention import local_day

_FLAG_FIRST = timedelta(days=14)
_FLAG_EVERY = timedelta(days=7)
_FLAG_FINAL = timedelta(days=3)
_HOLD_FIRST = timedelta(days=30)
_HOLD_FINAL = timedelta(days=14)
_QUARANTINE_FINAL = timedelta(days=3)


class Urgency(StrEnum):
    NOTICE = "notice"
    URGENT = "urgent"
    FINAL = "final"


# Of a breach: so long before it is due.
_BREACH_STAGES = (
    (timedelta(hours=6), "6-hours", Urgency.FINAL),
    (timedelta(hours=24), "24-hours", Urgency.URGENT),
    (timedelta(hours=72), "opened", Urgency.NOTICE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """`days_left`: until the hard end of a flagged call, or the review day of a hold; negative when that is past."""

    urgency: Urgency
    days_left: int


def for_flag(*, ordinary: date, hard: date, today: date, last: date | None) -> Reminder | None:
    """`ordinary` and `hard`: the last days it is kept without and with the grace period. `last`: reminded before."""
    if today < ordinary - _FLAG_FIRST or today > hard:
        return None
    if today > hard - _FLAG_FINAL:
        urgency = Urgency.FINAL
    elif today > ordinary:
        urgency = Urgency.URGENT
    else:
        urgency = Urgency.NOTICE
    rest = _FLAG_EVERY if urgency is Urgency.NOTICE else timedelta(days=1)
    if last is not None and today < last + rest:
        return None
    return Reminder(urgency=urgency, days_left=(hard - today).days)


def for_hold(*, review_on: date, today: date, last: date | None) -> Reminder | None:
    """`last`: when it was reminded of before; what was before its first notice was for an earlier review day."""
    first = review_on - _HOLD_FIRST
    if today < first:
        return None
    if last is not None and last < first:
        last = None
    if today < review_on:
        urgency = Urgency.NOTICE
        due = last is None
    else:
        urgency = Urgency.FINAL if today >= review_on + _HOLD_FINAL else Urgency.URGENT
        due = last is None or last < today
    return Reminder(urgency=urgency, days_left=(review_on - today).days) if due else None


def for_quarantine(*, last_day: date, today: date, last: date | None) -> Reminder | None:
    """`last_day`: on which it still is there. `last`: when it was told before."""
    is_final = today > last_day - _QUARANTINE_FINAL
    told = last is not None and (not is_final or last > last_day - _QUARANTINE_FINAL)
    if told or today > last_day:
        return None
    return Reminder(urgency=Urgency.FINAL if is_final else Urgency.URGENT, days_left=(last_day - today).days)


def for_request(due: Due, today: date, last: date | None) -> Reminder | None:
    """`days_left`: until the last day of the law. After an extension the warning comes anew."""
    stands = standing(due, today)
    if stands is Standing.CALM:
        return None
    if stands is Standing.WARNED:
        if last is not None and last >= due.warn_on:
            return None
        urgency = Urgency.NOTICE
    else:
        if last is not None and last >= today:
            return None
        urgency = Urgency.URGENT if stands is Standing.LATE else Urgency.FINAL
    return Reminder(urgency=urgency, days_left=(due.law_by - today).days)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachReminder:
    """`stage`: each is told once. `hours_left`: whole ones; negative when it is over."""

    urgency: Urgency
    stage: str
    hours_left: int


def for_breach(*, due_at: datetime, now: datetime, told: frozenset[str]) -> BreachReminder | None:
    """`told`: stages that were. One that was missed is not told after a later one."""
    left = due_at - now
    if left <= timedelta():
        urgency, stage = Urgency.FINAL, f"over-{local_day(now)}"
    else:
        urgency, stage = next((one, name) for before, name, one in _BREACH_STAGES if left <= before)
    if stage in told:
        return None
    return BreachReminder(urgency=urgency, stage=stage, hours_left=left // timedelta(hours=1))
