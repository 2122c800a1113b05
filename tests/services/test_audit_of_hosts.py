"""The audit log of several hosts: two processes write, give places and sign at the same time, and it is one tree."""

import asyncio
import json
import sys
from pathlib import Path

from ari_recorder.storage.db import Database
from tests.services.audit_house import LogHouse

COUNT = 150
ROOT = Path(__file__).parents[2]
# One host: entries one by one, each followed by a place for all that waits; now and then the tree is signed.
HOST = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.services.audit_log import sequence, written
from ari_recorder.storage.db import Database
from tests.services.audit_house import LogHouse

async def main(dsn, folder, name, count):
    async with Database(dsn) as database:
        log = LogHouse(database, Path(folder)).log()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(count):
            entry = Entry(action=Action.RECORDING_VIEW, actor=Actor.service(name), facts={"number": number})
            await written(database, entry, datetime.now(UTC))
            await sequence(database)
            if number % 10 == 0:
                await log.checkpoint()

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


async def test_two_processes_write_one_tree(database: Database, dsn: str, tmp_path: Path) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HOST, dsn, str(tmp_path), name, str(COUNT)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        for name in ("web1", "web2")
    ]
    for one in processes:
        assert one.stdout is not None
        assert await asyncio.wait_for(one.stdout.readline(), 60) == b"ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.write(b"go\n")
    assert await asyncio.wait_for(asyncio.gather(*(one.wait() for one in processes)), 100) == [0, 0]
    house = LogHouse(database, tmp_path)
    await house.log().checkpoint()
    assert (await house.verify()).found == ()
    async with database.transaction() as conn:
        rows = await conn.fetch("SELECT leaf FROM audit_entry ORDER BY seq")
        assert not await conn.fetchval("SELECT count(*) FROM audit_pending")
    told = [json.loads(row["leaf"]) for row in rows]
    for name in ("web1", "web2"):
        mine = [leaf["facts"]["number"] for leaf in told if leaf["actor"].get("id") == name]
        assert mine == list(range(COUNT)), name
