"""The tables `log_in` and `known_device`, and what of `credential` a log-in changes. Who is in: sessions.py."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ari_recorder.domain.throttle import MOST_FAILURES
from ari_recorder.storage.db import Connection

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
class Device:
    """A browser somebody logged in with. `is_this`: the one that asks."""

    id: UUID
    first_seen_at: datetime
    last_seen_at: datetime
    is_this: bool


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
        VALUES ($1, $2, $3, $4, (SELECT id FROM known_device WHERE id = $5), $6)
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


async def count_failure(conn: Connection, account_id: UUID, device: UUID | None, now: datetime) -> int:
    """A try is a failure until it is right: the how manieth in a row. One too many closes the door: to strangers, or to
    this device, which is one then."""
    if device is not None:
        count: int | None = await conn.fetchval(
            "UPDATE known_device SET failures = failures + 1 WHERE id = $1 RETURNING failures", device
        )
        if count is not None and count > MOST_FAILURES:
            await conn.execute("DELETE FROM known_device WHERE id = $1", device)
        return MOST_FAILURES + 2 if count is None else count  # it went this moment, and was told about
    count = await conn.fetchval(
        """
        UPDATE credential SET failures = failures + 1,
            locked_at = CASE WHEN failures >= $2 THEN coalesce(locked_at, $3::timestamptz) END
        WHERE account_id = $1 RETURNING failures
        """,
        account_id,
        MOST_FAILURES,
        now,
    )
    return count or 0


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


async def devices(conn: Connection, account_id: UUID, this: bytes, now: datetime) -> tuple[Device, ...]:
    """Those that count, the last seen first."""
    rows = await conn.fetch(
        """
        SELECT id, first_seen_at, last_seen_at, token_hash = $2 AS is_this FROM known_device
        WHERE account_id = $1 AND last_seen_at > $3 ORDER BY last_seen_at DESC, id
        """,
        account_id,
        this,
        now - DEVICE_KNOWN,
    )
    return tuple(Device(**row) for row in rows)


async def forget_device(conn: Connection, account_id: UUID, device_id: UUID) -> bool:
    """False: this account has none of that id."""
    done = await conn.execute("DELETE FROM known_device WHERE account_id = $1 AND id = $2", account_id, device_id)
    return done == "DELETE 1"
