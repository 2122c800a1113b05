"""Real calls: what the recorder takes beside the PBX that carries them, how soon it records, and how soon it is done.

Callers, phones, PBX, PostgreSQL and service share one machine. For each number of calls at once the peers are two
processes in the same seconds: the service, and Asterisk. How soon: a second AMI session sees AgentConnect and
MixMonitorStart of the same call, each with the PBX's own time, and the database is asked for its recording after the
caller has hung up.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ari_recorder import config
from ari_recorder.services import connect
from ari_recorder.storage.db import Database
from benchmarks.figures import Figure, Goal, middle, percentile
from tests.faults.crowd import Crowd, name_calls
from tests.faults.load import cpu_seconds
from tests.faults.mounts import MIB
from tests.faults.stall import resident_bytes
from tests.lab.ami_client import AmiClient, Message
from tests.lab.asterisk import LAB_USER
from tests.lab.lab import CROWD_NUMBER, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

AT_ONCE = (10, 50, 100)
AGENTS = 150
TALK = (20.0, 60.0)  # s; a call to a city takes minutes: what each costs at its beginning and end weighs more here
WARM = 15.0
SECONDS = 30.0
LOOK = 0.05
MOST_SHARE = 0.10
MOST_TO_CAPTURE_MS = 5.0
MOST_AT_REST = 150 * MIB
MOST_A_CALL = 1 * MIB
_FOUND = """
    SELECT call.uniqueid FROM call JOIN recording ON recording.call_id = call.id
    WHERE recording.state = 'sealed' AND call.uniqueid <> ALL ($1)
"""


@dataclass
class Watched:
    """Of each call, by its Linkedid or Uniqueid, which are one for a caller from outside; times as in time.time()."""

    connected: dict[str, float] = field(default_factory=dict)
    to_capture: list[float] = field(default_factory=list)  # s
    found: dict[str, float] = field(default_factory=dict)  # from when its recording can be found

    def hear(self, event: Message) -> None:
        if event.name == "AgentConnect":
            self.connected[event["Linkedid"]] = float(event["Timestamp"])
        elif event.name == "MixMonitorStart" and (began := self.connected.pop(event["Linkedid"], None)) is not None:
            self.to_capture.append(float(event["Timestamp"]) - began)

    async def look(self, database: Database) -> None:
        """Until it is cancelled."""
        while True:
            async with database.transaction() as conn:
                rows = await conn.fetch(_FOUND, list(self.found))
            self.found |= {row["uniqueid"]: time.time() for row in rows}
            await asyncio.sleep(LOOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """With so many calls at once: cores taken, and memory of the service."""

    calls: int
    pbx: float
    service: float
    database: float
    memory: int


def _database_cpu(service_pid: int) -> float:
    """CPU seconds of PostgreSQL, which the service has started: the postmaster's processes, also those that ended."""
    total = 0.0
    for postmaster in _children(service_pid):
        total += cpu_seconds(postmaster, ended_children=True)
        for pid in _children(postmaster):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                total += cpu_seconds(pid)
    return total


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


async def _level(lab: Lab, service: Service, crowd: Crowd, calls: int) -> Level:
    assert service.process is not None
    pid = service.process.pid
    calling = asyncio.create_task(crowd.keep(calls, TALK, (CROWD_NUMBER,)))
    try:
        await asyncio.sleep(WARM)
        before = cpu_seconds(lab.pbx.pid), cpu_seconds(pid), _database_cpu(pid)
        began = time.monotonic()
        memory = []
        while time.monotonic() - began < SECONDS:
            await asyncio.sleep(1)
            memory.append(resident_bytes(pid))
        took = time.monotonic() - began
        after = cpu_seconds(lab.pbx.pid), cpu_seconds(pid), _database_cpu(pid)
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    pbx, service_took, database = ((now - then) / took for now, then in zip(after, before, strict=True))
    return Level(calls=calls, pbx=pbx, service=service_took, database=database, memory=round(middle(memory)))


@asynccontextmanager
async def _watched(lab: Lab, service: Service) -> AsyncIterator[Watched]:
    watched = Watched()
    pbx = lab.pbx
    ami = await AmiClient.connect(
        pbx.ami_port, LAB_USER, pbx.lab_secret, watched.hear, keep=False, classes="call,agent"
    )
    settings = await asyncio.to_thread(config.load, service.config)
    async with connect.database(settings) as database:
        looking = asyncio.create_task(watched.look(database))
        try:
            yield watched
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await ami.close()


