"""services/retelling.py: after an absence hundreds of calls are told again, and what lives now does not wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ari_recorder.domain.events import CallRetold, Event, FilesClosed, ResyncDone, Uniqueid
from ari_recorder.services import retelling
from ari_recorder.services.adopt import Adoption, Missed
from ari_recorder.services.presence import Lack, Presence
from ari_recorder.services.retelling import FEW, Retelling
from tests.services.test_quarantine import until

NOW = datetime.now(UTC)
LIVE = cast(FilesClosed, "live")


def retold(number: int) -> CallRetold:
    return CallRetold(at=NOW, uniqueid=Uniqueid(f"1700000000.{number}"), events=())


def told(at: datetime = NOW) -> ResyncDone:
    return ResyncDone(at=at, complete=True)


@dataclass
class Line:
    """A recorder that decides at once, and whose presence is looked at. `missed` waits until it is `readable`."""

    missed: Missed
    readable: asyncio.Event = field(default_factory=asyncio.Event)
    ours: tuple[Any, ...] = ()
    fails: Exception | None = None
    orders: int = 0
    decided: list[Event] = field(default_factory=list)
    presence: list[str] = field(default_factory=list)
    disposed: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox: asyncio.Queue[Event] = asyncio.Queue()
        self.retelling = Retelling(
            adoption=cast(Adoption, SimpleNamespace(missed=self._missed, dispose=self._dispose)),
            inbox=self.inbox,
            presence=cast(Presence, SimpleNamespace(extend=self._extend, back=self._back)),
            calls=lambda: self.ours,
            busy=lambda: self.inbox.qsize() + self.orders,
        )

    async def _missed(self, **_: object) -> Missed:
        await self.readable.wait()
        if self.fails:
            raise self.fails
        return self.missed

    async def _dispose(self, orphans: object, _: object) -> None:
        self.disposed.append(orphans)

    def _extend(self, lack: Lack) -> None:
        self.presence.append(f"without {lack.value}")

    def _back(self, _: datetime, lack: Lack) -> None:
        self.presence.append(f"with {lack.value}")

    async def decide(self) -> None:
        while True:
            self.decided.append(await self.inbox.get())
            await asyncio.sleep(0)

    async def over(self) -> None:
        await until(lambda: not self.retelling.under_way and self.inbox.empty())


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Line]]:
    deciding: list[asyncio.Task[None]] = []

    def made(*calls: CallRetold, readable: bool = True) -> Line:
        line = Line(Missed(codes=(), calls=calls, orphans=()))
        if readable:
            line.readable.set()
        deciding.append(asyncio.create_task(line.decide()))
        return line

    yield made
    for task in deciding:
        task.cancel()
    await asyncio.gather(*deciding, return_exceptions=True)


async def test_a_call_that_lives_stands_behind_a_few(make: Callable[..., Line]) -> None:
    calls = tuple(retold(n) for n in range(100))
    line = make(*calls)
    line.retelling.begin(told(), (), NOW)
    await until(lambda: len(line.decided) >= 3)
    before = len(line.decided)
    await line.inbox.put(LIVE)
    await line.over()
    assert line.decided.index(LIVE) <= before + FEW + 1
    assert [one for one in line.decided if one != LIVE] == [told(), *calls]


async def test_it_waits_until_what_was_ordered_is_done(make: Callable[..., Line]) -> None:
    """Each call that is told again leads to orders; hundreds at once would be before those of calls that live."""
    line = make(retold(1), retold(2))
    line.orders = FEW + 1
    line.retelling.begin(told(), (), NOW)
    await asyncio.sleep(0.1)
    assert line.decided == [told()]
    line.orders = FEW
    await line.over()
    assert line.decided == [told(), retold(1), retold(2)]


async def test_what_lives_is_heard_while_it_is_looked_for_what_was_missed(make: Callable[..., Line]) -> None:
    line = make(retold(1), readable=False)
    line.retelling.begin(told(), (), NOW)
    await line.inbox.put(LIVE)
    await until(lambda: line.decided == [LIVE])
    assert line.retelling.holds
    line.readable.set()
    await line.over()
    assert line.decided == [LIVE, told(), retold(1)]
    assert not line.retelling.holds


async def test_nobody_is_there_until_all_is_told(make: Callable[..., Line]) -> None:
    line = make(retold(1))
    line.orders = FEW + 1
    line.retelling.begin(told(), (), NOW)
    await until(lambda: line.decided == [told()])
    assert line.presence == ["without missed"]
    line.orders = 0
    await line.over()
    assert line.presence == ["without missed", "with missed"]
    assert line.disposed == [()]


async def test_a_call_that_we_have_is_told_before_it_is_ended(make: Callable[..., Line]) -> None:
    """It came while we were there, and went while we were not: with the end alone, nothing was recorded of it."""
    line = make(retold(1), retold(2))
    line.ours = (SimpleNamespace(uniqueid=retold(2).uniqueid, unanswered=False, recordings=()),)
    line.retelling.begin(told(), (), NOW)
    await line.over()
    assert line.decided == [retold(2), told(), retold(1)]


async def test_what_was_told_before_a_loss_does_not_end_what_is_told_after_it(make: Callable[..., Line]) -> None:
    line = make(retold(1), readable=False)
    line.retelling.begin(told(), (), NOW)
    await asyncio.sleep(0)
    line.retelling.void()
    line.readable.set()
    await line.over()
    assert line.decided == [retold(1)]


async def test_a_newer_look_takes_the_place_of_the_one_under_way(make: Callable[..., Line]) -> None:
    line = make(retold(1), readable=False)
    newer = told(NOW + timedelta(seconds=1))
    line.retelling.begin(told(), (), NOW)
    await asyncio.sleep(0)
    line.retelling.begin(newer, (), NOW)
    line.readable.set()
    await line.over()
    assert line.decided == [newer, retold(1)]


@pytest.mark.parametrize("fault", [None, OSError("the disk is gone"), ValueError("a fault of ours")])
async def test_a_log_that_cannot_be_read_holds_nothing_up(
    make: Callable[..., Line], monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    """Without a fault it hangs."""
    monkeypatch.setattr(retelling, "MISSED_WITHIN", 0.05)
    line = make(retold(1), readable=fault is not None)
    line.fails = fault
    line.retelling.begin(told(), (), NOW)
    await line.over()
    assert line.decided == [told()]
    assert line.presence == ["without missed", "with missed"]
