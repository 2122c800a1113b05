"""domain/hosts.py, domain/leases.py, domain/roles.py: who may have a name, who does what, what ends a lease."""

from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest

from ari_recorder.config import EVERY_ROLE, Role
from ari_recorder.domain.errors import HostNameTaken, HostPbxTaken
from ari_recorder.domain.hosts import EXPIRES, STOPS_AFTER, TELLS_EVERY, HostState, Known, refusal
from ari_recorder.domain.leases import LeaseEvent, LeaseState, after
from ari_recorder.domain.roles import TASKS, AtOnce, does

MINE, THEIRS = UUID(int=1), UUID(int=2)
LIVES, GONE = timedelta(seconds=4), EXPIRES
CAPTURE = frozenset({Role.CAPTURE})
SWEEP = frozenset({Role.SWEEP})


def known(name: str = "pbx1", instance: UUID = THEIRS, pbx: str | None = None, silent: timedelta = LIVES) -> Known:
    return Known(name=name, instance=instance, system_name=pbx, silent=silent)


@pytest.mark.parametrize(
    ("roles", "system_name", "other", "error"),
    [
        (CAPTURE, None, known(), HostNameTaken),
        (CAPTURE, None, known(silent=GONE), None),
        (CAPTURE, None, known(instance=MINE), None),
        (CAPTURE, None, known("pbx2"), None),
        (CAPTURE, "a", known("pbx2", pbx="a"), HostPbxTaken),
        (CAPTURE, "", known("pbx2", pbx=""), HostPbxTaken),  # both without a systemname: their calls would mix
        (CAPTURE, "a", known("pbx2", pbx="b"), None),
        (CAPTURE, "a", known("pbx2", pbx="a", silent=GONE), None),
        (CAPTURE, "a", known("renamed", instance=MINE, pbx="a"), None),
        (SWEEP, "a", known("pbx2", pbx="a"), None),  # it has the PBX in its file, and does not record there
    ],
)
def test_a_name_and_a_pbx_have_one_living_host(
    roles: frozenset[Role], system_name: str | None, other: Known, error: type[Exception] | None
) -> None:
    found = refusal("pbx1", MINE, roles, system_name, [known("else", UUID(int=9)), other])
    assert found is None if error is None else isinstance(found, error)


def test_who_said_that_it_stops_is_not_waited_for() -> None:
    gone = Known(name="pbx1", instance=THEIRS, system_name="a", silent=timedelta(0), stopped=True)
    assert gone.state is HostState.STOPPED
    assert refusal("pbx1", MINE, CAPTURE, "a", [gone]) is None


def test_the_holder_stops_before_anybody_may_take_its_lease() -> None:
    assert TELLS_EVERY * 2 < STOPS_AFTER < EXPIRES


def test_a_lease_is_lost_for_good_until_its_job_has_stopped() -> None:
    for event in (LeaseEvent.NOT_HEARD, LeaseEvent.FENCED):
        assert after(LeaseState.HELD, event) is LeaseState.LOST
    for event in set(LeaseEvent) - {LeaseEvent.JOB_STOPPED}:
        assert after(LeaseState.LOST, event) is LeaseState.LOST
    for state, event in product((LeaseState.WAITING,), set(LeaseEvent) - {LeaseEvent.TAKEN}):
        assert after(state, event) is state


def test_every_job_is_somebodys_and_a_host_that_does_everything_does_all() -> None:
    for name, task in TASKS.items():
        assert task.roles <= EVERY_ROLE
        assert task.roles, name
        assert does(EVERY_ROLE, name)
    assert not does(CAPTURE, "sweep")
    assert not does(SWEEP, "ami")
    assert {name for name, task in TASKS.items() if task.at_once is AtOnce.LEASE} == {
        "sweep",
        "audit-sign",
        "use",
        "promises",
    }
