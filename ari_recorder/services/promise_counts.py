"""What the database tells about the promises of the privacy notice, counted. Decided in domain/promises.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.audit import ActorKind
from ari_recorder.domain.due_dates import CARRIED_OUT_WITHIN, Pace, due, withdrawn_by
from ari_recorder.domain.listening import Purpose
from ari_recorder.domain.promises import Found, Stored
from ari_recorder.domain.retention import Policy, local_day, months_on
from ari_recorder.domain.rights import Right, UnitChange, fold, had_right
from ari_recorder.services.casebook import number_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.policy import bounds_of
from ari_recorder.storage import (
    accounts,
    erasing,
    past_rule,
    policy,
    promises,
    request_promises,
    rights,
    subject_requests,
)
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.past_rule import Overdue
from ari_recorder.storage.policy import PolicyState
from ari_recorder.storage.promises import MOST_NAMED, Heard

# What is due is gone within the hour: until then it is on its way.
SWEPT_WITHIN = timedelta(hours=1)
# Entries of the audit log looked at in one transaction, and for how long what happened once is told.
_BATCH = 1000
_TOLD_MONTHS = 12
_SECONDS = 60.0


async def overdue(database: Database, current: Policy, now: datetime) -> Overdue:
    """What the sweep should have destroyed by now."""
    by = now - SWEPT_WITHIN
    async with database.transaction(within=_SECONDS) as conn:
        found = [await past_rule.past_quarantine(conn, by)]
        for queue in await erasing.queues(conn):
            found.append(await past_rule.overdue(conn, queue, bounds_of(queue, current, by)))
    return Overdue(
        recordings=sum(one.recordings for one in found),
        sealed_bytes=sum(one.sealed_bytes for one in found),
        row_bytes=sum(one.row_bytes for one in found),
        ids=tuple(one for each in found for one in each.ids),
    )


class Counter:
    """Counts. Of listenings it remembers how far it has read: what was not in order then is not in order later."""

    def __init__(self, *, database: Database, config: Config, clocks: Clocks, pace: Pace) -> None:
        """`pace`: how soon requests are answered here."""
        self._database = database
        self._config = config
        self._pace = pace
        self._clocks = clocks
        self._read_up_to = -1
        self._no_purpose: list[tuple[datetime, str]] = []
        self._not_entitled: list[tuple[datetime, str]] = []

    async def count(self, late: Overdue, now: datetime) -> Stored:
        today = local_day(now)
        year_ago = months_on(today, -_TOLD_MONTHS)
        async with self._database.transaction(within=_SECONDS) as conn:
            history = await _history(conn)
            await self._read_listenings(conn, history, now)
            sessions, two_steps = await promises.sessions(conn)
            return Stored(
                past_rule=Found(count=late.recordings, names=tuple(map(str, late.ids[:MOST_NAMED]))),
                oldest=await past_rule.oldest(conn),
                holds=await promises.holds_not_in_order(conn, today),
                holders=await _holders(conn, history),
                queues=await self._outside(conn),
                purposes=_told(self._no_purpose, year_ago),
                entitled=_told(self._not_entitled, year_ago),
                derived=await promises.derived(conn),
                exports=_cut(await promises.exports_without_reason(conn)),
                sessions=sessions,
                two_steps=_cut(two_steps),
                samples=await promises.samples_overdue(conn, today),
                on_time=await self._unanswered(conn, today),
                matches=await request_promises.matches_destroyed(conn, today, year_ago),
                corrections=await promises.corrections_not_kept(conn),
                withdrawals=await _withdrawals(conn, now),
                refusals=await request_promises.refused_without_certificate(conn),
                rights=await promises.rights_not_attested(conn, today, year_ago),
            )

    async def _outside(self, conn: Connection) -> Found:
        """Recordings of queues that no rules knew when they were made. What was recorded while its queue was one of
        them is in order, though it is none today."""
        configured = {queue.name for queue in self._config.queues}
        versions = [one for one in await policy.versions(conn) if one.state is PolicyState.IN_FORCE]
        versions.sort(key=lambda one: one.version)
        count, names = 0, []
        for queue in await promises.queues(conn):
            if queue in configured:
                continue
            spans = []
            for place, one in enumerate(versions):
                if queue in one.rules.queues:
                    following = versions[place + 1].in_force_from if place + 1 < len(versions) else None
                    spans.append((one.in_force_from if place else None, following))
            if outside := await promises.recorded_outside(conn, queue, spans):
                count += outside
                names.append(f"{queue}: {outside}")
        return Found(count=count, names=tuple(names[:MOST_NAMED]))

    async def _unanswered(self, conn: Connection, today: date) -> Found:
        """Cases past the day on which the house, or the law if that is earlier, wants the person to be answered."""
        late = [
            number_of(case)
            for case in await subject_requests.unanswered(conn)
            if today > due(case.kind.law, case.received_on, self._pace, extended=case.extended_to is not None).answer_by
        ]
        return Found(count=len(late), names=tuple(late[:MOST_NAMED]))

    async def _read_listenings(self, conn: Connection, history: "_History", now: datetime) -> None:
        since = now - timedelta(days=366)
        while rows := await promises.heard(conn, self._read_up_to, since, _BATCH):
            for row in rows:
                if row.purpose not in list(Purpose) or (row.purpose == Purpose.OTHER and not row.in_words):
                    self._no_purpose.append((row.at, f"entry:{row.seq}"))
                if not history.entitles(row):
                    self._not_entitled.append((row.at, f"entry:{row.seq}"))
            self._read_up_to = rows[-1].seq


@dataclass(frozen=True, slots=True)
class _History:
    rights: tuple[Right, ...]
    units: Sequence[UnitChange]

    def entitles(self, row: Heard) -> bool:
        who = row.kind in (ActorKind.USER, ActorKind.MACHINE)
        return who and had_right(
            self.rights, self.units, Permission.RECORDING_PLAY, row.actor, row.at, row.queue, row.agents
        )


async def _history(conn: Connection) -> _History:
    told = fold(await rights.history(conn), await accounts.owner_history(conn))
    return _History(told, await rights.unit_history(conn))


async def _holders(conn: Connection, history: _History) -> Found:
    """Active holds that no supervisor of these queues has placed: an operator at the command line is none."""
    wrong = [
        str(one.hold_id)
        for one in await promises.placed_holds(conn)
        if one.kind != ActorKind.USER
        or not any(
            had_right(history.rights, history.units, Permission.HOLD_PLACE, one.actor, one.placed_at, queue, None)
            for queue in one.queues or {None}
        )
    ]
    return Found(count=len(wrong), names=tuple(wrong[:MOST_NAMED]))


async def _withdrawals(conn: Connection, now: datetime) -> Found:
    """Consent that was withdrawn and not carried out in time: of a case, or by a word during the call."""
    late = []
    for one in await request_promises.withdrawals(conn):
        by = withdrawn_by(one.received_on, one.opened_at, not_proved=one.not_proved, proved_at=one.proved_at)
        if by is not None and now > by:
            late.append(one.number)
    in_call = await request_promises.refused_in_call(conn, now - CARRIED_OUT_WITHIN)
    return _cut(Found(count=len(late) + in_call.count, names=(*late, *in_call.names)))


def _told(found: list[tuple[datetime, str]], since: date) -> Found:
    names = [name for at, name in found if local_day(at) >= since]
    return Found(count=len(names), names=tuple(names[:MOST_NAMED]))


def _cut(found: Found) -> Found:
    return Found(count=found.count, names=found.names[:MOST_NAMED])
