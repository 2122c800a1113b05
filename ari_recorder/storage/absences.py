"""The tables of absences: when no service heard a PBX. Without the name of one: the only one there is."""

from collections.abc import Sequence
from datetime import datetime

from ari_recorder.domain.absences import Absence
from ari_recorder.storage.db import Connection


async def upsert(conn: Connection, found: Sequence[Absence], pbx: str | None = None) -> None:
    """One that goes on grows."""
    values = (
        [one.since for one in found],
        [one.until for one in found],
        [one.because for one in found],
        [one.over for one in found],
    )
    if pbx is None:
        await conn.execute(
            """
            INSERT INTO absence (since, until, because, over)
            SELECT * FROM unnest($1::timestamptz[], $2::timestamptz[], $3::text[], $4::boolean[])
            ON CONFLICT (since) DO UPDATE SET
                until = greatest(absence.until, excluded.until), over = absence.over OR excluded.over
            """,
            *values,
        )
        return
    await conn.execute(
        """
        INSERT INTO pbx_absence (since, until, because, over, system_name)
        SELECT given.*, $5 FROM unnest($1::timestamptz[], $2::timestamptz[], $3::text[], $4::boolean[]) AS given
        ON CONFLICT (system_name, since) DO UPDATE SET
            until = greatest(pbx_absence.until, excluded.until), over = pbx_absence.over OR excluded.over
        """,
        *values,
        pbx,
    )


async def between(conn: Connection, begin: datetime, end: datetime, pbx: str | None = None) -> tuple[Absence, ...]:
    rows = await conn.fetch(
        """
        SELECT since, until, because, over FROM absence WHERE until >= $1 AND since <= $2
        UNION ALL
        SELECT since, until, because, over FROM pbx_absence WHERE until >= $1 AND since <= $2 AND system_name = $3
        ORDER BY since
        """,
        begin,
        end,
        pbx,
    )
    return tuple(
        Absence(since=row["since"], until=row["until"], because=row["because"], over=row["over"]) for row in rows
    )
