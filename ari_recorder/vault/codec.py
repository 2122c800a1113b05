"""Two mono sides of a segment to one stereo FLAC and back, losing no sample. No encryption, no paths of the vault.

In: headerless signed 16 bit little-endian mono at 8000 Hz (Asterisk's `.sln`), each side for itself. Out: FLAC, 16 bit,
8000 Hz, caller left, agent right; or Ogg Opus, which is much smaller and loses what few can hear. The shorter side
is filled up with silence at its end: Asterisk keeps the two in step from their start. Everything is streamed in blocks,
so memory does not grow with the call, but for the peaks and what is known of each frame: 140 bytes a second.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import IO, Protocol, Self

import numpy as np
import soundfile

from ari_recorder.domain.errors import AudioNotEncoded, AudioUnreadable
from ari_recorder.vault.parts import SAMPLE_RATE
from ari_recorder.vault.sound import FRAME, Samples, SideFacts, Sound, broken_off

_SAMPLE_BYTES = 2
STEREO_BYTES = 2 * _SAMPLE_BYTES
_BLOCK = 400 * FRAME  # 8 s: 125 KiB a side in memory
# libsndfile's level for Opus, 0 to 1, is bit rate turned round: some 16 kbit/s a side, enough for speech at 8000 Hz.
_OPUS_LEVEL = 0.96
# RIFF with one fmt and one data chunk: PCM, two channels of 16 bit.
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
# Chromium plays no FLAC of a single frame, which is 4096 samples long, or 1152 at the lowest level.
_ONE_FRAME = 4096
_SMALL_FRAMES = 0.0

Span = tuple[timedelta, timedelta]


class Codec(StrEnum):
    """What a recording is kept as."""

    FLAC = "flac"
    OPUS = "opus"


_FORMATS = {Codec.FLAC: ("FLAC", "PCM_16"), Codec.OPUS: ("OGG", "OPUS")}


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """A recording as it was encoded. `pcm_sha256` is over the interleaved little-endian samples that went in.

    `peaks`: for each 50 ms a byte of the caller's side and one of the agent's, the largest absolute sample / 128, at
    most 255. What is filled up at the end of the shorter side is 0.
    """

    samples: int
    caller: SideFacts
    agent: SideFacts
    pcm_sha256: bytes
    peaks: bytes

    @property
    def duration(self) -> timedelta:
        return timedelta(seconds=self.samples / SAMPLE_RATE)


class SideSource(Protocol):
    """One side, to be read from front to back. `read` gives fewer bytes than are asked for only at the end."""

    @property
    def missing(self) -> bool: ...
    def read(self, length: int, /) -> bytes: ...


class TwoSides(Protocol):
    """What is encoded: the caller's side is read first, block by block in step with the agent's."""

    @property
    def name(self) -> str: ...
    @property
    def mixed(self) -> bool:
        """Both sides are the caller's: nobody could tell the voices apart."""

    @property
    def caller(self) -> SideSource: ...
    @property
    def agent(self) -> SideSource: ...


def encode(captured: TwoSides, audio: IO[bytes], silent: Sequence[Span] = (), codec: Codec = Codec.FLAC) -> AudioFacts:
    """Write both sides into the empty file `audio`, which needs a descriptor: encoders go back to their header.

    Both sides are silent within the spans `silent`, times from the start.
    """
    digest = hashlib.sha256()
    caller = _Side(captured.caller, silent)
    agent = caller if captured.mixed else _Side(captured.agent, silent)
    container, subtype = _FORMATS[codec]
    stereo = _stereo(caller, agent)
    level = {"compression_level": _OPUS_LEVEL} if codec is Codec.OPUS else {}
    if codec is Codec.FLAC and len(stereo) <= _ONE_FRAME:
        level = {"compression_level": _SMALL_FRAMES}
    try:
        with soundfile.SoundFile(
            audio.fileno(), "w", SAMPLE_RATE, 2, format=container, subtype=subtype, closefd=False, **level
        ) as encoder:
            while len(stereo):
                digest.update(stereo.data)
                encoder.write(stereo.astype(np.int16, copy=False))  # the machine's own byte order
                stereo = _stereo(caller, agent)
    except soundfile.SoundFileError as error:
        raise AudioNotEncoded(name=captured.name, reason=error) from error
    return AudioFacts(
        samples=max(caller.samples, agent.samples),
        caller=caller.facts(agent),
        agent=agent.facts(caller),
        pcm_sha256=digest.digest(),
        peaks=_interleave_peaks(bytes(caller.sound.peaks), bytes(agent.sound.peaks)),
    )


def encode_flac(blocks: Iterable[bytes], audio: IO[bytes], name: str) -> None:
    """Write interleaved samples, as `decode` gives them, into the empty file `audio`, which needs a descriptor."""
    container, subtype = _FORMATS[Codec.FLAC]
    try:
        with soundfile.SoundFile(
            audio.fileno(), "w", SAMPLE_RATE, 2, format=container, subtype=subtype, closefd=False
        ) as encoder:
            for block in blocks:
                encoder.write(np.frombuffer(block, "<i2").reshape(-1, 2).astype(np.int16, copy=False))
    except soundfile.SoundFileError as error:
        raise AudioNotEncoded(name=name, reason=error) from error


