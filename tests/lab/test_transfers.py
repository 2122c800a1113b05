"""Callers who are sent on, proved by listening: inside both voices are recorded, outside nobody is."""

import asyncio
from typing import Any

import pytest

from tests.lab.heard import (
    CALLER,
    ledger_row,
    stored,
    talking,
)
from tests.lab.lab import OUTSIDE_TONE
from tests.lab.service import Service

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]


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
    if how == "attended":  # the caller's channel is in Queue() still, with somebody else
        await service.kill()
        await service.start()
        await asyncio.sleep(2)
        assert not list(service.lab.pbx.spool.glob("*.sln")), "after asking the PBX it records whoever is there"
    await caller.hangup()
    parts = await stored(service, caller)
    assert parts[0].agent.has(agent.tone)
    assert sum(part.agent.total(OUTSIDE_TONE) for part in parts) <= 1
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"
