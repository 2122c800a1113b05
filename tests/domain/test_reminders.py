from datetime import date, timedelta

from ari_recorder.domain.reminders import Reminder, Urgency, for_flag, for_hold

ORDINARY = date(2027, 2, 23)
HARD = date(2027, 3, 9)
REVIEW = date(2027, 6, 1)


def flags(begin: date, end: date) -> list[tuple[date, Urgency, int]]:
    """What a service that asks every day says."""
    said: list[tuple[date, Urgency, int]] = []
    day = begin
    while day <= end:
        reminder = for_flag(ordinary=ORDINARY, hard=HARD, today=day, last=said[-1][0] if said else None)
        if reminder is not None:
            said.append((day, reminder.urgency, reminder.days_left))
        day += timedelta(days=1)
    return said


def test_a_flagged_call_is_told_weekly_then_daily_then_as_a_last_word() -> None:
    said = flags(date(2026, 11, 23), date(2027, 4, 1))
    assert said[:3] == [
        (date(2027, 2, 9), Urgency.NOTICE, 28),
        (date(2027, 2, 16), Urgency.NOTICE, 21),
        (date(2027, 2, 23), Urgency.NOTICE, 14),
    ]
    daily = said[3:]
    assert [day for day, _, _ in daily] == [ORDINARY + timedelta(days=n) for n in range(1, 15)]
    assert [urgency for _, urgency, _ in daily] == [Urgency.URGENT] * 11 + [Urgency.FINAL] * 3
    assert daily[-1] == (HARD, Urgency.FINAL, 0)


def test_once_a_day_however_often_one_asks() -> None:
    for day in (date(2027, 2, 9), date(2027, 2, 25), HARD):
        assert for_flag(ordinary=ORDINARY, hard=HARD, today=day, last=None) is not None
        assert for_flag(ordinary=ORDINARY, hard=HARD, today=day, last=day) is None


def test_a_service_that_was_away_tells_at_once() -> None:
    last = date(2027, 2, 9)
    told = for_flag(ordinary=ORDINARY, hard=HARD, today=date(2027, 3, 1), last=last)
    assert told == Reminder(urgency=Urgency.URGENT, days_left=8)


def holds(begin: date, end: date) -> list[tuple[date, Urgency, int]]:
    said: list[tuple[date, Urgency, int]] = []
    day = begin
    while day <= end:
        reminder = for_hold(review_on=REVIEW, today=day, last=said[-1][0] if said else None)
        if reminder is not None:
            said.append((day, reminder.urgency, reminder.days_left))
        day += timedelta(days=1)
    return said


def test_a_hold_is_told_thirty_days_before_its_review_and_daily_from_then_on() -> None:
    said = holds(date(2027, 1, 1), date(2027, 6, 20))
    assert said[0] == (date(2027, 5, 2), Urgency.NOTICE, 30)
    assert said[1] == (REVIEW, Urgency.URGENT, 0)
    assert [day for day, _, _ in said[1:]] == [REVIEW + timedelta(days=n) for n in range(20)]
    assert [urgency for _, urgency, _ in said[1:]] == [Urgency.URGENT] * 14 + [Urgency.FINAL] * 6


def test_an_extended_hold_gets_a_notice_again() -> None:
    later = date(2028, 6, 1)
    assert for_hold(review_on=later, today=date(2027, 6, 2), last=date(2027, 6, 1)) is None
    assert for_hold(review_on=later, today=date(2028, 5, 2), last=date(2027, 6, 1)) is not None
