"""The tables of public halves. What they are for: services/key_copies.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """`facts`: what the public halves are signed by. `destroyed`: keys that are gone, or going."""

    facts: bytes
    halves: Mapping[str, bytes]
    destroyed: frozenset[str]


async def installation(conn: Connection, mine: UUID, facts: bytes) -> UUID:
    """Whose keys are published here: from now on ours, if nobody's were."""
    await conn.execute(
        "INSERT INTO public_keyring (installation, facts) VALUES ($1, $2) ON CONFLICT DO NOTHING", mine, facts
    )
    found: UUID = await conn.fetchval("SELECT installation FROM public_keyring")
    return found


async def put(conn: Connection, halves: Mapping[str, bytes]) -> tuple[str, ...]:
    """Those that are there with another half: two hosts made a key of that name, each one of its own."""
    names = sorted(halves)
    values = [halves[name] for name in names]
    await conn.execute(
        """
        INSERT INTO public_key (name, half)
        SELECT * FROM unnest($1::text[], $2::bytea[]) AS given (name, half)
        WHERE NOT EXISTS (SELECT FROM destroyed_key WHERE destroyed_key.name = given.name)
        ON CONFLICT (name) DO NOTHING
        """,
        names,
        values,
    )
    rows = await conn.fetch(
        """
        SELECT name FROM public_key JOIN unnest($1::text[], $2::bytea[]) AS given (name, mine) USING (name)
        WHERE half <> mine ORDER BY name
        """,
        names,
        values,
    )
    return tuple(row["name"] for row in rows)


async def published(conn: Connection) -> Published | None:
    facts = await conn.fetchval("SELECT facts FROM public_keyring")
    if facts is None:
        return None
    gone = await conn.fetch("SELECT name FROM destroyed_key")
    destroyed = frozenset(row["name"] for row in gone)
    rows = await conn.fetch("SELECT name, half FROM public_key")
    halves = {row["name"]: row["half"] for row in rows if row["name"] not in destroyed}
    return Published(facts=facts, halves=halves, destroyed=destroyed)


async def forget_destroyed(conn: Connection) -> None:
    await conn.execute("DELETE FROM public_key WHERE name IN (SELECT name FROM destroyed_key)")
