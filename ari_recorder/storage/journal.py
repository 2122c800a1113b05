"""The journal: the newest snapshot of each call under way, on disk before anything is done about the call.

    <folder>/journal    0600     line 1   "ari-recorder journal 1"
                                 then     <crc32> C <call id> <JSON: {"call": …, "personal": hex or null}>
                                 or       <crc32> R <call id>              retired: the call is over and stored
    <folder>/damaged    0600     lines that could not be read, kept for a person to look at
    <folder>/lock                held by the service the folder belongs to

crc32: that of zlib and Ethernet, 8 hexadecimal digits, over what follows the blank, without the line feed. Of several
lines of one call the last counts. The caller of a call is not in its JSON; `personal` is the caller sealed by the vault
(a sealed text, purpose "caller").

Lines are only appended. One thread writes: it takes all that waits, writes it, and one fsync serves all who wait.
A failed write or fsync ends the use of that file, for the kernel may have dropped pages and report success the next
time (fsyncgate); the next entry begins a new file out of memory. A new file is also begun at the start and when most
of the old one is out of date: written beside it, fsync, rename, fsync of the folder.

Room for some thousand entries is kept in a file of its own: on a full disk it is given up for a new file, so calls are
recorded on while somebody makes room.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import JournalInUse, JournalNewer, JournalUnusable, JournalWriteFailed

log = structlog.get_logger(__name__)

_TITLE = b"ari-recorder journal "
_HEADER = _TITLE + b"1\n"
# A new file is begun when the old one has grown to this, and to four times what it began with: at 2 KB an entry and
# 100 calls under way that is once in some hundred calls, and takes milliseconds.
_LEAST_BYTES_TO_COMPACT = 4 * 1024 * 1024
_GROWN = 4
# A call is 1 to 4 KiB a state, and has some ten of them.
_RESERVE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`personal`: the caller as hex of the sealed bytes."""

    call: Call
    personal: str | None = field(repr=False)


