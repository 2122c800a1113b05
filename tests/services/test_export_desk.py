"""services/export_desk.py, export_sending.py: a recording leaves the house once, by two persons, and all of it is on
record.
"""

import asyncio
import hashlib
import io
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import numpy as np
import pytest

from ari_recorder.config import Config
from ari_recorder.domain.accounts import EVERYTHING, Principal, Role
from ari_recorder.domain.approvals import LASTS
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.disclosures import DisclosureEnd, ExportStage, ReceiverKind, Terms
from ari_recorder.domain.errors import (
    ApprovalAsked,
    DatabaseSlow,
    ExportOver,
    ExportUnknown,
    HoldTextRefused,
    KeyDestroyed,
    KeyringLocked,
    PermissionMissing,
    PersonNeeded,
    PersonTextRefused,
    RecorderError,
    RecordingErased,
    RecordingUnknown,
    SealedDamaged,
    SecondPersonNeeded,
    SessionOver,
    StepUpNeeded,
)
from ari_recorder.services import connect, connect_service
from ari_recorder.services import export_sending as service
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.disclosures import Disclosed
from ari_recorder.services.export_desk import ExportDesk
from ari_recorder.services.export_sending import LOST_AFTER, ExportSending, Sending
from ari_recorder.services.holds import Holds, HoldTerms
from ari_recorder.storage import erasing
from ari_recorder.storage.db import Database, Limits
from tests.services.listeners import House, locked_table, person
from tests.site import Recorded, prepare, record, tone

RECEIVER, REASON = "Konstaapeli Reponen", "Section 4 of chapter 2, the caller Matti"
TERMS = Terms(receiver_kind=ReceiverKind.POLICE, receiver=RECEIVER, reference="5530/R/1/26", reason=REASON)
# More than two pieces of a WAV file.
LONG = timedelta(seconds=20)
CALLER, AGENT = tone(440, LONG), tone(880, LONG)


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@dataclass
class Office:
    """Two privacy officers, and a recording one of them wants to give out."""

    house: House
    site: Config
    recorded: Recorded
    aino: Principal
    olli: Principal
    needed: bool = True
    got: bytearray = field(default_factory=bytearray)

    @property
    def approvals(self) -> Approvals:
        return Approvals(database=self.house.database, clocks=self.house.clocks, needed=self.needed)

    @property
    def desk(self) -> ExportDesk:
        house = self.house
        return ExportDesk(database=house.database, keyring=house.keyring, approvals=self.approvals, clocks=house.clocks)

    @property
    def sending(self) -> ExportSending:
        house = self.house
        return ExportSending(
            database=house.database,
            vault=house.vault,
            keyring=house.keyring,
            approvals=self.approvals,
            clocks=house.clocks,
        )

    async def ask(self) -> UUID:
        return await self.desk.ask(self.aino, self.recorded.recording_id, TERMS)

    async def agreed(self) -> UUID:
        export_id = await self.ask()
        await self.desk.decide(self.olli, export_id, approve=True)
        return export_id

    async def begin(self, export_id: UUID, who: Principal | None = None) -> Sending:
        who = who or self.aino
        return await self.sending.begin(who, export_id, self.house.again(who))

    async def download(self, export_id: UUID, who: Principal | None = None) -> bytes:
        async with aclosing((await self.begin(export_id, who)).chunks) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def until(self, something: Callable[[], object]) -> None:
        """What is sent goes into `got`; after the second piece something happens."""
        sending = await self.begin(await self.agreed())
        self.got.clear()
        count = 0
        async with aclosing(sending.chunks) as chunks:
            async for chunk in chunks:
                self.got += chunk
                count += 1
                if count == 2 and isinstance(happens := something(), Awaitable):
                    await happens

    async def log(self) -> tuple[Disclosed, ...]:
        return (await self.desk.exports(self.olli)).log

    async def entries(self, action: str) -> list[dict[str, Any]]:
        async with self.house.database.transaction() as conn:
            rows = await conn.fetch("SELECT leaf FROM audit_pending ORDER BY place")
        return [entry for row in rows if (entry := json.loads(row["leaf"]))["action"] == action]

    async def erase(self) -> None:
        async with self.house.database.transaction() as conn:
            await erasing.begin_erasing(conn, [self.recorded.recording_id], "its time is up", datetime.now(UTC))


