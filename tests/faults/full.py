"""Real file systems of 64 MiB that get full, one after the other, while calls go on: spool, vault, journal, database.

While one is full, what cannot be recorded is told: no call is called recorded and is shorter than it was, and there is
an alarm. When there is room again everything goes on without a hand: what could not be sealed or stored is, and each
new call is recorded, whole.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.faults.crowd import Crowd, Fact
from tests.faults.figures import Figure, Scenario, Tell, at_most, none_of, shown
from tests.faults.mounts import MIB, filled, small
from tests.faults.weigh import FORGIVEN, Aftermath, Stored, alarms, gather, write_facts
from tests.faults.witness import witness_of
from tests.lab.asterisk import free_port
from tests.lab.lab import CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

AT_ONCE = 6
AGENTS = 20
TALK = (2.0, 10.0)  # some are sealed while they go on
BETWEEN = 8.0  # some calls begin and end while nothing is full
SIZE = 64 * MIB
# An empty PostgreSQL is 40 MiB, and its log of changes 16 at least.
SIZE_OF_DATABASE = 160 * MIB
WELL_WITHIN = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`alarms`: one of these has to be raised while it is full."""

    name: str
    folder: Callable[[Service], Path]
    alarms: frozenset[str]


STEPS = (
    Step(
        name="vault",
        folder=lambda service: service.state / "vault",
        alarms=frozenset({"seal-failed", "live-seal-failed"}),
    ),
    Step(name="spool", folder=lambda service: service.lab.pbx.spool, alarms=frozenset({"files-not-growing"})),
    Step(
        name="journal",
        folder=lambda service: service.state / "journal",
        alarms=frozenset({"journal-failed", "disk-trouble"}),
    ),
    Step(name="database", folder=lambda service: service.state / "database", alarms=frozenset()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when it was full until everything was well again, by the clock of the lab."""

    step: Step
    since: float
    until: float
    told: frozenset[str]
    well_after: float

    @property
    def was_told(self) -> bool:
        return not self.step.alarms or bool(self.told & self.step.alarms)


async def trouble(lab: Lab, folder: Path, seed: int, seconds: float, tell: Tell) -> list[Figure]:
    """Each is full for so many seconds."""
    windows: list[Window] = []
    with contextlib.ExitStack() as mounts:
        async with installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service:
            service.monitor_port = free_port(socket.SOCK_STREAM)
            service.configure((CROWD_QUEUE,))
            await service.command("keys", "init")  # folders that are there look like an old installation
            for step in STEPS:
                size = SIZE_OF_DATABASE if step.name == "database" else SIZE
                mounts.enter_context(small(step.folder(service), size))
            await service.start(60)
            async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
                calling = asyncio.create_task(crowd.keep(AT_ONCE, TALK))
                try:
                    for step in STEPS:
                        await asyncio.sleep(BETWEEN)
                        windows.append(await _full(service, step, seconds))
                        tell(f"  {step.name}: well after {windows[-1].well_after:.1f} s; {len(crowd.facts)} calls")
                    await asyncio.sleep(BETWEEN)
                finally:
                    calling.cancel()
                    await asyncio.gather(calling, return_exceptions=True)
                await lab.quiet()
            after = await gather(service, crowd.facts, witness.testimony, [])
            write_facts(crowd.facts, folder / "facts")
            await service.stop()
    return [*_weighed(after, windows), *alarms(after)]


async def _full(service: Service, step: Step, seconds: float) -> Window:
    lines = len(service.log.read_bytes())
    since = time.time()
    with filled(step.folder(service)):
        await asyncio.sleep(seconds)
        told = _alarms_after(service, lines)
    freed = time.time()
    await _well(service)
    return Window(step=step, since=since, until=time.time(), told=told, well_after=time.time() - freed)


def _alarms_after(service: Service, start: int) -> frozenset[str]:
    lines = service.log.read_bytes()[start:].decode(errors="replace").splitlines()
    return frozenset(json.loads(line).get("alarm", "") for line in lines if '"alarm"' in line and line.endswith("}"))


async def _well(service: Service) -> None:
    """Until the service says that it is."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(10 * WELL_WITHIN):
        while True:
            async with http.get(f"http://127.0.0.1:{service.monitor_port}/health") as response:
                parts = {part["part"]: part["state"] for part in json.loads(await response.text())["parts"]}
            wanted = ("pbx", "journal", "spool", "database", "store")
            if all(parts[name] == "well" for name in wanted):
                return
            await asyncio.sleep(0.2)


def _weighed(after: Aftermath, windows: list[Window]) -> list[Figure]:
    of: dict[str, list[Stored]] = {}
    for one in after.stored:
        of.setdefault(one.uniqueid, []).append(one)
    talked = [fact for fact in after.facts if fact.connected is not None]
    apart = [fact for fact in talked if not any(_touches(fact, window) for window in windows)]
    silent, lost, inexact = [], [], []
    for fact in talked:
        row = after.ledger.get(fact.uniqueid)
        state = row["verdict"]["state"] if row else "nothing"
        heard = sum(one.row.duration.total_seconds() for one in of.get(fact.uniqueid, []) if one.row.duration)
        told = f"{fact}: {state} {row['verdict']['reason'] if row else ''}, {heard:.2f} s"
        if state in ("nothing", "pending") or (state == "recorded" and heard < fact.talk - FORGIVEN):
            silent.append(told)
        if fact in apart:
            if state != "recorded" or heard < fact.talk - 1:
                lost.append(told)
            inexact += [f"{one}: {one.problem}" for one in of.get(fact.uniqueid, []) if one.problem]
    return [
        shown("calls an agent took", len(talked)),
        shown("of them while nothing was full", len(apart)),
        shown("recordings stored", len(after.stored)),
        *(at_most(f"well again after: {one.step.name}, s", one.well_after, WELL_WITHIN) for one in windows),
        none_of(
            "file systems that got full and nobody was told",
            [
                f"{one.step.name}: {sorted(one.told)}"
                for one in windows
                if one.step.alarms and not one.told & one.step.alarms
            ],
        ),
        none_of("calls lost silently: called recorded and too short, or not known", silent),
        none_of("calls of other times that are not recorded whole", lost),
        none_of("recordings of other times that are not byte-exact", inexact),
        none_of("files left over or unknown", after.left),
        none_of("faults of the audit tree", [after.audit] if after.audit else []),
    ]


def _touches(fact: Fact, window: Window) -> bool:
    """The call was there while it was full, or before everything was well again."""
    return fact.begun < window.until + 1 and (fact.ended or fact.begun) > window.since


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        return await trouble(lab, folder, seed, count, tell)


SCENARIO = Scenario(
    name="full",
    what="file systems of 64 MiB get full under calls, each for so many seconds",
    count=60,
    run=run,
    mounts=True,
)
