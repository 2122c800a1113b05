"""The session against a real Asterisk, configured as shipped, as the shipped AMI user."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.asterisk.messages import WANTED
from ari_recorder.domain.errors import AmiActionRefused, AmiLoginRefused
from ari_recorder.domain.events import (
    AgentConnect,
    Announced,
    ChannelRow,
    Forged,
    Gap,
    Hangup,
    MixMonitorMute,
    MixMonitorStart,
    MixMonitorStop,
    QueueCallerJoin,
    ResyncBegan,
    ResyncDone,
)
from ari_recorder.domain.evidence import read_evidence
from tests.asterisk.ami_rig import Heard
from tests.lab.lab import Lab

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("fresh_heartbeat")]

NUMBER = "0195202000"


@asynccontextmanager
async def live(lab: Lab, **settings: Any) -> AsyncIterator[tuple[AmiSession, Heard]]:
    pbx = lab.pbx
    session = AmiSession(
        **{
            "host": "127.0.0.1",
            "port": pbx.ami_port,
            "username": pbx.ami_user,
            "secret": pbx.ami_secret,
            "token_secret": pbx.secret,
            **settings,
        }
    )
    heard = Heard()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run())
        tasks.create_task(heard.listen(session))
        try:
            await session.wait_live(10)
            yield session, heard
        finally:
            await session.aclose()


async def test_login_resync_settings_and_rights(lab: Lab) -> None:
    async with live(lab) as (session, heard):
        await heard.until_came(ResyncDone)
        assert heard.of(ResyncBegan)[0].system_name == lab.pbx.system_name
        settings = await session.core_settings()
        assert settings.system_name == lab.pbx.system_name
        assert settings.version == lab.pbx.tree.version or settings.version in lab.pbx.tree.version
        allowed = await session.permissions()
        assert {"MixMonitor", "StopMixMonitor", "MixMonitorMute", "Setvar", "Getvar", "Status", "CoreStatus"} <= allowed
        assert not {"Command", "Originate", "UpdateConfig"} & allowed


async def test_a_wrong_secret_is_a_clear_error(lab: Lab) -> None:
    with pytest.raises(ExceptionGroup) as refused:
        async with live(lab, secret="wrong"):
            pass
    assert refused.group_contains(AmiLoginRefused, match="Authentication failed")


async def test_a_global_is_set_and_read_back(lab: Lab) -> None:
    async with live(lab) as (session, _):
        await session.set_global("ARI_RECORDER_HEARTBEAT", "1795464416")
        assert await lab.pbx.get_global("ARI_RECORDER_HEARTBEAT") == "1795464416"
        await session.set_global("ARI_RECORDER_HEARTBEAT", "")
        assert await lab.pbx.get_global("ARI_RECORDER_HEARTBEAT") == ""


async def test_a_call_is_heard_commanded_and_found_again_by_a_second_session(lab: Lab) -> None:
    base = lab.pbx.spool / "ami-real"
    async with live(lab) as (session, heard):
        caller = await lab.call(NUMBER)
        await heard.until_came(AgentConnect, timeout=30)
        connect = heard.of(AgentConnect)[0]
        assert connect.uniqueid == caller.uniqueid
        assert connect.member_uniqueid != caller.uniqueid
        assert heard.of(Announced)[0].number == NUMBER
        assert [event.uniqueid for event in heard.of(QueueCallerJoin)] == [caller.uniqueid]

        # By the Uniqueid: a channel's name may change, and be another's, before an order arrives.
        identity = await session.start_mixmonitor(caller.uniqueid, f"{base}.caller.sln", f"{base}.agent.sln")
        assert await session.get_variable(caller.uniqueid, "ARI_RECORDER_MIXMONITOR") == identity
        await session.mute_mixmonitor(caller.uniqueid, identity, True)
        await session.mute_mixmonitor(caller.uniqueid, identity, False)
        await heard.until_came(MixMonitorMute, 2)
        assert [event.muted for event in heard.of(MixMonitorMute)] == [True, False]

        async with live(lab) as (_, second):
            await second.until_came(ResyncDone)
            rows = {row.uniqueid: row for row in second.of(ChannelRow)}
            row = rows[caller.uniqueid]
            assert (row.channel, row.mixmonitor_id, row.armed) == (caller.channel, identity, "")
            assert (row.application, row.queue != "", row.bridge != "") == ("Queue", True, True)
            claim = read_evidence(lab.pbx.secret, caller.uniqueid, row.evidence)
            assert claim is not None
            assert claim.number == NUMBER

        await session.stop_mixmonitor(caller.uniqueid, identity)
        await heard.until_came(MixMonitorStop)
        assert len(heard.of(MixMonitorStart)) == 1
        with pytest.raises(AmiActionRefused, match="Could not stop"):
            await session.stop_mixmonitor(caller.uniqueid, identity)
        await caller.hangup()
        await heard.until(lambda _: caller.uniqueid in {event.uniqueid for event in heard.of(Hangup)})
        await caller.wait_ended()
        with pytest.raises(AmiActionRefused, match="No such channel"):
            await session.get_variable(caller.uniqueid, "ARI_RECORDER_MIXMONITOR")
        assert not heard.of(Forged)
        assert all(type(event).__name__ not in WANTED or event.at.tzinfo for event in heard.events)


async def test_a_restart_of_the_pbx_is_a_gap_and_a_new_start_time(lab: Lab) -> None:
    async with live(lab) as (session, heard):
        await heard.until_came(ResyncDone)
        await lab.pbx.restart()
        await heard.until_came(ResyncDone, 2, timeout=30)
        await session.wait_live(5)
        first, second = heard.of(ResyncBegan)
        assert first.pbx_started < second.pbx_started
        assert heard.story.index("Gap") == heard.story.index("ResyncDone") + 1
        assert len(heard.of(Gap)) == 1
        assert "shutting down" in heard.of(Gap)[0].because


async def test_the_start_of_the_pbx_is_right_though_the_service_lives_in_another_zone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    uptime = int((await lab.pbx.cli("core show uptime seconds")).split("System uptime:")[1].split()[0])
    started = datetime.now(UTC) - timedelta(seconds=uptime)
    try:
        for zone in ("America/New_York", "Asia/Tokyo"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            async with live(lab) as (_, heard):
                await heard.until_came(ResyncBegan)
                assert abs(heard.of(ResyncBegan)[0].pbx_started - started) < timedelta(seconds=10)
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_a_killed_pbx_is_a_gap(lab: Lab) -> None:
    async with live(lab) as (session, heard):
        await heard.until_came(ResyncDone)
        await lab.pbx.kill()
        await heard.until_came(Gap, timeout=15)
        assert not session.live
        await lab.pbx.start()
        await session.wait_live(30)
