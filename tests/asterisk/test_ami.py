"""The session's own contract: orders and their answers, the stream, restart of the PBX, a peer that is not AMI."""

import asyncio
from datetime import UTC, datetime

import pytest

from ari_recorder.asterisk.actions import CoreSettings
from ari_recorder.asterisk.ami import AmiSession, Phase
from ari_recorder.domain.errors import (
    AmiActionRefused,
    AmiNotLive,
    AmiOutcomeUnknown,
    AmiUnreachable,
    AmiValueRefused,
)
from ari_recorder.domain.events import Gap, Hangup, ResyncBegan, ResyncDone
from tests.asterisk.ami_rig import TOKEN_SECRET, live_on, session_on
from tests.asterisk.fake_ami import SECRET, Action, Client, event, fake_ami, frame, hangup

CALLER = "fakepbx-1795464416.1"


def success(*headers: tuple[str, object]) -> object:
    return lambda _, action: frame(("Response", "Success"), ("ActionID", action["ActionID"]), *headers)


def error(message: str) -> object:
    return lambda _, action: frame(("Response", "Error"), ("ActionID", action["ActionID"]), ("Message", message))


async def test_orders_are_written_as_asterisk_wants_them() -> None:
    answers = {"MixMonitor": success(("MixMonitorID", "0x7f26b80027e0")), "Getvar": success(("Value", "a=b: c"))}
    async with fake_ami(answers=answers) as server, live_on(server) as (session, _, _):
        assert await session.start_mixmonitor(CALLER, "/spool/a.caller.sln", "/spool/a.agent.sln") == "0x7f26b80027e0"
        await session.mute_mixmonitor(CALLER, "0x7f26b80027e0", True)
        await session.mute_mixmonitor(CALLER, "0x7f26b80027e0", False)
        await session.stop_mixmonitor(CALLER, "0x7f26b80027e0")
        await session.set_global("ARI_RECORDER_HEARTBEAT", "1795464416")
        assert await session.get_variable(CALLER, "MIXMONITOR(0x7f,filename)") == "a=b: c"
        ours = [{k: v for k, v in action.items() if k != "ActionID"} for action in server.seen[5:]]
        assert ours == [
            {
                "Action": "MixMonitor",
                "Channel": CALLER,
                "Options": "bi(ARI_RECORDER_MIXMONITOR)r(/spool/a.caller.sln)t(/spool/a.agent.sln)",
            },
            {
                "Action": "MixMonitorMute",
                "Channel": CALLER,
                "MixMonitorID": "0x7f26b80027e0",
                "Direction": "both",
                "State": "1",
            },
            {
                "Action": "MixMonitorMute",
                "Channel": CALLER,
                "MixMonitorID": "0x7f26b80027e0",
                "Direction": "both",
                "State": "0",
            },
            {"Action": "StopMixMonitor", "Channel": CALLER, "MixMonitorID": "0x7f26b80027e0"},
            {"Action": "Setvar", "Variable": "ARI_RECORDER_HEARTBEAT", "Value": "1795464416"},
            {"Action": "Getvar", "Channel": CALLER, "Variable": "MIXMONITOR(0x7f,filename)"},
        ]
        assert len({action["ActionID"] for action in server.seen}) == len(server.seen)
        assert all(len(action["ActionID"]) == 36 for action in server.seen)


@pytest.mark.parametrize(
    "path",
    ["/spool/a,b", "/spool/a b", "spool/a", "/spool/${X}", "/spool/a)b", "/spool/a|b", "/spool/../a", "/spool/ä", ""],
)
async def test_a_path_that_could_be_more_than_a_path_is_refused(path: str) -> None:
    async with fake_ami() as server, live_on(server) as (session, _, _):
        with pytest.raises(AmiValueRefused, match=r"Options \(agent\)"):
            await session.start_mixmonitor(CALLER, "/spool/a.caller.sln", path)
        with pytest.raises(AmiValueRefused, match="MixMonitorID"):
            await session.stop_mixmonitor(CALLER, path)
        with pytest.raises(AmiValueRefused, match="Variable"):
            await session.set_global(f"GLOBAL({path})", "1")
        assert server.count("MixMonitor") == server.count("StopMixMonitor") == server.count("Setvar") == 0


