"""What the tests listen with."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lab.tones import RATE, Sound


def tone(hertz: float, seconds: float, level: float = 0.22) -> bytes:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)
    return (wave * 32767).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE))


def test_a_tone_is_heard_when_it_is_there_and_no_other() -> None:
    sound = Sound.of(silence(0.5) + tone(440, 1) + silence(0.5) + tone(700, 1))
    assert sound.spans(440) == [(0.5, 1.5)]
    assert sound.spans(700) == [(2.0, 3.0)]
    assert sound.silences() == [(0.0, 0.5), (1.5, 2.0)]
    assert not sound.has(540)
    assert sound.total(700) == 1.0
    assert sound.share(440) == pytest.approx(1 / 3)


def test_two_voices_at_once_are_both_heard() -> None:
    both = np.frombuffer(tone(440, 1), "<i2") + np.frombuffer(tone(700, 1), "<i2")
    sound = Sound.of(both.tobytes())
    assert sound.has(440)
    assert sound.has(700)
    assert not sound.silences()


def test_a_hiccup_of_two_packets_is_not_a_new_span() -> None:
    assert len(Sound.of(tone(440, 1) + silence(0.04) + tone(440, 1)).spans(440)) == 1
    assert len(Sound.of(tone(440, 1) + silence(0.2) + tone(440, 1)).spans(440)) == 2


def test_an_odd_byte_and_no_sound_at_all_are_no_trouble() -> None:
    assert Sound.of(tone(440, 1) + b"x").seconds == 1
    nothing = Sound.of(b"")
    assert nothing.seconds == 0
    assert nothing.spans(440) == []
    assert nothing.share(440) == 0
    assert not nothing.has(440)


def test_a_cut_is_a_sound_of_its_own() -> None:
    sound = Sound.of(tone(440, 1) + tone(700, 1)).cut(1, 2)
    assert sound.seconds == 1
    assert not sound.has(440)
