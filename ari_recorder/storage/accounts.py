"""The tables `account`, `credential`, `recovery_code`, `invitation`, `machine_token`. Told to users: notices.py.

Hashes of tokens and codes, and sealed secrets, as they are given: what makes them is in the vault and the services.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.accounts import AccountKind, AccountState
from ari_recorder.domain.rights import OwnerChange
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: UUID
    kind: AccountKind
    state: AccountState
    name: str
    full_name: str
    mail: str
    language: str
    created_at: datetime
    disabled_at: datetime | None = None
    owner_confirmed: bool = False
    link_by: str = ""
    came_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """`alone`: nobody has to confirm who used it."""

    account_id: UUID
    expires_at: datetime
    totp_secret: bytes | None
    made_by: str
    alone: bool


# --- accounts


async def insert(conn: Connection, account: Account) -> bool:
    """False: the name is taken, now or by somebody who has left."""
    row = await conn.fetchrow(
        """
        INSERT INTO account (id, kind, state, name, full_name, mail, language, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING RETURNING id
        """,
        account.id,
        account.kind,
        account.state,
        account.name,
        account.full_name,
        account.mail,
        account.language,
        account.created_at,
    )
    return row is not None


async def find(conn: Connection, name: str) -> Account | None:
    row = await conn.fetchrow("SELECT * FROM account WHERE name = $1", name)
    return _account(row) if row is not None else None


async def lock(conn: Connection, account_id: UUID) -> Account | None:
    row = await conn.fetchrow("SELECT * FROM account WHERE id = $1 FOR UPDATE", account_id)
    return _account(row) if row is not None else None


async def several(conn: Connection, ids: Collection[UUID] | None = None) -> tuple[Account, ...]:
    """All, or those of these ids, by name."""
    rows = await conn.fetch(
        "SELECT * FROM account WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY name",
        list(ids) if ids is not None else None,
    )
    return tuple(_account(row) for row in rows)


async def last_seen(conn: Connection) -> dict[UUID, datetime]:
    """When each last asked for anything: of sessions still known, and of tokens."""
    rows = await conn.fetch(
        """
        SELECT account_id, max(last_seen_at) AS at FROM (
            SELECT account_id, last_seen_at FROM session
            UNION ALL SELECT account_id, last_seen_at FROM machine_token
        ) AS seen WHERE last_seen_at IS NOT NULL GROUP BY account_id
        """
    )
    return {row["account_id"]: row["at"] for row in rows}


async def change(conn: Connection, account_id: UUID, full_name: str, mail: str, language: str) -> None:
    await conn.execute(
        "UPDATE account SET full_name = $2, mail = $3, language = $4 WHERE id = $1",
        account_id,
        full_name,
        mail,
        language,
    )


async def set_language(conn: Connection, account_id: UUID, language: str) -> None:
    await conn.execute("UPDATE account SET language = $2 WHERE id = $1", account_id, language)


async def take_credential(
    conn: Connection, account_id: UUID, state: AccountState, by: str, why: str, now: datetime
) -> None:
    """Nobody logs in as this account any more: password, authenticator, recovery codes, devices and links go. Who comes
    in after that is nobody known."""
    await conn.execute(
        """
        WITH known AS (UPDATE account SET owner_confirmed = false WHERE id = $1 AND owner_confirmed RETURNING id)
        INSERT INTO owner_history (account_id, confirmed, at, by, why) SELECT id, false, $4, $2, $3 FROM known
        """,
        account_id,
        by,
        why,
        now,
    )
    await conn.execute(
        """
        UPDATE account SET state = $2, credential = NULL,
            disabled_at = CASE WHEN $2 = 'disabled'::account_state THEN $3::timestamptz END
        WHERE id = $1
        """,
        account_id,
        state,
        now,
    )
    for table in ("log_in", "known_device", "invitation", "credential", "machine_token"):
        await conn.execute(f"DELETE FROM {table} WHERE account_id = $1", account_id)  # noqa: S608 -- names above


async def confirm(conn: Connection, account_id: UUID, by: str, why: str, now: datetime) -> None:
    """From here on it is known whose log-in it is."""
    await conn.execute(
        """
        WITH known AS (UPDATE account SET owner_confirmed = true WHERE id = $1 AND NOT owner_confirmed RETURNING id)
        INSERT INTO owner_history (account_id, confirmed, at, by, why) SELECT id, true, $4, $2, $3 FROM known
        """,
        account_id,
        by,
        why,
        now,
    )


async def owner_history(conn: Connection, *, account_id: UUID | None = None) -> list[OwnerChange]:
    """In the order it happened; of one account, or of all."""
    rows = await conn.fetch(
        """
        SELECT account_id, confirmed, at, by, why FROM owner_history WHERE $1::uuid IS NULL OR account_id = $1
        ORDER BY id
        """,
        account_id,
    )
    return [OwnerChange(**row) for row in rows]


# --- invitations


async def invite(
    conn: Connection,
    account_id: UUID,
    token_hash: bytes,
    now: datetime,
    expires_at: datetime,
    *,
    made_by: str,
    alone: bool,
) -> None:
    """The link before it is worth nothing from here on."""
    await conn.execute("DELETE FROM invitation WHERE account_id = $1", account_id)
    await conn.execute(
        """
        INSERT INTO invitation (token_hash, account_id, made_at, expires_at, made_by, alone)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        token_hash,
        account_id,
        now,
        expires_at,
        made_by,
        alone,
    )


