"""Certificates of refusal as they are issued and kept: numbers without a gap, sealed, never changed."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import (
    CertificateIncomplete,
    ControllerUnnamed,
    KeyringLocked,
    RefusalUnknown,
    TemplateRefused,
)
from ari_recorder.domain.refusal_certificates import Refusal
from ari_recorder.services import connect_subjects, key_admin
from ari_recorder.services.check import check_host
from ari_recorder.services.findings import Level
from ari_recorder.services.refusal_certificates import Issued, RefusalDesk
from ari_recorder.storage import refusal_certificates
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from tests.domain.test_refusal_certificates import REFUSAL
from tests.reading_pdf import read
from tests.site import open_keyring, prepare
from tests.test_audit_events import entries

SARI = Actor.operator("sari")
NOW = datetime(2026, 11, 27, 22, 30, tzinfo=UTC)  # the 28th in Helsinki


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
def desk(site: Config) -> RefusalDesk:
    return connect_subjects.refusal_desk(site, open_keyring(site))


async def issue(desk: RefusalDesk, database: Database, refusal: Refusal = REFUSAL, now: datetime = NOW) -> Issued:
    async with database.transaction() as conn:
        return await desk.issue(conn, refusal, SARI, now)


async def test_it_is_kept_as_it_was_given_out(desk: RefusalDesk, database: Database) -> None:
    issued = await issue(desk, database)
    assert issued.number == "2026/1"
    assert [one.language for one in issued.documents] == ["fi", "sv", "en"]
    async with database.transaction() as conn:
        again = await desk.read(conn, issued.stored.id, SARI, NOW)
        assert await refusal_certificates.of_case(conn, REFUSAL.case_id) == (issued.stored,)
    assert again == issued
    for one in again.documents:
        found = read(one.pdf)
        assert found.title == one.title
        assert found.language == f"{one.language}-FI"
        for text in ("2026/1", REFUSAL.case_number, REFUSAL.addressee, REFUSAL.asked, REFUSAL.signatory):
            assert text in found.text()
            assert text in one.html
        assert ("28 November 2026" if one.language == "en" else "28.11.2026") in found.text()
    told = [(one["action"], one["object"], one["facts"]["number"]) for one in await entries(database)]
    assert told == [(action, f"case:{REFUSAL.case_id}", "2026/1") for action in ("refusal:issue", "refusal:read")]


async def test_no_word_of_it_is_in_the_database(desk: RefusalDesk, database: Database) -> None:
    issued = await issue(desk, database)
    async with database.transaction() as conn:
        for table in ("refusal_certificate", "refusal_certificate_body", "audit_pending"):
            rows = await conn.fetch(f"SELECT {table}::text AS told FROM {table}")  # noqa: S608
            assert rows
            for row in rows:
                for word in ("Aino", "Esimerkki", "osoite", "Tallenteella", REFUSAL.asked.encode().hex()):
                    assert word not in row["told"]
    assert "Aino" not in repr(issued)


async def test_numbers_have_no_gap_whatever_fails_and_however_many_ask(desk: RefusalDesk, database: Database) -> None:
    async def one(number: int) -> None:
        refusal = dataclasses.replace(REFUSAL, case_id=UUID(int=number), languages=("fi",))
        async with database.transaction() as conn:
            await desk.issue(conn, refusal, SARI, NOW)
            if number % 3 == 0:
                raise ZeroDivisionError

    done = await asyncio.gather(*(one(number) for number in range(12)), return_exceptions=True)
    assert [type(error) for error in done].count(ZeroDivisionError) == 4
    assert [error for error in done if not isinstance(error, ZeroDivisionError | None)] == []
    with pytest.raises(CertificateIncomplete):
        await issue(desk, database, dataclasses.replace(REFUSAL, reasons=" "))
    next_year = await issue(desk, database, now=datetime(2026, 12, 31, 22, 30, tzinfo=UTC))
    assert next_year.number == "2027/1"
    async with database.transaction() as conn:
        stored = await refusal_certificates.newest(conn, limit=100)
    assert [one.running for one in reversed(stored) if one.year == 2026] == list(range(1, 9))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE refusal_certificate SET case_id = gen_random_uuid()",
        "UPDATE refusal_certificate SET running = 2",
        "DELETE FROM refusal_certificate_body",
        "DELETE FROM refusal_certificate",
        "TRUNCATE refusal_certificate CASCADE",
        "TRUNCATE refusal_certificate_body",
        "UPDATE refusal_certificate_body SET sealed = 'x'",
        "INSERT INTO refusal_certificate SELECT gen_random_uuid(), year, 3, case_id, languages, kind, ground, "
        "issued_at, issued_by, issued_by_name FROM refusal_certificate",
    ],
)
async def test_the_database_refuses_what_is_not_adding(
    desk: RefusalDesk, database: Database, dsn: str, change: str
) -> None:
    issued = await issue(desk, database)
    conn = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute(change)
    finally:
        await conn.close()
    async with database.transaction() as conn:
        assert await desk.read(conn, issued.stored.id, SARI, NOW) == issued


async def test_a_new_hold_key_opens_what_was_issued_under_the_old_one(
    site: Config, desk: RefusalDesk, database: Database
) -> None:
    issued = await issue(desk, database)
    files = VaultFiles(site.storage.vault)
    files.prepare()
    rotated = await key_admin.rotate_hold(database, open_keyring(site), files, lambda _: None, SARI)
    assert (rotated.destroyed, rotated.rewrapped.refusals) == (("hold-1",), 1)
    fresh = connect_subjects.refusal_desk(site, open_keyring(site))
    async with database.transaction() as conn:
        assert await fresh.read(conn, issued.stored.id, SARI, NOW) == issued


async def test_a_locked_keyring_issues_and_does_not_read(site: Config, desk: RefusalDesk, database: Database) -> None:
    locked = connect_subjects.refusal_desk(site, Keyring.open(site.storage.keys))
    issued = await issue(locked, database)
    async with database.transaction() as conn:
        with pytest.raises(KeyringLocked):
            await locked.read(conn, issued.stored.id, SARI, NOW)
        assert await desk.read(conn, issued.stored.id, SARI, NOW) == issued
        with pytest.raises(RefusalUnknown):
            await desk.read(conn, uuid4(), SARI, NOW)


async def test_in_nobody_s_name_nothing_is_issued(tmp_path: Path, dsn: str, database: Database) -> None:
    settings = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    unnamed = settings.model_copy(update={"controller": settings.controller.model_copy(update={"name": {}})})
    with pytest.raises(ControllerUnnamed):
        await issue(connect_subjects.refusal_desk(unnamed, open_keyring(settings)), database)
    told = [one for one in check_host(unnamed) if "in whose name" in one.what]
    assert [one.level for one in told] == [Level.WARN]


def test_a_template_with_an_unknown_field_is_found_by_check_and_at_the_start(tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    site = tmp_path / "site"
    site.mkdir()
    settings = prepare(site, changes={"papers.more": f'templates = "{templates}"'})
    assert not [one for one in check_host(settings) if one.level is Level.FAIL]
    (templates / "refusal.sv.toml").write_text('title = "{nummer}"\nblocks = []')
    (told,) = [one.what for one in check_host(settings) if one.level is Level.FAIL]
    assert "refusal.sv.toml" in told
    assert "{nummer}; is number meant?" in told
    with pytest.raises(TemplateRefused, match="nummer"):
        connect_subjects.refusal_desk(settings, open_keyring(settings))
