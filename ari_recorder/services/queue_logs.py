"""The PBX's queue_log from disk, with what was rotated away. What the lines mean: domain/queue_log.py and adoption.py.

It is rotated by logrotate (`queue_log.1`, `queue_log.2.gz`, `queue_log-20260304`) or by Asterisk itself
(`queue_log.0`, `queue_log.1765432100`). Numbers grow with age or against it, so the lines tell the order.
Blocks: call it in a thread.
"""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ari_recorder.domain.errors import QueueLogUnreadable
from ari_recorder.domain.queue_log import QueueLogCall, read_queue_log, time_of

_ROTATED = re.compile(r"[.-][0-9-]+(\.gz)?")
# The log may be rotated while it is read. That happens once, not three times on end.
ATTEMPTS = 3


def read_lines(
    queue_log: Path,
    since: datetime,
    *,
    wanted: Callable[[str], bool] = lambda _: True,
    unreadable: Callable[[QueueLogUnreadable], None] | None = None,
    but: int = -1,
) -> list[str]:
    """All wanted lines from `since` on, and some from before, the oldest first; none of the file with the inode `but`.

    Raises QueueLogUnreadable; with `unreadable` a file that cannot be read is told to it, and the others are read.
    """
    because = "it was rotated again and again while it was read"
    for _ in range(ATTEMPTS):
        try:
            files = _files(queue_log, since)
            parts = [
                (begin, lines)
                for inode, path in files.items()
                if inode != but and (lines := _lines(path, wanted, unreadable)) and (begin := begin_of(lines))
            ]
            if files == _files(queue_log, since):
                return [line for _, lines in sorted(parts, key=lambda part: part[0]) for line in lines]
        except FileNotFoundError as error:
            because = str(error.strerror)
    raise QueueLogUnreadable(path=queue_log, because=because)


class QueueLogTail:
    """What queue_log says of calls, kept up with as it grows. `read` blocks: call it in a thread, one at a time.

    When the log was rotated, cut or replaced since the last look, all of it is read again: nothing is lost and nothing
    told twice, however often it was rotated meanwhile.
    """

    def __init__(self, queue_log: Path) -> None:
        self._path = queue_log
        self._file: BinaryIO | None = None
        self._inode = -1
        self._rest = b""
        self.calls: dict[str, QueueLogCall] = {}
        self.begin: datetime | None = None  # how far back it reaches

    def read(self, since: datetime) -> frozenset[str]:
        """The Uniqueids of calls that something new is known of. QueueLogUnreadable."""
        if self._file is None or self._is_another():
            return self._read_all(since)
        before = self.calls
        self.calls = read_queue_log(self._new_lines(), before)
        return frozenset(key for key, call in self.calls.items() if before.get(key) is not call)

    def forget(self, uniqueids: Iterable[str]) -> None:
        """Nothing more will be asked of these."""
        for uniqueid in uniqueids:
            self.calls.pop(uniqueid, None)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_another(self) -> bool:
        assert self._file is not None  # noqa: S101 -- read was here
        try:
            there = self._path.stat()
        except OSError:
            return True
        return there.st_ino != self._inode or there.st_size < self._file.tell()

    def _read_all(self, since: datetime) -> frozenset[str]:
        """Where the newest file ends is noted before any is read: what comes meanwhile is read with the next look, and
        what was read of it already is cut off here."""
        self.close()
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise QueueLogUnreadable(path=self._path, because=error.strerror) from error
        try:
            inode = os.fstat(file.fileno()).st_ino
            older = read_lines(self._path, since, but=inode)
            self._file, self._inode, self._rest = file, inode, b""
            lines = [*older, *self._new_lines()]
        except BaseException:
            file.close()
            self._file = None
            raise
        self.begin = begin_of(lines)
        self.calls = read_queue_log(lines)
        return frozenset(self.calls)

    def _new_lines(self) -> list[str]:
        """Whole lines only: the PBX may be in the middle of one."""
        assert self._file is not None  # noqa: S101 -- read was here
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


def begin_of(lines: list[str]) -> datetime | None:
    """The time of the first line that has one; None says that these are no lines of a queue_log."""
    return next(filter(None, map(time_of, lines)), None)


def _files(queue_log: Path, since: datetime) -> dict[int, Path]:
    """By inode: the log, what was rotated and written to after `since`, and one more: it tells how far they reach."""
    try:
        names = {path.name for path in queue_log.parent.iterdir()}
    except OSError as error:
        raise QueueLogUnreadable(path=queue_log.parent, because=error.strerror) from error
    rotated = [
        queue_log.with_name(name)
        for name in names
        if name.startswith(queue_log.name)
        and _ROTATED.fullmatch(name, len(queue_log.name))
        and name.removesuffix(".gz") not in names - {name}  # it is just being compressed
    ]
    # As long as a file was not written to, or packed with its old time, it has no younger lines.
    stats = sorted(((path, path.stat()) for path in rotated), key=lambda each: each[1].st_mtime, reverse=True)
    young = sum(stat.st_mtime >= since.timestamp() for _, stat in stats)
    return {queue_log.stat().st_ino: queue_log} | {stat.st_ino: path for path, stat in stats[: young + 1]}


def _lines(
    path: Path, wanted: Callable[[str], bool], unreadable: Callable[[QueueLogUnreadable], None] | None
) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
            return list(filter(wanted, lines))
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        fault = QueueLogUnreadable(path=path, because=getattr(error, "strerror", None) or str(error))
        if unreadable is None:
            raise fault from error
        unreadable(fault)
        return []
