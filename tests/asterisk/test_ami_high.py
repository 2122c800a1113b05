"""The faults of stock panoramisk that hide trouble or waste the machine: H1 to H10, and its leaks of secrets."""

import asyncio
import gc
import logging
import time
from typing import Any

import pytest
import structlog
from panoramisk.manager import Manager
from panoramisk.message import Message

from ari_recorder.asterisk.ami import AmiSession, Phase
from ari_recorder.asterisk.ami_protocol import AmiAction, AmiProtocol
from ari_recorder.asterisk.ami_timing import Backoff
from ari_recorder.asterisk.frames import FRAME_MOST_BYTES, Framer, FrameTooLong, headers_of
from ari_recorder.domain.errors import AmiLoginRefused, AmiLost, AmiOutcomeUnknown, AmiUnreachable
from ari_recorder.domain.events import Gap, Hangup, QueueCallerJoin, ResyncDone
from tests.asterisk.ami_rig import FAST, TOKEN_SECRET, Stock, live_on, session_on, stock_on
from tests.asterisk.fake_ami import SECRET, Action, Client, FakeAmi, event, fake_ami, hangup, join, snapshot


def silent(_: Client, __: Action) -> None:
    return None


# H1


async def test_a_refused_login_is_a_clear_error_and_never_a_tight_loop() -> None:
    async with fake_ami() as server, session_on(server, secret="wrong") as (session, _):
        with pytest.raises(AmiLoginRefused, match="refused the AMI user ari-recorder: Authentication failed"):
            await session.wait_live(5)
        await asyncio.sleep(0.3)
        assert server.count("Login") == 1  # the next one is due after 0.5 s
        await server.wait_for("Login", 2)
        health = session.health()
        assert isinstance(health.trouble, AmiLoginRefused)
        assert health.counters.logins_refused == 1
        assert health.counters.logins == 0


async def test_a_secret_that_is_mended_is_found_without_a_restart() -> None:
    def refuse(_: Client, action: Action) -> bytes:
        return f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: Authentication failed\r\n\r\n".encode()

    async with fake_ami(answers={"Login": refuse}) as server, session_on(server) as (session, heard):
        await server.wait_for("Login")
        server.answers.clear()
        await heard.until_came(ResyncDone)
        await session.wait_live(1)
        assert session.health().trouble is None


async def test_a_pbx_that_is_stopping_is_unreachable_and_tried_again_soon() -> None:
    def stopping(_: Client, action: Action) -> bytes:
        return (
            f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: Asterisk is shutting down\r\n\r\n".encode()
        )

    async with fake_ami(answers={"Login": stopping}) as server, session_on(server) as (session, heard):
        await server.wait_for("Login")
        server.answers.clear()
        await heard.until_came(ResyncDone, timeout=3)
        assert session.health().counters.logins_refused == 0


async def test_stock_hides_a_refused_login_and_tries_again_at_once() -> None:
    async with fake_ami() as server:
        stock = Stock(server, reconnect_timeout=0)
        stock.manager.config["secret"] = "wrong"
        await stock.manager.connect()
        await server.wait_for("Login", 5, timeout=3)
        assert not stock.manager.authenticated
        stock.manager.connect = lambda *_: None
        stock.manager.close()
        await asyncio.sleep(0.05)


# H2


async def test_a_session_closed_while_down_never_comes_back() -> None:
    async with fake_ami() as server:
        async with live_on(server) as (session, heard, client):
            client.drop()
            await heard.until_came(Gap)
            await session.aclose()
            accepted = server.accepted
        await asyncio.sleep(0.5)
        assert server.accepted == accepted
        assert session.health().phase is Phase.CLOSED


async def test_closing_leaves_no_task_and_ends_the_stream() -> None:
    async with fake_ami() as server:
        before = asyncio.all_tasks()
        session = AmiSession(
            host="127.0.0.1", port=server.port, username="u", secret=SECRET, token_secret=TOKEN_SECRET, timing=FAST
        )
        run = asyncio.create_task(session.run())
        await session.wait_live(2)
        await session.aclose()
        await run
        assert [type(event).__name__ async for event in session.events()] == ["ResyncBegan", "ResyncDone"]
        await asyncio.sleep(0.05)
        ours = {task for task in asyncio.all_tasks() - before if "ami" in task.get_name()}
        assert not ours
        assert not server.clients


async def test_cancelling_run_closes_the_session() -> None:
    async with fake_ami() as server:
        session = AmiSession(
            host="127.0.0.1", port=server.port, username="u", secret=SECRET, token_secret=TOKEN_SECRET, timing=FAST
        )
        run = asyncio.create_task(session.run())
        await session.wait_live(2)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert session.health().phase is Phase.CLOSED
        with pytest.raises(RuntimeError):
            await session.run()


