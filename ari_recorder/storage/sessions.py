"""The tables `session`, `log_in` and `known_device`: who is at the door, and who is in. Only hashes of tokens are here.

A request asks once: token ─► session or machine ─► account, rights and units of this moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from ari_recorder.domain.accounts import Grant, Role
from ari_recorder.domain.throttle import MOST_FAILURES
from ari_recorder.storage.db import Connection, Row

# SECURITY S2: half of what NIST SP 800-63B-4 allows at this level.
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=10)
# How exactly it is known when somebody was last here: a write a minute, not one a request.
_SEEN_EVERY = timedelta(minutes=1)
DEVICE_KNOWN = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheDoor:
    """Who gives a name: what is to be compared. All None: nobody has it."""

    account_id: UUID | None = None
    password_hash: str | None = None
    device: UUID | None = None
    locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Between password and code."""

    account_id: UUID | None
    subject: str
    password_right: bool
    device: UUID | None
    tries: int
    began_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What a code is compared with."""

    totp_secret: bytes
    name: str
    mail: str


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
    grants: tuple[Grant, ...]
    units: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """As its owner sees it in a list."""

    id: UUID
    began_at: datetime
    last_seen_at: datetime
    address: str


# --- at the door


async def at_the_door(conn: Connection, name: str, device_hash: bytes, now: datetime) -> AtTheDoor:
    row = await conn.fetchrow(
        """
        SELECT account.id, password_hash, locked_at IS NOT NULL AS locked, known_device.id AS device
        FROM account JOIN credential ON credential.account_id = account.id
        LEFT JOIN known_device
            ON known_device.account_id = account.id AND token_hash = $2 AND known_device.last_seen_at > $3
        WHERE name = $1 AND state = 'active' AND kind = 'person'
        """,
        name,
        device_hash,
        now - DEVICE_KNOWN,
    )
    if row is None:
        return AtTheDoor()
    return AtTheDoor(
        account_id=row["id"], password_hash=row["password_hash"], device=row["device"], locked=row["locked"]
    )


async def begin(conn: Connection, ticket_hash: bytes, ticket: Ticket) -> None:
    await conn.execute(
        """
        INSERT INTO log_in (ticket_hash, account_id, subject, password_right, device, began_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        ticket_hash,
        ticket.account_id,
        ticket.subject,
        ticket.password_right,
        ticket.device,
        ticket.began_at,
    )


async def lock_ticket(conn: Connection, ticket_hash: bytes) -> Ticket | None:
    """One more try with it. The same ticket at the same moment waits here."""
    row = await conn.fetchrow("UPDATE log_in SET tries = tries + 1 WHERE ticket_hash = $1 RETURNING *", ticket_hash)
    if row is None:
        return None
    return Ticket(
        account_id=row["account_id"],
        subject=row["subject"],
        password_right=row["password_right"],
        device=row["device"],
        tries=row["tries"],
        began_at=row["began_at"],
    )


async def end_ticket(conn: Connection, ticket_hash: bytes) -> None:
    await conn.execute("DELETE FROM log_in WHERE ticket_hash = $1", ticket_hash)


async def secret(conn: Connection, account_id: UUID | None) -> Secret | None:
    """None: there is no such account, or it cannot log in any more."""
    row = await conn.fetchrow(
        """
        SELECT totp_secret, name, mail FROM credential JOIN account ON account.id = account_id
        WHERE account_id = $1 AND state = 'active'
        """,
        account_id,
    )
    return Secret(totp_secret=row["totp_secret"], name=row["name"], mail=row["mail"]) if row is not None else None


async def accept_step(conn: Connection, account_id: UUID, step: int) -> bool:
    """A code of this step, or of an earlier one, is accepted once and never again. One statement: of any number at the
    same moment, one finds the step older than its own."""
    row = await conn.fetchrow(
        "UPDATE credential SET last_step = $2 WHERE account_id = $1 AND last_step < $2 RETURNING account_id",
        account_id,
        step,
    )
    return row is not None


async def fail(conn: Connection, account_id: UUID, device: UUID | None, now: datetime) -> bool:
    """One more failure in a row. True when it closes the door: to strangers, or to this device, which is then one."""
    if device is not None:
        count = await conn.fetchval(
            "UPDATE known_device SET failures = failures + 1 WHERE id = $1 RETURNING failures", device
        )
        if count is None or count < MOST_FAILURES:
            return False
        await conn.execute("DELETE FROM known_device WHERE id = $1", device)
        return True
    count = await conn.fetchval(
        """
        UPDATE credential SET failures = failures + 1,
            locked_at = CASE WHEN failures + 1 >= $2 THEN coalesce(locked_at, $3::timestamptz) END
        WHERE account_id = $1 RETURNING failures
        """,
        account_id,
        MOST_FAILURES,
        now,
    )
    return bool(count == MOST_FAILURES)


async def succeed(conn: Connection, account_id: UUID, device: UUID | None, now: datetime) -> bool:
    """Failures before it do not count any more; those of strangers do when a known device logs in. False: the door was
    closed meanwhile."""
    if device is not None:
        row = await conn.fetchrow(
            "UPDATE known_device SET failures = 0, last_seen_at = $2 WHERE id = $1 RETURNING id", device, now
        )
        return row is not None
    row = await conn.fetchrow(
        "UPDATE credential SET failures = 0 WHERE account_id = $1 AND locked_at IS NULL RETURNING account_id",
        account_id,
    )
    return row is not None


async def know_device(
    conn: Connection, device_id: UUID, token_hash: bytes, account_id: UUID, now: datetime, most: int
) -> bool:
    """Is it the first one? Of too many, those that were not seen for longest are forgotten."""
    known: int = await conn.fetchval("SELECT count(*) FROM known_device WHERE account_id = $1", account_id)
    await conn.execute(
        """
        INSERT INTO known_device (id, token_hash, account_id, first_seen_at, last_seen_at) VALUES ($1, $2, $3, $4, $4)
        """,
        device_id,
        token_hash,
        account_id,
        now,
    )
    await conn.execute(
        """
        DELETE FROM known_device WHERE id IN (
            SELECT id FROM known_device WHERE account_id = $1 ORDER BY last_seen_at DESC, id OFFSET $2
        )
        """,
        account_id,
        most,
    )
    return known == 0


# --- sessions


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
                    AND began_at > $2 - $4::interval AND last_seen_at > $2 - $5::interval
            """,
            seen="""
                UPDATE session SET last_seen_at = $2 FROM who
                WHERE session.id = who.session_id AND last_seen_at < $2 - $6::interval
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
                    AND (last_seen_at IS NULL OR last_seen_at < $2 - $4::interval)
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
    SELECT who.*, account.name, account.full_name, account.language,
        held.id AS right_id, role, held.unit, interfaces, valid_from, valid_until, queues
    FROM who JOIN account ON account.id = who.account_id
    LEFT JOIN right_held AS held ON held.account_id = who.account_id
        AND ended_at IS NULL AND approved_at IS NOT NULL AND $3 BETWEEN valid_from AND valid_until
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
        WHERE account_id = $1 AND ended_at IS NULL AND began_at > $2 - $3::interval AND last_seen_at > $2 - $4::interval
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
    await conn.execute("DELETE FROM known_device WHERE last_seen_at < $1", now - DEVICE_KNOWN)
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
