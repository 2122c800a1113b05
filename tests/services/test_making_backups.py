"""A backup is made beside a service that goes on: what is destroyed, moved or replaced under its hands."""

import asyncio
import inspect
from pathlib import Path

import pytest

from ari_recorder.domain.errors import BackupKeysMoved, BackupTargetRefused, BackupVaultAway
from ari_recorder.services import copied
from ari_recorder.storage import backups, dump
from ari_recorder.storage.db import Database
from tests.services.backup_house import BackupHouse, build, tree
from tests.services.test_scrub import file_of
from tests.site import open_keyring, record


@pytest.fixture
async def house(tmp_path: Path, dsn: str, database: Database) -> BackupHouse:
    return await build(tmp_path, dsn, database)


def nothing_left(folder: Path) -> bool:
    return not list(folder.glob("backup*")) and not list(folder.glob(".backup*"))


async def test_it_is_what_sha256sum_checks_and_holds_no_root_key(house: BackupHouse, tmp_path: Path) -> None:
    made = await house.backup()
    command = ("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path / "backup")
    assert await process.wait() == 0
    assert made.well
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert len(files) == made.files + 2  # the list itself, and the manifest
    root_key = house.site.root_key().read_bytes()
    assert not [path for path in files if root_key in path.read_bytes()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "backup").rglob("*"))


async def test_every_table_that_names_a_key_is_asked_what_it_needs(database: Database) -> None:
    """Else a restore would not notice that a key is missing: storage/backups.py, `needs`."""
    async with database.transaction() as conn:
        rows = await conn.fetch(
            """
            SELECT table_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name ~ 'key_name$'
            """
        )
        assert await backups.needs(conn) == {}
    asked = inspect.getsource(backups.needs)
    assert rows
    for row in rows:
        assert f"FROM {row['table_name']}\n" in asked or f"FROM {row['table_name']} " in asked, row["table_name"]


async def test_what_is_sealed_and_destroyed_meanwhile(
    house: BackupHouse, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dump is of one moment: of what came after it nothing is in the backup, and what went is told."""
    real = dump.save

    async def busy(dsn: str, server: int, target: Path, snapshot: str) -> None:
        await record(house.site, database, uniqueid="1700000000.31")
        await house.sweep()
        await real(dsn, server, target, snapshot)

    monkeypatch.setattr(dump, "save", busy)
    with pytest.raises(BackupKeysMoved, match="day-"):
        await house.backup()  # the key of that day went too, and the moment still names it
    assert nothing_left(tmp_path)
    monkeypatch.undo()
    made = await house.backup()
    assert (made.recordings, made.gone, made.well) == (3, 0, True)


async def test_a_recording_that_goes_while_the_vault_is_copied_is_no_trouble(
    house: BackupHouse, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = dump.save

    async def erasing(dsn: str, server: int, target: Path, snapshot: str) -> None:
        await real(dsn, server, target, snapshot)
        async with database.transaction() as conn:
            await conn.execute(
                """
                UPDATE recording SET state = 'erasing', wrapped_key = NULL, erasing_at = now(), erased_because = 'x'
                WHERE id = $1
                """,
                house.new.recording_id,
            )
        file_of(house.site, house.new.recording_id).unlink()

    monkeypatch.setattr(dump, "save", erasing)
    made = await house.backup()
    assert (made.gone, made.missing, made.well) == (1, (), True)


async def test_a_file_that_is_missing_is_named(house: BackupHouse) -> None:
    file_of(house.site, house.new.recording_id).unlink()
    made = await house.backup()
    assert made.gone == 0
    assert not made.well
    assert [path.endswith(f"{house.new.recording_id}.sealed") for path in made.missing] == [True]


async def test_a_key_that_was_lost_before_is_named_and_no_reason_to_stop(house: BackupHouse) -> None:
    name = house.new.call.recordings[0].sealed
    assert name is not None
    open_keyring(house.site).destroy(name.key_name)
    made = await house.backup()
    assert (made.unreadable, made.well) == ((name.key_name,), False)


async def test_where_something_is_already_it_is_not_written(house: BackupHouse, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(BackupTargetRefused, match="already"):
        await house.backup()
    with pytest.raises(BackupTargetRefused, match="No such file"):
        await house.backup("nowhere/backup")
    assert tree(tmp_path / "backup") == {}
    assert not [name for name in tree(tmp_path) if name.startswith(".backup")]


async def test_without_its_vault_none_is_made(house: BackupHouse, tmp_path: Path) -> None:
    house.site.storage.vault.rename(tmp_path / "unmounted")
    with pytest.raises(BackupVaultAway):
        await house.backup()
    assert nothing_left(tmp_path)


async def test_a_full_disk_leaves_nothing(house: BackupHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> tuple[str, int]:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(copied, "copy", full)
    with pytest.raises(BackupTargetRefused, match="No space left"):
        await house.backup()
    assert nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("dsn", "address", "password"),
    [
        ("postgresql://u:p%3Aw@db:5433/x?sslmode=require", "postgresql://u@db:5433/x?sslmode=require", "p:w"),
        ("postgresql:///x?host=/run/x&password=pw", "postgresql:///x?host=%2Frun%2Fx", "pw"),
        ("postgresql://u@db/x", "postgresql://u@db/x", None),
    ],
)
def test_no_password_is_an_argument(dsn: str, address: str, password: str | None) -> None:
    assert dump._apart(dsn) == (address, password)


def test_a_list_that_leads_out_of_the_backup_is_none(tmp_path: Path) -> None:
    for path in ("../x", "/etc/passwd", "vault/../../x"):
        (tmp_path / "sums").write_text(copied.line("0" * 64, path))
        with pytest.raises(ValueError, match=path):
            list(copied.lines(tmp_path / "sums"))
