"""Service, database or PBX die in mid-call: what was said is there all the same, and what was decided holds."""

import asyncio
import os
import signal
import time
from pathlib import Path

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
from tests.lab.service import Service

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]


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
