"""What a real Asterisk 22 sent for each kind of call, read and decided upon. Each file ends with what comes of it.

The captures were taken with the shipped configuration and the service's own AMI user; only the tokens were made anew
for the secret below. The lab's own MixMonitor events in them are those of a stranger to the call machine.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ari_recorder.asterisk.frames import Framer, event_headers_of, frames_in, text_of
from ari_recorder.asterisk.messages import Reader
from ari_recorder.domain.events import Language
from ari_recorder.domain.evidence import Sound
from tests.domain.scenario import POLICY, SECRET, Bench, told

CAPTURES = sorted((Path(__file__).parent.parent / "scenarios" / "captures").glob("*.txt"))
QUEUES = frozenset({"asiakaspalvelu", "tekniikka", "hidas", "hiljainen", "paivystys", "etatyo"})


def sound(language: Language) -> Sound:
    return Sound(language=language, sha256="00" * 32, duration=timedelta(seconds=1))


def replay(capture: Path) -> tuple[Bench, dict[str, str]]:
    events, _, ending = capture.read_text().partition("\n--\n")
    sounds = {language: sound(language) for language in Language}
    bench = Bench(policy=replace(POLICY, sounds=sounds, queues=QUEUES))
    reader = Reader(SECRET)
    wire = "\r\n\r\n".join(block.replace("\n", "\r\n") for block in events.split("\n\n") if block[:1] != ";")
    last = None
    for frame in frames_in(Framer().take(wire.encode() + b"\r\n\r\n")):
        event = reader.read(event_headers_of(text_of(frame)[0]))
        if event is not None:
            bench.feed(event)
            last = event.at
    assert last is not None
    bench.settle(last)
    lines = (line.partition(" ") for line in ending.splitlines() if line.strip())
    return bench, {key: " ".join(value.split()) for key, _, value in lines}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_real_call_ends_as_its_capture_says(capture: Path) -> None:
    bench, expected = replay(capture)
    assert expected, "a capture without expectations proves nothing"
    happened = told(bench, QUEUES)
    assert {key: happened[key] for key in expected} == expected