async def test_stock_closed_while_down_comes_back() -> None:
    async with fake_ami() as server, stock_on(server, reconnect_timeout=1) as stock:
        server.clients[-1].drop()
        await stock.until(lambda: not stock.manager._connected)
        stock.manager.close()
        await server.wait_for("Login", 2, timeout=3)


# H3


async def test_a_fault_of_any_class_is_tried_again() -> None:
    async with fake_ami() as server, session_on(server, host="pbx..local") as (session, _):
        with pytest.raises(AmiLost, match="a fault in this program"):
            await session.wait_live(0.5)
        assert session.health().counters.connections_failed >= 2


async def test_stock_gives_up_for_ever_after_such_a_fault() -> None:
    async with fake_ami() as server:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        stock = Stock(server, reconnect_timeout=0)
        stock.manager.config["host"] = "pbx..local"
        task = stock.manager.connect()
        await asyncio.wait({task})
        await asyncio.sleep(0.2)
        assert len(faults) == 1
        asyncio.get_running_loop().set_exception_handler(None)


# H4


def test_waits_double_up_to_their_bound_and_begin_anew_after_a_long_session() -> None:
    retry = Backoff(0.5, 30.0)
    waits = [retry.failed() for _ in range(12)]
    for wait, base in zip(waits, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30], strict=True):
        assert base <= wait <= base * 1.25
    assert len(set(waits)) == 12  # jitter
    assert retry.failed(lasted=5.0) >= 30
    assert retry.failed(lasted=60.0) <= 0.625


def test_refused_logins_stay_below_what_fail2ban_bans() -> None:
    refused, passed, attempts = Backoff(30.0, 120.0), 0.0, 0
    while passed < 600:
        attempts += 1
        passed += refused.failed()
    assert attempts <= 7


async def test_an_absent_pbx_is_a_clear_error_and_few_attempts() -> None:
    async with fake_ami() as server:
        port = server.port
    async with session_on(FakeAmi(port=port)) as (session, _):
        with pytest.raises(AmiUnreachable, match=f"127.0.0.1:{port} cannot be reached.*Is Asterisk running"):
            await session.wait_live(0.5)
        assert 2 <= session.health().counters.connections_failed <= 6


async def test_a_pbx_that_comes_later_is_found() -> None:
    async with fake_ami() as server:
        await server.stop()
        async with session_on(server) as (session, heard):
            with pytest.raises(AmiUnreachable):
                await session.wait_live(0.2)
            await server.start()
            await session.wait_live(2)
            await heard.until_came(ResyncDone)
            assert not heard.of(Gap)  # there was nothing to miss yet


def test_stock_makes_half_a_second_none() -> None:
    assert Manager(reconnect_timeout=0.5).reconnect_timeout == 0


# H6


async def test_a_flood_makes_no_tasks_and_loses_nothing() -> None:
    flood = b"".join(hangup(f"1.{number}") for number in range(5_000))
    async with fake_ami() as server, live_on(server) as (session, heard, client):
        tasks = len(asyncio.all_tasks())
        client.send(flood)
        await heard.until_came(Hangup)
        assert len(asyncio.all_tasks()) <= tasks
        await heard.until(lambda events: len(events) >= 5_002, timeout=20)
        assert [event.uniqueid for event in heard.of(Hangup)] == [f"1.{number}" for number in range(5_000)]
        assert session.health().counters.gaps == 0


async def test_stock_makes_a_task_of_every_event() -> None:
    async def callback(_: object, __: object) -> None:
        await asyncio.sleep(0.2)

    async with fake_ami() as server, stock_on(server, callback) as stock:
        tasks = len(asyncio.all_tasks())
        server.clients[-1].send(b"".join(hangup(f"1.{number}") for number in range(300)))
        await stock.until(lambda: len(asyncio.all_tasks()) > tasks + 200)
        await asyncio.sleep(0.4)


# H7


async def test_a_consumer_too_slow_is_a_gap_and_a_resync_and_reading_never_stops() -> None:
    async with fake_ami() as server:
        session = AmiSession(
            host="127.0.0.1",
            port=server.port,
            username="u",
            secret=SECRET,
            token_secret=TOKEN_SECRET,
            timing=FAST,
            waiting_most=100,
        )
        run = asyncio.create_task(session.run())
        await session.wait_live(2)
        client = server.clients[-1]
        # Nobody reads events; far more than any buffer is written, and the writer is never held up for long.
        for batch in range(20):
            client.send(b"".join(hangup(f"{batch}.{number}") for number in range(500)))
            try:
                async with asyncio.timeout(1):
                    await client.writer.drain()
            except ConnectionError:
                break
        await asyncio.sleep(0.5)
        assert not session.live
        assert session.health().waiting == 101  # what fitted, and the Gap
        assert server.accepted == 1  # no resync into a full queue

        story: list[Any] = []
        async for item in session.events():
            story.append(item)
            if len([e for e in story if isinstance(e, ResyncDone)]) == 2:
                break
        gap = next(position for position, item in enumerate(story) if isinstance(item, Gap))
        assert "too slow" in story[gap].because
        assert [item.uniqueid for item in story[2:gap]] == [f"0.{number}" for number in range(gap - 2)]
        await session.aclose()
        await run


