"""The day and the rule that are told are those of the decision."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.holds import Freeze, Hold
from ari_recorder.domain.retention import QUARANTINE, Erase, Keep, Kept, Period, Policy, Rules, decide, local_day
from ari_recorder.domain.retention_told import Retention, Rule, told

BEGAN = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)
RULES = Rules(queues={"advice": Period.parse("P3M"), "dental": Period.parse("P14D")})
POLICY = Policy(rules=RULES)
KEPT = Kept(queue="advice", kept_from=BEGAN)
HOLD = Hold(id=uuid4(), reference="CASE-1", owner="Legal", placed_at=BEGAN, placed_by="x", review_on=date(2027, 3, 1))
FREEZE = Freeze(id=uuid4(), reference="DSAR-1", opened_at=BEGAN, opened_by="x")


def test_the_period_of_the_queue_is_told() -> None:
    found = told(KEPT, POLICY, [], [], BEGAN)
    assert (found.rule, found.destroyed_on, found.period, found.queue) == (
        Rule.PERIOD,
        date(2027, 2, 24),
        "P3M",
        "advice",
    )


def test_a_hold_is_told_before_a_request_and_with_the_others() -> None:
    released = replace(HOLD, released_at=BEGAN, released_by="x")
    found = told(KEPT, POLICY, [released, HOLD], [FREEZE], BEGAN)
    assert (found.rule, found.reference, found.review_on, found.also) == (Rule.HOLD, "CASE-1", HOLD.review_on, 1)
    assert told(KEPT, POLICY, [released], [FREEZE], BEGAN).rule is Rule.REQUEST


def test_a_flag_nobody_decided_on_is_told_with_its_grace() -> None:
    found = told(replace(KEPT, undecided=True), POLICY, [], [], BEGAN)
    assert (found.rule, found.destroyed_on, found.grace) == (Rule.UNDECIDED, date(2027, 3, 10), "P14D")


def test_rules_that_wait_are_told() -> None:
    longer = Policy(rules=RULES, proposed=Rules(queues={"advice": Period.parse("P6M")}))
    assert told(KEPT, longer, [], [], BEGAN).rule is Rule.UNCONFIRMED
    shorter = Policy(rules=RULES, proposed=Rules(queues={"advice": Period.parse("P1M")}))
    assert told(KEPT, shorter, [], [], BEGAN).rule is Rule.PERIOD
    assert told(replace(KEPT, queue="gone"), POLICY, [], [], BEGAN).rule is Rule.LONGEST


@given(st.integers(0, 400), st.sampled_from(["advice", "dental", "gone"]), st.booleans())
def test_what_is_told_is_what_is_decided(days: int, queue: str, undecided: bool) -> None:
    kept = Kept(queue=queue, kept_from=BEGAN, undecided=undecided)
    now = BEGAN + timedelta(days=days)
    decision = decide(kept, POLICY, [], [], now)
    found = told(kept, POLICY, [], [], now)
    assert (found.rule is Rule.DUE) is isinstance(decision, Erase)
    if not isinstance(decision, Erase):
        assert decision.until is not None
        assert found.destroyed_on == local_day(decision.until)


def test_what_is_in_quarantine_goes_at_its_own_end_whatever_else_keeps_it() -> None:
    """Nobody may use it, so nobody can hold it; from the very moment of its end it is to be destroyed."""
    ends = datetime(2026, 12, 8, 23, 30, tzinfo=UTC)  # the 9th in Helsinki
    kept = Kept(queue="advice", kept_from=ends - timedelta(days=14), quarantined_until=ends)
    just_before = ends - timedelta(microseconds=1)
    assert decide(kept, POLICY, [HOLD], [FREEZE], just_before) == Keep(until=ends, because=QUARANTINE)
    assert decide(kept, POLICY, [HOLD], [FREEZE], ends) == Erase(because=QUARANTINE)
    assert told(kept, POLICY, [HOLD], [FREEZE], just_before) == Retention(
        rule=Rule.QUARANTINE, destroyed_on=date(2026, 12, 9), queue="advice"
    )
    late = told(kept, POLICY, [HOLD], [FREEZE], ends + timedelta(days=3))
    assert late.destroyed_on == date(2026, 12, 12)
