import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.errors import PeriodRefused
from ari_recorder.domain.holds import Freeze, Hold
from ari_recorder.domain.retention import (
    Erase,
    Keep,
    Kept,
    Period,
    Policy,
    Rules,
    decide,
    due_before,
    local_day,
    whole_day_due,
)

HELSINKI = ZoneInfo("Europe/Helsinki")


def policy(proposed: dict[str, str] | None = None, *, grace: str = "P14D", **queues: str) -> Policy:
    def rules(periods: dict[str, str]) -> Rules:
        parsed = {name: Period.parse(text) for name, text in periods.items()}
        return Rules(queues=parsed, undecided_grace=Period.parse(grace))

    return Policy(rules=rules(queues), proposed=rules(proposed) if proposed is not None else None)


P3M = policy(advice="P3M")


def helsinki(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=HELSINKI)


def until(period: str, started_at: datetime) -> datetime:
    """When it becomes due, as people in Helsinki read it."""
    decision = decide(Kept(queue="advice", kept_from=started_at), policy(advice=period), (), (), started_at)
    assert isinstance(decision, Keep)
    assert decision.until is not None
    return decision.until.astimezone(HELSINKI)


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [
        ("P3M", 3, 0),
        ("P1Y", 12, 0),
        ("P1Y6M", 18, 0),
        ("P2W", 0, 14),
        ("P14D", 0, 14),
        ("P1Y2M3W4D", 14, 25),
        ("P03M", 3, 0),
        ("P0Y3M", 3, 0),
        ("P1D", 0, 1),
        ("P100Y", 1200, 0),
    ],
)
def test_periods_are_read(text: str, months: int, days: int) -> None:
    assert Period.parse(text) == Period(text=text, months=months, days=days)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is none"),
        ("  ", "there is none"),
        ("P0M", "keeps nothing"),
        ("P0D", "keeps nothing"),
        ("P0Y0M0W0D", "keeps nothing"),
        ("P-3M", "negative"),
        ("-P3M", "negative"),
        ("P3MT12H", "whole days"),
        ("PT24H", "whole days"),
        ("P", "not of that form"),
        ("3M", "not of that form"),
        ("P3", "not of that form"),
        ("p3m", "not of that form"),
        ("P3M ", "not of that form"),
        ("P3M\n", "not of that form"),
        ("P1.5M", "not of that form"),
        ("P3M1Y", "not of that form"),
        ("P3M3M", "not of that form"),
        ("P٣M", "not of that form"),
        ("three months", "not of that form"),
        ("P1201M", "a hundred years"),
        ("P99999999D", "not of that form"),
        ("P999999D", "a hundred years"),
    ],
)
def test_what_is_no_period_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(PeriodRefused, match=reason):
        Period.parse(text)


def test_rules_without_any_queue_are_refused() -> None:
    with pytest.raises(PeriodRefused, match="no queue"):
        Rules(queues={})


