"""A real PostgreSQL for tests: one private server a session, one migrated template, a fresh copy for each test.

There is no default address: a default would one day find somebody else's server.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest

from ari_recorder.domain.audit import Action
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from tests.triggered import wanted_behind

TEMPLATE = "ari_recorder_template"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No row of tests/triggered.py names a test whose log nobody looks at."""
    for item in items:
        if _wanted(item) and "dsn" not in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} is said to write to the audit log, and has no database")


def _wanted(item: pytest.Item) -> frozenset[Action]:
    assert isinstance(item, pytest.Function)
    return wanted_behind(item.module.__name__, item.originalname)


async def _written(address: str) -> frozenset[Action]:
    conn = await asyncpg.connect(address, timeout=10)
    try:
        rows = await conn.fetch("SELECT leaf FROM audit_pending UNION ALL SELECT leaf FROM audit_entry")
    finally:
        await conn.close()
    return frozenset(Action(json.loads(row["leaf"])["action"]) for row in rows)


async def _administer(server: EmbeddedPostgres, sql: str) -> None:
    conn = await asyncpg.connect(server.dsn, timeout=10)
    try:
        await conn.execute(sql)
    finally:
        await conn.close()


def dsn_of(server: EmbeddedPostgres, name: str) -> str:
    return server.dsn.replace("@/postgres?", f"@/{name}?")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The server, with a migrated template in it."""
    folder = tmp_path_factory.mktemp("pg")
    # Tests do not cut the power; without fsync a copy of the template takes 20 ms less.
    server = EmbeddedPostgres(folder / "database", folder / "logs", settings={"fsync": "off"})

    async def begin() -> None:
        await server.start()
        await _administer(server, f"CREATE DATABASE {TEMPLATE}")
        async with Database(dsn_of(server, TEMPLATE)) as database:
            await migrate(database)

    asyncio.run(begin())
    yield server
    asyncio.run(server.stop())


async def fresh(server: EmbeddedPostgres, template: str = TEMPLATE) -> AsyncIterator[str]:
    """The address of a copy of the template, for as long as it is asked for."""
    name = f"test_{uuid4().hex}"
    # Its files are copied as they are: of pages in the log nobody would ever read one.
    await _administer(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield dsn_of(server, name)
    await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def dsn(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a fresh database with all tables. What the test has to leave in the audit log is looked for."""
    async for address in fresh(postgres):
        yield address
        missing = _wanted(request.node) - await _written(address) if _wanted(request.node) else frozenset()
        assert not missing, f"not in the audit log: {', '.join(missing)}"


@pytest.fixture
async def empty_dsn(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a fresh database without any table."""
    async for address in fresh(postgres, "template1"):
        yield address


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn) as opened:
        yield opened
