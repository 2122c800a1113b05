import calendar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.errors import PeriodRefused
from ari_recorder.domain.retention import Erase, Keep, Kept, Period, Rules, decide, due_before, local_day

HELSINKI = ZoneInfo("Europe/Helsinki")
P3M = Rules(queues={"advice": Period.parse("P3M")})


def helsinki(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=HELSINKI)


def until(period: str, started_at: datetime) -> datetime:
    """When it becomes due, as people in Helsinki read it."""
    rules = Rules(queues={"advice": Period.parse(period)})
    decision = decide(Kept(queue="advice", started_at=started_at), rules, started_at)
    assert isinstance(decision, Keep)
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
    recording = Kept(queue="advice", started_at=helsinki(2026, 11, 23))
    due = helsinki(2027, 2, 24, 0)
    assert decide(recording, P3M, due - timedelta(microseconds=1)) == Keep(
        until=due.astimezone(UTC), because="P3M of queue advice"
    )
    assert decide(recording, P3M, due) == Erase(because="P3M of queue advice")
    assert decide(recording, P3M, due + timedelta(days=4000)) == Erase(because="P3M of queue advice")


def test_each_queue_has_its_own_period() -> None:
    rules = Rules(queues={"advice": Period.parse("P3M"), "dental": Period.parse("P14D")})
    now = helsinki(2026, 12, 24)
    started_at = helsinki(2026, 11, 23)
    assert isinstance(decide(Kept(queue="advice", started_at=started_at), rules, now), Keep)
    assert decide(Kept(queue="dental", started_at=started_at), rules, now) == Erase(because="P14D of queue dental")


def test_a_queue_that_is_no_longer_configured_goes_by_the_longest_period() -> None:
    rules = Rules(queues={name: Period.parse(name) for name in ("P14D", "P3M", "P90D")})
    gone = Kept(queue="gone", started_at=helsinki(2026, 11, 23))
    decision = decide(gone, rules, gone.started_at)
    assert isinstance(decision, Keep)
    assert decision.until.astimezone(HELSINKI).date() == date(2027, 2, 24)
    assert decision.because == "P3M, the longest period, for queue gone is not configured"
    # From 31 January three months reach to the end of April, 90 days to the first of May.
    gone = Kept(queue="gone", started_at=helsinki(2027, 1, 31))
    assert "P90D" in decide(gone, rules, gone.started_at).because


def test_another_period_counts_for_old_recordings_too() -> None:
    recording = Kept(queue="advice", started_at=helsinki(2026, 11, 23))
    now = helsinki(2026, 12, 24)
    assert isinstance(decide(recording, P3M, now), Keep)
    assert isinstance(decide(recording, Rules(queues={"advice": Period.parse("P1M")}), now), Erase)


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
    decision = decide(Kept(queue="advice", started_at=started_at), Rules(queues={"advice": period}), started_at)
    assert isinstance(decision, Keep)
    due = decision.until.astimezone(HELSINKI)
    assert (due.hour, due.minute, due.second) == (0, 0, 0)
    assert due.date() == period.after(local_day(started_at)) + timedelta(days=1)


@given(
    now=moments,
    offset=st.timedeltas(timedelta(days=-3), timedelta(days=3)),
    some=st.lists(periods, min_size=1, max_size=3),
    known=st.booleans(),
)
def test_the_question_for_a_queue_is_the_decision_for_each_recording(
    now: datetime, offset: timedelta, some: list[Period], known: bool
) -> None:
    rules = Rules(queues={str(number): period for number, period in enumerate(some)})
    queue = "0" if known else "gone"
    before = due_before(queue, rules, now)
    for started_at in (before, before - timedelta(microseconds=1), before + offset, now):
        decision = decide(Kept(queue=queue, started_at=started_at), rules, now)
        assert isinstance(decision, Erase) == (started_at < before)
