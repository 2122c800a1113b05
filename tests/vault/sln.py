"""Sound as Asterisk writes it: headerless 16 bit mono at 8000 Hz. Tones, speech-like noise, silence."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
RATE = 8000


def tone(frequency: float, seconds: float, level: float = 8000) -> Samples:
    at = np.arange(round(RATE * seconds)) / RATE
    return (level * np.sin(2 * np.pi * frequency * at)).astype("<i2")


def noise(seconds: float, level: float = 1000, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, level, round(RATE * seconds)).clip(-32768, 32767).astype("<i2")


def silence(seconds: float) -> Samples:
    return np.zeros(round(RATE * seconds), "<i2")


def write(path: Path, *parts: Samples) -> Path:
    path.write_bytes(b"".join(part.tobytes() for part in parts))
    return path
