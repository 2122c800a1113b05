"""What the product stored of a call of the lab, as anybody entitled would hear it."""

import io
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.lab.lab import MUSIC_ON_HOLD, Lab
from tests.lab.phones import Agent, Caller
from tests.lab.service import Service
from tests.lab.tones import Sound

CALLER = 440
# The guard after an agent's resume code (capture.resume_guard_seconds).
GUARD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A recording as anybody entitled would hear it."""

    facts: dict[str, Any]
    caller: Sound
    agent: Sound

    @property
    def seconds(self) -> float:
        return self.caller.seconds

    def marks(self, kind: str) -> list[float]:
        start = self.facts["clock_at_start"]
        return [mark["offset"] - start for mark in self.facts["marks"] if mark["kind"] == kind]


async def talking(lab: Lab, number: str = "0195202000", **wanted: Any) -> tuple[Caller, Agent, float]:
    """A caller in conversation: the caller, the agent, and when it began."""
    caller = await lab.call(number, tone=CALLER, **wanted)
    connect = await caller.wait_connected(40)
    return caller, lab.agent(connect["MemberName"].rpartition(" ")[2]), time.monotonic()


async def ledger_row(service: Service, caller: Caller) -> dict[str, Any]:
    return (await service.settled([caller.uniqueid]))[caller.uniqueid]


async def stored(service: Service, caller: Caller) -> list[Stored]:
    """The call's recordings, once the ledger has the last word; oldest first."""
    await ledger_row(service, caller)
    lines = [
        line for line in await service.recordings() if line["uniqueid"] == caller.uniqueid and line["state"] == "sealed"
    ]
    return [await listen(service, line["id"]) for line in reversed(lines)]


async def listen(service: Service, recording_id: str) -> Stored:
    facts = await service.command("recordings", "show", recording_id)
    caller, agent = sides_of((await service.export(recording_id)).read_bytes())
    return Stored(facts=facts, caller=caller, agent=agent)


def sides_of(wav: bytes) -> tuple[Sound, Sound]:
    """The caller's side and the agent's, by what everybody has to open a WAV file."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    caller, agent = (Sound.of(np.ascontiguousarray(stereo[:, side]).tobytes()) for side in (0, 1))
    return caller, agent


async def the_recording(service: Service, caller: Caller) -> Stored:
    found = await stored(service, caller)
    assert len(found) == 1
    return found[0]


def assert_only_voices(recording: Stored, *agents: int) -> None:
    """The caller left, the agents right, and nothing else: no announcement, no music, no ringing."""
    for tone in agents:
        assert recording.agent.has(tone)
        assert not recording.caller.has(tone)
    assert recording.caller.has(CALLER)
    assert not recording.agent.has(CALLER)
    assert recording.caller.share(CALLER) > 0.9, "the caller speaks all the time; something else is in there"
    # What lay in the audiohook's queue when the bridge began, up to three packets, may be the last of the music.
    assert recording.agent.total(MUSIC_ON_HOLD) <= 0.06
    assert not recording.caller.has(MUSIC_ON_HOLD)


def vault_files(service: Service) -> set[Path]:
    return set((service.state / "vault").rglob("*.sealed")) | set((service.state / "vault" / ".new").iterdir())
