"""The people of the tests: a code is used once, and nobody waits for the next."""

import time
from datetime import timedelta

import pyotp
import pytest

from tests.people import STEP, ClocksAhead, Person


@pytest.fixture
def person() -> Person:
    return Person(name="aino", password="-", secret=pyotp.random_base32(), clocks=ClocksAhead())


def test_every_code_is_of_a_later_step_and_good_now(person: Person) -> None:
    begun = time.monotonic()
    steps = []
    for _ in range(20):
        code = person.code()
        now = person.clocks.now()
        assert pyotp.TOTP(person.secret).at(now) == code
        assert now.timestamp() % STEP < STEP - 5  # time enough to type it
        steps.append(person.last_step)
    assert steps == sorted(set(steps))
    assert time.monotonic() - begun < 1


def test_time_only_goes_on(person: Person) -> None:
    before = person.clocks.now()
    person.clocks.go_on(timedelta(hours=1))
    assert person.clocks.now() - before >= timedelta(hours=1)
