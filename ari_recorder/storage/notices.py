"""The table `notice_to_user`: what users should know about accounts, shown on the page and sent by mail (outbox.py)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ari_recorder.domain.accounts import Role
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    id: int
    account_id: UUID
    kind: str
    at: datetime
    facts: Mapping[str, Any]


async def tell(conn: Connection, account_id: UUID, kind: str, now: datetime, facts: Mapping[str, object]) -> None:
    await conn.execute(
        "INSERT INTO notice_to_user (account_id, kind, at, facts) VALUES ($1, $2, $3, $4)",
        account_id,
        kind,
        now,
        dict(facts),
    )


async def tell_those(
    conn: Connection,
    roles: Collection[Role],
    account_id: UUID,
    kind: str,
    now: datetime,
    facts: Mapping[str, object],
    *,
    with_owner: bool = False,
) -> None:
    """Whoever has one of these roles, and counts; `with_owner`: who it is about, too. The facts name it."""
    await conn.execute(
        """
        INSERT INTO notice_to_user (account_id, kind, at, facts)
        SELECT id, $2, $3, $4::jsonb || jsonb_build_object('account', (SELECT name FROM account WHERE id = $1))
        FROM account WHERE kind = 'person' AND CASE WHEN id = $1 THEN $6 ELSE
            state = 'active' AND owner_confirmed AND EXISTS (
                SELECT FROM right_held WHERE account_id = account.id AND role = ANY($5::account_role[])
                    AND ended_at IS NULL AND approved_at IS NOT NULL
            )
        END
        """,
        account_id,
        kind,
        now,
        dict(facts),
        sorted(roles),
        with_owner,
    )


async def unseen(conn: Connection, account_id: UUID) -> tuple[Notice, ...]:
    rows = await conn.fetch(
        "SELECT * FROM notice_to_user WHERE account_id = $1 AND seen_at IS NULL ORDER BY id", account_id
    )
    return tuple(_notice(row) for row in rows)


async def seen(conn: Connection, account_id: UUID, up_to: int, now: datetime) -> None:
    await conn.execute(
        "UPDATE notice_to_user SET seen_at = $3 WHERE account_id = $1 AND id <= $2 AND seen_at IS NULL",
        account_id,
        up_to,
        now,
    )


def _notice(row: Row) -> Notice:
    return Notice(id=row["id"], account_id=row["account_id"], kind=row["kind"], at=row["at"], facts=row["facts"])
