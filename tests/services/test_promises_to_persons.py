"""Promises to persons who use their rights, broken in a running site, and kept again. What is in order stays so."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ari_recorder import config
from ari_recorder.domain.promises import PromiseName
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import Decision, Handover, IdentityCheck, Kind, Method
from ari_recorder.services import connect, connect_subjects
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.request_list import Done
from ari_recorder.services.subject_requests import SubjectRequests
from ari_recorder.storage.db import Database
from tests.services.promise_house import PromiseHouse, kept
from tests.services.request_house import BY_NUMBER, DAY, OLLI, PROVED, REQUEST, SARI, TERMS
from tests.site import NUMBER, Recorded, record

NOT_PROVED = IdentityCheck(method=Method.CALL_BACK, proved=False)
UNKNOWN_PERSON = replace(TERMS, ground=Ground.NOT_IDENTIFIED, paper_reference="VN-7/2026")
# Triggers and references are asleep: what somebody does who owns the database.
BEHIND_ITS_BACK = "SET LOCAL session_replication_role = replica"


@dataclass
class Desk:
    """Requests of somebody who called once, an hour ago."""

    rig: PromiseHouse
    requests: SubjectRequests
    call: Recorded

    @property
    def id(self) -> UUID:
        return self.call.recording_id

    def go(self, **span: float) -> None:
        self.rig.house.people.watch.go(**span)

    async def a_minute_more(self) -> None:
        self.go(minutes=1)

    async def a_day_more(self) -> None:
        self.go(days=1)

    async def open(self, kind: Kind, *, days_ago: int = 0) -> Done:
        today = local_day(self.rig.house.people.watch.now())
        request = replace(REQUEST, kind=kind, received_on=today - days_ago * DAY)
        done = await self.requests.open(request, [replace(BY_NUMBER, number=NUMBER)], SARI)
        assert done.calls == 1
        return done

    async def identity(self, done: Done, check: IdentityCheck = PROVED) -> Done:
        return await self.requests.identity(done.case.number, done.case.version, check, SARI)

    async def grant(self, done: Done) -> Done:
        """All of it, by somebody who has proved who they are."""
        done = await self.requests.confirm(done.case.number, done.case.version, [self.id], [], SARI)
        one = done.case
        return await self.requests.decide(one.number, one.version, Decision.GRANTED, "Perusteltu.", OLLI, yes=True)

    async def refuse(self, done: Done) -> Done:
        return await self.requests.refuse(done.case.number, done.case.version, UNKNOWN_PERSON, SARI)

    async def close(self, done: Done, taken_back: str | None = None) -> Done:
        return await self.requests.close(done.case.number, done.case.version, SARI, taken_back=taken_back)

    async def answer(self, done: Done) -> Done:
        return await self.requests.hand_over(done.case.number, done.case.version, Handover.LETTER, "", SARI)

    async def sweep(self) -> None:
        """As the service does: what let go, what is being destroyed, what is due."""
        watch, site = self.rig.house.people.watch, self.rig.house.site
        policy = await connect.policies(self.rig.config, self.rig.database).in_force()
        await connect.request_freeze(self.rig.database, site.keyring, watch).release(policy, watch.now())
        await self.rig.sweep()

    async def row(self, table: str, key: str, value: object) -> str:
        text = await self.rig.house.people.value(f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE {key} = '{value}'")  # noqa: S608 -- ours
        assert isinstance(text, str)
        return text

    async def put_back(self, table: str, key: str, value: object, row: str) -> None:
        async with self.rig.database.transaction() as conn:
            await conn.execute(BEHIND_ITS_BACK)
            await conn.execute(f"DELETE FROM {table} WHERE {key} = '{value}'")  # noqa: S608 -- ours
            columns = await conn.fetchval(
                "SELECT string_agg(attname, ', ') FROM pg_attribute"
                " WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped",
                table,
            )
            await conn.execute(
                f"INSERT INTO {table} ({columns})"  # noqa: S608 -- ours
                f" SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)",
                json.loads(row),
            )

    async def behind(self, *statements: str) -> None:
        await self.rig.sql(BEHIND_ITS_BACK, *statements)


@pytest.fixture
async def rig(tmp_path: Path, database: Database) -> AsyncIterator[PromiseHouse]:
    async with kept(tmp_path, database) as found:
        yield found


@pytest.fixture
async def desk(rig: PromiseHouse) -> Desk:
    return await _desk(rig, rig.config)


@pytest.fixture
async def consent(rig: PromiseHouse, tmp_path: Path) -> Desk:
    """Of a queue that stands on consent: what is withdrawn is destroyed."""
    path = tmp_path / "consent.toml"
    path.write_text(rig.config.source.read_text().replace('basis = "public-task"', 'basis = "consent"'))
    return await _desk(rig, config.load(path))


async def _desk(rig: PromiseHouse, settings: config.Config) -> Desk:
    watch, keyring = rig.house.people.watch, rig.house.site.keyring
    made = await record(rig.config, rig.database, started_at=watch.now() - timedelta(hours=1), marks=())
    await CallerIndex(database=rig.database, keyring=keyring).run_once(asyncio.Event())
    return Desk(rig, connect_subjects.subject_requests(settings, rig.database, keyring, watch), made)


# --- answered in time


@pytest.mark.parametrize("kind", Kind)
async def test_a_request_past_its_day(rig: PromiseHouse, desk: Desk, kind: Kind) -> None:
    """The day itself belongs to it. While the person cannot prove who they are it goes on."""
    done = await desk.identity(await desk.open(kind), NOT_PROVED)
    desk.go(days=14 if kind is Kind.DOCUMENT else 28)

    seen = await rig.turns({PromiseName.ON_TIME: 1}, desk.a_day_more, lambda: desk.refuse(done))
    assert seen[PromiseName.ON_TIME].names == ("R2026-1",)


async def test_a_request_past_the_day_it_was_extended_to(rig: PromiseHouse, desk: Desk) -> None:
    late, done = await desk.open(Kind.ACCESS), await desk.open(Kind.CORRECTION)
    today = local_day(rig.house.people.watch.now())
    done = await desk.requests.extend(done.case.number, done.case.version, today, "Paljon puheluja.", SARI)
    days = (done.case.due.law_by - today).days
    desk.go(days=29)
    assert (await rig.look())[PromiseName.ON_TIME].names == (late.case.number,)
    assert await rig.broken() == {PromiseName.ON_TIME: 1}
    await desk.close(late, "She does not want it any more.")
    desk.go(days=days - 29)

    seen = await rig.turns({PromiseName.ON_TIME: 1}, desk.a_day_more, lambda: desk.close(done, "Nor this."))
    assert seen[PromiseName.ON_TIME].names == (done.case.number,)


# --- what they are about is kept


async def destroyed(desk: Desk) -> None:
    """By hand, in the database and in the vault."""
    now = desk.rig.house.people.watch.now()
    await desk.rig.sql(
        "UPDATE recording SET keeps = 0, state = 'erased', erasing_at = $2, erased_at = $2, erased_because = 'by hand',"
        " path = NULL, wrapped_key = NULL, sides = NULL WHERE id = $1",
        values=(desk.id, now),
    )
    for path in desk.rig.config.storage.vault.rglob(f"{desk.id}.sealed"):
        path.unlink()


async def removed(desk: Desk) -> None:
    await desk.behind(f"DELETE FROM recording WHERE id = '{desk.id}'")  # noqa: S608 -- ours


@pytest.mark.parametrize("how", [destroyed, removed])
async def test_a_recording_destroyed_while_a_request_is_about_it(rig: PromiseHouse, desk: Desk, how: object) -> None:
    assert callable(how)
    await desk.open(Kind.ACCESS)
    desk.go(hours=1)
    row = await desk.row("recording", "id", desk.id)
    seen = await rig.turns(
        {PromiseName.MATCHES: 1}, lambda: how(desk), lambda: desk.put_back("recording", "id", desk.id, row)
    )
    assert seen[PromiseName.MATCHES].names == (str(desk.id),)


@pytest.mark.parametrize("keeping", [True, False])
async def test_it_is_told_for_a_year_when_the_request_is_over(rig: PromiseHouse, desk: Desk, keeping: bool) -> None:
    """Also where somebody has wiped out that it was kept: the call is still one of the case."""
    done = await desk.open(Kind.ACCESS)
    desk.go(hours=1)
    assert await rig.broken() == {}
    await destroyed(desk)
    if not keeping:
        await rig.sql("DELETE FROM keeping")
    await desk.close(done, "She does not want it any more.")
    desk.go(days=300)
    assert await rig.broken() == {PromiseName.MATCHES: 1}
    desk.go(days=66)
    assert await rig.broken() == {}


@pytest.mark.parametrize("kind", [Kind.ERASURE, Kind.WITHDRAWAL])
async def test_what_a_decision_destroys_is_in_order(rig: PromiseHouse, consent: Desk, kind: Kind) -> None:
    done = await consent.grant(await consent.identity(await consent.open(kind)))
    await consent.sweep()
    assert await rig.house.people.value("SELECT state FROM recording") == "erased"
    assert await rig.broken() == {}
    await consent.close(await consent.answer(done))
    # The history has another one: this was destroyed by somebody else.
    seen = await rig.turns(
        {PromiseName.MATCHES: 1}, lambda: decision(consent, uuid4()), lambda: decision(consent, consent.id)
    )
    assert seen[PromiseName.MATCHES].names == (str(consent.id),)


async def decision(desk: Desk, erased: UUID) -> None:
    """What the history says of it."""
    told = json.dumps({"erased": [str(erased)]})
    await desk.behind(f"UPDATE request_step SET facts = facts || '{told}' WHERE step = 'decide'")  # noqa: S608 -- ours


async def test_what_a_request_has_let_go_is_in_order(rig: PromiseHouse, desk: Desk) -> None:
    """What was destroyed before it was found, too, and what quarantine ended."""
    quarantined, before = uuid4(), uuid4()
    more = (
        "INSERT INTO recording (id, call_id, segment, state, queue, started_at, started_by, late, clock_at_start,"
        " erasing_at, erased_at, erased_because, quarantined_until)"
        " SELECT $1, call_id, 2, 'erased', queue, started_at, started_by, late, clock_at_start, $2, $2, '', $3"
        " FROM recording WHERE id = $4"
    )
    now = rig.house.people.watch.now()
    await rig.sql(more, values=(before, now - timedelta(minutes=5), None, desk.id))
    await rig.sql(more, values=(quarantined, now + timedelta(minutes=5), now, desk.id))
    done = await desk.refuse(await desk.identity(await desk.open(Kind.ACCESS), NOT_PROVED))
    done = await desk.close(done)
    assert done.case.appeal_until is not None
    desk.go(days=(done.case.appeal_until - local_day(now)).days)
    await desk.sweep()
    assert await rig.house.people.value("SELECT count(*) FROM recording WHERE keeps = 1") == 1, "it can be appealed"
    desk.go(days=100)
    await desk.sweep()
    assert await rig.house.people.value("SELECT count(*) FROM recording WHERE state = 'erased'") == 3
    assert await rig.broken() == {}


# --- withdrawals


async def test_a_withdrawal_that_was_left_for_a_day(rig: PromiseHouse, desk: Desk) -> None:
    """Nobody looked at it; then it is decided on, and restricted."""
    done = await desk.open(Kind.WITHDRAWAL)
    desk.go(hours=24)

    async def carry_out() -> None:
        await desk.grant(await desk.identity(done))

    seen = await rig.turns({PromiseName.WITHDRAWALS: 1}, desk.a_minute_more, carry_out)
    assert seen[PromiseName.WITHDRAWALS].names == ("R2026-1",)
    gone = "DELETE FROM restriction_of"
    row = await desk.row("restriction_of", "recording_id", desk.id)
    await rig.turns(
        {PromiseName.WITHDRAWALS: 1},
        lambda: desk.behind(gone),
        lambda: desk.put_back("restriction_of", "recording_id", desk.id, row),
    )


async def test_a_withdrawal_whose_recording_is_not_destroyed(rig: PromiseHouse, consent: Desk) -> None:
    """It was decided on in time, and no sweep came."""
    await consent.grant(await consent.identity(await consent.open(Kind.WITHDRAWAL)))
    consent.go(hours=24)

    seen = await rig.turns({PromiseName.WITHDRAWALS: 1}, consent.a_minute_more, consent.sweep)
    assert seen[PromiseName.WITHDRAWALS].names == ("R2026-1",)
    assert await rig.house.people.value("SELECT state FROM recording") == "erased"


async def test_a_withdrawal_of_somebody_who_cannot_prove_who_they_are(rig: PromiseHouse, desk: Desk) -> None:
    """It waits for them, and from then on for the house."""
    done = await desk.identity(await desk.open(Kind.WITHDRAWAL), NOT_PROVED)
    desk.go(days=5)
    assert await rig.broken() == {}
    done = await desk.identity(done)
    desk.go(hours=24)

    await rig.turns({PromiseName.WITHDRAWALS: 1}, desk.a_minute_more, lambda: desk.grant(done))


@pytest.mark.parametrize("way", ["refused", "taken back"])
async def test_a_withdrawal_that_was_written_up_days_later(rig: PromiseHouse, desk: Desk, way: str) -> None:
    """It counts from the end of the day it came on. What is refused or taken back is not to be carried out."""
    made: list[Done] = []

    async def write_up() -> None:
        made.append(await desk.open(Kind.WITHDRAWAL, days_ago=2))

    async def end() -> None:
        await (desk.refuse(made[0]) if way == "refused" else desk.close(made[0], "A mistake."))

    await rig.turns({PromiseName.WITHDRAWALS: 1}, write_up, end)


async def test_somebody_said_no_and_it_is_not_destroyed(rig: PromiseHouse, desk: Desk) -> None:
    now = rig.house.people.watch.now()
    await rig.sql("UPDATE call SET refused_at = $1", values=(now,))
    await rig.sql(
        "UPDATE recording SET state = 'erasing', wrapped_key = NULL, erasing_at = $1, erased_because = 'refused'",
        values=(now,),
    )
    desk.go(hours=24)

    seen = await rig.turns({PromiseName.WITHDRAWALS: 1}, desk.a_minute_more, desk.sweep)
    assert seen[PromiseName.WITHDRAWALS].names == (str(desk.id),)


# --- refusals


@pytest.mark.parametrize(
    ("table", "key"), [("refusal_certificate_body", "certificate_id"), ("refusal_certificate", "id")]
)
@pytest.mark.parametrize("closed", [True, False])
async def test_a_refusal_whose_certificate_is_gone(
    rig: PromiseHouse,
    desk: Desk,
    table: str,
    key: str,
    closed: bool,
) -> None:
    done = await desk.refuse(await desk.open(Kind.CORRECTION))
    if closed:
        await desk.close(done)
    assert done.certificate is not None
    certificate_id = done.certificate.stored.id
    row = await desk.row(table, key, certificate_id)
    seen = await rig.turns(
        {PromiseName.REFUSALS: 1},
        lambda: desk.behind(f"DELETE FROM {table} WHERE {key} = '{certificate_id}'"),  # noqa: S608 -- ours
        lambda: desk.put_back(table, key, certificate_id, row),
    )
    assert seen[PromiseName.REFUSALS].names == ("R2026-1",)


@pytest.mark.parametrize(("kind", "column"), [(Kind.ACCESS, "certificate_id"), (Kind.DOCUMENT, "paper_reference")])
async def test_a_refusal_that_never_had_one(rig: PromiseHouse, desk: Desk, kind: Kind, column: str) -> None:
    """The rule of the table was taken away. A certificate of another case does not count, nor does a paper of the
    authority where a certificate is due."""
    done = await desk.refuse(await desk.open(kind))
    other = await desk.refuse(await desk.open(Kind.CORRECTION))
    assert other.certificate is not None
    row = await desk.row("request_case", "id", done.case.id)
    await rig.sql("ALTER TABLE request_case DROP CONSTRAINT what_is_refused_is_in_writing")
    certificate = f"'{other.certificate.stored.id}'" if kind is Kind.ACCESS else "NULL"
    values = f"certificate_id = {certificate}, paper_reference = '{'A-1' if column == 'certificate_id' else ''}'"
    seen = await rig.turns(
        {PromiseName.REFUSALS: 1},
        lambda: desk.behind(f"UPDATE request_case SET {values} WHERE id = '{done.case.id}'"),  # noqa: S608 -- ours
        lambda: desk.put_back("request_case", "id", done.case.id, row),
    )
    assert seen[PromiseName.REFUSALS].names == (done.case.number,)


async def test_what_is_left_of_a_request_that_was_granted_in_part(rig: PromiseHouse, desk: Desk) -> None:
    """Until the person has the answer there is time to write it."""
    done = await desk.identity(await desk.open(Kind.ACCESS))
    done = await desk.requests.confirm(done.case.number, done.case.version, [desk.id], [], SARI)
    one = done.case
    done = await desk.requests.decide(one.number, one.version, Decision.PARTLY, "Osittain.", OLLI)
    assert await rig.broken() == {}
    one = done.case
    terms = replace(TERMS, ground=Ground.RIGHTS_OF_OTHERS)
    done = await desk.requests.refuse(one.number, one.version, terms, SARI)
    assert done.certificate is not None
    certificate_id = done.certificate.stored.id
    await desk.answer(done)
    row = await desk.row("refusal_certificate", "id", certificate_id)
    await rig.turns(
        {PromiseName.REFUSALS: 1},
        lambda: desk.behind("DELETE FROM refusal_certificate"),
        lambda: desk.put_back("refusal_certificate", "id", certificate_id, row),
    )
