"""The sweep destroys the recordings that are due, in steps that can each be repeated. The rule: domain/retention.py.

    sealed ─(1)─► erasing ─(2)─► key gone ─(3)─► file gone ─(4)─► erased, and the call forgotten with its last one

Each number is a transaction that is committed, or a file that is gone, before the next begins. Whatever ends the
service between two of them, the next sweep finds the recording `erasing` and goes on. The key goes first, for without
it the file is noise, wherever a copy of it may be. Only what is gone is called erased.

Several services may sweep at once: what one has locked the other passes over, and each change of state has one winner.
A file that cannot be removed keeps its recording `erasing`; it is told, tried again with every sweep, and stops no
other.
Calls without recordings are forgotten by the same rule.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.retention import Erase, Kept, Rules, decide, due_before
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.recordings import Due, Key
from ari_recorder.vault.files import VaultFiles

log = structlog.get_logger(__name__)

# Small enough that a transaction takes milliseconds and nobody waits behind it.
_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A recording that is due, and by which rule."""

    recording_id: UUID
    queue: str
    started_at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep did. `failed` are still there, their keys are not."""

    erased: int
    failed: tuple[UUID, ...]
    forgotten_calls: int


class Sweep:
    """`run` is the service's job, `run_once` one sweep, `preview` what one would do."""

    def __init__(self, *, database: Database, files: VaultFiles, rules: Rules, every: timedelta) -> None:
        self._database = database
        self._files = files
        self._rules = rules
        self._every = every

    async def run(self, stop: asyncio.Event) -> None:
        """A supervised job: at once, and then again and again. An error ends it, the supervisor starts it anew."""
        while not stop.is_set():
            await self.run_once(datetime.now(UTC))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every.total_seconds())

    async def preview(self, now: datetime) -> tuple[Doomed, ...]:
        """What a sweep would destroy at `now`, and why. Changes nothing."""
        found: list[Doomed] = []
        async with self._database.transaction() as conn:
            queues = await recordings.queues(conn)
        for queue in queues:
            after: Key | None = None
            while True:
                async with self._database.transaction() as conn:
                    rows = await self._due(conn, queue, now, after)
                if not rows:
                    break
                found += self._doomed(rows, now)
                after = Key(started_at=rows[-1].started_at, id=rows[-1].id)
        return tuple(found)

    async def run_once(self, now: datetime) -> Swept:
        """Destroy what is due at `now`; what an earlier sweep left unfinished comes first."""
        failed: set[UUID] = set()
        erased = await self._resume(now, failed)
        async with self._database.transaction() as conn:
            queues = await recordings.queues(conn)
        for queue in queues:
            while rows := await self._begin(queue, now):
                erased += await self._destroy(rows, now, failed)
        forgotten = await self._forget_unrecorded(now)
        if erased or failed or forgotten:
            log.info("sweep_finish", erased=erased, failed=len(failed), forgotten_calls=forgotten)
        return Swept(erased=erased, failed=tuple(sorted(failed)), forgotten_calls=forgotten)

    # --- which

    async def _due(self, conn: Connection, queue: str, now: datetime, after: Key | None = None) -> Sequence[Due]:
        return await recordings.due(conn, queue, due_before(queue, self._rules, now), limit=_BATCH, after=after)

    def _doomed(self, rows: Sequence[Due], now: datetime) -> list[Doomed]:
        """The decision itself; the question to the database only narrows down whom it is about."""
        doomed = []
        for row in rows:
            decision = decide(Kept(queue=row.queue, started_at=row.started_at), self._rules, now)
            if isinstance(decision, Erase):
                doomed.append(
                    Doomed(recording_id=row.id, queue=row.queue, started_at=row.started_at, because=decision.because)
                )
        return doomed

    # --- the steps

    async def _begin(self, queue: str, now: datetime) -> Sequence[Due]:
        """(1) A batch is `erasing` from here on, and will be destroyed."""
        async with self._database.transaction() as conn:
            rows = await self._due(conn, queue, now)
            doomed = {one.recording_id: one.because for one in self._doomed(rows, now)}
            for because in sorted(set(doomed.values())):
                ids = [recording_id for recording_id, reason in doomed.items() if reason == because]
                await recordings.begin_erasing(conn, ids, because, now)
        return [row for row in rows if row.id in doomed]

    async def _resume(self, now: datetime, failed: set[UUID]) -> int:
        """What is `erasing` already: a crash came between, or a file could not be removed."""
        erased = 0
        while True:
            async with self._database.transaction() as conn:
                rows = await recordings.erasing(conn, limit=_BATCH, but=failed)
            if not rows:
                return erased
            erased += await self._destroy(rows, now, failed)

    async def _destroy(self, rows: Sequence[Due], now: datetime, failed: set[UUID]) -> int:
        """(2) to (4) for a batch that is `erasing`; how many this sweep brought to their end."""
        async with self._database.transaction() as conn:
            await recordings.destroy_keys(conn, [row.id for row in rows])
        gone = await asyncio.to_thread(self._unlink, rows, failed)
        async with self._database.transaction() as conn:
            buried = await recordings.bury(conn, gone, now)
            await calls.forget(conn, {row.call_id for row in buried}, now)
        for row in buried:
            log.info("recording_erase", recording_id=str(row.id), queue=row.queue)
        return len(buried)

    def _unlink(self, rows: Sequence[Due], failed: set[UUID]) -> list[UUID]:
        """(3) The ids whose files are gone. A file that was gone before is as good."""
        gone = []
        for row in rows:
            try:
                if row.path is not None:
                    self._files.unlink(row.path)
                gone.append(row.id)
            except Exception as error:  # whatever it is, the others are due too
                failed.add(row.id)
                log.error(
                    "recording_erase_fail",
                    recording_id=str(row.id),
                    error=type(error).__name__,
                )
        return gone

    async def _forget_unrecorded(self, now: datetime) -> int:
        forgotten = 0
        async with self._database.transaction() as conn:
            queues = await calls.queues(conn)
        for queue in queues:
            before = due_before(queue, self._rules, now)
            while True:
                async with self._database.transaction() as conn:
                    count = await calls.forget(conn, await calls.due(conn, queue, before, limit=_BATCH), now)
                if not count:
                    break
                forgotten += count
        return forgotten
