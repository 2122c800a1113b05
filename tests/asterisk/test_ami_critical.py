"""The faults of stock panoramisk that lose or corrupt evidence, or act wrongly: C1 to C11.

Each test of ours has beside it, where that is cheap, the same on the stock library: proof that the test can fail.
"""

import asyncio

import pytest

from ari_recorder.domain.errors import AmiNotLive, AmiOutcomeUnknown, AmiUnreachable, AmiValueRefused
from ari_recorder.domain.events import Forged, Gap, Hangup, QueueCallerJoin, ResyncBegan
from tests.asterisk.ami_rig import live_on, session_on, stock_on
from tests.asterisk.fake_ami import (
    Action,
    Client,
    event,
    fake_ami,
    frame,
    hangup,
    join,
    row,
    rows_begin,
    rows_end,
    snapshot,
)


def ten_with_a_bad_one() -> bytes:
    """Ten events in one segment; the fourth cannot be read."""
    frames = [hangup(f"1.{number}") for number in range(10)]
    frames[3] = frames[3].replace(b"Cause: 16", b"Cause: sixteen")
    return b"".join(frames)


# C1


async def test_an_event_that_cannot_be_read_costs_neither_the_connection_nor_the_next_event() -> None:
    async with fake_ami() as server, live_on(server) as (_, heard, client):
        client.send(ten_with_a_bad_one())
        await heard.until_came(Hangup, 9)
        assert [event.uniqueid for event in heard.of(Hangup)] == [f"1.{n}" for n in range(10) if n != 3]
        assert [(e.uniqueid, e.name) for e in heard.of(Forged)] == [("1.3", "Hangup")]
        assert server.accepted == 1


async def test_stock_loses_the_connection_when_a_callback_raises() -> None:
    seen: list[str] = []

    def callback(_: object, message: dict[str, str]) -> None:
        if message["event"] == "Hangup":
            seen.append(message["uniqueid"])
            int(message["cause"])

    async with fake_ami() as server, stock_on(server, callback, reconnect_timeout=60) as stock:
        server.clients[-1].send(ten_with_a_bad_one())
        await stock.until(lambda: not stock.manager._connected)
        assert seen == ["1.0", "1.1", "1.2", "1.3"]


# C2

POISON = event("UserEvent", *snapshot("1.1"), ("UserEvent", "Other"), ("Event", "Hangup"))


async def test_a_second_event_header_is_refused_and_told_and_the_next_event_comes() -> None:
    async with fake_ami() as server, live_on(server) as (_, heard, client):
        client.send(POISON + hangup("1.2"))
        await heard.until_came(Hangup)
        assert [(e.name, e.because) for e in heard.of(Forged)] == [("UserEvent", "header Event is repeated")]
        assert [event.uniqueid for event in heard.of(Hangup)] == ["1.2"]
        assert server.accepted == 1


@pytest.mark.parametrize("name", ["Uniqueid", "Channel", "Queue", "Linkedid", "Privilege", "Timestamp"])
async def test_a_repeated_header_is_refused_whichever_it_is(name: str) -> None:
    async with fake_ami() as server, live_on(server) as (session, heard, client):
        client.send(join("1.1").removesuffix(b"\r\n") + f"{name}: 9.9\r\n\r\n".encode())
        await heard.until_came(Forged)
        assert not heard.of(QueueCallerJoin)
        assert session.health().counters.forged == 1


async def test_stock_loses_the_connection_by_a_second_event_header() -> None:
    async with fake_ami() as server, stock_on(server, reconnect_timeout=60) as stock:
        server.clients[-1].send(POISON + hangup("1.2"))
        await stock.until(lambda: not stock.manager._connected)
        assert "Hangup" not in stock.names


# C3


def successfully_queued(_: Client, action: Action) -> bytes:
    return frame(("Response", "Success"), ("ActionID", action["ActionID"]), ("Message", "DTMF successfully queued"))


async def test_an_answer_is_complete_whatever_its_text_says() -> None:
    async with fake_ami(answers={"Setvar": successfully_queued}) as server, live_on(server) as (session, _, _):
        await session.set_global("ARI_RECORDER_HEARTBEAT", "1")
        assert session.live
        assert server.accepted == 1


async def test_stock_loses_the_connection_by_an_ordinary_answer() -> None:
    async with (
        fake_ami(answers={"PlayDTMF": successfully_queued}) as server,
        stock_on(server, reconnect_timeout=60) as stock,
    ):
        future = stock.manager.send_action({"Action": "PlayDTMF", "Channel": "x", "Digit": "1"})
        await stock.until(lambda: not stock.manager._connected)
        assert not future.done()


# C4


def silent(_: Client, __: Action) -> None:
    return None


async def test_a_silent_peer_is_noticed_and_told_as_a_gap() -> None:
    async with fake_ami(answers={"Ping": silent}) as server, live_on(server) as (_, heard, _):
        await heard.until_came(Gap, timeout=3)
        assert "not even to a Ping" in heard.of(Gap)[0].because
        await heard.until_came(ResyncBegan, 2)
        assert server.accepted >= 2


