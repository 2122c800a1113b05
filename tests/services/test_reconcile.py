"""The vault against the database, with real files and rows."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from ari_recorder.config import Config
from ari_recorder.services.reconcile import _entries, reconcile, tell
from ari_recorder.storage import erasing, health
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from tests.site import prepare, record

LONG_AGO = time.time() - 7200


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture
def files(site: Config) -> VaultFiles:
    files = VaultFiles(site.storage.vault)
    files.prepare()
    return files


async def found(database: Database, files: VaultFiles, *, mend: bool = False) -> list[tuple[str, str, bool]]:
    return [(one.kind.value, one.subject, one.mended) for one in await reconcile(database, files.folder, mend=mend)]


def file_of(site: Config, recording_id: UUID) -> Path:
    (path,) = site.storage.vault.rglob(f"{recording_id}.sealed")
    return path


def put(path: Path, *, old: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100)
    if old:
        os.utime(path, (LONG_AGO, LONG_AGO))


async def test_where_all_is_well_nothing_is_found(site: Config, database: Database, files: VaultFiles) -> None:
    await record(site, database)
    await record(site, database, uniqueid="1600000000.1", started_at=datetime.now(UTC) - timedelta(days=40))
    assert await found(database, files) == []


async def test_missing_and_cut_files_are_told_and_touched_by_nobody(
    site: Config, database: Database, files: VaultFiles
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=40)
    gone = await record(site, database, uniqueid="1600000000.1", started_at=long_ago)
    file_of(site, gone.recording_id).unlink()
    cut = await record(site, database)
    os.truncate(file_of(site, cut.recording_id), 1000)
    expected = [("missing", str(gone.recording_id), False), ("size-differs", str(cut.recording_id), False)]
    assert await found(database, files, mend=True) == expected
    assert file_of(site, cut.recording_id).stat().st_size == 1000


async def test_a_file_without_a_row_is_never_removed(site: Config, database: Database, files: VaultFiles) -> None:
    unknown, young = uuid4(), uuid4()
    put(site.storage.vault / f"2026/01/02/{unknown}.sealed")
    put(site.storage.vault / f"2026/01/02/{young}.sealed", old=False)
    assert await found(database, files, mend=True) == [("unknown", str(unknown), False)]
    assert file_of(site, unknown).exists()


async def test_a_file_that_outlived_its_recording_goes(site: Config, database: Database, files: VaultFiles) -> None:
    recorded = await record(site, database)
    now = datetime.now(UTC)
    async with database.transaction() as conn:
        await erasing.begin_erasing(conn, [recorded.recording_id], "a test", now)
        await erasing.destroy_keys(conn, [recorded.recording_id])
        await erasing.bury(conn, {recorded.recording_id: ()}, now)
    assert await found(database, files) == [("outlived", str(recorded.recording_id), False)]
    assert await found(database, files, mend=True) == [("outlived", str(recorded.recording_id), True)]
    assert await found(database, files) == []


async def test_leftovers_strangers_and_parts(site: Config, database: Database, files: VaultFiles) -> None:
    vault = site.storage.vault
    recorded = await record(site, database)
    unknown = uuid4()
    put(vault / ".new" / "half")
    put(vault / ".new" / "being-written", old=False)
    put(vault / "2026/01/02/notes.txt")
    put(vault / "2026/99/99/x")
    for name in (recorded.recording_id, unknown):
        for ending in ("part", "key"):
            put(vault / ".parts" / f"{name}.1.{ending}")
    expected = [
        ("leftover", ".new/half", False),
        ("part-left", str(recorded.recording_id), True),
        ("stranger", "2026/01/02/notes.txt", False),
        ("stranger", "2026/99/99", False),
        ("unknown", str(unknown), False),
    ]
    assert sorted(await found(database, files, mend=True)) == expected
    assert sorted(path.name for path in (vault / ".parts").iterdir()) == [f"{unknown}.1.key", f"{unknown}.1.part"]


@pytest.mark.parametrize("harm", ["missing", "cut", "rotten"])
async def test_a_part_stays_while_the_sealed_file_is_not_whole(
    site: Config, database: Database, files: VaultFiles, harm: str
) -> None:
    recorded = await record(site, database)
    path = file_of(site, recorded.recording_id)
    match harm:
        case "missing":
            path.unlink()
        case "cut":
            os.truncate(path, 1000)
        case _:
            async with database.transaction() as conn:
                await health.scrubbed(conn, recorded.recording_id, datetime.now(UTC), whole=True, damage="rotten")
    for ending in ("part", "key"):
        put(site.storage.vault / ".parts" / f"{recorded.recording_id}.1.{ending}")
    assert ("part-needed", str(recorded.recording_id), False) in await found(database, files, mend=True)
    assert len(list((site.storage.vault / ".parts").iterdir())) == 2


async def test_what_is_found_is_one_alarm_each(site: Config, database: Database, files: VaultFiles) -> None:
    recorded = await record(site, database)
    file_of(site, recorded.recording_id).unlink()
    with capture_logs() as logs:
        tell(await reconcile(database, files.folder, mend=True))
    (line,) = logs
    assert (line["alarm"], line["subject"]) == ("vault-differs", str(recorded.recording_id))
    assert line["because"].startswith("missing: ")


async def test_of_a_call_that_goes_on_for_hours_only_the_first_part_is_old(
    database: Database, files: VaultFiles
) -> None:
    call = uuid4()
    for number in (1, 2):
        for ending in ("part", "key"):
            put(files.folder / ".parts" / f"{call}.{number}.{ending}", old=(number, ending) != (2, "part"))
    assert await found(database, files, mend=True) == []


def test_a_file_that_goes_while_the_folder_is_looked_at_is_no_fault(tmp_path: Path) -> None:
    for n in range(3):
        put(tmp_path / str(n))
    looked = _entries(tmp_path)
    seen = {next(looked)[0]}
    for path in tmp_path.iterdir():
        path.unlink()
    assert {name for name, _ in looked} | seen == seen
