"""The disk of the service stops answering for a minute under a hundred calls, and answers again: keys, vault, journal
and database are all on it. Who is recorded goes on being recorded, the memory stays where it was, and nothing is lost.

A real ext4 on a loop device that is frozen (FIFREEZE): whoever writes to it waits. Needs root, for the loop device.
"""

import asyncio
import time
from pathlib import Path

from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_least, at_most, none_of, shown
from tests.faults.mounts import MIB, frozen, on_a_disk
from tests.faults.weigh import alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.lab import CROWD_NUMBER, CROWD_NUMBER_ARMED, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import installed_service

AT_ONCE = 100
AGENTS = 150
TALK = (20.0, 120.0)
WARM = 40.0  # before the memory is looked at
MOST_GROWTH = 64 * MIB
SIZE = 1024 * MIB


def resident_bytes(pid: int) -> int:
    """Of the process alone: PostgreSQL is another."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel tells no VmRSS")


async def stall(lab: Lab, folder: Path, seed: int, seconds: float, at_once: int, tell: Tell) -> list[Figure]:
    async with installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service:
        with on_a_disk(service.state, folder / "disk.img", SIZE):
            await service.start(60)
            assert service.process is not None
            pid = service.process.pid
            async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
                calling = asyncio.create_task(crowd.keep(at_once, TALK, (CROWD_NUMBER, CROWD_NUMBER_ARMED)))
                await asyncio.sleep(WARM)
                before = most = resident_bytes(pid)
                since = time.time()
                with frozen(service.state):
                    while time.time() - since < seconds:
                        await asyncio.sleep(0.2)
                        most = max(most, resident_bytes(pid))
                until = time.time()
                talking = crowd.talking
                tell(
                    f"  answers again after {until - since:.0f} s; {talking} talk, memory +{(most - before) >> 20} MiB"
                )
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    await asyncio.sleep(0.2)
                    most = max(most, resident_bytes(pid))
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
                await lab.quiet()
            # While it hung, orders waited for the journal: for a call that came then, it was as if nobody was there.
            after = await gather(service, crowd.facts, witness.testimony, [(since, until + 2)])
            write_facts(crowd.facts, folder / "facts")
            await service.stop()
    return [
        at_least("conversations while it hung", talking, at_once * 0.6),
        shown("memory before, MiB", before / MIB),
        at_most("its growth at most, MiB", (most - before) / MIB, MOST_GROWTH / MIB),
        none_of("ends by itself", [] if service.process is None else ["see stderr.txt"]),
        *weigh(after),
        *alarms(after),
    ]


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        return await stall(lab, folder, seed, count, AT_ONCE, tell)


SCENARIO = Scenario(
    name="stall", what="the disk stops answering for so many seconds under 100 calls", count=60, run=run, mounts=True
)
