import asyncio
import errno
import os
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import ClockJumped, ClocksDiffer, DatabaseUnreachable, PolicyNotProposed
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import Policy, Rules, StoredState
from ari_recorder.services.policy import AtOnce, Policies
from ari_recorder.services.sweep import Doomed, Progress, Sweep, Swept
from ari_recorder.storage import calls, exports, policy
from ari_recorder.storage.db import Database
from ari_recorder.storage.exports import Export
from ari_recorder.storage.sweeps import SweepState
from ari_recorder.vault.copies import Copies, Outcome
from ari_recorder.vault.files import VaultFiles
from tests.services.house import RULES, House, at, rules
from tests.services.steps import Killed, Steps
from tests.storage.calls_for_tests import BEGAN, CALLER, discarding, finished_call, sealed_recording

DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)  # midnight in Helsinki, three months after BEGAN
EARLIER = DUE - timedelta(microseconds=1)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return House(database, files.folder)


async def swept_at(house: House, now: datetime, **parts: object) -> Swept:
    house.clocks.time = now
    return await house.sweep(**parts).run_once()


async def test_what_is_due_is_destroyed_and_all_else_stays(house: House) -> None:
    due, young, other = at(BEGAN), at(BEGAN + timedelta(days=1)), at(BEGAN, queue="dental")
    await house.store(due, young, other)
    assert await swept_at(house, EARLIER) == Swept(erased=1, failed=(), forgotten_calls=0)
    assert [await house.state(call) for call in (due, young, other)] == ["sealed", "sealed", "erased"]
    assert await swept_at(house, DUE) == Swept(erased=1, failed=(), forgotten_calls=0)
    assert [await house.state(call) for call in (due, young, other)] == ["erased", "sealed", "erased"]
    assert [house.file(call.recordings[0]).exists() for call in (due, young, other)] == [False, True, False]
    await house.nothing_false()
    assert await swept_at(house, DUE) == Swept(erased=0, failed=(), forgotten_calls=0)


