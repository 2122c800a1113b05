"""The vault as a cache of the S3 store: what it need not keep goes, the oldest first, and never what the store lacks.

    too old, or too much ─► the database says verified ─► the store is asked again, now ─► file gone ─► told to the row

A recording whose file is gone from here is read from the store. Until the store has it, it stays, whatever the limits
say: `upload-late` tells of that.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog

from ari_recorder.domain.errors import ObjectStoreAway, ObjectStoreRefused
from ari_recorder.domain.local_cache import CachedFile, CacheLimits, too_many_bytes, too_old
from ari_recorder.domain.retention import local_day
from ari_recorder.storage import remote_copies
from ari_recorder.storage.db import Database
from ari_recorder.storage.remote_copies import Copy
from ari_recorder.vault.files import VaultFiles, path_of
from ari_recorder.vault.object_store import ObjectStore

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=10)


class LocalCache:
    """`due` trims when the time for it has come, `trim` now."""

    def __init__(self, *, database: Database, files: VaultFiles, store: ObjectStore, limits: CacheLimits) -> None:
        self._database = database
        self._files = files
        self._store = store
        self._limits = limits
        self._trimmed: float | None = None

    async def due(self) -> None:
        now = time.monotonic()
        if self._limits.any and (self._trimmed is None or now - self._trimmed > EVERY.total_seconds()):
            self._trimmed = now
            await self.trim(datetime.now(UTC))

    async def trim(self, now: datetime) -> int:
        """How many files went. A store that is away ends it: nothing goes without its word."""
        days = await asyncio.to_thread(self._files.days)
        sizes = {day: await asyncio.to_thread(self._files.sizes_of_day, day) for day in days}
        surplus = too_many_bytes(sum(sum(of_day.values()) for of_day in sizes.values()), self._limits)
        gone = gone_bytes = 0
        for day, of_day in sizes.items():
            cached = [CachedFile(id=one, day=day, size=size) for one, size in of_day.items()]
            old = {file.id for file in too_old(cached, self._limits, local_day(now))}
            if cached and not old and gone_bytes >= surplus:
                break  # later days are younger
            async with self._database.transaction() as conn:
                known = await remote_copies.of(conn, list(of_day))
            for file in cached:
                copy = known.get(file.id)
                if copy is None or not (file.id in old or gone_bytes < surplus):
                    continue
                try:
                    if not await asyncio.to_thread(self._leave, file, copy):
                        continue
                except (ObjectStoreAway, ObjectStoreRefused) as error:
                    log.warning("cache_trim_put_off", code=error.code)
                    return gone
                async with self._database.transaction() as conn:
                    await remote_copies.left_vault(conn, file.id)
                gone += 1
                gone_bytes += file.size
        if gone:
            log.info("cache_trim", files=gone, size_bytes=gone_bytes)
        return gone

    def _leave(self, file: CachedFile, copy: Copy) -> bool:
        """Remove the vault's file if the store has the same. False when it is not sure of that."""
        path = path_of(file.id, file.day)
        if not copy.verified or copy.place != self._store.place.name:
            return False
        head = self._store.head(path)
        if head is None or head.etag != copy.etag or head.size != file.size:
            return False  # the scrub tells of it
        self._files.unlink(path)
        return True
