"""Reminders: of flagged calls nobody decided on, of holds whose review is near or over, of audio in quarantine, and of
requests of persons and breaches the authority has to be told of. When: domain/reminders.py.

They are alarms in the log and, where somebody is to be written to, letters: one a day for each subject; of several
services one tells.
"""

from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain import due_dates, reminders
from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.breaches import BreachState
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.due_dates import Due, Pace
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.domain.reminders import BreachReminder, Reminder, Urgency
from ari_recorder.domain.retention import HELSINKI, Policy, local_day
from ari_recorder.services.casebook import number_of
from ari_recorder.services.mail import Post
from ari_recorder.storage import breaches, holds, quarantine, subject_requests, sweeps
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.quarantine import Quarantined

log = structlog.get_logger(__name__)

_EVERYTHING = Scope(queues=None, interfaces=None)


class Reminders:
    def __init__(self, database: Database, post: Post, pace: Pace | None = None) -> None:
        """`pace`: how soon requests are answered here."""
        self._database = database
        self._post = post
        self._pace = pace or Pace()

    async def remind(self, policy: Policy, now: datetime) -> None:
        """A chore of the sweep."""
        today = local_day(now)
        async with self._database.transaction() as conn:
            await self._of_flags(conn, policy, today, now)
            await self._of_holds(conn, today, now)
            await self._of_quarantine(conn, today, now)
            await self._of_requests(conn, today, now)
            await self._of_breaches(conn, now)

    async def _of_flags(self, conn: Connection, policy: Policy, today: date, now: datetime) -> None:
        found = await holds.undecided(conn)
        last = await sweeps.reminded(conn, [one.recording_id for one in found])
        for one in found:
            began = local_day(one.kept_from)
            ordinary, hard = (
                max(rules.last_day(one.queue, began, undecided=undecided) for rules in policy.all_rules)
                for undecided in (False, True)
            )
            due = reminders.for_flag(ordinary=ordinary, hard=hard, today=today, last=last.get(one.recording_id))
            if due is not None and await sweeps.remind(conn, one.recording_id, today):
                because = f"an agent flagged it, nobody decided, and it is destroyed in {due.days_left + 1} day(s)"
                _tell_flag(one.recording_id, due, because)
                letter = Letter(
                    kind=LetterKind.FLAG_UNDECIDED,
                    once=f"flag:{one.recording_id}:{today}",
                    path=f"/recordings/{one.recording_id}",
                    facts={"days": due.days_left + 1, "destroyed_on": str(hard + timedelta(days=1))},
                )
                await self._post.queue(conn, letter, now)

    async def _of_holds(self, conn: Connection, today: date, now: datetime) -> None:
        found = await holds.holds(conn, active=True)
        last = await sweeps.reminded(conn, [hold.id for hold in found])
        for hold in found:
            due = reminders.for_hold(review_on=hold.review_on, today=today, last=last.get(hold.id))
            if due is not None and await sweeps.remind(conn, hold.id, today):
                _tell_hold(hold.id, due, f"this hold is to be reviewed on {hold.review_on}")
                letter = Letter(
                    kind=LetterKind.HOLD_REVIEW,
                    once=f"hold:{hold.id}:{today}",
                    path=f"/holds/{hold.id}",
                    facts={"review_on": str(hold.review_on)},
                )
                await self._post.queue(conn, letter, now)

    async def _of_quarantine(self, conn: Connection, today: date, now: datetime) -> None:
        """That it is there was an alarm when it was sealed; before it goes there is another one."""
        found = await quarantine.waiting(conn, _EVERYTHING)
        last = await sweeps.reminded(conn, [one.recording_id for one in found])
        for one in found:
            destroyed_on = local_day(one.until)
            last_day = destroyed_on - timedelta(days=1)
            due = reminders.for_quarantine(last_day=last_day, today=today, last=last.get(one.recording_id))
            if due is not None and await sweeps.remind(conn, one.recording_id, today):
                if due.urgency is Urgency.FINAL:
                    _tell_quarantine(one, destroyed_on)
                letter = Letter(
                    kind=LetterKind.QUARANTINE,
                    once=f"quarantine:{one.recording_id}:{due.urgency.value}",
                    path=f"/recordings/{one.recording_id}",
                    facts={"destroyed_on": str(destroyed_on)},
                )
                await self._post.queue(conn, letter, now)

    async def _of_requests(self, conn: Connection, today: date, now: datetime) -> None:
        waiting = await subject_requests.unanswered(conn)
        last = await sweeps.reminded(conn, [case.id for case in waiting])
        for case in waiting:
            extended = case.extended_to is not None
            due = due_dates.due(case.kind.law, case.received_on, self._pace, extended=extended)
            reminder = reminders.for_request(due, today, last.get(case.id))
            if reminder is not None and await sweeps.remind(conn, case.id, today):
                _tell_request(number_of(case), due, reminder)
                letter = Letter(
                    kind=LetterKind.REQUEST_DUE,
                    once=f"request:{case.id}:{today}",
                    path="/",
                    facts={"case": number_of(case), "answer_by": str(due.answer_by), "law_by": str(due.law_by)},
                )
                await self._post.queue(conn, letter, now)

    async def _of_breaches(self, conn: Connection, now: datetime) -> None:
        for one in await breaches.all_cases(conn):
            if one.state is not BreachState.OPEN:
                continue
            told = await breaches.reminders(conn, one.id)
            due = reminders.for_breach(due_at=one.due_at, now=now, told=told)
            step = breaches.Step(change="reminded", at=now, by="reminders", by_name="", note=due.stage if due else "")
            if due is not None and await breaches.add(conn, one.id, step):
                _tell_breach(one.id, due, one.due_at)
                local = one.due_at.astimezone(HELSINKI)
                letter = Letter(
                    kind=LetterKind.BREACH_DUE,
                    once=f"breach:{one.id}:{due.stage}",
                    path=f"/audit?object=breach:{one.id}",
                    facts={
                        "due_on": local.date().isoformat(),
                        "due_at": f"{local:%H:%M}",
                        "hours": max(due.hours_left, 0),
                    },
                )
                await self._post.queue(conn, letter, now)


