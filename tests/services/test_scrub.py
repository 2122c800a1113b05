"""Sealed files are read again in time, and what has rotted is told."""

import asyncio
import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import RecordingRelabelled
from ari_recorder.services import connect, listen, verify
from ari_recorder.services.scrub import SCRUB_EVERY, VERIFY_EVERY, Scrub
from ari_recorder.storage import health
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from tests.services.house import READER
from tests.site import prepare, record

OLLI = Actor.operator("olli")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
async def recorded(site: Config, database: Database) -> UUID:
    return (await record(site, database)).recording_id


@pytest.fixture
def keyring(site: Config, recorded: UUID) -> Keyring:
    return connect.keyring(site)


@pytest.fixture
def vault(site: Config, keyring: Keyring) -> Vault:
    return Vault(VaultFiles(site.storage.vault), keyring, site.pbx.spool)


def file_of(site: Config, recording_id: UUID) -> Path:
    (path,) = site.storage.vault.rglob(f"{recording_id}.sealed")
    return path


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


async def test_each_is_looked_at_every_week_and_read_whole_within_its_life(database: Database, vault: Vault) -> None:
    scrub = Scrub(database=database, vault=vault)
    now = datetime.now(UTC)
    stop = asyncio.Event()
    assert (await scrub.run_once(now + SCRUB_EVERY - MINUTE, stop)).looked_at == 0
    weekly = await scrub.run_once(now + SCRUB_EVERY + MINUTE, stop)
    assert (weekly.looked_at, weekly.verified, weekly.damaged) == (1, 0, {})
    whole = await scrub.run_once(now + VERIFY_EVERY + MINUTE, stop, every=timedelta(days=400))
    assert (whole.looked_at, whole.verified, whole.damaged) == (1, 1, {})
    assert timedelta(days=90) > VERIFY_EVERY, "once in the life of a recording that is kept for three months"


@pytest.mark.parametrize("where", ["commitment", "chunk", "end"])
@pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
async def test_one_changed_bit_is_found_and_told(
    site: Config, database: Database, recorded: UUID, keyring: Keyring, vault: Vault, where: str, locked: bool
) -> None:
    path = file_of(site, recorded)
    flip(path, {"commitment": 30, "chunk": 100, "end": path.stat().st_size - 1}[where])
    if locked:
        keyring.lock()
    scrub = Scrub(database=database, vault=vault)
    later = datetime.now(UTC) + VERIFY_EVERY + MINUTE
    with capture_logs() as logs:
        found = await scrub.run_once(later, asyncio.Event(), every=timedelta(days=400))
    assert list(found.damaged) == [recorded]
    assert [line["subject"] for line in logs if line.get("alarm") == "recording-damaged"] == [str(recorded)]
    async with database.transaction() as conn:
        assert list(await health.damaged(conn)) == [recorded]


async def test_what_was_restored_is_whole_again(site: Config, database: Database, recorded: UUID, vault: Vault) -> None:
    path = file_of(site, recorded)
    whole = path.read_bytes()
    path.unlink()
    scrub = Scrub(database=database, vault=vault)
    stop = asyncio.Event()
    every = {"every": timedelta(), "whole": timedelta()}
    gone = await scrub.run_once(datetime.now(UTC), stop, **every)
    assert "is not in the vault" in gone.damaged[recorded]
    path.write_bytes(whole)
    assert (await scrub.run_once(datetime.now(UTC), stop, **every)).damaged == {}
    async with database.transaction() as conn:
        assert await health.damaged(conn) == {}


async def test_a_file_the_disk_cannot_read_is_told_and_holds_up_no_other(
    site: Config, database: Database, recorded: UUID, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (await record(site, database, uniqueid="1600000000.9")).recording_id
    read = verify.compare_hash

    def failing(vault: Vault, path: str, sha256: bytes) -> int:
        if str(recorded) in path:
            raise OSError(errno.EIO, "Input/output error")
        return read(vault, path, sha256)

    monkeypatch.setattr(verify, "compare_hash", failing)
    later = datetime.now(UTC) + VERIFY_EVERY + MINUTE
    found = await Scrub(database=database, vault=vault).run_once(later, asyncio.Event())
    assert found.damaged == {recorded: "it cannot be read: Input/output error"}
    assert found.looked_at == 2
    async with database.transaction() as conn:
        assert other not in await health.damaged(conn)


# --- a row that is taken for another's


EVENING = timedelta(hours=5)
RELABELLED = (
    ("UPDATE recording SET queue = 'dental'", "queue"),
    ("UPDATE recording SET started_at = started_at - interval '1 year'", "started_at"),
    ("UPDATE recording SET started_at = started_at + interval '1 microsecond'", "started_at"),
    ("UPDATE recording SET segment = 7", "segment"),
    ("UPDATE call SET uniqueid = '1699999999.9'", "uniqueid"),
)


@pytest.mark.parametrize(("change", "wrong"), RELABELLED, ids=[wrong for _, wrong in RELABELLED])
@pytest.mark.parametrize("whole", [False, True], ids=["chunk", "whole"])
async def test_a_row_that_says_another_thing_than_its_file_is_found_and_told(
    database: Database, recorded: UUID, vault: Vault, change: str, wrong: str, whole: bool
) -> None:
    scrub = Scrub(database=database, vault=vault)
    every = {"every": timedelta(), "whole": timedelta() if whole else VERIFY_EVERY}
    assert (await scrub.run_once(datetime.now(UTC), asyncio.Event(), **every)).damaged == {}
    async with database.transaction() as conn:
        await conn.execute(change)
    with capture_logs() as logs:
        found = await scrub.run_once(datetime.now(UTC), asyncio.Event(), **every)
    assert wrong in found.damaged[recorded].partition("says: ")[2]
    assert [line["subject"] for line in logs if line.get("alarm") == "recording-damaged"] == [str(recorded)]


async def test_two_rows_that_changed_places_are_both_found_and_neither_is_played_or_exported(
    site: Config, database: Database, recorded: UUID, vault: Vault, tmp_path: Path
) -> None:
    other = (await record(site, database, uniqueid="1600000000.1", started_at=datetime.now(UTC) - EVENING)).recording_id
    async with database.transaction() as conn:
        await conn.execute(
            """
            UPDATE recording SET call_id = other.call_id, started_at = other.started_at
            FROM recording AS other WHERE other.id <> recording.id
            """
        )
    scrub = Scrub(database=database, vault=vault)
    found = await scrub.run_once(datetime.now(UTC), asyncio.Event(), every=timedelta())
    assert set(found.damaged) == {recorded, other}
    for recording_id in (recorded, other):
        with pytest.raises(RecordingRelabelled, match=r"uniqueid, started_at"):
            await listen.export_wav(
                database, vault, recording_id, tmp_path / "x.wav", lambda _: None, Actor.operator("olli")
            )
        with pytest.raises(RecordingRelabelled):
            await listen.verify_sealed(database, vault, recording_id, READER)
    assert not [name for name in os.listdir(tmp_path) if "x.wav" in name]
