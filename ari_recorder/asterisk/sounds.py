"""The announcement sounds as the PBX will play them: what the service reads itself is evidence, not what it is told.

<sounds>/<language>/announcement.wav        PCM, 8 kHz, mono, 16 bit: what Asterisk's format_wav.c plays
"""

import hashlib
import wave
from datetime import timedelta
from pathlib import Path

from ari_recorder.domain.events import Language
from ari_recorder.domain.evidence import Sound

FILE_NAME = "announcement.wav"


def path_of(folder: Path, language: Language) -> Path:
    return folder / language / FILE_NAME


def read(folder: Path) -> dict[Language, Sound]:
    """The sounds that can be played. A missing, empty or unplayable one is left out: it proves nothing."""
    found = ((language, read_one(path_of(folder, language), language)) for language in Language)
    return {language: sound for language, sound in found if isinstance(sound, Sound)}


def read_one(path: Path, language: Language) -> Sound | str:
    """The sound, or in words why it cannot be played. Blocks: some 100 KiB are read."""
    try:
        content = path.read_bytes()
        with wave.open(str(path)) as wav:
            shape = (wav.getframerate(), wav.getnchannels(), wav.getsampwidth())
            frames = wav.getnframes()
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (wave.Error, EOFError):
        return "it is empty or not a WAV file"
    if shape != (8000, 1, 2):
        return f"it has {shape[0]} Hz, {shape[1]} channel(s), {8 * shape[2]} bit; Asterisk plays 8000 Hz, mono, 16 bit"
    if frames == 0:
        return "it holds no sound"
    return Sound(
        language=language, sha256=hashlib.sha256(content).hexdigest(), duration=timedelta(seconds=frames / 8000)
    )
