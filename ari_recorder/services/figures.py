"""Figures that take a disk or the database to know, looked up in the background: who asks for them never waits.

Every 10 s, each source by itself: one that is away or hangs leaves its last figures, with their age, and no other.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from ari_recorder.config import Config
from ari_recorder.domain.errors import RecorderError
from ari_recorder.storage import figures
from ari_recorder.storage.db import Database
from ari_recorder.storage.figures import Stored

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    free_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`spool_oldest_at`: of the oldest file in the spool. `stored` is None until the database has answered once."""

    at: datetime
    rooms: Mapping[str, Room]
    spool_files: int = 0
    spool_bytes: int = 0
    spool_oldest_at: datetime | None = None
    stored: Stored | None = None
    stored_at: datetime | None = None
    database_trouble: str = ""


class FigureDesk:
    """`run` is the service's job, `newest` what it found last."""

    def __init__(self, *, config: Config, database: Database, usable: asyncio.Event) -> None:
        self._folders = {
            "spool": config.pbx.spool,
            "state": config.storage.state,
            "vault": config.storage.vault,
            "keys": config.storage.keys,
        }
        self._database = database
        self._usable = usable
        self._disks: asyncio.Future[Figures] | None = None
        self.newest = Figures(at=datetime.now(UTC), rooms={})

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            try:
                await asyncio.wait_for(stop.wait(), EVERY.total_seconds())
            except TimeoutError:
                continue

    async def look(self) -> None:
        """A disk that hangs is waited for in its thread, and asked again only when it has answered."""
        if self._disks is None:
            self._disks = asyncio.ensure_future(asyncio.to_thread(_of_disks, self._folders))
        await asyncio.wait({self._disks}, timeout=EVERY.total_seconds())
        if self._disks.done():
            found, self._disks = self._disks.result(), None
            kept = self.newest
            self.newest = replace(
                found, stored=kept.stored, stored_at=kept.stored_at, database_trouble=kept.database_trouble
            )
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


def _of_disks(folders: Mapping[str, Path]) -> Figures:
    rooms = {}
    for name, folder in folders.items():
        try:
            room = os.statvfs(folder)
        except OSError:
            continue  # not there, or not mounted: no figure is the figure
        rooms[name] = Room(free_bytes=room.f_bavail * room.f_frsize, size_bytes=room.f_blocks * room.f_frsize)
    sizes, oldest = [], None
    try:
        with os.scandir(folders["spool"]) as entries:
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
    return Figures(
        at=datetime.now(UTC),
        rooms=rooms,
        spool_files=len(sizes),
        spool_bytes=sum(sizes),
        spool_oldest_at=datetime.fromtimestamp(oldest, UTC) if oldest is not None else None,
    )
