"""Figures of the whole database, for monitoring. Each is read by an index or from little."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from ari_recorder.domain.retention import local_day, midnight
from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """`calls`: of today, by state and reason of the recorder's own judgement."""

    calls: Mapping[tuple[str, str], int]
    audit_pending: int
    audit_oldest_at: datetime | None
    audit_size: int
    signed_size: int
    signed_at: datetime | None
    anchor_troubles: Mapping[str, str]
    anchored: Mapping[str, datetime]
    letters_waiting: int
    swept_at: datetime | None


async def look(conn: Connection, now: datetime) -> Stored:
    today = local_day(now)
    calls = await conn.fetch(
        """
        SELECT ledger_state::text AS state, ledger_reason AS reason, count(*) AS calls FROM call
        WHERE coalesce(joined_at, first_seen_at) >= $1 AND coalesce(joined_at, first_seen_at) < $2
            AND ledger_reason <> 'imported'
        GROUP BY 1, 2
        """,
        midnight(today),
        midnight(today + timedelta(days=1)),
    )
    one = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM audit_pending) AS audit_pending,
               (SELECT min(at) FROM audit_pending) AS audit_oldest_at,
               (SELECT size FROM audit_head) AS audit_size,
               (SELECT count(*) FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL) AS letters_waiting,
               (SELECT max(finished_at) FROM sweep_run WHERE state = 'done') AS swept_at
        """
    )
    note = await conn.fetchrow("SELECT size, signed_at FROM audit_checkpoint ORDER BY signed_at DESC LIMIT 1")
    anchors = await conn.fetch("SELECT target, trouble, anchored_at FROM audit_anchor")
    assert one is not None  # noqa: S101 -- it is one row of sub-selects
    return Stored(
        calls={(row["state"], row["reason"]): row["calls"] for row in calls},
        audit_pending=one["audit_pending"],
        audit_oldest_at=one["audit_oldest_at"],
        audit_size=one["audit_size"] or 0,
        signed_size=note["size"] if note is not None else 0,
        signed_at=note["signed_at"] if note is not None else None,
        anchor_troubles={row["target"]: row["trouble"] for row in anchors if row["trouble"]},
        anchored={row["target"]: row["anchored_at"] for row in anchors if row["anchored_at"] is not None},
        letters_waiting=one["letters_waiting"],
        swept_at=one["swept_at"],
    )
