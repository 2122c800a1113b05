from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain import throttle
from ari_recorder.domain.throttle import Tries, given_back, of_account, of_address, tried, wait_after

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def test_five_are_free_and_then_each_wait_is_twice_the_last_up_to_an_hour() -> None:
    waits = [wait_after(count).total_seconds() for count in range(15)]
    assert waits == [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert wait_after(10**9) == timedelta(hours=1)


def test_a_sixth_within_a_minute_waits_and_then_each_try_waits_longer() -> None:
    tries: Tries | None = None
    for _ in range(5):
        tries = _in(tried(tries, NOW))
    assert tried(tries, NOW) == timedelta(seconds=30)
    sixth = _in(tried(tries, NOW + timedelta(seconds=30)))
    assert tried(sixth, NOW + timedelta(seconds=31)) == timedelta(seconds=59)


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=400))
def test_nobody_gets_more_than_the_waits_allow(gaps: list[int]) -> None:
    """However the tries are spread: the end of one minute and the beginning of the next have five each at most."""
    now, tries, let_in = NOW, None, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        after = tried(tries, now)
        if isinstance(after, Tries):
            tries = after
            let_in.append(now)
    for begins in let_in:
        close = [one for one in let_in if begins <= one < begins + timedelta(seconds=30)]
        assert len(close) <= 2 * throttle.FREE


def test_a_try_given_back_does_not_count_and_a_clock_set_back_locks_nobody_out() -> None:
    tries = Tries(count=5, began_at=NOW, last_at=NOW)
    assert isinstance(tried(given_back(tries), NOW), Tries)
    assert tried(tries, NOW - timedelta(days=1)) == timedelta(seconds=30)
    assert given_back(Tries(count=0, began_at=NOW, last_at=NOW)).count == 0


def test_a_household_is_one_address_and_no_name_is_readable() -> None:
    assert of_address("2001:db8:1:2::1") == of_address("2001:db8:1:2:ffff::9")
    assert of_address("2001:db8:1:2::1") != of_address("2001:db8:1:3::1")
    assert of_address("::ffff:192.0.2.1") == of_address("192.0.2.1") != of_address("192.0.2.2")
    assert "aino" not in of_account("aino")
    assert of_address("not an address") != of_account("not an address")


def test_tries_at_a_delivery_a_device_and_an_account_of_one_name_are_counted_apart() -> None:
    subjects = [throttle.of_delivery("one"), throttle.of_device("one"), of_account("one"), of_address("one")]
    assert len(set(subjects)) == 4
    assert throttle.of_delivery("one") != throttle.of_delivery("two")
    assert not [subject for subject in subjects if subject.endswith(":one")]


def _in(answer: Tries | timedelta) -> Tries:
    assert isinstance(answer, Tries)
    return answer