@pytest.mark.parametrize(
    ("period", "started_at", "destroyed_on"),
    [
        # Kept through the day of the same number, destroyed on the next.
        ("P3M", helsinki(2026, 11, 23, 14, 5), date(2027, 2, 24)),
        ("P3M", helsinki(2026, 11, 23, 0, 0), date(2027, 2, 24)),
        ("P3M", helsinki(2026, 11, 23, 23, 59), date(2027, 2, 24)),
        # The end of the month is clamped, in leap years too.
        ("P3M", helsinki(2026, 11, 28), date(2027, 3, 1)),
        ("P3M", helsinki(2026, 11, 29), date(2027, 3, 1)),
        ("P3M", helsinki(2026, 11, 30), date(2027, 3, 1)),
        ("P3M", helsinki(2027, 11, 28), date(2028, 2, 29)),
        ("P3M", helsinki(2027, 11, 29), date(2028, 3, 1)),
        ("P3M", helsinki(2027, 11, 30), date(2028, 3, 1)),
        ("P3M", helsinki(2027, 1, 31), date(2027, 5, 1)),
        ("P1Y", helsinki(2028, 2, 29), date(2029, 3, 1)),
        ("P4Y", helsinki(2028, 2, 29), date(2032, 3, 1)),
        ("P1M", helsinki(2026, 12, 31), date(2027, 2, 1)),
        # Days are counted.
        ("P14D", helsinki(2026, 11, 23), date(2026, 12, 8)),
        ("P2W", helsinki(2026, 11, 23), date(2026, 12, 8)),
        # Months first, then days.
        ("P1M1D", helsinki(2027, 1, 30), date(2027, 3, 2)),
        # Clocks change on 28 March and on 31 October 2027.
        ("P3M", helsinki(2026, 12, 28), date(2027, 3, 29)),
        ("P1D", helsinki(2027, 3, 27), date(2027, 3, 29)),
        ("P3M", helsinki(2027, 7, 31), date(2027, 11, 1)),
    ],
)
def test_the_day_of_destruction(period: str, started_at: datetime, destroyed_on: date) -> None:
    assert until(period, started_at) == datetime.combine(destroyed_on, time(), HELSINKI)


def test_the_day_is_that_of_helsinki_whatever_the_time_zone_of_the_facts() -> None:
    # 22:30 UTC on the 23rd is half past midnight on the 24th there; in summer a quarter past nine is enough.
    assert until("P3M", datetime(2026, 11, 23, 22, 30, tzinfo=UTC)).date() == date(2027, 2, 25)
    assert until("P3M", datetime(2026, 11, 23, 21, 30, tzinfo=UTC)).date() == date(2027, 2, 24)
    assert until("P3M", datetime(2026, 7, 23, 21, 15, tzinfo=UTC)).date() == date(2026, 10, 25)


def test_to_the_microsecond() -> None:
    recording = Kept(queue="advice", kept_from=helsinki(2026, 11, 23))
    due = helsinki(2027, 2, 24, 0)
    assert decide(recording, P3M, (), (), due - timedelta(microseconds=1)) == Keep(
        until=due.astimezone(UTC), because="P3M of queue advice"
    )
    assert decide(recording, P3M, (), (), due) == Erase(because="P3M of queue advice")
    assert decide(recording, P3M, (), (), due + timedelta(days=4000)) == Erase(because="P3M of queue advice")


def test_each_queue_has_its_own_period() -> None:
    rules = policy(advice="P3M", dental="P14D")
    now = helsinki(2026, 12, 24)
    started_at = helsinki(2026, 11, 23)
    assert isinstance(decide(Kept(queue="advice", kept_from=started_at), rules, (), (), now), Keep)
    assert decide(Kept(queue="dental", kept_from=started_at), rules, (), (), now) == Erase(
        because="P14D of queue dental"
    )


def test_a_queue_that_is_no_longer_configured_goes_by_the_longest_period() -> None:
    rules = policy(None, P14D="P14D", P3M="P3M", P90D="P90D")
    gone = Kept(queue="gone", kept_from=helsinki(2026, 11, 23))
    decision = decide(gone, rules, (), (), gone.kept_from)
    assert isinstance(decision, Keep)
    assert decision.until is not None
    assert decision.until.astimezone(HELSINKI).date() == date(2027, 2, 24)
    assert decision.because == "P3M, the longest period, for queue gone is not configured"
    # From 31 January three months reach to the end of April, 90 days to the first of May.
    gone = Kept(queue="gone", kept_from=helsinki(2027, 1, 31))
    assert "P90D" in decide(gone, rules, (), (), gone.kept_from).because


def test_another_period_counts_for_old_recordings_too() -> None:
    recording = Kept(queue="advice", kept_from=helsinki(2026, 11, 23))
    now = helsinki(2026, 12, 24)
    assert isinstance(decide(recording, P3M, (), (), now), Keep)
    assert isinstance(decide(recording, policy(advice="P1M"), (), (), now), Erase)


