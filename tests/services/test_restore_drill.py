"""A backup is tried: what has to play plays, what has expired does not open, and nothing of the trial is left."""

from pathlib import Path

import pytest

from ari_recorder.domain.errors import BackupDamaged
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.restore_drill import Drilled, drill
from ari_recorder.storage import audit, migrate
from ari_recorder.storage.db import Database
from tests.command import FINE, FOUND, ari
from tests.services.backup_house import BY, BackupHouse, build, tree
from tests.services.test_restore import flip, sealed_file
from tests.services.test_scrub import file_of


@pytest.fixture
async def house(tmp_path: Path, dsn: str, database: Database) -> BackupHouse:
    return await build(tmp_path, dsn, database)


async def tried(house: BackupHouse, keys: Path | None = None, at_most: int = 100) -> Drilled:
    work = house.folder / "work"
    work.mkdir(exist_ok=True)
    done = await drill(house.site, house.folder / "backup", BY, keys=keys, work=work, at_most=at_most)
    assert not list(work.iterdir())
    return done


async def test_what_is_held_and_what_is_ordinary_plays_and_what_expired_does_not(
    house: BackupHouse, tmp_path: Path
) -> None:
    """The whole of it, as an operator does it: a backup, three months, and the keys of today."""
    assert (await ari("backup", tmp_path / "backup", "--without-keys", "--config", house.site.source)).code == FINE
    await house.sweep()
    before = tree(house.site.storage.state)
    (tmp_path / "work").mkdir()
    options = ("--keys", house.newer_keys(), "--work", tmp_path / "work", "--config", house.site.source, "--json")
    answer = await ari("restore-drill", tmp_path / "backup", *options)
    assert answer.code == FINE, answer.err + answer.out
    told = answer.json
    assert (told["held"], told["held_played"]) == (1, 1)
    assert (told["ordinary"], told["ordinary_played"]) == (1, 1)
    assert (told["expired"], told["unreadable"]) == (1, 1)
    assert (told["played_seconds"], told["problems"]) == (4, [])
    assert told["audit_signed"] > 0
    assert not list((tmp_path / "work").iterdir())
    assert tree(house.site.storage.state) == before


async def test_a_backup_with_its_own_keys_plays_all_it_holds(house: BackupHouse, database: Database) -> None:
    await house.backup()
    done = await tried(house)
    assert (done.held_played, done.ordinary_played, done.expired, done.problems) == (1, 2, 0, ())
    await sequence(database)
    async with database.transaction() as conn:
        newest = [entry.fields for entry in await audit.page(conn, limit=2)]
    assert [one["action"] for one in newest] == ["backup:drill", "backup:make"]
    assert newest[0]["facts"]["well"] is True


async def test_what_was_damaged_before_the_backup_is_a_problem(house: BackupHouse, tmp_path: Path) -> None:
    flip(file_of(house.site, house.new.recording_id))
    made = await ari("backup", tmp_path / "backup", "--config", house.site.source, "--json")
    assert (made.code, len(made.json["damaged"])) == (FOUND, 1)
    done = await tried(house)
    assert done.ordinary_played == 1
    assert str(house.new.recording_id) in " ".join(done.problems)


async def test_a_log_that_was_changed_is_a_problem(house: BackupHouse, database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        await conn.execute("UPDATE audit_entry SET leaf = replace(leaf, 'hold:place', 'hold:extend')")
        await conn.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    await house.backup()
    done = await tried(house)
    assert any("audit log" in one for one in done.problems), done.problems
    assert done.ordinary_played == 2


async def test_no_more_is_played_than_was_asked_for(house: BackupHouse) -> None:
    await house.backup()
    done = await tried(house, at_most=1)
    assert (done.ordinary, done.ordinary_played, done.problems) == (2, 1, ())


async def test_of_a_damaged_backup_nothing_is_left_either(house: BackupHouse, tmp_path: Path) -> None:
    await house.backup()
    flip(sealed_file(tmp_path / "backup"))
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(BackupDamaged):
        await drill(house.site, tmp_path / "backup", BY, work=work, at_most=1)
    assert not list(work.iterdir())


async def test_a_backup_of_the_version_before_is_brought_up_to_date(
    tmp_path: Path, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = migrate.shipped()[:-1]
    monkeypatch.setattr(migrate, "shipped", lambda: before)
    async with Database(empty_dsn) as database:
        await migrate.migrate(database)
        house = await build(tmp_path, empty_dsn, database)
        await house.backup()
    monkeypatch.undo()
    done = await tried(house)
    assert (done.schema, done.held_played, done.ordinary_played, done.problems) == (len(before), 1, 2, ())
