"""The table `queue_activation`: by which decision a queue is recorded, with everything that was so before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ari_recorder.domain.activations import Approval, Turn
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """`ended_at` is None while it is so."""

    service: str
    queue: str
    approval: Approval
    began_at: datetime
    ended_at: datetime | None


async def now_of(conn: Connection, service: str) -> Mapping[str, Approval]:
    """Those in force, for whoever changes them: until the end of the transaction nobody else does."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('queue_activation ' || $1, 0))", service)
    rows = await conn.fetch("SELECT * FROM queue_activation WHERE service = $1 AND ended_at IS NULL", service)
    return {row["queue"]: _approval(row) for row in rows}


async def write(conn: Connection, service: str, change: Turn, now: datetime) -> None:
    await conn.execute(
        """
        UPDATE queue_activation SET ended_at = greatest($3, began_at)
        WHERE service = $1 AND queue = ANY($2) AND ended_at IS NULL
        """,
        service,
        sorted(change.ended),
        now,
    )
    for queue, approval in change.begun.items():
        await conn.execute(
            """
            INSERT INTO queue_activation (service, queue, approved_by, approved_on, staff_informed_on, began_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            service,
            queue,
            approval.approved_by,
            approval.approved_on,
            approval.staff_informed_on,
            now,
        )


async def at(conn: Connection, moment: datetime) -> tuple[Activation, ...]:
    """Which queues were recorded then, and by what."""
    rows = await conn.fetch(
        """
        SELECT * FROM queue_activation WHERE began_at <= $1 AND (ended_at IS NULL OR ended_at > $1)
        ORDER BY service, queue
        """,
        moment,
    )
    return tuple(
        Activation(
            service=row["service"],
            queue=row["queue"],
            approval=_approval(row),
            began_at=row["began_at"],
            ended_at=row["ended_at"],
        )
        for row in rows
    )


def _approval(row: Row) -> Approval:
    return Approval(
        approved_by=row["approved_by"],
        approved_on=row["approved_on"],
        staff_informed_on=row["staff_informed_on"],
    )