async def test_a_peer_that_answers_pings_stays() -> None:
    async with fake_ami() as server, live_on(server) as (session, heard, _):
        await server.wait_for("Ping", 3)
        assert session.live
        assert not heard.of(Gap)


async def test_a_peer_that_talks_but_answers_late_stays() -> None:
    async with fake_ami(answers={"Ping": silent}) as server, live_on(server) as (session, heard, client):
        for number in range(12):
            await asyncio.sleep(0.1)
            client.send(hangup(f"1.{number}"))
        assert session.live
        assert not heard.of(Gap)


async def test_stock_never_notices_a_silent_peer() -> None:
    async with (
        fake_ami(answers={"Ping": silent}) as server,
        stock_on(server, ping_delay=0, ping_interval=1) as stock,
    ):
        await server.wait_for("Ping", 3)
        assert stock.manager._connected
        assert stock.manager.authenticated
        assert server.accepted == 1


# C5


async def test_a_lost_connection_is_a_gap_and_the_state_is_asked_for_again() -> None:
    async with fake_ami(channels=["1.1", "1.2"]) as server, live_on(server) as (session, heard, client):
        server.channels = ["1.2"]
        client.drop()
        await heard.until(lambda _: heard.story.count("ResyncDone") == 2)
        assert heard.story == [
            "ResyncBegan",
            "ChannelRow 1.1",
            "ChannelRow 1.2",
            "ResyncDone",
            "Gap",
            "ResyncBegan",
            "ChannelRow 1.2",
            "ResyncDone",
        ]
        await session.wait_live(2)
        assert session.health().counters.gaps == 1


# C6


async def test_an_action_is_never_sent_twice() -> None:
    async with fake_ami(answers={"StopMixMonitor": silent}) as server, live_on(server) as (session, heard, client):
        stop = asyncio.create_task(session.stop_mixmonitor("1.1", "0x1"))
        await server.wait_for("StopMixMonitor")
        client.drop()
        with pytest.raises(AmiOutcomeUnknown, match="connection was lost"):
            await stop
        await heard.until_came(ResyncBegan, 2)
        await session.wait_live(2)
        await session.set_global("X", "after everything else")
        assert server.count("StopMixMonitor") == 1


async def test_an_action_while_down_is_refused_at_once() -> None:
    async with fake_ami() as server, live_on(server) as (session, heard, _):
        await server.stop()
        await heard.until_came(Gap)
        with pytest.raises(AmiNotLive, match="StopMixMonitor"):
            await session.stop_mixmonitor("1.1", "0x1")


async def test_stock_sends_an_unanswered_action_again() -> None:
    async with fake_ami(answers={"Hangup": silent}) as server, stock_on(server, reconnect_timeout=0) as stock:
        stock.manager.send_action({"Action": "Hangup", "Channel": "x"})
        await server.wait_for("Hangup")
        server.clients[-1].drop()
        await server.wait_for("Hangup", 2)


# C7


async def test_an_action_without_an_answer_ends_by_its_deadline() -> None:
    async with fake_ami(answers={"Setvar": silent}) as server, live_on(server) as (session, _, _):
        with pytest.raises(AmiOutcomeUnknown, match="no answer came within 1 s"):
            await session.set_global("X", "1")


def cut_list(client: Client, action: Action) -> None:
    client.send(rows_begin(action["ActionID"]) + row("1.1", action["ActionID"]))
    asyncio.get_running_loop().call_later(0.05, client.drop)


async def test_a_list_cut_in_the_middle_is_a_gap_and_no_resync_is_done() -> None:
    async with fake_ami(answers={"Status": cut_list}) as server, session_on(server) as (session, heard):
        await heard.until_came(Gap)
        assert heard.story == ["ResyncBegan", "ChannelRow 1.1", "Gap"]
        assert not session.live
        del server.answers["Status"]
        await session.wait_live(3)


async def test_stock_waits_for_ever_for_a_list_that_was_cut() -> None:
    async with fake_ami(answers={"Status": cut_list}) as server, stock_on(server, reconnect_timeout=0) as stock:
        future = stock.manager.send_action({"Action": "Status"})
        await server.wait_for("Login", 2)
        await stock.until(lambda: stock.manager.authenticated)
        await asyncio.sleep(0.2)
        assert not future.done()


async def test_a_list_shorter_than_promised_is_no_resync() -> None:
    def short(_: Client, action: Action) -> bytes:
        identity = action["ActionID"]
        return rows_begin(identity) + row("1.1", identity) + rows_end(identity, 2)

    async with fake_ami(answers={"Status": short}) as server, session_on(server) as (_, heard):
        await heard.until_came(Gap)
        assert "1 of its rows came, 2 were promised" in heard.of(Gap)[0].because


async def test_a_login_without_an_answer_is_tried_again() -> None:
    async with fake_ami(answers={"Login": silent}) as server, session_on(server) as (session, _):
        with pytest.raises(AmiUnreachable, match="no answer came within 2 s to the log-in"):
            await session.wait_live(3)
        await server.wait_for("Login", 2)


