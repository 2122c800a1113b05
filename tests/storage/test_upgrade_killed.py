"""The program is killed in the middle of each migration and started again: the tables are those of a fresh database."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence

from ari_recorder.storage.db import Database
from ari_recorder.storage.migrate import migrate, missing, shipped

ALL = shipped()
# Its server goes on with the statement it is at, and holds the lock of the migrations until then.
PAUSE = ";\nSELECT pg_sleep(1)"
PROGRAM = """
import asyncio, sys
from dataclasses import replace
from ari_recorder.storage.db import Database
from ari_recorder.storage.migrate import migrate, shipped

async def main():
    done = int(sys.argv[2])
    paused = replace(shipped()[done], sql=sys.stdin.read())
    async with Database(sys.argv[1]) as database:
        await migrate(database, (*shipped()[:done], paused))

asyncio.run(main())
"""
SHAPE = (
    "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable"
    " || ' ' || coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT enumtypid::regtype || ' ' || enumlabel FROM pg_enum",
)


def half(sql: str) -> str:
    """Its first statements: to the end of one of them, outside of a function's body."""
    ends = [place + 1 for place in range(len(sql)) if sql.startswith(";\n", place) and sql[:place].count("$$") % 2 == 0]
    return sql[: ends[len(ends) // 2 - 1]] if len(ends) > 1 else sql


async def shape(database: Database) -> Sequence[list[str]]:
    async with database.transaction() as conn:
        return [sorted(row[0] for row in await conn.fetch(question)) for question in SHAPE]


async def test_killed_in_the_middle_of_each_it_goes_on_from_there(empty_dsn: str, database: Database) -> None:
    async with Database(empty_dsn) as upgraded:
        for done, following in enumerate(ALL):
            program = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, empty_dsn, str(done), stdin=PIPE, stdout=DEVNULL, stderr=PIPE
            )
            assert program.stdin is not None
            program.stdin.write((half(following.sql).rstrip().rstrip(";") + PAUSE).encode())
            program.stdin.close()
            async with asyncio.timeout(30):
                while not await paused(upgraded):
                    assert program.returncode is None, following.name
                    await asyncio.sleep(0.02)
            program.kill()
            await program.communicate()
            assert await missing(upgraded) == len(ALL) - done
            assert await migrate(upgraded, ALL[: done + 1]) == (following.name,)
        assert await migrate(upgraded) == ()
        assert await shape(upgraded) == await shape(database)


async def paused(database: Database) -> bool:
    question = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())"
    )
    async with database.transaction() as conn:
        return bool(await conn.fetchval(question))
