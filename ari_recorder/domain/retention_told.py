"""Until when a recording is kept and by which rule, as data: a sentence in any language is made of it. The decision
itself is domain/retention.py's, and the day shown is the day it gives.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ari_recorder.domain.holds import Freeze, Hold
from ari_recorder.domain.retention import Erase, Kept, Policy, decide, local_day


class Rule(StrEnum):
    HOLD = "hold"  # until somebody releases it
    REQUEST = "request"  # until the subject request is closed
    RESTRICTION = "restriction"  # until it is lifted
    UNDECIDED = "undecided"  # the queue's period, and the grace of a flag nobody decided on
    UNCONFIRMED = "unconfirmed"  # new rules say longer, and wait for a person
    PERIOD = "period"  # of its queue
    LONGEST = "longest"  # the queue is not configured any more
    QUARANTINE = "quarantine"  # and no other rule counts
    DUE = "due"  # the next sweep
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """`destroyed_on`: a day in Helsinki; None while nobody knows it, and when it is over. What does not belong to the
    rule is empty. `also`: how many other holds and requests keep it."""

    rule: Rule
    destroyed_on: date | None = None
    period: str = ""
    grace: str = ""
    queue: str = ""
    reference: str = ""
    review_on: date | None = None
    also: int = 0


def told(
    recording: Kept, policy: Policy, holds: Collection[Hold], requests: Collection[Freeze], now: datetime
) -> Retention:
    """Of a recording that is there."""
    if recording.quarantined_until is not None:
        ends_on = local_day(max(recording.quarantined_until, now))
        return Retention(rule=Rule.QUARANTINE, destroyed_on=ends_on, queue=recording.queue)
    active = sorted((one for one in holds if one.released_at is None), key=lambda one: one.review_on, reverse=True)
    frozen = [one for one in requests if one.closed_at is None]
    also = len(active) + len(frozen) - 1
    if active:
        return Retention(rule=Rule.HOLD, reference=active[0].reference, review_on=active[0].review_on, also=also)
    if frozen:
        rule = Rule.RESTRICTION if frozen[0].restricts else Rule.REQUEST
        return Retention(rule=rule, reference=frozen[0].reference, also=also)
    decision = decide(recording, policy, (), (), now)
    began = local_day(recording.kept_from)
    rules = policy.rules
    period, _ = rules.of(recording.queue, began)
    destroyed_on = local_day(now)
    if isinstance(decision, Erase) or decision.until is None:
        rule = Rule.DUE
    else:
        destroyed_on = local_day(decision.until)
        if destroyed_on > rules.last_day(recording.queue, began, undecided=recording.undecided) + timedelta(days=1):
            rule = Rule.UNCONFIRMED
        elif recording.undecided:
            rule = Rule.UNDECIDED
        else:
            rule = Rule.PERIOD if recording.queue in rules.queues else Rule.LONGEST
    return Retention(
        rule=rule,
        destroyed_on=destroyed_on,
        period=period.text,
        grace=rules.undecided_grace.text if recording.undecided else "",
        queue=recording.queue,
    )
