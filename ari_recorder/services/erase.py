"""The steps that destroy a recording, each of which can be repeated. Which recordings, and when: services/sweep.py.

    sealed ─(1)─► erasing ─(2)─► key gone ─(3)─► files gone ─(4)─► erased, and the call forgotten with its last one

Each number is a transaction that is committed, or files that are gone, before the next begins. Whatever ends the
service between two of them, the next sweep finds the recording `erasing` and goes on. The key goes first, for without
it the files are noise, wherever a copy of them may be. Only what is gone is called erased.

With several hosts a file may lie on another one: the key goes at once, the file when a host that has it comes to it
(`run`, of hosts that capture), and only then is the recording called erased.

A file that cannot be removed keeps its recording `erasing`; it is told, tried again with every sweep, and stops no
other. Exports in clear that are known go too, if they are still the files that were written; those on another host go
with the next sweep there, and an alarm tells of them until then.

What the S3 store has goes with the files, and "gone" means what vault/object_store.py means by it. A recording that is
being sent there at this moment waits for the next sweep, and so does one in a store that cannot be asked.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.certificates import NOT_FOUND
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.retention import Erase, Policy, decide
from ari_recorder.services import kept
from ari_recorder.services.clock import Clocks
from ari_recorder.services.policy import bounds_of
from ari_recorder.storage import (
    audit,
    calls,
    erasing,
    exports,
    holds,
    importing,
    places,
    remote_copies,
    request_matches,
)
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.erasing import Due
from ari_recorder.storage.exports import Export
from ari_recorder.storage.recordings import Key
from ari_recorder.storage.remote_copies import Copy
from ari_recorder.vault.copies import SEALED, Copies
from ari_recorder.vault.files import day_of, path_of

log = structlog.get_logger(__name__)

# Small enough that a transaction takes milliseconds and nobody waits behind it.
BATCH = 200
_EXPORT = "export in clear"
_PACKAGE = "package that waited to be fetched"
_MOVED = f"{NOT_FOUND}{_EXPORT}, not where it was written any more"
_ORIGINAL = "original in the old archive"
_ORIGINAL_LEFT = f"{NOT_FOUND}{_ORIGINAL}, which the import was not told to remove"
_ELSEWHERE = f"{NOT_FOUND}{_EXPORT}, on another host"

# A batch of what is due, after the last one of the batch before.
Find = Callable[[Connection, Key | None], Awaitable[Sequence[Due]]]
# Told in the transaction that buries some how many that were.
Told = Callable[[Connection, int], Awaitable[None]]


class Eraser:
    """`at_most`: recordings a second, so that live calls and listeners do not notice."""

    def __init__(self, *, database: Database, copies: Copies, clocks: Clocks, at_most: float) -> None:
        self._database = database
        self._copies = copies
        self._clocks = clocks
        self._at_most = at_most
        self._host = socket.gethostname()
        self.failed: set[UUID] = set()

    async def run(self, stop: asyncio.Event, every: timedelta) -> None:
        """A supervised job of a host whose files no sweeper reaches: what is `erasing` already, and lies here."""

        async def told(_: Connection, __: int) -> None:
            """The sweep that began it has ended."""

        while not stop.is_set():
            vault = await asyncio.to_thread(self._copies.identity)
            async with self._database.transaction() as conn:
                swept = await places.has_sweeper(conn, vault)
            if not swept:
                self.failed.clear()  # each round tries again
                await self.resume(told)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every.total_seconds())

    async def resume(self, told: Told) -> None:
        """What is `erasing` already: a crash came between, a file could not be removed, or a caller said no."""
        await self._late_exports()
        vault = await asyncio.to_thread(self._copies.identity)
        while True:
            async with self._database.transaction() as conn:
                rows = await erasing.erasing(conn, limit=BATCH, but=self.failed, vault=vault)
            if not rows:
                return
            await self._destroy(rows, told)

    async def queue(self, queue: str, policy: Policy, now: datetime, told: Told) -> None:
        """All that is due at `now` in one queue."""
        bounds = bounds_of(queue, policy, now)
        await self._all(
            lambda conn, after: erasing.due(conn, queue, bounds, limit=BATCH, after=after), policy, now, told
        )

    async def quarantine(self, policy: Policy, now: datetime, told: Told) -> None:
        """All that has been in quarantine for long enough."""
        await self._all(
            lambda conn, after: erasing.out_of_quarantine(conn, now, limit=BATCH, after=after), policy, now, told
        )

    async def _all(self, find: Find, policy: Policy, now: datetime, told: Told) -> None:
        after: Key | None = None
        while True:
            rows, doomed = await self._begin(find, policy, now, after)
            if not rows:
                return
            after = Key(started_at=rows[-1].started_at, id=rows[-1].id)
            if doomed:
                await self._destroy(doomed, told)

    # --- the steps

    async def _begin(
        self, find: Find, policy: Policy, now: datetime, after: Key | None
    ) -> tuple[Sequence[Due], Sequence[Due]]:
        """(1) A batch that was looked at, and those of it that are `erasing` from here on and will be destroyed."""
        async with self._database.transaction() as conn:
            await request_matches.beside_searches(conn)
            rows = await find(conn, after)
            # Locked now: what keeps them was said before, or waits for this transaction and finds them erasing.
            keeping = await holds.of_recordings(conn, [row.id for row in rows])
            doomed: dict[str, list[Due]] = {}
            for row in rows:
                if row.path != path_of(row.id, day_of(row.started_at)):
                    _told_apart(row)
                    continue
                facts = kept.of_row(row)
                of = keeping.get(row.id, holds.NOTHING)
                decision = decide(facts, policy, of.holds, of.freezes, now)
                if isinstance(decision, Erase):
                    doomed.setdefault(decision.because, []).append(row)
            for because, several in doomed.items():
                await erasing.begin_erasing(conn, [row.id for row in several], because, now)
        return rows, [row for several in doomed.values() for row in several]

    async def _destroy(self, rows: Sequence[Due], told: Told) -> None:
        """(2) to (4) for a batch that is `erasing`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        ids = [row.id for row in rows]
        vault = await asyncio.to_thread(self._copies.identity)
        async with self._database.transaction() as conn:
            await erasing.destroy_keys(conn, ids)
            near = await erasing.within_reach(conn, ids, vault)
            known = await exports.of_recordings(conn, list(near))
            imported = await importing.origins(conn, ids)
            in_store = await remote_copies.of(conn, ids)
            in_flight = await remote_copies.in_flight(conn, ids, self._clocks.now())
        self.failed |= in_flight  # the next sweep finds them: what is being sent now would be there after we looked
        within_reach = [row for row in rows if row.id in near - in_flight and self._reaches(row, in_store.get(row.id))]
        gone = await asyncio.to_thread(self._remove, within_reach, known)
        for row in within_reach:
            self._elsewhere(row, in_store.get(row.id), gone)
        for recording_id in gone.keys() & imported.keys():
            left = imported[recording_id].original_removed_at is None
            gone[recording_id].append(_ORIGINAL_LEFT if left else _ORIGINAL)
        async with self._database.transaction() as conn:
            buried = await erasing.bury(conn, gone, self._clocks.now())
            # Not those on other hosts: there they are looked for.
            here = [one for one in known if one.recording_id in gone and one.host == self._host]
            await exports.forget(conn, here)
            await calls.forget(conn, {row.call_id for row in buried}, self._clocks.now())
            await holds.forget(conn, [row.id for row in buried])
            await remote_copies.forget(conn, [row.id for row in buried])
            await audit.append_many(conn, map(_entry, buried), self._clocks.now())
            await told(conn, len(buried))
        for row in buried:
            log.info("recording_erase", recording_id=str(row.id), queue=row.queue)
        await asyncio.sleep(len(rows) / self._at_most - (loop.time() - began))

    def _reaches(self, row: Due, copy: Copy | None) -> bool:
        """Of a copy in a store that the settings do not name, nobody here can say that it is gone."""
        store = self._copies.store
        if copy is None or (store is not None and copy.place == store.place.name):
            return True
        self.failed.add(row.id)
        _tell(row.id, f"it may be in the S3 store {copy.place}, which is not the one that [s3] names")
        return False

    def _elsewhere(self, row: Due, copy: Copy | None, gone: dict[UUID, list[str]]) -> None:
        """A sealed file in the vault of another host is not gone from there."""
        if row.id in gone and copy is not None and copy.host not in ("", self._host) and SEALED not in gone[row.id]:
            del gone[row.id]
            self.failed.add(row.id)
            _tell(row.id, f"its sealed file is in the vault of host {copy.host}, whose next sweep removes it")

    def _remove(self, rows: Sequence[Due], known: Sequence[Export]) -> dict[UUID, list[str]]:
        """(3) The ids whose files are gone, and what was removed of each."""
        outcome = self._copies.remove({row.id: row.path for row in rows})
        for export in known:
            if export.recording_id in outcome.removed:
                try:
                    became = self._remove_export(export)
                except OSError as error:
                    del outcome.removed[export.recording_id]
                    outcome.failed[export.recording_id] = error
                else:
                    if became not in outcome.removed[export.recording_id]:
                        outcome.removed[export.recording_id].append(became)
        for recording_id, failure in outcome.failed.items():
            self.failed.add(recording_id)
            because = str(failure) if isinstance(failure, RecorderError) else getattr(failure, "strerror", None)
            _tell(recording_id, because or type(failure).__name__)
        return outcome.removed

    def _remove_export(self, export: Export) -> str:
        if export.host == self._host:
            kind = _EXPORT if export.delivery_id is None else _PACKAGE
            return kind if _unlinked(export) else _MOVED
        _tell(export.recording_id, f"an export in clear is on host {export.host}: run `ari-recorder sweep` there")
        return _ELSEWHERE

    async def _late_exports(self) -> None:
        """Those of this host whose recordings were erased from another one."""
        async with self._database.transaction() as conn:
            left = await exports.outliving(conn, self._host)
        gone = []
        for export in left:
            try:
                await asyncio.to_thread(_unlinked, export)
            except OSError as error:
                _tell(export.recording_id, error.strerror or type(error).__name__)
            else:
                gone.append(export)
                log.info("export_erase", recording_id=str(export.recording_id))
        if gone:
            async with self._database.transaction() as conn:
                await exports.forget(conn, gone)


def _tell(recording_id: UUID, because: str) -> None:
    log.error("alarm", alarm=AlarmCode.ERASE_FAILED.value, subject=str(recording_id), because=because)


def _entry(gone: Due) -> Entry:
    facts: dict[str, JSON] = {"rule": gone.because, "queue": gone.queue}
    return Entry(
        action=Action.RECORDING_ERASE, actor=Actor.service("sweep"), object=f"recording:{gone.id}", facts=facts
    )


def _unlinked(export: Export) -> bool:
    """Only the file that was written: another one may have its name by now."""
    try:
        found = os.lstat(export.path)
        if (found.st_dev, found.st_ino) != (export.device, export.inode):
            return False
        os.unlink(export.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _told_apart(row: Due) -> None:
    """A file lies under its own id, on the day it began. A row that says otherwise is not believed when it is due."""
    because = "it is due by its row, but its file does not lie where such a recording's does; it is not destroyed"
    log.error("alarm", alarm=AlarmCode.RECORDING_DAMAGED.value, subject=str(row.id), because=because)
