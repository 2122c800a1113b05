"""What was so on a day of the past: for each thing that was done, asked for before it, at it, and after it."""

import dataclasses
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import JSON
from ari_recorder.domain.calls import Call
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.errors import KeyringLocked, RecordingUnknown, RequestUnknown
from ari_recorder.domain.restriction import SubjectTold, ToldHow
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import Decision, Handover, Kind, State
from ari_recorder.services import connect
from ari_recorder.services.corrections import Corrections
from ari_recorder.services.delivery_making import maker
from ari_recorder.services.new_files import copy_of
from ari_recorder.services.past import CaseThen, FieldThen, PastDesk, RecordingThen
from ari_recorder.services.request_answers import RefusalTerms
from ari_recorder.services.request_list import Done
from ari_recorder.storage import exports, request_matches, subject_requests
from ari_recorder.storage.db import Database
from ari_recorder.storage.request_matches import Match
from ari_recorder.storage.subject_requests import StoredCase
from tests.services.listeners import person
from tests.services.request_house import (
    DAY,
    DUE,
    EERO,
    OLLI,
    OPENED,
    PROVED,
    SARI,
    TERMS,
    RequestHouse,
    built,
    first,
)
from tests.storage.calls_for_tests import BEGAN
from tests.test_audit_events import entries

HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)


@pytest.fixture
def house(database: Database, dsn: str, tmp_path: Path) -> RequestHouse:
    return built(database, dsn, tmp_path)


def desk_of(house: RequestHouse) -> PastDesk:
    assert house.keyring is not None
    return PastDesk(database=house.database, keyring=house.keyring, clocks=house.clocks)


async def recording_on(house: RequestHouse, call: Call, at: datetime) -> RecordingThen:
    (one,) = (await desk_of(house).of_recording(first(call), at, SARI)).recordings
    return one


async def case_on(house: RequestHouse, number: str, at: datetime) -> CaseThen:
    (one,) = (await desk_of(house).of_case(number, at, SARI)).cases
    return one


# --- corrected


async def correct(house: RequestHouse, call: Call, value: str, because: str, **more: object) -> None:
    assert house.keyring is not None
    corrections = Corrections(database=house.database, keyring=house.keyring, clocks=house.clocks)
    proposed = Proposed(**{"field": Correctable.CALLER_NAME, "value": value, "because": because, **more})  # type: ignore[arg-type]
    await corrections.correct(person(Role.PRIVACY_OFFICER), first(call), proposed)


def field_of(one: RecordingThen, name: Correctable) -> FieldThen:
    return next(each for each in one.fields if each.field is name)


async def test_of_what_was_corrected_each_version_and_the_original_can_be_shown(house: RequestHouse) -> None:
    call = await house.call()
    house.clocks.time = OPENED
    await correct(house, call, "Aino Esimerkki", "it was misspelt")
    house.clocks.time = OPENED + DAY
    await correct(house, call, "Aino Malli", "she has another name", version=1)
    house.clocks.time = OPENED + 2 * DAY
    await correct(house, call, "She called back.", "", field=Correctable.NOTE)
    shown = {}
    for at in (OPENED - MOMENT, OPENED, OPENED + DAY - MOMENT, OPENED + DAY, OPENED + 2 * DAY):
        one = await recording_on(house, call, at)
        name = field_of(one, Correctable.CALLER_NAME)
        shown[at] = name.value, len(name.versions.superseded), len(name.versions.since)
        assert name.original == "Somebody"
        assert field_of(one, Correctable.NOTE).value == ("She called back." if at == OPENED + 2 * DAY else None)
    assert list(shown.values()) == [
        ("Somebody", 0, 2),
        ("Aino Esimerkki", 0, 1),
        ("Aino Esimerkki", 0, 1),
        ("Aino Malli", 1, 0),
        ("Aino Malli", 1, 0),
    ]
    (later,) = field_of(await recording_on(house, call, OPENED), Correctable.CALLER_NAME).versions.since
    assert (later.value, later.because, later.made_by, later.made_at) == (
        "Aino Malli",
        "she has another name",
        "privacy-officer.one",
        OPENED + DAY,
    )


