import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import DatabaseUnreachable
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.recordings import Recording
from ari_recorder.domain.retention import Period, Rules, StoredState
from ari_recorder.services.sweep import Doomed, Sweep, Swept
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.vault.files import VaultFiles
from tests.storage.calls_for_tests import BEGAN, CALLER, discarding, finished_call, sealed_recording

RULES = Rules(queues={"advice": Period.parse("P3M"), "dental": Period.parse("P14D")})
DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)  # midnight in Helsinki, three months after BEGAN
EARLIER = DUE - timedelta(microseconds=1)


@dataclass
class House:
    """A database and a vault, and what a test does to them."""

    database: Database
    files: VaultFiles
    sealed: list[Recording] = field(default_factory=list)

    def sweep(self, **parts: object) -> Sweep:
        return Sweep(
            **{
                "database": self.database,
                "files": self.files,
                "rules": RULES,
                "every": timedelta(seconds=0.05),
                **parts,
            }  # type: ignore[arg-type]
        )

    async def store(self, *several: Call) -> None:
        for call in several:
            async with self.database.transaction() as conn:
                await calls.upsert(conn, call, CALLER, LedgerState.RECORDED, "", timedelta(seconds=60), BEGAN)
            for recording in call.recordings:
                self.sealed.append(recording)
                self.file(recording).parent.mkdir(parents=True, exist_ok=True)
                self.file(recording).write_bytes(b"sealed audio")

    def file(self, recording: Recording) -> Path:
        assert recording.sealed is not None
        return self.files.folder / recording.sealed.path

    async def row(self, recording_id: UUID) -> StoredRecording:
        async with self.database.transaction() as conn:
            row = await recordings.get(conn, recording_id)
        assert row is not None
        return row

    async def state(self, call: Call) -> StoredState:
        return (await self.row(call.recordings[0].id)).state

    async def nothing_false(self) -> None:
        """What must hold at every moment, whatever happened."""
        for recording in self.sealed:
            row = await self.row(recording.id)
            there = self.file(recording).exists()
            if row.state is StoredState.SEALED:
                assert there, "a recording was promised that is not there"
                assert row.wrapped_key
            if row.state is StoredState.ERASED:
                assert not there, "called erased, and is not"
            if not there:
                assert row.wrapped_key is None, "the file went before the key"


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return House(database, files)


def at(moment: datetime, queue: str = "advice", parts: int = 1) -> Call:
    return finished_call(*(sealed_recording(n + 1, moment) for n in range(parts)), at=moment, queue=queue)


async def test_what_is_due_is_destroyed_and_all_else_stays(house: House) -> None:
    due, young, other = at(BEGAN), at(BEGAN + timedelta(days=1)), at(BEGAN, queue="dental")
    await house.store(due, young, other)
    assert await house.sweep().run_once(EARLIER) == Swept(erased=1, failed=(), forgotten_calls=0)
    assert [await house.state(call) for call in (due, young, other)] == ["sealed", "sealed", "erased"]
    assert await house.sweep().run_once(DUE) == Swept(erased=1, failed=(), forgotten_calls=0)
    assert [await house.state(call) for call in (due, young, other)] == ["erased", "sealed", "erased"]
    assert [house.file(call.recordings[0]).exists() for call in (due, young, other)] == [False, True, False]
    await house.nothing_false()
    assert await house.sweep().run_once(DUE) == Swept(erased=0, failed=(), forgotten_calls=0)


