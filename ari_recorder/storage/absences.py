"""The table of absences: when no service heard the PBX."""

from collections.abc import Sequence
from datetime import datetime

from ari_recorder.domain.absences import Absence
from ari_recorder.storage.db import Connection


async def upsert(conn: Connection, found: Sequence[Absence]) -> None:
    """One that goes on grows."""
    await conn.execute(
        """
        INSERT INTO absence (since, until, because, over)
        SELECT * FROM unnest($1::timestamptz[], $2::timestamptz[], $3::text[], $4::boolean[])
        ON CONFLICT (since) DO UPDATE SET
            until = greatest(absence.until, excluded.until), over = absence.over OR excluded.over
        """,
        [one.since for one in found],
        [one.until for one in found],
        [one.because for one in found],
        [one.over for one in found],
    )


async def between(conn: Connection, begin: datetime, end: datetime) -> tuple[Absence, ...]:
    rows = await conn.fetch("SELECT * FROM absence WHERE until >= $1 AND since <= $2 ORDER BY since", begin, end)
    return tuple(
        Absence(since=row["since"], until=row["until"], because=row["because"], over=row["over"]) for row in rows
    )