async def _measure(folder: Path) -> list[Figure]:
    async with (
        start_lab(folder / "lab", crowd=AGENTS) as lab,
        installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service,
    ):
        await service.start(60)
        assert service.process is not None
        async with _watched(lab, service) as watched, Crowd(lab, 1) as crowd:
            await crowd.call(2.0)  # what is made for the first call is there at rest
            await asyncio.sleep(5)
            at_rest = resident_bytes(service.process.pid)
            levels = [await _level(lab, service, crowd, calls) for calls in AT_ONCE]
            await lab.quiet()
            await asyncio.sleep(5)
        name_calls(crowd.facts, lab.pbx.queue_log)
        ended = {fact.uniqueid: fact.ended for fact in crowd.facts if fact.connected and fact.ended}
        to_find = [watched.found[call] - at for call, at in ended.items() if call in watched.found]
        lost = len(ended) - len(to_find)
        await service.stop()
    return [
        *(_cost(level) for level in levels),
        _soon("to-capture", "AgentConnect to MixMonitor at work", watched.to_capture, MOST_TO_CAPTURE_MS),
        _soon("to-find", f"hanging up to a recording that is found ({lost} of {len(ended)} not found)", to_find, None),
        *_memory(at_rest, levels[-1]),
    ]


def _cost(level: Level) -> Figure:
    return Figure(
        name=f"Asterisk's CPU to the recorder's (without its PostgreSQL), {level.calls} calls at once",
        ratio=level.pbx / level.service,
        goal=Goal(at_least=1 / MOST_SHARE),
        measured=f"recorder {level.service / level.pbx:.1%} (goal {MOST_SHARE:.0%}) of Asterisk's {level.pbx:.2f};"
        f" PostgreSQL {level.database:.3f} (cores)",
        details={"calls": level.calls, "pbx": level.pbx, "service": level.service, "database": level.database},
        key=f"calls-cpu-{level.calls}",
        bars={"recorder": level.service, "its PostgreSQL": level.database, "Asterisk": level.pbx},
        unit="cores",
        own=("its PostgreSQL",),
    )


def _soon(key: str, name: str, seconds: list[float], goal_ms: float | None) -> Figure:
    p50, p99 = (percentile(seconds, share) * 1000 for share in (0.5, 0.99))
    return Figure(
        name=f"{name}, p50 to p99",
        ratio=p50 / p99,
        goal=None if goal_ms is None else Goal(at_least=p50 / goal_ms),
        measured=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(seconds)}"
        + ("" if goal_ms is None else f" (goal {goal_ms:g} ms)"),
        details={"p50_ms": p50, "p99_ms": p99, "calls": len(seconds)},
        key=key,
        bars={"p50": p50, "p99": p99} | ({} if goal_ms is None else {"goal": goal_ms}),
        unit="ms",
        own=("p99",),
    )


def _memory(at_rest: int, most: Level) -> list[Figure]:
    a_call = max(1, most.memory - at_rest) / most.calls
    return [
        Figure(
            name="memory at rest: what is allowed to what is taken",
            ratio=MOST_AT_REST / at_rest,
            goal=Goal(at_least=1),
            measured=f"{at_rest / MIB:.0f} MiB (goal {MOST_AT_REST / MIB:.0f} MiB)",
            details={"mib": at_rest / MIB},
            key="memory-at-rest",
            bars={"at rest": at_rest / MIB, "goal": MOST_AT_REST / MIB},
            unit="MiB",
        ),
        Figure(
            name=f"memory a call, {most.calls} at once: what is allowed to what is taken",
            ratio=MOST_A_CALL / a_call,
            goal=Goal(at_least=1),
            measured=f"{a_call / MIB:.2f} MiB (goal {MOST_A_CALL / MIB:.0f}), {most.memory / MIB:.0f} MiB in all",
            details={"mib_a_call": a_call / MIB, "mib": most.memory / MIB},
            key="memory-a-call",
            bars={"a call": a_call / MIB, "goal": MOST_A_CALL / MIB},
            unit="MiB",
        ),
    ]


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))
