"""domain/health.py: what is well, what is not, and what of it means that calls are not recorded."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ari_recorder.domain.health import Facts, Part, State, judge, overall

WELL = Facts(
    pbx_live=True,
    spool_free_bytes=1 << 30,
    vault_free_bytes=1 << 40,
    key_days_left=31,
    since_sweep=timedelta(minutes=5),
)


def part(facts: Facts, name: str) -> Part:
    return next(part for part in judge(facts) if part.name == name)


def test_a_service_that_does_everything_is_well() -> None:
    assert all(part.state is State.WELL and not part.because for part in judge(WELL))
    assert overall(judge(WELL)) is State.WELL


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("pbx", replace(WELL, pbx_live=False, pbx_trouble="refused")),
        ("pbx", replace(WELL, is_our_pbx=False)),
        ("journal", replace(WELL, journal_works=False)),
        ("spool", replace(WELL, spool_free_bytes=1 << 20)),
        ("spool", replace(WELL, spool_free_bytes=None)),
    ],
)
def test_what_capture_stands_on_fails_the_service(name: str, facts: Facts) -> None:
    assert part(facts, name).state is State.FAILED
    assert part(facts, name).because
    assert overall(judge(facts)) is State.FAILED


@pytest.mark.parametrize(
    ("name", "facts", "because"),
    [
        ("vault", replace(WELL, vault_free_bytes=5 << 20), "only 5 MiB are free"),
        ("database", replace(WELL, database_trouble="it is away"), "it is away"),
        ("sealing", replace(WELL, unsealed=7, unsealed_for=timedelta(minutes=3)), "7 recording(s) wait in the spool"),
        ("store", replace(WELL, waiting_calls=3, waiting_for=timedelta(minutes=4)), "3 finished call(s) wait"),
        ("keyring", replace(WELL, keyring_locked=True), "locked"),
        ("keyring", replace(WELL, key_days_left=2), "2 more day(s)"),
        ("sweep", replace(WELL, since_sweep=timedelta(hours=3)), "180 min"),
        ("audit-log", replace(WELL, audit_waits_for=timedelta(minutes=9)), "9 min"),
        ("anchors", replace(WELL, anchor_troubles=("file:/a: full",)), "file:/a: full"),
        ("jobs", replace(WELL, failed_jobs=("web", "mail")), "failed: web, mail"),
    ],
)
def test_without_the_rest_calls_are_recorded_all_the_same(name: str, facts: Facts, because: str) -> None:
    assert part(facts, name).state is State.DEGRADED
    assert because in part(facts, name).because
    assert overall(judge(facts)) is State.DEGRADED


def test_calls_that_wait_for_a_moment_are_no_trouble() -> None:
    assert part(replace(WELL, waiting_calls=90, waiting_for=timedelta(seconds=20)), "store").state is State.WELL
    assert part(replace(WELL, unsealed=90, unsealed_for=timedelta(seconds=20)), "sealing").state is State.WELL


def test_the_parts_are_always_the_same() -> None:
    assert [part.name for part in judge(WELL)] == [part.name for part in judge(Facts(pbx_live=False))]
