"""How many calls at once are recorded with nothing lost: by Asterisk with MixMonitor in its dialplan, and by ours.

Three climbs each, in turns, on a PBX of its own: ten callers more every few seconds, each talks for half a minute,
until nobody has any processor left. The peer has no service: MixMonitor's own files are measured. Of ours, the
recordings that are found in the database are. A call is lost when either side of its audio is more than a second and
1.5 % shorter than its talk, or not there; what was carried is the step before that in which the first such call began.
The middle counts.
"""

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from ari_recorder import config
from ari_recorder.services import connect
from benchmarks.figures import Figure, Goal, middle
from tests.faults.crowd import Crowd, Fact, name_calls
from tests.faults.load import machine_busy
from tests.lab.lab import CROWD_NUMBER, CROWD_NUMBER_ARMED, CROWD_QUEUE, MOST_OF_A_CROWD, Lab, start_lab
from tests.lab.service import Service, installed_service

BEGIN, MORE = 60, 10
EVERY = 7.0  # s
TALK = (20.0, 40.0)
MOST = MOST_OF_A_CROWD * 4 // 5  # some agents are always between two calls
NOTHING_LEFT = 0.98  # of all cores, over one step
SPARE_SECONDS, SPARE_SHARE = 1.0, 0.015  # what the ledger allows, and what MixMonitor takes to begin
BYTES_PER_SECOND = 16_000
SEALED_WITHIN = 120.0
WANTED = 0.9
ROUNDS = 3
_DURATIONS = """
    SELECT call.uniqueid, extract(epoch FROM sum(
        least((sides->'caller'->>'duration')::interval, (sides->'agent'->>'duration')::interval)))::float8 AS seconds
    FROM call JOIN recording ON recording.call_id = call.id
    WHERE recording.state = 'sealed' GROUP BY call.uniqueid
"""


@dataclass
class Climb:
    """Callers at a time, each since when."""

    steps: list[tuple[float, int]] = field(default_factory=list)

    def at(self, moment: float) -> int:
        return max((callers for since, callers in self.steps if since <= moment), default=0)

    @property
    def top(self) -> int:
        return self.steps[-1][1]


async def _climb(crowd: Crowd, number: str) -> Climb:
    climb, rng = Climb(), random.Random(1)
    calls: set[asyncio.Task[Fact]] = set()
    callers = BEGIN
    while callers <= MOST:
        climb.steps.append((time.time(), callers))
        until, before = time.monotonic() + EVERY, machine_busy()
        while time.monotonic() < until:
            if len(calls) < callers:
                task = asyncio.create_task(crowd.call(rng.uniform(*TALK), number))
                calls.add(task)
                task.add_done_callback(calls.discard)
            await asyncio.sleep(0.05)
        busy, of = (now - then for now, then in zip(machine_busy(), before, strict=True))
        if busy / of > NOTHING_LEFT:
            break
        callers += MORE
    await asyncio.gather(*calls, return_exceptions=True)
    return climb


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """`calls`: callers at once before anything was lost, of `top` tried; `lost` of `of` that were answered."""

    calls: int
    top: int
    lost: int
    of: int

    def __str__(self) -> str:
        return f"{self.calls} (up to {self.top}: {self.lost} of {self.of} lost)"


def _carried(climb: Climb, facts: list[Fact], heard: dict[str, float]) -> Carried:
    answered = [fact for fact in facts if fact.connected is not None]
    lost = [
        fact
        for fact in answered
        if fact.ended is None or heard.get(fact.uniqueid, 0.0) < fact.talk * (1 - SPARE_SHARE) - SPARE_SECONDS
    ]
    first = min((fact.connected for fact in lost if fact.connected is not None), default=None)
    calls = climb.top if first is None else max(climb.at(first) - MORE, 0)
    return Carried(calls=calls, top=climb.top, lost=len(lost), of=len(answered))


async def _alone(folder: Path) -> Carried:
    async with start_lab(folder, crowd=MOST_OF_A_CROWD) as lab, Crowd(lab, 1) as crowd:
        climb = await _climb(crowd, CROWD_NUMBER_ARMED)
        await lab.quiet(60)
        await asyncio.sleep(1)
        name_calls(crowd.facts, lab.pbx.queue_log)
        sizes: dict[str, list[int]] = {}
        for file in lab.pbx.spool.glob("net_*.sln"):
            sizes.setdefault(file.name.split("_")[1], []).append(file.stat().st_size)
        whole = {uniqueid: min(sides) / BYTES_PER_SECOND for uniqueid, sides in sizes.items() if len(sides) == 2}
        return _carried(climb, crowd.facts, whole)


async def _with_service(folder: Path) -> Carried:
    async with (
        start_lab(folder / "lab", crowd=MOST_OF_A_CROWD) as lab,
        installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service,
        Crowd(lab, 1) as crowd,
    ):
        await service.start(60)
        climb = await _climb(crowd, CROWD_NUMBER)
        await lab.quiet(60)
        name_calls(crowd.facts, lab.pbx.queue_log)
        heard = await _durations(service, lab, crowd.facts)
        await service.stop()
        return _carried(climb, crowd.facts, heard)


async def _durations(service: Service, lab: Lab, facts: list[Fact]) -> dict[str, float]:
    """Once all that lies in the spool is sealed."""
    settings = await asyncio.to_thread(config.load, service.config)
    deadline = time.monotonic() + SEALED_WITHIN
    async with connect.database(settings) as database:
        while True:
            async with database.transaction() as conn:
                rows = await conn.fetch(_DURATIONS)
            heard = {row["uniqueid"]: row["seconds"] for row in rows}
            waiting = any(lab.pbx.spool.glob("*.sln")) or len(heard) < sum(1 for fact in facts if fact.connected)
            if not waiting or time.monotonic() > deadline:
                return heard
            await asyncio.sleep(1)


async def _measure(folder: Path) -> list[Figure]:
    ours, alone = [], []
    for n in range(ROUNDS):
        alone.append(await _alone(folder / f"alone-{n}"))
        ours.append(await _with_service(folder / f"ours-{n}"))
    mine, peers = middle([one.calls for one in ours]), middle([one.calls for one in alone])
    return [
        Figure(
            name="calls recorded at once with nothing lost, to those of Asterisk's dialplan alone",
            ratio=mine / max(peers, 1),
            goal=Goal(at_least=WANTED),
            measured=f"with ari-recorder: {', '.join(map(str, ours))}\nAsterisk alone: {', '.join(map(str, alone))}",
            details={"ours": [one.calls for one in ours], "asterisk": [one.calls for one in alone]},
            key="calls-at-once",
            bars={"with ari-recorder": mine, "Asterisk alone": peers},
            unit="calls",
        )
    ]


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))