async def test_locked_it_is_shown_that_something_was_corrected_and_not_what(house: RequestHouse) -> None:
    assert house.keyring is not None
    call = await house.call()
    await correct(house, call, "Aino Esimerkki", "it was misspelt")
    number = (await house.opened()).case.number
    house.keyring.lock()
    name = field_of(await recording_on(house, call, OPENED), Correctable.CALLER_NAME)
    assert name.versions.in_force is not None
    assert (name.value, name.versions.in_force.because, name.versions.in_force.version) == (None, None, 1)
    with pytest.raises(KeyringLocked):
        await desk_of(house).of_case(number, OPENED, SARI)


async def test_what_a_correction_said_dies_with_the_call_and_that_it_was_made_stays(house: RequestHouse) -> None:
    call = await house.call()
    house.clocks.time = OPENED
    await correct(house, call, "Aino Esimerkki", "it was misspelt")
    await house.sweep_at(DUE)
    one = await recording_on(house, call, OPENED)
    assert one.states.in_force is not None
    assert one.states.in_force.state is StoredState.SEALED
    assert [later.state for later in one.states.since] == [StoredState.ERASING, StoredState.ERASED]
    version = field_of(one, Correctable.CALLER_NAME).versions.in_force
    assert version is not None
    assert (version.made_at, version.value) == (OPENED, None)


# --- disclosed, restricted


async def test_what_was_given_out_and_restricted_until_then(house: RequestHouse, tmp_path: Path) -> None:
    assert house.keyring is not None
    call = await house.call()
    copy = tmp_path / "copy.zip"
    copy.write_bytes(b"a package")
    async with house.database.transaction() as conn:
        assert await exports.insert(conn, copy_of(first(call), copy, copy.stat()), OPENED)
    house.clocks.time = OPENED
    handing = dataclasses.replace(maker(house.config, house.database, house.keyring), now=house.clocks.now)
    terms = Terms(
        receiver_kind=ReceiverKind.POLICE, receiver="Rikoskomisario Malli", reference="R-1", reason="Pakkokeinolaki"
    )
    await handing.hand_over(copy, terms, "kuittaus kansiossa 7", OLLI)
    await house.index()
    house.clocks.time = OPENED + DAY
    done = await house.matched(Kind.OBJECTION, [first(call)])
    await house.decided(done)
    house.clocks.time = OPENED + 3 * DAY
    restrictions = house.desk._answers._restrictions
    (view,) = await restrictions.listed()
    told = SubjectTold(on=(OPENED + 2 * DAY).date(), how=ToldHow.LETTER)
    await restrictions.lift(view.restriction.id, told, SARI)
    parts = {}
    for days in range(-1, 4):
        one = await recording_on(house, call, OPENED + days * DAY)
        parts[days] = [
            tuple(len(part) for part in (lasting.going_on, lasting.over, lasting.since))
            for lasting in (one.disclosures, one.restrictions)
        ]
    assert parts == {
        -1: [(0, 0, 1), (0, 0, 1)],
        0: [(0, 1, 0), (0, 0, 1)],
        1: [(0, 1, 0), (1, 0, 0)],
        2: [(0, 1, 0), (1, 0, 0)],
        3: [(0, 1, 0), (0, 1, 0)],
    }
    one = await recording_on(house, call, OPENED + DAY)
    (given,), (restricted,) = one.disclosures.over, one.restrictions.going_on
    assert (given.receiver, given.reason, given.by) == ("Rikoskomisario Malli", "Pakkokeinolaki", OLLI.label)
    assert (restricted.case_number, restricted.lifted_at) == (done.case.number, OPENED + 3 * DAY)


# --- cases: each version of each, as it was then