async def lock_invitation(conn: Connection, token_hash: bytes, now: datetime) -> Invitation | None:
    """None: there is none, or it is over."""
    row = await conn.fetchrow(
        "SELECT * FROM invitation WHERE token_hash = $1 AND expires_at > $2 FOR UPDATE", token_hash, now
    )
    if row is None:
        return None
    return Invitation(
        account_id=row["account_id"],
        expires_at=row["expires_at"],
        totp_secret=row["totp_secret"],
        made_by=row["made_by"],
        alone=row["alone"],
    )


async def begin_totp(conn: Connection, token_hash: bytes, secret: bytes) -> None:
    await conn.execute("UPDATE invitation SET totp_secret = $2 WHERE token_hash = $1", token_hash, secret)


async def end_invitation(conn: Connection, account_id: UUID) -> None:
    await conn.execute("DELETE FROM invitation WHERE account_id = $1", account_id)


# --- credentials


async def any_secret(conn: Connection) -> bool:
    """Is anything sealed under the log-in key?"""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM credential) OR EXISTS (SELECT FROM invitation WHERE totp_secret IS NOT NULL)"
    )
    return found


async def enrol(
    conn: Connection, account_id: UUID, password_hash: str, totp_secret: bytes, step: int, link_by: str, now: datetime
) -> None:
    """Both factors at once; the account is active with them."""
    await conn.execute(
        """
        INSERT INTO credential (account_id, password_hash, password_set_at, totp_secret, totp_set_at, last_step)
        VALUES ($1, $2, $5, $3, $5, $4)
        """,
        account_id,
        password_hash,
        totp_secret,
        step,
        now,
    )
    await conn.execute(
        """
        UPDATE account SET state = 'active', credential = id, disabled_at = NULL, link_by = $2, came_at = $3
        WHERE id = $1
        """,
        account_id,
        link_by,
        now,
    )


async def set_password(conn: Connection, account_id: UUID, password_hash: str, now: datetime) -> None:
    await conn.execute(
        "UPDATE credential SET password_hash = $2, password_set_at = $3 WHERE account_id = $1",
        account_id,
        password_hash,
        now,
    )


async def new_authenticator(conn: Connection, account_id: UUID, session_id: UUID, since: datetime) -> bytes | None:
    """The secret of the one that this session began to set up since then."""
    found: bytes | None = await conn.fetchval(
        "SELECT totp_secret FROM new_authenticator WHERE account_id = $1 AND session_id = $2 AND begun_at > $3",
        account_id,
        session_id,
        since,
    )
    return found


async def begin_authenticator(
    conn: Connection, account_id: UUID, session_id: UUID, totp_secret: bytes, now: datetime
) -> None:
    """One that was begun before is forgotten."""
    await conn.execute(
        """
        INSERT INTO new_authenticator (account_id, session_id, totp_secret, begun_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (account_id) DO UPDATE SET session_id = $2, totp_secret = $3, begun_at = $4
        """,
        account_id,
        session_id,
        totp_secret,
        now,
    )


async def set_authenticator(conn: Connection, account_id: UUID, totp_secret: bytes, step: int, now: datetime) -> None:
    """Codes of the one before are worth nothing from here on."""
    await conn.execute(
        "UPDATE credential SET totp_secret = $2, totp_set_at = $4, last_step = $3 WHERE account_id = $1",
        account_id,
        totp_secret,
        step,
        now,
    )
    await conn.execute("DELETE FROM new_authenticator WHERE account_id = $1", account_id)


async def rehash(conn: Connection, account_id: UUID, old: str, new: str) -> None:
    """The same password under today's parameters, unless it was changed meanwhile."""
    await conn.execute(
        "UPDATE credential SET password_hash = $3 WHERE account_id = $1 AND password_hash = $2", account_id, old, new
    )


async def set_recovery_codes(conn: Connection, account_id: UUID, hashes: Sequence[bytes]) -> None:
    """Those before them are worth nothing from here on."""
    await conn.execute("DELETE FROM recovery_code WHERE account_id = $1", account_id)
    await conn.execute(
        "INSERT INTO recovery_code (account_id, code_hash) SELECT $1, unnest($2::bytea[])", account_id, list(hashes)
    )


async def use_recovery_code(conn: Connection, account_id: UUID, code_hash: bytes, now: datetime) -> int | None:
    """How many are left; None when this is none, or was used."""
    row = await conn.fetchrow(
        """
        UPDATE recovery_code SET used_at = $3 WHERE account_id = $1 AND code_hash = $2 AND used_at IS NULL
        RETURNING account_id
        """,
        account_id,
        code_hash,
        now,
    )
    if row is None:
        return None
    left: int = await conn.fetchval(
        "SELECT count(*) FROM recovery_code WHERE account_id = $1 AND used_at IS NULL", account_id
    )
    return left


# --- tokens of machines


async def set_token(conn: Connection, account_id: UUID, token_hash: bytes, now: datetime, expires_at: datetime) -> None:
    await conn.execute(
        "INSERT INTO machine_token (account_id, token_hash, made_at, expires_at) VALUES ($1, $2, $3, $4)",
        account_id,
        token_hash,
        now,
        expires_at,
    )


def _account(row: Row) -> Account:
    return Account(
        id=row["id"],
        kind=AccountKind(row["kind"]),
        state=AccountState(row["state"]),
        name=row["name"],
        full_name=row["full_name"],
        mail=row["mail"],
        language=row["language"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
        owner_confirmed=row["owner_confirmed"],
        link_by=row["link_by"],
        came_at=row["came_at"],
    )
