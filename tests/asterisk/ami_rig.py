"""A session of ours, and one of the stock library, on a fake PBX: what the AMI tests are built with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from panoramisk.manager import Manager

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.asterisk.ami_timing import AmiTiming
from ari_recorder.domain.events import ChannelEvent, Event, ResyncDone
from tests.asterisk.fake_ami import SECRET, Client, FakeAmi

TOKEN_SECRET = "ab" * 32

# Fast enough for a test, slow enough for a busy machine.
FAST = AmiTiming(
    connect=2.0,
    login=2.0,
    booted=1.0,
    answer=1.0,
    resync=2.0,
    ping_every=0.3,
    pong_within=0.3,
    retry_first=0.05,
    retry_most=0.2,
    refused_first=0.5,
    refused_most=1.0,
)


class Heard:
    """The one consumer of a session's events, which keeps what it reads."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Event()

    async def listen(self, session: AmiSession) -> None:
        async for event in session.events():
            self.events.append(event)
            self._came.set()

    async def until(self, enough: Callable[[list[Event]], bool], timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout):
            while not enough(self.events):
                self._came.clear()
                await self._came.wait()

    async def until_came(self, kind: type[Event], count: int = 1, timeout: float = 5.0) -> None:
        await self.until(lambda events: sum(isinstance(event, kind) for event in events) >= count, timeout)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def story(self) -> list[str]:
        """Names, and of which channel, without the times."""
        return [
            f"{type(event).__name__} {event.uniqueid}" if isinstance(event, ChannelEvent) else type(event).__name__
            for event in self.events
        ]


@asynccontextmanager
async def session_on(server: FakeAmi, **settings: Any) -> AsyncIterator[tuple[AmiSession, Heard]]:
    """A running session, not waited for, with its consumer."""
    session = AmiSession(
        **{
            "host": "127.0.0.1",
            "port": server.port,
            "username": "ari-recorder",
            "secret": SECRET,
            "token_secret": TOKEN_SECRET,
            "timing": FAST,
            **settings,
        }
    )
    heard = Heard()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run())
        tasks.create_task(heard.listen(session))
        try:
            yield session, heard
        finally:
            await session.aclose()


@asynccontextmanager
async def live_on(server: FakeAmi, **settings: Any) -> AsyncIterator[tuple[AmiSession, Heard, Client]]:
    """A session that is live and whose first resync was read."""
    async with session_on(server, **settings) as (session, heard):
        await session.wait_live(5)
        await heard.until_came(ResyncDone)
        yield session, heard, server.clients[-1]


class Stock:
    """The stock library on the same server, to show that a test can fail: `names` are the events it delivered."""

    def __init__(self, server: FakeAmi, **config: Any) -> None:
        self.messages: list[Any] = []
        self.faults: list[str] = []
        self.manager = Manager(
            host="127.0.0.1", port=server.port, username="ari-recorder", secret=SECRET, **{"ping_delay": 60, **config}
        )
        self.manager.loop = asyncio.get_running_loop()

    def take(self, _: Manager, message: Any) -> None:
        self.messages.append(message)

    @property
    def names(self) -> list[str]:
        return [message["event"] for message in self.messages if message["event"] != "FullyBooted"]

    async def until(self, enough: Callable[[], bool], timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout):
            while not enough():  # noqa: ASYNC110  (the stock library tells nobody)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def stock_on(
    server: FakeAmi, callback: Callable[..., object] | Callable[..., Awaitable[object]] | None = None, **config: Any
) -> AsyncIterator[Stock]:
    """The stock library, logged in. It is silenced, and prevented from coming back, only at the end."""
    stock = Stock(server, **config)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: stock.faults.append(str(context.get("exception") or context)))
    stock.manager.register_event("*", callback or stock.take)
    stock.manager.connect()
    try:
        await stock.until(lambda: stock.manager.authenticated)
        yield stock
    finally:
        stock.manager.connect = lambda *_: None
        stock.manager.close()
        await asyncio.sleep(0.02)
        loop.set_exception_handler(None)
