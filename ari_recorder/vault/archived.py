"""A file of an old PBX's recordings, as two sides at 8000 Hz: what `codec.encode` takes. Knows no names and no paths.

    RIFF/WAVE   PCM, µ-law, A-law, GSM 6.10 (Asterisk's .WAV and .wav49), ADPCM       told by its first bytes
    Ogg, FLAC, MP3, AU                                                                the same
    .gsm .ulaw .alaw .sln .sln16 .sln32 .sln48 .raw         no header: told by the suffix

One channel holds both voices mixed, as MixMonitor writes them: both sides of the recording are that channel. Of two
channels the left one is the caller's. A rate of 16000, 24000, 32000 or 48000 Hz is brought down to 8000 Hz. Other
rates, more channels, and what libsndfile does not read (G.729, G.722, Siren) are refused.
"""

import hashlib
import os
import re
import string
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from ari_recorder.domain.importing import Reason, Unfit
from ari_recorder.vault.parts import SAMPLE_RATE
from ari_recorder.vault.sound import FRAME, Samples

_BLOCK = 400 * FRAME  # as codec.py reads it
_READ_BYTES = 1 << 20
_MOST_RATE = 48_000
_TAPS_EACH_SIDE = 24  # for each step of the rate: -60 dB from 4400 Hz on, -1 dB at 3400 Hz
_CUTOFF = 3800 / SAMPLE_RATE  # of the sampled rate, half of which is what can be heard

# Without a header: format, rate, bytes that belong together.
_HEADERLESS = {
    "gsm": ("GSM610", 8000, 33),
    "ulaw": ("ULAW", 8000, 1),
    "ul": ("ULAW", 8000, 1),
    "mu": ("ULAW", 8000, 1),
    "alaw": ("ALAW", 8000, 1),
    "al": ("ALAW", 8000, 1),
    "sln": ("PCM_16", 8000, 2),
    "sln8": ("PCM_16", 8000, 2),
    "raw": ("PCM_16", 8000, 2),
    "sln16": ("PCM_16", 16000, 2),
    "sln32": ("PCM_16", 32000, 2),
    "sln48": ("PCM_16", 48000, 2),
}
_TEXT = frozenset(string.printable.encode())
_OTHERS = (b"PK\x03\x04", b"%PDF", b"\x7fELF", b"GIF8", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"SQLite format")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is in a file. `pcm_sha256` as in codec.AudioFacts; `mixed`: both voices are in one channel. `truncated`:
    why something is missing of it; empty when nothing is."""

    file_sha256: bytes
    pcm_sha256: bytes
    samples: int
    silent: bool
    mixed: bool
    form: str
    truncated: str


def hear(fd: int, suffix: str, *, accept_truncated: bool = False) -> Heard:
    """Read all of it. Unfit says why it is not taken."""
    with Archived(fd, suffix, accept_truncated=accept_truncated) as archived:
        digest, samples, silent = hashlib.sha256(), 0, True
        for block in archived.blocks():
            digest.update(np.ascontiguousarray(block, "<i2").data)
            samples += len(block)
            silent = silent and not block.any()
        if not samples:
            raise Unfit(Reason.TRUNCATED if archived.truncated else Reason.EMPTY, archived.truncated)
        return Heard(
            file_sha256=_file_sha256(fd),
            pcm_sha256=digest.digest(),
            samples=samples,
            silent=silent,
            mixed=archived.mixed,
            form=archived.form,
            truncated=archived.truncated,
        )


class Archived:
    """Use it in a `with`; it is read once, front to back. The descriptor stays open, and is its caller's."""

    def __init__(self, fd: int, suffix: str, *, accept_truncated: bool = False) -> None:
        self.name = f"*.{suffix}"
        self.truncated = _truncated(fd, suffix)
        if self.truncated and not accept_truncated:
            raise Unfit(Reason.TRUNCATED, self.truncated)
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            self._sound = soundfile.SoundFile(fd, closefd=False, **_opened_as(fd, suffix))
        except soundfile.SoundFileError as error:
            raise Unfit(Reason.NOT_AUDIO) from error
        rate, channels = self._sound.samplerate, self._sound.channels
        self.form = f"{self._sound.format} {self._sound.subtype}, {rate} Hz, {channels} channel(s)"
        self._step, left = divmod(rate, SAMPLE_RATE)
        if left or not self._step or rate > _MOST_RATE or channels not in (1, 2):
            self._sound.close()
            raise Unfit(Reason.FORMAT, self.form)
        self.mixed = channels == 1
        self._blocks = self.blocks()
        self.caller, self.agent = _Side(self, 0), _Side(self, 1)

    def blocks(self) -> Iterator[NDArray[np.int16]]:
        """Both sides beside each other, in whole blocks but for the last."""
        lower = _Lower(self._step) if self._step > 1 else None
        while True:
            try:
                read = self._sound.read(_BLOCK * self._step, dtype="int16", always_2d=True)
            except soundfile.SoundFileError as error:
                raise Unfit(Reason.NOT_AUDIO) from error
            block = lower.take(read) if lower is not None else read
            if len(block):
                yield np.repeat(block, 2, axis=1) if self.mixed else block
            if len(read) < _BLOCK * self._step:
                return

    def next_block(self) -> Samples:
        return next(self._blocks, np.zeros((0, 2), np.int16))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sound.close()