async def test_a_refusal_tells_asterisks_reason() -> None:
    async with fake_ami(answers={"MixMonitor": error("No such channel")}) as server, live_on(server) as (session, _, _):
        with pytest.raises(AmiActionRefused, match="The PBX refused MixMonitor: No such channel"):
            await session.start_mixmonitor(CALLER, "/spool/a", "/spool/b")


async def test_success_without_an_id_is_an_unknown_outcome() -> None:
    async with fake_ami() as server, live_on(server) as (session, _, _):
        with pytest.raises(AmiOutcomeUnknown, match="MixMonitor"):
            await session.start_mixmonitor(CALLER, "/spool/a", "/spool/b")


async def test_settings_and_permissions() -> None:
    commands = success(("Ping", "Keepalive command.  (Priv: <none>)"), ("Status", "List.  (Priv: system,call,all)"))
    async with fake_ami(answers={"ListCommands": commands}) as server, live_on(server) as (session, _, _):
        assert await session.core_settings() == CoreSettings(version="22.10.1", system_name="fakepbx")
        assert await session.permissions() == {"Ping", "Status"}


async def test_many_orders_at_once_each_get_their_own_answer() -> None:
    def echo(_: Client, action: Action) -> bytes:
        return frame(("Response", "Success"), ("ActionID", action["ActionID"]), ("Value", action["Variable"]))

    async with fake_ami(answers={"Getvar": echo}) as server, live_on(server) as (session, _, _):
        names = [f"V{number}" for number in range(50)]
        assert await asyncio.gather(*(session.get_variable(CALLER, name) for name in names)) == names


async def test_an_answer_with_another_sessions_id_is_not_ours() -> None:
    async with fake_ami() as server, live_on(server) as (session, _, client):
        client.send(frame(("Response", "Error"), ("ActionID", "1"), ("Message", "x")))
        client.send(event("OriginateResponse", ("ActionID", "2"), ("Response", "Failure")))
        await session.set_global("X", "1")
        assert session.live


async def test_a_restarted_pbx_is_a_gap_and_a_new_start_time() -> None:
    async with fake_ami(channels=["1.1"]) as server, live_on(server) as (_, heard, client):
        client.send(event("Shutdown", ("Shutdown", "Cleanly"), ("Restart", "False")))
        server.started, server.channels = "20:30:00", []
        await heard.until_came(ResyncDone, 2)
        assert heard.story == ["ResyncBegan", "ChannelRow 1.1", "ResyncDone", "Gap", "ResyncBegan", "ResyncDone"]
        assert "shutting down" in heard.of(Gap)[0].because
        first, second = heard.of(ResyncBegan)
        assert first.system_name == "fakepbx"
        assert first.pbx_started < second.pbx_started
        assert second.pbx_started == datetime(2026, 11, 23, 20, 30, tzinfo=UTC)


async def test_a_doubt_is_a_gap_and_the_state_is_asked_for_again() -> None:
    async with (
        fake_ami(channels=["1.1"], answers={"MixMonitor": lambda *_: None}) as server,
        live_on(server) as (session, heard, _),
    ):
        with pytest.raises(AmiOutcomeUnknown, match="no answer came within 1 s"):
            await session.start_mixmonitor(CALLER, "/spool/a", "/spool/b")
        assert session.live
        session.doubt("MixMonitor had no answer")
        session.doubt("it is said twice")
        await heard.until_came(ResyncDone, 2)
        assert heard.story == [
            *("ResyncBegan", "ChannelRow 1.1", "ResyncDone", "Gap", "ResyncBegan", "ChannelRow 1.1", "ResyncDone")
        ]
        assert "MixMonitor had no answer" in heard.of(Gap)[0].because
        await session.wait_live(2)
        assert server.accepted == 2
        assert server.count("MixMonitor") == 1


