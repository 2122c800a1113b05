"""What is in quarantine, as far as somebody is to be told of it. The rows are ordinary ones of `call` and `recording`;
destroying them is erasing.py's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.ledger import Reason
from ari_recorder.storage.db import Connection
from ari_recorder.storage.scoped import within

# Who has more of them has another trouble than that of reading about each.
_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    recording_id: UUID
    because: Reason
    until: datetime


async def known(conn: Connection, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the recordings that have a row, whatever they are."""
    rows = await conn.fetch("SELECT id FROM recording WHERE id = ANY($1::uuid[])", list(ids))
    return frozenset(row["id"] for row in rows)


async def waiting(conn: Connection, scope: Scope) -> tuple[Quarantined, ...]:
    """Those that are there, the first to be destroyed first."""
    values: list[object] = [_MOST]
    rows = await conn.fetch(
        f"""
        SELECT recording.id, ledger_reason, quarantined_until FROM recording JOIN call ON call.id = recording.call_id
        WHERE quarantined_until IS NOT NULL AND recording.state = 'sealed' AND {within(scope, values)}
        ORDER BY quarantined_until, recording.id LIMIT $1
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    return tuple(
        Quarantined(recording_id=row["id"], because=Reason(row["ledger_reason"]), until=row["quarantined_until"])
        for row in rows
    )
