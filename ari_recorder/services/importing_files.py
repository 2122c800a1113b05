"""The files of an old archive: walked, opened and removed without ever following a link out of it.

Whoever may write into the archive may exchange a folder for a link at any moment. So each file is reached from the
archive's own descriptor, step by step, and no step follows a link.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ari_recorder.domain.archive_names import printable
from ari_recorder.domain.errors import ArchiveRefused
from ari_recorder.domain.importing import Reason, Refused, Unfit
from ari_recorder.vault.archived import Heard, hear, suffix_of

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe would wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file in the archive: the folders from its top, and its name, as the file system has them."""

    folders: tuple[str, ...]
    name: str

    @property
    def shown(self) -> str:
        return printable("/".join((*self.folders, self.name)))

    @property
    def suffix(self) -> str:
        return suffix_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Another one: another file, or another content."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file that was read to its end."""

    stamp: Stamp
    written_at: datetime
    heard: Heard


class Archive:
    """Use it in a `with`. ArchiveRefused when it is no folder, or this user may not read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ArchiveRefused(path=path, reason=f"{error.strerror}.") from None

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._top)

    def walk(self) -> Iterator[Place | tuple[Place, Refused]]:
        """All that is there, folder by folder in the order of the names; what is no file, with the reason."""
        yield from self._walk((), self._top)

    def look(self, place: Place, *, accept_truncated: bool) -> Seen | Refused:
        try:
            with self._opened(place) as fd:
                before = os.fstat(fd)
                heard = hear(fd, place.suffix, accept_truncated=accept_truncated)
                if _stamp(os.fstat(fd)) != _stamp(before):
                    raise Unfit(Reason.CHANGED)
                written_at = datetime.fromtimestamp(before.st_mtime, UTC)
                return Seen(stamp=_stamp(before), written_at=written_at, heard=heard)
        except Unfit as unfit:
            return unfit.refused

    @contextlib.contextmanager
    def again(self, place: Place, stamp: Stamp) -> Iterator[int]:
        """A descriptor of what was looked at. Unfit when it is not that any more."""
        with self._opened(place) as fd:
            if _stamp(os.fstat(fd)) != stamp:
                raise Unfit(Reason.CHANGED)
            yield fd
            if _stamp(os.fstat(fd)) != stamp:
                raise Unfit(Reason.CHANGED)

    def remove(self, place: Place, stamp: Stamp) -> bool:
        """Remove what was looked at. False when it is not there any more, is another one, or cannot be removed."""
        try:
            with self._folder(place.folders) as folder:
                if _stamp(os.stat(place.name, dir_fd=folder, follow_symlinks=False)) != stamp:
                    return False
                os.unlink(place.name, dir_fd=folder)
                os.fsync(folder)
        except (OSError, Unfit):
            return False
        return True

    def _walk(self, folders: tuple[str, ...], fd: int) -> Iterator[Place | tuple[Place, Refused]]:
        with os.scandir(fd) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            place = Place(folders=folders, name=entry.name)
            if entry.is_symlink():
                yield place, Refused(reason=Reason.LINK)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._inner(place, fd)
            elif entry.is_file(follow_symlinks=False):
                yield place
            else:
                yield place, Refused(reason=Reason.NOT_A_FILE)

    def _inner(self, place: Place, fd: int) -> Iterator[Place | tuple[Place, Refused]]:
        if len(place.folders) >= _DEEPEST:
            yield place, Refused(reason=Reason.UNREADABLE, detail=f"it lies more than {_DEEPEST} folders deep")
            return
        try:
            inner = os.open(place.name, _FOLDER, dir_fd=fd)
        except OSError as error:
            yield place, _of(error).refused
            return
        try:
            yield from self._walk((*place.folders, place.name), inner)
        finally:
            os.close(inner)

    @contextlib.contextmanager
    def _folder(self, folders: tuple[str, ...]) -> Iterator[int]:
        opened = [os.dup(self._top)]
        try:
            for name in folders:
                opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
            yield opened[-1]
        except OSError as error:
            raise _of(error) from error
        finally:
            for one in opened:
                os.close(one)

    @contextlib.contextmanager
    def _opened(self, place: Place) -> Iterator[int]:
        with self._folder(place.folders) as folder:
            fd = os.open(place.name, _FILE, dir_fd=folder)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise Unfit(Reason.NOT_A_FILE)
                yield fd
            finally:
                os.close(fd)


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(device=found.st_dev, inode=found.st_ino, size=found.st_size, changed_ns=found.st_mtime_ns)


_REASONS = {
    errno.EACCES: Reason.NO_PERMISSION,
    errno.EPERM: Reason.NO_PERMISSION,
    errno.ELOOP: Reason.LINK,
    errno.ENXIO: Reason.NOT_A_FILE,
    errno.ENOENT: Reason.CHANGED,
    errno.ENOTDIR: Reason.CHANGED,
}


def _of(error: OSError) -> Unfit:
    reason = _REASONS.get(error.errno or 0)
    return Unfit(reason) if reason is not None else Unfit(Reason.UNREADABLE, error.strerror or type(error).__name__)
