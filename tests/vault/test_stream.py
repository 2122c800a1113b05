"""The sealed container: against foreign vectors, at every awkward size, and against every kind of damage."""

import hashlib
import io
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.errors import (
    RecorderError,
    RecordingTooLong,
    SealedDamaged,
    SealedForeign,
    SealedTruncated,
)
from ari_recorder.vault import stream
from ari_recorder.vault.stream import CHUNK_BYTES, HEADER_BYTES, SEALED_CHUNK_BYTES, TAG_BYTES, SealedFile, seal

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "cobblestone256.json").read_text(encoding="utf-8")
)["vectors"]
KEY = bytes(range(32))
RECORDING = UUID("0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f")
CONTEXT = stream.context_of(RECORDING)
N = CHUNK_BYTES
# age's sizes (c2sp.org/CCTV/age): round every chunk boundary, and round the boundary of a batch
SIZES = [0, 1, N - 1, N, N + 1, 2 * N - 1, 2 * N, 2 * N + 1, 5 * N, 63 * N, 64 * N - 1, 64 * N, 64 * N + 1, 130 * N + 7]


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def sealed_bytes(plain: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    sink = io.BytesIO()
    assert seal(io.BytesIO(plain), sink, key, context) == len(plain)
    return sink.getvalue()


class Box:
    """An anonymous file in memory that is written anew for each try."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("sealed")

    def open(self, data: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> SealedFile:
        os.pwrite(self.fd, data, 0)
        os.ftruncate(self.fd, len(data))
        return SealedFile(os.dup(self.fd), key, context, name="test.sealed")

    def read_all(self, data: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
        with self.open(data, key, context) as sealed:
            return sealed.read(0, sealed.size)


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    os.close(box.fd)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["length"]))
def test_the_bytes_are_those_of_an_independent_implementation(vector: dict[str, Any], box: Box) -> None:
    length = vector["length"]
    plain = hashlib.shake_256(b"ari-recorder plaintext %d" % length).digest(length)
    assert hashlib.sha256(plain).hexdigest() == vector["plaintext_sha256"]
    key, context, salt = (bytes.fromhex(vector[name]) for name in ("key", "context", "salt"))
    sink = io.BytesIO()
    stream._seal_with_salt(io.BytesIO(plain), sink, key, context, salt)
    data = sink.getvalue()
    assert len(data) == vector["ciphertext_length"]
    assert hashlib.sha256(data).hexdigest() == vector["ciphertext_sha256"]
    assert data.hex() == vector.get("ciphertext", data.hex())
    assert box.read_all(data, key, context) == plain


def test_the_context_is_the_one_of_the_vectors() -> None:
    for vector in VECTORS:
        context = bytes.fromhex(vector["context"])
        assert stream.context_of(UUID(bytes=context[-16:])) == context


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back_and_has_the_length_the_format_promises(size: int, box: Box) -> None:
    plain = noise(size)
    data = sealed_bytes(plain)
    assert len(data) == HEADER_BYTES + size + (size // N + 1) * TAG_BYTES
    with box.open(data) as sealed:
        assert sealed.size == size
        assert sealed.read(0, size) == plain
        assert sealed.read(0, size + 1000) == plain
        assert sealed.read(size, 1) == b""
        assert sealed.as_file().read() == plain


def test_two_seals_of_the_same_bytes_have_nothing_in_common() -> None:
    first, second = sealed_bytes(bytes(100)), sealed_bytes(bytes(100))
    assert first[:24] != second[:24]
    assert first[HEADER_BYTES:] != second[HEADER_BYTES:]


@given(st.binary(max_size=3 * N), st.binary(max_size=40))
def test_what_is_sealed_is_what_is_read(plain: bytes, context: bytes) -> None:
    box = Box()
    try:
        assert box.read_all(sealed_bytes(plain, context=context), context=context) == plain
    finally:
        os.close(box.fd)


def test_any_range_equals_the_slice_of_the_plain_bytes(box: Box) -> None:
    plain = noise(70 * N + 4321)
    rng = random.Random(7)
    with box.open(sealed_bytes(plain)) as sealed:
        ranges = [(rng.randrange(len(plain) + 10), int(2 ** rng.uniform(0, 21))) for _ in range(1000)]
        ranges += [(k * N + d, n) for k in (0, 1, 64, 69, 70) for d in (0, 1, N - 1) for n in (0, 1, N, N + 1, 64 * N)]
        for offset, length in ranges:
            assert sealed.read(offset, length) == plain[offset : offset + length]
        for offset, length in ((-1, 5), (0, -1)):
            with pytest.raises(ValueError, match="not negative"):
                sealed.read(offset, length)


def test_as_a_file_it_can_be_sought_like_any_other(box: Box) -> None:
    plain = noise(3 * N + 5)
    with box.open(sealed_bytes(plain)) as sealed, sealed.as_file() as file:
        assert file.seek(-5, os.SEEK_END) == 3 * N
        assert file.read() == plain[-5:]
        file.seek(N)
        file.seek(10, os.SEEK_CUR)
        assert file.tell() == N + 10
        assert file.read(7) == plain[N + 10 : N + 17]
        with pytest.raises(ValueError, match="start of a file"):
            file.seek(-1)


def test_short_reads_and_short_writes_change_nothing(box: Box) -> None:
    """A raw file may give or take less than it was asked to."""
    plain = noise(2 * N + 100)
    rng = random.Random(3)

    class Reluctant(io.BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            return super().readinto(memoryview(buffer)[: rng.randrange(1, 5000)])

        def write(self, data: Any, /) -> int:
            return super().write(memoryview(data)[: rng.randrange(1, 5000)])

    sink = Reluctant()
    assert seal(Reluctant(plain), sink, KEY, CONTEXT) == len(plain)
    assert box.read_all(sink.getvalue()) == plain


def test_a_sink_that_takes_nothing_more_is_an_error_and_no_endless_loop() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            return 0

    with pytest.raises(OSError, match="takes no more"):
        seal(io.BytesIO(b"x"), Full(), KEY, CONTEXT)


def test_the_chunk_limit_of_the_specification_holds(monkeypatch: pytest.MonkeyPatch, box: Box) -> None:
    data = sealed_bytes(bytes(3 * N))
    monkeypatch.setattr(stream, "MAX_CHUNKS", 3)
    assert box.read_all(sealed_bytes(bytes(3 * N - 1))) == bytes(3 * N - 1)
    with pytest.raises(RecordingTooLong):
        sealed_bytes(bytes(3 * N))
    with pytest.raises(SealedTruncated):
        box.read_all(data)


def test_a_key_of_the_wrong_length_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sealed_bytes(b"", key=bytes(16))


@pytest.mark.parametrize("size", [0, 1, 40, N - 1, N, N + 3])
def test_a_file_cut_at_any_byte_is_refused(size: int, box: Box) -> None:
    data = sealed_bytes(noise(size))
    cuts = range(len(data)) if size <= 40 else [*range(0, len(data), 97), *range(len(data) - 40, len(data))]
    for cut in cuts:
        with pytest.raises((SealedTruncated, SealedDamaged)):
            box.open(data[:cut])


def test_a_file_cut_at_a_chunk_is_refused_at_open_though_each_chunk_is_genuine(box: Box) -> None:
    data = sealed_bytes(noise(4 * N + 9))
    for chunks in range(5):
        with pytest.raises(SealedTruncated, match="cut off"):
            box.open(data[: HEADER_BYTES + chunks * SEALED_CHUNK_BYTES])


def test_a_file_cut_while_it_is_open_is_noticed(box: Box) -> None:
    with box.open(sealed_bytes(noise(3 * N))) as sealed:
        os.ftruncate(box.fd, HEADER_BYTES + SEALED_CHUNK_BYTES + 5)
        assert sealed.read(0, N) == noise(3 * N)[:N]
        with pytest.raises(SealedTruncated):
            sealed.read(N, N)


def test_another_key_or_recording_is_refused_before_anything_is_decrypted(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sealed_bytes(noise(100))

    def decrypt(*_: object) -> None:
        raise AssertionError("decrypted before the commitment was compared")

    monkeypatch.setattr(SealedFile, "_decrypt", decrypt)
    for key, context in (
        (bytes(32), CONTEXT),
        (KEY, stream.context_of(UUID(int=1))),
        (KEY, CONTEXT + b"\0"),
        (KEY, b""),
    ):
        with pytest.raises(SealedForeign, match=r"test\.sealed does not belong"):
            box.open(data, key, context)


def test_a_refused_file_is_closed(box: Box) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(SealedForeign):
            box.open(sealed_bytes(b"x"), bytes(32))
    assert len(os.listdir("/proc/self/fd")) == before


def chunk(data: bytes, k: int) -> bytes:
    start = HEADER_BYTES + k * SEALED_CHUNK_BYTES
    return data[start : start + SEALED_CHUNK_BYTES]


def flip(rng: random.Random, data: bytes, start: int, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 3))):
        changed[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


Mutation = Callable[[random.Random, bytes, bytes], bytes]


def swap_chunks(rng: random.Random, data: bytes, other: bytes) -> bytes:
    full = (len(data) - HEADER_BYTES) // SEALED_CHUNK_BYTES
    order = list(range(full + 1))
    a, b = rng.sample(order, 2)
    order[a], order[b] = order[b], order[a]
    return data[:HEADER_BYTES] + b"".join(chunk(data, k) for k in order)


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """A part of another recording, sealed under the same data key as if by a mistake, at the same place."""
    start = rng.randrange(len(data) - 1)
    end = rng.choice((len(data), rng.randrange(start + 1, len(data))))
    return data[:start] + other[start:end] + data[end:]


def drop_chunk(rng: random.Random, data: bytes, other: bytes) -> bytes:
    full = (len(data) - HEADER_BYTES) // SEALED_CHUNK_BYTES
    start = HEADER_BYTES + rng.randrange(full + 1) * SEALED_CHUNK_BYTES
    return data[:start] + data[start + SEALED_CHUNK_BYTES :]


def append(rng: random.Random, data: bytes, other: bytes) -> bytes:
    tail = rng.choice((chunk(data, 0), other[HEADER_BYTES:], data[HEADER_BYTES:], b"\0"))
    return data + rng.choice((rng.randbytes(rng.randrange(1, 40)), tail))


def header(rng: random.Random, data: bytes, other: bytes) -> bytes:
    cut = rng.choice((24, HEADER_BYTES))
    replaced = rng.choice((other[:cut] + data[cut:], bytes(cut) + data[cut:], data[:24] + other[24:56] + data[56:]))
    return rng.choice((replaced, flip(rng, data, 0, HEADER_BYTES)))


MUTATIONS: dict[str, Mutation] = {
    "bit flip": lambda rng, data, other: flip(rng, data, 0, len(data)),
    "truncate": lambda rng, data, other: data[: rng.randrange(len(data))],
    "append": append,
    "swap": swap_chunks,
    "splice": splice,
    "drop chunk": drop_chunk,
    "header": header,
    "wrong context": lambda rng, data, other: data,
}


@pytest.mark.parametrize("kind", MUTATIONS)
def test_of_1250_random_mutations_of_each_kind_none_is_accepted(kind: str, box: Box) -> None:
    """10,000 in all. Files of three to four chunks: what happens at one boundary happens at all of them."""
    rng = random.Random(f"mutation {kind}")
    wrong = [stream.context_of(UUID(int=i)) for i in range(50)]
    pairs = []
    for i, size in enumerate((2 * N + 100, 3 * N, 3 * N - 1, 2 * N + 1)):
        # The other recording has the same data key on purpose: only the context and the salt keep them apart.
        pairs.append((sealed_bytes(noise(size, i)), sealed_bytes(noise(size, i + 100), context=wrong[0])))
    accepted = []
    tried = 0
    while tried < 1250:
        data, other = rng.choice(pairs)
        mutated = MUTATIONS[kind](rng, data, other)
        context = rng.choice(wrong) if kind == "wrong context" else CONTEXT
        if mutated == data and context == CONTEXT:
            continue  # two flips of the same bit
        tried += 1
        try:
            box.read_all(mutated, context=context)
            accepted.append(len(mutated))
        except RecorderError as error:
            assert error.code in {"sealed_truncated", "sealed_damaged", "sealed_foreign"}  # noqa: PT017 - in a loop
    assert accepted == []
