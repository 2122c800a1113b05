"""The ledger of a day: the PBX's own queue_log held against what the database knows. Nothing is decided here.

On the page who looks sees the calls of the own units. That somebody looked is an entry of the audit log, in the
transaction that reads.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.ledger import LedgerRow, LedgerState, balance
from ari_recorder.domain.queue_log import read_queue_log
from ari_recorder.domain.retention import midnight
from ari_recorder.services.clock import Clocks
from ari_recorder.services.queue_logs import begin_of, read_lines
from ari_recorder.storage import audit, calls
from ari_recorder.storage.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLedger:
    """`balanced`: every call of the day is explained. A day with calls under way is not balanced yet, and never is one
    whose beginning queue_log does not hold any more (`reaches_back`)."""

    day: date
    rows: tuple[LedgerRow, ...]
    reaches_back: bool

    def count(self, state: LedgerState) -> int:
        return sum(row.verdict.state is state for row in self.rows)

    @property
    def balanced(self) -> bool:
        return self.reaches_back and not self.count(LedgerState.UNEXPLAINED) and not self.count(LedgerState.PENDING)


async def day_ledger(
    database: Database, *, queue_log: Path, queues: frozenset[str], day: date, now: datetime, reader: Actor
) -> DayLedger:
    """All calls that entered a queue on `day` (Europe/Helsinki), by the PBX's clock where the PBX knows the call."""
    (found,) = await day_ledgers(database, queue_log=queue_log, queues=queues, days=[day], now=now, reader=reader)
    return found


async def day_ledgers(
    database: Database,
    *,
    queue_log: Path,
    queues: frozenset[str],
    days: Sequence[date],
    now: datetime,
    reader: Actor,
    scope: frozenset[str] | None = None,
) -> tuple[DayLedger, ...]:
    """The same for several days, read at one go. `scope`: of these queues only."""
    lines = await asyncio.to_thread(read_lines, queue_log, midnight(min(days)))
    logged = await asyncio.to_thread(read_queue_log, lines)
    oldest = begin_of(lines)
    found = []
    async with database.transaction() as conn:
        for day in days:
            begin, end = midnight(day), midnight(day + timedelta(days=1))
            of_day = {uniqueid: call for uniqueid, call in logged.items() if begin <= call.entered_at < end}
            known = await calls.of_day(conn, begin, end, of_day)
            # After a late reconnect the recorder may think that a call of yesterday came today.
            known = tuple(call for call in known if call.uniqueid in of_day or call.uniqueid not in logged)
            rows = balance(of_day.values(), known, queues, now)
            if scope is not None:
                rows = tuple(row for row in rows if row.queue in scope)
            found.append(DayLedger(day=day, rows=rows, reaches_back=oldest is not None and oldest <= begin))
        entry = Entry(
            action=Action.LEDGER_VIEW,
            actor=reader,
            object=f"day:{max(days)}",
            facts={"days": len(days), "calls": sum(len(one.rows) for one in found)},
        )
        await audit.append(conn, entry, now)
    return tuple(found)


class Ledgers:
    """For people: as far as the right reaches. The days of who sees some queues balance by those queues."""

    def __init__(self, *, database: Database, queue_log: Path, queues: frozenset[str], clocks: Clocks) -> None:
        self._database = database
        self._queue_log = queue_log
        self._queues = queues
        self._clocks = clocks

    async def of_days(self, principal: Principal, days: Sequence[date]) -> tuple[DayLedger, ...]:
        now = self._clocks.now()
        scope = authorise(principal, Permission.LEDGER_VIEW, now=now)
        return await day_ledgers(
            self._database,
            queue_log=self._queue_log,
            queues=self._queues,
            days=days,
            now=now,
            reader=principal.actor(Permission.LEDGER_VIEW),
            scope=scope.queues,
        )