def decode(audio: IO[bytes], name: str) -> Iterator[bytes]:
    """The interleaved little-endian samples of a file made by `encode`, block by block."""
    with _Decoder(audio, name) as decoder:
        yield from decoder.blocks()


class Wav:
    """A file made by `encode` as WAV, front to back without seeking: `size` bytes, known before the first of them."""

    def __init__(self, audio: IO[bytes], name: str) -> None:
        self._decoder = _Decoder(audio, name)
        self.samples = self._decoder.samples
        self._data_bytes = self.samples * STEREO_BYTES
        self.size = _WAV_HEADER.size + self._data_bytes

    def blocks(self) -> Iterator[bytes]:
        yield self.header()
        yield from self.samples_blocks()

    def header(self) -> bytes:
        rate, width = SAMPLE_RATE, STEREO_BYTES
        riff_bytes = self.size - 8  # what comes after this number
        layout = (b"RIFF", riff_bytes, b"WAVE", b"fmt ", 16, 1, 2, rate, rate * width, width, 16, b"data")
        return _WAV_HEADER.pack(*layout, self._data_bytes)

    def samples_blocks(self) -> Iterator[bytes]:
        """What comes after the header."""
        return self._decoder.blocks()

    def close(self) -> None:
        self._decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Side:
    """One side, read once from front to back, with what was heard on the way."""

    def __init__(self, audio: SideSource, silent: Sequence[Span]) -> None:
        self.sound = Sound()
        self._audio = audio
        self._silent = [(_sample_at(since), _sample_at(until)) for since, until in silent]
        self._half_sample = False

    @property
    def samples(self) -> int:
        return self.sound.samples

    def read(self) -> Samples:
        data = self._audio.read(_BLOCK * _SAMPLE_BYTES)
        if len(data) % _SAMPLE_BYTES:
            self._half_sample = True
            data = data[:-1]
        block = self._silenced(np.frombuffer(data, "<i2"))
        if len(block):
            self.sound.hear(block)
        return block

    def facts(self, other: "_Side") -> SideFacts:
        sound = self.sound
        return SideFacts(
            samples=sound.samples,
            peak=sound.peak,
            rms=sound.rms,
            clipped=sound.clipped,
            carries_audio=sound.carries_audio,
            broken_off=broken_off(sound.frames, other.sound.frames) * FRAME,
            missing=self._audio.missing,
            half_sample=self._half_sample,
        )

    def _silenced(self, block: Samples) -> Samples:
        begin, end = self.samples, self.samples + len(block)
        spans = [(since - begin, until - begin) for since, until in self._silent if since < end and until > begin]
        if spans:
            block = block.copy()
            for since, until in spans:
                block[max(since, 0) : until] = 0
        return block


class _Reader:
    """What libsndfile reads through. Its C callbacks swallow exceptions, so the first one is kept for afterwards."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: Exception | None = None
        self.seek = file.seek
        self.tell = file.tell

    def read(self, length: int) -> bytes:
        if self.error is None:
            try:
                return self._file.read(length)
            except Exception as error:
                self.error = error
        return b""


class _Decoder:
    """A file of ours, opened. An error of the file underneath comes out as it is, and before any other."""

    def __init__(self, audio: IO[bytes], name: str) -> None:
        self._name = name
        self._reader = _Reader(audio)
        try:
            self._sound = soundfile.SoundFile(self._reader)
        except soundfile.SoundFileError as error:
            raise self._reader.error or AudioUnreadable(name=name, reason=error) from error
        self.samples: int = self._sound.frames
        found = (self._sound.format, self._sound.subtype)
        if found not in _FORMATS.values() or (self._sound.samplerate, self._sound.channels) != (SAMPLE_RATE, 2):
            self._sound.close()
            raise AudioUnreadable(name=name, reason=f"it is {found}, not stereo FLAC or Opus at {SAMPLE_RATE} Hz")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._sound.close()

    def blocks(self) -> Iterator[bytes]:
        done = 0
        while done < self.samples:
            try:
                block = self._sound.read(_BLOCK, dtype="int16")
            except soundfile.SoundFileError as error:
                raise self._reader.error or AudioUnreadable(name=self._name, reason=error) from error
            if not len(block):
                short = f"it ends after {done} of {self.samples} samples"
                raise self._reader.error or AudioUnreadable(name=self._name, reason=short)
            done += len(block)
            yield block.astype("<i2", copy=False).tobytes()


def _sample_at(time: timedelta) -> int:
    return round(time / timedelta(seconds=1) * SAMPLE_RATE)


def _stereo(caller: _Side, agent: _Side) -> Samples:
    """The next block of both."""
    left = caller.read()
    return _interleave(left, left if agent is caller else agent.read())


def _interleave(left: Samples, right: Samples) -> Samples:
    stereo = np.zeros((max(len(left), len(right)), 2), "<i2")
    stereo[: len(left), 0] = left
    stereo[: len(right), 1] = right
    return stereo


def _interleave_peaks(left: bytes, right: bytes) -> bytes:
    both = bytearray(2 * max(len(left), len(right)))
    both[: 2 * len(left) : 2] = left
    both[1 : 2 * len(right) : 2] = right
    return bytes(both)
