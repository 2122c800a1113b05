"""Half an hour and more of as many calls as the machine carries, and something wrong every minute: what grows?

    AMI cut · AMI black-holed · database frozen · its backends ended · database restarted · the PBX killed

Memory and descriptors of the service are looked at when each minute is over. The service itself is killed in the second
and the third minute only: the first and the last third of its longest life are compared.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from ari_recorder.storage.embedded import EmbeddedPostgres
from tests.faults.ami import kill_pbx, live
from tests.faults.commits import of_proxy, socket_of
from tests.faults.crowd import Crowd
from tests.faults.database import CONNECTIONS, Server, backends_ended, frozen, restarted
from tests.faults.figures import Figure, Scenario, Tell, at_least, at_most, none_of, shown
from tests.faults.mounts import MIB
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.faults.stall import resident_bytes
from tests.faults.weigh import FORGIVEN, alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.asterisk import free_port
from tests.lab.lab import CROWD_NUMBER, CROWD_NUMBER_ARMED, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

AT_ONCE = 60
AGENTS = 100
TALK = (5.0, 60.0)
EVERY = 60.0
FAULT = 10.0
# The first minutes fill caches and pools.
WARM_UP = 3
MOST_GROWTH = 24 * MIB
MOST_DESCRIPTORS = 12


@dataclass
class House:
    lab: Lab
    service: Service
    crowd: Crowd
    ami: FaultProxy
    server: Server
    away: list[tuple[float, float]] = field(default_factory=list)
    died: list[float] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    lives: list[list[tuple[int, int]]] = field(default_factory=lambda: [[]])  # memory and descriptors, minute by minute

    def look(self) -> None:
        process = self.service.process
        assert process is not None
        if process.returncode is not None:
            self.ended.append(f"exit code {process.returncode}")
            return
        descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
        self.lives[-1].append((resident_bytes(process.pid), descriptors))


async def _ami_cut(house: House) -> None:
    since = time.time()
    house.ami.reset()
    await live(house.service)
    house.away.append((since, time.time()))


async def _ami_black_holed(house: House) -> None:
    since = time.time()
    house.ami.stall()
    await asyncio.sleep(FAULT)
    house.ami.flow()
    await live(house.service)
    house.away.append((since, time.time()))


async def _database_frozen(house: House) -> None:
    async with frozen(house.server):
        await asyncio.sleep(FAULT)


async def _backends_ended(house: House) -> None:
    async with backends_ended(house.server):
        pass


async def _database_restarted(house: House) -> None:
    async with restarted(house.server):
        pass


async def _service_killed(house: House) -> None:
    since = time.time()
    await house.service.kill()
    await house.service.start(60)
    house.away.append((since, time.time()))
    house.lives.append([])


async def _pbx_killed(house: House) -> None:
    house.died.append(time.time())
    house.away.append(await kill_pbx(house.lab, house.service, house.crowd))


FAULTS: dict[str, Callable[[House], Awaitable[None]]] = {
    "AMI cut": _ami_cut,
    "database frozen": _database_frozen,
    "AMI black-holed": _ami_black_holed,
    "backends ended": _backends_ended,
    "PBX killed": _pbx_killed,
    "database restarted": _database_restarted,
}


async def soak(lab: Lab, folder: Path, seed: int, minutes: int, at_once: int, tell: Tell) -> list[Figure]:
    embedded = EmbeddedPostgres(
        folder / "database", folder / "database-logs", settings={"max_connections": str(CONNECTIONS)}
    )
    dsn = await embedded.start()
    try:
        async with fault_proxy(socket_of(dsn), seed) as of_database, fault_proxy(lab.pbx.ami_port, seed) as of_ami:
            settings = {"port": str(of_ami.port), "database.dsn": f'"{of_proxy(dsn, of_database)}"'}
            server = Server(embedded=embedded, proxy=of_database, dsn=dsn)
            async with installed_service(
                lab, folder / "service", (CROWD_QUEUE,), free_port(socket.SOCK_STREAM), settings
            ) as service:
                await service.start(60)
                return await _soak(lab, folder, seed, minutes, at_once, tell, service, of_ami, server)
    finally:
        await embedded.stop()


async def _soak(
    lab: Lab,
    folder: Path,
    seed: int,
    minutes: int,
    at_once: int,
    tell: Tell,
    service: Service,
    of_ami: FaultProxy,
    server: Server,
) -> list[Figure]:
    async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
        house = House(lab=lab, service=service, crowd=crowd, ami=of_ami, server=server)
        calling = asyncio.create_task(crowd.keep(at_once, TALK, (CROWD_NUMBER, CROWD_NUMBER_ARMED)))
        try:
            await _minutes(house, seed, minutes, tell)
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        await lab.quiet()
    after = await gather(service, crowd.facts, witness.testimony, house.away)
    after.pbx_died = tuple(house.died)
    write_facts(crowd.facts, folder / "facts")
    await service.stop()
    longest = max(house.lives, key=len)
    return [
        at_least("conversations at the same time, at most", crowd.most, at_once * 0.7),
        shown("minutes of the longest life", len(longest)),
        none_of("ends by itself", house.ended),
        *_growth(longest),
        *weigh(after, FORGIVEN),
        *alarms(after),
    ]


async def _minutes(house: House, seed: int, minutes: int, tell: Tell) -> None:
    order = list(FAULTS)
    random.Random(f"{seed} soak").shuffle(order)
    faults = itertools.cycle(order)
    for minute in range(minutes):
        began = time.monotonic()
        # Twice: early, and then no more, so that one life is long enough to tell what grows.
        name = "service killed" if minute in (1, 2) else next(faults)
        await (_service_killed if name == "service killed" else FAULTS[name])(house)
        await asyncio.sleep(max(0.0, began + EVERY - time.monotonic()))
        house.look()
        memory, descriptors = house.lives[-1][-1] if house.lives[-1] else (0, 0)
        tell(
            f"  minute {minute + 1}, {name}: {len(house.crowd.facts)} calls, {house.crowd.talking} talk, "
            f"{memory / MIB:.1f} MiB, {descriptors} descriptors"
        )


def _growth(life: list[tuple[int, int]]) -> list[Figure]:
    """The middle of the last third against that of the first, after a warm-up."""
    life = life[WARM_UP:]
    third = max(1, len(life) // 3)
    first, last = life[:third], life[-third:]

    def middle(minutes: list[tuple[int, int]], which: int) -> float:
        return statistics.median([one[which] for one in minutes])

    return [
        shown("memory in the first third, MiB", middle(first, 0) / MIB),
        at_most("its growth to the last third, MiB", (middle(last, 0) - middle(first, 0)) / MIB, MOST_GROWTH / MIB),
        shown("descriptors in the first third", middle(first, 1)),
        at_most("their growth to the last third", middle(last, 1) - middle(first, 1), MOST_DESCRIPTORS),
    ]


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        return await soak(lab, folder, seed, count, AT_ONCE, tell)


SCENARIO = Scenario(
    name="soak", what="60 calls at once for so many minutes, and a fault in each of them", count=32, run=run
)