class _Side:
    """What `codec.encode` reads: the caller's side of a block, and then the agent's of the same one."""

    missing = False

    def __init__(self, archived: Archived, side: int) -> None:
        self._archived = archived
        self._side = side
        self._waiting = np.zeros((0, 2), np.int16)

    def read(self, _: int) -> bytes:
        if self._side == 0:
            self._waiting = self._archived.agent._waiting = self._archived.next_block()
        return np.ascontiguousarray(self._waiting[:, self._side], "<i2").tobytes()


class _Lower:
    """A higher rate brought down: a low-pass (sinc, Blackman), and every n-th sample of what passes. The first sample
    comes out first, and as many come out as there are in the time."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._half = _TAPS_EACH_SIDE * step
        at = np.arange(-self._half, self._half + 1)
        taps = np.sinc(2 * _CUTOFF * at / step) * np.blackman(len(at))
        self._taps = taps / taps.sum()
        self._kept: NDArray[np.float64] | None = None

    def take(self, read: NDArray[np.int16]) -> NDArray[np.int16]:
        """`read`: a whole block, or less at the end."""
        channels = read.shape[1]
        if self._kept is None:
            self._kept = np.zeros((self._half, channels))
        last = len(read) < _BLOCK * self._step
        whole = np.concatenate((self._kept, read, np.zeros((self._half if last else 0, channels))))
        sides = [np.convolve(whole[:, side], self._taps, "valid")[:: self._step] for side in range(channels)]
        made = len(sides[0]) * self._step
        self._kept = whole[made:].astype(np.float64, copy=False)
        lower: NDArray[np.int16] = np.clip(np.rint(np.stack(sides, axis=1)), -32768, 32767).astype(np.int16)
        return lower


# --- what it is


def _opened_as(fd: int, suffix: str) -> dict[str, Any]:
    head = os.pread(fd, 512, 0)
    if not head:
        raise Unfit(Reason.EMPTY)
    if head.startswith((b"RIFF", b"OggS", b"fLaC", b".snd", b"ID3")) or (suffix == "mp3" and head[0] == 0xFF):
        return {}
    headerless = _HEADERLESS.get(suffix)
    if headerless is None or head.startswith(_OTHERS) or _TEXT.issuperset(head):
        raise Unfit(Reason.NOT_AUDIO)
    subtype, rate, _ = headerless
    if subtype == "GSM610" and head[0] >> 4 != 0xD:  # each frame begins so (RFC 3551, 4.5.8.1)
        raise Unfit(Reason.NOT_AUDIO)
    return {"format": "RAW", "subtype": subtype, "samplerate": rate, "channels": 1, "endian": "LITTLE"}


_CHUNK = struct.Struct("<4sI")
_RIFF_BYTES = 12


def _truncated(fd: int, suffix: str) -> str:
    size = os.fstat(fd).st_size
    if os.pread(fd, 4, 0) == b"RIFF":
        return _riff_truncated(fd, size)
    headerless = _HEADERLESS.get(suffix)
    if headerless is not None and size % headerless[2]:
        return f"{size} bytes are no whole number of frames"
    return ""


def _riff_truncated(fd: int, size: int) -> str:
    """Of an Asterisk that was killed the header says 0: it is written when the file is closed."""
    at = _RIFF_BYTES
    for _ in range(64):  # nobody has more chunks before the audio
        head = os.pread(fd, _CHUNK.size, at)
        if len(head) < _CHUNK.size:
            return "its audio is missing"
        name, length = _CHUNK.unpack(head)
        at += _CHUNK.size
        if name == b"data":
            if not length and size > at:
                return "its header was never finished; `sox --ignore-length` makes a whole one"
            return f"its header tells of {length} bytes of audio, there are {size - at}" if length > size - at else ""
        at += length + length % 2
    return ""


def _file_sha256(fd: int) -> bytes:
    digest, at = hashlib.sha256(), 0
    while data := os.pread(fd, _READ_BYTES, at):
        digest.update(data)
        at += len(data)
    return digest.digest()


def suffix_of(name: str) -> str:
    """In small letters, without the dot; empty when there is none that is one."""
    match = re.fullmatch(r".*\.([A-Za-z0-9]{1,5})", name, re.ASCII | re.DOTALL)
    return match[1].lower() if match else ""
