"""Only a sound Asterisk can really play is evidence."""

import hashlib
import wave
from datetime import timedelta
from pathlib import Path

import pytest

from ari_recorder.asterisk import sounds
from ari_recorder.domain.events import Language
from ari_recorder.domain.evidence import Sound

SHIPPED = Path(__file__).parent.parent.parent / "asterisk_conf" / "sounds"


def _write(path: Path, *, frames: int = 8000, rate: int = 8000, channels: int = 1, width: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(bytes(frames * channels * width))


def test_the_shipped_announcements_can_be_played_in_all_languages() -> None:
    found = sounds.read(SHIPPED)
    assert set(found) == set(Language)
    assert all(timedelta(seconds=6) < sound.duration < timedelta(seconds=20) for sound in found.values())


def test_a_sound_is_known_by_the_hash_of_its_file(tmp_path: Path) -> None:
    path = sounds.path_of(tmp_path, Language.FI)
    _write(path, frames=12_000)
    sound = sounds.read(tmp_path)[Language.FI]
    assert sound == Sound(
        language=Language.FI,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        duration=timedelta(seconds=1.5),
    )


@pytest.mark.parametrize(
    ("shape", "because"),
    [
        ({"rate": 16000}, "16000 Hz"),
        ({"channels": 2}, "2 channel"),
        ({"width": 1}, "8 bit"),
        ({"frames": 0}, "no sound"),
    ],
)
def test_a_sound_asterisk_would_not_play_is_left_out(tmp_path: Path, shape: dict[str, int], because: str) -> None:
    path = sounds.path_of(tmp_path, Language.SV)
    _write(path, **shape)
    told = sounds.read_one(path, Language.SV)
    assert isinstance(told, str)
    assert because in told
    assert sounds.read(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x04\x00\x00\x00WAVE", b"\x00" * 1000])
def test_a_file_that_is_no_sound_is_left_out(tmp_path: Path, content: bytes) -> None:
    path = sounds.path_of(tmp_path, Language.EN)
    path.parent.mkdir()
    path.write_bytes(content)
    assert sounds.read_one(path, Language.EN) == "it is empty or not a WAV file"


def test_a_missing_sound_is_told(tmp_path: Path) -> None:
    assert sounds.read_one(tmp_path / "x.wav", Language.EN) == "there is no such file"
