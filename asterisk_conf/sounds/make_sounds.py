"""Make the WAV files of a sounds folder from its texts.toml, with espeak-ng and plain arithmetic.

    python make_sounds.py [FOLDER]

Nothing at run time needs this. The same texts and the same espeak-ng give the same bytes. All files are 8 kHz, mono,
16 bit PCM: what a telephone line carries, and what the recorder can measure and hash.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 8000
PEAK = 0.6 * 32767  # well under clipping on the way through A-law; about the loudness of Asterisk's own prompts
QUIET = 0.01  # of the peak; below it espeak-ng's silence begins
FADE = RATE // 200  # 5 ms, or the tones click
GAP = RATE // 5  # between spoken parts

Samples = NDArray[np.float64]


def speak(text: str, voice: str, speed: int) -> Samples:
    """The text as samples at 8 kHz, without silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "spoken.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(spoken), text], check=True)
        with wave.open(str(spoken)) as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
    # Down to 8 kHz by cutting the spectrum at 4 kHz: exact, and fast enough for a few seconds.
    length = len(samples) * RATE // rate
    samples = np.fft.irfft(np.fft.rfft(samples)[: length // 2 + 1], length)
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    spoken_part: Samples = samples[loud[0] : loud[-1] + 1] / np.abs(samples).max()
    return spoken_part


def tone(hertz: float, ms: int) -> Samples:
    time = np.arange(RATE * ms // 1000) / RATE
    samples = np.sin(2 * np.pi * hertz * time)
    fade = np.minimum(1, np.arange(len(samples)) / FADE)
    faded: Samples = samples * fade * fade[::-1]
    return faded


def write(path: Path, parts: list[Samples], gap: int = 0) -> None:
    samples = np.concatenate([np.concatenate([part, np.zeros(gap)]) for part in parts])
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((PEAK * samples).round().astype("<i2").tobytes())
    print(f"{path}: {len(samples) / RATE:.2f} s")


def make(folder: Path) -> None:
    texts: dict[str, Any] = tomllib.loads((folder / "texts.toml").read_text())
    voices = texts["voices"]
    for language, text in texts["announcement"].items():
        write(folder / language / "announcement.wav", [speak(text, **voices[language])], GAP)
    write(folder / "choose.wav", [speak(text, **voices[language]) for language, text in texts["choose"].items()], GAP)
    for name, steps in texts["tones"].items():
        write(folder / f"{name}.wav", [tone(*step) for step in steps])


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
