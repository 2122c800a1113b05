"""By when a request is answered: held against a calendar that is walked day by day, over ten years and more."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ari_recorder.domain.due_dates import (
    Law,
    Pace,
    Standing,
    check_extension,
    due,
    extended_end,
    first_end,
    standing,
    withdrawn_by,
)
from ari_recorder.domain.errors import ExtensionTooLate, ExtensionTwice, RequestTextRefused

DAY = timedelta(days=1)
PACE = Pace()
# Ten years, with three leap days, one of them in a year that begins on a Saturday.
DAYS = [date(2024, 1, 1) + n * DAY for n in range(3653)]


def walked(day: date, months: int) -> date:
    """The same day so many months on, found by going there: of a month without it, its last."""
    at, left = day, months
    while left:
        at += DAY
        left -= at.day == 1
    while at.day != day.day and (at + DAY).day != 1:
        at += DAY
    return at


def test_ten_years_of_days() -> None:
    for day in DAYS:
        month = walked(day, 1)
        assert first_end(Law.GDPR, day) == month
        assert extended_end(Law.GDPR, day) == walked(month, 2) <= walked(day, 3)
        plain, longer = (due(Law.GDPR, day, PACE, extended=extended) for extended in (False, True))
        assert plain.law_by == month
        assert plain.answer_by == day + 28 * DAY <= month, "no month is shorter than what the house has set itself"
        assert plain.warn_on == day + 21 * DAY
        assert longer.answer_by == longer.law_by == walked(month, 2)
        assert longer.warn_on == longer.answer_by - 7 * DAY > plain.law_by


def test_ten_years_of_documents() -> None:
    for day in DAYS:
        plain, longer = (due(Law.OPENNESS, day, PACE, extended=extended) for extended in (False, True))
        assert plain.answer_by == plain.law_by == day + 14 * DAY
        assert plain.warn_on == day + 7 * DAY
        assert longer.answer_by == longer.law_by == walked(day, 1) > plain.law_by


@pytest.mark.parametrize(
    ("received", "month", "extended"),
    [
        ("2026-01-15", "2026-02-15", "2026-04-15"),
        ("2026-01-31", "2026-02-28", "2026-04-28"),
        ("2028-01-31", "2028-02-29", "2028-04-29"),
        ("2028-02-29", "2028-03-29", "2028-05-29"),
        ("2026-08-31", "2026-09-30", "2026-11-30"),
        ("2026-10-31", "2026-11-30", "2027-01-30"),
        ("2026-11-30", "2026-12-30", "2027-02-28"),
        ("2026-12-31", "2027-01-31", "2027-03-31"),
    ],
)
def test_ends_of_months(received: str, month: str, extended: str) -> None:
    day = date.fromisoformat(received)
    assert str(first_end(Law.GDPR, day)) == month
    assert str(extended_end(Law.GDPR, day)) == extended


def test_a_house_that_is_quicker_warns_earlier() -> None:
    found = due(Law.GDPR, date(2026, 11, 2), Pace(answer_days=10, warn_days=6), extended=False)
    assert [str(one) for one in (found.warn_on, found.answer_by, found.law_by)] == [
        "2026-11-08",
        "2026-11-12",
        "2026-12-02",
    ]


def test_each_day_belongs_to_its_period() -> None:
    found = due(Law.GDPR, date(2026, 11, 2), PACE, extended=False)
    told = {day: standing(found, date(2026, 11, 2) + day * DAY) for day in (0, 20, 21, 28, 29, 30, 31)}
    assert told == {
        0: Standing.CALM,
        20: Standing.CALM,
        21: Standing.WARNED,
        28: Standing.WARNED,
        29: Standing.LATE,
        30: Standing.LATE,
        31: Standing.OVERDUE,
    }


def test_it_is_extended_once_before_the_month_is_over_and_the_person_is_told() -> None:
    received, last = date(2026, 1, 31), date(2026, 2, 28)
    assert check_extension(Law.GDPR, received, last, last, extended=False) == date(2026, 4, 28)
    with pytest.raises(ExtensionTooLate, match="2026-02-28"):
        check_extension(Law.GDPR, received, last, last + DAY, extended=False)
    with pytest.raises(ExtensionTwice):
        check_extension(Law.GDPR, received, last, last, extended=True)
    for told_on in (received - DAY, last + DAY):
        with pytest.raises(RequestTextRefused):
            check_extension(Law.GDPR, received, told_on, last, extended=False)
    with pytest.raises(ExtensionTooLate, match="2026-02-14"):
        check_extension(Law.OPENNESS, received, received, date(2026, 2, 15), extended=False)


def test_consent_that_is_withdrawn_is_carried_out_within_a_day() -> None:
    """Written up at once, or later: then it counts from the midnight after it came. Days are those of Helsinki, on
    which clocks are set back too."""
    opened = datetime(2026, 10, 24, 20, 59, tzinfo=UTC)  # a minute before midnight
    came = opened.date()
    assert withdrawn_by(came, opened, not_proved=False, proved_at=opened) == opened + DAY
    midnight = datetime(2026, 10, 24, 21, tzinfo=UTC)
    for later in (midnight, midnight + 40 * DAY):
        assert withdrawn_by(came, later, not_proved=False, proved_at=None) == midnight + DAY
        assert withdrawn_by(came, later, not_proved=False, proved_at=later) == midnight + DAY
    assert withdrawn_by(came, opened, not_proved=True, proved_at=None) is None
    proved = opened + 3 * DAY
    assert withdrawn_by(came, opened, not_proved=True, proved_at=proved) == proved + DAY
