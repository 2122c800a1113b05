"""The table `command_done`: orders of people that were carried out, so that one that comes again is not another one."""

from datetime import datetime, timedelta
from uuid import UUID

from ari_recorder.domain.errors import CommandDone
from ari_recorder.storage.db import Connection

# A form that lay open over a weekend, a program that tries again for days.
_KEPT = timedelta(days=30)


async def done(conn: Connection, command: UUID, request: str, now: datetime) -> None:
    """Within the transaction of what is done: CommandDone when an earlier request did it. One that is at it is waited
    for."""
    row = await conn.fetchrow(
        """
        INSERT INTO command_done (id, request, done_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET request = excluded.request WHERE command_done.request = excluded.request
        RETURNING id
        """,
        command,
        request,
        now,
    )
    if row is None:
        raise CommandDone


async def was_done(conn: Connection, command: UUID) -> bool:
    done: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM command_done WHERE id = $1)", command)
    return done


async def forget_old(conn: Connection, now: datetime) -> None:
    await conn.execute("DELETE FROM command_done WHERE done_at < $1", now - _KEPT)