@dataclass
class Diary:
    """What a case was after each step, as it was read then; an hour between them."""

    house: RequestHouse
    seen: list[tuple[datetime, StoredCase, tuple[Match, ...]]] = field(default_factory=list)

    async def note(self, done: Done) -> Done:
        async with self.house.database.transaction() as conn:
            year, running = done.case.number[1:].split("-")
            row = await subject_requests.by_number(conn, int(year), int(running))
            assert row is not None
            self.seen.append((self.house.clocks.time, row, await request_matches.of_case(conn, row.id)))
        self.house.clocks.time += HOUR
        return done

    async def holds_of(self, number: str) -> None:
        """Asked for afterwards, each is what it was: at its moment, and until just before the next."""
        ends = [at - MOMENT for at, _, _ in self.seen[1:]] + [self.house.clocks.time]
        for (at, row, matches), end in zip(self.seen, ends, strict=True):
            for moment in (at, end):
                told = await case_on(self.house, number, moment)
                then = told.stood
                assert then is not None
                for name in {one.name for one in dataclasses.fields(then)} - {"certificate", "theirs", "granted"}:
                    assert getattr(then, name) == getattr(row, name), (name, moment)
                assert (then.certificate != "") == (row.certificate_id is not None)
                assert told.paper_reference == row.paper_reference
                assert [(one.call_id, one.is_theirs, one.is_granted) for one in told.calls] == [
                    (one.call_id, one.is_theirs, one.is_granted) for one in matches
                ]
                assert (len(told.steps), len(told.steps) + len(told.since)) == (row.version, self.seen[-1][1].version)
        assert (await case_on(self.house, number, self.seen[0][0] - MOMENT)).stood is None


async def begun(house: RequestHouse, kind: Kind, theirs: list[UUID], not_theirs: list[UUID]) -> tuple[Diary, Done]:
    diary = Diary(house)
    done = await diary.note(await house.opened(kind))
    done = await diary.note(await house.desk.identity(done.case.number, done.case.version, PROVED, SARI))
    done = await diary.note(await house.desk.confirm(done.case.number, done.case.version, theirs, not_theirs, SARI))
    return diary, done


async def test_of_a_refused_case_what_it_was_and_its_certificate(house: RequestHouse) -> None:
    call, brother = await house.call(), await house.call(began=BEGAN + DAY)
    await house.index()
    diary, done = await begun(house, Kind.ERASURE, [first(call)], [first(brother)])
    number, desk = done.case.number, house.desk
    done = await diary.note(await desk.extend(number, done.case.version, date(2026, 12, 1), "Paljon.", SARI))
    refused_at = house.clocks.time
    done = await diary.note(await desk.refuse(number, done.case.version, TERMS, SARI))
    await diary.note(await desk.close(number, done.case.version, SARI))
    closed_at = house.clocks.time
    await house.sweep_at(DUE + 2 * DAY)
    await diary.note(done)
    await diary.holds_of(number)
    before, at = await case_on(house, number, refused_at - MOMENT), await case_on(house, number, refused_at)
    assert (before.certificates.in_force, len(before.certificates.since)) == (None, 1)
    assert at.certificates.in_force is not None
    assert (at.certificates.in_force.number, at.certificates.in_force.issued_by) == ("2026/1", SARI.label)
    assert at.steps[0].words["asked"] == "Jag vill höra mina samtal."
    for moment in (OPENED, closed_at):
        past = await desk_of(house).of_case(number, moment, SARI)
        assert [one.id for one in past.recordings] == [first(call)], "of another person's call nothing is told"
    assert past.recordings[0].states.since[-1].state is StoredState.ERASED


async def test_of_a_case_granted_in_part_and_of_one_taken_back(house: RequestHouse) -> None:
    calls = [await house.call(began=BEGAN + n * DAY) for n in range(2)]
    await house.index()
    diary, done = await begun(house, Kind.ERASURE, [first(one) for one in calls], [])
    number, desk = done.case.number, house.desk
    decided_at = house.clocks.time
    done = await diary.note(await house.decided(done, Decision.PARTLY, only=[first(calls[0])], yes=True))
    done = await diary.note(await desk.refuse(number, done.case.version, TERMS, SARI))
    done = await diary.note(await desk.hand_over(number, done.case.version, Handover.LETTER, "", SARI))
    await diary.note(await desk.close(number, done.case.version, SARI))
    await diary.holds_of(number)
    states = [one.states.in_force for one in (await desk_of(house).of_case(number, decided_at, SARI)).recordings]
    assert [one and one.state for one in states] == [StoredState.ERASING, StoredState.SEALED]
    other = Diary(house)
    done = await other.note(await house.opened(Kind.ACCESS))
    taken_back = await desk.close(done.case.number, done.case.version, SARI, taken_back="Ei enää.")
    await other.note(taken_back)
    await other.holds_of(done.case.number)


