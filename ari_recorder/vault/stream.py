"""The sealed container: C2SP chunked encryption, Cobblestone-256. No key store, no paths and no audio here.

Version 1, as https://c2sp.org/chunked-encryption draws it, with AEAD_AES_256_GCM and HKDF-Expand-SHA-512::

    offset          bytes     what
    0               24        salt, random
    24              32        commitment to key, salt and context
    56              16400     chunk 0: 16384 plain bytes encrypted, then the tag (16)
    56 + 16400 k    16400     chunk k
    ...             16-16399  last chunk: 0 to 16383 plain bytes encrypted, then the tag

    key (32) | base nonce (12) | commitment (32) = HKDF-Expand-SHA-512(data key, info)
    info    = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" | 00 | salt | context
    context = "ari-recorder/recording/v1" | 00 | UUID of the recording (16)
    nonce of chunk k = base nonce XOR k (96 bit, big-endian); no associated data

The last chunk is always short: that is how the end is known, and a file cut anywhere is noticed. Nonces count, which is
safe only because a data key encrypts one file, once. The context carries the recording, so a file or a chunk that is
moved to another recording does not open. Chunk k lies at a known place, so any range is read without the rest.

A part, what is sealed of a call that still goes on, has the same header and full chunks, but never a last one: nobody
can take it for a whole recording. Its context says where in the recording it begins::

    context = "ari-recorder/part/v1" | 00 | UUID of the recording (16) | number of the part (4) | its first sample (8)
"""

import abc
import errno
import hmac
import io
import os
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ari_recorder.domain.errors import RecordingTooLong, SealedDamaged, SealedForeign, SealedTruncated, SealedUnreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

DATA_KEY_BYTES = 32
SALT_BYTES = 24
COMMITMENT_BYTES = 32
HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES
CHUNK_BYTES = 16384
TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
NONCE_BYTES = 12
MAX_CHUNKS = 2**38  # the specification's limit: 4 PiB
BATCH_CHUNKS = 64  # 1 MiB: fewer, larger reads and writes; 16 KiB ones cost a fifth of the speed

_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_CONTEXT = b"ari-recorder/recording/v1\x00"
_PART_CONTEXT = b"ari-recorder/part/v1\x00"