_SNAPSHOT = TypeAdapter(Snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A line to be written, and who waits for it. A retired call has no `line` worth keeping."""

    call_id: UUID
    line: bytes
    retires: bool
    written: Future[None] = field(default_factory=Future)


class Journal:
    """Open from `with` on; `load` gives what was in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "journal"
        self._lock_fd = -1
        self._fd: int | None = None
        self._live: dict[UUID, bytes] = {}
        self._begun_bytes = 0
        self._file_bytes = 0
        self._waiting: list[_Entry] = []
        self._changed = threading.Condition()
        self._closing = False
        self._busy_since: float | None = None
        self._writer = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self.damaged = 0  # lines found unreadable since it was opened

    # --- life

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._hold()
            try:
                self._read()
            except BaseException:
                os.close(self._lock_fd)
                raise
        except OSError as error:
            raise JournalUnusable(path=self._path, reason=error.strerror or error) from None
        try:
            self._begin_file(self._live)
        except JournalWriteFailed as error:
            # The disk is full, perhaps. What is in the old file is safe; the first entry tries again and tells.
            log.error("journal_begin_fail", because=str(error))
        self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What waits is written first."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._writer.join()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        os.close(self._lock_fd)

    def _hold(self) -> None:
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise JournalInUse(path=self._path, holder=holder) from None
        except OSError:
            os.close(fd)
            raise
        with contextlib.suppress(OSError):  # only a help to read: a full disk is no reason to record nothing
            os.ftruncate(fd, 0)
            os.write(fd, str(os.getpid()).encode())
        self._lock_fd = fd

    # --- what the service does with it

    async def append(self, call: Call, personal: bytes | None) -> None:
        """This is the call now; returns when that is on disk. JournalWriteFailed when it is not."""
        snapshot = Snapshot(call=call, personal=personal.hex() if personal is not None else None)
        payload = _SNAPSHOT.dump_json(snapshot, exclude={"call": {"caller"}})
        await self._put(_Entry(call_id=call.id, line=_line(b"C %s %s" % (_id(call.id), payload)), retires=False))

    async def retire(self, call_id: UUID) -> None:
        """The call is over and stored elsewhere; it will not be loaded again."""
        await self._put(_Entry(call_id=call_id, line=_line(b"R %s" % _id(call_id)), retires=True))

    @property
    def busy_seconds(self) -> float:
        """How long the disk has taken for what it is being given; a disk that works takes milliseconds."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def load(self) -> tuple[tuple[Call, bytes | None], ...]:
        """The calls that were not retired, without their callers, and the callers sealed. Not for the event loop."""
        with self._changed:
            lines = dict(self._live)
        found: list[tuple[Call, bytes | None]] = []
        unreadable: dict[UUID, bytes] = {}
        for call_id, line in lines.items():
            try:
                snapshot = _SNAPSHOT.validate_json(line.split(b" ", 3)[3])
                personal = bytes.fromhex(snapshot.personal) if snapshot.personal is not None else None
            except (ValidationError, ValueError):
                unreadable[call_id] = line.rstrip(b"\n")
            else:
                found.append((snapshot.call, personal))
        self._quarantine(list(unreadable.values()))
        with self._changed:
            for call_id in unreadable:
                self._waiting.append(_Entry(call_id=call_id, line=_line(b"R %s" % _id(call_id)), retires=True))
            self._changed.notify()
        return tuple(found)

    # --- writing

    async def _put(self, entry: _Entry) -> None:
        with self._changed:
            if self._closing or not self._writer.is_alive():
                raise JournalWriteFailed(path=self._path, reason="it is closed")
            self._waiting.append(entry)
            self._changed.notify()
        await asyncio.wrap_future(entry.written)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                batch, self._waiting = self._waiting, []
                if not batch:
                    return
            # Who stopped waiting does not unmake the entry.
            waited = [entry for entry in batch if entry.written.set_running_or_notify_cancel()]
            try:
                self._write_timed(batch)
            except Exception as error:
                known = isinstance(error, JournalWriteFailed)
                failure = error if known else JournalWriteFailed(path=self._path, reason=type(error).__name__)
                for entry in waited:
                    entry.written.set_exception(failure)
            else:
                for entry in waited:
                    entry.written.set_result(None)

    def _write_timed(self, batch: list[_Entry]) -> None:
        self._busy_since = time.monotonic()
        try:
            self._write(batch)
        finally:
            self._busy_since = None

    def _write(self, batch: list[_Entry]) -> None:
        if self._fd is None or self._file_bytes > max(_LEAST_BYTES_TO_COMPACT, _GROWN * self._begun_bytes):
            after = dict(self._live)
            _apply(after, batch)
            self._begin_file(after)
        else:
            data = b"".join(entry.line for entry in batch)
            try:
                _write_fully(self._fd, data)
                os.fsync(self._fd)
            except OSError as error:
                self._drop_file()
                if not self._gives_up_reserve(error):
                    raise JournalWriteFailed(path=self._path, reason=error.strerror or error) from None
                after = dict(self._live)
                _apply(after, batch)
                self._begin_file(after)
            else:
                self._file_bytes += len(data)
        with self._changed:
            _apply(self._live, batch)

    def _begin_file(self, live: Mapping[UUID, bytes]) -> None:
        """A new file that holds `live` takes the place of the old one. With room, there is a reserve again."""
        self._drop_file()
        try:
            self._put_file(live)
        except OSError as error:
            if not self._gives_up_reserve(error):
                raise JournalWriteFailed(path=self._path, reason=error.strerror or error) from None
            try:
                self._put_file(live)
            except OSError as again:
                raise JournalWriteFailed(path=self._path, reason=again.strerror or again) from None
        self._take_reserve()

    def _put_file(self, live: Mapping[UUID, bytes]) -> None:
        fresh = self._folder / "journal.new"
        fd = -1
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            data = _HEADER + b"".join(live.values())
            _write_fully(fd, data)
            os.fsync(fd)
            fresh.rename(self._path)
            _fsync_folder(self._folder)
        except OSError:
            if fd >= 0:
                os.close(fd)
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
        self._fd = fd
        self._begun_bytes = self._file_bytes = len(data)

    # --- reserve

    def _take_reserve(self) -> None:
        """Blocks of its own, not a hole. Without room to spare there is none; that is told elsewhere."""
        reserve = self._folder / "reserve"
        with contextlib.suppress(OSError):
            room = os.statvfs(self._folder)
            if reserve.exists() or room.f_bavail * room.f_frsize < 4 * _RESERVE_BYTES:
                return
            fd = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, _RESERVE_BYTES)
            except OSError:
                reserve.unlink()
            finally:
                os.close(fd)

    def _gives_up_reserve(self, error: OSError) -> bool:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return False
        try:
            (self._folder / "reserve").unlink()
        except OSError:
            return False
        because = f"the disk is full: the journal lives on its reserve of {_RESERVE_BYTES >> 20} MiB"
        log.error("alarm", alarm=AlarmCode.DISK_TROUBLE.value, subject="journal", because=because)
        return True

    def _drop_file(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):  # the error that matters was reported by write or fsync
                os.close(fd)

    # --- reading

    def _read(self) -> None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        lines = content.split(b"\n")
        torn = lines.pop()  # after the last line break: nothing, or what a crash cut off in mid-write
        if torn:
            log.warning("journal_torn", torn_bytes=len(torn))
        unreadable = []
        for position, line in enumerate(lines):
            if position == 0 and line.startswith(_TITLE):
                if line + b"\n" != _HEADER:
                    raise JournalNewer(path=self._path, found=line.decode("ascii", "replace"))
            elif (entry := _parse(line)) is None:
                unreadable.append(line)
            else:
                _apply(self._live, [entry])
        self._quarantine(unreadable)

    def _quarantine(self, lines: list[bytes]) -> None:
        """Put unreadable lines aside, on disk before the file they came from is replaced, and say so."""
        if not lines:
            return
        try:
            fd = os.open(self._folder / "damaged", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _write_fully(fd, b"".join(line + b"\n" for line in lines))
                os.fsync(fd)
            finally:
                os.close(fd)
            _fsync_folder(self._folder)
        except OSError as error:
            raise JournalUnusable(path=self._path, reason=f"damaged lines cannot be put aside: {error}") from None
        self.damaged += len(lines)
        log.error("journal_damaged", lines=len(lines), path=str(self._folder / "damaged"))


def _id(call_id: UUID) -> bytes:
    return str(call_id).encode()


def _line(rest: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(rest), rest)


def _parse(line: bytes) -> _Entry | None:
    """The entry in a line, or None when the line is not as it was written."""
    try:
        crc, rest = line.split(b" ", 1)
        kind, call_id, *_ = rest.split(b" ", 2)
        if int(crc, 16) != zlib.crc32(rest) or kind not in (b"C", b"R"):
            return None
        return _Entry(call_id=UUID(call_id.decode()), line=line + b"\n", retires=kind == b"R")
    except ValueError:
        return None


def _apply(live: dict[UUID, bytes], entries: Iterable[_Entry]) -> None:
    for entry in entries:
        if entry.retires:
            live.pop(entry.call_id, None)
        else:
            live[entry.call_id] = entry.line


def _write_fully(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
