"""Cases of persons at the desk, on a real database: each step whole or not at all, and what it does to recordings."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ari_recorder.config import Mail
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.due_dates import Pace
from ari_recorder.domain.errors import (
    CertificateIncomplete,
    CertificateMissing,
    CorrectionNotMade,
    DecisionDestroys,
    RequestSearchRefused,
    RequestTextRefused,
    RestrictionGroundMissing,
)
from ari_recorder.domain.refusal_templates import Extent, Ground
from ari_recorder.domain.restriction import RestrictionGround
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import Decision, Handover, Kind, State
from ari_recorder.services import key_admin
from ari_recorder.services.corrections import Corrections
from ari_recorder.services.mail import Post
from ari_recorder.services.remind import Reminders
from ari_recorder.services.request_answers import RefusalTerms
from ari_recorder.services.subject_requests import Wanted
from ari_recorder.storage import restrictions
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from tests.services.listeners import person
from tests.services.request_house import (
    AINO,
    BY_NUMBER,
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


@pytest.fixture
def house(database: Database, dsn: str, tmp_path: Path) -> RequestHouse:
    return built(database, dsn, tmp_path)


# --- whole cases


async def test_an_access_request_from_the_letter_to_the_closed_case(house: RequestHouse) -> None:
    mine, other, brother = await house.call(), await house.call(EERO), await house.call(began=BEGAN + DAY)
    await house.index()
    done = await house.opened()
    assert (done.case.number, done.case.state, done.calls) == ("R2026-1", State.RECEIVED, 2)
    assert [await house.keeps(one) for one in (mine, other, brother)] == [1, 0, 1]
    assert [str(day) for day in (done.case.due.warn_on, done.case.due.answer_by, done.case.due.law_by)] == [
        "2026-12-22",
        "2026-12-29",
        "2027-01-01",
    ]
    desk, number = house.desk, done.case.number
    done = await desk.identity(number, done.case.version, PROVED, SARI)
    done = await desk.confirm(number, done.case.version, [first(mine)], [first(brother)], SARI)
    done = await house.decided(done)
    done = await desk.hand_over(number, done.case.version, Handover.ON_PREMISES, "Kuitattu.", OLLI)
    done = await desk.close(number, done.case.version, OLLI)
    assert (done.case.state, done.case.appeal_until) == (State.CLOSED, date(2027, 1, 7))
    assert await house.steps_of(number) == [
        "open received",
        "match received",
        "identity identified",
        "confirm matched",
        "decide decided",
        "hand-over answered",
        "close closed",
    ]
    view = await desk.list.show(number, SARI)
    assert view.steps[0].words["asked"] == "Jag vill höra mina samtal."
    assert view.steps[4].words["because"] == "Perusteltu."
    assert [(one.is_theirs, one.is_granted) for one in view.matches] == [(True, True), (False, False)]
    assert await house.sweep_at(DUE + 2 * DAY) == 3, "the time to appeal is over: what is overdue goes"
    assert (await house.steps_of(number))[-1] == "release closed"
    told = [one["action"] for one in await entries(house.database)]
    for action in ("open", "identity", "match", "confirm", "decide", "hand-over", "close", "release", "read"):
        assert f"request:{action}" in told


async def test_a_refused_request_closes_with_its_certificate_alone(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.matched(Kind.ERASURE, [first(call)])
    desk, number, seen = house.desk, done.case.number, done.case.version
    for terms, field in (
        (replace(TERMS, reasons=" "), "reasons"),
        (replace(TERMS, signatory=""), "signatory"),
        (replace(TERMS, ground=None), "ground"),
        (replace(TERMS, ground=Ground.ACCURATE), "ground"),
    ):
        with pytest.raises(CertificateIncomplete) as refused:
            await desk.refuse(number, seen, terms, SARI)
        assert refused.value.fields["field"] == field
    assert (await desk.list.cases())[0].state is State.MATCHED, "nothing half-done"
    done = await desk.refuse(number, seen, TERMS, SARI)
    assert done.certificate is not None
    assert (done.certificate.number, done.certificate.stored.languages) == ("2026/1", ("sv",))
    assert "Aino Esimerkki" in done.certificate.documents[0].html
    assert done.case.decision is Decision.REFUSED
    done = await desk.close(number, done.case.version, SARI)
    assert done.case.state is State.CLOSED
    assert await house.keeps(call) == 1, "it can be complained about: nothing goes before"
    (entry,) = (one for one in await entries(house.database) if one["action"] == "request:refuse")
    assert (entry["facts"]["certificate"], entry["facts"]["extent"]) == ("2026/1", Extent.WHOLE.value)


async def test_erasure_granted_in_part_destroys_that_part_and_the_rest_is_refused(house: RequestHouse) -> None:
    calls = [await house.call(began=BEGAN + n * DAY) for n in range(3)]
    await house.index()
    done = await house.matched(Kind.ERASURE, [first(one) for one in calls])
    only = [first(calls[0]), first(calls[1])]
    with pytest.raises(DecisionDestroys, match="2 recordings"):
        await house.decided(done, Decision.PARTLY, only=only)
    assert [await house.keeps(one) for one in calls] == [1, 1, 1]
    done = await house.decided(done, Decision.PARTLY, only=only, yes=True)
    assert await house.sweep_at(OPENED + timedelta(hours=1)) == 2
    assert [await house.state(one) for one in calls] == [StoredState.ERASED, StoredState.ERASED, StoredState.SEALED]
    with pytest.raises(CertificateMissing):
        await house.desk.hand_over(done.case.number, done.case.version, Handover.LETTER, "", SARI)
    done = await house.desk.refuse(done.case.number, done.case.version, TERMS, SARI)
    done = await house.desk.hand_over(done.case.number, done.case.version, Handover.LETTER, "", SARI)
    assert (await house.desk.close(done.case.number, done.case.version, SARI)).case.state is State.CLOSED


async def test_withdrawn_consent_destroys_and_of_a_public_task_it_is_an_objection(house: RequestHouse) -> None:
    advice, dental = await house.call(), await house.call(queue="dental")
    await house.index()
    done = await house.matched(Kind.WITHDRAWAL, [first(advice), first(dental)])
    await house.decided(done, yes=True)
    assert [(await house.row(first(one))).restricted for one in (advice, dental)] == [True, False]
    await house.sweep_at(OPENED + timedelta(hours=1))
    assert [await house.state(one) for one in (advice, dental)] == [StoredState.SEALED, StoredState.ERASED]


async def test_a_restriction_is_granted_on_a_ground_of_the_law(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.matched(Kind.RESTRICTION, [first(call)])
    with pytest.raises(RestrictionGroundMissing):
        await house.decided(done)
    assert not (await house.row(first(call))).restricted
    await house.decided(done, restricted_on=RestrictionGround.UNLAWFUL)
    assert (await house.row(first(call))).restricted
    async with house.database.transaction() as conn:
        (one,) = (await restrictions.of_recordings(conn, [first(call)]))[first(call)]
    assert (one.ground, one.case_id) == (RestrictionGround.UNLAWFUL, done.case.id)


async def test_a_correction_is_carried_out_before_it_is_told(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.decided(await house.matched(Kind.CORRECTION, [first(call)]))
    assert house.keyring is not None
    with pytest.raises(CorrectionNotMade):
        await house.desk.hand_over(done.case.number, done.case.version, Handover.MESSAGE, "", SARI)
    corrections = Corrections(database=house.database, keyring=house.keyring, clocks=house.clocks)
    right = Proposed(field=Correctable.CALLER_NAME, value="Aino Esimerkki", because="it was misspelt")
    await corrections.correct(person(Role.PRIVACY_OFFICER), first(call), right)
    done = await house.desk.hand_over(done.case.number, done.case.version, Handover.MESSAGE, "", SARI)
    assert done.case.state is State.ANSWERED


async def test_a_document_is_refused_by_a_decision_of_the_authority(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.matched(Kind.DOCUMENT, [first(call)])
    assert str(done.case.due.law_by) == "2026-12-15", "two weeks"
    with pytest.raises(CertificateIncomplete, match="paper_reference"):
        await house.desk.refuse(done.case.number, done.case.version, RefusalTerms(), SARI)
    terms = RefusalTerms(paper_reference="PRV/77/2026, 3 §")
    with pytest.raises(CertificateIncomplete):
        await house.desk.refuse(done.case.number, done.case.version, terms, SARI)
    terms = RefusalTerms(paper_reference="PRV/77/2026")
    done = await house.desk.refuse(done.case.number, done.case.version, terms, SARI)
    assert (await house.desk.close(done.case.number, done.case.version, SARI)).certificate is None


async def test_what_is_taken_back_is_let_go_the_next_day(house: RequestHouse) -> None:
    call = await house.call()
    await house.index()
    done = await house.opened()
    for words in ("", " "):
        with pytest.raises(RequestTextRefused):
            await house.desk.close(done.case.number, done.case.version, SARI, taken_back=words)
    done = await house.desk.close(done.case.number, done.case.version, SARI, taken_back="Asia selvisi.")
    assert done.case.decision is Decision.TAKEN_BACK
    await house.sweep_at(OPENED + DAY)
    assert await house.keeps(call) == 0
    assert (await house.row(first(call))).key_name == "day-2026-11-23"


async def test_no_word_of_a_person_is_in_the_database_or_the_log(
    house: RequestHouse, logged: list[MutableMapping[str, Any]]
) -> None:
    call = await house.call()
    await house.index()
    done = await house.matched(Kind.ERASURE, [first(call)])
    await house.desk.refuse(done.case.number, done.case.version, TERMS, SARI)
    async with house.database.transaction() as conn:
        tables = ("request_case", "request_step", "request_text", "request_search", "request_match", "audit_pending")
        for table in tables:
            rows = await conn.fetch(f"SELECT {table}::text AS told FROM {table}")  # noqa: S608
            assert rows, table
            for row in rows:
                for word in ("Aino", "Esimerkki", "samtal", "anhängigt", AINO, AINO[4:], b"Aino".hex()):
                    assert word not in row["told"], table
    assert "Aino" not in str(logged)
    assert "R2026-1" in str(logged)


# --- the history


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE request_step SET state = 'closed'",
        "DELETE FROM request_step",
        "TRUNCATE request_step CASCADE",
        "DELETE FROM request_text",
        "UPDATE request_text SET sealed = 'x'",
        "TRUNCATE request_text",
        "DELETE FROM request_case",
        "UPDATE request_case SET state = 'closed'",
        "UPDATE request_case SET version = version + 1",
        "UPDATE request_case SET version = version + 1, received_on = received_on + 1",
        "DELETE FROM request_match",
        "INSERT INTO request_case (id, year, running, kind, channel, language, is_proxy, received_on, state, version) "
        "SELECT gen_random_uuid(), year, 7, kind, channel, language, is_proxy, received_on, state, 1 FROM request_case",
    ],
)
async def test_the_database_refuses_to_change_what_was_done(house: RequestHouse, dsn: str, change: str) -> None:
    await house.call()
    await house.index()
    done = await house.opened()
    conn = await asyncpg.connect(dsn)
    try:
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.CheckViolationError)):
            await conn.execute(change)
    finally:
        await conn.close()
    assert await house.steps_of(done.case.number) == ["open received", "match received"]


async def test_numbers_have_no_gap_whoever_asks_and_whatever_fails(house: RequestHouse) -> None:
    async def one(n: int) -> str:
        try:
            return (await house.opened(Kind.ACCESS, BY_NUMBER if n % 3 else Wanted())).case.number
        except RequestSearchRefused:
            return ""

    numbers = await asyncio.gather(*(one(n) for n in range(9)))
    assert sorted(filter(None, numbers)) == [f"R2026-{n}" for n in range(1, 7)]


async def test_a_new_hold_key_opens_what_was_written_under_the_old_one(house: RequestHouse) -> None:
    assert house.keyring is not None
    call = await house.call()
    await house.index()
    done = await house.opened()
    rotated = await key_admin.rotate_hold(house.database, house.keyring, VaultFiles(house.vault), lambda _: None, SARI)
    assert (rotated.destroyed, rotated.rewrapped.requests) == (("hold-1",), 2)
    view = await house.desk.list.show(done.case.number, SARI)
    assert view.steps[0].words["name"] == "Aino Esimerkki"
    assert await house.plays(call.recordings[0])


# --- in time


async def test_somebody_is_warned_before_the_answer_is_due_and_daily_when_it_is_late(
    house: RequestHouse, logged: list[MutableMapping[str, Any]]
) -> None:
    mail = Mail(host="localhost", security="none", sender="a@example.org", requests_to=("officer@example.org",))
    reminders = Reminders(house.database, Post(mail, "fi"), Pace())
    policy = await house.policies.adopt(OPENED)

    async def told(day: int) -> list[str]:
        logged.clear()
        house.clocks.time = OPENED + day * DAY
        for _ in range(2):
            await reminders.remind(policy, house.clocks.now())
        return [f"{line['subject']} {line['urgency']}" for line in logged if line.get("alarm") == "request-due"]

    done = await house.opened()
    assert [await told(day) for day in (0, 20)] == [[], []]
    assert {day: await told(day) for day in (21, 22, 28, 29, 30, 31)} == {
        22: [],
        28: [],
        21: ["R2026-1 notice"],
        29: ["R2026-1 urgent"],
        30: ["R2026-1 urgent"],
        31: ["R2026-1 urgent"],
    }
    assert await told(32) == ["R2026-1 final"]
    async with house.database.transaction() as conn:
        letters = [row["letter"] for row in await conn.fetch("SELECT outbox::text AS letter FROM outbox")]
    assert len(letters) == 5
    assert "Aino" not in str(letters)
    house.clocks.time = OPENED + 20 * DAY
    await house.desk.extend(done.case.number, done.case.version, date(2026, 12, 20), "Paljon.", SARI)
    assert await told(33) == []
    assert await told(83) == ["R2026-1 notice"], "a week before the first of March"
