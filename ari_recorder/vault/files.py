"""Where sealed files lie, and how they get there and go for good. The only maker of vault paths; knows no keys.

    <vault>/2026/03/29/<uuid>.sealed     0600 in folders of 0700
    <vault>/.new/<uuid>.<random>         being written, and locked (flock) by who writes it; one that nobody has locked
                                         is a leftover of a crash, swept away at the next start
    <vault>/.id                          a UUID: which folder this is, for hosts that share one and hosts that do not

The day is that of Helsinki, in which retention counts its months: what expires on one night lies in one folder.
Fresh files have a folder of their own so that sweeping leftovers does not walk through millions of recordings.

A file is stored in this order, and each step is on disk before the next::

    create .new/… -> write -> fsync file -> (the caller checks what it reads back) -> link to its name -> fsync folders

The name therefore appears only on a complete, checked file. It is `link`, not `rename`, because a rename would
overwrite a recording that is there already. A failed fsync is final for that file: the kernel may have dropped the
pages it could not write and would report success the second time.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from ari_recorder.domain.errors import (
    SealedAlready,
    SealedMissing,
    SealedUnreadable,
    VaultPathRefused,
    VaultWriteFailed,
)
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.vault.object_store import ObjectStore
from ari_recorder.vault.stream import SealedBytes

_RELATIVE = re.compile(
    r"(\d{4})/(\d{2})/(\d{2})/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.sealed)", re.ASCII
)
FRESH = ".new"
_ID = ".id"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


def day_of(started_at: datetime) -> date:
    """The day a recording belongs to: its start, in Helsinki."""
    return started_at.astimezone(HELSINKI).date()


def path_of(recording_id: UUID, day: date) -> str:
    """Where a recording lies, relative to the vault. This is what the database keeps."""
    return f"{day:%Y/%m/%d}/{recording_id}.sealed"


def open_ordinary(path: Path) -> FileIO:
    """Open an ordinary file for reading. A link, pipe, device or folder is an OSError: others may have put it there."""
    fd = os.open(path, _READ | os.O_NONBLOCK)  # opening a pipe would wait for its writer
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not an ordinary file")
    return FileIO(fd, "rb")


class VaultFiles:
    """The folder of sealed files, and the S3 store that has copies of them, where there is one."""

    def __init__(self, folder: Path, store: ObjectStore | None = None) -> None:
        self.folder = folder
        self.store = store

    def prepare(self) -> int:
        """Make the folder and sweep away what a crash left behind; how many files that was. Another host may be writing
        here: its files are locked."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(mode=_FOLDER_MODE)
                _fsync_folder(self.folder.parent)
            (self.folder / FRESH).mkdir(mode=_FOLDER_MODE, exist_ok=True)
            leftovers = [
                name for name in os.listdir(self.folder / FRESH) if _unlinked_if_left(self.folder / FRESH / name)
            ]
            _fsync_folder(self.folder / FRESH)
            _fsync_folder(self.folder)
        except OSError as error:
            raise VaultWriteFailed(path=self.folder, reason=error.strerror) from error
        return len(leftovers)

    def identity(self) -> UUID | None:
        """Which folder this is, wherever it is mounted; None: no service has prepared it."""
        try:
            return UUID((self.folder / _ID).read_text(encoding="ascii").strip())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SealedUnreadable(name=_ID, reason=error.strerror) from error
        except ValueError:
            return None

    def known(self) -> UUID:
        """The same; from now on it is known by one, if it was not."""
        if (found := self.identity()) is None:
            try:
                _write_identity(self.folder)
            except OSError as error:
                raise VaultWriteFailed(path=self.folder / _ID, reason=error.strerror) from error
            found = self.identity()
        if found is None:
            raise VaultWriteFailed(path=self.folder / _ID, reason="it holds something else")
        return found

    def create(self, recording_id: UUID, day: date) -> "NewFile":
        """A new sealed file, to be written, finished, checked and stored: use it in a `with`."""
        return NewFile(self.folder, recording_id, day)

    def open(self, relative: str) -> int:
        """A descriptor of a sealed file, open for reading."""
        try:
            with _folders(self.folder, relative) as (folders, name):
                return os.open(name, _READ, dir_fd=folders[-1])
        except FileNotFoundError:
            raise SealedMissing(path=relative) from None
        except OSError as error:
            raise SealedUnreadable(name=relative, reason=error.strerror) from error

    def has(self, relative: str, size: int) -> bool:
        """Is it there, with that many bytes?"""
        try:
            with _folders(self.folder, relative) as (folders, name):
                return os.stat(name, dir_fd=folders[-1], follow_symlinks=False).st_size == size
        except OSError:
            return False

    def reading(self, relative: str) -> int | SealedBytes:
        """What `SealedFile` reads: the file, or the object in the store where the folder has it no more."""
        try:
            return self.open(relative)
        except SealedMissing:
            if self.store is None:
                raise
            return self.store.open(relative)

    def unlink(self, relative: str) -> None:
        """Remove a sealed file for good. Removing it twice is fine; an error means it may still be there."""
        try:
            with _folders(self.folder, relative) as (folders, name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folders[-1])
                os.fsync(folders[-1])  # also the second time: the first may have been killed before this
        except FileNotFoundError:
            return  # not even the folder is there
        except OSError as error:
            raise VaultWriteFailed(path=relative, reason=error.strerror) from error

    def settle(self, several: Iterable[str]) -> None:
        """Bring the names of sealed files to disk, that of each folder once."""
        folders = {folder for relative in several for folder in Path(relative).parents}
        try:
            for folder in sorted(folders, reverse=True):
                _fsync_folder(self.folder / folder)
        except OSError as error:
            raise VaultWriteFailed(path=self.folder, reason=error.strerror) from error

    def clear(self, relative: str) -> None:
        """The same, and what was being written of it."""
        self.unlink(relative)
        fresh = self.folder / FRESH
        try:
            for left in fresh.glob(f"{relative.rpartition('/')[2].removesuffix('.sealed')}.*"):
                left.unlink(missing_ok=True)
            _fsync_folder(fresh)
        except OSError as error:
            raise VaultWriteFailed(path=relative, reason=error.strerror) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """True for one at a time among those who ask: False, somebody else has it."""
        try:
            fd = os.open(self.folder / FRESH, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise VaultWriteFailed(path=FRESH, reason=error.strerror) from error
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(fd)

    def any_sealed(self) -> bool:
        """Is there any sealed file? Then the keys must not be made anew."""
        return next(self.folder.glob("[0-9]*/[0-9]*/[0-9]*/*.sealed"), None) is not None

    def days(self) -> tuple[date, ...]:
        """Those that have a folder, the oldest first."""
        folders = self.folder.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]")
        return tuple(sorted(date(*map(int, folder.parts[-3:])) for folder in folders))

    def of_day(self, day: date) -> frozenset[UUID]:
        """The recordings whose sealed files lie in the folder of that day."""
        folder = f"{day:%Y/%m/%d}"
        try:
            names = os.listdir(self.folder / folder)
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise SealedUnreadable(name=folder, reason=error.strerror) from error
        return frozenset(UUID(name[:36]) for name in names if _RELATIVE.fullmatch(f"{folder}/{name}"))

    def sizes_of_day(self, day: date) -> dict[UUID, int]:
        """The sizes of those files, in bytes. What goes meanwhile is not among them."""
        sizes = {}
        for recording_id in self.of_day(day):
            with contextlib.suppress(FileNotFoundError):
                sizes[recording_id] = os.lstat(self.folder / path_of(recording_id, day)).st_size
        return sizes

    def free_bytes(self) -> int:
        """Room the service may use (that kept for root is not counted)."""
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize


