"""The use of recordings is looked at: a report every week, and a sample of listenings that somebody else signs off.

    every ten minutes   the audit log is read on; what touches recordings is kept until its week is over
    Monday, 1 o'clock   report and sample of the week, in one transaction; a letter; what it was made of goes
    a fortnight         then what nobody has signed off is overdue: on the page, and in a letter each day

What is counted and what stands out: domain/use.py. Reading a report is an entry of the audit log, too.
"""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

import structlog

from ari_recorder.config import Use
from ari_recorder.domain import use as rules
from ari_recorder.domain.accounts import EVERYTHING, PERMISSIONS, Permission, Principal, authorise
from ari_recorder.domain.audit import Action, Entry
from ari_recorder.domain.errors import (
    NumberRefused,
    OwnListening,
    SampleSigned,
    SampleUnknown,
    SignerRefused,
    WeekUnknown,
)
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.domain.phone import e164
from ari_recorder.domain.retention import local_day, midnight
from ari_recorder.domain.use import WEEK, Hours, UseRow, Verdict, week_of
from ari_recorder.services.caller_index import index_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.mail import Post
from ari_recorder.storage import audit, use
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.use import Report, Sample
from ari_recorder.vault.keyring import Keyring

__all__ = ["OwnNumbers", "Report", "Sample", "UseReports", "WeekReport", "hours"]

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=10)
# What happened just before midnight has its place in the log by then.
_LATE = timedelta(hours=1)
_BATCH = 1000
# A week of a large site is a hundred thousand entries.
_SECONDS = 60.0
_MOST_NOTE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekReport:
    """`overdue`: listenings of any week that should have been signed off. `names` of the actors."""

    report: Report
    rows: tuple[UseRow, ...]
    samples: tuple[Sample, ...]
    overdue: int
    names: dict[str, str]


def hours(settings: Use) -> Hours:
    return Hours(
        opens=time.fromisoformat(settings.opens),
        closes=time.fromisoformat(settings.closes),
        weekdays=settings.weekdays,
        closed_days=frozenset(date.fromisoformat(day) for day in settings.closed_days),
    )


class UseReports:
    """`run` is the service's job."""

    def __init__(self, *, database: Database, settings: Use, post: Post, clocks: Clocks) -> None:
        self._database = database
        self._settings = settings
        self._post = post
        self._clocks = clocks

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.run_once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def run_once(self) -> tuple[date, ...]:
        """Reads on, and makes the reports that are due; the weeks it made."""
        more = True
        while more:
            async with self._database.transaction() as conn:
                more = await use.collect(conn, limit=_BATCH)
        made = []
        while (week := await self._due()) is not None:
            if await self._make(week):
                made.append(week)
                log.info("use_report", week=week.isoformat())
        await self._remind()
        return tuple(made)

    async def _due(self) -> date | None:
        """The first week that is over and has no report."""
        async with self._database.transaction() as conn:
            newest, oldest = await use.newest_week(conn), await use.oldest_touch(conn)
        if newest is not None:
            week = newest + WEEK
        elif oldest is not None:
            week = week_of(oldest)
        else:
            return None
        return week if self._clocks.now() >= midnight(week + WEEK) + _LATE else None

    async def _make(self, week: date) -> bool:
        now, until = self._clocks.now(), midnight(week + WEEK)
        async with self._database.transaction(within=_SECONDS) as conn:
            touches = await use.touches(conn, until)
            before = await use.history(conn, week - rules.HISTORY_WEEKS * WEEK, week)
            rows = await asyncio.to_thread(rules.rows, week, touches, before, hours(self._settings))
            seed = secrets.token_bytes(32)
            drawn = await asyncio.to_thread(rules.sample, touches, seed, self._settings.sample_percent)
            report = Report(
                week=week,
                made_at=now,
                seed=seed,
                read_up_to=max((touch.seq for touch in touches), default=-1),
                due_on=local_day(now) + timedelta(days=self._settings.sign_within_days),
            )
            if not await use.insert(conn, report, rows, drawn, until):
                return False
            year, number, _ = week.isocalendar()
            facts: dict[str, str | int] = {
                "week": f"{number}/{year}",
                "findings": sum(len(row.findings) for row in rows),
                "samples": len(drawn),
                "due_on": report.due_on.isoformat(),
            }
            letter = Letter(kind=LetterKind.USE_REPORT, once=f"use:{week}", path=f"/use/{week}", facts=facts)
            await self._post.queue(conn, letter, now)
        return True

    async def _remind(self) -> None:
        now = self._clocks.now()
        today = local_day(now)
        async with self._database.transaction() as conn:
            count, oldest = await use.overdue(conn, today)
            if count and oldest is not None:
                letter = Letter(
                    kind=LetterKind.SIGN_OVERDUE,
                    once=f"overdue:{today}",
                    path="/use",
                    facts={"count": count, "due_on": oldest.isoformat()},
                )
                await self._post.queue(conn, letter, now)

    # --- for people

    async def weeks(self, principal: Principal) -> tuple[Report, ...]:
        authorise(principal, Permission.USE_REPORT, now=self._clocks.now())
        async with self._database.transaction() as conn:
            return await use.reports(conn)

    async def of_week(self, principal: Principal, week: date) -> WeekReport:
        """As far as the right reaches: users of the own units, listenings to calls of their queues."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.USE_REPORT, now=now)
        async with self._database.transaction() as conn:
            report = await use.report(conn, week)
            if report is None:
                raise WeekUnknown(week=week)
            rows = await use.rows_of(conn, week, _units(principal))
            samples = await use.samples(conn, scope.queues, week=week)
            overdue = [one for one in await use.samples(conn, scope.queues) if one.due_on < local_day(now)]
            names = await use.names(conn, {row.actor for row in rows} | _people(samples))
            entry = Entry(
                action=Action.USE_REPORT,
                actor=principal.actor(Permission.USE_REPORT),
                object=f"week:{week}",
                facts={"rows": len(rows)},
            )
            await audit.append(conn, entry, now)
        return WeekReport(report=report, rows=rows, samples=samples, overdue=len(overdue), names=names)

    async def to_sign(self, principal: Principal) -> tuple[tuple[Sample, ...], dict[str, str]]:
        """What nobody has signed off yet, the oldest first, and who it is about. Own listenings are not among them."""
        scope = authorise(principal, Permission.USE_SIGN, now=self._clocks.now())
        async with self._database.transaction() as conn:
            found = await use.samples(conn, scope.queues)
            mine = tuple(one for one in found if one.actor != str(principal.user_id))
            return mine, await use.names(conn, _people(mine))

    async def sign(self, principal: Principal, sample_id: UUID, verdict: Verdict, note: str) -> Sample:
        """This listening was looked at. What is to be clarified wants words."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.USE_SIGN, now=now)
        told = " ".join(note.split())
        if principal.is_machine or len(told) > _MOST_NOTE or (verdict is Verdict.TO_BE_CLARIFIED and not told):
            raise SignerRefused(most=_MOST_NOTE)
        async with self._database.transaction() as conn:
            sample = await use.sample(conn, sample_id, scope.queues)
            if sample is None:
                raise SampleUnknown(sample_id=sample_id)
            if sample.actor == str(principal.user_id):
                raise OwnListening
            if not await use.sign(conn, sample_id, principal.user_id, verdict, told, now):
                raise SampleSigned(sample_id=sample_id)
            entry = Entry(
                action=Action.USE_SIGN,
                actor=principal.actor(Permission.USE_SIGN),
                object=f"entry:{sample.seq}",
                because=verdict.value,
                facts={"sample": str(sample_id), "week": sample.week.isoformat()},
                personal={"note": told},
            )
            await audit.append(conn, entry, now)
        log.info("use_sign", sample_id=str(sample_id), verdict=verdict.value)
        return sample