async def test_what_stays_is_a_tombstone_without_anything_personal(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    await swept_at(house, DUE)
    row = await house.row(call.recordings[0].id)
    assert (row.path, row.wrapped_key, row.sides) == (None, None, None)
    assert (row.erasing_at, row.erased_at, row.erased_because) == (DUE, DUE, "P3M of queue advice")
    async with house.database.transaction() as conn:
        found = (await calls.get(conn, [call.id]))[call.id]
    assert (found.personal, found.members, found.marks, found.forgotten_at) == (None, (), (), DUE)


async def test_the_caller_is_kept_until_the_last_recording_of_the_call_is_gone(house: House) -> None:
    second = sealed_recording(2, BEGAN + timedelta(days=1))
    call = replace(finished_call(sealed_recording(), second), marks=())
    await house.store(call)
    await swept_at(house, DUE)
    async with house.database.transaction() as conn:
        assert (await calls.get(conn, [call.id]))[call.id].personal == CALLER
    await swept_at(house, DUE + timedelta(days=1))
    async with house.database.transaction() as conn:
        assert (await calls.get(conn, [call.id]))[call.id].personal is None


async def test_calls_without_a_recording_are_forgotten_in_their_time(house: House) -> None:
    call = finished_call()
    await house.store(call)
    assert (await swept_at(house, EARLIER)).forgotten_calls == 0
    assert (await swept_at(house, DUE)).forgotten_calls == 1
    async with house.database.transaction() as conn:
        assert (await calls.get(conn, [call.id]))[call.id].members == ()


async def preview_at(house: House, now: datetime) -> tuple[Doomed, ...]:
    house.clocks.time = now
    return await house.sweep().preview()


async def test_the_preview_tells_what_and_why_and_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.services.erase.BATCH", 2)
    due = [at(BEGAN + timedelta(minutes=minutes)) for minutes in range(5)]
    gone = at(BEGAN, queue="gone")
    await house.store(*due, gone, at(BEGAN + timedelta(days=1)))
    reasons = ["P3M of queue advice"] * 5 + ["P3M, the longest period, for queue gone is not configured"]
    assert await preview_at(house, DUE) == tuple(
        Doomed(
            recording_id=call.recordings[0].id,
            queue=call.queue,
            started_at=call.recordings[0].started_at,
            because=because,
        )
        for call, because in zip([*due, gone], reasons, strict=True)
    )
    assert await preview_at(house, EARLIER) == ()
    assert {(await house.row(recording.id)).state for recording in house.sealed} == {StoredState.SEALED}


async def test_a_file_that_is_gone_already_is_no_failure(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    house.file(call.recordings[0]).unlink()
    assert (await swept_at(house, DUE)).erased == 1


class Failing(Copies):
    """A disk that does not give one file away."""

    def __init__(self, vault: Path, name: str) -> None:
        super().__init__(vault)
        self._name = name

    def unlink(self, name: str, folder: int) -> None:
        if name == self._name:
            raise OSError(errno.EIO, "Input/output error")
        super().unlink(name, folder)


async def test_a_file_that_cannot_be_removed_stops_no_other_and_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.services.erase.BATCH", 2)
    several = [at(BEGAN + timedelta(minutes=minutes)) for minutes in range(5)]
    await house.store(*several)
    stuck = several[2].recordings[0]
    failing = Failing(house.vault, house.file(stuck).name)
    for swept in (4, 0):
        result = await swept_at(house, DUE, copies=failing)
        assert result == Swept(erased=swept, failed=(stuck.id,), forgotten_calls=0)
    row = await house.row(stuck.id)
    # Not called erased; but it cannot be heard any more.
    assert (row.state, row.wrapped_key) == (StoredState.ERASING, None)
    await house.nothing_false()
    assert await swept_at(house, DUE) == Swept(erased=1, failed=(), forgotten_calls=0)
    await house.nothing_false()


async def test_a_recording_the_caller_refused_is_finished_whatever_its_age(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    async with house.database.transaction() as conn:
        refused = replace(call, recordings=(discarding(call.recordings[0]),))
        await calls.upsert(conn, refused, None, LedgerState.NOT_RECORDED, "caller-refused", timedelta(), BEGAN)
    assert (await swept_at(house, BEGAN)).erased == 1
    row = await house.row(call.recordings[0].id)
    assert (row.state, row.erased_because) == (StoredState.ERASED, "refused")
    assert not house.file(call.recordings[0]).exists()


async def test_two_sweepers_cannot_both_win(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.services.erase.BATCH", 3)
    await house.store(*(at(BEGAN + timedelta(seconds=second)) for second in range(40)))
    house.clocks.time = DUE
    async with Database(house.database._dsn) as other:
        results = await asyncio.gather(
            *(house.sweep(database=database).run_once() for database in (house.database, other) * 2)
        )
    assert sum(result.erased for result in results) == 40
    assert sum(result.erased > 0 for result in results) > 1, "only one of them did anything"
    await house.nothing_false()


async def test_killed_at_any_step_it_is_finished_by_the_next_sweep(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.services.erase.BATCH", 2)
    killed = 0
    for last in range(1, 1000):
        two, one, young = at(BEGAN, parts=2), at(BEGAN + timedelta(minutes=1)), at(BEGAN + timedelta(days=1))
        await house.store(two, one, young)
        steps = Steps(last)
        counted = steps.database(house.database)
        sweep = house.sweep(
            database=counted, copies=steps.copies(house.vault), policies=Policies(house.database, RULES)
        )
        house.clocks.time = DUE
        try:
            await sweep.run_once()
        except Killed:
            killed += 1
        await house.nothing_false()
        await swept_at(house, DUE)
        await house.nothing_false()
        assert [await house.state(call) for call in (two, one, young)] == ["erased", "erased", "sealed"]
        assert (await house.row(two.recordings[1].id)).state is StoredState.ERASED
        house.sealed.clear()
        if steps.left > 0:
            break
    # Three steps for each transaction (leftovers, queues, three for each batch, calls), two for each file.
    assert killed > 30


async def test_the_job_sweeps_at_once_and_again_and_ends_when_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[datetime] = []

    async def run_once(self: Sweep) -> Swept:
        swept.append(datetime.now(UTC))
        return Swept(erased=0, failed=(), forgotten_calls=0)

    monkeypatch.setattr(Sweep, "run_once", run_once)
    stop = asyncio.Event()
    job = asyncio.create_task(house.sweep().run(stop))
    while len(swept) < 3:  # noqa: ASYNC110 -- the test's own clock
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(job, 1)


async def test_a_database_that_is_away_is_the_supervisors_affair(house: House, tmp_path: Path) -> None:
    async with Database(f"postgresql://me@/x?host={tmp_path}") as away:
        with pytest.raises(DatabaseUnreachable):
            await house.sweep(database=away).run(asyncio.Event())


# --- the clock


def alarms(logged: list[MutableMapping[str, Any]]) -> list[str]:
    return [line["alarm"] for line in logged if line["event"] == "alarm"]


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=1), timedelta(days=366), timedelta(hours=-1)])
@pytest.mark.parametrize("apart", [False, True], ids=["same-host", "database-apart"])
async def test_a_clock_that_jumped_destroys_nothing_until_it_is_right(
    house: House, ahead: timedelta, apart: bool, logged: list[MutableMapping[str, Any]]
) -> None:
    young = at(BEGAN)
    await house.store(young)
    nearly = DUE - timedelta(minutes=30) if ahead == timedelta(hours=1) else DUE - timedelta(hours=2)
    await swept_at(house, nearly)
    house.clocks.ahead = ahead
    house.clocks.database_ahead = timedelta() if apart else None
    for _ in range(2):
        with pytest.raises(ClockJumped):
            await swept_at(house, nearly + timedelta(minutes=10))
    assert alarms(logged) == ["clock-jumped"] * 2
    assert await house.state(young) is StoredState.SEALED
    # Right again: it goes on by itself, and destroys in time.
    house.clocks.ahead, house.clocks.database_ahead = timedelta(), None
    assert (await swept_at(house, nearly + timedelta(minutes=20))).erased == 0
    assert (await swept_at(house, DUE)).erased == 1


@pytest.mark.parametrize("behind", [timedelta(hours=1), timedelta(days=1), timedelta(days=366)])
async def test_what_is_recorded_while_the_clock_is_behind_is_kept_from_the_time_that_was_known(
    house: House, behind: timedelta
) -> None:
    await swept_at(house, BEGAN)
    house.clocks.ahead = -behind
    seems_old = at(BEGAN + timedelta(minutes=10) - behind)
    await house.store(seems_old)
    house.clocks.ahead = timedelta()
    for now in (BEGAN + timedelta(minutes=20), DUE - timedelta(minutes=1)):
        await swept_at(house, now)
        assert await house.state(seems_old) is StoredState.SEALED
    await swept_at(house, DUE)
    assert await house.state(seems_old) is StoredState.ERASED


async def test_after_a_person_confirmed_the_time_it_goes_on(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    await swept_at(house, BEGAN)
    house.clocks.restart()
    with pytest.raises(ClockJumped, match="was restarted"):
        await swept_at(house, DUE)
    house.clocks.database_ahead = timedelta(hours=3)
    with pytest.raises(ClocksDiffer):
        await house.sweep().confirm_time(Actor.operator("olli"))
    house.clocks.database_ahead = None
    assert await house.sweep().confirm_time(Actor.operator("olli")) == DUE
    assert (await swept_at(house, DUE)).erased == 1


async def test_a_jump_in_mid_sweep_destroys_nothing_early(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.services.erase.BATCH", 1)
    due, young = at(BEGAN), at(BEGAN + timedelta(days=1))
    await house.store(due, young)
    clocks = house.clocks

    class Jumping(Copies):
        def unlink(self, name: str, folder: int) -> None:
            clocks.ahead = timedelta(days=400)
            super().unlink(name, folder)

    assert (await swept_at(house, DUE, copies=Jumping(house.vault))).erased == 1
    assert await house.state(young) is StoredState.SEALED


async def test_what_was_begun_is_finished_whatever_the_clock_says(house: House) -> None:
    call, refused = at(BEGAN), at(BEGAN)
    await house.store(call, refused)
    await swept_at(house, BEGAN)
    async with house.database.transaction() as conn:
        said_no = replace(refused, recordings=(discarding(refused.recordings[0]),))
        await calls.upsert(conn, said_no, None, LedgerState.NOT_RECORDED, "caller-refused", timedelta(), BEGAN)
    house.clocks.ahead = timedelta(days=400)
    with pytest.raises(ClockJumped):
        await swept_at(house, BEGAN)
    assert [await house.state(one) for one in (call, refused)] == ["sealed", "erased"]


# --- flagged calls, progress, everything of a recording


async def test_a_flagged_call_nobody_decided_on_gets_its_grace_period_and_no_more(house: House) -> None:
    flagged, plain = at(BEGAN, flagged=True), at(BEGAN)
    await house.store(flagged, plain)
    assert (await swept_at(house, DUE)).erased == 1
    hard = DUE + timedelta(days=14)
    assert (await swept_at(house, hard - timedelta(microseconds=1))).erased == 0
    assert await house.state(flagged) is StoredState.SEALED
    assert (await swept_at(house, hard)).erased == 1
    row = await house.row(flagged.recordings[0].id)
    assert row.erased_because == "P3M of queue advice, and P14D for a flag nobody decided on"


async def test_many_that_are_kept_do_not_hide_those_behind_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.services.erase.BATCH", 2)
    flagged = [at(BEGAN, flagged=True) for _ in range(5)]
    due = at(BEGAN + timedelta(minutes=1))
    await house.store(*flagged, due)
    assert (await swept_at(house, DUE)).erased == 1
    assert await house.state(due) is StoredState.ERASED


async def test_progress_and_the_last_success_can_be_seen(house: House) -> None:
    await house.store(at(BEGAN), at(BEGAN))
    assert await house.sweep().progress() == Progress(newest=None, last_success=None)
    await swept_at(house, DUE)
    progress = await house.sweep().progress()
    assert progress.newest is not None
    assert (progress.newest.state, progress.newest.erased, progress.last_success) == ("done", 2, DUE)

    class Watching(Copies):
        def remove(self, recordings: Mapping[UUID, str | None]) -> Outcome:
            raise OSError("this disk is gone")

    await house.store(at(BEGAN))
    with pytest.raises(OSError, match="disk is gone"):
        await swept_at(house, DUE + timedelta(minutes=10), copies=Watching(house.vault))
    progress = await house.sweep().progress()
    assert progress.newest is not None
    assert (progress.newest.state, progress.newest.because, progress.last_success) == ("failed", "OSError", DUE)


async def test_a_sweep_that_does_not_succeed_for_hours_is_an_alarm(
    house: House, monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    monkeypatch.setattr("ari_recorder.services.sweep.OVERDUE", timedelta(0))
    stop = asyncio.Event()
    job = asyncio.create_task(house.sweep().watch(stop))
    await asyncio.sleep(0.01)
    stop.set()
    await job
    assert alarms(logged) == ["sweep-overdue"]


async def test_who_may_not_sweep_sees_that_another_does(house: House) -> None:
    other = house.sweep()
    await asyncio.sleep(0.05)
    await swept_at(house, DUE)
    stop = asyncio.Event()
    stop.set()
    waited = other.since_success
    watching = asyncio.create_task(other.watch(stop))
    await watching
    assert other.since_success >= waited  # told to stop before it looked
    stop = asyncio.Event()
    watching = asyncio.create_task(other.watch(stop))
    async with asyncio.timeout(5):
        while other.since_success >= waited:  # noqa: ASYNC110 -- another one's rows set no event
            await asyncio.sleep(0.001)
    stop.set()
    await watching


async def test_everything_of_a_recording_goes_and_nothing_else(house: House, tmp_path: Path) -> None:
    call, other = at(BEGAN), at(BEGAN + timedelta(days=1))
    await house.store(call, other)
    recording, kept = call.recordings[0], other.recordings[0]
    parts = house.vault / ".parts"
    parts.mkdir()
    copies = []
    for one in (recording, kept):
        copies += [
            parts / f"{one.id}.1.part",
            parts / f"{one.id}.1.key",
            parts / f"{one.id}.2.part",
            tmp_path / f"{one.id}.wav",
        ]
    for path in copies:
        path.write_bytes(b"x")
    async with house.database.transaction() as conn:
        for one in (recording, kept):
            await exports.insert(conn, export_of(one.id, tmp_path / f"{one.id}.wav"), BEGAN)
    await swept_at(house, DUE)
    assert [path for path in copies if path.exists()] == copies[4:]
    async with house.database.transaction() as conn:
        removed = await conn.fetchval("SELECT erased_copies FROM recording WHERE id = $1", recording.id)
        assert await conn.fetchval("SELECT count(*) FROM export WHERE recording_id = $1", recording.id) == 0
    assert sorted(removed) == ["export in clear", "live-sealed parts", "sealed file"]


def export_of(recording_id: UUID, path: Path) -> Export:
    there = path.stat()
    return Export(
        recording_id=recording_id,
        path=str(path),
        host=socket.gethostname(),
        device=there.st_dev,
        inode=there.st_ino,
    )


async def test_what_lies_in_a_vault_that_is_not_mounted_is_not_called_erased(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    away = house.vault.rename(house.vault.with_name("away"))
    house.vault.mkdir()  # where the disk should be mounted
    swept = await swept_at(house, DUE)
    assert (swept.erased, swept.failed) == (0, (call.recordings[0].id,))
    assert await house.state(call) is StoredState.ERASING
    house.vault.rmdir()
    away.rename(house.vault)
    assert (await swept_at(house, DUE)).erased == 1
    assert not house.file(call.recordings[0]).exists()


async def test_a_file_that_took_the_name_of_an_export_is_not_touched(house: House, tmp_path: Path) -> None:
    call = at(BEGAN)
    await house.store(call)
    path = tmp_path / "evidence.wav"
    path.write_bytes(b"the export")
    async with house.database.transaction() as conn:
        await exports.insert(conn, export_of(call.recordings[0].id, path), BEGAN)
    path.rename(tmp_path / "moved away")  # so that the inode is not used again
    path.write_bytes(b"something else")
    assert (await swept_at(house, DUE)).erased == 1
    assert path.read_bytes() == b"something else"


async def test_an_export_that_cannot_be_removed_is_not_called_destroyed(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = at(BEGAN)
    await house.store(call)
    path = tmp_path / "evidence.wav"
    path.write_bytes(b"the export")
    async with house.database.transaction() as conn:
        await exports.insert(conn, export_of(call.recordings[0].id, path), BEGAN)

    really = os.unlink

    def refusing(name: str, *, dir_fd: int | None = None) -> None:
        if name == str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        really(name, dir_fd=dir_fd)

    with monkeypatch.context() as context:
        context.setattr(os, "unlink", refusing)
        assert (await swept_at(house, DUE)).failed == (call.recordings[0].id,)
    assert await house.state(call) is StoredState.ERASING
    path.unlink()  # by hand
    assert (await swept_at(house, DUE)).erased == 1


# --- rules that change


def swept_by(house: House, configured: Rules) -> dict[str, object]:
    return {"policies": Policies(house.database, configured)}


async def test_rules_that_would_destroy_at_once_wait_for_a_person(house: House) -> None:
    old, young = at(BEGAN), at(BEGAN + timedelta(days=20))
    await house.store(old, young)
    now = BEGAN + timedelta(days=30)
    await swept_at(house, now)
    shorter = rules(advice="P14D", dental="P14D")
    assert (await swept_at(house, now, **swept_by(house, shorter))).erased == 0
    policies = Policies(house.database, shorter)
    standing = await policies.show(now)
    assert standing.proposed == 2
    assert standing.at_once == (AtOnce(queue="advice", because="P14D of queue advice", recordings=1),)
    with pytest.raises(PolicyNotProposed):
        await policies.confirm(1, Actor.operator("olli"), now)
    await policies.confirm(2, Actor.operator("olli"), now)
    assert (await swept_at(house, now, **swept_by(house, shorter))).erased == 1
    assert [await house.state(call) for call in (old, young)] == ["erased", "sealed"]
    async with house.database.transaction() as conn:
        versions = await policy.versions(conn)
    assert [(one.version, one.state, one.confirmed_by) for one in versions] == [
        (2, "in-force", "olli"),
        (1, "in-force", None),
    ]


async def test_rules_that_destroy_nothing_at_once_are_in_force_at_once(house: House) -> None:
    await house.store(at(BEGAN))
    await swept_at(house, BEGAN)
    for configured in (rules(advice="P14D", dental="P14D"), rules(advice="P1Y", dental="P14D")):
        await swept_at(house, BEGAN + timedelta(days=1), **swept_by(house, configured))
        assert (await Policies(house.database, RULES).in_force()).rules == configured


async def test_a_slip_that_is_taken_back_leaves_everything_as_it_was(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    now = BEGAN + timedelta(days=30)
    await swept_at(house, now)
    await swept_at(house, now, **swept_by(house, rules(advice="P1D", dental="P14D")))
    await swept_at(house, now, **swept_by(house, rules(advice="P2D", dental="P14D")))
    await swept_at(house, now)
    async with house.database.transaction() as conn:
        states = [one.state.value for one in await policy.versions(conn)]
        current = await policy.current(conn)
    assert states == ["withdrawn", "withdrawn", "in-force"]
    assert current is not None
    assert (current.proposed, current.rules) == (None, RULES)
    assert await house.state(call) is StoredState.SEALED


async def test_services_that_start_at_once_make_one_version(house: House) -> None:
    await asyncio.gather(*(Policies(house.database, RULES).adopt(BEGAN) for _ in range(5)))
    async with house.database.transaction() as conn:
        assert len(await policy.versions(conn)) == 1


async def test_the_nights_to_come_say_what_becomes_due(house: House) -> None:
    await house.store(at(BEGAN), at(BEGAN), at(BEGAN + timedelta(days=1)), at(BEGAN, flagged=True))
    await house.store(at(BEGAN, queue="dental"))
    house.clocks.time = DUE - timedelta(days=2)
    ahead = await house.sweep().nights(30)
    assert [(night.day.isoformat(), night.queue, night.because, night.recordings) for night in ahead] == [
        ("2027-02-22", "dental", "P14D of queue dental", 1),
        ("2027-02-24", "advice", "P3M of queue advice", 2),
        ("2027-02-25", "advice", "P3M of queue advice", 1),
        ("2027-03-10", "advice", "P3M of queue advice, and P14D for a flag nobody decided on", 1),
    ]
    assert await house.sweep().nights(1) == ahead[:1]


async def test_a_chore_that_fails_keeps_no_other_from_being_done(house: House) -> None:
    done = []

    async def fails(_: Policy, __: datetime) -> None:
        raise OSError("the folder of the keys is read-only")

    async def works(_: Policy, __: datetime) -> None:
        done.append("reminded")

    sweep = house.sweep(chores=[fails, works])
    with pytest.raises(OSError, match="read-only"):
        await sweep.run_once()
    assert done == ["reminded"]
    newest = (await sweep.progress()).newest
    assert newest is not None
    assert newest.state is SweepState.FAILED


# --- rows that changed places


async def test_a_row_that_names_another_start_or_file_destroys_nothing(
    house: House, logged: list[MutableMapping[str, Any]]
) -> None:
    """What is due by such a row is another's, or was never due."""
    old, young = at(BEGAN), at(DUE - timedelta(days=1))
    await house.store(old, young)
    async with house.database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET started_at = other.started_at FROM recording AS other WHERE other.id <> recording.id"
        )
    assert (await swept_at(house, DUE)).erased == 0
    assert alarms(logged) == ["recording-damaged"]
    async with house.database.transaction() as conn:
        await conn.execute(
            """
            UPDATE recording SET started_at = other.started_at, path = other.path
            FROM recording AS other WHERE other.id <> recording.id
            """
        )
    assert (await swept_at(house, DUE)).erased == 0
    assert [await house.state(one) for one in (old, young)] == ["sealed", "sealed"]
    assert all(house.file(one.recordings[0]).exists() for one in (old, young))
    async with house.database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET path = other.path FROM recording AS other WHERE other.id <> recording.id"
        )
    assert (await swept_at(house, DUE)).erased == 1
    assert [await house.state(one) for one in (old, young)] == ["erased", "sealed"]


async def test_what_is_erased_never_takes_the_file_of_another_along(house: House) -> None:
    one, other = at(BEGAN), at(BEGAN)
    await house.store(one, other)
    theirs = other.recordings[0]
    assert theirs.sealed is not None
    outcome = Copies(house.vault).remove({one.recordings[0].id: theirs.sealed.path})
    assert list(outcome.failed) == [one.recordings[0].id]
    assert outcome.removed == {}
    assert house.file(theirs).exists()
