"""Ten thousand calls wait in the journal, as after an hour without a database: the service is there all the same soon,
records the next caller, and stores each of them once.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ari_recorder import config
from ari_recorder.services import connect
from ari_recorder.storage.journal import Journal
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_most, none_of, shown
from tests.faults.kills import START_UP
from tests.faults.load import cpu_seconds
from tests.faults.weigh import gather, weigh
from tests.faults.witness import witness_of
from tests.lab.lab import CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service
from tests.storage.calls_for_tests import finished_call, sealed_recording

DRAINED = 600.0  # s: ten minutes
A_DAY_AGO = timedelta(days=1)


async def fill(journal_folder: Path, count: int) -> None:
    """Calls of yesterday, over and sealed, and not stored."""
    began = datetime.now(UTC) - A_DAY_AGO
    with Journal(journal_folder) as journal:
        for first in range(0, count, 1000):
            calls = [
                finished_call(sealed_recording(started_at=began), at=began, queue=CROWD_QUEUE)
                for _ in range(first, min(first + 1000, count))
            ]
            await asyncio.gather(*(journal.append(call, None) for call in calls))


async def _stored(service: Service) -> int:
    settings = await asyncio.to_thread(config.load, service.config)
    async with connect.database(settings) as database, database.transaction() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM call WHERE ended_at < now() - interval '12 hours'"))


async def figures(lab: Lab, folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with installed_service(lab, folder / "service", (CROWD_QUEUE,)) as service:
        await service.start(60)  # the first makes keys and a database
        await service.stop()
        await fill(service.state / "journal", count)
        async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
            began = time.monotonic()
            await service.start(60)
            started = time.monotonic() - began
            assert service.process is not None
            worked = cpu_seconds(service.process.pid)
            tell(f"  there after {started:.2f} s, {worked:.2f} s of work")
            await crowd.call(4.0)
            while (stored := await _stored(service)) < count and time.monotonic() - began < DRAINED:  # noqa: ASYNC110 - rows
                await asyncio.sleep(0.5)
            drained = time.monotonic() - began
        after = await gather(service, crowd.facts, witness.testimony, [])
        await service.stop()
        with Journal(service.state / "journal") as journal:
            left = [str(call.id) for call, _ in journal.load()]
    # The calls of yesterday are invented, and have neither files nor voices.
    after.stored = [one for one in after.stored if one.row.started_at > datetime.now(UTC) - A_DAY_AGO / 2]
    after.left = [one for one in after.left if not one.startswith("a row without")]
    return [
        shown("calls in the journal", count),
        at_most("start-up, s", started, START_UP, timed=True),
        shown("CPU seconds until it was there", worked),
        at_most("until all were stored, s", drained, DRAINED, timed=True),
        none_of("calls of the journal not stored", ["?"] * (count - stored)),
        none_of("calls left in the journal", left),
        *weigh(after),
    ]


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    async with start_lab(folder / "lab", crowd=4) as lab:
        return await figures(lab, folder, seed, count, tell)


SCENARIO = Scenario(
    name="start-up", what="so many calls wait in the journal when the service is started", count=10_000, run=run
)
