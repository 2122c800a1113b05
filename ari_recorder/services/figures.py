"""Figures that take a disk or the database to know, looked up in the background: who asks for them never waits.

Every 10 s, each source by itself: one that is away or hangs leaves its last figures, with their age, and no other.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from ari_recorder.config import Config
from ari_recorder.domain.errors import RecorderError
from ari_recorder.services.rooms import Room, RoomWatch
from ari_recorder.storage import figures
from ari_recorder.storage.db import Database
from ari_recorder.storage.figures import Stored

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=10)
# A disk that works answers in milliseconds; who waits for more than this waits in its thread.
_PATIENCE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`spool_oldest_at`: of the oldest file in the spool. `stored` is None until the database has answered once."""

    rooms: Mapping[str, Room] = field(default_factory=dict)
    spool_files: int = 0
    spool_bytes: int = 0
    spool_oldest_at: datetime | None = None
    stored: Stored | None = None
    stored_at: datetime | None = None
    database_trouble: str = ""


class FigureDesk:
    """`run` is the service's job, `newest` what it found last. `close` lets the threads go."""

    def __init__(self, *, config: Config, database: Database, usable: asyncio.Event) -> None:
        self._folders = {
            "spool": config.pbx.spool,
            "state": config.storage.state,
            "vault": config.storage.vault,
            "keys": config.storage.keys,
        }
        self._database = database
        self._usable = usable
        # Threads of its own: a disk that hangs keeps one, and the page and the sealing keep theirs.
        self._threads = ThreadPoolExecutor(len(self._folders) + 2, "disk")
        self._rooms = RoomWatch(self._folders, self._threads)
        self._spool: asyncio.Future[_OfSpool] | None = None
        self.newest = Figures()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY.total_seconds())

    async def look(self) -> None:
        """A disk that hangs is waited for in its thread, and asked again only when it has answered."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._rooms.look, _PATIENCE.total_seconds())
        if self._spool is None:
            self._spool = loop.run_in_executor(self._threads, _of_spool, self._folders["spool"])
        await asyncio.wait({self._spool}, timeout=_PATIENCE.total_seconds())
        if self._spool.done():
            of_spool, self._spool = self._spool.result(), None
            self.newest = replace(
                self.newest,
                spool_files=of_spool.files,
                spool_bytes=of_spool.size_bytes,
                spool_oldest_at=of_spool.oldest_at,
            )
        self.newest = replace(self.newest, rooms=self._rooms.rooms())
        if not self._usable.is_set():
            self.newest = replace(self.newest, database_trouble="it has not been reached since the start")
            return
        try:
            async with self._database.transaction() as conn:
                stored = await figures.look(conn, datetime.now(UTC))
        except RecorderError as error:
            self.newest = replace(self.newest, database_trouble=str(error))
        else:
            self.newest = replace(self.newest, stored=stored, stored_at=datetime.now(UTC), database_trouble="")


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfSpool:
    files: int
    size_bytes: int
    oldest_at: datetime | None


def _of_spool(folder: Path) -> _OfSpool:
    sizes, oldest = [], None
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".sln"):
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    sizes.append(facts.st_blocks * 512)  # what is sealed was punched out
                    oldest = facts.st_mtime if oldest is None else min(oldest, facts.st_mtime)
    except OSError:
        pass  # told by the room that is missing
    return _OfSpool(
        files=len(sizes),
        size_bytes=sum(sizes),
        oldest_at=datetime.fromtimestamp(oldest, UTC) if oldest is not None else None,
    )
