"""Something else than the product writes into the spool, on a real PBX: it is put away, and nobody hears it."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.heard import assert_only_voices, ledger_row, talking, the_recording, vault_files
from tests.lab.service import Service

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

BASE = "somebody-elses"


def spool_files(service: Service) -> list[Path]:
    return sorted(service.lab.pbx.spool.glob(f"{BASE}.*.sln"))


def told(service: Service, alarm: str) -> list[str]:
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    return [line["subject"] for line in lines if line.get("alarm") == alarm]


async def put_away(service: Service) -> dict[str, Any] | None:
    """What is in quarantine, once nothing of it is in the spool."""
    found = [one for one in await service.recordings() if one["quarantined"]]
    return found[0] if found and not spool_files(service) else None


async def test_what_another_program_recorded_is_sealed_once_whenever_the_service_is_killed_and_heard_by_nobody(
    service: Service,
) -> None:
    lab, before = service.lab, vault_files(service)
    caller, agent, _ = await talking(lab)
    spool = lab.pbx.spool
    options = f"br({spool}/{BASE}.caller.sln)t({spool}/{BASE}.agent.sln)"
    await lab.pbx.ami.action("MixMonitor", Channel=caller.channel, Options=options)
    await asyncio.sleep(3)
    await service.kill()
    for path in spool_files(service):
        os.utime(path, (time.time() - 600,) * 2)
    await service.start()
    await asyncio.sleep(3)
    assert len(spool_files(service)) == 2, "the PBX writes to it: its call goes on"
    assert told(service, "quarantined") == []
    await caller.hangup()
    # The call's own recording is what it always is.
    assert_only_voices(await the_recording(service, caller), agent.tone)
    # Nobody waits for it to be old enough.
    await service.kill()
    for path in spool_files(service):
        os.utime(path, (time.time() - 600,) * 2)
    own = vault_files(service)
    await service.start()
    async with asyncio.timeout(20):
        while vault_files(service) == own:  # noqa: ASYNC110 -- to be killed the moment it is there
            await asyncio.sleep(0)
    await service.kill()
    await service.start()
    async with asyncio.timeout(20):
        while (one := await put_away(service)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    fresh = {path.stem for path in vault_files(service) - before}
    assert len(fresh) == 2
    assert one["id"] in fresh
    assert set(told(service, "quarantined")) == {one["id"]}
    assert told(service, "orphan-in-spool") == []
    # By facts alone.
    facts = await service.command("recordings", "show", one["id"])
    assert 2 < facts["duration"] < 60
    assert (facts["uniqueid"], facts["members"], facts["caller"]) == (f"quarantine-{one['id']}", [], None)
    row = next(row for row in (await service.ledger())["calls"] if row["uniqueid"] == facts["uniqueid"])
    assert (row["verdict"]["state"], row["verdict"]["reason"]) == ("quarantined", "no-announcement-evidence")
    assert (await service.ledger())["totals"]["quarantined"] == 1
    assert (await ledger_row(service, caller))["verdict"]["state"] == "recorded"
    target = service.folder / "quarantined.wav"
    refused = await service.command("recordings", "export", one["id"], str(target), code=1)
    assert refused["error"]["code"] == "recording_quarantined"
    assert not target.exists()
    scrubbed = await service.command("vault", "scrub", "--all")
    assert scrubbed["damaged"] == {}