async def test_a_doubt_while_not_live_does_nothing() -> None:
    async with fake_ami(answers={"Status": lambda *_: None}) as server, session_on(server) as (session, heard):
        session.doubt("too early")
        await server.wait_for("Status")
        session.doubt("the state is being asked for")
        with pytest.raises(AmiUnreachable, match="not live"):
            await session.wait_live(0.3)
        assert heard.story == ["ResyncBegan"]
        assert server.accepted == 1
        await session.aclose()
        session.doubt("too late")


async def test_a_gap_begins_when_the_pbx_was_last_heard() -> None:
    async with fake_ami(answers={"Ping": lambda *_: None}) as server, live_on(server) as (session, heard, _):
        live = session.health().since
        await heard.until_came(Gap)
        assert (heard.of(Gap)[0].at - live).total_seconds() < 0.2


async def test_no_secret_is_sent_to_a_peer_that_does_not_greet_as_ami() -> None:
    async with fake_ami(greeting=b"SSH-2.0-OpenSSH_9.2\r\n") as server, session_on(server) as (session, _):
        with pytest.raises(AmiUnreachable, match="does not greet as AMI does"):
            await session.wait_live(0.5)
        assert not server.seen


async def test_a_peer_that_says_nothing_is_unreachable() -> None:
    async with fake_ami(greeting=b"") as server, session_on(server) as (session, _):
        with pytest.raises(AmiUnreachable, match="no greeting within 2 s"):
            await session.wait_live(3)


async def test_a_greeting_in_single_bytes_is_read() -> None:
    async with fake_ami(greeting=b"Aster") as server, session_on(server) as (session, _):
        while not server.clients:  # noqa: ASYNC110  (until it has connected)
            await asyncio.sleep(0.01)
        await server.clients[-1].send_in_bytes(b"isk Call Manager/11.0.0\r\n")
        await session.wait_live(2)


async def test_a_refused_resync_is_told_and_tried_again() -> None:
    async with (
        fake_ami(answers={"CoreStatus": error("Permission denied")}) as server,
        session_on(server) as (session, heard),
    ):
        with pytest.raises(AmiActionRefused, match="CoreStatus: Permission denied"):
            await session.wait_live(0.5)
        assert not heard.events
        server.answers.clear()
        await session.wait_live(2)


async def test_orders_before_the_session_is_live_are_refused() -> None:
    session = AmiSession(host="127.0.0.1", port=1, username="u", secret=SECRET, token_secret=TOKEN_SECRET)
    with pytest.raises(AmiNotLive, match="Setvar was not sent"):
        await session.set_global("X", "1")
    assert session.health().phase is Phase.DOWN
    assert not session.live


async def test_there_is_one_consumer() -> None:
    async with fake_ami() as server, live_on(server) as (session, _, _):
        with pytest.raises(RuntimeError, match="one consumer"):
            await anext(session.events())


async def test_a_consumer_that_comes_back_misses_nothing() -> None:
    async with fake_ami() as server:
        session = AmiSession(host="127.0.0.1", port=server.port, username="u", secret=SECRET, token_secret=TOKEN_SECRET)
        run = asyncio.create_task(session.run())
        await session.wait_live(2)
        server.clients[-1].send(hangup("1.1") + hangup("1.2"))
        seen = []
        for _ in range(4):
            stream = session.events()
            seen.append(type(await anext(stream)).__name__)
            await stream.aclose()
        assert seen == ["ResyncBegan", "ResyncDone", "Hangup", "Hangup"]
        await session.aclose()
        await run


async def test_a_frame_after_stray_line_ends_is_read() -> None:
    async with fake_ami() as server, live_on(server) as (_, heard, client):
        client.send(b"\r\n\r\n" + hangup("1.1"))
        await heard.until_came(Hangup)
