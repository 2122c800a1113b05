"""The table `destroyed_key`, and what is left of a day: what has to be gone before the day's key goes.

    (nothing left, in one transaction with the row) destroying ──key gone──► destroyed ──► certified

Whoever wraps something to a key, a day's or a hold's, shares a lock on its name with others who do; whoever is about to
destroy the key has it alone. So nothing is wrapped to a key that is on its way out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyedKey:
    """`destroyed_at` is None while it is being destroyed."""

    name: str
    day: date
    because: str
    destroying_at: datetime
    destroyed_at: datetime | None


_LOCK = "pg_advisory_xact_lock{shared}(hashtextextended('ari-recorder ' || name, 0))"


async def kept_alive(conn: Connection, names: Collection[str]) -> frozenset[str]:
    """Nobody destroys these keys until the transaction ends, but for those given back: they are on their way out."""
    shared = _LOCK.format(shared="_shared")
    await conn.fetch(
        f"SELECT {shared} FROM unnest($1::text[]) AS given (name)",  # noqa: S608 -- the text is the one above
        sorted(names),
    )
    rows = await conn.fetch("SELECT name FROM destroyed_key WHERE name = ANY($1::text[])", list(names))
    return frozenset(row["name"] for row in rows)


async def alone(conn: Connection, name: str, *, seconds: float | None = None) -> None:
    """Nobody wraps anything to this key until the transaction ends. `seconds`: how long to wait for those who do."""
    if seconds is not None:
        await conn.execute(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")
    lock = _LOCK.format(shared="")
    await conn.fetch(f"SELECT {lock} FROM (SELECT $1::text AS name) AS given", name)  # noqa: S608 -- as above


async def anything_left(conn: Connection, name: str, begin: datetime, end: datetime) -> bool:
    """Is there a recording, a caller or a text about a call that this key opens? Of what began from `begin` to
    `end`, the bytes are asked, too: a row that names another key must not cost them.
    """
    left: bool = await conn.fetchval(
        f"""
        SELECT EXISTS (SELECT FROM recording WHERE key_name = $1 AND wrapped_key IS NOT NULL)
            OR EXISTS (SELECT FROM recording WHERE key_name = $1 AND state = 'erasing')
            OR EXISTS (SELECT FROM call WHERE personal_key_name = $1 AND personal IS NOT NULL)
            OR EXISTS (SELECT FROM call_text WHERE key_name = $1)
            OR EXISTS (SELECT FROM recording WHERE started_at >= $2 AND started_at < $3 AND {_names("wrapped_key")})
            OR EXISTS (
                SELECT FROM call
                WHERE coalesce(joined_at, first_seen_at) >= $2 AND coalesce(joined_at, first_seen_at) < $3
                    AND {_names("personal")}
            )
        """,  # noqa: S608 -- the texts are those below
        name,
        begin,
        end,
    )
    return left


def _names(column: str) -> str:
    """Do these bytes say that they want the key $1? (vault/wrapping.py: version, length of the name, name)"""
    return (
        f"CASE WHEN length({column}) > 2 "
        f"THEN substring({column} FROM 3 FOR get_byte({column}, 1)) = convert_to($1, 'UTF8') ELSE false END"
    )


async def begin(conn: Connection, name: str, day: date, because: str, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO destroyed_key (name, day, because, destroying_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO NOTHING
        """,
        name,
        day,
        because,
        now,
    )


async def finish(conn: Connection, name: str, now: datetime) -> None:
    await conn.execute("UPDATE destroyed_key SET destroyed_at = $2 WHERE name = $1 AND destroyed_at IS NULL", name, now)


async def unfinished(conn: Connection) -> tuple[str, ...]:
    """A crash came between the row and the key."""
    rows = await conn.fetch("SELECT name FROM destroyed_key WHERE destroyed_at IS NULL ORDER BY name")
    return tuple(row["name"] for row in rows)


async def uncertified(conn: Connection, *, limit: int) -> tuple[DestroyedKey, ...]:
    rows = await conn.fetch(
        """
        SELECT * FROM destroyed_key WHERE destroyed_at IS NOT NULL AND NOT certified
        ORDER BY name LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    return tuple(_from_row(row) for row in rows)


async def recordings_of(conn: Connection, name: str, begin: datetime, end: datetime) -> tuple[UUID, ...]:
    """The recordings of a day that lay under this key to their end."""
    rows = await conn.fetch(
        """
        SELECT id FROM recording
        WHERE started_at >= $2 AND started_at < $3 AND key_name = $1 AND state = 'erased' ORDER BY id
        """,
        name,
        begin,
        end,
    )
    return tuple(row["id"] for row in rows)


async def set_certified(conn: Connection, names: Collection[str]) -> None:
    await conn.execute("UPDATE destroyed_key SET certified = true WHERE name = ANY($1::text[])", list(names))


def _from_row(row: Row) -> DestroyedKey:
    return DestroyedKey(
        name=row["name"],
        day=row["day"],
        because=row["because"],
        destroying_at=row["destroying_at"],
        destroyed_at=row["destroyed_at"],
    )
