"""Where the parts lie: what is sealed of calls that still go on. Their bytes are drawn in stream.py; no audio here.

    <vault>/.parts/<recording id>.<number>.key     0600   written first: without it the other is noise
    <vault>/.parts/<recording id>.<number>.part    0600   header and full chunks, never a last one (stream.py)

Key file, version 1::

    0       1       version, 01
    1       8       the part's first sample, counted on each side from the recording's start, big-endian
    9       rest    the part's data key, wrapped like that of a recording

A chunk holds 4096 samples of each side, interleaved, the caller's first: 0.512 s of 8000 Hz, signed 16 bit
little-endian. Each run of the service that goes on with a recording begins a part of its own, numbered from 1, under a
new key: no key ever sees a second plaintext at one place, and nothing has to be opened to go on, so a locked keyring
holds nobody up. A part counts up to where the next one begins.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.errors import PartUnusable, VaultWriteFailed
from ari_recorder.vault.files import VaultFiles, open_ordinary
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.remembered import Remembered
from ari_recorder.vault.stream import (
    CHUNK_BYTES,
    DATA_KEY_BYTES,
    PartSealer,
    SealedPart,
    part_context_of,
    whole_chunks,
)

FOLDER = ".parts"
SAMPLE_RATE = 8000
CHUNK_SAMPLES = CHUNK_BYTES // 4  # 16 bit, two sides

_NAME = re.compile(r"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.([1-9][0-9]{0,8})\.(part|key)", re.ASCII)
_VERSION = b"\x01"
_KEY_HEAD_BYTES = 9
_NEW = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that holds something. Samples are those of one side; `written_at` is when its last chunk was."""

    recording_id: UUID
    number: int
    first_sample: int
    samples: int
    written_at: datetime
    wrapped_key: bytes = field(repr=False)

    @property
    def end_sample(self) -> int:
        return self.first_sample + self.samples


