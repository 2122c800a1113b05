"""What a connection to the PBX does wrong while calls go on: events are lost, it is cut, nothing gets through.

Three of ten live events never arrive, all the time. Then, one after the other: the connection is cut every few seconds;
nothing gets through for a minute; the PBX itself is killed and started anew. At the end each call is weighed against
what the lab knows of it. Of calls that were answered while no service could give an order nobody demands a recording.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_least, none_of, shown
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.faults.weigh import FORGIVEN, alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.asterisk import free_port
from tests.lab.lab import CROWD_NUMBER, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

AT_ONCE = 20
AGENTS = 40
TALK = (3.0, 10.0)
LOST = 0.3
CUT_EVERY = (2.0, 6.0)
BLACK_HOLE = 60.0


@dataclass
class LosesEvents:
    """Of one connection: what comes from the PBX, without some of the live events. Answers and rows of lists arrive."""

    dice: random.Random
    share: float
    lost: list[int] = field(default_factory=lambda: [0, 0])  # lost, seen
    _rest: bytes = b""

    def __call__(self, data: bytes) -> bytes:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        kept = [message for message in whole if not self._is_lost(message)]
        passed = b"".join(message + b"\r\n\r\n" for message in kept)
        if not self._rest.startswith((b"Event", b"Response")) and b"Asterisk Call Manager" in self._rest:
            passed, self._rest = passed + self._rest, b""  # the greeting is no message
        return passed

    def _is_lost(self, message: bytes) -> bool:
        is_live = message.startswith(b"Event:") and b"\r\nActionID:" not in message
        if not is_live or message.startswith(b"Event: FullyBooted"):
            return False
        self.lost[1] += 1
        gone = self.dice.random() < self.share
        self.lost[0] += gone
        return gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds, and how many calls at least there are to be."""

    losing: float
    cutting: float
    black_hole: float
    after: float
    pbx_kills: int = 1
    calls: int = 0


async def trouble(
    lab: Lab, folder: Path, seed: int, times: Times, at_once: int, tell: Tell, *, patient: bool = True
) -> list[Figure]:
    lost = [0, 0]
    async with fault_proxy(lab.pbx.ami_port, seed) as proxy:
        proxy.editor = lambda: LosesEvents(proxy.dice, LOST, lost)
        settings = {"port": str(proxy.port)}
        monitor_port = free_port(socket.SOCK_STREAM)
        async with installed_service(lab, folder / "service", (CROWD_QUEUE,), 0, settings) as service:
            service.monitor_port = monitor_port
            service.configure((CROWD_QUEUE,))
            await service.start(60)
            away: list[tuple[float, float]] = []
            died: list[float] = []
            async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
                calling = asyncio.create_task(crowd.keep(at_once, TALK, (CROWD_NUMBER,)))
                try:
                    await _all(lab, service, proxy, crowd, times, away, died, tell)
                    calling.cancel()
                    await asyncio.gather(calling, return_exceptions=True)
                    calling = asyncio.create_task(asyncio.sleep(0))
                finally:
                    calling.cancel()
                    await asyncio.gather(calling, return_exceptions=True)
                await lab.quiet()
            after = await gather(service, crowd.facts, witness.testimony, away, patient=patient)
            after.pbx_died = tuple(died)
            write_facts(crowd.facts, folder / "facts")
            await service.stop()
    return [
        at_least("calls", len(crowd.facts), times.calls),
        shown("live events that were lost", lost[0]),
        shown("of so many", lost[1]),
        shown("connections", proxy.connections),
        none_of("too few events lost to mean anything", [] if lost[0] > 0.2 * lost[1] else [str(lost)]),
        *weigh(after, FORGIVEN),
        *alarms(after),
    ]


async def _all(
    lab: Lab,
    service: Service,
    proxy: FaultProxy,
    crowd: Crowd,
    times: Times,
    away: list[tuple[float, float]],
    died: list[float],
    tell: Tell,
) -> None:
    began = time.monotonic()
    while time.monotonic() - began < times.losing or len(crowd.facts) < times.calls / 3:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    tell(f"  events were lost for {time.monotonic() - began:.0f} s; {len(crowd.facts)} calls")
    began = time.monotonic()
    while time.monotonic() - began < times.cutting or len(crowd.facts) < times.calls * 2 / 3:
        await asyncio.sleep(proxy.dice.uniform(*CUT_EVERY))
        since = time.time()
        proxy.reset()
        await live(service)
        away.append((since, time.time()))
    tell(f"  cut every few seconds, {proxy.connections} connections; {len(crowd.facts)} calls")
    since = time.time()
    proxy.stall()
    await asyncio.sleep(times.black_hole)
    proxy.flow()
    await live(service)
    away.append((since, time.time()))
    tell(
        f"  black-holed for {times.black_hole:.0f} s, there again after {time.time() - since - times.black_hole:.1f} s"
    )
    for _ in range(times.pbx_kills):
        died.append(time.time())
        away.append(await kill_pbx(lab, service, crowd))
        tell(f"  the PBX killed, there again after {away[-1][1] - away[-1][0]:.1f} s; {len(crowd.facts)} calls")
        await asyncio.sleep(times.after)
    while len(crowd.facts) < times.calls:  # noqa: ASYNC110 - a list that events lengthen
        await asyncio.sleep(0.5)
    await asyncio.sleep(times.after)


async def kill_pbx(lab: Lab, service: Service, crowd: Crowd) -> tuple[float, float]:
    """With whoever talks. Phones would not be told, and hold a line nobody is at: they hang up. Since, until."""
    since = time.time()
    await lab.pbx.kill()
    await lab.world.cli("channel request hangup all")
    await lab.pbx.start()
    await crowd.quieten()
    await live(service)
    return since, time.time()


async def live(service: Service, within: float = 60.0) -> None:
    """Until the dialplan hears of the service again."""
    before = await service.heartbeat()
    async with asyncio.timeout(within):
        while not await service.beats_since(before):  # noqa: ASYNC110 - another program
            await asyncio.sleep(0.1)


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    times = Times(losing=60, cutting=60, black_hole=BLACK_HOLE, after=15, pbx_kills=3, calls=count)
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        return await trouble(lab, folder, seed, times, AT_ONCE, tell)


SCENARIO = Scenario(
    name="ami", what="events are lost, and the connection to the PBX is cut and black-holed", count=1000, run=run
)