async def test_without_the_right_to_read_system_the_session_still_becomes_live() -> None:
    async with fake_ami(fully_booted=False) as server, live_on(server) as (session, _, _):
        assert session.live


async def test_a_pbx_that_finishes_starting_late_is_asked_again() -> None:
    async with fake_ami(fully_booted=False) as server, live_on(server) as (session, heard, client):
        server.fully_booted = True
        client.send(frame(("Event", "FullyBooted"), ("Privilege", "system,all"), ("Status", "Fully Booted")))
        await heard.until_came(ResyncBegan, 2)
        await session.wait_live(2)


# C8


async def test_a_letter_split_between_segments_stays_whole() -> None:
    async with fake_ami() as server, live_on(server) as (session, heard, client):
        await client.send_in_bytes(join("1.1", CallerIDName="Иванов Пётр") + join("1.2", CallerIDName="Åsa Öst"))
        await heard.until_came(QueueCallerJoin, 2)
        assert [event.caller.name for event in heard.of(QueueCallerJoin)] == ["Иванов Пётр", "Åsa Öst"]
        assert session.health().counters.not_utf8 == 0


async def test_stock_damages_a_letter_split_between_segments() -> None:
    async with fake_ami() as server, stock_on(server) as stock:
        wire = join("1.1", CallerIDName="Иванов")
        middle = wire.index("в".encode()) + 1
        server.clients[-1].send(wire[:middle])
        await asyncio.sleep(0.05)
        server.clients[-1].send(wire[middle:])
        await stock.until(lambda: bool(stock.names))
        assert stock.messages[-1]["calleridname"] == "Ианов"


# C9


async def test_a_latin_1_name_is_kept_and_counted() -> None:
    async with fake_ami() as server, live_on(server) as (session, heard, client):
        client.send(join("1.1", CallerIDName="NAME").replace(b"NAME", "José Mäkinen".encode("latin-1")))
        await heard.until_came(QueueCallerJoin)
        assert heard.of(QueueCallerJoin)[0].caller.name == "José Mäkinen"
        assert session.health().counters.not_utf8 == 1


async def test_stock_deletes_latin_1_letters() -> None:
    async with fake_ami() as server, stock_on(server) as stock:
        server.clients[-1].send(join("1.1", CallerIDName="NAME").replace(b"NAME", "José".encode("latin-1")))
        await stock.until(lambda: bool(stock.names))
        assert stock.messages[-1]["calleridname"] == "Jos"


# C10

INJECTION = "PJSIP/x\r\n\r\nAction: Hangup\r\nChannel: PJSIP/y"


async def test_a_line_break_in_a_value_never_reaches_the_wire() -> None:
    async with fake_ami() as server, live_on(server) as (session, _, _):
        for value in (INJECTION, "a\rb", "a\nb", "a\0b"):
            with pytest.raises(AmiValueRefused, match="line break"):
                await session.get_variable(value, "X")
            with pytest.raises(AmiValueRefused, match="line break"):
                await session.set_global("X", value)
        await session.set_global("X", "last")
        assert server.count("Hangup") == 0
        assert server.count("Getvar") == 1  # the resync's own
        assert server.count("Setvar") == 1


async def test_stock_sends_a_second_action_hidden_in_a_value() -> None:
    async with fake_ami() as server, stock_on(server) as stock:
        stock.manager.send_action({"Action": "Getvar", "Channel": INJECTION, "Variable": "X"})
        await server.wait_for("Hangup")


# C11


async def test_rows_and_live_events_keep_the_order_of_the_wire() -> None:
    def rows_then_hangup(_: Client, action: Action) -> bytes:
        identity = action["ActionID"]
        return (
            hangup("1.0")
            + rows_begin(identity)
            + row("1.1", identity)
            + row("1.2", identity)
            + rows_end(identity, 2)
            + hangup("1.1")
        )

    async with fake_ami(answers={"Status": rows_then_hangup}) as server, session_on(server) as (_, heard):
        await heard.until_came(Hangup, 2)
        assert heard.story == [
            "ResyncBegan",
            "Hangup 1.0",
            "ChannelRow 1.1",
            "ChannelRow 1.2",
            "ResyncDone",
            "Hangup 1.1",
        ]


async def test_stock_shows_a_list_after_the_events_that_followed_it() -> None:
    order: list[str] = []

    def rows_then_hangup(_: Client, action: Action) -> bytes:
        identity = action["ActionID"]
        return rows_begin(identity) + row("1.1", identity) + rows_end(identity, 1) + hangup("1.1")

    def callback(_: object, message: dict[str, str]) -> None:
        order.append(message["event"])

    async with fake_ami(answers={"Status": rows_then_hangup}) as server, stock_on(server, callback) as stock:
        await stock.manager.send_action({"Action": "Status"})
        order.append("rows")
        assert order[-2:] == ["Hangup", "rows"]
