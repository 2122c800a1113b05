"""What is heard on a side while it is encoded: how loud, whether anybody at all, overdriven, and where it broke off.

Counted in frames of 20 ms, one RTP packet each, from the first sample on.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ari_recorder.vault.parts import SAMPLE_RATE

Samples = NDArray[np.int16]

FRAME = SAMPLE_RATE // 50
# A peak each 50 ms: at 20 a second a screen's width shows a minute, and an hour is 144 kB.
PEAK_SAMPLES = SAMPLE_RATE // 20
_PEAK_SHIFT = 7  # 16 bit to 8, without the sign
# -60 dBFS. An idle line decodes to ±8 in A-law (-72 dBFS) and to 0 in µ-law; quiet speech is near -45 dBFS.
_AUDIBLE_RMS = 33
_AUDIBLE_FRAMES = 5  # 100 ms in all, the shortest syllable; a click on the line fills one frame
# The largest that µ-law can say (G.711); A-law's is 32256. Who gets there had more to say.
_FULL = 32124
# One lost packet is what phones make up for; longer than five seconds nobody talked.
_SHORTEST_GAP, _LONGEST_GAP = 3, 250


class _Frame(IntEnum):
    NOTHING = 0  # not one sample but 0: MixMonitor writes that when no packet came
    QUIET = 1
    AUDIBLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFacts:
    """One side of a recording as it was captured. Peak and rms in units of a sample: full scale is 32768.

    `carries_audio`: at least 100 ms of it are louder than -60 dBFS, counted in frames of 20 ms. Peak and overall level
    cannot tell a dead line with a click from a caller who says little; that much sound in single frames can.
    `clipped`: samples at the end of the line's scale. `broken_off`: samples that are missing in mid-sound.
    `missing`: there was no file. `half_sample`: the file had an odd number of bytes; the last one was dropped.
    """

    samples: int
    peak: int
    rms: float
    clipped: int
    carries_audio: bool
    broken_off: int
    missing: bool
    half_sample: bool


class Sound:
    """Of one side, block by block. Every block but the last is whole frames and whole peaks; a last frame that was cut
    is not counted."""

    def __init__(self) -> None:
        self.samples = 0
        self.peak = 0
        self.clipped = 0
        self.peaks = bytearray()
        self.frames = bytearray()  # a _Frame each
        self._squares = 0

    @property
    def rms(self) -> float:
        return math.sqrt(self._squares / self.samples) if self.samples else 0.0

    @property
    def carries_audio(self) -> bool:
        return self.frames.count(_Frame.AUDIBLE) >= _AUDIBLE_FRAMES

    def hear(self, block: Samples) -> None:
        wide = block.astype(np.int32)  # a square of 16 bit fits, their sum does not
        squares, levels = wide * wide, np.abs(wide)
        self.samples += len(block)
        self._squares += int(squares.sum(dtype=np.int64))
        each = np.pad(levels, (0, -len(levels) % PEAK_SAMPLES)).reshape(-1, PEAK_SAMPLES).max(axis=1)
        self.peaks += np.minimum(each >> _PEAK_SHIFT, 255).astype(np.uint8).tobytes()
        peak = int(each.max())
        self.peak = max(self.peak, peak)
        if peak >= _FULL:
            self.clipped += int(np.count_nonzero(levels >= _FULL))
        energy = squares[: len(squares) // FRAME * FRAME].reshape(-1, FRAME).sum(axis=1, dtype=np.int64)
        kinds = (energy > 0).astype(np.uint8) + (energy >= _AUDIBLE_RMS**2 * FRAME)
        self.frames += kinds.tobytes()


def broken_off(mine: bytes | bytearray, other: bytes | bytearray) -> int:
    """In how many frames nothing came of this side, in the middle of sound, while something came of the other.

    With nothing on both sides the recording was paused, or nobody was connected. A last or first frame that lost a
    part is looked over.
    """
    frames = np.frombuffer(mine, np.uint8)
    others = np.zeros_like(frames)
    others[: len(other)] = np.frombuffer(other, np.uint8)[: len(frames)]
    nothing = np.concatenate(([0], (frames == _Frame.NOTHING).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(nothing))
    found = 0
    for since, until in zip(edges[::2], edges[1::2], strict=True):
        if not _SHORTEST_GAP <= until - since <= _LONGEST_GAP:
            continue
        before, after = frames[max(since - 2, 0) : since], frames[until : until + 2]
        audible = _Frame.AUDIBLE in before and _Frame.AUDIBLE in after
        if audible and others[since:until].any():
            found += int(until - since)
    return found