class OwnNumbers:
    """The numbers of the users themselves: whoever listens to the own calls, or those of a colleague, is seen. A number
    is nowhere: only what stands for it (services/caller_index.py)."""

    def __init__(self, *, database: Database, keyring: Keyring, clocks: Clocks) -> None:
        self._database = database
        self._keyring = keyring
        self._clocks = clocks

    async def set(self, principal: Principal, account_id: UUID, numbers: tuple[str, ...]) -> int:
        """These from now on; how many. KeyringLocked."""
        now = self._clocks.now()
        authorise(principal, Permission.ACCOUNT_MANAGE, now=now)
        indexes = await asyncio.to_thread(self._indexes, numbers)
        async with self._database.transaction() as conn:
            await self._set(conn, principal, account_id, indexes, now)
        return len(indexes)

    async def known(self) -> dict[UUID, tuple[int, bool]]:
        """How many of each account, and whether they are found: a new index key wants them given again."""
        async with self._database.transaction() as conn:
            return await use.count_numbers(conn, self._keyring.index_version)

    def _indexes(self, numbers: tuple[str, ...]) -> frozenset[bytes]:
        found = set()
        for text in numbers:
            number = e164(text)
            if not number:
                raise NumberRefused(text=text)
            found.add(index_of(self._keyring, number))
        return frozenset(found)

    async def _set(
        self, conn: Connection, principal: Principal, account_id: UUID, indexes: frozenset[bytes], now: datetime
    ) -> None:
        await use.set_numbers(conn, account_id, indexes, self._keyring.index_version, now)
        entry = Entry(
            action=Action.ACCOUNT_CHANGE,
            actor=principal.actor(Permission.ACCOUNT_MANAGE),
            object=f"user:{account_id}",
            facts={"own_numbers": len(indexes)},
        )
        await audit.append(conn, entry, now)


def _units(principal: Principal) -> frozenset[str] | None:
    """Of which the right to the report is. None: all."""
    units = {grant.unit for grant in principal.grants if Permission.USE_REPORT in PERMISSIONS[grant.role]}
    return None if EVERYTHING in units else frozenset(units)


def _people(samples: tuple[Sample, ...]) -> set[str]:
    signed = {str(one.signed_by) for one in samples if one.signed_by is not None}
    return {one.actor for one in samples} | signed