class Source(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


class Sink(Protocol):
    def write(self, data: memoryview, /) -> int | None: ...


class _Keys(NamedTuple):
    cipher: AESGCM
    base_nonce: int
    commitment: bytes


def context_of(recording_id: UUID) -> bytes:
    """What binds a sealed file to its recording."""
    return _CONTEXT + recording_id.bytes


def part_context_of(recording_id: UUID, number: int, first_sample: int) -> bytes:
    """What binds a part to its place in its recording."""
    return _PART_CONTEXT + recording_id.bytes + number.to_bytes(4, "big") + first_sample.to_bytes(8, "big")


def seal(source: Source, sink: Sink, data_key: bytes, context: bytes) -> int:
    """Encrypt all of `source` into `sink`; the number of plain bytes. Each call needs a data key of its own."""
    return _seal_with_salt(source, sink, data_key, context, os.urandom(SALT_BYTES))


def _seal_with_salt(source: Source, sink: Sink, data_key: bytes, context: bytes, salt: bytes) -> int:
    keys = _derive(data_key, salt, context)
    write_all(sink, memoryview(salt + keys.commitment))
    # The same two buffers for every batch: fresh ones cost page faults, two thirds of the speed.
    plain = memoryview(bytearray(BATCH_CHUNKS * CHUNK_BYTES))
    sealed = memoryview(bytearray(BATCH_CHUNKS * SEALED_CHUNK_BYTES))
    chunk = 0
    while True:
        filled = _fill(source, plain)
        last = filled < len(plain)
        count = filled // CHUNK_BYTES + last  # a short batch ends in the short chunk, which may be empty
        if chunk + count > MAX_CHUNKS:
            raise RecordingTooLong(limit_bytes=MAX_CHUNKS * CHUNK_BYTES)
        end = 0
        for i in range(count):
            piece = plain[i * CHUNK_BYTES : min((i + 1) * CHUNK_BYTES, filled)]
            end = i * SEALED_CHUNK_BYTES + len(piece) + TAG_BYTES
            keys.cipher.encrypt_into(_nonce(keys, chunk + i), piece, None, sealed[i * SEALED_CHUNK_BYTES : end])
        write_all(sink, sealed[:end])
        chunk += count
        if last:
            return (chunk - 1) * CHUNK_BYTES + filled % CHUNK_BYTES


class PartSealer:
    """Encrypts the full chunks of a part one after the other. It counts them itself: no nonce is used twice."""

    def __init__(self, data_key: bytes, context: bytes) -> None:
        salt = os.urandom(SALT_BYTES)
        self._keys = _derive(data_key, salt, context)
        self._next = 0
        self.header = salt + self._keys.commitment

    def seal(self, plain: memoryview) -> memoryview:
        """`plain` is full chunks; what is to be written after all that was given out before."""
        count, rest = divmod(len(plain), CHUNK_BYTES)
        if rest:
            raise ValueError("a part has full chunks only")
        sealed = memoryview(bytearray(count * SEALED_CHUNK_BYTES))
        for i in range(count):
            nonce = _nonce(self._keys, self._next)
            self._next += 1
            piece = plain[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES]
            self._keys.cipher.encrypt_into(
                nonce, piece, None, sealed[i * SEALED_CHUNK_BYTES : (i + 1) * SEALED_CHUNK_BYTES]
            )
        return sealed


def whole_chunks(sealed_bytes: int) -> int:
    """How many full chunks a part of that length has; what comes after them was cut off in mid-write."""
    return max(0, (sealed_bytes - HEADER_BYTES) // SEALED_CHUNK_BYTES)


class SealedBytes(Protocol):
    """Where sealed bytes are read: a file, or an object of a store."""

    @property
    def size(self) -> int: ...

    def readinto(self, buffer: memoryview, offset: int, /) -> int:
        """Some of the bytes from `offset` on; 0 only where they end."""

    def close(self) -> None: ...


class FileBytes:
    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "rb", buffering=0)
        self.size = os.fstat(fd).st_size

    def readinto(self, buffer: memoryview, offset: int) -> int:
        return os.preadv(self._file.fileno(), [buffer], offset)

    def close(self) -> None:
        self._file.close()


class _Opened(abc.ABC):
    """Chunks in a file, opened under a data key. For one reader at a time: a scratch buffer is reused."""

    def __init__(self, source: int | SealedBytes, data_key: bytes, context: bytes, *, name: str) -> None:
        """Take over `source`, a descriptor open for reading or what has the bytes: it is closed with this object, and
        also when opening is refused."""
        self.name = name
        self._file: SealedBytes = FileBytes(source) if isinstance(source, int) else source
        try:
            self.sealed_bytes = self._file.size
            self.size, self._chunks = self._measure()
            header = memoryview(bytearray(HEADER_BYTES))
            self._pread(header, 0)
            self._keys = _derive(data_key, bytes(header[:SALT_BYTES]), context)
            if not hmac.compare_digest(self._keys.commitment, header[SALT_BYTES:]):
                raise SealedForeign(name=name)
            self._scratch = bytearray()
            self._prove()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @abc.abstractmethod
    def _measure(self) -> tuple[int, int]:
        """Plain size and number of chunks, from the length of the file alone."""

    @abc.abstractmethod
    def _prove(self) -> None:
        """What more is asked of a file before it is read."""

    def _decrypt(self, first: int, plain: memoryview) -> None:
        """Fill `plain` from chunk `first` on. It ends where a chunk ends."""
        count = max(1, -(-len(plain) // CHUNK_BYTES))
        sealed_bytes = len(plain) + count * TAG_BYTES
        if len(self._scratch) < sealed_bytes:
            self._scratch = bytearray(sealed_bytes)
        sealed = memoryview(self._scratch)[:sealed_bytes]
        self._pread(sealed, HEADER_BYTES + first * SEALED_CHUNK_BYTES)
        for i in range(count):
            piece = sealed[i * SEALED_CHUNK_BYTES : (i + 1) * SEALED_CHUNK_BYTES]
            target = plain[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES]
            try:
                self._keys.cipher.decrypt_into(_nonce(self._keys, first + i), piece, None, target)
            except InvalidTag:
                raise SealedDamaged(name=self.name, chunk=first + i, chunks=self._chunks) from None

    def _pread(self, buffer: memoryview, offset: int) -> None:
        done = 0
        while done < len(buffer):
            try:
                count = self._file.readinto(buffer[done:], offset + done)
            except OSError as error:
                raise SealedUnreadable(name=self.name, reason=error.strerror) from error
            if count == 0:  # cut while it was open
                raise SealedTruncated(name=self.name, size=offset + done)
            done += count


class SealedPart(_Opened):
    """A part opened for reading, chunk by chunk. `size` is that of its full chunks."""

    def chunk(self, number: int) -> bytes:
        """The plain bytes of one chunk. SealedDamaged when they are not what was sealed."""
        plain = bytearray(CHUNK_BYTES)
        self._decrypt(number, memoryview(plain))
        return bytes(plain)

    def _measure(self) -> tuple[int, int]:
        if self.sealed_bytes < HEADER_BYTES:
            raise SealedTruncated(name=self.name, size=self.sealed_bytes)
        count = whole_chunks(self.sealed_bytes)
        return count * CHUNK_BYTES, count

    def _prove(self) -> None:
        pass  # each chunk speaks for itself; there is no last one


class SealedFile(_Opened):
    """A sealed file opened for reading anywhere. Every byte it gives has been authenticated.

    Opening compares the commitment (is this the key, is this the recording?) and authenticates the last chunk, which
    proves the length: a later range need not be read to the end to know that nothing was cut off.
    """

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` plain bytes from `offset`; fewer only where the recording ends."""
        if offset < 0 or length < 0:
            raise ValueError("offset and length are not negative")
        plain = bytearray(max(min(length, self.size - offset), 0))
        self.readinto(offset, memoryview(plain))
        return bytes(plain)

    def readinto(self, offset: int, target: memoryview) -> int:
        """Fill `target` with the plain bytes from `offset` on; how many there were."""
        end = min(offset + len(target), self.size)
        at = offset
        while at < end:
            chunk, skip = divmod(at, CHUNK_BYTES)
            chunk_bytes = min(CHUNK_BYTES, self.size - at + skip)
            if skip == 0 and end - at >= chunk_bytes:  # whole ones go straight to where they are wanted
                length = min(max((end - at) // CHUNK_BYTES, 1) * CHUNK_BYTES, BATCH_CHUNKS * CHUNK_BYTES, end - at)
                self._decrypt(chunk, target[at - offset : at - offset + length])
            else:
                plain = memoryview(bytearray(chunk_bytes))
                self._decrypt(chunk, plain)
                length = min(chunk_bytes - skip, end - at)
                target[at - offset : at - offset + length] = plain[skip : skip + length]
            at += length
        return max(end - offset, 0)

    def as_file(self, size: int | None = None) -> io.BufferedReader:
        """The plain bytes, or the first `size` of them, as a seekable file. Closing it leaves this object open."""
        return io.BufferedReader(_PlainBytes(self, self.size if size is None else size), buffer_size=4 * CHUNK_BYTES)

    def _measure(self) -> tuple[int, int]:
        full, rest = divmod(self.sealed_bytes - HEADER_BYTES, SEALED_CHUNK_BYTES)
        # Less than a tag after the last full chunk: the short chunk is not there. `full` is negative without a header.
        if full < 0 or rest < TAG_BYTES or full >= MAX_CHUNKS:
            raise SealedTruncated(name=self.name, size=self.sealed_bytes)
        return full * CHUNK_BYTES + rest - TAG_BYTES, full + 1

    def _prove(self) -> None:
        self._decrypt(self._chunks - 1, memoryview(bytearray(self.size % CHUNK_BYTES)))


class _PlainBytes(io.RawIOBase):
    def __init__(self, sealed: SealedFile, size: int) -> None:
        self._sealed = sealed
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        count = self._sealed.readinto(self._position, view[: max(self._size - self._position, 0)])
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the start of a file")
        self._position = base + offset
        return self._position


def _derive(data_key: bytes, salt: bytes, context: bytes) -> _Keys:
    if len(data_key) != DATA_KEY_BYTES:
        raise ValueError(f"a data key has {DATA_KEY_BYTES} bytes, not {len(data_key)}")
    length = DATA_KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES
    material = HKDFExpand(SHA512(), length, _INFO + salt + context).derive(data_key)
    nonce_end = DATA_KEY_BYTES + NONCE_BYTES
    return _Keys(
        cipher=AESGCM(material[:DATA_KEY_BYTES]),
        base_nonce=int.from_bytes(material[DATA_KEY_BYTES:nonce_end], "big"),
        commitment=material[nonce_end:],
    )


def _nonce(keys: _Keys, chunk: int) -> bytes:
    return (keys.base_nonce ^ chunk).to_bytes(NONCE_BYTES, "big")


def _fill(source: Source, buffer: memoryview) -> int:
    """Read until the buffer is full or the source ends: a raw file may give less than was asked for."""
    filled = 0
    while filled < len(buffer):
        count = source.readinto(buffer[filled:])
        if not count:
            break
        filled += count
    return filled


def write_all(sink: Sink, data: memoryview) -> None:
    """Write all of it: a raw file may take less than it is given."""
    while data:
        written = sink.write(data)
        if not written:
            raise OSError(errno.EIO, "the sink takes no more bytes")
        data = data[written:]
