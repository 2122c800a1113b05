"""What a backup wants to know of the database, all of one moment, and what a restore does. Dump and load: dump.py."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from ari_recorder.domain.backups import Counts, Needs
from ari_recorder.domain.recordings import Label
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.recordings import label_of

_PAGE = 5000
# Counting ten million rows takes seconds; nobody waits at a page for it.
_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPath:
    """Where a recording lies in the vault, and the SHA-256 it had when it was sealed, as hex."""

    id: UUID
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A recording that a drill tries to play."""

    id: UUID
    path: str
    sha256: bytes
    key_name: str
    wrapped_key: bytes = field(repr=False)
    duration: timedelta
    label: Label


async def one_moment(conn: Connection) -> str:
    """From here on this transaction sees one moment; its name, by which pg_dump sees the same. Call it first."""
    await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    # While pg_dump works nothing is asked here.
    await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    return str(await conn.fetchval("SELECT pg_export_snapshot()"))


async def server_version(conn: Connection) -> int:
    """15, 18 …"""
    return int(await conn.fetchval("SELECT current_setting('server_version_num')::int / 10000"))


async def schema(conn: Connection) -> int:
    return int(await conn.fetchval("SELECT max(number) FROM migration"))


async def counts(conn: Connection) -> Counts:
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM call) AS calls,
               (SELECT count(*) FROM recording WHERE state = 'sealed') AS sealed,
               (SELECT count(*) FROM recording WHERE state = 'erased') AS erased,
               (SELECT count(*) FROM audit_entry) AS audit
        """
    )
    assert row is not None  # noqa: S101 -- a SELECT without FROM has one row
    return Counts(**dict(row))


async def counts_of(database: Database) -> Counts:
    async with database.transaction(within=_SECONDS) as conn:
        return await counts(conn)


async def needs(conn: Connection) -> Mapping[str, Needs]:
    """What each key opens, by its name. The tables are those of storage/keys.py."""
    rows = await conn.fetch(
        """
        SELECT name, sum(recordings)::bigint AS recordings, sum(texts)::bigint AS texts
        FROM (
            SELECT key_name AS name, count(*) AS recordings, 0 AS texts FROM recording
            WHERE wrapped_key IS NOT NULL GROUP BY 1
            UNION ALL
            SELECT personal_key_name, 0, count(*) FROM call WHERE personal IS NOT NULL GROUP BY 1
            UNION ALL
            SELECT reason_key_name, 0, count(*) FROM hold WHERE reason IS NOT NULL GROUP BY 1
            UNION ALL
            SELECT key_name, 0, count(*) FROM call_text GROUP BY 1
            UNION ALL
            SELECT key_name, 0, count(*) FROM refusal_certificate_body GROUP BY 1
            UNION ALL
            SELECT key_name, 0, count(*) FROM request_text GROUP BY 1
        ) AS kinds
        WHERE name IS NOT NULL GROUP BY name ORDER BY name
        """
    )
    return {row["name"]: Needs(recordings=row["recordings"], texts=row["texts"]) for row in rows}


async def sealed_paths(conn: Connection) -> AsyncIterator[tuple[SealedPath, ...]]:
    """Of every sealed recording, in pages."""
    after = UUID(int=0)
    while True:
        rows = await conn.fetch(
            """
            SELECT id, path, encode(sha256, 'hex') AS sha256 FROM recording
            WHERE state = 'sealed' AND path IS NOT NULL AND id > $1 ORDER BY id LIMIT $2
            """,
            after,
            _PAGE,
        )
        if not rows:
            return
        yield tuple(SealedPath(id=row["id"], path=row["path"], sha256=row["sha256"]) for row in rows)
        after = rows[-1]["id"]


async def still_sealed(conn: Connection, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of them that nobody has begun to destroy."""
    rows = await conn.fetch("SELECT id FROM recording WHERE id = ANY($1::uuid[]) AND state = 'sealed'", list(ids))
    return frozenset(row["id"] for row in rows)


async def is_empty(conn: Connection) -> bool:
    """Is there no table in this database?"""
    return not await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM pg_tables WHERE schemaname <> 'information_schema' AND schemaname NOT LIKE 'pg\\_%'
        )
        """
    )


async def trials(conn: Connection, after: UUID) -> tuple[Trial, ...]:
    """Sealed recordings, to be tried, in pages; empty at the end."""
    rows = await conn.fetch(
        """
        SELECT recording.*, call.uniqueid FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.state = 'sealed' AND recording.id > $1 ORDER BY recording.id LIMIT $2
        """,
        after,
        _PAGE,
    )
    return tuple(
        Trial(
            id=row["id"],
            path=row["path"],
            sha256=row["sha256"],
            key_name=row["key_name"],
            wrapped_key=row["wrapped_key"],
            duration=row["duration"],
            label=label_of(row),
        )
        for row in rows
    )
