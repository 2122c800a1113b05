"""What stands out in a week of use, and what is drawn for sign-off."""

from datetime import UTC, date, datetime, time
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.use import Hours, Touch, TouchKind, UseRow, rows, sample, units_of, usual, week_of

WEEK = date(2026, 11, 16)
HOURS = Hours(opens=time(7), closes=time(18), weekdays=frozenset(range(5)), closed_days=frozenset({date(2026, 11, 18)}))


def listening(number: int, actor: str = "one", at: datetime = datetime(2026, 11, 17, 9, tzinfo=UTC)) -> Touch:
    return Touch(
        seq=number,
        entry_id=uuid5(UUID(int=0), str(number)),
        at=at,
        kind=TouchKind.LISTENING,
        actor=actor,
        unit="Advice",
    )


@pytest.mark.parametrize(
    ("at", "out"),
    [
        ("2026-11-17T05:00:00+00:00", False),  # 7.00 in Helsinki
        ("2026-11-17T04:59:59+00:00", True),
        ("2026-11-17T15:59:59+00:00", False),
        ("2026-11-17T16:00:00+00:00", True),
        ("2026-11-18T09:00:00+00:00", True),  # closed
        ("2026-11-21T09:00:00+00:00", True),  # Saturday
        ("2026-07-01T04:00:00+00:00", False),  # 7.00, summer time
    ],
)
def test_office_hours_are_those_of_helsinki(at: str, out: bool) -> None:
    assert HOURS.is_out(datetime.fromisoformat(at)) is out


def test_a_week_begins_on_monday_in_helsinki() -> None:
    assert week_of(datetime(2026, 11, 15, 21, 59, tzinfo=UTC)) == date(2026, 11, 9)
    assert week_of(datetime(2026, 11, 15, 22, 0, tzinfo=UTC)) == WEEK


def test_a_few_weeks_say_nothing_and_one_more_than_nothing_is_usual() -> None:
    assert usual([5, 5, 5]) is None
    assert usual([0, 0, 0, 0]) == 3
    assert usual([100] * 10) == 130


def test_a_week_without_use_counts_as_one() -> None:
    old = UseRow(week=date(2026, 9, 14), actor="one", unit="Advice", listenings=2)
    found = rows(WEEK, [listening(number) for number in range(30)], [old], HOURS)
    assert [finding.kind for finding in found[0].findings] == ["more-than-before"]


def test_a_row_is_of_all_units_that_entitled() -> None:
    assert units_of("Advice, Dental care") == {"Advice", "Dental care"}
    assert units_of("") == frozenset()


@given(st.integers(0, 300), st.integers(1, 9), st.binary(min_size=32, max_size=32), st.integers(1, 100))
def test_the_sample_is_a_share_of_all_and_one_of_each(count: int, people: int, seed: bytes, percent: int) -> None:
    heard = [listening(number, str(number % people)) for number in range(count)]
    drawn = sample(heard, seed, percent)
    active = {one.actor for one in heard}
    assert {one.actor for one in drawn} == active
    assert len(drawn) == max(len(active), -(-count * percent // 100))
    assert sample(list(reversed(heard)), seed, percent) == drawn


def test_another_seed_draws_another_sample() -> None:
    heard = [listening(number) for number in range(200)]
    assert sample(heard, bytes(32), 5) != sample(heard, bytes(31) + b"\1", 5)


def test_what_was_refused_is_not_drawn() -> None:
    refused = Touch(
        seq=1,
        entry_id=UUID(int=1),
        at=datetime(2026, 11, 17, 9, tzinfo=UTC),
        kind=TouchKind.LISTENING,
        actor="one",
        unit="Advice",
        refused=True,
    )
    assert sample([refused], bytes(32), 100) == ()
