"""As many real calls at once as are demanded of two cores, and many short ones beside them, nothing else going wrong.

A hundred long conversations are there all the time; meanwhile five callers a second come, talk for some seconds and
go. Callers, agents' phones and the PBX run on the same machine, and take most of it.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_least, shown
from tests.faults.weigh import alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.lab import CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

LONG = 100
# 1 to 2 s of announcement and ringing, the talk, and a moment on hook; some to spare.
AGENTS = 170
A_SECOND = 5.0
RAMP = 8.0  # long calls a second at the beginning
SHORT_TALK = (1.5, 4.0)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, for how many seconds."""

    long: int = LONG
    a_second: float = A_SECOND
    agents: int = AGENTS


def cpu_seconds(pid: int, *, ended_children: bool = False) -> float:
    """At work until now, with that of its children which have ended, if wanted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / _TICKS


def machine_busy() -> tuple[float, float]:
    """CPU seconds of all cores: at work, and in all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS, sum(fields) / _TICKS


async def figures(lab: Lab, folder: Path, seed: int, seconds: float, how: Load, tell: Tell) -> list[Figure]:
    async with installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service:
        await service.start(60)
        async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
            lasts = how.long / RAMP + seconds + 5
            long = asyncio.create_task(crowd.come(RAMP, how.long / RAMP, (lasts, lasts + 5)))
            async with asyncio.timeout(how.long / RAMP + 30):
                while crowd.talking < how.long:  # noqa: ASYNC110 - a number that events change
                    await asyncio.sleep(0.1)
            tell(f"  {crowd.talking} talk; now {how.a_second:g} more a second for {seconds:g} s")
            least, measured = await _measured(lab, service, crowd, seconds, how)
            await long
            await lab.quiet()
        after = await gather(service, crowd.facts, witness.testimony, [])
        write_facts(crowd.facts, folder / "facts")
        await service.stop()
    return [
        at_least("conversations at the same time, at least", least, how.long, timed=True),
        shown("conversations at the same time, at most", crowd.most),
        *measured,
        *weigh(after),
        *alarms(after),
    ]


async def _measured(lab: Lab, service: Service, crowd: Crowd, seconds: float, how: Load) -> tuple[int, list[Figure]]:
    assert service.process is not None
    pids = {"the PBX": lab.pbx.pid, "callers and phones": lab.world.pid, "the service": service.process.pid}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    busy_before, all_before = machine_busy()
    there_before = len(crowd.facts)
    began = time.monotonic()
    short = asyncio.create_task(crowd.come(how.a_second, seconds, SHORT_TALK))
    least = crowd.talking
    while time.monotonic() - began < seconds:
        least = min(least, crowd.talking)
        await asyncio.sleep(0.25)
    took = time.monotonic() - began
    came = len(crowd.facts) - there_before
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    busy, in_all = (now - then for now, then in zip(machine_busy(), (busy_before, all_before), strict=True))
    await short
    return least, [
        at_least("calls that came a second, and went", round(came / took, 2), how.a_second * 0.98, timed=True),
        *(shown(f"cores {name} took", used[name] / took) for name in pids),
        shown("the service's CPU, as a share of the PBX's", used["the service"] / used["the PBX"]),
        # Whatever else the machine does is not ours: with much of it, the figures are of no use.
        shown("cores everything else took", busy / in_all * (os.cpu_count() or 1) - sum(used.values()) / took),
    ]


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    how = Load()
    async with start_lab(folder / "lab", crowd=how.agents) as lab:
        return await figures(lab, folder, seed, count, how, tell)


SCENARIO = Scenario(
    name="load", what="100 calls at once, and 5 short ones a second, for so many seconds", count=120, run=run
)