# H8


async def test_what_was_never_answered_is_forgotten() -> None:
    async with fake_ami(answers={"Setvar": silent}) as server, live_on(server) as (session, _, _):
        results = await asyncio.gather(
            *(session.set_global("X", str(number)) for number in range(50)), return_exceptions=True
        )
        assert all(isinstance(result, AmiOutcomeUnknown) for result in results)
        live = [thing for thing in gc.get_objects() if type(thing) is AmiProtocol and not thing.closed]
        assert [len(protocol.responses) for protocol in live] == [0]


async def test_an_answer_after_the_deadline_changes_nothing() -> None:
    async with fake_ami(answers={"Setvar": silent}) as server, live_on(server) as (session, _, client):
        with pytest.raises(AmiOutcomeUnknown):
            await session.set_global("X", "1")
        action = await server.wait_for("Setvar")
        server.answers.clear()
        client.send(f"Response: Success\r\nActionID: {action['ActionID']}\r\n\r\n".encode())
        await session.set_global("X", "2")
        assert session.live


async def test_stock_keeps_every_unanswered_ping() -> None:
    async with (
        fake_ami(answers={"Ping": silent}) as server,
        stock_on(server, ping_delay=0, ping_interval=0) as stock,
    ):
        await server.wait_for("Ping", 20)
        assert len(stock.manager.responses) >= 20


# H9


def test_an_empty_last_value_and_a_missing_space_are_read() -> None:
    assert headers_of("Event: VarSet\r\nVariable: DIALSTATUS\r\nValue: ")["Value"] == ""
    assert headers_of("Response: Success\r\nAMIversion:11.0.0")["AMIversion"] == "11.0.0"
    assert headers_of("A: 1\r\na: 2") == {"A": "1", "a": "2"}
    assert headers_of("Variable: X=1=2\r\nVariable: Y=")["Variable(X)"] == "1=2"


def test_stock_loses_an_empty_last_value_and_a_header_without_a_space() -> None:
    message = Message.from_line("Event: VarSet\r\nA:1\r\nVariable: DIALSTATUS\r\nValue: ".strip())
    assert "Value" not in message
    assert "A" not in message


# H10


def cost(size: int) -> float:
    framer, fragment = Framer(), b"x" * 512
    begin = time.process_time()
    for _ in range(size // len(fragment)):
        framer.take(fragment)
    return time.process_time() - begin


def test_a_long_frame_costs_its_length_and_has_a_limit() -> None:
    short = min(cost(FRAME_MOST_BYTES // 8) for _ in range(5))
    long = min(cost(FRAME_MOST_BYTES) for _ in range(3))
    assert long < short * 8 * 4  # quadratic would be 64 times as much
    with pytest.raises(FrameTooLong):
        cost(FRAME_MOST_BYTES + 512)


async def test_a_message_without_an_end_ends_the_connection() -> None:
    async with fake_ami() as server, live_on(server) as (_, heard, client):
        client.send(b"Event: Hangup\r\n" + b"X: y\r\n" * 200_000)
        await heard.until_came(Gap)
        assert "without an end" in heard.of(Gap)[0].because


# What is logged and shown


async def test_neither_secret_nor_number_nor_name_is_ever_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "panoramisk")
    with structlog.testing.capture_logs() as lines:
        async with fake_ami() as server, live_on(server) as (session, heard, client):
            client.send(join("1.1") + join("1.2").replace(b"Queue: ", b"CallerIDNum: +358409999999\r\nQueue: "))
            client.send(event("UserEvent", *snapshot("1.3"), ("UserEvent", "AriRecorderCode"), ("Code", "+35840777")))
            await heard.until_came(QueueCallerJoin)
            client.drop()
            await heard.until_came(ResyncDone, 2)
            shown = f"{session!r} {session.health()!r} {heard.events!r} {AmiAction({'Action': 'X', 'Secret': SECRET})}"
        async with fake_ami() as server, session_on(server, secret="wrong-secret") as (session, _):
            with pytest.raises(AmiLoginRefused) as refused:
                await session.wait_live(5)
            shown += f"{refused.value} {session.health()!r}"
    everything = f"{lines} {[r.getMessage() for r in caplog.records if r.name != 'asyncio']} {shown}"
    assert "ami_event_refused" in everything
    for private in (SECRET, "wrong-secret", TOKEN_SECRET, "+3584", "Mäkinen"):
        assert private not in everything
