"""The service is killed (-9) at random points, and started anew, while twenty calls at a time go on.

Of three kills one is while it starts, one at any time after, and one right after a step of its work (steps.py). Half of
the callers are recorded by the service's order, half by the dialplan, which arms every recording of theirs. Killed
every few seconds it does not get done what twenty callers bring: from time to time it lives until it has caught up.
"""

import asyncio
import contextlib
import os
import random
import socket
import statistics
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_least, at_most, none_of, shown
from tests.faults.steps import STEPS, LogStep, Step, Watch
from tests.faults.weigh import Aftermath, alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.asterisk import free_port
from tests.lab.lab import CROWD_NUMBER, CROWD_NUMBER_ARMED, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

AT_ONCE = 20
AGENTS = 40  # a phone is free again a moment after its call
TALK = (1.2, 9.0)  # s: some end before MixMonitor's first 2.05 s are written, some are sealed while they last
STARTS_IN = 1.2  # s, about: kills while it starts are within
STEP_WITHIN = 2.5
START_UP = 5.0
# Kills until it may catch up. What is in the spool then but for the calls that go on, two files each, and what of the
# journal the database has not got.
BREATHES_AFTER = 50
FEW_FILES = 4 * AT_ONCE
FEW_CALLS = 5
CAUGHT_UP_WITHIN = 300.0
# How a service is known to be there: its heartbeat, by which the dialplan knows it.
LOOK = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When the next kill is: `after` s from the start (`step` None, not `ready`), from when it was there, or from the
    `nth` time of a step."""

    ready: bool
    after: float
    step: Step | None = None
    nth: int = 1

    @property
    def kind(self) -> str:
        if self.step is not None:
            return f"right after {self.step.what}"
        return "at any time" if self.ready else "while it starts"


def plans(seed: int, count: int) -> list[Plan]:
    rng = random.Random(f"{seed} kills")
    return [_plan(rng) for _ in range(count)]


def _plan(rng: random.Random) -> Plan:
    match rng.randrange(3):
        case 0:
            return Plan(ready=False, after=rng.uniform(0, STARTS_IN))
        case 1:
            return Plan(ready=True, after=rng.uniform(0, 1.5))
        case _:
            # At once, or in the middle of what follows.
            after = rng.choice([0.0, rng.uniform(0, 0.03)])
            return Plan(ready=True, after=after, step=rng.choice(STEPS), nth=rng.randint(1, 3))


class Killer:
    """`away` are the times without a service, as a caller of the lab would see them; `start_ups` in s."""

    def __init__(self, service: Service) -> None:
        self.away: list[tuple[float, float]] = []
        self.start_ups: list[float] = []
        self.kinds: Counter[str] = Counter()
        self.ended: list[str] = []  # by itself, which it never should
        self._service = service
        self._since = time.time()  # nobody is there
        self._was_there = False
        self._before = ""

    async def kill(self, plan: Plan) -> None:
        """One life: start, and kill as planned."""
        with Watch(self._service) as watch:
            began = time.monotonic()
            await self._spawn()
            if not plan.ready:
                await asyncio.sleep(plan.after)
            elif isinstance(plan.step, LogStep):
                await _within(watch.step(plan.step))
                await asyncio.sleep(plan.after)
            else:
                await self._there(began)
                if plan.step is not None:
                    await _within(watch.step(plan.step, plan.nth))
                await asyncio.sleep(plan.after)
        await self._end()
        self.kinds[plan.kind] += 1

    async def breathe(self) -> float:
        """One life until it has caught up; how long that took, s."""
        began = time.monotonic()
        await self._spawn()
        await self._there(began)
        while not await self._caught_up():
            if time.monotonic() - began > CAUGHT_UP_WITHIN:
                break
            await asyncio.sleep(0.5)
        await self._end()
        self.kinds["when it had caught up"] += 1
        return time.monotonic() - began

    async def _caught_up(self) -> bool:
        spooled = len(os.listdir(self._service.lab.pbx.spool))
        return spooled <= FEW_FILES and await self._service.waiting_calls() <= FEW_CALLS

    async def start(self) -> None:
        """For good."""
        began = time.monotonic()
        await self._spawn()
        await self._there(began)

    async def _spawn(self) -> None:
        # A moment ago, so that the dialplan does not arm by itself, and the first beat is seen.
        await self._service.lab.pbx.set_global("ARI_RECORDER_HEARTBEAT", str(int(time.time()) - 5))
        self._before = await self._service.heartbeat()
        await self._service.spawn()

    async def _there(self, began: float) -> None:
        process = self._service.process
        assert process is not None
        async with asyncio.timeout(60):
            while not await self._service.beats_since(self._before):
                if process.returncode is not None:
                    return  # told by `_end`
                await asyncio.sleep(LOOK)
        self.start_ups.append(time.monotonic() - began)
        self.away.append((self._since, time.time()))
        self._was_there = True

    async def _end(self) -> None:
        process = self._service.process
        assert process is not None
        if process.returncode is not None:
            self.ended.append(f"exit code {process.returncode}, see stderr.txt")
        else:
            await self._service.kill()
        self._service.process = None
        if self._was_there:
            self._was_there = False
            self._since = time.time()


async def _within(step: Coroutine[Any, Any, None]) -> None:
    """Some steps are rare: it is killed all the same."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(step, STEP_WITHIN)


async def kill_loop(
    lab: Lab, folder: Path, seed: int, count: int, tell: Tell, *, seconds: float = inf, patient: bool = True
) -> tuple[Killer, Aftermath, Crowd]:
    """So many kills, or as many as there is time for."""
    async with installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service:
        service.monitor_port = free_port(socket.SOCK_STREAM)
        service.configure((CROWD_QUEUE,))
        await service.start(60)  # the first makes keys and a database
        await service.stop()
        killer = Killer(service)
        async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
            calling = asyncio.create_task(crowd.keep(AT_ONCE, TALK, (CROWD_NUMBER, CROWD_NUMBER_ARMED)))
            began = time.monotonic()
            for n, plan in enumerate(plans(seed, count), 1):
                await killer.kill(plan)
                if n % BREATHES_AFTER == 0 and n < count:
                    took = await killer.breathe()
                    seconds_gone = time.monotonic() - began
                    tell(f"  {n} kills, {len(crowd.facts)} calls, {seconds_gone:.0f} s; caught up in {took:.0f} s")
                if calling.done():
                    calling.result()
                if time.monotonic() - began > seconds:
                    break
            await killer.start()
            calling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await calling
            await lab.quiet()
        after = await gather(service, crowd.facts, witness.testimony, killer.away, patient=patient)
        write_facts(crowd.facts, folder / "facts")
        await service.stop()
    return killer, after, crowd


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        began = time.monotonic()
        killer, after, crowd = await kill_loop(lab, folder, seed, count, tell)
        seconds = time.monotonic() - began
    return [
        at_least("kills", killer.kinds.total(), count),
        shown("seconds a kill", seconds / count),
        *(shown(f"kills {kind}", number) for kind, number in sorted(killer.kinds.items())),
        shown("conversations at the same time, at most", crowd.most),
        shown("start-up in the middle, s", statistics.median(killer.start_ups)),
        at_most("the longest start-up, s", max(killer.start_ups), START_UP),
        none_of("ends by itself", killer.ended),
        *weigh(after),
        *alarms(after),
    ]


SCENARIO = Scenario(
    name="kills", what="the service is killed at random points, 20 calls at a time", count=1000, run=run
)
