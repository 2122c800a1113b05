"""The desk of requests: each step of a case, with what it does to recordings, in one transaction. The machine:
domain/subject_requests.py; what is frozen: request_freeze.py; what an answer does: request_answers.py;
how it is written down: casebook.py.

    open ─► identity ─► search, confirm ─► decide ─► (refuse the rest) ─► hand over ─► close          extend, any time
                                             └─ erasure; withdrawn consent: erasing from here on, gone with the sweep
                                             └─ restriction, objection; withdrawal of anything else: restricted

Who may do this is decided by whoever calls. Everything but listing wants the keyring unlocked. Locks are taken in this
order, so that nobody waits in a circle: the searches, the case, recordings, calls.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from ari_recorder.domain import due_dates
from ari_recorder.domain import subject_requests as machine
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.due_dates import Pace
from ari_recorder.domain.errors import (
    CertificateMissing,
    CorrectionNotMade,
    KeyringLocked,
    MatchOfAnotherPerson,
    MatchUnknown,
    NumberRefused,
    RequestSearchRefused,
    RequestStillMatching,
    RequestTooWide,
)
from ari_recorder.domain.notice import Basis
from ari_recorder.domain.phone import e164, plain
from ari_recorder.domain.restriction import RestrictionGround
from ari_recorder.domain.retention import local_day, midnight
from ari_recorder.domain.subject_requests import (
    Decision,
    Handover,
    IdentityCheck,
    Kind,
    Received,
    State,
    Step,
)
from ari_recorder.services.caller_index import index_of
from ari_recorder.services.casebook import Casebook, facts_of, number_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.refusal_certificates import Issued, RefusalDesk
from ari_recorder.services.request_answers import Answers, RefusalTerms, paper_of
from ari_recorder.services.request_freeze import SECONDS, RequestFreeze
from ari_recorder.services.request_list import Done, RequestList
from ari_recorder.services.restrictions import Restrictions
from ari_recorder.storage import recordings, request_matches, subject_requests
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.request_matches import Match, Search
from ari_recorder.storage.subject_requests import StoredCase
from ari_recorder.vault.keyring import Keyring

# Without a number a window is looked through by a person, call by call.
MOST_IN_WINDOW = 200
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_BEFORE_TELEPHONES = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which calls: of a number, begun in a window, in a queue. Without a number, of anybody."""

    number: str = field(default="", repr=False)
    queue: str = ""
    since: datetime | None = None
    until: datetime | None = None


def wanted_of(number: str, queue: str, since: date | None, until: date | None) -> Wanted | None:
    """Days are whole, in Helsinki, both included. None: nothing is searched for."""
    wanted = Wanted(
        number=number.strip(),
        queue=queue,
        since=midnight(since) if since is not None else None,
        until=midnight(until + timedelta(days=1)) if until is not None else None,
    )
    return wanted if wanted != Wanted() else None


