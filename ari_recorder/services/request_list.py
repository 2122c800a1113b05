"""Cases as they are looked at: listed by the day they are to be answered, and shown with their history, opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from ari_recorder.domain import due_dates
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.case_steps import Choice, choices
from ari_recorder.domain.due_dates import Due, Pace, Standing
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import Decision, Kind, State
from ari_recorder.services.casebook import Casebook, facts_of, number_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.refusal_certificates import Issued
from ari_recorder.storage import audit, request_matches, subject_requests
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.request_matches import Match
from ari_recorder.storage.subject_requests import StoredCase, StoredStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A case as it is listed: nothing personal. `version`: what a step has to name."""

    number: str
    id: UUID
    kind: Kind
    state: State
    version: int
    received_on: date
    due: Due
    standing: Standing
    extended: bool
    decision: Decision | None
    appeal_until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTold:
    step: StoredStep
    words: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A case with its history, opened. `choices`: what may be done with it now. `waiting`: so many calls cannot be told
    yet. `paper_reference`: of the decision on a document."""

    case: Listed
    choices: Sequence[Choice]
    has_certificate: bool
    paper_reference: str
    channel: str
    language: str
    is_proxy: bool
    steps: Sequence[StepTold]
    matches: Sequence[Match]
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Where the case stands after a step. `calls`: so many belong to it; `certificate`: what the person gets."""

    case: Listed
    calls: int
    certificate: Issued | None = None


async def history(conn: Connection, book: Casebook, steps: Sequence[StoredStep]) -> tuple[StepTold, ...]:
    """These steps with what was typed, opened. KeyringLocked."""
    words = await book.read(conn, [one.text_id for one in steps if one.text_id is not None])
    return tuple(StepTold(step=one, words=words.get(one.text_id, {}) if one.text_id else {}) for one in steps)


class RequestList:
    def __init__(self, *, database: Database, book: Casebook, clocks: Clocks, pace: Pace) -> None:
        self._database = database
        self._book = book
        self._clocks = clocks
        self._pace = pace

    async def cases(self, *, closed: bool = False, limit: int = 1000) -> tuple[Listed, ...]:
        """Those that are open, by the day on which they are to be answered; then what is closed."""
        async with self._database.transaction() as conn:
            found = await subject_requests.cases(conn, closed=closed, limit=limit)
        told = [self.listed(case) for case in found]
        return tuple(sorted(told, key=lambda one: (one.state is State.CLOSED, one.due.answer_by, one.number)))

    async def show(self, number: str, reader: Actor) -> View:
        """Reading it is on record. KeyringLocked: what was typed is sealed."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            case = await self._book.find(conn, number)
            steps = await subject_requests.steps(conn, case.id)
            told = await history(conn, self._book, steps)
            matches = await request_matches.of_case(conn, case.id)
            waiting = await request_matches.waiting(conn, case.id)
            entry = Entry(
                action=Action.REQUEST_READ, actor=reader, object=f"case:{case.id}", facts={"case": number_of(case)}
            )
            await audit.append(conn, entry, now)
        facts, extended = facts_of(case, matches), case.extended_to is not None
        return View(
            case=self.listed(case),
            choices=choices(facts, case.received_on, local_day(now), extended=extended),
            has_certificate=case.certificate_id is not None,
            paper_reference=case.paper_reference,
            channel=case.channel.value,
            language=case.language,
            is_proxy=case.is_proxy,
            steps=told,
            matches=matches,
            waiting=waiting,
        )

    def listed(self, case: StoredCase) -> Listed:
        due = due_dates.due(case.kind.law, case.received_on, self._pace, extended=case.extended_to is not None)
        at = case.answered_at or case.closed_at or self._clocks.now()
        return Listed(
            number=number_of(case),
            id=case.id,
            kind=case.kind,
            state=case.state,
            version=case.version,
            received_on=case.received_on,
            due=due,
            standing=due_dates.standing(due, local_day(at)),
            extended=case.extended_to is not None,
            decision=case.decision,
            appeal_until=case.appeal_until,
        )
