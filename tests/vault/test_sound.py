"""What is said about the sound of each side is true: where it broke off, and how much was too loud for the line."""

import numpy as np
import pytest

from ari_recorder.vault.sound import FRAME, Sound, broken_off
from tests.vault import sln

SPEECH = sln.noise(1.0, 1000)
LINE = np.full(80_000, 8, "<i2")  # an idle A-law line: something comes, and nobody talks
BLOCK = 400 * FRAME


def heard(*parts: sln.Samples) -> Sound:
    samples = np.concatenate(parts)
    sound = Sound()
    for begin in range(0, len(samples), BLOCK):
        sound.hear(samples[begin : begin + BLOCK])
    return sound


def gap(seconds: float, mine: tuple[sln.Samples, sln.Samples] = (SPEECH, SPEECH)) -> Sound:
    return heard(mine[0], sln.silence(seconds), mine[1])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.02, 0), (0.04, 0), (0.06, 0.06), (0.5, 0.5), (0.507, 0.5), (5.0, 5.0), (5.04, 0), (8.3, 0)],
)
def test_packets_that_did_not_come_are_counted(seconds: float, told: float) -> None:
    """One or two are what phones make up for; after five seconds it is silence."""
    assert broken_off(gap(seconds).frames, heard(LINE).frames) * FRAME / sln.RATE == pytest.approx(told)


def test_each_gap_counts_in_any_block_and_across_two() -> None:
    sound = heard(*[SPEECH, sln.silence(0.2)] * 20, sln.noise(0.82), sln.silence(0.4), SPEECH)
    assert broken_off(sound.frames, heard(*[LINE] * 4).frames) * FRAME / sln.RATE == pytest.approx(20 * 0.2 + 0.4)


@pytest.mark.parametrize(
    ("what", "mine", "other"),
    [
        ("nobody talks before", heard(LINE[:8000], sln.silence(0.5), SPEECH), heard(LINE)),
        ("nobody talks after", heard(SPEECH, sln.silence(0.5), LINE[:8000]), heard(LINE)),
        ("at the beginning", heard(sln.silence(0.5), SPEECH), heard(LINE)),
        ("at the end", heard(SPEECH, sln.silence(0.5)), heard(LINE)),
        ("paused: nothing on both sides", gap(0.5), gap(0.5)),
        ("the other side is shorter", gap(0.5), heard(LINE[:4000])),
        ("the other side has no file", gap(0.5), Sound()),
        ("no file", Sound(), heard(LINE)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_silence_with_a_reason_is_no_gap(what: str, mine: Sound, other: Sound) -> None:
    assert broken_off(mine.frames, other.frames) == 0


@pytest.mark.parametrize(
    ("level", "share"),
    [(20_000, 0.0), (32_123, 0.0), (32_124, 1.0), (32_256, 1.0), (-32_256, 1.0), (-32_768, 1.0)],
)
def test_what_the_line_could_not_carry_is_counted(level: int, share: float) -> None:
    sound = heard(np.full(1000, level, "<i2"), np.zeros(1000, "<i2"))
    assert sound.clipped / 1000 == share
