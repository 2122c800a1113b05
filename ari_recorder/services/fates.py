"""What becomes of recordings when something keeps them no more: told before it is done. The rule: domain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from ari_recorder.domain.retention import Erase, Keep, Policy, decide, local_day
from ari_recorder.domain.retention_told import Retention, told
from ari_recorder.services import kept
from ari_recorder.storage import holds
from ari_recorder.storage.db import Connection
from ari_recorder.storage.keeping import Locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a recording. `destroyed_on` is a day in Helsinki; None when something else keeps it."""

    recording_id: UUID
    started_at: datetime
    queue: str
    destroyed_on: date | None
    because: str
    retention: Retention
    at_once: bool


async def of_rows(
    conn: Connection, rows: Sequence[Locked], policy: Policy, now: datetime, without: UUID | None = None
) -> tuple[Fate, ...]:
    """Once the hold or freeze `without` keeps them no more."""
    known = await holds.of_recordings(conn, [row.id for row in rows])
    fates = []
    for row in rows:
        of = known.get(row.id, holds.NOTHING)
        facts = kept.of_row(row)
        others = [hold for hold in of.holds if hold.id != without]
        requests = [freeze for freeze in of.freezes if freeze.id != without]
        decision = decide(facts, policy, others, requests, now)
        fates.append(_fate(row, decision, told(facts, policy, others, requests, now), now))
    return tuple(fates)


def _fate(row: Locked, decision: Keep | Erase, retention: Retention, now: datetime) -> Fate:
    until = now if isinstance(decision, Erase) else decision.until
    return Fate(
        recording_id=row.id,
        started_at=row.started_at,
        queue=row.queue,
        destroyed_on=local_day(until) if until is not None else None,
        because=decision.because,
        retention=retention,
        at_once=isinstance(decision, Erase),
    )