def officer(house: House, user_id: UUID | None = None, queues: tuple[str, ...] | None = None) -> Principal:
    """With a code given just now; `queues` of a unit, where the right is held to one."""
    made = replace(person(Role.PRIVACY_OFFICER), user_id=user_id or uuid4(), stepped_up_at=house.clocks.now())
    if queues is None:
        return made
    grant = replace(made.grants[0], unit="elsewhere")
    return replace(made, grants=(grant,), units={"elsewhere": frozenset(queues)})


@pytest.fixture
async def office(site: Config, database: Database) -> Office:
    house = House.of(site, database)
    people = []
    for name in ("aino", "olli"):
        account_id = uuid4()
        async with database.transaction() as conn:
            await conn.execute(
                """
                INSERT INTO account (id, kind, state, name, full_name, language, created_at)
                VALUES ($1, 'person', 'invited', $2, $2, 'fi', now())
                """,
                account_id,
                name,
            )
        people.append(replace(officer(house, account_id), name=name))
    recorded = await record(site, database, sides=(CALLER, AGENT))
    return Office(house=house, site=site, recorded=recorded, aino=people[0], olli=people[1])


# --- two persons, once


async def test_one_asks_another_agrees_and_the_first_gets_the_very_samples_once(office: Office) -> None:
    export_id = await office.ask()
    with pytest.raises(SecondPersonNeeded):
        await office.download(export_id)
    assert (await office.desk.export(office.olli, export_id)).stage is ExportStage.ASKED
    await office.desk.decide(office.olli, export_id, approve=True)
    shown = await office.desk.export(office.olli, export_id)
    assert (shown.stage, shown.receiver, shown.reason, shown.is_mine) == (ExportStage.AGREED, RECEIVER, REASON, False)
    sending = await office.begin(export_id)
    async with aclosing(sending.chunks) as chunks:
        wav = b"".join([chunk async for chunk in chunks])
    assert len(wav) == sending.size
    with wave.open(io.BytesIO(wav)) as read:
        assert read.getparams()[:4] == (2, 2, 8000, len(CALLER) // 2)
        stereo = np.frombuffer(read.readframes(read.getnframes()), "<i2").reshape(-1, 2)
    assert stereo[:, 0].tobytes() == CALLER
    assert stereo[:, 1].tobytes() == AGENT
    (told,) = await office.log()
    assert (told.by, told.approved_by, told.because) == ("aino", "olli", DisclosureEnd.COMPLETE)
    assert (told.sent_bytes, told.size_bytes) == (len(wav), len(wav))
    assert told.sha256 == hashlib.sha256(wav).hexdigest()
    with pytest.raises(ExportOver):
        await office.download(export_id)
    over = await office.desk.export(office.olli, export_id)
    assert (over.stage, over.receiver, over.disclosed) == (ExportStage.OVER, RECEIVER, told)
    assert (await office.desk.exports(office.olli)).waiting == ()


async def test_what_was_sent_is_in_the_audit_log_before_and_after(office: Office) -> None:
    export_id = await office.agreed()
    sending = await office.begin(export_id)
    (entry,) = await office.entries("recording:export")
    assert (await office.log())[0].sent_bytes == 0  # it is there before the first byte
    assert entry["object"] == f"recording:{office.recorded.recording_id}"
    assert entry["because"] == "police"
    assert entry["actor"]["id"] == str(office.aino.user_id)
    assert entry["facts"] == {
        "export": str(export_id),
        "format": "wav",
        "bytes": sending.size,
        "reference": "5530/R/1/26",
        "approved_by": str(office.olli.user_id),
    }
    assert set(entry["personal"]) >= {"receiver", "why"}
    async with aclosing(sending.chunks) as chunks:
        wav = b"".join([chunk async for chunk in chunks])
    (entry,) = await office.entries("recording:exported")
    assert (entry["outcome"], entry["because"]) == ("ok", "complete")
    sha256 = hashlib.sha256(wav).hexdigest()
    assert entry["facts"] == {"export": str(export_id), "bytes": len(wav), "of": len(wav), "sha256": sha256}


async def test_who_asks_does_not_agree_and_who_agrees_does_not_download(office: Office) -> None:
    export_id = await office.ask()
    with pytest.raises(SecondPersonNeeded):
        await office.desk.decide(office.aino, export_id, approve=True)
    await office.desk.decide(office.olli, export_id, approve=True)
    with pytest.raises(SecondPersonNeeded):
        await office.download(export_id, office.olli)
    assert await office.log() == ()
    assert await office.download(export_id)


async def test_of_many_who_download_at_once_one_does(office: Office) -> None:
    for needed in (True, False):
        office.needed = needed
        export_id = await office.agreed() if needed else await office.ask()
        done = await asyncio.gather(*(office.download(export_id) for _ in range(6)), return_exceptions=True)
        assert [isinstance(one, bytes) for one in done].count(True) == 1
        assert all(isinstance(one, bytes | ExportOver | SecondPersonNeeded) for one in done)
    assert len(await office.log()) == 2


async def test_what_was_refused_or_not_used_in_a_week_is_not_there(office: Office) -> None:
    refused = await office.ask()
    with pytest.raises(ApprovalAsked):
        await office.ask()
    await office.desk.decide(office.olli, refused, approve=False)
    expired = await office.agreed()
    office.house.clocks.ahead += LASTS
    office.needed = False
    alone = await office.ask()
    office.house.clocks.ahead += LASTS
    fresh = replace(office.aino, stepped_up_at=office.house.clocks.now())
    for export_id in (refused, expired, alone, uuid4()):
        with pytest.raises(ExportUnknown):
            await office.download(export_id, fresh)
        with pytest.raises(ExportUnknown):
            await office.desk.export(office.olli, export_id)
    assert (await office.desk.exports(office.olli)).waiting == ()
    await office.sending.run_once()
    async with office.house.database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM export_ask") == 0


async def test_with_the_setting_one_does_it_alone_but_only_who_asked(office: Office) -> None:
    office.needed = False
    export_id = await office.ask()
    with pytest.raises(ExportUnknown):  # nobody was asked to agree
        await office.desk.decide(office.olli, export_id, approve=True)
    with pytest.raises(SecondPersonNeeded):
        await office.download(export_id, office.olli)
    assert await office.download(export_id)
    assert [one.approved_by for one in await office.log()] == [""]


async def test_an_agreement_is_to_one_export_and_not_to_another_one(office: Office) -> None:
    office.needed = False
    alone = await office.ask()
    office.needed = True
    agreed = await office.agreed()
    with pytest.raises(SecondPersonNeeded):
        await office.download(alone)
    assert await office.download(agreed)


async def test_who_may_not_does_not(office: Office) -> None:
    export_id = await office.agreed()
    machine = replace(office.aino, is_machine=True, stepped_up_at=None)
    with pytest.raises(PersonNeeded):
        await office.desk.ask(machine, office.recorded.recording_id, TERMS)
    for role in (Role.SUPERVISOR, Role.ADMINISTRATOR, Role.AUDITOR, Role.ADVISER):
        who = replace(person(role, interfaces=("PJSIP/1001",)), stepped_up_at=office.house.clocks.now())
        for refused in (
            office.desk.ask(who, office.recorded.recording_id, TERMS),
            office.desk.exports(who),
            office.desk.export(who, export_id),
            office.desk.decide(who, export_id, approve=True),
            office.download(export_id, who),
        ):
            with pytest.raises(PermissionMissing):
                await refused
    office.house.clocks.ahead += timedelta(minutes=6)
    for stale in (office.aino, machine):
        with pytest.raises(StepUpNeeded):
            await office.download(export_id, stale)


async def test_the_recording_of_another_unit_is_not_there(office: Office) -> None:
    export_id = await office.agreed()
    stranger = officer(office.house, queues=("dental",))
    assert EVERYTHING not in stranger.units
    with pytest.raises(RecordingUnknown):
        await office.desk.ask(stranger, office.recorded.recording_id, TERMS)
    for refused in (
        office.desk.export(stranger, export_id),
        office.desk.decide(stranger, export_id, approve=True),
        office.download(export_id, stranger),
    ):
        with pytest.raises(ExportUnknown):
            await refused
    await office.download(export_id)
    with pytest.raises(ExportUnknown):
        await office.desk.export(stranger, export_id)
    seen = await office.desk.exports(stranger)
    assert (seen.waiting, seen.log) == ((), ())


@pytest.mark.parametrize(
    "terms",
    [
        replace(TERMS, receiver="  "),
        replace(TERMS, reason=""),
        replace(TERMS, reason="x" * 201),
        replace(TERMS, receiver="a\x07b"),
        replace(TERMS, reference=""),
        replace(TERMS, reference="131052-308T"),
        replace(TERMS, reference='1"\r\nSet-Cookie: a=b'),
    ],
)
async def test_nothing_is_asked_for_without_receiver_case_and_reason(office: Office, terms: Terms) -> None:
    with pytest.raises((PersonTextRefused, HoldTextRefused)):
        await office.desk.ask(office.aino, office.recorded.recording_id, terms)


async def test_who_gets_it_and_why_lies_nowhere_in_clear_but_in_the_audit_log(office: Office) -> None:
    async def clear() -> set[str]:
        async with office.house.database.transaction() as conn:
            names = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return {
                name
                for (name,) in names
                for row in await conn.fetch(f"SELECT t::text AS text FROM {name} AS t")  # noqa: S608
                if "Reponen" in row["text"] or "Matti" in row["text"]
            }

    export_id = await office.agreed()
    assert await clear() <= {"audit_personal"}
    await office.download(export_id)
    assert await clear() <= {"audit_personal"}
    async with office.house.database.transaction() as conn:
        rows = await conn.fetch("SELECT leaf FROM audit_pending")
    assert not [row for row in rows if "Reponen" in row["leaf"] or "Matti" in row["leaf"]]


# --- it breaks off


async def test_a_download_that_breaks_off_is_on_record_with_how_much_went_out(office: Office) -> None:
    export_id = await office.agreed()
    got = b""
    async with aclosing((await office.begin(export_id)).chunks) as chunks:
        async for chunk in chunks:
            got += chunk
            (told,) = await office.log()
            assert (told.sent_bytes, told.because) == (len(got), None)  # on record before it is sent
            assert (await office.desk.export(office.aino, export_id)).stage is ExportStage.GOING
            if len(got) > 100:
                break
    (told,) = await office.log()
    assert (told.because, told.sent_bytes) == (DisclosureEnd.BROKEN_OFF, len(got))
    assert told.sha256 == hashlib.sha256(got).hexdigest()
    assert told.sent_bytes < told.size_bytes
    (entry,) = await office.entries("recording:exported")
    assert (entry["outcome"], entry["because"], entry["facts"]["bytes"]) == ("failed", "broken-off", len(got))
    with pytest.raises(ExportOver):
        await office.download(export_id)


async def test_who_is_cut_off_in_the_middle_is_told_of_too(office: Office) -> None:
    sending = await office.begin(await office.agreed())
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(sending.chunks) as chunks:
            await anext(chunks)
            begun.set()
            await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [(one.because, one.sent_bytes) for one in await office.log()] == [(DisclosureEnd.BROKEN_OFF, 44)]


async def test_what_a_crash_left_is_told_by_the_next_look(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dead(*_: object) -> None:
        """The service was killed."""

    monkeypatch.setattr(ExportSending, "_end", dead)
    sending = await office.begin(await office.agreed())
    got = await anext(sending.chunks) + await anext(sending.chunks)
    await sending.chunks.aclose()
    assert await office.sending.run_once() == 0  # perhaps somebody sends it still
    office.house.clocks.ahead += LOST_AFTER + timedelta(seconds=1)
    assert sum(await asyncio.gather(*(office.sending.run_once() for _ in range(2)))) == 1
    (told,) = await office.log()
    assert (told.because, told.sent_bytes, told.sha256) == (DisclosureEnd.LOST, len(got), None)
    (entry,) = await office.entries("recording:exported")
    assert (entry["because"], entry["actor"]["id"]) == ("lost", str(office.aino.user_id))


async def test_a_log_out_stops_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    with pytest.raises(SessionOver):
        await office.until(lambda: office.house.now.update({office.aino.session_id: None}))
    assert [(one.because, one.sent_bytes) for one in await office.log()] == [
        (DisclosureEnd.RIGHT_ENDED, len(office.got))
    ]


@pytest.mark.parametrize("how", ["no-right", "other-unit"])
async def test_a_right_that_ends_stops_it(office: Office, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    elsewhere = officer(office.house, queues=("dental",))
    less = {
        "no-right": replace(office.aino, grants=()),
        "other-unit": replace(office.aino, grants=elsewhere.grants, units=elsewhere.units),
    }
    with pytest.raises((PermissionMissing, RecordingUnknown)):
        await office.until(lambda: office.house.now.update({office.aino.session_id: less[how]}))
    (told,) = await office.log()
    assert (told.because, told.sent_bytes) == (DisclosureEnd.RIGHT_ENDED, len(office.got))
    assert told.sent_bytes < told.size_bytes


async def test_erasing_stops_it_with_the_next_piece(office: Office) -> None:
    with pytest.raises(RecordingErased):
        await office.until(office.erase)
    (told,) = await office.log()
    assert (told.because, told.sent_bytes) == (DisclosureEnd.RECORDING_GONE, len(office.got))
    assert told.sha256 == hashlib.sha256(office.got).hexdigest()
    with pytest.raises(RecordingErased):
        await office.ask()


@pytest.mark.parametrize(("what", "error"), [("lock", KeyringLocked), ("destroy", KeyDestroyed)])
async def test_keys_that_go_stop_it(office: Office, what: str, error: type[RecorderError]) -> None:
    keyring = office.house.keyring
    (name,) = (one for one in keyring.names() if one.startswith("day-"))
    with pytest.raises(error):
        await office.until(keyring.lock if what == "lock" else lambda: keyring.destroy(name))
    (told,) = await office.log()
    assert told.sent_bytes == len(office.got) < told.size_bytes
    assert told.receiver is None  # and it cannot be read any more


# --- nothing goes out


@pytest.fixture
async def hasty(dsn: str) -> AsyncIterator[Database]:
    limits = Limits(acquire=0.3, statement=0.3, release=0.2, transaction=0.6)
    async with Database(dsn, limits=limits) as opened:
        yield opened


@pytest.mark.parametrize("table", ["audit_pending", "disclosure", "approval", "recording"])
async def test_a_locked_log_or_table_lets_no_byte_out_and_spends_nothing(
    office: Office, hasty: Database, database: Database, table: str
) -> None:
    export_id = await office.agreed()
    office.house.database = hasty
    async with locked_table(database, table):
        with pytest.raises(DatabaseSlow):
            await office.begin(export_id)
    office.house.database = database
    assert await office.log() == ()
    assert await office.download(export_id)


async def test_a_log_that_is_locked_meanwhile_stops_it_and_is_told_later(
    office: Office, hasty: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.0)
    export_id = await office.agreed()
    office.house.database = hasty
    sending = await office.begin(export_id)
    async with aclosing(sending.chunks) as chunks, locked_table(database, "audit_pending"):
        with pytest.raises(DatabaseSlow):
            await anext(chunks)
    office.house.database = database
    assert [(one.sent_bytes, one.because) for one in await office.log()] == [(0, None)]
    office.house.clocks.ahead += LOST_AFTER + timedelta(seconds=1)
    assert await office.sending.run_once() == 1
    assert [(one.sent_bytes, one.because) for one in await office.log()] == [(0, DisclosureEnd.LOST)]


async def test_a_damaged_file_is_found_before_the_agreement_is_spent(office: Office) -> None:
    export_id = await office.agreed()
    (file,) = office.house.vault.files.folder.rglob("*.sealed")
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    with pytest.raises(SealedDamaged):
        await office.download(export_id)
    assert await office.log() == ()
    file.write_bytes(whole)
    assert await office.download(export_id)


async def test_nobody_agrees_to_what_cannot_be_read(office: Office) -> None:
    export_id = await office.ask()
    office.house.keyring.lock()
    seen = await office.desk.exports(office.olli)
    assert (seen.locked, seen.waiting[0].receiver, seen.waiting[0].reference) == (True, None, "5530/R/1/26")
    for refused in (office.desk.decide(office.olli, export_id, approve=True), office.download(export_id)):
        with pytest.raises(KeyringLocked):
            await refused


# --- what else becomes of the recording


@pytest.mark.parametrize("kept", ["held", "frozen"])
async def test_what_is_held_or_frozen_goes_out_as_before(office: Office, kept: str) -> None:
    """Its key, and the words about it, are wrapped anew in between."""
    house = office.house
    export_id = await office.agreed()
    holds = Holds(
        database=house.database,
        keyring=house.keyring,
        policies=connect.policies(office.site, house.database),
        clocks=house.clocks,
    )
    ids, sari = [office.recorded.recording_id], Actor.operator("sari")
    if kept == "held":
        review_on = (house.clocks.now() + timedelta(days=60)).date()
        await holds.place(ids, HoldTerms(reason="a crime", reference="A-1", owner="S", review_on=review_on), sari)
    else:
        await holds.open_freeze(ids, "2026-77", sari)
    assert (await office.desk.export(office.olli, export_id)).receiver == RECEIVER
    assert len(await office.download(export_id)) == 44 + 2 * len(CALLER)


async def test_the_row_stays_when_the_recording_is_erased_and_names_nobody_outside(
    office: Office, site: Config, database: Database
) -> None:
    old = datetime.now(UTC) - timedelta(days=200)
    office.recorded = await record(site, database, started_at=old, uniqueid="1690000000.1", sides=(CALLER, AGENT))
    given, waits = await office.agreed(), None
    await office.download(given)
    waits = await office.agreed()
    await connect_service.sweep(site, database, connect.keyring(site)).run_once()
    (told,) = await office.log()
    assert (told.receiver, told.reason) == (None, None)
    assert (told.receiver_kind, told.reference, told.by) == (ReceiverKind.POLICE, "5530/R/1/26", "aino")
    assert told.sha256 is not None
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM call_text") == 0
    with pytest.raises(RecordingErased):
        await office.download(waits)
    await office.sending.run_once()
    with pytest.raises(ExportUnknown):
        await office.download(waits)


@pytest.mark.parametrize("table", ["disclosure", "disclosure_sent"])
async def test_the_log_of_disclosures_is_never_changed(office: Office, dsn: str, table: str) -> None:
    await office.download(await office.agreed())
    raw = await asyncpg.connect(dsn)
    column = "user_name" if table == "disclosure" else "because"
    for change in (
        f"UPDATE {table} SET {column} = {column}",  # noqa: S608
        f"DELETE FROM {table}",  # noqa: S608
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            await raw.execute(change)
    await raw.close()