async def test_of_a_document_by_which_decision_it_was_refused(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    diary, done = await begun(house, Kind.DOCUMENT, [first(call)], [])
    terms = RefusalTerms(paper_reference="PRV/77/2026")
    await diary.note(await house.desk.refuse(done.case.number, done.case.version, terms, SARI))
    await diary.holds_of(done.case.number)


async def test_withdrawn_consent_before_it_while_it_takes_effect_and_after_it(house: RequestHouse) -> None:
    advice, dental = await house.call(), await house.call(queue="dental")
    await house.index()
    diary, done = await begun(house, Kind.WITHDRAWAL, [first(advice), first(dental)], [])
    decided_at = house.clocks.time
    await diary.note(await house.decided(done, yes=True))
    await diary.holds_of(done.case.number)
    await house.sweep_at(decided_at + HOUR)
    shown = {}
    for at in (decided_at - MOMENT, decided_at, decided_at + HOUR):
        shown[at - decided_at] = [
            (one.states.in_force and one.states.in_force.state.value, bool(one.restrictions.going_on))
            for one in [await recording_on(house, call, at) for call in (advice, dental)]
        ]
    assert list(shown.values()) == [
        [("sealed", False), ("sealed", False)],
        [("sealed", True), ("erasing", False)],
        [("sealed", True), ("erased", False)],
    ]
    # And from the recording: by which request.
    past = await desk_of(house).of_recording(first(dental), decided_at, SARI)
    (case,) = past.cases
    assert case.stood is not None
    assert (case.number, case.kind, case.stood.state) == (done.case.number, Kind.WITHDRAWAL, State.DECIDED)
    assert {word for step in case.steps for word in step.words} == set(), "what a person wrote is in the case alone"


# --- who looked


async def test_whoever_looks_is_on_record(house: RequestHouse) -> None:
    call = await house.call()
    await house.call(EERO)
    await house.index()
    number = (await house.opened()).case.number
    await desk_of(house).of_recording(first(call), OPENED, OLLI)
    await desk_of(house).of_case(number, OPENED, OLLI)
    on: dict[str, JSON] = {"on": OPENED.isoformat()}
    told = [(one["action"], one["object"], one["facts"]) for one in await entries(house.database)]
    (case,) = [what for action, what, _ in told if action == "request:read"]
    assert told[-3:] == [
        ("recording:view", f"recording:{first(call)}", {**on, "caller": True}),
        ("request:read", case, {**on, "case": number}),
        ("recording:view", f"recording:{first(call)}", {**on, "case": number, "caller": True}),
    ]


async def test_what_there_is_not_is_not_shown(house: RequestHouse) -> None:
    call = await house.call()
    with pytest.raises(RequestUnknown):
        await case_on(house, "R2026-7", OPENED)
    with pytest.raises(RecordingUnknown):
        await desk_of(house).of_recording(UUID(int=7), OPENED, SARI)
    past = await desk_of(house).of_recording(first(call), BEGAN - DAY, SARI)
    assert past.recordings[0].states.in_force is None


async def test_under_which_version_of_the_privacy_notice_it_was(house: RequestHouse) -> None:
    call = await house.call()
    house.clocks.time = OPENED
    await connect.notices(house.config, house.database, house.clocks).adopt()
    before, after = [await desk_of(house).of_recording(first(call), at, SARI) for at in (OPENED - MOMENT, OPENED)]
    assert (before.notice.in_force, [one.version for one in before.notice.since]) == (None, [1])
    assert after.notice.in_force is not None
    assert (after.notice.in_force.version, after.notice.in_force.since) == (1, OPENED)
