"""A PostgreSQL of its own for a figure, with the tables of the service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate


@asynccontextmanager
async def migrated(
    folder: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[Database, str]]:
    """The database, and its address for who asks it otherwise."""
    server = EmbeddedPostgres(folder / "database", folder / "logs", settings=settings)
    await server.start()
    try:
        async with Database(server.dsn) as database:
            await migrate(database)
            yield database, server.dsn
    finally:
        await server.stop()
