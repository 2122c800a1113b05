"""Brings a database to the tables this program needs: the numbered files of storage/migrations, in their order.

Each file runs in a transaction of its own, together with its row in `migration`. An advisory lock keeps two services
that start at once apart. What was applied is known by its hash: a file changed afterwards, or a migration this program
does not know, stops the start before anything is touched.

A migration must leave the tables usable for the program version before it: services of a site are not replaced at once.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import structlog

from ari_recorder.domain.errors import DatabaseNewer, DatabaseSlow, MigrationBlocked, MigrationChanged
from ari_recorder.storage.db import Connection, Database

log = structlog.get_logger(__name__)

_NAME = re.compile(r"(?P<number>[0-9]{4})_[a-z0-9_]+\.sql")
# Any number, the same for every version for ever: "ari-recorder migrations" as the first 8 bytes of its SHA-256.
_LOCK = int.from_bytes(hashlib.sha256(b"ari-recorder migrations").digest()[:8], "big", signed=True)
# A table that is rewritten may be large.
_MIGRATION_SECONDS = 3600.0
# Who waits for a lock on a table makes everybody behind it wait too. Better to fail and try again.
_LOCK_TIMEOUT_MS = 4000
_TABLE = """
    CREATE TABLE IF NOT EXISTS migration (
        number integer PRIMARY KEY,
        name text NOT NULL,
        sha256 bytea NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


def shipped(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """The migrations of this program, from 1 without a gap."""
    folder = folder or files("ari_recorder.storage") / "migrations"
    found = []
    for file in folder.iterdir():
        if match := _NAME.fullmatch(file.name):
            found.append(Migration(number=int(match["number"]), name=file.name, sql=file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations are not numbered one by one: {[migration.name for migration in found]}")
    return tuple(found)


async def migrate(database: Database, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Apply what is missing; the names of what was applied now."""
    migrations = shipped() if migrations is None else migrations
    # Most starts find nothing to do, and learn it within the limits of a request.
    async with database.transaction() as conn:
        if await _applied(conn, database.name, migrations) == len(migrations):
            return ()
    applied: list[str] = []
    while (name := await _apply_next(database, migrations)) is not None:
        log.info("migration_apply", migration=name)
        applied.append(name)
    return tuple(applied)


async def missing(database: Database) -> int:
    """How many migrations the next start would apply. Changes nothing; refuses what `migrate` would refuse."""
    migrations = shipped()
    async with database.transaction() as conn:
        return len(migrations) - await _applied(conn, database.name, migrations)


async def _apply_next(database: Database, migrations: Sequence[Migration]) -> str | None:
    following: Migration | None = None
    try:
        async with database.transaction(within=_MIGRATION_SECONDS) as conn:
            await conn.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
            await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await conn.execute(_TABLE)
            done = await _applied(conn, database.name, migrations)
            if done == len(migrations):
                return None
            following = migrations[done]
            await conn.execute(following.sql)
            await conn.execute(
                "INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)",
                following.number,
                following.name,
                following.sha256,
            )
    except DatabaseSlow:
        raise MigrationBlocked(name=following.name if following else "check", database=database.name) from None
    return following.name


async def _applied(conn: Connection, database: str, migrations: Sequence[Migration]) -> int:
    """How many there are, all of them ours and unchanged."""
    if await conn.fetchval("SELECT to_regclass('migration') IS NULL"):
        return 0
    rows = await conn.fetch("SELECT number, name, sha256 FROM migration ORDER BY number")
    if len(rows) > len(migrations):
        raise DatabaseNewer(database=database, found=rows[-1]["name"], known=len(migrations))
    for row, migration in zip(rows, migrations, strict=False):
        if row["number"] != migration.number or row["sha256"] != migration.sha256:
            raise MigrationChanged(name=row["name"], database=database)
    return len(rows)
