"""Breaches: what an account or a host could reach in a time, the log of it kept whole, and the clock to tell of it.

    report ─► open ──notified──► notified ──close──► closed: the log may be removed again
                └───────────────close──────────────────►

A report is itself a look into personal data: it is an entry of the audit log, and no number of a caller is in it. All
of it is one transaction: the case, what was found, the entry. What was found then is what is shown later. What counts
as reached: domain/breaches.py.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain import breaches as rules
from ari_recorder.domain.audit import JSON, Action, Actor, Entry, clean
from ari_recorder.domain.breach_pages import page
from ari_recorder.domain.breaches import Breach, BreachState, Findings, Opened, SubjectKind, Wanted
from ari_recorder.domain.errors import AccountUnknown, BreachDone, BreachTextRefused, BreachUnknown, HostUnseen
from ari_recorder.domain.papers import Paper
from ari_recorder.domain.rights import fold
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.clock import Clocks
from ari_recorder.services.notice import Notices
from ari_recorder.storage import accounts, audit, breaches, rights
from ari_recorder.storage.breaches import Step
from ari_recorder.storage.db import Connection, Database

__all__ = ["Breaches", "Report", "Step"]

log = structlog.get_logger(__name__)

# Of a large site there is much to count.
_SECONDS = 120.0
_MOST_LINE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A case with all that is known of it at `made_at`. `names`: of accounts, by their ids. `left`: until it is due."""

    breach: Breach
    state: BreachState
    due_at: datetime
    left: timedelta
    made_at: datetime
    names: Mapping[str, str]
    recordings: tuple[Opened, ...]
    history: tuple[Step, ...]


class Breaches:
    def __init__(self, *, database: Database, notices: Notices, clocks: Clocks) -> None:
        self._database = database
        self._notices = notices
        self._clocks = clocks

    async def report(self, wanted: Wanted, actor: Actor) -> Report:
        """A new case; of the same question there is one. AccountUnknown, HostUnseen, and what check() refuses."""
        now = self._clocks.now()
        wanted = rules.check(wanted, now)
        await sequence(self._database)  # what was done a moment ago is in the log, too
        async with self._database.transaction(within=_SECONDS) as conn:
            await breaches.lock(conn)
            known = await breaches.known(conn, wanted)
            if known is not None:
                return await self._shown(conn, known, actor, now)
            findings, recordings = await _found(conn, wanted)
            breach = Breach(id=uuid4(), wanted=wanted, opened_at=now, findings=findings)
            await breaches.insert(conn, breach, recordings)
            await breaches.add(conn, breach.id, _step("opened", actor, now))
            facts: dict[str, JSON] = {
                "kind": wanted.kind.value,
                "accounts": list(findings.accounts),
                "since": wanted.since.isoformat(),
                "until": wanted.until.isoformat(),
                "aware_at": wanted.aware_at.isoformat(),
                "reachable": findings.reachable,
                "opened": sum(bool(one.opened) for one in recordings),
                "log_entries": findings.log.entries,
                "log_sha256": findings.log.sha256,
            }
            personal = {"subject": wanted.subject}
            await audit.append(conn, _entry(Action.BREACH_REPORT, breach, actor, facts, personal), now)
            report = await self._report(conn, breach, now)
        log.warning("breach_report", breach_id=str(breach.id), reachable=findings.reachable)
        return report

    async def show(self, breach_id: UUID, actor: Actor) -> Report:
        now = self._clocks.now()
        async with self._database.transaction(within=_SECONDS) as conn:
            return await self._shown(conn, await _one(conn, breach_id), actor, now)

    async def all_cases(self, actor: Actor) -> tuple[Breach, ...]:
        """The newest first. That they were looked at is an entry."""
        async with self._database.transaction() as conn:
            found = await breaches.all_cases(conn)
            await audit.append(conn, Entry(action=Action.BREACH_READ, actor=actor), self._clocks.now())
        return found

    async def notified(self, breach_id: UUID, reference: str, actor: Actor) -> Breach:
        """The authority was told, under that number: the clock stops. BreachDone when that, or the end, was before."""
        return await self._change(breach_id, "notified", Action.BREACH_NOTIFY, _line("reference", reference), actor)

    async def close(self, breach_id: UUID, because: str, actor: Actor) -> Breach:
        """Nothing more is to be done: the entries of its time are kept for it no longer."""
        return await self._change(breach_id, "closed", Action.BREACH_CLOSE, _line("reason", because), actor)

    async def paper(self, report: Report, language: str) -> Paper:
        opened = [one for one in report.recordings if one.opened]
        facts = await self._notices.facts()
        return page(report.breach, opened, report.names, facts, language, report.made_at)

    async def log_is_whole(self, breach: Breach) -> bool:
        """Are the entries of its time those that were frozen?"""
        wanted, frozen = breach.wanted, breach.findings.log
        up_to = -1 if frozen.last_seq is None else frozen.last_seq
        async with self._database.transaction(within=_SECONDS) as conn:
            return await breaches.log_of(conn, wanted.since, wanted.until, up_to) == frozen

    # --- how

    async def _change(self, breach_id: UUID, change: str, action: Action, note: str, actor: Actor) -> Breach:
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            await breaches.lock(conn)
            breach = await _one(conn, breach_id)
            if breach.state is BreachState.CLOSED or breach.state.value == change:
                raise BreachDone(breach_id=breach_id, state=breach.state.value)
            await breaches.add(conn, breach_id, _step(change, actor, now, note))
            await audit.append(conn, _entry(action, breach, actor, {}, {"note": note}), now)
            changed = await _one(conn, breach_id)
        log.info("breach_change", breach_id=str(breach_id), change=change)
        return changed

    async def _shown(self, conn: Connection, breach: Breach, actor: Actor, now: datetime) -> Report:
        await audit.append(conn, _entry(Action.BREACH_READ, breach, actor, {}, {}), now)
        return await self._report(conn, breach, now)

    async def _report(self, conn: Connection, breach: Breach, now: datetime) -> Report:
        ids = [UUID(one) for one in breach.findings.accounts]
        return Report(
            breach=breach,
            state=breach.state,
            due_at=breach.due_at,
            left=breach.left(now),
            made_at=now,
            names={str(one.id): one.name for one in await accounts.several(conn, ids)},
            recordings=await breaches.recordings(conn, breach.id),
            history=await breaches.history(conn, breach.id),
        )


