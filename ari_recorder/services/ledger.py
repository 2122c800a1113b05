"""The ledger of a day, as it is shown: the PBX's own logs held against what the database knows. Nothing is decided
here.

A day that was closed is shown as it was then. Of one that was not, what the logs hold is weighed now; what they no
longer hold is shown as it was weighed last (services/ledger_keeper.py). What a person explained is explained.

With several PBXs, and on a host that has none, what the hosts beside them have weighed is shown: it is seconds old.

On the page who looks sees the calls of the own units. That somebody looked is an entry of the audit log, in the
transaction that reads.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import structlog

from ari_recorder.config import Host, Role
from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise, check_person
from ari_recorder.domain.audit import Action, Actor, Entry, clean
from ari_recorder.domain.cel import Witness
from ari_recorder.domain.errors import LedgerCallExplained, LedgerCallUnknown
from ari_recorder.domain.ledger import LedgerRow, LedgerState, balance, explained
from ari_recorder.domain.retention import midnight
from ari_recorder.services.clock import Clocks
from ari_recorder.services.witnesses import Witnesses
from ari_recorder.storage import absences, audit, calls, hosts, ledger
from ari_recorder.storage.db import Database
from ari_recorder.storage.ledger import Explanation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLedger:
    """`balanced`: every call of the day is explained. A day with calls under way is not balanced yet, and never is one
    whose beginning queue_log does not hold any more (`reaches_back`), unless it was closed before. `unread`: why one of
    the PBX's logs could not be read, so that the other is all there is. `contradicted`: of which calls the logs do not
    say the same, and which of them lacks that an agent talked."""

    day: date
    rows: tuple[LedgerRow, ...]
    reaches_back: bool
    closed_at: datetime | None = None
    explanations: Mapping[str, Explanation] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    contradicted: Mapping[str, Witness] = field(default_factory=dict)

    def count(self, state: LedgerState) -> int:
        return sum(row.verdict.state is state for row in self.rows)

    @property
    def by_pbx(self) -> Mapping[str, Mapping[str, int]]:
        """How many calls of each PBX are in each state."""
        names = sorted({row.pbx for row in self.rows})
        return {name: Counter(row.verdict.state.value for row in self.rows if row.pbx == name) for name in names}

    @property
    def balanced(self) -> bool:
        return self.reaches_back and not self.count(LedgerState.UNEXPLAINED) and not self.count(LedgerState.PENDING)


async def day_ledger(
    database: Database,
    *,
    queue_log: Path,
    cel: Path | None = None,
    queues: frozenset[str],
    day: date,
    now: datetime,
    reader: Actor,
    host: Host | None = None,
    pbx: str | None = None,
) -> DayLedger:
    """All calls that entered a queue on `day` (Europe/Helsinki), by the PBX's clock where the PBX knows the call."""
    (found,) = await day_ledgers(
        database,
        queue_log=queue_log,
        cel=cel,
        queues=queues,
        days=[day],
        now=now,
        reader=reader,
        host=host,
        pbx=pbx,
    )
    return found


async def day_ledgers(
    database: Database,
    *,
    queue_log: Path,
    cel: Path | None = None,
    queues: frozenset[str],
    days: Sequence[date],
    now: datetime,
    reader: Actor,
    scope: frozenset[str] | None = None,
    host: Host | None = None,
    pbx: str | None = None,
) -> tuple[DayLedger, ...]:
    """The same for several days, read at one go. `scope`: of these queues only. `host`, `pbx`: which host asks, and its
    PBX; without, there is one. QueueLogUnreadable, unless there is CEL to go by."""
    if host is not None and await _weighed_elsewhere(database, host):
        return await _as_weighed(database, days, now, reader, scope)
    witnesses, unread, contradicted = await asyncio.to_thread(_heard, queue_log, cel, queues, midnight(min(days)), now)
    oldest = witnesses.begin
    found = []
    async with database.transaction() as conn:
        closed = await ledger.closed(conn, days)
        for day in days:
            begin, end = midnight(day), midnight(day + timedelta(days=1))
            of_day = witnesses.between(begin, end, now)
            known = await calls.of_day(conn, begin, end, of_day)
            # After a late reconnect the recorder may think that a call of yesterday came today.
            known = tuple(call for call in known if call.uniqueid in of_day or call.uniqueid not in witnesses)
            away = await absences.between(conn, begin, now, pbx)
            fresh = {row.uniqueid: row for row in balance(of_day.values(), known, queues, now, away)}
            kept = await ledger.of_day(conn, day)
            rows = _newest(kept, fresh, is_closed=day in closed)
            if scope is not None:
                rows = tuple(row for row in rows if row.queue in scope)
            words = await ledger.explanations(conn, [row.uniqueid for row in rows])
            found.append(
                DayLedger(
                    day=day,
                    rows=tuple(explained(row) if row.uniqueid in words else row for row in rows),
                    reaches_back=day in closed or (oldest is not None and oldest <= begin),
                    closed_at=closed.get(day),
                    explanations=words,
                    unread=unread,
                    contradicted={key: contradicted[key] for row in rows if (key := row.uniqueid) in contradicted},
                )
            )
        await audit.append(conn, _looked(days, found, reader), now)
    return tuple(found)


