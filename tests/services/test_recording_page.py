"""services/recording_page.py, corrections.py: all that is known, for those it is for; originals stay beside."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.errors import (
    CorrectionOutdated,
    CorrectionRefused,
    KeyInUse,
    PermissionMissing,
    RecordingErased,
    RecordingUnknown,
)
from ari_recorder.domain.retention_told import Rule
from ari_recorder.services import connect, key_admin
from ari_recorder.services.corrections import Corrected, Corrections
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.recording_page import Integrity, RecordingPages
from ari_recorder.storage import calls, erasing
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import day_of
from tests.services.house import READER
from tests.services.listeners import WHY, House, person
from tests.site import LENGTH, NAME, NUMBER, Recorded, prepare, record

OFFICER = person(Role.PRIVACY_OFFICER)
SUPERVISOR = person()


class Desk:
    def __init__(self, site: Config, house: House, recorded: Recorded) -> None:
        self.site = site
        self.house = house
        self.recorded = recorded
        self.id = recorded.recording_id
        self.pages = RecordingPages(
            database=house.database,
            vault=house.vault,
            keyring=house.keyring,
            policies=connect.policies(site, house.database),
            clocks=house.clocks,
        )
        self.corrections = Corrections(database=house.database, keyring=house.keyring, clocks=house.clocks)

    async def correct(self, field: Correctable, value: str, version: int = 0, **more: object) -> None:
        proposed = Proposed(field=field, value=value, because="the caller said so", version=version, **more)  # type: ignore[arg-type]
        await self.corrections.correct(OFFICER, self.id, proposed)

    async def field(self, field: Correctable) -> Corrected:
        page = await self.pages.show(OFFICER, self.id)
        return next(one for one in (*page.fields, *page.notes) if one.field is field)

    async def text_keys(self) -> set[str]:
        async with self.house.database.transaction() as conn:
            return {row["key_name"] for row in await conn.fetch("SELECT key_name FROM call_text")}

    async def erase(self) -> None:
        async with self.house.database.transaction() as conn:
            now = datetime.now(UTC)
            await erasing.begin_erasing(conn, [self.id], "its time is up", now)
            await erasing.destroy_keys(conn, [self.id])
            await erasing.bury(conn, {self.id: ("vault",)}, now)
            await calls.forget(conn, [self.recorded.call.id], now)


@pytest.fixture
async def desk(tmp_path: Path, dsn: str, database: Database) -> Desk:
    site = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    house = House.of(site, database)
    return Desk(site, house, await record(site, database, started_at=datetime.now(UTC) - timedelta(days=2)))


async def test_everything_known_is_shown(desk: Desk) -> None:
    page = await desk.pages.show(SUPERVISOR, desk.id)
    assert page.caller is not None
    assert (page.caller.num, page.caller.name) == (NUMBER, NAME)
    assert [(one.kind, one.offset) for one in page.moments] == [("threat", LENGTH / 2)]
    assert (page.integrity, page.flagged, page.undecided, page.locked) == (Integrity.INTACT, True, True, False)
    assert page.retention.rule is Rule.UNDECIDED
    assert page.opened == ()
    async with desk.house.database.transaction() as conn:
        leaf = json.loads(await conn.fetchval("SELECT leaf FROM audit_pending"))
    assert (leaf["action"], leaf["object"]) == ("recording:view", f"recording:{desk.id}")
    assert NUMBER not in json.dumps(leaf)


async def test_outside_the_scope_there_is_nothing(desk: Desk) -> None:
    for who in (person(queues=("dental",)), person(Role.ADVISER, interfaces=("PJSIP/1002",))):
        with pytest.raises(RecordingUnknown):
            await desk.pages.show(who, desk.id)
    with pytest.raises(RecordingUnknown):
        await desk.pages.show(SUPERVISOR, uuid4())
    with pytest.raises(PermissionMissing):
        await desk.pages.show(person(Role.ADMINISTRATOR), desk.id)
    with pytest.raises(PermissionMissing):
        await desk.corrections.correct(SUPERVISOR, desk.id, Proposed(field=Correctable.NOTE, value="hello", because=""))


async def test_a_file_that_is_not_what_was_sealed_is_told(desk: Desk) -> None:
    (file,) = desk.house.vault.files.folder.rglob("*.sealed")
    whole = file.read_bytes()
    for damaged in (whole[:-1], b"\0" + whole[1:], whole[:100], b""):
        file.chmod(0o600)
        file.write_bytes(damaged)
        assert (await desk.pages.show(SUPERVISOR, desk.id)).integrity is Integrity.DAMAGED
    file.unlink()
    assert (await desk.pages.show(SUPERVISOR, desk.id)).integrity is Integrity.DAMAGED


async def test_a_locked_keyring_hides_only_what_is_sealed(desk: Desk) -> None:
    await desk.correct(Correctable.CALLER_NAME, "Aino Esimerkki")
    desk.house.keyring.lock()
    page = await desk.pages.show(OFFICER, desk.id)
    assert (page.locked, page.caller, page.integrity) == (True, None, Integrity.UNKNOWN)
    (name,) = (one for one in page.fields if one.field is Correctable.CALLER_NAME)
    assert (name.original, name.current, len(name.versions)) == (None, None, 1)


async def test_corrections_stand_beside_their_original(desk: Desk) -> None:
    await desk.correct(Correctable.CALLER_NAME, "Aino Esimerkki")
    await desk.correct(Correctable.CALLER_NAME, "Aino M. Esimerkki", version=1)
    found = await desk.field(Correctable.CALLER_NAME)
    assert (found.original, found.current) == (NAME, "Aino M. Esimerkki")
    assert [(one.version, one.value, one.because) for one in found.versions] == [
        (1, "Aino Esimerkki", "the caller said so"),
        (2, "Aino M. Esimerkki", "the caller said so"),
    ]
    with pytest.raises(CorrectionOutdated):
        await desk.correct(Correctable.CALLER_NAME, "Somebody", version=1)
    async with desk.house.database.transaction() as conn:
        dump = [dict(row) for row in await conn.fetch("SELECT * FROM correction")]
        dump += [dict(row) for row in await conn.fetch("SELECT leaf FROM audit_pending")]
        dump += [dict(row) for row in await conn.fetch("SELECT * FROM call_text")]
    assert "Esimerkki" not in str(dump)


async def test_notes_have_their_place_in_the_audio(desk: Desk) -> None:
    await desk.correct(Correctable.NOTE, "Here the agent names the wrong day", audio_offset=timedelta(seconds=1.5))
    await desk.correct(Correctable.NOTE, "Second note")
    await desk.correct(Correctable.NOTE, "The right day", 1, subject="1", audio_offset=timedelta(seconds=0.5))
    page = await desk.pages.show(OFFICER, desk.id)
    assert [(one.kind, one.offset.total_seconds(), one.text) for one in page.moments] == [
        ("note", 0.5, "The right day"),
        ("threat", 1.0, ""),
    ]
    assert [(one.subject, one.current, len(one.versions)) for one in page.notes] == [
        ("1", "The right day", 2),
        ("2", "Second note", 1),
    ]


@pytest.mark.parametrize(
    "proposed",
    [
        Proposed(field=Correctable.CALLER_NAME, value="x", because=""),
        Proposed(field=Correctable.CALLER_NUMBER, value="nobody", because="so"),
        Proposed(field=Correctable.CALLER_NAME, value="x" * 501, because="so"),
        Proposed(field=Correctable.CALLER_NAME, value="a\x00b", because="so"),
        Proposed(field=Correctable.CALLER_NAME, value="x", because="so", subject="1"),
        Proposed(field=Correctable.AGENT, value="x", because="so", subject="1700000000.99"),
        Proposed(field=Correctable.NOTE, value=" ", because=""),
        Proposed(field=Correctable.NOTE, value="x", because="", subject="7"),
        Proposed(field=Correctable.NOTE, value="x", because="", audio_offset=LENGTH * 2),
    ],
)
async def test_a_correction_of_nothing_is_refused(desk: Desk, proposed: Proposed) -> None:
    with pytest.raises(CorrectionRefused):
        await desk.corrections.correct(OFFICER, desk.id, proposed)


async def test_versions_are_never_changed(desk: Desk, database: Database) -> None:
    await desk.correct(Correctable.QUEUE_MEANING, "Advice for families")
    for sql in ("UPDATE correction SET version = 9", "DELETE FROM correction", "TRUNCATE correction"):
        with pytest.raises(asyncpg.RaiseError):
            async with database.transaction() as conn:
                await conn.execute(sql)


async def test_words_go_with_the_hold_and_come_back(desk: Desk) -> None:
    await desk.correct(Correctable.CALLER_NAME, "Aino Esimerkki")
    assert await desk.text_keys() == {f"day-{day_of(datetime.now(UTC) - timedelta(days=2))}"}
    holds = connect.holds(desk.site, desk.house.database, desk.house.keyring)
    terms = HoldTerms(
        reason="a crime", reference="CASE-1", owner="Legal", review_on=day_of(datetime.now(UTC) + timedelta(days=30))
    )
    hold = await holds.place([desk.id], terms, Actor.operator("anna"))
    assert await desk.text_keys() == {"hold-1"}
    await desk.correct(Correctable.CALLER_NAME, "Aino M. Esimerkki", version=1)
    assert await desk.text_keys() == {"hold-1"}
    house = desk.house
    done = await key_admin.rotate_hold(house.database, house.keyring, house.vault.files, lambda _: None, READER)
    assert (done.rewrapped.texts, await desk.text_keys()) == (2, {"hold-2"})
    assert (await desk.field(Correctable.CALLER_NAME)).current == "Aino M. Esimerkki"
    await holds.release(hold.hold.id, Actor.operator("anna"), yes=True)
    assert await desk.text_keys() == {f"day-{day_of(datetime.now(UTC) - timedelta(days=2))}"}
    assert [one.value for one in (await desk.field(Correctable.CALLER_NAME)).versions] == [
        "Aino Esimerkki",
        "Aino M. Esimerkki",
    ]


async def test_words_go_with_the_call(desk: Desk) -> None:
    await desk.correct(Correctable.CALLER_NAME, "Aino Esimerkki")
    await desk.house.listenings.begin(SUPERVISOR, desk.id, WHY)
    await desk.erase()
    assert await desk.text_keys() == set()
    page = await desk.pages.show(OFFICER, desk.id)
    assert (page.integrity, page.retention.rule, page.caller) == (Integrity.GONE, Rule.GONE, None)
    (name,) = (one for one in page.fields if one.field is Correctable.CALLER_NAME)
    assert (name.current, [one.version for one in name.versions]) == (None, [1])
    assert page.opened is not None
    assert len(page.opened) == 1
    with pytest.raises(RecordingErased):
        await desk.correct(Correctable.CALLER_NAME, "Aino", version=1)


async def test_the_key_of_a_day_waits_for_words(desk: Desk) -> None:
    await desk.correct(Correctable.CALLER_NAME, "Aino Esimerkki")
    day = day_of(datetime.now(UTC) - timedelta(days=2))
    async with desk.house.database.transaction() as conn:
        await conn.execute("UPDATE call SET personal = NULL, personal_key_name = NULL")
        wrapped = await conn.fetchval("SELECT wrapped_key FROM recording")
        anew = desk.house.keyring.rewrap(wrapped, desk.id, "hold-1")
        await conn.execute("UPDATE recording SET key_name = 'hold-1', wrapped_key = $1", anew)
    with pytest.raises(KeyInUse):
        await key_admin.destroy_day(desk.site, desk.house.database, day, READER, dry_run=False)


async def test_who_listened_and_why_is_shown_to_those_who_watch_over_use(desk: Desk) -> None:
    listening = await desk.house.listenings.begin(SUPERVISOR, desk.id, WHY)
    async with desk.house.listenings.part(listening.id, desk.house.again(SUPERVISOR), wanted="bytes=0-99") as part:
        half = part.size // 2
    async with desk.house.listenings.part(listening.id, desk.house.again(SUPERVISOR), wanted=f"bytes=0-{half}") as part:
        assert [chunk async for chunk in part.chunks]
    page = await desk.pages.show(SUPERVISOR, desk.id)
    assert page.opened is not None
    (opened,) = page.opened
    assert (opened.by, opened.purpose, opened.reference, opened.share) == (
        SUPERVISOR.name,
        WHY.purpose,
        WHY.reference,
        50,
    )
    adviser = person(Role.ADVISER, interfaces=("PJSIP/1001",))
    assert (await desk.pages.show(adviser, desk.id)).opened is None
