import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import AsyncMock

import asyncpg
import pytest

from ari_recorder.domain.errors import (
    DatabaseAddressRefused,
    DatabaseLoginRefused,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseSlow,
    DatabaseTooOld,
    DatabaseUnreachable,
    NotFound,
    Unavailable,
)
from ari_recorder.storage.db import Database, Limits
from ari_recorder.storage.embedded import EmbeddedPostgres

QUICK = Limits(acquire=0.4, statement=0.4, release=0.2, transaction=0.8)


async def one(database: Database, sql: str = "SELECT 1") -> object:
    async with database.transaction() as conn:
        return await conn.fetchval(sql)


@pytest.mark.parametrize("dsn", ["mysql://here/x", "ari_recorder", "postgresql://here:many/x", "postgresql://[::1/x"])
def test_an_address_that_is_none_is_refused(dsn: str) -> None:
    with pytest.raises(DatabaseAddressRefused, match="Write it like postgresql://"):
        Database(dsn)


async def test_an_unknown_setting_in_the_address_is_refused(dsn: str) -> None:
    async with Database(f"{dsn}&no_such_setting=1") as database:
        with pytest.raises(DatabaseAddressRefused, match="no_such_setting"):
            await database.check()


async def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for dsn in (f"postgresql://me:hidden@127.0.0.1:{port}/calls", f"postgresql://me:hidden@/calls?host={tmp_path}"):
        async with Database(dsn) as database:
            with pytest.raises(DatabaseUnreachable, match="cannot be reached") as refusal:
                await database.check()
        assert "calls on" in str(refusal.value)
        assert "hidden" not in str(refusal.value)


async def test_a_host_without_a_name_is_unreachable() -> None:
    async with Database("postgresql://me@no-such-host.invalid/calls") as database:
        with pytest.raises(DatabaseUnreachable, match=r"no-such-host\.invalid"):
            await database.check()


async def test_a_database_or_user_that_is_not_there_is_named(postgres: EmbeddedPostgres) -> None:
    async with Database(postgres.dsn.replace("/postgres?", "/other?")) as database:
        with pytest.raises(DatabaseMissing, match="other on"):
            await database.check()
    async with Database(postgres.dsn.replace("ari_recorder@", "stranger@")) as database:
        with pytest.raises(DatabaseLoginRefused, match="postgres on"):
            await database.check()


async def test_an_old_server_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await database.check()
    monkeypatch.setattr("ari_recorder.storage.db.LEAST_SERVER", 99)
    with pytest.raises(DatabaseTooOld, match=r"is PostgreSQL 18; at least 99"):
        await database.check()


async def test_what_was_done_before_an_error_is_undone_and_the_connection_kept(database: Database) -> None:
    backend = "SELECT pg_backend_pid()"
    before = await one(database, backend)

    async def half() -> None:
        async with database.transaction() as conn:
            await conn.execute("CREATE TABLE half ()")
            raise NotFound

    with pytest.raises(NotFound):
        await half()
    assert await one(database, "SELECT to_regclass('half')") is None
    with pytest.raises(asyncpg.UniqueViolationError):
        await one(database, "INSERT INTO migration (number, name, sha256) VALUES (1, '', '')")
    assert await one(database, backend) == before


async def test_an_error_swallowed_within_a_transaction_is_not_taken_for_success(database: Database) -> None:

    async def careless() -> None:
        async with database.transaction() as conn:
            await conn.execute("CREATE TABLE lost ()")
            with pytest.raises(asyncpg.DivisionByZeroError):
                await conn.fetchval("SELECT 1 / 0")

    with pytest.raises(RuntimeError, match="ended with ROLLBACK"):
        await careless()
    assert await one(database, "SELECT to_regclass('lost')") is None


async def test_a_slow_statement_ends_at_its_limit(dsn: str) -> None:
    async with Database(dsn, limits=QUICK) as database:
        began = time.monotonic()
        with pytest.raises(DatabaseSlow):
            await one(database, "SELECT pg_sleep(30)")
        assert time.monotonic() - began < 1
        assert await one(database) == 1


async def test_many_statements_together_end_at_the_limit_of_the_transaction(dsn: str) -> None:
    async with Database(dsn, limits=QUICK) as database:

        async def long() -> None:
            async with database.transaction() as conn:
                while True:
                    await conn.execute("SELECT pg_sleep(0.1)")

        began = time.monotonic()
        with pytest.raises(DatabaseSlow, match=r"within 0\.8 s"):
            await long()
        assert time.monotonic() - began < 1.5
        assert await one(database) == 1