class Parts:
    """The folder of parts. The data keys of those begun in this run are remembered until they are removed."""

    def __init__(self, vault: Path, keyring: Keyring, remembered: Remembered | None = None) -> None:
        """`remembered`: of a host whose keyring opens nothing."""
        self.files = VaultFiles(vault)
        self.folder = vault / FOLDER
        self._keyring = keyring
        self._remembered = remembered
        self._data_keys: dict[tuple[UUID, int], bytes] = {}

    def recordings(self) -> frozenset[UUID]:
        """Those of which there is anything here."""
        return frozenset(recording_id for recording_id, _, _ in self._names())

    def of(self, recording_id: UUID) -> tuple[Part, ...]:
        """The parts of a recording that hold something, in order."""
        numbers = {number for _, number, kind in self._names(f"{recording_id}.") if kind == "part"}
        found = (self._look(recording_id, number) for number in sorted(numbers))
        return tuple(part for part in found if part is not None)

    def begin(self, recording_id: UUID, day: date, first_sample: int) -> "NewPart":
        """A new part, its key and its header on disk. VaultWriteFailed: nothing of it is left."""
        number = max((number for _, number, _ in self._names(f"{recording_id}.")), default=0) + 1
        data_key = os.urandom(DATA_KEY_BYTES)
        public = self._keyring.public
        wrapped = public.wrap(public.name_for(day), data_key, recording_id)
        sealer = PartSealer(data_key, part_context_of(recording_id, number, first_sample))
        try:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
                _fsync(self.folder.parent)
            self._store(self._path(recording_id, number, "key"), _VERSION + first_sample.to_bytes(8, "big") + wrapped)
            if self._remembered is not None:
                self._remembered.put(recording_id, number, data_key)
            path = self._path(recording_id, number, "part")
            self._store(path, sealer.header)
            _fsync(self.folder)
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._unlink(recording_id, number)
            raise VaultWriteFailed(path=f"{FOLDER}/{recording_id}", reason=error.strerror) from error
        self._data_keys[recording_id, number] = data_key
        return NewPart(self, recording_id, number, fd, sealer)

    def open(self, part: Part) -> SealedPart:
        """A part to be read. What the keyring says when it cannot open the key comes out as it is."""
        name = f"{FOLDER}/{part.recording_id}.{part.number}.part"
        data_key = self._data_keys.get((part.recording_id, part.number))
        if data_key is None and self._remembered is not None:
            data_key = self._remembered.get(part.recording_id, part.number)
        if data_key is None:
            data_key = self._keyring.unwrap(part.wrapped_key, part.recording_id)
        try:
            file = open_ordinary(self._path(part.recording_id, part.number, "part"))
        except OSError as error:
            raise PartUnusable(name=name, reason=error.strerror) from error
        with file:
            fd = os.dup(file.fileno())
        context = part_context_of(part.recording_id, part.number, part.first_sample)
        return SealedPart(fd, data_key, context, name=name)

    def settle(self, recording_id: UUID) -> None:
        """Bring to disk what an earlier run may have left in memory only, before anything relies on it."""
        for part in self.of(recording_id):
            name = self._path(part.recording_id, part.number, "part")
            try:
                _fsync(name)
            except OSError as error:
                raise VaultWriteFailed(path=f"{FOLDER}/{name.name}", reason=error.strerror) from error

    def remove(self, recording_id: UUID) -> None:
        """All parts of a recording go for good, their keys first. Twice is fine; an error: something may be left."""
        for key in tuple(self._data_keys):  # a copy: other threads seal other recordings meanwhile
            if key[0] == recording_id:
                self._data_keys.pop(key, None)
        numbers = {number for _, number, _ in self._names(f"{recording_id}.")}
        try:
            for number in sorted(numbers):
                self._unlink(recording_id, number)
            if self.folder.exists():
                _fsync(self.folder)  # also the second time: the first may have been killed before this
        except OSError as error:
            raise VaultWriteFailed(path=f"{FOLDER}/{recording_id}", reason=error.strerror) from error

    def drop(self, recording_id: UUID, number: int) -> None:
        """One part that holds nothing goes. What cannot be removed now goes with the others."""
        self._data_keys.pop((recording_id, number), None)
        with contextlib.suppress(OSError):
            self._unlink(recording_id, number)

    def _names(self, prefix: str = "") -> Iterator[tuple[UUID, int, str]]:
        """After an outage there are thousands: only what begins with the prefix is taken apart."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise PartUnusable(name=FOLDER, reason=error.strerror) from error
        for name in names:
            if name.startswith(prefix) and (match := _NAME.fullmatch(name)):
                yield UUID(match[1]), int(match[2]), match[3]

    def _path(self, recording_id: UUID, number: int, kind: str) -> Path:
        return self.folder / f"{recording_id}.{number}.{kind}"

    def _look(self, recording_id: UUID, number: int) -> Part | None:
        """None for a part that holds nothing: whoever made it was killed before the first chunk was whole."""
        path = self._path(recording_id, number, "part")
        name = f"{FOLDER}/{path.name}"
        try:
            status = path.stat(follow_symlinks=False)
            chunks = whole_chunks(status.st_size)
            if not chunks:
                return None
            with open_ordinary(self._path(recording_id, number, "key")) as file:
                key = file.read()
        except OSError as error:
            raise PartUnusable(name=name, reason=f"its key: {error.strerror}") from error
        if key[:1] != _VERSION or len(key) <= _KEY_HEAD_BYTES:
            raise PartUnusable(name=name, reason="its key file is damaged")
        return Part(
            recording_id=recording_id,
            number=number,
            first_sample=int.from_bytes(key[1:_KEY_HEAD_BYTES], "big"),
            samples=chunks * CHUNK_SAMPLES,
            written_at=datetime.fromtimestamp(status.st_mtime, UTC),
            wrapped_key=key[_KEY_HEAD_BYTES:],
        )

    @staticmethod
    def _store(path: Path, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | _NEW, 0o600)
        try:
            write_fully(fd, memoryview(data))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _unlink(self, recording_id: UUID, number: int) -> None:
        if self._remembered is not None:
            self._remembered.forget(recording_id, number)
        for kind in ("key", "part"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(recording_id, number, kind))


class NewPart:
    """A part being written. After an error it is of no more use: what it holds for sure is `samples`.

    begun --append*--> … --close--> closed
              └─ error ─► cut back to what is durable, closed; removed when that is nothing
    """

    def __init__(self, parts: Parts, recording_id: UUID, number: int, fd: int, sealer: PartSealer) -> None:
        self.samples = 0
        self._parts = parts
        self._recording_id = recording_id
        self._number = number
        self._fd = fd
        self._sealer = sealer
        self._durable_bytes = len(sealer.header)

    def append(self, plain: memoryview) -> None:
        """Full chunks, on disk when this returns.

        A failed fsync is final: the kernel may have dropped the pages, and would report success the second time. A
        failed write is, too: these chunks have been encrypted once, and are not encrypted under this key again.
        """
        try:
            sealed = self._sealer.seal(plain)
            write_fully(self._fd, sealed)
            os.fsync(self._fd)
        except OSError as error:
            self._abandon()
            raise VaultWriteFailed(path=f"{FOLDER}/{self._recording_id}", reason=error.strerror) from error
        except BaseException:
            self._abandon()
            raise
        self._durable_bytes += len(sealed)
        self.samples += len(plain) // CHUNK_BYTES * CHUNK_SAMPLES

    def close(self) -> None:
        os.close(self._fd)

    def _abandon(self) -> None:
        with contextlib.suppress(OSError):  # its length must not promise what is not on disk
            os.ftruncate(self._fd, self._durable_bytes)
        with contextlib.suppress(OSError):
            os.close(self._fd)
        if not self.samples:
            self._parts.drop(self._recording_id, self._number)


def write_fully(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