class SubjectRequests:
    def __init__(
        self,
        *,
        database: Database,
        keyring: Keyring,
        clocks: Clocks,
        freeze: RequestFreeze,
        refusals: RefusalDesk,
        bases: Mapping[str, Basis],
        pace: Pace,
        appeal_days: int,
        restrictions: Restrictions,
    ) -> None:
        """`bases`: on what each queue stands. `appeal_days`: after closing, until nothing is frozen any more."""
        self._database = database
        self._keyring = keyring
        self._refusals = refusals
        self._clocks = clocks
        self._freeze = freeze
        self._appeal = timedelta(days=appeal_days)
        self._book = Casebook(keyring)
        self._answers = Answers(book=self._book, refusals=refusals, bases=bases, restrictions=restrictions)
        self.list = RequestList(database=database, book=self._book, clocks=clocks, pace=pace)

    # --- steps

    async def open(self, request: Received, searches: Sequence[Wanted], actor: Actor) -> Done:
        """Acknowledged, and frozen what it matches, or neither."""
        now = self._clocks.now()
        request = machine.check_received(request, local_day(now))
        async with self._database.transaction(within=SECONDS) as conn:
            await self._begin(conn)
            year = local_day(now).year
            case = StoredCase(
                id=uuid4(),
                year=year,
                running=await subject_requests.next_number(conn, year),
                kind=request.kind,
                channel=request.channel,
                language=request.language,
                is_proxy=bool(request.proxy),
                received_on=request.received_on,
                state=State.RECEIVED,
                version=1,
            )
            await subject_requests.insert(conn, case)
            typed = {"name": request.name, "contact": request.contact, "asked": request.asked, "proxy": request.proxy}
            text_id = await self._book.write(conn, case.id, typed, now)
            told = {"channel": request.channel.value, "received_on": str(request.received_on)}
            await self._book.begun(conn, case, actor, now, told, text_id)
            await self._freeze.begin(conn, case, actor)
            for wanted in searches:
                case = await self._search(conn, case, wanted, actor, now)
            return await self._done(conn, case)

    async def search(self, number: str, seen: int, wanted: Wanted, actor: Actor) -> Done:
        """What it may be about, too: frozen at once, and looked for from here on."""
        now = self._clocks.now()
        async with self._database.transaction(within=SECONDS) as conn:
            await self._begin(conn)
            case, facts, _ = await self._locked(conn, number, seen)
            machine.searched(facts)
            return await self._done(conn, await self._search(conn, case, wanted, actor, now))

    async def identity(self, number: str, seen: int, check: IdentityCheck, actor: Actor) -> Done:
        """How it was looked at who asks, and with what outcome. No document is kept, nor its number."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            case, facts, _ = await self._locked(conn, number, seen)
            moved = machine.identified(facts, check)
            note = {"note": machine.words("note", check.note)} if check.note.strip() else {}
            text_id = await self._book.write(conn, case.id, note, now) if note else None
            told = {"method": check.method.value, "proved": check.proved, "authorised": check.authorised}
            case = await self._book.went_on(conn, case, Step.IDENTITY, moved, actor, now, told, text_id)
            return await self._done(conn, case)

    async def confirm(
        self, number: str, seen: int, theirs: Collection[UUID], not_theirs: Collection[UUID], actor: Actor
    ) -> Done:
        """Whose the calls of these recordings are. Of another number, they are somebody else's."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            case, facts, matches = await self._locked(conn, number, seen)
            verdicts: dict[UUID, bool] = {}
            for is_theirs, ids in ((True, theirs), (False, not_theirs)):
                for recording_id in ids:
                    match = await _match_of(conn, case, matches, recording_id)
                    if is_theirs and not match.is_of_number:
                        raise MatchOfAnotherPerson(recording_id=recording_id, case=number_of(case))
                    verdicts[match.call_id] = is_theirs
            left = sum(one.is_theirs is None and one.call_id not in verdicts for one in matches)
            moved = machine.confirmed(facts, left)
            await request_matches.confirm(conn, case.id, verdicts)
            told = {
                "theirs": [str(one) for one, yes in verdicts.items() if yes],
                "not_theirs": [str(one) for one, yes in verdicts.items() if not yes],
            }
            case = await self._book.went_on(conn, case, Step.CONFIRM, moved, actor, now, told)
            return await self._done(conn, case)

    async def decide(
        self,
        number: str,
        seen: int,
        decision: Decision,
        because: str,
        actor: Actor,
        *,
        only: Collection[UUID] | None = None,
        restricted_on: RestrictionGround | None = None,
        yes: bool = False,
    ) -> Done:
        """`only`: granted for the calls of these recordings; else for all of the person's. `restricted_on`: the ground
        of a restriction. DecisionDestroys when it destroys, and nobody said `yes`."""
        now = self._clocks.now()
        words = machine.words("because", because)
        async with self._database.transaction(within=SECONDS) as conn:
            case, facts, matches = await self._locked(conn, number, seen)
            granted = [one for one in matches if one.is_theirs]
            if only is not None:
                named = {(await _match_of(conn, case, granted, one)).call_id for one in only}
                granted = [one for one in granted if one.call_id in named]
            if decision is Decision.NOTHING_FOUND:
                granted = []
            moved = machine.decided(facts, decision, len(granted))
            # Who is told that there is nothing, or that this is all, has been looked for everywhere.
            if count := await request_matches.waiting(conn, case.id):
                raise RequestStillMatching(count=count, case=number_of(case))
            await request_matches.grant(conn, case.id, [one.call_id for one in granted])
            await request_matches.end(conn, case.id, now)
            done = await self._answers.take_effect(
                conn, case, granted, actor, now, restricted_on=restricted_on, yes=yes
            )
            text_id = await self._book.write(conn, case.id, {"because": words}, now)
            told = {"decision": decision.value, "calls": [str(one.call_id) for one in granted], **done}
            case = replace(case, decision=decision, decided_at=now)
            case = await self._book.went_on(conn, case, Step.DECIDE, moved, actor, now, told, text_id)
            return await self._done(conn, case)

    async def extend(self, number: str, seen: int, told_on: date, because: str, actor: Actor) -> Done:
        """Once, with reasons, and the person was told before the month was over."""
        now = self._clocks.now()
        words = machine.words("because", because)
        async with self._database.transaction() as conn:
            case, facts, _ = await self._locked(conn, number, seen)
            machine.extendable(facts)
            law, extended = case.kind.law, case.extended_to is not None
            last = due_dates.check_extension(law, case.received_on, told_on, local_day(now), extended=extended)
            text_id = await self._book.write(conn, case.id, {"because": words}, now)
            moved = machine.Moved(state=case.state, because="the person was told that it takes longer, and why")
            told = {"told_on": str(told_on), "until": str(last)}
            case = replace(case, extended_to=last)
            case = await self._book.went_on(conn, case, Step.EXTEND, moved, actor, now, told, text_id)
            return await self._done(conn, case)

    async def refuse(self, number: str, seen: int, terms: RefusalTerms, actor: Actor) -> Done:
        """With a certificate, or not at all. CertificateIncomplete names what it does not tell."""
        now = self._clocks.now()
        async with self._database.transaction(within=SECONDS) as conn:
            case, facts, _ = await self._locked(conn, number, seen)
            part = case.decision is Decision.PARTLY
            moved = machine.refused(facts, terms.ground)
            issued = None
            if case.kind is Kind.DOCUMENT:
                case = replace(case, paper_reference=paper_of(terms))
            else:
                issued = await self._answers.certificate(conn, case, terms, actor, now, part=part)
                case = replace(case, certificate_id=issued.stored.id)
            if not part:
                case = replace(case, decision=Decision.REFUSED, decided_at=now, answered_at=now)
                await request_matches.end(conn, case.id, now)
            told = {
                "extent": "part" if part else "whole",
                "ground": terms.ground.value if terms.ground is not None else "",
                "certificate": issued.number if issued is not None else "",
            }
            case = await self._book.went_on(conn, case, Step.REFUSE, moved, actor, now, told)
            return await self._done(conn, case, issued)

    async def hand_over(self, number: str, seen: int, way: Handover, note: str, actor: Actor) -> Done:
        """The person has the answer, and what was granted is carried out."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            case, facts, matches = await self._locked(conn, number, seen)
            moved = machine.handed_over(facts)
            granted = [one.call_id for one in matches if one.is_granted]
            if case.kind is Kind.CORRECTION and granted:
                opened = (await subject_requests.steps(conn, case.id))[0].made_at
                if not await subject_requests.corrected_since(conn, granted, opened):
                    raise CorrectionNotMade(case=number_of(case))
            words = {"note": machine.words("note", note)} if note.strip() else {}
            text_id = await self._book.write(conn, case.id, words, now) if words else None
            case = replace(case, answered_at=now)
            told = {"way": way.value}
            case = await self._book.went_on(conn, case, Step.HAND_OVER, moved, actor, now, told, text_id)
            return await self._done(conn, case)

    async def close(self, number: str, seen: int, actor: Actor, *, taken_back: str | None = None) -> Done:
        """`taken_back`: the person wants it no more, in what words. What is frozen stays so until the time to appeal
        is over; of what was taken back nothing can be appealed against."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            case, facts, _ = await self._locked(conn, number, seen)
            moved = machine.closed(facts, taken_back=taken_back is not None)
            text_id = None
            if taken_back is not None:
                words = machine.words("taken_back", taken_back)
                text_id = await self._book.write(conn, case.id, {"because": words}, now)
                case = replace(case, decision=Decision.TAKEN_BACK, decided_at=now)
                await request_matches.end(conn, case.id, now)
            until = local_day(now) + (timedelta() if taken_back is not None else self._appeal)
            case = replace(case, closed_at=now, appeal_until=until)
            case = await self._book.went_on(
                conn, case, Step.CLOSE, moved, actor, now, {"appeal_until": str(until)}, text_id
            )
            return await self._done(conn, case)

    async def certificate(self, number: str, reader: Actor) -> Issued:
        """What the person got in writing, as it was given out. CertificateMissing when there is none."""
        async with self._database.transaction() as conn:
            case = await self._book.find(conn, number)
            if case.certificate_id is None:
                raise CertificateMissing(case=number_of(case))
            return await self._refusals.read(conn, case.certificate_id, reader, self._clocks.now())

    # --- how

    async def _begin(self, conn: Connection) -> None:
        if self._keyring.locked:
            raise KeyringLocked
        await request_matches.alone(conn, seconds=SECONDS)

    async def _locked(
        self, conn: Connection, number: str, seen: int
    ) -> tuple[StoredCase, machine.Case, tuple[Match, ...]]:
        if self._keyring.locked:
            raise KeyringLocked
        case = await self._book.lock(conn, number, seen)
        matches = await request_matches.of_case(conn, case.id)
        return case, facts_of(case, matches), matches

    async def _search(
        self, conn: Connection, case: StoredCase, wanted: Wanted, actor: Actor, now: datetime
    ) -> StoredCase:
        number = e164(plain(wanted.number))
        if wanted.number.strip() and not number:
            raise NumberRefused(text=wanted.number)
        since, until = wanted.since or _BEFORE_TELEPHONES, wanted.until or _EVER
        if not since < until:
            raise RequestSearchRefused(reason="its window ends before it begins")
        if not number and (wanted.since is None or wanted.until is None or wanted.until > now):
            raise RequestSearchRefused(reason="without a number it wants a window of time that is over")
        search = Search(
            id=uuid4(),
            case_id=case.id,
            caller_index=index_of(self._keyring, number) if number else None,
            caller_index_version=self._keyring.index_version if number else None,
            text_id=await self._book.write(conn, case.id, {"number": number}, now),
            queue=wanted.queue or None,
            since=since,
            until=until,
        )
        await request_matches.insert(conn, search)
        found = (await request_matches.found(conn, case.id)).get(case.id, ())
        if not number and len(found) > MOST_IN_WINDOW:
            raise RequestTooWide(count=len(found), most=MOST_IN_WINDOW)
        return await self._freeze.take(conn, case, found, actor, now) if found else case

    async def _done(self, conn: Connection, case: StoredCase, issued: Issued | None = None) -> Done:
        matches = await request_matches.of_case(conn, case.id)
        return Done(case=self.list.listed(case), calls=len(matches), certificate=issued)


async def _match_of(conn: Connection, case: StoredCase, matches: Collection[Match], recording_id: UUID) -> Match:
    row = await recordings.get(conn, recording_id)
    match = next((one for one in matches if row is not None and one.call_id == row.call_id), None)
    if match is None:
        raise MatchUnknown(recording_id=recording_id, case=number_of(case))
    return match
