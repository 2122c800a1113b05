"""The table `approval`: what one person asked for, and another one agreed to. The steps: domain/approvals.py."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.approvals import Approval, ApprovalKind, ApprovalState
from ari_recorder.storage.db import Connection, Row


async def insert(conn: Connection, approval: Approval) -> bool:
    """False: somebody asked for the same already."""
    row = await conn.fetchrow(
        """
        INSERT INTO approval (id, kind, subject, state, why, asked_at, asked_by, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (kind, subject) WHERE state IN ('asked', 'approved') DO NOTHING RETURNING id
        """,
        approval.id,
        approval.kind,
        approval.subject,
        approval.state,
        approval.why,
        approval.asked_at,
        approval.asked_by,
        approval.expires_at,
    )
    return row is not None


async def expire(conn: Connection, now: datetime) -> None:
    await conn.execute(
        "UPDATE approval SET state = 'expired', why = '' WHERE state IN ('asked', 'approved') AND expires_at <= $1", now
    )


async def lock(conn: Connection, approval_id: UUID) -> Approval | None:
    row = await conn.fetchrow("SELECT * FROM approval WHERE id = $1 FOR UPDATE", approval_id)
    return _approval(row) if row is not None else None


async def decide(conn: Connection, approval_id: UUID, state: ApprovalState, by: UUID, now: datetime) -> bool:
    """Of two who decide at the same moment one does."""
    row = await conn.fetchrow(
        """
        UPDATE approval SET state = $2::approval_state, decided_by = $3, decided_at = $4,
            why = CASE WHEN $2::approval_state = 'refused' THEN '' ELSE why END
        WHERE id = $1 AND state = 'asked' AND asked_by <> $3 RETURNING id
        """,
        approval_id,
        state,
        by,
        now,
    )
    return row is not None


async def spend(conn: Connection, kind: ApprovalKind, subject: str, by: UUID, now: datetime) -> UUID | None:
    """The approval that `by` has for this is used up. None: there is none."""
    spent: UUID | None = await conn.fetchval(
        """
        UPDATE approval SET state = 'spent', spent_at = $4, why = ''
        WHERE kind = $1 AND subject = $2 AND asked_by = $3 AND state = 'approved' AND expires_at > $4 RETURNING id
        """,
        kind,
        subject,
        by,
        now,
    )
    return spent


async def waiting(conn: Connection, kinds: Collection[ApprovalKind]) -> tuple[Approval, ...]:
    """What was asked for and not done yet, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT * FROM approval WHERE state IN ('asked', 'approved') AND kind = ANY($1::approval_kind[])
        ORDER BY asked_at
        """,
        list(kinds),
    )
    return tuple(_approval(row) for row in rows)


def _approval(row: Row) -> Approval:
    return Approval(
        id=row["id"],
        kind=ApprovalKind(row["kind"]),
        subject=row["subject"],
        state=ApprovalState(row["state"]),
        why=row["why"],
        asked_at=row["asked_at"],
        asked_by=row["asked_by"],
        expires_at=row["expires_at"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
    )
