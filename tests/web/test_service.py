"""The page as a job of the real service: there without a PBX, read anew on SIGHUP, gone with the service, and never in
the way of the other jobs. That it began and ended is on record: tests/triggered.py."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from ari_recorder.web import cookies
from tests.services.listeners import locked_table
from tests.site import write_site
from tests.web.house import Visitor, client

READY_WITHIN = 60.0  # s; the keys of the days to come are made first
CROWD = 50


@asynccontextmanager
async def started(folder: Path, dsn: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """The service, and what it says."""
    (folder / "dsn").write_text(dsn)
    (folder / "dsn").chmod(0o600)
    config = write_site(folder, changes={"database": f'dsn_file = "{folder}/dsn"'})
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ari_recorder", "run", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert service.stderr is not None
    try:
        yield service, service.stderr
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()


@asynccontextmanager
async def running(folder: Path, dsn: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader, str]]:
    """The same, and the address of its page."""
    async with started(folder, dsn) as (service, lines):
        yield service, lines, await spoken(lines, "web_start", "address")


async def test_the_service_serves_its_page_and_ends_in_good_order(tmp_path: Path, dsn: str) -> None:
    async with running(tmp_path, dsn) as (service, said, address):
        async with client() as http:
            visitor = Visitor(http, address)
            assert (await visitor.get("/accessibility")).status == 200
            assert (await visitor.get("/account")).status == 401
        service.send_signal(signal.SIGHUP)
        async with asyncio.timeout(15):
            await spoken(said, "web_certificate_load", "level")
        service.terminate()
        async with asyncio.timeout(30):
            await said.read()
            assert await service.wait() == 0


async def test_a_crowd_that_waits_at_the_page_takes_no_connection_from_other_jobs(
    tmp_path: Path, database: Database, dsn: str
) -> None:
    """Each request of the crowd hangs in the database as long as it may, and comes again. For storing calls stands the
    job that takes entries into the audit log."""
    async with running(tmp_path, dsn) as (_, said, address), client() as http:
        reading = asyncio.create_task(said.read())
        crowd = [asyncio.create_task(_ask_on(Visitor(http, address))) for _ in range(CROWD)]
        try:
            async with locked_table(database, "session"):
                await asyncio.sleep(1)
                async with database.transaction() as conn:
                    entry = Entry(action=Action.RECORDING_VIEW, actor=Actor.operator("root"))
                    await audit.append(conn, entry, datetime.now(UTC))
                for _ in range(25):
                    if not await _pending(database):
                        break
                    await asyncio.sleep(0.2)
                assert not await _pending(database)
        finally:
            for task in (*crowd, reading):
                task.cancel()


async def _ask_on(visitor: Visitor) -> None:
    visitor.kept[cookies.SESSION] = "x" * 43
    while True:
        with suppress(aiohttp.ClientError):
            await visitor.get("/account")


async def _pending(database: Database) -> int:
    async with database.transaction() as conn:
        count: int = await conn.fetchval("SELECT count(*) FROM audit_pending")
    return count


async def spoken(stream: asyncio.StreamReader, event: str, field: str) -> str:
    """The field of the next line that says so."""
    async with asyncio.timeout(READY_WITHIN):
        while line := await stream.readline():
            found = json.loads(line)
            if found["action"] == event:
                return str(found[field])
    raise AssertionError(f"the service never said {event}")