class NewFile:
    """A sealed file on its way. Leaving the `with` before `store` has returned leaves nothing behind.

    empty --write*--> written --finish--> on disk, no name --(check)--> --store--> stored
    """

    def __init__(self, vault: Path, recording_id: UUID, day: date) -> None:
        self.path = path_of(recording_id, day)
        self.sealed_bytes = 0
        self._vault = vault
        self._fresh = vault / FRESH / f"{recording_id}.{secrets.token_hex(4)}"
        self._hash = hashlib.sha256()
        self._fd = -1

    @property
    def sha256(self) -> bytes:
        return self._hash.digest()

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._failing():
            if (self._vault / self.path).exists():  # said before the work is done; `link` has the last word
                raise SealedAlready(path=self.path)
            self._fd = os.open(self._fresh, flags, _FILE_MODE)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if not os.fstat(self._fd).st_nlink:  # a service that starts here took it for a leftover just now
                os.close(self._fd)
                self._fd = os.open(self._fresh, flags, _FILE_MODE)
                fcntl.flock(self._fd, fcntl.LOCK_EX)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)
        with contextlib.suppress(OSError):  # what cannot be removed now is swept away at the next start
            os.unlink(self._fresh)

    def write(self, data: memoryview, /) -> int:
        with self._failing():
            written = os.write(self._fd, data)
        self._hash.update(data[:written])
        self.sealed_bytes += written
        return written

    def finish(self) -> int:
        """Bring the bytes to disk; a descriptor to read them back with, from the disk and not from memory."""
        with self._failing():
            os.fsync(self._fd)
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
            return os.open(self._fresh, _READ)

    def store(self, *, settled: bool = True) -> None:
        """Give the file its name, durably. Not `settled`: durable only when VaultFiles.settle has returned."""
        with self._failing(), _folders(self._vault, self.path, make=True) as (folders, name):
            try:
                os.link(self._fresh, name, dst_dir_fd=folders[-1])
            except FileExistsError:
                raise SealedAlready(path=self.path) from None
            if not settled:
                return
            try:
                # Parents too, and always: who made them may have been killed before syncing. A clean one costs 50 µs.
                for folder in reversed(folders):
                    os.fsync(folder)
            except OSError:
                os.unlink(name, dir_fd=folders[-1])
                raise

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise VaultWriteFailed(path=self.path, reason=error.strerror) from error


