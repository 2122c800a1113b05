"""The PBX's queue_log, and its CEL, from disk, with what was rotated away. What the lines mean: domain/queue_log.py,
adoption.py and cel.py.

They are rotated by logrotate (`queue_log.1`, `queue_log.2.gz`, `queue_log-20260304`) or by Asterisk itself
(`queue_log.0`, `queue_log.1765432100`). Numbers grow with age or against it, so the lines tell the order.
Blocks: call it in a thread.
"""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from ari_recorder.domain import cel, queue_log
from ari_recorder.domain.cel import CelCall
from ari_recorder.domain.errors import CelUnreadable, QueueLogUnreadable
from ari_recorder.domain.queue_log import QueueLogCall

_ROTATED = re.compile(r"[.-][0-9-]+(\.gz)?")
# The log may be rotated while it is read. That happens once, not three times on end.
ATTEMPTS = 3
# A week's log is not had in memory at once, nor is a line that never ends: a real one has some hundred bytes.
CHUNK = 1 << 20
LONGEST = 1 << 16

LogUnreadable = QueueLogUnreadable | CelUnreadable
SomeCall = TypeVar("SomeCall", bound=QueueLogCall)


class Read(Protocol[SomeCall]):
    def __call__(self, lines: Iterable[str], before: Mapping[str, SomeCall] | None = None) -> dict[str, SomeCall]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKind(Generic[SomeCall]):
    """What stands in a log: its lines' times (None: no such line), which are wanted, what they say of calls."""

    time_of: Callable[[str], datetime | None]
    wanted: Callable[[str], bool]
    read: Read[SomeCall]
    unreadable: type[LogUnreadable]


QUEUE_LOG = LogKind(
    time_of=queue_log.time_of, wanted=lambda _: True, read=queue_log.read_queue_log, unreadable=QueueLogUnreadable
)
CEL = LogKind(time_of=cel.time_of, wanted=cel.is_wanted, read=cel.read_cel, unreadable=CelUnreadable)


def read_lines(
    path: Path,
    since: datetime,
    *,
    kind: LogKind[SomeCall],
    wanted: Callable[[str], bool] | None = None,
    unreadable: Callable[[LogUnreadable], None] | None = None,
    but: int = -1,
) -> list[str]:
    """All wanted lines from `since` on, and some from before, the oldest first; none of the file with the inode `but`.

    Raises the kind's error; with `unreadable` a file that cannot be read is told to it, and the others are read.
    """
    because = "it was rotated again and again while it was read"
    for _ in range(ATTEMPTS):
        try:
            files = _files(path, since, kind)
            parts = [
                (begin, lines)
                for inode, file in files.items()
                if inode != but
                and (lines := _lines(file, wanted or kind.wanted, unreadable, kind))
                and (begin := begin_of(lines, kind))
            ]
            if files == _files(path, since, kind):
                return [line for _, lines in sorted(parts, key=lambda part: part[0]) for line in lines]
        except FileNotFoundError as error:
            because = str(error.strerror)
    raise kind.unreadable(path=path, because=because)


class LogTail(Generic[SomeCall]):
    """What a log says of calls, kept up with as it grows. `read` blocks: call it in a thread, one at a time.

    When the log was rotated, cut or replaced since the last look, all of it is read again: nothing is lost and nothing
    told twice, however often it was rotated meanwhile.
    """

    def __init__(self, path: Path, kind: LogKind[SomeCall]) -> None:
        self._path = path
        self._kind = kind
        self._file: BinaryIO | None = None
        self._inode = -1
        self._rest = b""
        self.calls: dict[str, SomeCall] = {}
        self.begin: datetime | None = None  # how far back it reaches

    def read(self, since: datetime) -> frozenset[str]:
        """The Uniqueids of calls that something new is known of. QueueLogUnreadable or CelUnreadable."""
        if self._file is None or self._is_another():
            return self._read_all(since)
        before = self.calls
        self.calls = self._kind.read(self._noting_begin(self._new_lines()), before)
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
            raise self._kind.unreadable(path=self._path, because=error.strerror) from error
        try:
            inode = os.fstat(file.fileno()).st_ino
            older = read_lines(self._path, since, kind=self._kind, but=inode)
            self._file, self._inode, self._rest = file, inode, b""
            self.begin = None
            self.calls = self._kind.read(self._noting_begin(chain(older, self._new_lines())))
        except BaseException:
            file.close()
            self._file = None
            raise
        return frozenset(self.calls)

    def _noting_begin(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if self.begin is None:
                self.begin = self._kind.time_of(line)
            yield line

    def _new_lines(self) -> Iterator[str]:
        """Whole lines only: the PBX may be in the middle of one."""
        assert self._file is not None  # noqa: S101 -- read was here
        while chunk := self._file.read(CHUNK):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            yield from filter(self._kind.wanted, (line.decode("utf-8", "replace") for line in lines))
            if len(self._rest) > LONGEST:
                self._rest = b""


class QueueLogTail(LogTail[QueueLogCall]):
    def __init__(self, path: Path) -> None:
        super().__init__(path, QUEUE_LOG)


class CelTail(LogTail[CelCall]):
    def __init__(self, path: Path) -> None:
        super().__init__(path, CEL)


def begin_of(lines: list[str], kind: LogKind[SomeCall]) -> datetime | None:
    """The time of the first line that has one; None says that these are no lines of such a log."""
    return next(filter(None, map(kind.time_of, lines)), None)


def _files(log: Path, since: datetime, kind: LogKind[SomeCall]) -> dict[int, Path]:
    """By inode: the log, what was rotated and written to after `since`, and one more: it tells how far they reach."""
    try:
        names = {path.name for path in log.parent.iterdir()}
    except OSError as error:
        raise kind.unreadable(path=log.parent, because=error.strerror) from error
    rotated = [
        log.with_name(name)
        for name in names
        if name.startswith(log.name)
        and _ROTATED.fullmatch(name, len(log.name))
        and name.removesuffix(".gz") not in names - {name}  # it is just being compressed
    ]
    # As long as a file was not written to, or packed with its old time, it has no younger lines.
    stats = sorted(((path, path.stat()) for path in rotated), key=lambda each: each[1].st_mtime, reverse=True)
    young = sum(stat.st_mtime >= since.timestamp() for _, stat in stats)
    return {log.stat().st_ino: log} | {stat.st_ino: path for path, stat in stats[: young + 1]}


def _lines(
    path: Path,
    wanted: Callable[[str], bool],
    unreadable: Callable[[LogUnreadable], None] | None,
    kind: LogKind[SomeCall],
) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
            return list(filter(wanted, lines))
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        fault = kind.unreadable(path=path, because=getattr(error, "strerror", None) or str(error))
        if unreadable is None:
            raise fault from error
        unreadable(fault)
        return []