days = st.dates(min_value=date(2000, 1, 1), max_value=date(2150, 1, 1))
moments = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=55_000)).map(
    datetime(2000, 1, 1, tzinfo=UTC).__add__
)
periods = st.builds(
    lambda months, days: Period(text="any", months=months, days=days), st.integers(0, 60), st.integers(0, 800)
).filter(lambda period: period.months or period.days)


@given(first=days, second=days, period=periods)
def test_who_came_later_is_never_destroyed_earlier(first: date, second: date, period: Period) -> None:
    if first <= second:
        assert period.after(first) <= period.after(second)


@given(day=days, months=st.integers(1, 60))
def test_months_keep_the_number_of_the_day_or_end_with_the_month(day: date, months: int) -> None:
    last = Period(text="any", months=months, days=0).after(day)
    assert (last.year * 12 + last.month) - (day.year * 12 + day.month) == months
    assert last.day == day.day or (last.day < day.day and last.day == calendar.monthrange(last.year, last.month)[1])


@given(started_at=moments, period=periods)
def test_due_at_midnight_in_helsinki_and_never_before_the_period_is_over(started_at: datetime, period: Period) -> None:
    rules = Policy(rules=Rules(queues={"advice": period}))
    decision = decide(Kept(queue="advice", kept_from=started_at), rules, (), (), started_at)
    assert isinstance(decision, Keep)
    assert decision.until is not None
    due = decision.until.astimezone(HELSINKI)
    assert (due.hour, due.minute, due.second) == (0, 0, 0)
    assert due.date() == period.after(local_day(started_at)) + timedelta(days=1)


@given(
    now=moments,
    offset=st.timedeltas(timedelta(days=-3), timedelta(days=3)),
    some=st.lists(periods, min_size=1, max_size=3),
    grace=periods,
    proposed=st.none() | periods,
    known=st.booleans(),
    undecided=st.booleans(),
)
def test_the_question_for_a_queue_is_the_decision_for_each_recording(
    now: datetime,
    offset: timedelta,
    some: list[Period],
    grace: Period,
    proposed: Period | None,
    known: bool,
    undecided: bool,
) -> None:
    rules = Rules(queues={str(number): period for number, period in enumerate(some)}, undecided_grace=grace)
    current = Policy(rules=rules, proposed=Rules(queues={"0": proposed}) if proposed is not None else None)
    queue = "0" if known else "gone"
    before = due_before(queue, current, now, undecided=undecided)
    for started_at in (before, before - timedelta(microseconds=1), before + offset, now):
        kept = Kept(queue=queue, kept_from=started_at, undecided=undecided)
        assert isinstance(decide(kept, current, (), (), now), Erase) == (started_at < before)


# --- what keeps longer

STARTED = helsinki(2026, 11, 23)
HOLD = Hold(
    id=UUID(int=1),
    reference="5530/R/1/26",
    owner="Sari Supervisor",
    placed_at=STARTED,
    placed_by="sari",
    review_on=date(2027, 11, 1),
)
FREEZE = Freeze(id=UUID(int=2), reference="2026-77", opened_at=STARTED, opened_by="olli")
LONG_AFTER = helsinki(2040, 1, 1)


def test_what_is_held_or_asked_for_is_kept_without_an_end() -> None:
    kept = Kept(queue="advice", kept_from=STARTED)
    held = decide(kept, P3M, (HOLD,), (), LONG_AFTER)
    assert held == Keep(until=None, because="a hold (5530/R/1/26), to be reviewed on 2027-11-01")
    asked = decide(kept, P3M, (), (FREEZE,), LONG_AFTER)
    assert asked == Keep(until=None, because="an open request (2026-77)")


