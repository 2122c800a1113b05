"""Two PBXs, each with a host that records and has no private key; two hosts with page and sweep; one PostgreSQL. A host
of each kind is killed meanwhile: every call is accounted for, and nothing is there twice."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from ari_recorder.storage.embedded import EmbeddedPostgres
from tests.lab.asterisk import free_port
from tests.lab.lab import Lab, start_lab
from tests.lab.phones import Caller
from tests.lab.service import RECORDED, Service, installed_service

pytestmark = pytest.mark.pbx

TALK = 4.0  # s
READY_WITHIN = 120.0  # s; four services begin on the cores of two Asterisks
WEIGHED_WITHIN = 120.0


async def talk(lab: Lab) -> Caller:
    caller = await lab.call("0195202000")
    await caller.wait_connected(60)
    await asyncio.sleep(TALK)
    return caller


async def end(caller: Caller) -> str:
    await caller.hangup()
    await caller.wait_ended()
    return str(caller.uniqueid)


async def asked(dsn: str, sql: str) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        return list(await conn.fetch(sql))
    finally:
        await conn.close()


async def is_true(dsn: str, sql: str) -> bool:
    with contextlib.suppress(asyncpg.UndefinedTableError):  # the first host makes the tables
        return bool((await asked(dsn, f"SELECT {sql}"))[0][0])
    return False


async def until(dsn: str, sql: str) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while not await is_true(dsn, sql):  # noqa: ASYNC110 -- of other processes
            await asyncio.sleep(0.3)


async def test_calls_of_two_pbxs_while_a_recorder_and_a_sweeper_are_killed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        # Four hosts' connections, and the test's own.
        server = EmbeddedPostgres(tmp_path / "database", tmp_path / "logs", settings={"max_connections": "150"})
        dsn = await server.start()
        stack.push_async_callback(server.stop)
        (tmp_path / "dsn").write_text(dsn)
        (tmp_path / "dsn").chmod(0o600)
        labs = {
            name: await stack.enter_async_context(start_lab(tmp_path / f"lab-{name}", system_name=name))
            for name in ("harbour", "station")
        }

        async def host(name: str, lab: Lab, *roles: str) -> Service:
            listed = ", ".join(f'"{role}"' for role in roles)
            settings = {
                "host.name": f'"{name}"',
                "host.roles": f"[{listed}]",
                "database.dsn_file": f'"{tmp_path}/dsn"',
                "system_name": f'"{lab.pbx.system_name}"',
            }
            if roles != ("capture",):
                settings["storage.shared"] = f'"{tmp_path}/shared"'
                settings["storage.root_key"] = f'"{tmp_path}/root.key"'
            made = installed_service(lab, tmp_path / name, RECORDED, free_port(socket.SOCK_STREAM), settings)
            return await stack.enter_async_context(made)

        recorders = {name: await host(name, lab, "capture") for name, lab in labs.items()}
        pages = {name: await host(name, labs["harbour"], "web", "sweep") for name in ("web1", "web2")}
        await pages["web1"].spawn()
        await until(dsn, "(SELECT count(*) > 30 FROM public_key)")
        await pages["web2"].spawn()
        await asyncio.gather(*(one.start(READY_WITHIN) for one in recorders.values()))
        await until(dsn, "(SELECT count(*) = 4 FROM host WHERE last_seen > clock_timestamp() - interval '30 s')")

        callers = await asyncio.gather(*(talk(lab) for lab in labs.values()))
        calls = list(await asyncio.gather(*map(end, callers)))

        callers = await asyncio.gather(*(talk(lab) for lab in labs.values()))
        await recorders["harbour"].kill()
        ((sweeper,),) = await asked(dsn, "SELECT host FROM lease WHERE name = 'sweep' AND incarnation IS NOT NULL")
        await pages.pop(sweeper).kill()
        ((other, page),) = pages.items()
        await recorders["harbour"].start(READY_WITHIN)
        await asyncio.sleep(1)
        calls += await asyncio.gather(*map(end, callers))

        callers = await asyncio.gather(*(talk(lab) for lab in labs.values()))
        calls += await asyncio.gather(*map(end, callers))
        taken_over = "SELECT host = '{}' FROM lease WHERE name = 'sweep' AND incarnation IS NOT NULL"
        await until(dsn, f"({taken_over.format(other)})")

        weighed = await page.settled(calls, WEIGHED_WITHIN)
        assert {row["verdict"]["state"] for row in weighed.values()} == {"recorded"}
        ledger = await page.command("ledger")
        assert ledger["totals"] == {**dict.fromkeys(ledger["totals"], 0), "recorded": 6}
        assert ledger["pbxs"] == {"harbour": {"recorded": 3}, "station": {"recorded": 3}}
        rows = await asked(
            dsn,
            "SELECT recording.id::text, of_host, path, uniqueid FROM recording JOIN call ON call.id = call_id"
            " WHERE recording.state = 'sealed' AND quarantined_until IS NULL",
        )
        assert Counter(row["uniqueid"] for row in rows) == Counter(calls)
        for name, recorder in recorders.items():
            mine = {row["path"] for row in rows if row["of_host"] == name}
            vault = recorder.state / "vault"
            assert {str(file.relative_to(vault)) for file in vault.rglob("*.sealed")} == mine
            assert len(mine) == 3
            assert list((recorder.state / "keys" / "private").iterdir()) == []
        verified = await page.command("audit", "verify")
        assert verified["found"] == []
        for one in (*recorders.values(), page):
            await one.stop()
