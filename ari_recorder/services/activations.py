"""By which decision each queue is recorded: as configured, kept with its history, and on record when it changes."""

from collections.abc import Mapping
from datetime import datetime

from ari_recorder.domain.activations import Approval, turn
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.storage import activations, audit
from ari_recorder.storage.activations import Activation
from ari_recorder.storage.db import Connection, Database

_SELF = Actor.service("configuration")


async def adopt(database: Database, service: str, configured: Mapping[str, Approval], now: datetime) -> None:
    """`service`: the name of the PBX whose queues these are."""
    async with database.transaction() as conn:
        known = await activations.now_of(conn, service)
        change = turn(known, configured)
        await activations.write(conn, service, change, now)
        for queue in sorted(change.ended - change.begun.keys()):
            await _tell(conn, Action.QUEUE_END, queue, known[queue], now)
        for queue, approval in sorted(change.begun.items()):
            await _tell(conn, Action.QUEUE_ACTIVATE, queue, approval, now)


async def recorded_at(database: Database, moment: datetime) -> tuple[Activation, ...]:
    async with database.transaction() as conn:
        return await activations.at(conn, moment)


async def _tell(conn: Connection, action: Action, queue: str, approval: Approval, now: datetime) -> None:
    facts = {
        "approved_on": approval.approved_on.isoformat(),
        "staff_informed_on": approval.staff_informed_on.isoformat(),
    }
    entry = Entry(action=action, actor=_SELF, object=f"queue:{queue}", because=approval.approved_by, facts=facts)
    await audit.append(conn, entry, now)
