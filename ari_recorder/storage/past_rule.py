"""What is past the rules of retention and still in the database, as the privacy notice's promises ask. What the sweep
does about it: erasing.py."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.storage.db import Connection
from ari_recorder.storage.erasing import Bounds
from ari_recorder.storage.promises import MOST_NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Recordings that are past their rule: how many, the bytes of their files and of their rows, the first ids."""

    recordings: int
    sealed_bytes: int
    row_bytes: int
    ids: tuple[UUID, ...]


async def overdue(conn: Connection, queue: str, bounds: Bounds) -> Overdue:
    """Of those nothing keeps. Calls that were not recorded and are not forgotten are bytes of the database, too."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS recordings, coalesce(sum(sealed_bytes), 0)::bigint AS sealed_bytes,
            coalesce(sum(octet_length(wrapped_key) + coalesce(octet_length(personal), 0)), 0)::bigint AS row_bytes,
            (array_agg(recording.id ORDER BY started_at))[1:$4] AS ids
        FROM recording JOIN call ON call.id = call_id
        WHERE recording.state = 'sealed' AND keeps = 0 AND recording.queue = $1 AND started_at < $2 AND kept_from < $2
            AND (NOT (call.flagged AND decision IS NULL) OR kept_from < $3) AND quarantined_until IS NULL
        """,
        queue,
        bounds.ordinary,
        bounds.undecided,
        MOST_NAMED,
    )
    of_calls: int = await conn.fetchval(
        """
        SELECT coalesce(sum(octet_length(personal)), 0)::bigint FROM call
        WHERE forgotten_at IS NULL AND queue = $1 AND first_seen_at < $2
            AND NOT EXISTS (SELECT FROM recording WHERE call_id = call.id AND state <> 'erased')
        """,
        queue,
        bounds.ordinary,
    )
    assert row is not None  # noqa: S101 -- an aggregate
    return Overdue(
        recordings=row["recordings"],
        sealed_bytes=row["sealed_bytes"],
        row_bytes=row["row_bytes"] + of_calls,
        ids=tuple(row["ids"] or ()),
    )


async def past_quarantine(conn: Connection, now: datetime) -> Overdue:
    row = await conn.fetchrow(
        """
        SELECT count(*) AS recordings, coalesce(sum(sealed_bytes), 0)::bigint AS sealed_bytes,
            coalesce(sum(octet_length(wrapped_key)), 0)::bigint AS row_bytes, (array_agg(id))[1:$2] AS ids
        FROM recording WHERE quarantined_until IS NOT NULL AND state = 'sealed' AND quarantined_until < $1
        """,
        now,
        MOST_NAMED,
    )
    assert row is not None  # noqa: S101 -- an aggregate
    return Overdue(
        recordings=row["recordings"],
        sealed_bytes=row["sealed_bytes"],
        row_bytes=row["row_bytes"],
        ids=tuple(row["ids"] or ()),
    )


async def oldest(conn: Connection) -> datetime | None:
    """When the oldest recording began that nothing keeps longer."""
    at: datetime | None = await conn.fetchval(
        "SELECT min(started_at) FROM recording WHERE state = 'sealed' AND keeps = 0 AND quarantined_until IS NULL"
    )
    return at


async def sealed_of(conn: Connection, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those that may be there: their rows say so."""
    rows = await conn.fetch("SELECT id FROM recording WHERE id = ANY($1::uuid[]) AND state = 'sealed'", list(ids))
    return frozenset(row["id"] for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCopy:
    path: str
    host: str
    inode: int
    recording_id: UUID


async def clear_copies(conn: Connection, overdue: Collection[UUID]) -> tuple[ClearCopy, ...]:
    """Copies in clear of recordings that were destroyed, or should have been."""
    rows = await conn.fetch(
        """
        SELECT export.* FROM export JOIN recording ON recording.id = recording_id
        WHERE state <> 'sealed' OR recording_id = ANY($1::uuid[]) ORDER BY path
        """,
        list(overdue),
    )
    return tuple(
        ClearCopy(path=row["path"], host=row["host"], inode=row["inode"], recording_id=row["recording_id"])
        for row in rows
    )