def _tell_request(number: str, due: Due, reminder: Reminder) -> None:
    because = f"the person is to be answered by {due.answer_by}, by law until {due.law_by}"
    log.error(
        "alarm", alarm=AlarmCode.REQUEST_DUE.value, subject=number, urgency=reminder.urgency.value, because=because
    )


def _tell_breach(breach_id: UUID, due: BreachReminder, due_at: datetime) -> None:
    log.error(
        "alarm",
        alarm=AlarmCode.BREACH_DUE.value,
        subject=str(breach_id),
        urgency=due.urgency.value,
        because=f"the authority is to be told by {due_at.isoformat(timespec='minutes')}: {due.hours_left} hour(s) left",
    )


def _tell_quarantine(one: Quarantined, destroyed_on: date) -> None:
    log.error(
        "alarm",
        alarm=AlarmCode.QUARANTINED.value,
        subject=str(one.recording_id),
        urgency=Urgency.FINAL.value,
        because=f"{one.because.value}: it is destroyed on {destroyed_on}, and nobody may listen to it before",
    )


def _tell_flag(recording_id: UUID, due: Reminder, because: str) -> None:
    log.error(
        "alarm",
        alarm=AlarmCode.FLAG_UNDECIDED.value,
        subject=str(recording_id),
        urgency=due.urgency.value,
        because=because,
    )


def _tell_hold(hold_id: UUID, due: Reminder, because: str) -> None:
    log.error(
        "alarm", alarm=AlarmCode.HOLD_REVIEW.value, subject=str(hold_id), urgency=due.urgency.value, because=because
    )
