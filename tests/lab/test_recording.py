"""The product on the real PBX, proved by listening to what it stored."""

import asyncio
import json
import os
import signal
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from tests.lab.lab import MUSIC_ON_HOLD, OUTSIDE_TONE, Lab, start_lab
from tests.lab.phones import Agent, Caller
from tests.lab.service import Service, running_service
from tests.lab.tones import Sound

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

CALLER = 440
# The guard after an agent's resume code (capture.resume_guard_seconds).
GUARD = 0.5


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A lab of its own, with the service beside it."""
    folder = tmp_path_factory.mktemp("recording")
    async with start_lab(folder / "lab") as lab, running_service(lab, folder / "service") as service:
        yield service


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
    with wave.open(str(await service.export(recording_id))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 2, 2)
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    sides = [Sound.of(np.ascontiguousarray(stereo[:, side]).tobytes()) for side in (0, 1)]
    return Stored(facts=facts, caller=sides[0], agent=sides[1])


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


async def test_a_call_is_heard_whole_each_voice_on_its_own_side(service: Service) -> None:
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(4)
    await caller.hangup()
    talk = time.monotonic() - began
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert recording.agent.share(agent.tone) > 0.9
    assert abs(recording.seconds - talk) < 1
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("recorded", "")
    assert recording.facts["members"][0]["interface"] == f"PJSIP/{agent.number}"
    assert [sound["language"] for sound in recording.facts["evidence"]["sounds"]] == ["fi", "sv"]


async def test_a_longer_call_is_sealed_while_it_lasts_and_heard_whole_all_the_same(service: Service) -> None:
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(7.5)
    files = list(service.lab.pbx.spool.glob("*.sln"))
    assert len(files) == 2
    for file in files:
        assert file.stat().st_size >= 6 * 16_000
        assert file.stat().st_blocks * 512 <= 4 * 16_000, "what is sealed is still in the spool"
    assert list(parts_folder(service).iterdir()), "nothing was sealed while the call lasted"
    await caller.hangup()
    talk = time.monotonic() - began
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert recording.agent.share(agent.tone) > 0.95
    assert abs(recording.seconds - talk) < 1
    assert recording.facts["truncated_because"] is None
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("recorded", "")
    assert list(parts_folder(service).iterdir()) == []


async def test_a_loss_of_power_costs_five_seconds_at_most_and_is_told(service: Service) -> None:
    """Service and PBX die at once in mid-call, and what was in memory is gone."""
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(9)
    talk = time.monotonic() - began
    await asyncio.gather(service.kill(), service.lab.pbx.kill())
    for file in service.lab.pbx.spool.iterdir():
        file.unlink() if file.is_file() else file.rmdir()
    at_the_cut = on_disk(service)
    await service.lab.pbx.start()
    await service.start()
    recording = await the_recording(service, caller)
    assert talk - 5 < recording.seconds < talk
    assert_only_voices(recording, agent.tone)
    assert recording.caller.share(CALLER) > 0.95
    assert "the spool was lost in mid-call" in recording.facts["truncated_because"]
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("recorded", "truncated")
    assert list(parts_folder(service).iterdir()) == []
    pieces = pieces_of(service.folder / "exported" / f"{recording.facts['id']}.wav")
    assert len(pieces) > 50
    assert any(path.suffix == ".part" for path in at_the_cut)
    for path, data in (*at_the_cut.items(), *on_disk(service).items()):
        assert not any(piece in data for piece in pieces), path


def parts_folder(service: Service) -> Path:
    return service.state / "vault" / ".parts"


def on_disk(service: Service) -> dict[Path, bytes]:
    """Whatever this installation has on durable disk. The database has a folder of its own, and no audio gets there."""
    files = (path for path in service.folder.rglob("*") if path.is_file() and "exported" not in path.parts)
    return {path: path.read_bytes() for path in files if path.relative_to(service.folder).parts[1:2] != ("database",)}


def pieces_of(wav: Path) -> set[bytes]:
    """Bytes by which its samples are known again, of each side and interleaved. Silence proves nothing."""
    with wave.open(str(wav)) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    streams = [stereo.tobytes(), *(np.ascontiguousarray(stereo[:, side]).tobytes() for side in (0, 1))]
    cut = (stream[i : i + 24] for stream in streams for i in range(0, len(stream), 4000))
    return {piece for piece in cut if len(piece) == 24 and len(set(piece)) > 8}


async def test_a_threat_is_marked_at_its_second(service: Service) -> None:
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(2)
    await agent.press("*91")
    pressed = time.monotonic() - began
    await asyncio.sleep(2)
    await caller.hangup()
    recording = await the_recording(service, caller)
    assert recording.marks("threat") == [pytest.approx(pressed, abs=0.3)]
    assert (await ledger_row(service, caller))["flagged"]


async def test_a_pause_is_silent_for_its_length(service: Service) -> None:
    caller, agent, _ = await talking(service.lab)
    await asyncio.sleep(2)
    await agent.press("*92")
    paused = time.monotonic()
    await asyncio.sleep(3)
    await agent.press("*93")
    length = time.monotonic() - paused + GUARD
    await asyncio.sleep(2)
    await caller.hangup()
    recording = await the_recording(service, caller)
    (silence,) = [span for span in recording.caller.silences() if span[1] - span[0] > 1]
    assert silence[1] - silence[0] == pytest.approx(length, abs=0.2)
    assert recording.agent.cut(*silence).loudness().max() == 0, "the agent is heard in the pause"
    assert recording.caller.cut(*silence).loudness().max() == 0, "the caller is heard in the pause"
    assert recording.caller.has(CALLER)
    assert recording.caller.cut(silence[1] + 0.1, recording.seconds).has(CALLER), "nothing after the pause"


async def test_a_caller_who_presses_the_codes_changes_nothing(service: Service) -> None:
    caller, agent, _ = await talking(service.lab)
    for keys in ("*91", "*92", "*94"):
        await caller.press(keys)
        await asyncio.sleep(0.7)
    await caller.hangup()
    recording = await the_recording(service, caller)
    assert not recording.facts["marks"]
    assert not (await ledger_row(service, caller))["flagged"]
    assert recording.agent.share(agent.tone) > 0.9, "it was paused"


async def test_a_caller_who_says_no_leaves_no_byte(service: Service) -> None:
    before = vault_files(service)
    caller, agent, _ = await talking(service.lab)
    await asyncio.sleep(3)
    await agent.press("*94")
    await asyncio.sleep(1)
    assert not list(service.lab.pbx.spool.glob("*.sln")), "spool files are still there while the call goes on"
    await caller.hangup()
    assert await stored(service, caller) == []
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("not_recorded", "caller-refused")
    assert vault_files(service) == before


def vault_files(service: Service) -> set[Path]:
    return set((service.state / "vault").rglob("*.sealed")) | set((service.state / "vault" / ".new").iterdir())


@pytest.mark.parametrize("spoiled", ["missing", "empty", "cut"])
async def test_without_proof_of_the_announcement_nothing_is_stored(service: Service, spoiled: str) -> None:
    sound = service.lab.pbx.sounds / "sv" / "announcement.wav"
    whole = sound.read_bytes()
    before = vault_files(service)
    try:
        match spoiled:
            case "missing":
                sound.unlink()
            case "empty":
                sound.write_bytes(whole[:44])
            case _:
                # The PBX plays what is left of it; the service has known the whole file.
                sound.write_bytes(whole[: len(whole) // 4])
        caller, _, _ = await talking(service.lab, "0195202001")
        await asyncio.sleep(2.5)
        assert not list(service.lab.pbx.spool.glob("*.sln"))
        await caller.hangup()
        row = await ledger_row(service, caller)
    finally:
        sound.write_bytes(whole)
        await asyncio.sleep(1.2)  # the service looks at the sounds with each heartbeat
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("not_recorded", "no-announcement-evidence")
    assert await stored(service, caller) == []
    assert vault_files(service) == before


# Whoever comes after a transfer is lost half of the time if one MixMonitor goes on: once would prove little.
@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("by", ["keys", "refer", "consulting"])
async def test_after_a_transfer_inside_both_voices_are_still_recorded(service: Service, by: Any, turn: int) -> None:
    caller, agent, _ = await talking(service.lab)
    colleague = service.lab.agent("1003")
    await asyncio.sleep(1.5)
    if by == "consulting":
        await agent.attended_transfer("1003")
    else:
        await agent.blind_transfer("1003", by=by)
    await colleague.wait_talking(20)
    await asyncio.sleep(3)
    await caller.hangup()
    first, second = await stored(service, caller)
    assert first.agent.has(agent.tone)
    assert not first.agent.has(colleague.tone)
    assert second.agent.total(colleague.tone) > 2, "the colleague is not heard"
    for part in (first, second):
        assert part.caller.share(CALLER) > 0.9
        assert not part.agent.has(CALLER)
        assert not part.caller.has(agent.tone)
        assert part.facts["uniqueid"] == caller.uniqueid
    assert first.facts["end_reason"] == "transferred"
    assert first.marks("attended-transfer" if by == "consulting" else "blind-transfer")
    row = await ledger_row(service, caller)
    assert (row["uniqueid"], row["verdict"]["state"], row["verdict"]["reason"]) == (caller.uniqueid, "recorded", "")


@pytest.mark.parametrize("how", ["blind", "attended"])
async def test_recording_ends_when_the_call_has_left_the_organisation(service: Service, how: str) -> None:
    caller, agent, _ = await talking(service.lab)
    await asyncio.sleep(2)
    if how == "blind":
        await agent.blind_transfer("0501234567")
        await service.lab.agent("0501234567").wait_talking(20)
    else:
        await agent.attended_transfer("0501234567")
    await asyncio.sleep(4)
    assert not list(service.lab.pbx.spool.glob("*.sln")), "something is still recorded"
    await caller.hangup()
    parts = await stored(service, caller)
    assert parts[0].agent.has(agent.tone)
    assert sum(part.agent.total(OUTSIDE_TONE) for part in parts) <= 1
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"


async def test_an_agent_behind_a_local_channel_is_recorded_and_may_flag(service: Service) -> None:
    caller, agent, _ = await talking(service.lab, "0195202005")
    await asyncio.sleep(2)
    await agent.press("*91")
    await asyncio.sleep(1)
    await caller.hangup()
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert recording.marks("threat")


async def test_a_second_agent_answers_when_the_first_does_not(service: Service) -> None:
    caller, _, _ = await talking(service.lab, "0195202004")
    await asyncio.sleep(3)
    await caller.hangup()
    recording = await the_recording(service, caller)
    assert [member["interface"] for member in recording.facts["members"]] == ["PJSIP/1007"] or recording.seconds > 2
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"


async def test_a_queue_that_is_not_configured_is_not_recorded(service: Service) -> None:
    caller, _, _ = await talking(service.lab, "0195202009")
    await asyncio.sleep(2.5)
    assert not list(service.lab.pbx.spool.glob("*.sln"))
    await caller.hangup()
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("not_recorded", "queue-not-recorded")


async def test_a_kill_in_mid_call_loses_nothing(service: Service) -> None:
    """The service dies with kill -9 and comes back while the call goes on."""
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(2.5)
    await service.kill()
    await asyncio.sleep(1)
    await service.start()
    await asyncio.sleep(2)
    await caller.hangup()
    talk = time.monotonic() - began
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert abs(recording.seconds - talk) < 1
    assert recording.marks("gap"), "the ledger does not tell what happened"
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"
    assert not list(service.lab.pbx.spool.glob("*.sln"))


async def test_a_call_that_ended_while_the_service_was_dead_is_sealed_once(service: Service) -> None:
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(2.5)
    await service.kill()
    await asyncio.sleep(1)
    await caller.hangup()
    talk = time.monotonic() - began
    await caller.wait_ended()
    await service.start()
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert abs(recording.seconds - talk) < 1
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("recorded", "ended-unseen")
    assert not list(service.lab.pbx.spool.glob("*.sln"))


async def test_a_no_said_while_the_service_is_dead_is_a_no(service: Service) -> None:
    before = vault_files(service)
    caller, agent, _ = await talking(service.lab)
    await asyncio.sleep(2.5)
    await service.kill()
    await agent.press("*91")
    await asyncio.sleep(1)
    await agent.press("*94")
    await asyncio.sleep(1)
    await caller.hangup()
    await caller.wait_ended()
    await service.start()
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("not_recorded", "caller-refused")
    assert await stored(service, caller) == []
    assert vault_files(service) == before
    assert not list(service.lab.pbx.spool.glob("*.sln"))


@pytest.mark.parametrize("recorder", ["service", "dialplan"])
async def test_a_pause_pressed_while_the_service_is_dead_is_silent(service: Service, recorder: str) -> None:
    if recorder == "dialplan":
        await service.kill()
        await service.lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", "1")  # as after 30 s
    caller, agent, _ = await talking(service.lab)
    await asyncio.sleep(2)
    if recorder == "service":
        await service.kill()
    await agent.press("*92")
    paused = time.monotonic()
    await asyncio.sleep(2)
    await agent.press("*93")
    length = time.monotonic() - paused + GUARD
    await asyncio.sleep(1)
    await service.start()
    await asyncio.sleep(1.5)
    await caller.hangup()
    recording = await the_recording(service, caller)
    assert recording.facts["started_by"] == recorder
    (silence,) = [span for span in recording.caller.silences() if span[1] - span[0] > 1]
    assert silence[1] - silence[0] == pytest.approx(length, abs=0.2)
    assert silence[0] == pytest.approx(2, abs=0.7)
    inner = (silence[0] + 0.02, silence[1] - 0.02)  # a span is measured in frames of 20 ms
    assert recording.agent.cut(*inner).loudness().max() == 0, "the agent is heard in the pause"
    assert recording.caller.cut(silence[1] + 0.1, recording.seconds).has(CALLER), "nothing after the pause"


@pytest.mark.parametrize("back", ["in mid-call", "after the call"])
async def test_the_dialplan_records_while_the_service_is_away(service: Service, back: str) -> None:
    await service.stop()
    await service.lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", "1")  # as after 30 s
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(2.5)
    if back == "in mid-call":
        await service.start()
        await asyncio.sleep(2)
    await caller.hangup()
    talk = time.monotonic() - began
    await caller.wait_ended()
    if back == "after the call":
        await service.start()
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert abs(recording.seconds - talk) < 1
    assert recording.facts["started_by"] == "dialplan"
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"
    assert not list(service.lab.pbx.spool.glob("*.sln"))


async def test_a_call_last_seen_waiting_and_over_when_the_service_is_back_is_kept(service: Service) -> None:
    """It was known by its channel alone, not by its queue: of the conversation only queue_log can tell."""
    lab = service.lab
    await lab.pbx.set_global("ARI_RECORDER_START", "dialplan")
    try:
        await lab.agent("1001").answers(after=8)
        caller = await lab.call("0195202000", tone=CALLER)
        await caller.wait_queued()
        await service.kill()
        await service.start()
        await asyncio.sleep(0.5)
        await service.kill()
        assert not caller.events("AgentConnect")
    finally:
        await lab.pbx.set_global("ARI_RECORDER_START", "ami")
        await lab.agent("1001").answers()
    await caller.wait_connected()
    began = time.monotonic()
    await asyncio.sleep(3)
    await caller.hangup()
    talk = time.monotonic() - began
    await caller.wait_ended()
    await service.start()
    recording = await the_recording(service, caller)
    assert abs(recording.seconds - talk) < 1
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("recorded", "adopted")


async def test_nothing_the_service_writes_tells_who_called(service: Service) -> None:
    caller, _, _ = await talking(service.lab, caller_id="0409876543")
    await asyncio.sleep(2)
    await caller.hangup()
    recording = await the_recording(service, caller)
    opened = await service.command("recordings", "show", recording.facts["id"], "--with-caller")
    assert opened["caller"]["num"] == "0409876543"
    assert "0409876543" not in json.dumps(recording.facts)
    for file in service.folder.rglob("*"):
        assert not file.is_file() or b"0409876543" not in file.read_bytes(), file


async def test_with_the_dialplan_starting_every_recording_there_is_still_one_recording(service: Service) -> None:
    pbx = service.lab.pbx
    await pbx.set_global("ARI_RECORDER_START", "dialplan")
    try:
        caller, agent, began = await talking(service.lab)
    finally:
        await pbx.set_global("ARI_RECORDER_START", "ami")
    await asyncio.sleep(1)
    await agent.press("*92")
    await asyncio.sleep(2)
    await agent.press("*93")
    await asyncio.sleep(1.5)
    await caller.hangup()
    talk = time.monotonic() - began
    recording = await the_recording(service, caller)
    assert recording.facts["started_by"] == "dialplan"
    assert abs(recording.seconds - talk) < 1
    assert recording.caller.cut(2, 3).loudness().max() == 0, "the pause was not silent"


async def test_a_frozen_database_does_not_stop_recording(service: Service) -> None:
    caller, agent, _ = await talking(service.lab)
    frozen = postgres_processes(service)
    assert len(frozen) > 3
    signal_all(frozen, signal.SIGSTOP)
    try:
        await asyncio.sleep(3)
        await caller.hangup()
        await caller.wait_ended()
        await asyncio.sleep(3)
        assert vault_files(service), "nothing was sealed while the database was away"
    finally:
        signal_all(frozen, signal.SIGCONT)
    recording = await the_recording(service, caller)
    assert_only_voices(recording, agent.tone)
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"


def postgres_processes(service: Service) -> list[int]:
    """The postmaster and its children."""
    postmaster = int((service.state / "database" / "data" / "postmaster.pid").read_text().split()[0])
    parents = {
        int(stat.parent.name): int(stat.read_text().rpartition(")")[2].split()[1])
        for stat in Path("/proc").glob("[0-9]*/stat")
    }
    return [postmaster, *(pid for pid, parent in parents.items() if parent == postmaster)]


def signal_all(processes: list[int], signum: int) -> None:
    for pid in processes:
        os.kill(pid, signum)


async def test_a_pbx_that_dies_in_mid_call_loses_no_more_than_its_own_buffer(service: Service) -> None:
    caller, agent, began = await talking(service.lab)
    await asyncio.sleep(5)
    talk = time.monotonic() - began
    await service.lab.pbx.kill()
    await service.lab.pbx.start()
    recording = await the_recording(service, caller)
    # app_mixmonitor's buffer holds 2.05 s.
    assert talk - 2.3 < recording.seconds < talk + 0.5
    assert_only_voices(recording, agent.tone)
    row = await ledger_row(service, caller)
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("recorded", "ended-unseen")
