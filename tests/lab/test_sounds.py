"""The committed sounds are what the dialplan and the evidence need. No espeak-ng here."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from tests.lab.lab import SHIPPED, SHORT
from tests.lab.tones import Sound

NAMES = [
    *(f"{language}/announcement" for language in ("fi", "sv", "en")),
    *(f"confirm-{code}" for code in ("threat", "pause", "resume", "refuse")),
    "choose",
]


def read(path: Path) -> Sound:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        return Sound.of(file.readframes(file.getnframes()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", [SHIPPED, SHORT], ids=["shipped", "short"])
def test_a_sound_is_there_in_telephone_quality_and_can_be_heard(folder: Path, name: str) -> None:
    sound = read(folder / f"{name}.wav")
    assert sound.loudness().max() > 0.1
    assert abs(sound.samples).max() < 0.9
    if name.startswith("confirm"):
        assert sound.seconds < 0.5  # the agent is out of the bridge meanwhile


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_shipped_announcement_is_as_long_as_it_takes_to_say_and_no_longer(language: str) -> None:
    assert 8 <= read(SHIPPED / language / "announcement.wav").seconds <= 12


def test_asterisk_finds_no_other_format_to_play() -> None:
    for folder in (SHIPPED, SHORT):
        kinds = {file.suffix for file in folder.rglob("*.*") if not file.name.startswith((".", "__"))}
        assert kinds <= {".wav", ".toml", ".py", ".pyc"}