async def _weighed_elsewhere(database: Database, host: Host) -> bool:
    async with database.transaction() as conn:
        return Role.CAPTURE not in host.does or await hosts.others_capture(conn, host.name)


async def _as_weighed(
    database: Database, days: Sequence[date], now: datetime, reader: Actor, scope: frozenset[str] | None
) -> tuple[DayLedger, ...]:
    found = []
    async with database.transaction() as conn:
        closed = await ledger.closed(conn, days)
        for day in days:
            rows = await ledger.of_day(conn, day)
            known = {call.uniqueid: call for call in await calls.of_day(conn, now, now, rows.keys())}
            words = await ledger.explanations(conn, rows.keys())
            shown = [
                replace(row, recording_ids=known[key].recording_ids if key in known else ())
                for key, row in rows.items()
                if scope is None or row.queue in scope
            ]
            found.append(
                DayLedger(
                    day=day,
                    rows=tuple(explained(row) if row.uniqueid in words else row for row in shown),
                    reaches_back=True,
                    closed_at=closed.get(day),
                    explanations=words,
                )
            )
        await audit.append(conn, _looked(days, found, reader), now)
    return tuple(found)


def _looked(days: Sequence[date], found: Sequence[DayLedger], reader: Actor) -> Entry:
    return Entry(
        action=Action.LEDGER_VIEW,
        actor=reader,
        object=f"day:{max(days)}",
        facts={"days": len(days), "calls": sum(len(one.rows) for one in found)},
    )


def _heard(
    queue_log: Path, cel: Path | None, queues: frozenset[str], since: datetime, now: datetime
) -> tuple[Witnesses, tuple[str, ...], Mapping[str, Witness]]:
    """The PBX's logs as they are now; why one could not be read; and what they contradict each other in. Blocks."""
    witnesses = Witnesses(queue_log=queue_log, cel=cel, queues=queues)
    try:
        look = witnesses.read(since)
        fault = look.unread.get(Witness.QUEUE_LOG)
        if fault is not None and (cel is None or Witness.CEL in look.unread):
            raise fault
        return witnesses, tuple(str(error) for error in look.unread.values()), witnesses.missing(now)
    finally:
        witnesses.close()


def _newest(kept: Mapping[str, LedgerRow], fresh: Mapping[str, LedgerRow], *, is_closed: bool) -> tuple[LedgerRow, ...]:
    """Of a closed day what was kept, with the recordings there are now; of another one what is known now, and what was
    kept of calls that nobody else knows any more."""
    rows = {**fresh, **kept} if is_closed else {**kept, **fresh}
    with_recordings = [
        replace(row, recording_ids=fresh[key].recording_ids) if key in fresh else row for key, row in rows.items()
    ]
    return tuple(sorted(with_recordings, key=lambda row: (row.entered_at, row.uniqueid)))


async def explain(database: Database, uniqueid: str, why: str, actor: Actor, now: datetime, scope: Scope) -> None:
    """Close an unexplained call with words. LedgerCallUnknown (also when it is another unit's), LedgerCallExplained."""
    told = check_person("reason", clean(why))
    async with database.transaction() as conn:
        row = (await ledger.get(conn, [uniqueid])).get(uniqueid)
        if row is None or not (scope.queues is None or row.queue in scope.queues):
            raise LedgerCallUnknown(uniqueid=uniqueid)
        explanation = Explanation(why=told, explained_by=actor.label, explained_at=now)
        if not await ledger.explain(conn, uniqueid, explanation):
            raise LedgerCallExplained(uniqueid=uniqueid)
        facts = {"queue": row.queue, "reason": row.verdict.reason.value}
        entry = Entry(
            action=Action.LEDGER_EXPLAIN, actor=actor, object=f"call:{uniqueid}", facts=facts, personal={"why": told}
        )
        await audit.append(conn, entry, now)
    log.info("ledger_explain", uniqueid=uniqueid)


class Ledgers:
    """For people: as far as the right reaches. The days of who sees some queues balance by those queues."""

    def __init__(
        self,
        *,
        database: Database,
        queue_log: Path,
        cel: Path | None,
        queues: frozenset[str],
        clocks: Clocks,
        host: Host | None = None,
        pbx: str | None = None,
    ) -> None:
        self._database = database
        self._queue_log = queue_log
        self._cel = cel
        self._queues = queues
        self._clocks = clocks
        self._host = host
        self._pbx = pbx

    async def of_days(self, principal: Principal, days: Sequence[date]) -> tuple[DayLedger, ...]:
        now = self._clocks.now()
        scope = authorise(principal, Permission.LEDGER_VIEW, now=now)
        return await day_ledgers(
            self._database,
            queue_log=self._queue_log,
            cel=self._cel,
            queues=self._queues,
            days=days,
            now=now,
            reader=principal.actor(Permission.LEDGER_VIEW),
            scope=scope.queues,
            host=self._host,
            pbx=self._pbx,
        )

    async def explain(self, principal: Principal, uniqueid: str, why: str) -> None:
        now = self._clocks.now()
        scope = authorise(principal, Permission.LEDGER_EXPLAIN, now=now)
        await explain(self._database, uniqueid, why, principal.actor(Permission.LEDGER_EXPLAIN), now, scope)
