"""The table `throttle`: tries counted before anything is checked. How many are let in: domain/throttle.py."""

from collections.abc import Collection, Mapping
from datetime import datetime

from ari_recorder.domain.throttle import Tries
from ari_recorder.storage.db import Connection


async def lock(conn: Connection, subjects: Collection[str], now: datetime) -> dict[str, Tries | None]:
    """The rows of these subjects until the end of the transaction; always in the same order, so that two who log in do
    not wait for each other. None: no try counts."""
    wanted = sorted(subjects)
    await conn.execute(
        """
        INSERT INTO throttle (subject, tries, began_at, last_at)
        SELECT subject, 0, $2, $2 FROM unnest($1::text[]) WITH ORDINALITY AS given (subject, place) ORDER BY place
        ON CONFLICT (subject) DO NOTHING
        """,
        wanted,
        now,
    )
    rows = await conn.fetch(
        """
        SELECT subject, tries, began_at, last_at FROM throttle WHERE subject = ANY($1::text[])
        ORDER BY subject COLLATE "C" FOR UPDATE
        """,
        wanted,
    )
    return {
        row["subject"]: Tries(count=row["tries"], began_at=row["began_at"], last_at=row["last_at"])
        if row["tries"]
        else None
        for row in rows
    }


async def write(conn: Connection, tries: Mapping[str, Tries]) -> None:
    await conn.execute(
        """
        UPDATE throttle SET tries = given.tries, began_at = given.began_at, last_at = given.last_at, refused = 0
        FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[])
            AS given (subject, tries, began_at, last_at)
        WHERE throttle.subject = given.subject
        """,
        list(tries),
        [one.count for one in tries.values()],
        [one.began_at for one in tries.values()],
        [one.last_at for one in tries.values()],
    )


async def refuse(conn: Connection, subject: str) -> int:
    """The how manieth refusal it is since a try was let in."""
    count: int = await conn.fetchval(
        "UPDATE throttle SET refused = refused + 1 WHERE subject = $1 RETURNING refused", subject
    )
    return count


async def clear(conn: Connection, subject: str) -> None:
    """No try counts any more."""
    await conn.execute("DELETE FROM throttle WHERE subject = $1", subject)


async def forget(conn: Connection, before: datetime) -> None:
    await conn.execute("DELETE FROM throttle WHERE last_at < $1", before)