@contextlib.contextmanager
def _folders(vault: Path, relative: str, *, make: bool = False) -> Iterator[tuple[list[int], str]]:
    """The opened folders from the vault down to the day, and the name of the file in the last one.

    Each step refuses symbolic links, so no path leads out of the vault.
    """
    match = _RELATIVE.fullmatch(relative)
    if match is None:
        raise VaultPathRefused(path=relative)
    *parts, name = match.groups()
    with contextlib.ExitStack() as stack:
        folders = [os.open(vault, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
        stack.callback(os.close, folders[0])
        try:
            for part in parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, _FOLDER_MODE, dir_fd=folders[-1])
                folders.append(os.open(part, _READ | os.O_DIRECTORY, dir_fd=folders[-1]))
                stack.callback(os.close, folders[-1])
            yield folders, name
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise VaultPathRefused(path=relative) from None
            raise


@contextlib.contextmanager
def day_folder(vault: Path, relative: str) -> Iterator[int]:
    """The opened folder in which a sealed file lies, or lay. FileNotFoundError when not even that is there."""
    with _folders(vault, relative) as (folders, _):
        yield folders[-1]


def _unlinked_if_left(path: Path) -> bool:
    """Unless somebody is writing it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(fd)
    return True


def _write_identity(folder: Path) -> None:
    """All of it or nothing; of two hosts that begin at once, one has its name there."""
    fresh = folder / FRESH / f"{_ID}.{secrets.token_hex(4)}"
    with open(fresh, "x", encoding="ascii", opener=lambda path, flags: os.open(path, flags, _FILE_MODE)) as file:
        file.write(f"{uuid4()}\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(fresh, folder / _ID)
    os.unlink(fresh)


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