def test_what_was_released_or_closed_keeps_no_more() -> None:
    kept = Kept(queue="advice", kept_from=STARTED)
    released = replace(HOLD, released_at=STARTED, released_by="sari")
    closed = replace(FREEZE, closed_at=STARTED, closed_by="olli")
    assert isinstance(decide(kept, P3M, (released,), (closed,), LONG_AFTER), Erase)
    assert isinstance(decide(kept, P3M, (released, HOLD), (closed,), LONG_AFTER), Keep)
    assert isinstance(decide(kept, P3M, (released,), (closed, FREEZE), LONG_AFTER), Keep)


def test_a_flag_nobody_decided_on_has_a_grace_period_and_a_hard_end() -> None:
    kept = Kept(queue="advice", kept_from=STARTED, undecided=True)
    because = "P3M of queue advice, and P14D for a flag nobody decided on"
    # To the end of 23 February, and fourteen days more: to the end of 9 March.
    hard = helsinki(2027, 3, 10, 0)
    last_moment = hard - timedelta(microseconds=1)
    assert decide(kept, P3M, (), (), STARTED) == Keep(until=hard.astimezone(UTC), because=because)
    assert decide(kept, P3M, (), (), last_moment) == Keep(until=hard.astimezone(UTC), because=because)
    assert decide(kept, P3M, (), (), hard) == Erase(because=because)
    decided = replace(kept, undecided=False)
    assert isinstance(decide(decided, P3M, (), (), last_moment), Erase)


def test_rules_that_wait_for_a_person_destroy_nothing_and_neither_do_those_they_lengthen() -> None:
    kept = Kept(queue="advice", kept_from=STARTED)
    shorter = policy({"advice": "P14D"}, advice="P3M")
    assert decide(kept, shorter, (), (), helsinki(2026, 12, 24)) == Keep(
        until=helsinki(2027, 2, 24, 0).astimezone(UTC), because="P3M of queue advice"
    )
    assert isinstance(decide(kept, shorter, (), (), helsinki(2027, 2, 24, 0)), Erase)
    longer = policy({"advice": "P6M"}, advice="P3M")
    assert decide(kept, longer, (), (), helsinki(2027, 2, 24, 0)) == Keep(
        until=helsinki(2027, 5, 24, 0).astimezone(UTC), because="P6M of queue advice, proposed and not confirmed"
    )


def test_a_day_is_over_when_the_longest_period_is() -> None:
    several = policy(advice="P3M", dental="P14D")
    day = date(2026, 11, 23)
    assert not whole_day_due(day, several, helsinki(2027, 2, 23, 23, 59))
    assert whole_day_due(day, several, helsinki(2027, 2, 24, 0))
    assert not whole_day_due(day, replace(several, proposed=policy(advice="P1Y").rules), helsinki(2027, 2, 24, 0))


# --- ten years of days, against a calendar of another make


def plain_last_day(began: date, months: int) -> date:
    """Day by day, without arithmetic on months: the day of the same number, or the last before the month is over."""
    month, year = began.month, began.year
    for _ in range(months):
        month, year = (1, year + 1) if month == 12 else (month + 1, year)
    best = date(year, month, 1)
    while best.day < began.day and (best + timedelta(days=1)).month == month:
        best += timedelta(days=1)
    return best


@pytest.mark.parametrize("months", [1, 3, 12])
def test_ten_years_of_days_against_a_plain_calendar(months: int) -> None:
    rules = policy(advice=f"P{months}M")
    began = date(2024, 1, 1)
    while began < date(2034, 1, 1):
        due = datetime.combine(plain_last_day(began, months) + timedelta(days=1), time(), HELSINKI)
        # The ends of the day, and the hour that in autumn is there twice and in spring is not.
        for hour, minute, fold in ((0, 0, 0), (3, 30, 0), (3, 30, 1), (23, 59, 0)):
            kept = Kept(queue="advice", kept_from=datetime.combine(began, time(hour, minute, fold=fold), HELSINKI))
            assert isinstance(decide(kept, rules, (), (), due - timedelta(microseconds=1)), Keep), kept
            assert isinstance(decide(kept, rules, (), (), due), Erase), kept
        began += timedelta(days=1)
