"""Room on the disks: watched before it is gone, and told once.

    fine --trouble--> told (alarm disk-trouble) --twice the least is free--> fine (disk_fine in the log)

Each folder is looked at in a thread of its own: one that hangs (a network mount) hides no other, and is told, too.
"""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.health import LOOKED_UP_WITHIN

log = structlog.get_logger(__name__)

# Free room below which a person is told, while there is time. spool: twenty calls of ten minutes that cannot be
# sealed (1.9 MB a minute); vault: half a day of fifty calls an hour, above the 128 MiB that live sealing leaves;
# state: a day of the journal and the logs; keys: ten years of day keys.
LEAST_BYTES: Mapping[str, int] = {"spool": 256 << 20, "vault": 1 << 30, "state": 256 << 20, "keys": 16 << 20}
# On a small file system the least is a share of it: a spool of 64 MiB is not in trouble when it is empty.
_SHARE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`free_bytes`: what the service may use (that kept for root is not counted)."""

    free_bytes: int
    size_bytes: int
    at: datetime


def trouble(name: str, room: Room | None, *, told: bool) -> str:
    """Why a person is wanted; empty: nobody. What was told stays so until twice the least is free: told once, not
    at each call that comes and goes."""
    if room is None:
        return "how much room it has cannot be told: it is missing, or does not answer"
    least = min(LEAST_BYTES[name], room.size_bytes // _SHARE)
    if room.free_bytes >= (2 * least if told else least):
        return ""
    return f"{room.free_bytes >> 20} MiB of {room.size_bytes >> 20} MiB are free"


class RoomWatch:
    """`folders`: path by one of the names of LEAST_BYTES. `threads`: at least one for each folder."""

    def __init__(self, folders: Mapping[str, Path], threads: ThreadPoolExecutor) -> None:
        self._folders = folders
        self._threads = threads
        self._asked: dict[str, tuple[datetime, Future[Room | None]]] = {}
        self._seen: dict[str, Room] = {}
        self._told: set[str] = set()

    def look(self, seconds: float) -> None:
        """Blocks for so long at most. A folder that has not answered is not asked again before it does."""
        for name, folder in self._folders.items():
            if name not in self._asked:
                self._asked[name] = (datetime.now(UTC), self._threads.submit(look_at, folder))
        wait([asked for _, asked in self._asked.values()], timeout=seconds)
        for name in [name for name, (_, asked) in self._asked.items() if asked.done()]:
            room = self._asked.pop(name)[1].result()
            if room is None:
                self._seen.pop(name, None)
            else:
                self._seen[name] = room
        self._tell()

    def rooms(self) -> Mapping[str, Room]:
        """Of what has answered lately: no figure is the figure of what has not."""
        now = datetime.now(UTC)
        return {name: room for name, room in self._seen.items() if now - room.at < LOOKED_UP_WITHIN}

    def _tell(self) -> None:
        rooms = self.rooms()
        for name in self._folders:
            if name not in rooms and self._is_being_waited_for(name):
                continue
            told = name in self._told
            because = trouble(name, rooms.get(name), told=told)
            if because and not told:
                self._told.add(name)
                log.error("alarm", alarm=AlarmCode.DISK_TROUBLE.value, subject=name, because=because)
            elif told and not because:
                self._told.discard(name)
                log.info("disk_fine", folder=name)

    def _is_being_waited_for(self, name: str) -> bool:
        return name in self._asked and datetime.now(UTC) - self._asked[name][0] < LOOKED_UP_WITHIN


def look_at(folder: Path) -> Room | None:
    """None: it does not answer."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None  # not there, or not mounted
    return Room(
        free_bytes=found.f_bavail * found.f_frsize,
        size_bytes=found.f_blocks * found.f_frsize,
        at=datetime.now(UTC),
    )