async def _found(conn: Connection, wanted: Wanted) -> tuple[Findings, tuple[Opened, ...]]:
    host, used = await _whose(conn, wanted)
    told = fold(await rights.history(conn), await accounts.owner_history(conn))
    units = await rights.unit_history(conn)
    reach = tuple(
        one for account_id in used for one in rules.reach(told, units, account_id, wanted.since, wanted.until)
    )
    by_right: set[UUID] = set()
    for one in reach:
        by_right |= await breaches.reachable(conn, one)
    opened = await breaches.opened(conn, used, wanted.since, wanted.until, host)
    recordings = tuple(
        Opened(recording_id=one, by_right=one in by_right, opened=opened.get(one, ()))
        for one in sorted(by_right | opened.keys())
    )
    return await _counted(conn, wanted, used, host, reach, recordings), recordings


async def _counted(
    conn: Connection,
    wanted: Wanted,
    used: tuple[str, ...],
    host: str | None,
    reach: tuple[rules.Reach, ...],
    recordings: Sequence[Opened],
) -> Findings:
    def how_many(action: Action) -> int:
        return sum(action.value in one.opened for one in recordings)

    return Findings(
        accounts=used,
        reach=reach,
        reachable=sum(one.by_right for one in recordings),
        viewed=how_many(Action.RECORDING_VIEW),
        played=how_many(Action.RECORDING_PLAY),
        exported=how_many(Action.RECORDING_EXPORT),
        without_right=sum(not one.by_right for one in recordings),
        lists=await breaches.lists(conn, used, wanted.since, wanted.until, host),
        people=await breaches.people(conn, [one.recording_id for one in recordings]),
        log=await breaches.log_of(conn, wanted.since, wanted.until),
    )


async def _whose(conn: Connection, wanted: Wanted) -> tuple[str | None, tuple[str, ...]]:
    """The host, if it is one, and the accounts."""
    if wanted.kind is SubjectKind.ACCOUNT:
        found = await accounts.find(conn, wanted.subject)
        if found is None:
            raise AccountUnknown(name=wanted.subject)
        return None, (str(found.id),)
    if not await breaches.is_known_host(conn, wanted.subject):
        raise HostUnseen(host=wanted.subject)
    return wanted.subject, await breaches.accounts_at(conn, wanted.subject, wanted.since, wanted.until)


async def _one(conn: Connection, breach_id: UUID) -> Breach:
    found = await breaches.get(conn, breach_id)
    if found is None:
        raise BreachUnknown(breach_id=breach_id)
    return found


def _step(change: str, actor: Actor, now: datetime, note: str = "") -> Step:
    return Step(change=change, at=now, by=actor.id, by_name=actor.label, note=note)


def _entry(
    action: Action, breach: Breach, actor: Actor, facts: Mapping[str, JSON], personal: Mapping[str, str]
) -> Entry:
    return Entry(action=action, actor=actor, object=f"breach:{breach.id}", facts=facts, personal=personal)


def _line(field: str, text: str) -> str:
    told = clean(text.strip())
    if not told or len(told) > _MOST_LINE or any(unicodedata.category(sign) == "Cc" for sign in told):
        raise BreachTextRefused(field=field, most=_MOST_LINE)
    return told
