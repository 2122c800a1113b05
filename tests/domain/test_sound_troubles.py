"""domain/events.py: what is to be known of a side's sound before anybody listens."""

from datetime import timedelta

import pytest

from ari_recorder.domain.events import Side, SoundTrouble

WELL = {"duration": timedelta(seconds=60), "peak": 0.5, "rms": 0.1, "has_audio": True}


@pytest.mark.parametrize(
    ("more", "troubles"),
    [
        ({}, ()),
        ({"broken_off": timedelta(seconds=0.48)}, ()),
        ({"broken_off": timedelta(seconds=0.5)}, (SoundTrouble.BROKE_OFF,)),
        ({"clipped": 0.0099}, ()),
        ({"clipped": 0.01}, (SoundTrouble.OVERDRIVEN,)),
        ({"broken_off": timedelta(seconds=3), "clipped": 0.2}, (SoundTrouble.BROKE_OFF, SoundTrouble.OVERDRIVEN)),
        ({"has_audio": False, "clipped": 0.2}, (SoundTrouble.SILENT,)),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, object], troubles: tuple[SoundTrouble, ...]) -> None:
    assert Side(**(WELL | more)).troubles == troubles  # type: ignore[arg-type]
