"""Packages that wait to be fetched, as files that only their passphrase opens. When they go: services/deliveries.py.

    <folder>/<UUID of the delivery>.sealed      the container of vault/stream.py, with another key and context

    key     = Argon2id(passphrase, salt = the UUID's 16 random bytes; 2 rounds, 19 MiB, 1 lane), 32 bytes
    context = "ari-recorder/delivery/v1" | 00 | UUID of the delivery (16)

Nothing of the passphrase is kept: the commitment in the container's header tells whether one opens the file. It is made
of 125 random bits (vault/aes_zip.py), which no number of rounds has to help; these are OWASP's least, so that whoever
has the file and somebody's slip of paper with a sign missing gains nothing.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.errors import SealedForeign
from ari_recorder.vault.files import open_ordinary
from ari_recorder.vault.root_key import Argon2
from ari_recorder.vault.stream import SealedFile, seal

_CONTEXT = b"ari-recorder/delivery/v1\x00"
_SUFFIX = ".sealed"
# As people write what they read or hear: the alphabet has no letters that look like digits.
_READ = str.maketrans("oil", "011")


class Deliveries:
    """The folder. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, delivery_id: UUID) -> Path:
        return self._folder / f"{delivery_id}{_SUFFIX}"

    def seal(self, blocks: Iterable[bytes], passphrase: str, delivery_id: UUID) -> os.stat_result:
        """Under its name from the first byte on: without a row that knows it, `strays` finds it. OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(delivery_id)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb", buffering=0) as file:
                seal(_Blocks(blocks), file, _key(passphrase, delivery_id), _CONTEXT + delivery_id.bytes)
                os.fsync(fd)
                there = os.fstat(fd)
            self._sync()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return there

    def open(self, delivery_id: UUID, passphrase: str) -> SealedFile | None:
        """None: that is not its passphrase. OSError when the file is not here."""
        file = open_ordinary(self.path(delivery_id))
        fd = os.dup(file.fileno())
        file.close()
        with contextlib.suppress(SealedForeign):
            context = _CONTEXT + delivery_id.bytes
            return SealedFile(fd, _key(passphrase, delivery_id), context, name=f"{delivery_id}{_SUFFIX}")
        return None

    def remove(self, delivery_id: UUID) -> None:
        """Gone for good when this returns. One that is gone already is as good."""
        with contextlib.suppress(FileNotFoundError):
            self.path(delivery_id).unlink()
            self._sync()

    def there(self) -> Iterator[tuple[UUID, float]]:
        """The deliveries whose files are here, with when each was last written to."""
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with contextlib.suppress(ValueError, FileNotFoundError):
                    yield UUID(path.name.removesuffix(_SUFFIX)), path.lstat().st_mtime

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _Blocks:
    """Blocks as something to read from."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._left = b""

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._left:
            try:
                self._left = next(self._blocks)
            except StopIteration:
                return 0
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _key(passphrase: str, delivery_id: UUID) -> bytes:
    """However it was typed: with or without the dashes, in capitals, O for 0."""
    typed = "".join(passphrase.lower().split()).replace("-", "").translate(_READ)
    return Argon2(salt=delivery_id.hex, iterations=2, lanes=1, memory_kib=19 << 10).root_key(typed)
