"""Sealed files on their way to the S3 store: one job of the service, which capture never waits for.

    sealed, committed ─► queued ─► claimed ─► looked for, sent, read back ─► verified ─► only then may the vault's go
                                        └──── any failure: told, tried again, later each time

A recording is queued in the transaction that stores its call, and what was there before in batches when the service
begins. Killed at any point, an upload is done again: what is in the store already is recognised by its bytes and not
sent twice. What was put there for a recording that somebody began to erase meanwhile goes at once.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

import structlog

from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import ObjectStoreUnfit, RecorderError, SealedMissing, Unavailable
from ari_recorder.services import object_store
from ari_recorder.storage import remote_copies
from ari_recorder.storage.db import Database
from ari_recorder.storage.remote_copies import Queue, Upload
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.object_store import Head, ObjectStore

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

EVERY = timedelta(seconds=5)
BACKFILL_EVERY = timedelta(days=1)
AT_ONCE = 4
_BATCH = 500
_DOOMED = "it is being destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What came of the uploads of one round."""

    verified: int = 0
    failed: int = 0

    @property
    def any(self) -> bool:
        return bool(self.verified or self.failed)


class Uploader:
    """`run` is the service's job; `round` sends what is due once. `newest`: the queue when it was looked at last."""

    def __init__(
        self,
        *,
        database: Database,
        files: VaultFiles,
        store: ObjectStore,
        alarm_after: timedelta,
        then: Callable[[], Awaitable[None]] | None = None,
        every: timedelta = EVERY,
    ) -> None:
        """`then` is done after each round: the vault's files that may go (services/local_cache.py)."""
        self._database = database
        self._files = files
        self._store = store
        self._alarm_after = alarm_after
        self._then = then
        self._every = every
        self._host = object_store.host()
        # Threads of its own: however slow the store is, sealing keeps its own.
        self._threads = ThreadPoolExecutor(AT_ONCE, "s3")
        self._told = False
        self._unfit = ""
        self.newest = Queue(waiting=0, failing=0, oldest_at=None, failure="")
        self.sent = self.failures = 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, stop: asyncio.Event) -> None:
        async with self._database.transaction() as conn:
            await remote_copies.release(conn, self._host, datetime.now(UTC))
        backfilled: datetime | None = None
        known_fit = False
        while not stop.is_set():
            now = datetime.now(UTC)
            if backfilled is None or now - backfilled > BACKFILL_EVERY:
                await self.backfill()
                backfilled, known_fit = now, False  # its owner may have changed the bucket
            if not known_fit:
                known_fit = await self._is_fit()
            again = known_fit and (await self.round(now)).any
            await self.look(datetime.now(UTC))
            if known_fit and not again and self._then is not None:
                await self._then()
            if not again:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._every.total_seconds())

    async def backfill(self) -> int:
        """What this host's vault has, and nobody has queued, or a host of another name; how many those were."""
        place, after, taken = self._store.place.name, None, 0
        while True:
            async with self._database.transaction() as conn:
                found = await remote_copies.not_of(conn, self._host, after, _BATCH)
            if not found:
                return taken
            after = found[-1][0]
            here = await self._in_thread(self._here, found)
            async with self._database.transaction() as conn:
                await remote_copies.enqueue(conn, here, place, self._host, datetime.now(UTC))
                await remote_copies.adopt(conn, here, self._host)
            taken += len(here)

    async def round(self, now: datetime) -> Uploaded:
        """What is due, a few at once."""
        async with self._database.transaction() as conn:
            claimed = await remote_copies.claim(conn, self._store.place.name, self._host, now, AT_ONCE)
        if not claimed:
            return Uploaded()
        async with self._database.transaction() as conn:
            wanted = await remote_copies.still_sealed(conn, [one.recording_id for one in claimed])
            for one in claimed:
                if one.recording_id not in wanted:  # erasing waits for this
                    await remote_copies.failed(conn, one.recording_id, self._host, _DOOMED, now)
        done = await asyncio.gather(*(self._one(one) for one in claimed if one.recording_id in wanted))
        self.sent += sum(done)
        self.failures += len(done) - sum(done)
        return Uploaded(verified=sum(done), failed=len(done) - sum(done))

    async def look(self, now: datetime) -> None:
        """At the queue; the alarm is raised once, and again only after the queue was well."""
        async with self._database.transaction() as conn:
            self.newest = await remote_copies.queue(conn)
        oldest = self.newest.oldest_at
        late = oldest is not None and now - oldest > self._alarm_after
        if late and not self._told and oldest is not None:
            because = (
                f"{self.newest.waiting} recording(s) are not in the S3 store, the oldest since {oldest:%Y-%m-%d %H:%M} "
                f"UTC: {self.newest.failure or 'nobody has tried yet'}"
            )
            log.error("alarm", alarm=AlarmCode.UPLOAD_LATE.value, subject=self._store.place.bucket, because=because)
        elif self._told and not late:
            log.info("upload_caught_up", bucket=self._store.place.bucket)
        self._told = late

    async def _is_fit(self) -> bool:
        """Told once, and again when the reason is another."""
        try:
            await self._in_thread(object_store.fit, self._store)
        except (ObjectStoreUnfit, Unavailable) as error:
            because, bucket = str(error), self._store.place.bucket
            if because != self._unfit and isinstance(error, ObjectStoreUnfit):
                log.error("alarm", alarm=AlarmCode.BUCKET_UNFIT.value, subject=bucket, because=because)
            elif because != self._unfit:
                log.warning("object_store_away", code=error.code, because=because)
            self._unfit = because
            return False
        self._unfit = ""
        return True

    async def _one(self, upload: Upload) -> bool:
        """True when the store has it, verified, and the database says so."""
        recording_id = upload.recording_id
        try:
            head = await self._in_thread(self._send, upload)
            async with self._database.transaction() as conn:
                known = await remote_copies.verified(conn, recording_id, self._host, head.etag, datetime.now(UTC))
            if not known:
                await self._in_thread(self._store.remove, upload.path)
                async with self._database.transaction() as conn:
                    await remote_copies.failed(conn, recording_id, self._host, _DOOMED, datetime.now(UTC))
                return False
        except RecorderError as error:
            # With the database away nothing can be written down: the claim ends by itself.
            with contextlib.suppress(Unavailable):
                async with self._database.transaction() as conn:
                    await remote_copies.failed(conn, recording_id, self._host, str(error), datetime.now(UTC))
            log.warning("upload_retry", recording_id=str(recording_id), code=error.code, failures=upload.failures + 1)
            return False
        log.info("upload_verify", recording_id=str(recording_id))
        return True

    def _send(self, upload: Upload) -> Head:
        with open(self._files.open(upload.path), "rb", buffering=0) as file:
            return self._store.store(upload.path, file, upload.sha256)

    def _here(self, found: tuple[tuple[UUID, str], ...]) -> list[UUID]:
        here = []
        for recording_id, path in found:
            with contextlib.suppress(SealedMissing):
                open(self._files.open(path), "rb", buffering=0).close()
                here.append(recording_id)
        return here

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*args, **more))
