"""Import of an old PBX's recordings, batch by batch. What a file is: domain/importing.py; how it is read:
importing_files.py; where it is kept: storage/importing.py.

    look ─► sort out ─► intend ─► make day keys ─► seal ─► store ─► remove originals ─► sweep, if any is overdue
            (known?)    commit                     files   commit   if that is asked    (the ordinary one)

Killed anywhere, the same command goes on: what was intended and not stored is forgotten, its sealed file removed, for
its key was never written down; what was stored is known by the hash of its file. Nothing comes twice, and an original
goes only when its sealed copy was read back, compared and committed.

A file that is overdue arrives as any other, so that holds, requests and the rules are asked by those who always ask
them, and is destroyed at once by the same sweep, with the same certificate.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.errors import ClockJumped, ImportFull, ImportRunning
from ari_recorder.domain.importing import Doubt, Outcome, Reason, Refused, Terms
from ari_recorder.domain.retention import StoredState
from ari_recorder.services import rooms
from ari_recorder.services.clock import Clocks
from ari_recorder.services.importing_cdr import Cdr
from ari_recorder.services.importing_files import Archive, Place, Seen
from ari_recorder.services.importing_one import Candidate, OneFile
from ari_recorder.services.importing_report import Report
from ari_recorder.services.sweep import Sweep
from ari_recorder.storage import audit, day_keys, importing
from ari_recorder.storage.db import Database
from ari_recorder.storage.importing import Intended, Stored
from ari_recorder.vault.files import day_of, path_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import SAMPLE_RATE
from ari_recorder.vault.recordings import Vault
from ari_recorder.vault.wrapping import FALLBACK, day_name

T = TypeVar("T")
R = TypeVar("R")

BATCH = 200
# One batch, on a database that has much to do.
_SECONDS = 60.0


Looked = Sequence[tuple[Place, Candidate | Refused]]


class Importer:
    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        keyring: Keyring,
        clocks: Clocks,
        sweep: Sweep,
        archive: Archive,
        terms: Terms,
        actor: Actor,
        cdr: Cdr | None = None,
        accept_truncated: bool = False,
        remove_originals: bool = False,
        dry_run: bool = False,
        jobs: int = 2,
        batch: int = BATCH,
    ) -> None:
        self._database = database
        self._vault = vault
        self._keyring = keyring
        self._clocks = clocks
        self._sweep = sweep
        self._archive = archive
        self._actor = actor
        self._one = OneFile(
            archive=archive,
            cdr=cdr,
            terms=terms,
            vault=vault,
            keyring=keyring,
            clocks=clocks,
            accept_truncated=accept_truncated,
        )
        self._remove_originals = remove_originals and not dry_run
        self._dry_run = dry_run
        self._jobs = jobs
        self._batch = batch
        self._known: set[bytes] = set()  # of a dry run, which writes nothing down
        self._days: set[str] = set()  # day keys that are there
        self._began = clocks.now()
        self.report = Report(dry_run=dry_run)

    async def run(self, progress: Callable[[float], None] = lambda _: None) -> Report:
        """ImportRunning, ImportFull, and what the database, the keyring and the vault's disk have to say. `report`
        tells what was done until then."""
        with ExitStack() as stack:
            if not self._dry_run:
                if not stack.enter_context(self._vault.files.alone()):
                    raise ImportRunning
                await self._forget_unfinished()
                await self._note(Action.IMPORT_BEGIN, {"remove_originals": self._remove_originals})
            self._pool = stack.enter_context(ThreadPoolExecutor(self._jobs, "import"))
            try:
                await self._all(progress)
            finally:
                if not self._dry_run:
                    await self._note(Action.IMPORT_END, {one.value: self.report.counts[one] for one in Outcome})
        return self.report

    async def _all(self, progress: Callable[[float], None]) -> None:
        total = await asyncio.to_thread(lambda: sum(1 for _ in self._archive.walk()))
        batches = self._batches()
        # The next batch is read while this one is sealed.
        ahead = asyncio.create_task(self._look(batches))
        try:
            while looked := await ahead:
                ahead = asyncio.create_task(self._look(batches))
                await self._take(looked)
                self.report.files += len(looked)
                progress(self.report.files / max(total, self.report.files))
        finally:
            ahead.cancel()
            await asyncio.wait({ahead})

    def _batches(self) -> Iterator[list[Place | tuple[Place, Refused]]]:
        batch: list[Place | tuple[Place, Refused]] = []
        for found in self._archive.walk():
            batch.append(found)
            if len(batch) == self._batch:
                yield batch
                batch = []
        if batch:
            yield batch

    # --- the steps of a batch

    async def _look(self, batches: Iterator[list[Place | tuple[Place, Refused]]]) -> Looked:
        """Empty when there is nothing more."""
        batch = await asyncio.to_thread(lambda: next(batches, []))
        return await self._each(self._one.look, batch)

    async def _take(self, looked: Looked) -> None:
        fresh, same = await self._sort_out(looked)
        if self._dry_run:
            for one in fresh:
                self._tell_taken(one)
            for place, _, recording_id, outcome in same:
                self.report.add(place, outcome, recording_id=None if outcome is Outcome.DUPLICATE else recording_id)
            return
        self._check_room()
        stored: list[tuple[Candidate, Stored]] = []
        if fresh:
            intended = await self._intend(fresh)
            await self._make_keys(intended)
            sealed = await self._each(self._one.seal, intended)
            stored = [(one, done) for one, done in zip(intended, sealed, strict=True) if isinstance(done, Stored)]
            failed = [(one, done) for one, done in zip(intended, sealed, strict=True) if isinstance(done, Refused)]
            await asyncio.to_thread(self._vault.files.settle, [row.path for _, row in stored])
            await self._store(stored, [one for one, _ in failed])
            for one, refused in failed:
                self.report.refuse(one.place, refused)
        for one, _ in stored:
            self._tell_taken(one)
        there = {one.recording_id for one, _ in stored}
        gone = {one.recording_id for one in fresh} - there
        originals = [(one.place, one.seen, one.recording_id) for one, _ in stored]
        for place, seen, recording_id, outcome in same:
            if recording_id in gone:  # the first of them could not be sealed: nor is this one
                self.report.refuse(place, Refused(reason=Reason.NOT_SEALED))
                continue
            self.report.add(place, outcome, recording_id=recording_id)
            originals.append((place, seen, recording_id))
        if self._remove_originals:
            await self._remove(originals)
        if overdue := [one for one, _ in stored if one.taken.overdue]:
            await self._destroy(overdue)
        if not self._remove_originals:
            await self._count_outliving([recording_id for _, _, recording_id in originals])

    async def _sort_out(self, looked: Looked) -> tuple[list[Candidate], list[tuple[Place, Seen, UUID, Outcome]]]:
        """Those that are new, and those that are the same as another one, with that one. The refused are told."""
        candidates = [one for _, one in looked if isinstance(one, Candidate)]
        async with self._database.transaction(within=_SECONDS) as conn:
            files = await importing.known_files(conn, [one.seen.heard.file_sha256 for one in candidates], self._began)
            audio = dict(await importing.known_audio(conn, [one.audio_sha256 for one in candidates]))
        fresh: list[Candidate] = []
        same: list[tuple[Place, Seen, UUID, Outcome]] = []
        for place, one in looked:
            if isinstance(one, Refused):
                self.report.refuse(place, one)
            elif (known := files.get(one.seen.heard.file_sha256)) is not None:
                same.append((place, one.seen, known, Outcome.ALREADY))
            elif (known := audio.get(one.audio_sha256)) is not None:
                same.append((place, one.seen, known, Outcome.DUPLICATE))
            elif one.audio_sha256 in self._known:
                same.append((place, one.seen, one.recording_id, Outcome.DUPLICATE))
            else:
                fresh.append(one)
                audio[one.audio_sha256] = one.recording_id
                if self._dry_run:
                    self._known.add(one.audio_sha256)
        return fresh, same

    async def _intend(self, fresh: Sequence[Candidate]) -> list[Candidate]:
        """Written down before anything is sealed, each with the key of its day; of a day whose key was destroyed, which
        is never made again, the fallback key."""
        now = self._clocks.now()
        names = {one.recording_id: day_name(day_of(one.taken.started_at)) for one in fresh}
        async with self._database.transaction(within=_SECONDS) as conn:
            destroyed = await day_keys.kept_alive(conn, set(names.values()))
            keyed = [
                replace(one, key_name=FALLBACK if (name := names[one.recording_id]) in destroyed else name)
                for one in fresh
            ]
            await importing.intend(conn, [_intended(one) for one in keyed], now)
        return keyed

    async def _make_keys(self, intended: Sequence[Candidate]) -> None:
        days = {day_of(one.taken.started_at) for one in intended if one.key_name not in self._days | {FALLBACK}}
        if not days:
            return
        made = await asyncio.to_thread(self._keyring.publish, sorted(days))
        self._days |= {day_name(day) for day in days}
        if made:
            await self._note(Action.KEY_MAKE, {"keys": len(made), "first": made[0], "last": made[-1]})

    async def _store(self, stored: Sequence[tuple[Candidate, Stored]], failed: Sequence[Candidate]) -> None:
        now = self._clocks.now()
        async with self._database.transaction(within=_SECONDS) as conn:
            if stored:
                await importing.store(conn, [row for _, row in stored], now)
            await importing.forget(conn, [one.recording_id for one in failed])
            await audit.append_many(conn, [self._entry(one) for one, _ in stored], now)

    async def _remove(self, originals: Sequence[tuple[Place, Seen, UUID]]) -> None:
        """Those whose sealed copy is where it should be: of an earlier run's, somebody may have lost it since."""
        async with self._database.transaction(within=_SECONDS) as conn:
            copies = await importing.copies(conn, {one[2] for one in originals})
        there = await self._each(lambda one: self._vault.files.has(*one), list(copies.values()))
        lost = {one for one, is_there in zip(copies, there, strict=True) if not is_there}
        removed = await self._each(
            lambda one: one[2] not in lost and self._archive.remove(one[0], one[1].stamp), originals
        )
        gone = [one[2] for one, went in zip(originals, removed, strict=True) if went]
        self.report.originals_removed += len(gone)
        self.report.originals_left += len(originals) - len(gone)
        async with self._database.transaction(within=_SECONDS) as conn:
            await importing.originals_removed(conn, gone, self._clocks.now())

    async def _destroy(self, overdue: Sequence[Candidate]) -> None:
        because = await self._swept()
        self.report.not_destroyed_because = self.report.not_destroyed_because or because
        async with self._database.transaction(within=_SECONDS) as conn:
            states = await importing.states(conn, [one.recording_id for one in overdue])
        gone = sum(state is StoredState.ERASED for state in states.values())
        self.report.destroyed += gone
        if gone < len(overdue) and not self.report.not_destroyed_because:
            self.report.not_destroyed_because = "a request that is open, or a file that cannot be removed, keeps them"

    async def _swept(self) -> str:
        """Why not; empty when it was."""
        try:
            await self._sweep.run_once()
        except ClockJumped as error:
            return str(error)
        return ""

    async def _count_outliving(self, recording_ids: Sequence[UUID]) -> None:
        async with self._database.transaction(within=_SECONDS) as conn:
            states = await importing.states(conn, recording_ids)
        gone = {one for one, state in states.items() if state is not StoredState.SEALED}
        self.report.overdue_originals += sum(one in gone for one in recording_ids)

    async def _forget_unfinished(self) -> None:
        """What was on its way when somebody was killed."""
        async with self._database.transaction(within=_SECONDS) as conn:
            left = await importing.left(conn)
        for path in left.values():
            await asyncio.to_thread(self._vault.files.clear, path)
        async with self._database.transaction(within=_SECONDS) as conn:
            await importing.forget(conn, left)
        await self._swept()  # what is overdue may be stored, and its original gone

    # --- how

    async def _each(self, work: Callable[[T], R], several: Sequence[T]) -> list[R]:
        """In the threads. When one fails the others are waited for: nobody may think it over while they write."""
        loop = asyncio.get_running_loop()
        tasks = [loop.run_in_executor(self._pool, work, one) for one in several]
        if tasks:
            await asyncio.wait(tasks)
        return [task.result() for task in tasks]

    def _tell_taken(self, one: Candidate) -> None:
        taken = one.taken
        self.report.dates[taken.date_source] += 1
        self.report.audio += timedelta(seconds=one.seen.heard.samples / SAMPLE_RATE)
        outcome = Outcome.OVERDUE if taken.overdue else Outcome.IMPORTED
        because = taken.overdue or (f"{taken.doubt.value}: {taken.started_at.isoformat()}" if taken.doubt else "")
        self.report.add(one.place, outcome, because, None if self._dry_run else one.recording_id)

    def _check_room(self) -> None:
        room = rooms.look_at(self._vault.files.folder)
        if because := rooms.trouble("vault", room, told=False):
            raise ImportFull(room=because)

    def _entry(self, one: Candidate) -> Entry:
        taken = one.taken
        facts: dict[str, JSON] = {"queue": taken.queue, "date": taken.date_source.value}
        if taken.doubt is not Doubt.NONE:
            facts["doubt"] = taken.doubt.value
        return Entry(
            action=Action.RECORDING_IMPORT,
            actor=self._actor,
            object=f"recording:{one.recording_id}",
            because=taken.overdue,
            facts=facts,
        )

    async def _note(self, action: Action, facts: Mapping[str, JSON]) -> None:
        async with self._database.transaction() as conn:
            await audit.append(conn, Entry(action=action, actor=self._actor, facts=facts), self._clocks.now())


def _intended(one: Candidate) -> Intended:
    heard, taken = one.seen.heard, one.taken
    return Intended(
        recording_id=one.recording_id,
        audio_sha256=one.audio_sha256,
        file_sha256=heard.file_sha256,
        date_source=taken.date_source,
        date_doubt=taken.doubt,
        mixed=heard.mixed,
        form=heard.form,
        path=path_of(one.recording_id, day_of(taken.started_at)),
        key_name=one.key_name,
    )