async def test_what_stays_is_a_tombstone_without_anything_personal(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    await house.sweep().run_once(DUE)
    row = await house.row(call.recordings[0].id)
    assert (row.path, row.wrapped_key, row.sides) == (None, None, None)
    assert (row.erasing_at, row.erased_at, row.erased_because) == (DUE, DUE, "P3M of queue advice")
    async with house.database.transaction() as conn:
        found = (await calls.get(conn, [call.id]))[call.id]
    assert (found.personal, found.members, found.marks, found.forgotten_at) == (None, (), (), DUE)
    assert found.flagged


async def test_the_caller_is_kept_until_the_last_recording_of_the_call_is_gone(house: House) -> None:
    second = sealed_recording(2, BEGAN + timedelta(days=1))
    call = finished_call(sealed_recording(), second)
    await house.store(call)
    await house.sweep().run_once(DUE)
    async with house.database.transaction() as conn:
        assert (await calls.get(conn, [call.id]))[call.id].personal == CALLER
    await house.sweep().run_once(DUE + timedelta(days=1))
    async with house.database.transaction() as conn:
        assert (await calls.get(conn, [call.id]))[call.id].personal is None


async def test_calls_without_a_recording_are_forgotten_in_their_time(house: House) -> None:
    call = finished_call()
    await house.store(call)
    assert (await house.sweep().run_once(EARLIER)).forgotten_calls == 0
    assert (await house.sweep().run_once(DUE)).forgotten_calls == 1
    async with house.database.transaction() as conn:
        assert (await calls.get(conn, [call.id]))[call.id].members == ()


async def test_the_preview_tells_what_and_why_and_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.services.sweep._BATCH", 2)
    due = [at(BEGAN + timedelta(minutes=minutes)) for minutes in range(5)]
    gone = at(BEGAN, queue="gone")
    await house.store(*due, gone, at(BEGAN + timedelta(days=1)))
    reasons = ["P3M of queue advice"] * 5 + ["P3M, the longest period, for queue gone is not configured"]
    assert await house.sweep().preview(DUE) == tuple(
        Doomed(
            recording_id=call.recordings[0].id,
            queue=call.queue,
            started_at=call.recordings[0].started_at,
            because=because,
        )
        for call, because in zip([*due, gone], reasons, strict=True)
    )
    assert await house.sweep().preview(EARLIER) == ()
    assert {(await house.row(recording.id)).state for recording in house.sealed} == {StoredState.SEALED}


async def test_a_file_that_is_gone_already_is_no_failure(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    house.file(call.recordings[0]).unlink()
    assert (await house.sweep().run_once(DUE)).erased == 1


class Failing(VaultFiles):
    """A disk that does not give one file away."""

    def __init__(self, folder: Path, path: str) -> None:
        super().__init__(folder)
        self._path = path

    def unlink(self, relative: str) -> None:
        if relative == self._path:
            raise OSError(errno.EIO, "Input/output error")
        super().unlink(relative)


async def test_a_file_that_cannot_be_removed_stops_no_other_and_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.services.sweep._BATCH", 2)
    several = [at(BEGAN + timedelta(minutes=minutes)) for minutes in range(5)]
    await house.store(*several)
    stuck = several[2].recordings[0]
    assert stuck.sealed is not None
    failing = Failing(house.files.folder, stuck.sealed.path)
    for swept in (4, 0):
        result = await house.sweep(files=failing).run_once(DUE)
        assert result == Swept(erased=swept, failed=(stuck.id,), forgotten_calls=0)
    row = await house.row(stuck.id)
    # Not called erased; but it cannot be heard any more.
    assert (row.state, row.wrapped_key) == (StoredState.ERASING, None)
    await house.nothing_false()
    assert await house.sweep().run_once(DUE) == Swept(erased=1, failed=(), forgotten_calls=0)
    await house.nothing_false()


async def test_a_recording_the_caller_refused_is_finished_whatever_its_age(house: House) -> None:
    call = at(BEGAN)
    await house.store(call)
    async with house.database.transaction() as conn:
        refused = replace(call, recordings=(discarding(call.recordings[0]),))
        await calls.upsert(conn, refused, None, LedgerState.NOT_RECORDED, "caller-refused", timedelta(), BEGAN)
    assert (await house.sweep().run_once(BEGAN)).erased == 1
    row = await house.row(call.recordings[0].id)
    assert (row.state, row.erased_because) == (StoredState.ERASED, "refused")
    assert not house.file(call.recordings[0]).exists()


async def test_two_sweepers_cannot_both_win(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.services.sweep._BATCH", 3)
    await house.store(*(at(BEGAN + timedelta(seconds=second)) for second in range(40)))
    async with Database(house.database._dsn) as other:
        results = await asyncio.gather(
            *(house.sweep(database=database).run_once(DUE) for database in (house.database, other) * 2)
        )
    assert sum(result.erased for result in results) == 40
    assert sum(result.erased > 0 for result in results) > 1, "only one of them did anything"
    await house.nothing_false()


class Killed(BaseException):
    """The service is gone, here and now."""


class Steps:
    """Counts what a sweep does, and ends it at one of the steps."""

    def __init__(self, last: int) -> None:
        self.left = last

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    def database(self, real: Database) -> Database:
        steps = self

        class Counted(Database):
            @asynccontextmanager
            async def transaction(self, *, within: float | None = None) -> AsyncIterator[Connection]:
                steps.step()
                async with real.transaction(within=within) as conn:
                    yield conn
                    steps.step()  # before COMMIT
                steps.step()

        return Counted(real._dsn)

    def files(self, folder: Path) -> VaultFiles:
        step = self.step

        class Counted(VaultFiles):
            def unlink(self, relative: str) -> None:
                step()
                super().unlink(relative)
                step()

        return Counted(folder)


async def test_killed_at_any_step_it_is_finished_by_the_next_sweep(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.services.sweep._BATCH", 2)
    killed = 0
    for last in range(1, 1000):
        two, one, young = at(BEGAN, parts=2), at(BEGAN + timedelta(minutes=1)), at(BEGAN + timedelta(days=1))
        await house.store(two, one, young)
        steps = Steps(last)
        sweep = house.sweep(database=steps.database(house.database), files=steps.files(house.files.folder))
        try:
            await sweep.run_once(DUE)
        except Killed:
            killed += 1
        await house.nothing_false()
        await house.sweep().run_once(DUE)
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

    async def run_once(self: Sweep, now: datetime) -> Swept:
        swept.append(now)
        return Swept(erased=0, failed=(), forgotten_calls=0)

    monkeypatch.setattr(Sweep, "run_once", run_once)
    stop = asyncio.Event()
    job = asyncio.create_task(house.sweep().run(stop))
    while len(swept) < 3:  # noqa: ASYNC110 -- the test's own clock
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(job, 1)
    assert abs(datetime.now(UTC) - swept[0]) < timedelta(seconds=5)


async def test_a_database_that_is_away_is_the_supervisors_affair(house: House, tmp_path: Path) -> None:
    async with Database(f"postgresql://me@/x?host={tmp_path}") as away:
        with pytest.raises(DatabaseUnreachable):
            await house.sweep(database=away).run(asyncio.Event())
