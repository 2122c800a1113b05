"""The table `session`, and the question of each request: who is it, and what may they do? At the door: log_ins.py.

A request asks once: token ─► session or machine ─► account, rights and units of this moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from ari_recorder.domain.accounts import Grant, Role
from ari_recorder.storage import log_ins
from ari_recorder.storage.db import Connection, Row

# SECURITY S2: half of what NIST SP 800-63B-4 allows at this level.
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=10)
# How exactly it is known when somebody was last here: a write a minute, not one a request.
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Who a token belongs to, with the rights of this moment."""

    account_id: UUID
    name: str
    full_name: str
    language: str
    session_id: UUID | None
    began_at: datetime | None
    stepped_up_at: datetime | None
    owner_confirmed: bool
    grants: tuple[Grant, ...]
    units: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """As its owner sees it in a list."""

    id: UUID
    began_at: datetime
    last_seen_at: datetime
    address: str


async def insert(
    conn: Connection, session_id: UUID, token_hash: bytes, account_id: UUID, address: str, now: datetime
) -> None:
    await conn.execute(
        """
        INSERT INTO session (id, token_hash, account_id, began_at, last_seen_at, stepped_up_at, address)
        VALUES ($1, $2, $3, $4, $4, $4, $5)
        """,
        session_id,
        token_hash,
        account_id,
        now,
        address,
    )


async def find(conn: Connection, token_hash: bytes, now: datetime, today: date) -> Found | None:
    """Who has this session, unless it is over: idle, too long, ended, or its account is not active any more."""
    rows = await conn.fetch(
        _WITH_RIGHTS.format(
            who="""
                SELECT session.id AS session_id, began_at, stepped_up_at, account_id
                FROM session JOIN account ON account.id = account_id
                WHERE token_hash = $1 AND ended_at IS NULL AND state = 'active'
                    AND began_at > $2::timestamptz - $4::interval AND last_seen_at > $2::timestamptz - $5::interval
            """,
            seen="""
                UPDATE session SET last_seen_at = $2 FROM who
                WHERE session.id = who.session_id AND last_seen_at < $2::timestamptz - $6::interval
            """,
        ),
        token_hash,
        now,
        today,
        LONGEST,
        IDLE,
        _SEEN_EVERY,
    )
    return _found(rows)


async def find_machine(conn: Connection, token_hash: bytes, now: datetime, today: date) -> Found | None:
    rows = await conn.fetch(
        _WITH_RIGHTS.format(
            who="""
                SELECT NULL::uuid AS session_id, NULL::timestamptz AS began_at, NULL::timestamptz AS stepped_up_at,
                    account_id
                FROM machine_token JOIN account ON account.id = account_id
                WHERE token_hash = $1 AND expires_at > $2 AND state = 'active'
            """,
            seen="""
                UPDATE machine_token SET last_seen_at = $2 FROM who WHERE machine_token.account_id = who.account_id
                    AND (last_seen_at IS NULL OR last_seen_at < $2::timestamptz - $4::interval)
            """,
        ),
        token_hash,
        now,
        today,
        _SEEN_EVERY,
    )
    return _found(rows)


_WITH_RIGHTS = """
    WITH who AS ({who}), seen AS ({seen})
    SELECT who.*, account.name, account.full_name, account.language, owner_confirmed,
        held.id AS right_id, role, held.unit, interfaces, valid_from, valid_until, queues
    FROM who JOIN account ON account.id = who.account_id
    LEFT JOIN right_held AS held ON held.account_id = who.account_id
        AND ended_at IS NULL AND approved_at IS NOT NULL AND $3 BETWEEN valid_from AND valid_until AND owner_confirmed
    LEFT JOIN LATERAL (
        SELECT queues FROM unit_history WHERE unit_history.unit = held.unit ORDER BY id DESC LIMIT 1
    ) AS newest ON true
    ORDER BY right_id
"""


async def step_up(conn: Connection, session_id: UUID, old_hash: bytes, new_hash: bytes, now: datetime) -> bool:
    """The session goes on under a new token. False: it is over, or went on under another one."""
    row = await conn.fetchrow(
        """
        UPDATE session SET token_hash = $3, stepped_up_at = $4, last_seen_at = $4
        WHERE id = $1 AND token_hash = $2 AND ended_at IS NULL RETURNING id
        """,
        session_id,
        old_hash,
        new_hash,
        now,
    )
    return row is not None


async def end(conn: Connection, session_id: UUID, account_id: UUID, because: str, now: datetime) -> bool:
    row = await conn.fetchrow(
        """
        UPDATE session SET ended_at = $4, ended_because = $3 WHERE id = $1 AND account_id = $2 AND ended_at IS NULL
        RETURNING id
        """,
        session_id,
        account_id,
        because,
        now,
    )
    return row is not None


async def end_all(
    conn: Connection, account_id: UUID, because: str, now: datetime, *, but: UUID | None = None
) -> tuple[UUID, ...]:
    """Of an account, and what stands between password and code: it was begun with what counts no more."""
    await conn.execute("DELETE FROM log_in WHERE account_id = $1", account_id)
    rows = await conn.fetch(
        """
        UPDATE session SET ended_at = $3, ended_because = $2
        WHERE account_id = $1 AND ended_at IS NULL AND ($4::uuid IS NULL OR id <> $4) RETURNING id
        """,
        account_id,
        because,
        now,
        but,
    )
    return tuple(row["id"] for row in rows)


async def of_account(conn: Connection, account_id: UUID, now: datetime) -> tuple[Session, ...]:
    rows = await conn.fetch(
        """
        SELECT id, began_at, last_seen_at, address FROM session
        WHERE account_id = $1 AND ended_at IS NULL
            AND began_at > $2::timestamptz - $3::interval AND last_seen_at > $2::timestamptz - $4::interval
        ORDER BY began_at DESC
        """,
        account_id,
        now,
        LONGEST,
        IDLE,
    )
    return tuple(
        Session(id=row["id"], began_at=row["began_at"], last_seen_at=row["last_seen_at"], address=row["address"])
        for row in rows
    )


async def forget(conn: Connection, now: datetime, tickets_until: timedelta) -> None:
    """What is over and says nothing any more."""
    await conn.execute("DELETE FROM log_in WHERE began_at < $1", now - tickets_until)
    await conn.execute("DELETE FROM session WHERE began_at < $1", now - LONGEST - timedelta(days=30))
    await conn.execute("DELETE FROM known_device WHERE last_seen_at < $1", now - log_ins.DEVICE_KNOWN)
    await conn.execute("DELETE FROM invitation WHERE expires_at < $1", now)


def _found(rows: Any) -> Found | None:
    if not rows:
        return None
    row = rows[0]
    held = [one for one in rows if one["right_id"] is not None]
    return Found(
        account_id=row["account_id"],
        name=row["name"],
        full_name=row["full_name"],
        language=row["language"],
        session_id=row["session_id"],
        began_at=row["began_at"],
        stepped_up_at=row["stepped_up_at"],
        owner_confirmed=row["owner_confirmed"],
        grants=tuple(_grant(one) for one in held),
        units={one["unit"]: frozenset(one["queues"] or ()) for one in held},
    )


def _grant(row: Row) -> Grant:
    return Grant(
        id=row["right_id"],
        role=Role(row["role"]),
        unit=row["unit"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        interfaces=frozenset(row["interfaces"]),
    )
