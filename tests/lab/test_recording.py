"""The product on the real PBX, proved by listening to what it stored."""

import asyncio
import json
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.lab.heard import (
    CALLER,
    GUARD,
    assert_only_voices,
    ledger_row,
    stored,
    talking,
    the_recording,
    vault_files,
)
from tests.lab.mistakes import trunk_grants
from tests.lab.service import Service

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]


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
    async with trunk_grants(service.lab):
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
