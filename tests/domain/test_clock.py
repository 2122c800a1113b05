from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ari_recorder.domain.clock import Reading, Trusted, apart, booted_at, implausible

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BOOTED = NOON - timedelta(days=3)
BOOT, OTHER_BOOT = UUID(int=1), UUID(int=2)
TRUSTED = Trusted(boot_id=BOOT, booted_at=BOOTED, seen_at=NOON)


def after(real: timedelta, ahead: timedelta = timedelta(), **changes: object) -> Reading:
    """The clocks when `real` time has passed since the sweep before, and the host's is `ahead`; the database's too, for
    it runs on the same host."""
    wall = NOON + real + ahead
    reading = Reading(wall=wall, database=wall, database_since=None, boot_id=BOOT, since_boot=NOON + real - BOOTED)
    return replace(reading, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("real", [timedelta(minutes=10), timedelta(days=20), timedelta(seconds=1)])
def test_time_that_passed_is_plausible(real: timedelta) -> None:
    assert implausible(after(real), TRUSTED) is None
    assert implausible(after(real), None) is None


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=1), timedelta(days=365), timedelta(minutes=6)])
def test_a_clock_that_jumped_ahead_is_not(ahead: timedelta) -> None:
    reading = after(timedelta(minutes=10), ahead)
    assert "was set ahead by" in (implausible(reading, TRUSTED) or "")


def test_a_clock_that_went_back_is_not_either() -> None:
    reading = after(timedelta(minutes=10), timedelta(hours=-1))
    assert implausible(reading, TRUSTED) == "this host's clock was set back by 1 h"


def test_a_clock_that_came_back_is_plausible_again() -> None:
    assert implausible(after(timedelta(minutes=20)), TRUSTED) is None


def test_what_ntp_corrects_is_plausible() -> None:
    for ahead in (timedelta(seconds=2), timedelta(seconds=-90), timedelta(minutes=5)):
        assert implausible(after(timedelta(minutes=10), ahead), TRUSTED) is None


def test_small_steps_do_not_add_up_unseen() -> None:
    trusted = TRUSTED
    refused = 0
    for n in range(1, 30):
        reading = after(timedelta(minutes=10 * n), timedelta(minutes=4 * n))
        if implausible(reading, trusted) is None:
            trusted = Trusted(boot_id=BOOT, booted_at=booted_at(reading, trusted), seen_at=reading.wall)
        else:
            refused += 1
    assert refused == 28


def test_clocks_that_differ_are_never_plausible() -> None:
    reading = after(timedelta(minutes=10))
    for database in (reading.wall + timedelta(hours=1), reading.wall - timedelta(minutes=6)):
        for trusted in (TRUSTED, None):
            assert "that of the database" in (implausible(replace(reading, database=database), trusted) or "")
        assert apart(replace(reading, database=database)) is not None


def restarted(passed: timedelta, *, apart: bool = False) -> Reading:
    """`apart`: the database has another address, and ran all the while."""
    since = BOOTED if apart else None
    return after(passed, boot_id=OTHER_BOOT, since_boot=timedelta(minutes=1), database_since=since)


def test_a_restart_takes_minutes() -> None:
    assert implausible(restarted(timedelta(minutes=15)), TRUSTED) is None


@pytest.mark.parametrize("passed", [timedelta(hours=1), timedelta(days=1), timedelta(days=365)])
def test_after_a_restart_an_hour_needs_a_witness(passed: timedelta) -> None:
    assert "was restarted, says so" in (implausible(restarted(passed), TRUSTED) or "")
    assert implausible(restarted(passed, apart=True), TRUSTED) is None


@pytest.mark.parametrize("passed", [timedelta(hours=1), timedelta(days=365)])
def test_a_database_that_was_restarted_with_this_host_is_no_witness(passed: timedelta) -> None:
    """It has another address, but it may be a container on this host."""
    reading = replace(restarted(passed), database_since=NOON + passed - timedelta(seconds=50))
    assert "was restarted, says so" in (implausible(reading, TRUSTED) or "")


def test_after_a_restart_time_does_not_go_back() -> None:
    assert "the sweep before" in (implausible(restarted(timedelta(hours=-1)), TRUSTED) or "")
    assert "the sweep before" in (implausible(restarted(timedelta(hours=-1), apart=True), TRUSTED) or "")


def test_what_is_remembered_is_the_first_moment_of_booting_that_was_trusted() -> None:
    reading = after(timedelta(minutes=10), timedelta(minutes=3))
    assert booted_at(reading, TRUSTED) == BOOTED
    assert booted_at(reading, None) == BOOTED + timedelta(minutes=3)
    assert booted_at(restarted(timedelta(minutes=2)), TRUSTED) == NOON + timedelta(minutes=1)
