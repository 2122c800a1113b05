"""The service is not there for ten minutes, and calls go on: the dialplan's net records them, and they are adopted.

It was stopped in order, so the dialplan knows from the first caller on. Who waited in the queue in that moment came
before the net, and is the only one it does not know.
"""

import asyncio
import time
from pathlib import Path

from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_least, at_most, none_of, shown
from tests.faults.weigh import alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.lab import CROWD_NUMBER, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import installed_service

AT_ONCE = 20
AGENTS = 40
TALK = (3.0, 30.0)
# Adopted calls are sealed and stored as fast as the machine can; this is what a supervisor may wait for a call.
ADOPTED_WITHIN = 60.0


async def away(
    lab: Lab, folder: Path, seed: int, seconds: float, tell: Tell, talk: tuple[float, float] = TALK
) -> list[Figure]:
    async with installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service:
        await service.start(60)
        async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
            calling = asyncio.create_task(crowd.keep(AT_ONCE, talk, (CROWD_NUMBER,)))
            await asyncio.sleep(10)
            since = time.time()
            await service.stop()
            tell(f"  stopped with {crowd.talking} conversations")
            await asyncio.sleep(seconds)
            until = time.time()
            await service.start(60)
            started = time.time() - until
            tell(f"  started again after {until - since:.0f} s and {len(crowd.facts)} calls")
            await asyncio.sleep(5)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            await lab.quiet()
        began = time.monotonic()
        after = await gather(service, crowd.facts, witness.testimony, [(since, until + started)])
        settled = time.monotonic() - began
        write_facts(crowd.facts, folder / "facts")
        await service.stop()
    within = [
        fact
        for fact in crowd.facts
        if fact.connected is not None and fact.ended is not None and since < fact.begun and fact.ended < until
    ]
    verdicts = {fact.uniqueid: after.ledger.get(fact.uniqueid, {}).get("verdict", {}) for fact in within}
    others = [
        f"{fact}: {verdicts[fact.uniqueid]}"
        for fact in within
        if verdicts[fact.uniqueid] != {"state": "recorded", "reason": "adopted"}
    ]
    return [
        shown("seconds without a service", until - since),
        shown("until it was there again, s", started),
        at_least("calls that began and ended in that time", len(within), max(1, seconds / 10)),
        none_of("of them not adopted", others),
        at_most("until each call was settled, s", settled, ADOPTED_WITHIN, timed=True),
        *weigh(after),
        none_of("alarms about unexplained calls", ["told"] * after.alarms["call-unexplained"]),
        *alarms(after),
    ]


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        return await away(lab, folder, seed, count, tell)


SCENARIO = Scenario(name="away", what="the service is not there for so many seconds, under calls", count=600, run=run)
