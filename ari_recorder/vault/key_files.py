"""The folder of the keys, as files: durable, for its owner alone, never through a link. Knows no keys.

    storage.keys/          0700
      keyring.json         what installation this is, and how its root key is had    (vault/root_key.py)
      public/<name>.pub    the half the capture side wraps to                        (vault/key_pairs.py)
      private/<name>.key   the half that opens, encrypted under the root key         (vault/key_pairs.py)
      private.new/         private halves under the next root key, while it is rotated
      .lock                held by whoever changes something

A new file gets its name when its bytes are on disk (write, fsync, link), and the folder is synced before anybody is
told; a file that is replaced is replaced by a rename. What a crash left unnamed begins with a dot and is swept by the
next change.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ari_recorder.domain.errors import (
    KeyringExposed,
    KeyringMissing,
    KeyringUnreadable,
    KeyringWriteFailed,
)

PUBLIC = "public"
PRIVATE = "private"
NEW_PRIVATE = "private.new"
FACTS = "keyring.json"
NEW_FACTS = "keyring.json.new"

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
_MOST_BYTES = 1 << 16  # the largest file here has 1.3 kB; what is larger is none of ours
_LEFTOVER = re.compile(r"\.[^/]+\.[0-9a-f]{16}")


class KeyFolder:
    """Reads and changes the files. Every error says which file and what to do; a missing file is FileNotFoundError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # --- the folder itself

    def make(self) -> None:
        """Make the folder and those in it, if they are not there. Refused when others can use them."""
        try:
            self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)  # somebody else may make it just now
            _fsync_path(self.path.parent)
            with self._at("") as folder:
                for name in (PUBLIC, PRIVATE):
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
                os.fsync(folder)
        except OSError as error:
            raise KeyringWriteFailed(path=self.path, reason=error.strerror) from error
        self.check()

    def check(self) -> None:
        """It is there, it is made of real folders, and they are its owner's alone."""
        for name in ("", PUBLIC, PRIVATE):
            try:
                with self._at(name) as folder:
                    _refuse_exposed(folder, self.path / name, "700")
            except FileNotFoundError:
                raise KeyringMissing(path=self.path / name) from None
            except OSError as error:
                raise KeyringUnreadable(path=self.path / name, reason=_reason(error)) from None

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Alone among all who change something here, threads and processes; who reads need not wait."""
        try:
            with self._at("") as folder:
                fd = os.open(".lock", os.O_RDWR | os.O_CREAT | _OPEN, _FILE_MODE, dir_fd=folder)
        except FileNotFoundError:
            raise KeyringMissing(path=self.path) from None
        except OSError as error:
            raise KeyringWriteFailed(path=self.path / ".lock", reason=_reason(error)) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._sweep()
            yield
        finally:
            os.close(fd)

    # --- reading

    def names(self, folder: str, suffix: str) -> frozenset[str]:
        """What is before the suffix, of every file that ends so."""
        try:
            with self._at(folder) as fd:
                found = os.listdir(fd)
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise KeyringUnreadable(path=self.path / folder, reason=_reason(error)) from None
        return frozenset(
            name.removesuffix(suffix) for name in found if name.endswith(suffix) and not name.startswith(".")
        )

    def has(self, name: str) -> bool:
        """Is it in this folder? An error is no answer: who takes it for a no destroys what is there."""
        try:
            with self._at("") as at:
                os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise KeyringUnreadable(path=self.path / name, reason=_reason(error)) from None
        return True

    def read(self, folder: str, name: str) -> bytes:
        """All of a file. FileNotFoundError when there is none."""
        try:
            with self._at(folder) as at:
                fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=at)  # a pipe would wait for its writer
            with os.fdopen(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(errno.EINVAL, "it is not an ordinary file")
                _refuse_exposed(fd, self.path / folder / name, "600")
                return file.read(_MOST_BYTES)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise KeyringUnreadable(path=self.path / folder / name, reason=_reason(error)) from None

    def stamp(self, folder: str, name: str) -> tuple[int, int, int] | None:
        """Differs when the file is another one; None when there is none, or nobody can say."""
        try:
            found = os.stat(self.path / folder / name, follow_symlinks=False)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    # --- changing, within `changing`

    def write_new(self, folder: str, name: str, data: bytes) -> None:
        """A file that was not there. FileExistsError when it was: the old one stays as it is."""
        with self._failing(folder, name), self._at(folder) as at:
            fresh = self._write(at, name, data)
            try:
                os.link(fresh, name, src_dir_fd=at, dst_dir_fd=at, follow_symlinks=False)
            finally:
                os.unlink(fresh, dir_fd=at)
            try:
                os.fsync(at)
            except OSError:
                os.unlink(name, dir_fd=at)  # nobody may find it and take it for durable
                raise

    def settle(self, folder: str, name: str) -> None:
        """Bring to disk what a kill may have left in memory only, before anything relies on it."""
        with self._failing(folder, name), self._at(folder) as at:
            fd = os.open(name, os.O_RDONLY | _OPEN, dir_fd=at)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            os.fsync(at)

    def replace(self, folder: str, name: str, data: bytes) -> None:
        """The file holds `data` from now on; until then, and if this fails, what it held before."""
        with self._failing(folder, name), self._at(folder) as at:
            fresh = self._write(at, name, data)
            try:
                os.rename(fresh, name, src_dir_fd=at, dst_dir_fd=at)
            except OSError:
                os.unlink(fresh, dir_fd=at)
                raise
            os.fsync(at)

    def move(self, folder: str, name: str, new_folder: str, new_name: str) -> None:
        """Rename within this folder; what had the new name is gone."""
        with self._failing(new_folder, new_name), self._at(folder) as source, self._at(new_folder) as target:
            os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)
            os.fsync(source)

    def remove(self, folder: str, name: str) -> None:
        """Overwrite, then remove. Twice is fine.

        A disk that writes elsewhere keeps the old bytes: what protects them is that they are encrypted under a root key
        that is replaced from time to time (`keys rotate`).
        """
        with self._failing(folder, name), self._at(folder) as at:
            try:
                fd = os.open(name, os.O_WRONLY | _OPEN, dir_fd=at)
            except FileNotFoundError:
                pass
            else:
                try:
                    os.pwrite(fd, os.urandom(max(os.fstat(fd).st_size, 1)), 0)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                os.unlink(name, dir_fd=at)
            os.fsync(at)  # also the second time: the first may have been killed before this

    def make_folder(self, name: str) -> None:
        with self._failing("", name), self._at("") as at:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, _FOLDER_MODE, dir_fd=at)
            os.fsync(at)

    def remove_folder(self, name: str) -> None:
        """It and what is in it. Twice is fine."""
        for left in self.names(name, ""):
            self.remove(name, left)
        with self._failing("", name), self._at("") as at:
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(name, dir_fd=at)
            os.fsync(at)

    # --- how

    @contextlib.contextmanager
    def _at(self, name: str) -> Iterator[int]:
        """The folder `name` opened, or this one. A link in its place is refused."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
        try:
            if name:
                outer, fd = fd, os.open(name, os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=fd)
                os.close(outer)
            yield fd
        finally:
            os.close(fd)

    def _write(self, at: int, name: str, data: bytes) -> str:
        """The bytes on disk, under a name nobody looks for."""
        fresh = f".{name}.{secrets.token_hex(8)}"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, _FILE_MODE, dir_fd=at)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
        except OSError:
            os.unlink(fresh, dir_fd=at)
            raise
        return fresh

    def _sweep(self) -> None:
        """What a crash left without a name of its own. Only within `changing`: nobody is writing it now."""
        for folder in ("", PUBLIC, PRIVATE, NEW_PRIVATE):
            with contextlib.suppress(OSError), self._at(folder) as at:
                for name in os.listdir(at):
                    if _LEFTOVER.fullmatch(name):
                        os.unlink(name, dir_fd=at)

    @contextlib.contextmanager
    def _failing(self, folder: str, name: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except OSError as error:
            raise KeyringWriteFailed(path=self.path / folder / name, reason=_reason(error)) from error


def _refuse_exposed(fd: int, path: Path, wanted: str) -> None:
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if mode & 0o077:
        raise KeyringExposed(path=path, mode=f"{mode:04o}", wanted=wanted)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "it is a link, or not a folder where one is wanted"
    return error.strerror or type(error).__name__


def _fsync_path(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