async def test_a_job_may_ask_for_more_time(dsn: str) -> None:
    async with Database(dsn, limits=QUICK) as database, database.transaction(within=10) as conn:
        await conn.execute("SELECT pg_sleep(1)")


async def test_waiting_for_somebody_elses_lock_ends_at_the_limit(dsn: str) -> None:
    async with Database(dsn, limits=QUICK) as database, database.transaction() as conn:
        await conn.execute("LOCK TABLE call")
        with pytest.raises(DatabaseSlow):
            await one(database, "SELECT count(*) FROM call")


async def test_waiting_for_a_connection_ends_at_the_limit(dsn: str) -> None:
    async with Database(dsn, size=1, limits=QUICK) as database, database.transaction():
        with pytest.raises(DatabaseSlow):
            await one(database)


async def test_cancelled_requests_leave_no_connection_behind(dsn: str) -> None:
    async with Database(dsn, size=2, limits=QUICK) as database:
        for _ in range(10):
            request = asyncio.create_task(one(database, "SELECT pg_sleep(30)"))
            await asyncio.sleep(0.05)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
        assert await asyncio.gather(*(one(database) for _ in range(4))) == [1, 1, 1, 1]


async def test_a_killed_backend_costs_one_request(database: Database) -> None:
    with pytest.raises(Unavailable):
        await one(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert await one(database) == 1


async def test_a_connection_that_asyncpg_is_at_a_loss_with_costs_one_request(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "execute", AsyncMock(side_effect=lost))
        with pytest.raises(DatabaseUnreachable, match="the connection broke"):
            await one(database)
    assert await one(database) == 1


async def test_a_database_that_turned_read_only_says_so(dsn: str) -> None:
    async with Database(dsn) as database, database.transaction() as conn:
        name = await conn.fetchval("SELECT current_database()")
        await conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with Database(dsn) as database:
        with pytest.raises(DatabaseReadOnly, match="at the primary"):
            await one(database, "UPDATE call SET queue = ''")


async def test_text_with_a_nul_is_stored_without_it(database: Database) -> None:
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT $1::text", "a\0b") == "a\ufffdb"
        # The same characters as an escape that somebody typed are no NUL.
        for text, stored in (
            ("a\0b", "a\ufffdb"),
            ("a\\u0000b", "a\\u0000b"),
            ("\\\0", "\\\ufffd"),
            ("\0\0", "\ufffd\ufffd"),
        ):
            assert await conn.fetchval("SELECT $1::jsonb", [text]) == [stored]


@pytest.fixture
async def own_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """One that may be hurt."""
    folder = tmp_path_factory.mktemp("own")
    server = EmbeddedPostgres(folder / "database", folder / "logs")
    await server.start()
    yield server
    await server.stop()


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """The postmaster and all its processes stand still; the kernel still takes connections for them."""
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


async def took(request: asyncio.Task[object]) -> float:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await request
    return time.monotonic() - began


async def test_with_a_frozen_server_every_request_ends_within_5_seconds(own_server: EmbeddedPostgres) -> None:
    async with Database(own_server.dsn, size=4) as database:
        # Two connections are open, the other requests need a new one, or one of somebody else's.
        await asyncio.gather(one(database, "SELECT pg_sleep(0.1)"), one(database, "SELECT pg_sleep(0.1)"))
        running = asyncio.create_task(one(database, "SELECT pg_sleep(1)"))
        await asyncio.sleep(0.1)
        with frozen(own_server):
            requests = [running, *(asyncio.create_task(one(database)) for _ in range(8))]
            assert max(await asyncio.gather(*map(took, requests))) < 5
            assert await took(asyncio.create_task(one(database))) < 5
        began = time.monotonic()
        assert await one(database) == 1
        assert time.monotonic() - began < 5


async def test_with_a_frozen_server_a_cancelled_request_and_the_closing_end_too(own_server: EmbeddedPostgres) -> None:
    database = Database(own_server.dsn)
    await database.__aenter__()
    await one(database)
    with frozen(own_server):
        request = asyncio.create_task(one(database))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert time.monotonic() - began < 1
        await database.__aexit__()
        assert time.monotonic() - began < 5


async def test_after_a_restart_of_the_server_requests_succeed_again(own_server: EmbeddedPostgres) -> None:
    async with Database(own_server.dsn) as database:
        assert await one(database) == 1
        await own_server.stop()
        with pytest.raises(DatabaseUnreachable):
            await one(database)
        with pytest.raises(DatabaseUnreachable):
            await one(database)
        await own_server.start()
        assert await one(database) == 1
