"""The table of hosts: who there is, since when nobody heard of them, what they told last. Rules: domain/hosts.py."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ari_recorder.config.roles import Role
from ari_recorder.domain.hosts import HostState, Known
from ari_recorder.storage.db import Connection, Row

# Any number, the same for every version for ever.
_LOCK = int.from_bytes(hashlib.sha256(b"ari-recorder hosts").digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """A host for people. `waiting_*`: calls of its journal that are not in the database."""

    name: str
    state: HostState
    roles: tuple[Role, ...]
    version: str
    system_name: str | None
    vault: UUID | None
    started_at: datetime
    last_seen: datetime
    silent: timedelta
    health: str
    troubles: str
    waiting_calls: int
    waiting_for: timedelta

    @property
    def up(self) -> bool:
        return self.state is HostState.LIVING


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a host tells of itself again and again."""

    health: str
    troubles: str
    waiting_calls: int
    waiting_for: timedelta
    keys_needed: Collection[str]


async def alone(conn: Connection) -> None:
    """Nobody else claims until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def known(conn: Connection) -> tuple[Known, ...]:
    rows = await conn.fetch(
        "SELECT name, instance, system_name, stopped, clock_timestamp() - last_seen AS silent FROM host ORDER BY name"
    )
    return tuple(
        Known(
            name=row["name"],
            instance=row["instance"],
            system_name=row["system_name"],
            silent=row["silent"],
            stopped=row["stopped"],
        )
        for row in rows
    )


async def claim(
    conn: Connection,
    *,
    name: str,
    instance: UUID,
    incarnation: UUID,
    roles: Collection[Role],
    version: str,
    system_name: str | None,
    vault: UUID | None,
) -> None:
    """It has this name and this PBX from now on; what earlier runs under that name had is free."""
    await conn.execute("UPDATE host SET system_name = NULL WHERE system_name = $1 AND name <> $2", system_name, name)
    await conn.execute(
        "UPDATE lease SET incarnation = NULL WHERE incarnation IN (SELECT incarnation FROM host WHERE name = $1)", name
    )
    await conn.execute(
        """
        INSERT INTO host (name, instance, incarnation, roles, version, system_name, vault, started_at, last_seen)
        VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), clock_timestamp())
        ON CONFLICT (name) DO UPDATE SET
            instance = excluded.instance, incarnation = excluded.incarnation, roles = excluded.roles,
            version = excluded.version, system_name = coalesce(excluded.system_name, host.system_name),
            vault = excluded.vault, started_at = excluded.started_at, last_seen = excluded.last_seen,
            stopped = false, silence_told = false
        """,
        name,
        instance,
        incarnation,
        [role.value for role in roles],
        version,
        system_name,
        vault,
    )


async def tell(conn: Connection, incarnation: UUID, word: Word) -> bool:
    """It lives. False: another one has its name."""
    found = await conn.fetchval(
        """
        UPDATE host SET last_seen = clock_timestamp(), stopped = false, silence_told = false, health = $2,
            troubles = $3, waiting_calls = $4, waiting_for = $5, keys_needed = $6
        WHERE incarnation = $1 RETURNING true
        """,
        incarnation,
        word.health,
        word.troubles,
        word.waiting_calls,
        word.waiting_for,
        sorted(word.keys_needed),
    )
    return bool(found)


async def stop(conn: Connection, incarnation: UUID) -> None:
    await conn.execute(
        "UPDATE host SET stopped = true, last_seen = clock_timestamp() WHERE incarnation = $1", incarnation
    )


async def set_pbx(conn: Connection, incarnation: UUID, system_name: str) -> None:
    """Its PBX, which nobody alive has: the caller has seen to it."""
    await conn.execute(
        "UPDATE host SET system_name = NULL WHERE system_name = $1 AND incarnation <> $2", system_name, incarnation
    )
    await conn.execute("UPDATE host SET system_name = $2 WHERE incarnation = $1", incarnation, system_name)


async def newly_silent(conn: Connection, after: timedelta) -> tuple[tuple[str, timedelta], ...]:
    """Those of which nobody heard for so long: each is told once, whoever asks."""
    rows = await conn.fetch(
        """
        UPDATE host SET silence_told = true
        WHERE NOT silence_told AND NOT stopped AND last_seen < clock_timestamp() - $1::interval
        RETURNING name, clock_timestamp() - last_seen AS silent
        """,
        after,
    )
    return tuple((row["name"], row["silent"]) for row in rows)


async def everyone(conn: Connection) -> tuple[HostRow, ...]:
    rows = await conn.fetch("SELECT *, clock_timestamp() - last_seen AS silent FROM host ORDER BY name")
    return tuple(_row(row) for row in rows)


async def may_need(conn: Connection, key_name: str, over: datetime) -> tuple[str, ...]:
    """Hosts whose journal needs this key, or that record and were not heard of since `over`: what they have, nobody
    else knows."""
    rows = await conn.fetch(
        """
        SELECT name FROM host WHERE $1 = ANY(keys_needed) OR ($3 = ANY(roles) AND last_seen < $2) ORDER BY name
        """,
        key_name,
        over,
        Role.CAPTURE.value,
    )
    return tuple(row["name"] for row in rows)


async def others_capture(conn: Connection, name: str) -> bool:
    """Is there another host beside a PBX?"""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM host WHERE name <> $1 AND $2 = ANY(roles))", name, Role.CAPTURE.value
    )
    return found


async def forget(conn: Connection, name: str) -> bool:
    """It is gone for good. False: there is none of that name."""
    return bool(await conn.fetchval("DELETE FROM host WHERE name = $1 RETURNING true", name))


def _row(row: Row) -> HostRow:
    told = Known(
        name=row["name"],
        instance=row["instance"],
        system_name=row["system_name"],
        silent=row["silent"],
        stopped=row["stopped"],
    )
    return HostRow(
        name=row["name"],
        state=told.state,
        roles=tuple(Role(role) for role in row["roles"] if role in set(Role)),
        version=row["version"],
        system_name=row["system_name"],
        vault=row["vault"],
        started_at=row["started_at"],
        last_seen=row["last_seen"],
        silent=row["silent"],
        health=row["health"],
        troubles=row["troubles"],
        waiting_calls=row["waiting_calls"],
        waiting_for=row["waiting_for"],
    )
