"""The ledger kept all the time: each call weighed as soon as the PBX's log tells of it, and days closed that balance.

    queue_log, CEL ───┐
    calls in memory ──┼─► weigh (domain/ledger.py) ─► ledger_row ──unexplained──► one alarm, within a minute
    calls stored ─────┘                                  └── a day of which every call is accounted for ──► closed

What was weighed outlives queue_log. A call that is unexplained or goes on is weighed again until it is accounted for;
a day that is closed is not touched any more. Several services may do this at once: rows are the same, alarms are told
once, a day is closed once. Of several PBXs each is weighed by the host that has its logs. While the database is away
nothing is weighed: there is an alarm for that, and the calls meanwhile are weighed when it is back.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

import structlog

from ari_recorder.domain import ledger as rules
from ari_recorder.domain.absences import Absence
from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.calls import Call
from ari_recorder.domain.cel import Witness
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.ledger import KnownCall, LedgerRow, LedgerState, Reason, balance, is_final
from ari_recorder.domain.retention import local_day, midnight
from ari_recorder.services.clock import Clocks
from ari_recorder.services.witnesses import Witnesses
from ari_recorder.storage import absences, audit, calls, ledger
from ari_recorder.storage.db import Connection, Database

log = structlog.get_logger(__name__)

# Settled after 45 s, looked at every 5 s: an alarm within the minute.
EVERY = timedelta(seconds=5)
# After a start, a week's calls: what lives meanwhile is not held up, and their memory not had at once.
AT_ONCE = 500
CLOSES_EVERY = timedelta(minutes=1)
# For a whole day's calls at one go; nobody waits for it.
WITHIN = 30.0
# A day that did not balance for so long is left to people; the page shows it.
DAYS_BACK = 7
UNREADABLE = {Witness.QUEUE_LOG: AlarmCode.QUEUE_LOG_UNREADABLE, Witness.CEL: AlarmCode.CEL_UNREADABLE}
# Calls of last night end in the morning at the latest; who is on the phone then is not waited for either.
CLOSES_AFTER = timedelta(hours=1)
_SELF = Actor.service("ledger")


class LedgerKeeper:
    """`run` is the service's job. `in_memory` gives the calls the recorder has not stored yet, `away` the absences."""

    def __init__(
        self,
        *,
        database: Database,
        witnesses: Witnesses,
        queues: frozenset[str],
        in_memory: Callable[[], Iterable[Call]],
        clocks: Clocks,
        away: Callable[[], Iterable[Absence]] = tuple,
        pbx: str | None = None,
    ) -> None:
        """`pbx`: what the PBX of this host calls itself, where there are several."""
        self._database = database
        self._witnesses = witnesses
        self._queues = queues
        self._in_memory = in_memory
        self._clocks = clocks
        self._away = away
        self._pbx = pbx
        self._open: set[str] = set()
        self._told: frozenset[Witness] = frozenset()  # which of the PBX's logs cannot be read
        self._contradicted: set[str] = set()
        self._looked_at_days: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """An error ends it; the supervisor starts it anew, and everything is read again."""
        try:
            while not stop.is_set():
                await self.look()
                try:
                    await asyncio.wait_for(stop.wait(), EVERY.total_seconds())
                except TimeoutError:
                    continue
        finally:
            self._witnesses.close()

    async def look(self) -> None:
        now = self._clocks.now()
        first = local_day(now) - timedelta(days=DAYS_BACK)
        changed = await self._read(midnight(first))
        async with self._database.transaction() as conn:
            self._open |= changed | set(await ledger.still_open(conn, first, self._pbx))
        waiting: Mapping[str, KnownCall] = {
            call.uniqueid: rules.known(call, self._queues) for call in self._in_memory() if call.joined_at is not None
        }
        wanted = sorted(self._open | waiting.keys())
        missed = 0
        for begin in range(0, len(wanted), AT_ONCE):
            some = wanted[begin : begin + AT_ONCE]
            missed += await self._weigh(some, {key: waiting[key] for key in some if key in waiting}, now)
        if missed:
            because = f"{missed} call(s) were answered while the service was away, and are not recorded"
            log.error("alarm", alarm=AlarmCode.COVERAGE_UNKNOWN.value, subject="ledger", because=because)
        if self._looked_at_days is None or now - self._looked_at_days >= CLOSES_EVERY:
            await self._tell_contradictions(now)
            await self._close_days(first, waiting, now)
            self._looked_at_days = now

    async def _read(self, since: datetime) -> frozenset[str]:
        """What is new in the PBX's logs. Without them calls are weighed by what was read of them before."""
        look = await asyncio.to_thread(self._witnesses.read, since)
        for witness, error in look.unread.items():
            if witness not in self._told:
                log.error("alarm", alarm=UNREADABLE[witness].value, subject=witness.value, because=str(error))
        self._told = frozenset(look.unread)
        return look.changed

    async def _tell_contradictions(self, now: datetime) -> None:
        """Each is told once, those that are found together in one alarm for each witness that lacks something."""
        found = await asyncio.to_thread(self._witnesses.missing, now)
        new = {uniqueid: witness for uniqueid, witness in found.items() if uniqueid not in self._contradicted}
        self._contradicted = set(found)
        for witness, count in Counter(new.values()).items():
            last = max(uniqueid for uniqueid, lacks in new.items() if lacks is witness)
            because = f"it lacks the talk of {count} call(s) that the PBX's other log has, {last} for one"
            log.error("alarm", alarm=AlarmCode.WITNESSES_DIFFER.value, subject=witness.value, because=because)

    async def _weigh(self, uniqueids: Collection[str], waiting: Mapping[str, KnownCall], now: datetime) -> int:
        """How many of them were newly found to be of a time without a service."""
        async with self._database.transaction() as conn:
            stored = await calls.of_day(conn, now, now, uniqueids, self._pbx)
            before = await ledger.get(conn, uniqueids)
            away = await self._absences(conn, now - timedelta(days=DAYS_BACK + 1), now)
            weighed = self._balance(uniqueids, _newest(stored, waiting), now, away)
            rows = [row for row in weighed if before.get(row.uniqueid) != _bare(row)]
            await ledger.upsert(conn, rows, now, self._pbx)
            suspects = [row.uniqueid for row in rows if row.verdict.state is LedgerState.UNEXPLAINED]
            told = await ledger.alarm(conn, suspects, now)
        reasons = {row.uniqueid: row.verdict.reason for row in rows}
        for uniqueid in told:
            log.error(
                "alarm", alarm=AlarmCode.CALL_UNEXPLAINED.value, subject=uniqueid, because=reasons[uniqueid].value
            )
        gone = set(uniqueids) - {row.uniqueid for row in weighed}  # of a log that was rotated
        self._open -= gone | {row.uniqueid for row in weighed if is_final(row, now)}
        return sum(row.verdict.reason is Reason.SERVICE_AWAY for row in rows)

    async def _absences(self, conn: Connection, begin: datetime, end: datetime) -> Collection[Absence]:
        """What is not stored yet is newer than what is stored."""
        stored = {one.since: one for one in await absences.between(conn, begin, end, self._pbx)}
        return (stored | {one.since: one for one in self._away()}).values()

    def _balance(
        self, uniqueids: Collection[str], known: Iterable[KnownCall], now: datetime, away: Collection[Absence]
    ) -> tuple[LedgerRow, ...]:
        rows = balance(self._witnesses.of(uniqueids, now), known, self._queues, now, away)
        return tuple(replace(row, pbx=self._pbx) for row in rows) if self._pbx is not None else rows

    async def _close_days(self, first: date, waiting: Mapping[str, KnownCall], now: datetime) -> None:
        days = [first + timedelta(days=ahead) for ahead in range(DAYS_BACK)]
        over = [day for day in days if now - midnight(day + timedelta(days=1)) >= CLOSES_AFTER]
        async with self._database.transaction() as conn:
            closed = await ledger.closed(conn, over, self._pbx)
        for day in over:
            if day not in closed:
                await self._close(day, waiting, now)

    async def _close(self, day: date, waiting: Mapping[str, KnownCall], now: datetime) -> None:
        """Weigh all of the day once more; if everything is accounted for, that is that."""
        begin, end = midnight(day), midnight(day + timedelta(days=1))
        of_day = self._witnesses.between(begin, end, now)
        async with self._database.transaction(within=WITHIN) as conn:
            known = _newest(await calls.of_day(conn, begin, end, of_day, self._pbx), waiting)
            # After a late reconnect the recorder may think that a call of this day came the next, or the other way.
            theirs = [
                call
                for call in known
                if call.uniqueid in of_day or (begin <= call.entered_at < end and call.uniqueid not in self._witnesses)
            ]
            away = await self._absences(conn, begin, now)
            await ledger.upsert(conn, self._balance(of_day, theirs, now, away), now, self._pbx)
            rows = await ledger.of_day(conn, day, self._pbx)
            explained = await ledger.explanations(conn, rows)
            seen = [rules.explained(row) if key in explained else row for key, row in rows.items()]
            reaches_back = self._witnesses.begin is not None and self._witnesses.begin <= begin
            if not reaches_back or not all(is_final(row, now) for row in seen):
                return
            counts = {state: sum(row.verdict.state is state for row in seen) for state in LedgerState}
            facts = {
                "recorded": counts[LedgerState.RECORDED],
                "not_recorded": counts[LedgerState.NOT_RECORDED],
                "quarantined": counts[LedgerState.QUARANTINED],
                "explained": len(explained),
            }
            if await ledger.close(conn, day, now, pbx=self._pbx, **facts):
                told: dict[str, JSON] = {**facts} if self._pbx is None else {"pbx": self._pbx, **facts}
                entry = Entry(action=Action.LEDGER_CLOSE, actor=_SELF, object=f"day:{day}", facts=told)
                await audit.append(conn, entry, now)
        self._witnesses.forget(of_day.keys())
        log.info("ledger_close", day=day.isoformat(), **facts)


def _newest(stored: Iterable[KnownCall], waiting: Mapping[str, KnownCall]) -> tuple[KnownCall, ...]:
    """What is not stored yet is newer than what is stored."""
    return tuple({**{call.uniqueid: call for call in stored}, **waiting}.values())


def _bare(row: LedgerRow) -> LedgerRow:
    """As it is stored: the recordings are asked of the calls."""
    return replace(row, recording_ids=())
