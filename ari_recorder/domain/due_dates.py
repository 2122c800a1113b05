"""By when a request of a person is answered: what the law says, what the house has set itself, when somebody is warned.

    received ──── warn_on ──── answer_by ──── law_by ────►        Pure; days are days in Helsinki
                  21 days      28 days        one month

GDPR, article 12(3): within one month of receipt; two further months where that is necessary, and the person is told so,
with the reasons, before the first month is over. Act on the Openness of Government Activities (621/1999), section 14:
within two weeks, within one month where there is much of it or where parts are secret.

A month ends on the day of the same number, or on the month's last day if there is none (Regulation 1182/71, article 3;
150/1930, section 3). Both move an end on a Saturday, a Sunday or a holiday to the next working day; here it is not
moved: who answers by the earlier day has answered in time. Nor does the time stand still while a person proves who they
are.

Consent that is withdrawn is carried out within 24 hours (GDPR, article 7(3)): no answer may take its month before. Only
this time begins anew when the person proves who they are, where they could not at first.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ari_recorder.domain.errors import ExtensionTooLate, ExtensionTwice, RequestTextRefused
from ari_recorder.domain.retention import midnight, months_on

_DAY = timedelta(days=1)
_TWO_WEEKS = timedelta(days=14)
# Destroyed within it, or restricted.
CARRIED_OUT_WITHIN = timedelta(hours=24)


class Law(StrEnum):
    """Which one says how long an answer may take."""

    GDPR = "gdpr"
    OPENNESS = "openness"


class Standing(StrEnum):
    """How a request stands on a day. The day itself still belongs to its period."""

    CALM = "calm"
    WARNED = "warned"
    LATE = "late"  # for the house
    OVERDUE = "overdue"  # for the law


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What the house has set itself. `warn_days` is less than `answer_days`, which is at most 28: no month is
    shorter."""

    answer_days: int = 28
    warn_days: int = 21

    @property
    def notice(self) -> timedelta:
        """So long before the answer is due somebody is warned."""
        return timedelta(days=self.answer_days - self.warn_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """`warn_on` <= `answer_by` <= `law_by`."""

    warn_on: date
    answer_by: date
    law_by: date


def first_end(law: Law, received_on: date) -> date:
    """The last day the law gives without more ado."""
    return months_on(received_on, 1) if law is Law.GDPR else received_on + _TWO_WEEKS


def extended_end(law: Law, received_on: date) -> date:
    """The last day after an extension. Two months are counted from the end of the first: never later than three
    months from the receipt."""
    return months_on(first_end(law, received_on), 2) if law is Law.GDPR else months_on(received_on, 1)


def due(law: Law, received_on: date, pace: Pace, *, extended: bool) -> Due:
    if extended:
        law_by = answer_by = extended_end(law, received_on)
    else:
        law_by = first_end(law, received_on)
        answer_by = min(law_by, received_on + timedelta(days=pace.answer_days))
    return Due(warn_on=answer_by - pace.notice, answer_by=answer_by, law_by=law_by)


def standing(due: Due, today: date) -> Standing:
    if today > due.law_by:
        return Standing.OVERDUE
    if today > due.answer_by:
        return Standing.LATE
    return Standing.WARNED if today >= due.warn_on else Standing.CALM


def check_extension(law: Law, received_on: date, told_on: date, today: date, *, extended: bool) -> date:
    """The new last day. `told_on`: when the person was told of it. Once, and before the first period is over."""
    if extended:
        raise ExtensionTwice
    last = first_end(law, received_on)
    if today > last:
        raise ExtensionTooLate(last=last)
    if not received_on <= told_on <= today:
        raise RequestTextRefused(field="told_on", reason="the person is told after the request came, and not tomorrow")
    return extended_end(law, received_on)


def withdrawn_by(
    received_on: date, opened_at: datetime, *, not_proved: bool, proved_at: datetime | None
) -> datetime | None:
    """By when consent that was withdrawn is carried out. `opened_at`: when it was written up, which may be days after
    it came. `not_proved`: the person could not prove who they are, at first. None: they still cannot, and it waits for
    them."""
    came = min(opened_at, midnight(received_on + _DAY))
    since = proved_at if not_proved else came
    return since + CARRIED_OUT_WITHIN if since is not None else None
