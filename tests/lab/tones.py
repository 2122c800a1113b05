"""Listening to recordings: which tone is in which 20 ms of headerless 16 bit PCM. What it should be, the tests know.

    sound = Sound.read(base.with_suffix(".caller.sln"))
    sound.has(440), sound.has(650)          whether a tone is in it at all
    sound.spans(440)                        [(from, to), …] in seconds
    sound.silences()                        likewise, where nothing is heard

A level is a share of full scale: 1.0 is a sine as loud as 16 bit can carry. People in the lab speak at about 0.22; what
A-law makes of a tone beside that tone stays under 0.01, so LOUD stands well between. Tones 100 Hz apart are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 160  # samples: 20 ms, the packet a phone sends
LOUD = 0.03
SILENT = 0.003  # A-law's own smallest step is 0.0002; comfort noise and clicks stay under this
JOIN = 0.06  # s; a gap shorter than three packets is a hiccup of a busy machine, not somebody falling silent

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    samples: Floats  # -1.0 … 1.0

    @classmethod
    def of(cls, pcm: bytes) -> Self:
        """From signed 16 bit little-endian mono at 8 kHz."""
        return cls(samples=np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64) / 32768)

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls.of(path.read_bytes())

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    def _frames(self) -> Floats:
        whole = len(self.samples) // FRAME
        frames: Floats = self.samples[: whole * FRAME].reshape(whole, FRAME)
        return frames

    def levels(self, hertz: float) -> Floats:
        """How loud this tone is in each 20 ms (Goertzel's sum, windowed, so that tones 100 Hz off do not leak in)."""
        window = np.hanning(FRAME)
        wave = np.exp(-2j * np.pi * hertz * np.arange(FRAME) / RATE)
        levels: Floats = np.abs(self._frames() @ (window * wave)) * 2 / window.sum()
        return levels

    def loudness(self) -> Floats:
        """The root mean square of each 20 ms, of whatever is in it."""
        loudness: Floats = np.sqrt((self._frames() ** 2).mean(axis=1))
        return loudness

    def spans(self, hertz: float, level: float = LOUD) -> list[tuple[float, float]]:
        """When this tone is heard, in seconds from the beginning."""
        return _spans(self.levels(hertz) >= level)

    def silences(self, level: float = SILENT) -> list[tuple[float, float]]:
        """When nothing is heard."""
        return _spans(self.loudness() < level)

    def has(self, hertz: float, level: float = LOUD) -> bool:
        return bool((self.levels(hertz) >= level).any())

    def share(self, hertz: float, level: float = LOUD) -> float:
        """The part of the time this tone is heard, 0 to 1."""
        heard = self.levels(hertz) >= level
        return float(heard.mean()) if len(heard) else 0.0

    def total(self, hertz: float, level: float = LOUD) -> float:
        """For how many seconds this tone is heard."""
        return float((self.levels(hertz) >= level).sum()) * FRAME / RATE

    def cut(self, start: float, end: float) -> Sound:
        return Sound(samples=self.samples[int(start * RATE) : int(end * RATE)])


def _spans(heard: NDArray[np.bool_]) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], heard, [False]]).astype(np.int8)))
    spans: list[tuple[float, float]] = []
    for start, end in (edges.reshape(-1, 2) * FRAME / RATE).tolist():
        if spans and start - spans[-1][1] < JOIN:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans
