"""The table `flag_asked`: whom somebody asked about a flagged call."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ari_recorder.storage.db import Connection


async def ask(conn: Connection, call_id: UUID, account_id: UUID, by: str, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO flag_asked (call_id, account_id, asked_by, asked_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (call_id, account_id) DO NOTHING
        """,
        call_id,
        account_id,
        by,
        now,
    )


async def asked_of(conn: Connection, account_id: UUID) -> frozenset[UUID]:
    """The calls somebody was asked about."""
    rows = await conn.fetch("SELECT call_id FROM flag_asked WHERE account_id = $1", account_id)
    return frozenset(row["call_id"] for row in rows)


async def asked(conn: Connection, calls: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
    """The names of who was asked, by call."""
    rows = await conn.fetch(
        """
        SELECT call_id, array_agg(full_name ORDER BY asked_at) AS names
        FROM flag_asked JOIN account ON account.id = account_id WHERE call_id = ANY($1::uuid[]) GROUP BY call_id
        """,
        list(calls),
    )
    return {row["call_id"]: tuple(row["names"]) for row in rows}
