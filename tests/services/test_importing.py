"""An import: what comes in comes in once, killed or not; what is bad is refused, and the others go on."""

import asyncio
import errno
import io
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ari_recorder.domain.errors import CdrUnusable, ImportFull
from ari_recorder.domain.importing import NOT_PROVED, DateSource, Doubt, Outcome, Reason, Refused
from ari_recorder.domain.retention import StoredState, local_day
from ari_recorder.services import connect, rooms
from ari_recorder.services.importing_cdr import Cdr
from ari_recorder.services.importing_files import Archive, Place, Stamp
from ari_recorder.services.recording_page import RecordingPages
from ari_recorder.storage import calls, certificates, day_keys, importing, promises
from ari_recorder.storage.db import Database
from ari_recorder.vault.recordings import Sealed, Vault
from ari_recorder.vault.wrapping import FALLBACK, day_name
from tests.archive import cdr_row, days_ago, freepbx, voice, write, write_cdr
from tests.services.import_house import HERTZ, OVERDUE, ImportHouse, fill, house_of, sounds
from tests.services.listeners import WHY, all_of, person
from tests.services.listeners import House as Site
from tests.site import QUEUE, prepare

NIGHTLY = "ARI_RECORDER_NIGHTLY" in os.environ


@pytest.fixture
def house(tmp_path: Path, dsn: str, database: Database) -> ImportHouse:
    site = tmp_path / "site"
    site.mkdir()
    archive = tmp_path / "monitor"
    archive.mkdir()
    return house_of(prepare(site, changes={"database": f'dsn = "{dsn}"'}), database, archive)


async def heard(house: ImportHouse) -> list[bytes]:
    return sorted(row.sound for row in await house.rows() if row.state is StoredState.SEALED)


# --- killed


async def killed(house: ImportHouse, step: int) -> bool:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.services.import_process", str(house.settings.source), str(house.archive), str(step)),
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode in (0, -signal.SIGKILL), told.decode()
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("first", range(1, 12) if NIGHTLY else (1, 6))
async def test_killed_at_any_step_it_goes_on_and_nothing_comes_twice(house: ImportHouse, first: int) -> None:
    """One import is killed again and again, a few steps later each time, until it is through."""
    fill(house.archive)
    step, kills = first, 0
    while await killed(house, step):
        kills += 1
        step += 11
        # What is not stored still lies there: an original goes only after its sound was stored, or destroyed.
        lies_there = {sound_of(house.archive / one) for one in house.originals()}
        rows = await house.rows()
        there = lies_there | {row.sound for row in rows}
        assert there >= set(sounds(HERTZ))
        assert there >= set(sounds([OVERDUE])) or [row for row in rows if row.state is not StoredState.SEALED]
    assert kills > 3
    report = await house.run(remove_originals=True)
    assert report.clean
    assert await heard(house) == sounds(HERTZ)
    assert [row.state for row in await house.rows()].count(StoredState.ERASED) == 1
    assert house.originals() == []
    await house.check_whole()
    async with house.database.transaction() as conn:
        assert len(await certificates.newest(conn, None, limit=10)) == 1


def sound_of(path: Path) -> bytes:
    """As the house tells it."""
    return bytes(soundfile.read(path, dtype="int16")[0].tobytes()[::2])


async def test_a_kill_costs_what_was_on_its_way_and_nothing_else(house: ImportHouse) -> None:
    """What was sealed and not stored is nobody's: it goes, and comes in again."""
    fill(house.archive)
    with Archive(house.archive) as archive:
        importer = await house.importer(archive)
        stored = importing.store
        try:
            importing.store = _failing  # type: ignore[assignment]
            with pytest.raises(OSError, match="as if killed"):
                await importer.run()
        finally:
            importing.store = stored
    assert len(list(house.settings.storage.vault.rglob("*.sealed"))) == 2
    assert await house.rows() == []
    report = await house.run()
    assert (report.counts[Outcome.IMPORTED], report.counts[Outcome.ALREADY]) == (4, 0)
    await house.check_whole()


async def _failing(*_: object) -> None:
    raise OSError("as if killed")


# --- what comes in


async def test_a_dry_run_says_the_same_and_changes_nothing(house: ImportHouse) -> None:
    fill(house.archive)
    there = house.originals()
    dry = await house.run(dry_run=True)
    assert await house.rows() == []
    assert list(house.settings.storage.vault.rglob("*.sealed")) == []
    done = await house.run()
    assert dry.counts == done.counts
    assert (dry.dates, dry.audio, dry.files) == (done.dates, done.audio, done.files)
    assert house.originals() == there


async def test_the_same_audio_comes_in_once_whatever_it_is_called(house: ImportHouse) -> None:
    day = days_ago(5)
    write(house.archive / freepbx(day, running=1), 440)
    write(house.archive / freepbx(day, running=2, suffix="sln"), 440, form="RAW", subtype="PCM_16")
    write(house.archive / freepbx(day, running=3), 441)
    first = await house.run(batch=10)
    assert (first.counts[Outcome.IMPORTED], first.counts[Outcome.DUPLICATE]) == (2, 1)
    write(house.archive / freepbx(day, running=4, suffix="flac"), 440)
    second = await house.run()
    assert (second.counts[Outcome.ALREADY], second.counts[Outcome.DUPLICATE]) == (2, 2)
    assert await heard(house) == sounds((440, 441), 2.0)


async def test_two_calls_in_which_nobody_spoke_are_two(house: ImportHouse) -> None:
    silence = np.zeros(8000, np.int16)
    write(house.archive / freepbx(days_ago(5), running=1), 0, sound=silence)
    write(house.archive / freepbx(days_ago(6), running=2), 0, sound=silence)
    write(house.archive / "copy" / Path(freepbx(days_ago(6), running=3)).name, 0, sound=silence)
    report = await house.run()
    assert (report.counts[Outcome.IMPORTED], report.counts[Outcome.DUPLICATE]) == (2, 1)


async def test_of_what_was_destroyed_nothing_comes_in_again(house: ImportHouse) -> None:
    write(house.archive / freepbx(days_ago(150)), 440)
    first = await house.run()
    assert (first.counts[Outcome.OVERDUE], first.destroyed, first.overdue_originals) == (1, 1, 1)
    write(house.archive / "copy" / freepbx(days_ago(3)), 440)
    second = await house.run()
    assert (second.counts[Outcome.ALREADY], second.counts[Outcome.IMPORTED]) == (2, 0)
    assert second.overdue_originals == 2
    assert not second.clean


async def test_the_row_says_what_the_cdr_knows(house: ImportHouse, tmp_path: Path) -> None:
    at = days_ago(4)
    write(house.archive / "1700000000x.wav", 440)
    cdr = write_cdr(tmp_path / "cdr.csv", [cdr_row(at, file="2025/1700000000x.wav", uniqueid="1700000000.3")])
    report = await house.run(cdr)
    assert report.dates == {DateSource.CDR: 1}
    async with house.database.transaction() as conn:
        row = await conn.fetchrow("SELECT call.id, recording.id AS recording_id FROM call, recording")
        assert row is not None
        call = (await calls.get(conn, [row["id"]]))[row["id"]]
        origin = (await importing.origins(conn, [row["recording_id"]]))[row["recording_id"]]
    assert (call.uniqueid, call.number, call.first_seen_at) == ("1700000000.3", "0800123456", at)
    assert [member.interface for member in call.members] == ["PJSIP/1001"]
    assert (origin.date_source, origin.mixed, origin.original_removed_at) == (DateSource.CDR, True, None)


async def test_a_day_whose_key_was_destroyed_gets_no_new_one(house: ImportHouse) -> None:
    at = days_ago(150)
    name = day_name(local_day(at))
    now = datetime.now(UTC)
    async with house.database.transaction() as conn:
        await day_keys.begin(conn, name, local_day(at), "its time was up", now)
        await day_keys.finish(conn, name, now)
    write(house.archive / freepbx(at), 440)
    report = await house.run()
    assert (report.counts[Outcome.OVERDUE], report.destroyed) == (1, 1)
    assert name not in house.keyring.names()
    async with house.database.transaction() as conn:
        assert await conn.fetchval("SELECT key_name FROM recording") == FALLBACK


async def test_the_ledger_of_a_day_knows_nothing_of_it(house: ImportHouse) -> None:
    at = days_ago(4)
    write(house.archive / freepbx(at), 440)
    await house.run()
    async with house.database.transaction() as conn:
        begin = at - timedelta(days=1)
        uniqueid = await conn.fetchval("SELECT uniqueid FROM call")
        assert await calls.of_day(conn, begin, at + timedelta(days=1), [uniqueid]) == ()
        # Nor does the promise that only queues of the rules are recorded: this service did not record it.
        assert await promises.recorded_outside(conn, QUEUE, [(at + timedelta(days=1), None)]) == 0


async def test_it_is_heard_by_the_ordinary_way_and_its_page_says_who_gave_the_date(house: ImportHouse) -> None:
    write(house.archive / freepbx(days_ago(4)), 440)
    await house.run()
    (row,) = await house.rows()
    site, who = Site.of(house.settings, house.database), person()
    listening = await site.listenings.begin(who, row.id, WHY)
    async with site.listenings.part(listening.id, site.again(who)) as part:
        sound, rate = soundfile.read(io.BytesIO(await all_of(part)), dtype="int16")
    assert (rate, sound.shape) == (8000, (16000, 2))
    assert sound[:, 0].tobytes() == voice(440).tobytes()
    pages = RecordingPages(
        database=house.database,
        vault=site.vault,
        keyring=house.keyring,
        policies=connect.policies(house.settings, house.database),
        clocks=site.clocks,
    )
    page = await pages.show(who, row.id)
    assert (page.dated_by, page.date_doubt) == (DateSource.NAME, Doubt.NONE)
    assert page.evidence_problem == NOT_PROVED


# --- what is refused


async def refused(house: ImportHouse, **more: object) -> dict[str, str]:
    report = await house.run(**more)  # type: ignore[arg-type]
    return {one.file: one.reason for one in report.told if one.outcome is Outcome.REFUSED}


async def test_whatever_is_bad_is_refused_and_the_others_go_on(house: ImportHouse, tmp_path: Path) -> None:
    folder = house.archive
    outside = write(tmp_path / "outside.wav", 440)
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere" / freepbx(days_ago(3)), 450)
    write(folder / freepbx(days_ago(3)), 440)
    (folder / "a-link.wav").symlink_to(outside)
    (folder / "a-folder-link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "a-pipe.wav")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no sound")
    cut = write(folder / "cut.wav", 460)
    cut.write_bytes(cut.read_bytes()[:-1000])
    write(folder / "q-600-1-20990101-101112.wav", 470)
    write(folder / "q-600-1-19990101-101112.wav", 480)
    write(folder / "q-999-1-20250101-101112.wav", 490)
    (folder / os.fsdecode(b"\xff\x1b[2J\n.wav")).write_bytes(b"no sound")
    assert await refused(house) == {
        "a-link.wav": "link",
        "a-folder-link": "link",
        "a-pipe.wav": "not-a-file",
        "empty.wav": "empty",
        "text.wav": "not-audio",
        "cut.wav": "truncated",
        "q-600-1-20990101-101112.wav": "in-the-future",
        "q-600-1-19990101-101112.wav": "too-old",
        "q-999-1-20250101-101112.wav": "no-queue",
        r"\xff\x1b[2J\n.wav": "not-audio",
    }
    assert await heard(house) == sounds([440], 2.0)
    assert outside.exists()
    await house.check_whole()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, Reason.NO_PERMISSION),
        (errno.EIO, Reason.UNREADABLE),
        (errno.ELOOP, Reason.LINK),
        (errno.ENOENT, Reason.CHANGED),
    ],
)
def test_what_the_system_says_of_a_file_is_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: Reason
) -> None:
    """Tests may run as root, who may read anything."""
    write(tmp_path / "a.wav", 440)
    opened = os.open

    def failing(path: str, *args: int, **how: int) -> int:
        if path == "a.wav":
            raise OSError(number, os.strerror(number))
        return opened(path, *args, **how)

    with Archive(tmp_path) as archive:
        monkeypatch.setattr(os, "open", failing)
        looked = archive.look(Place(folders=(), name="a.wav"), accept_truncated=False)
    assert isinstance(looked, Refused)
    assert looked.reason is reason


async def test_a_name_that_is_no_text_comes_in_as_any_other(house: ImportHouse) -> None:
    path = os.fsencode(house.archive) + b"/\xe4\n\x1b[1m-" + os.fsencode(Path(freepbx(days_ago(3))).name)
    write(house.archive / "x.wav", 440).rename(os.fsdecode(path))
    report = await house.run(queue=QUEUE, remove_originals=True)
    assert report.counts[Outcome.IMPORTED] == 1
    assert house.originals() == []


async def test_what_is_cut_off_comes_in_when_that_is_wanted(house: ImportHouse) -> None:
    cut = write(house.archive / freepbx(days_ago(3)), 440)
    cut.write_bytes(cut.read_bytes()[:-1000])
    assert (await house.run(accept_truncated=True)).counts[Outcome.IMPORTED] == 1
    async with house.database.transaction() as conn:
        assert "its header tells of" in await conn.fetchval("SELECT truncated_because FROM recording")


async def test_a_file_that_is_written_to_meanwhile_is_refused(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was looked at, before it is sealed."""
    path = write(house.archive / freepbx(days_ago(3)), 440)
    intend = importing.intend

    async def written(*args: object) -> None:
        await intend(*args)  # type: ignore[arg-type]
        write(path, 450)

    monkeypatch.setattr(importing, "intend", written)
    assert list((await refused(house)).values()) == ["changed"]
    monkeypatch.undo()
    assert (await house.run()).counts[Outcome.IMPORTED] == 1
    assert await heard(house) == sounds([450], 2.0)
    await house.check_whole()


async def test_an_original_that_was_changed_since_is_not_removed(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(house.archive / freepbx(days_ago(3)), 440)
    store = importing.store

    async def written(*args: object) -> None:
        await store(*args)  # type: ignore[arg-type]
        write(path, 450)

    monkeypatch.setattr(importing, "store", written)
    report = await house.run(remove_originals=True)
    assert (report.originals_removed, report.originals_left, report.clean) == (0, 1, False)
    assert path.exists()


async def test_what_changes_while_it_is_sealed_leaves_nothing_in_the_vault(
    house: ImportHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(house.archive / freepbx(days_ago(3)), 440)
    seal = Vault.seal_archived

    def written(*args: object) -> Sealed:
        done = seal(*args)  # type: ignore[arg-type]
        write(path, 450)
        return done

    monkeypatch.setattr(Vault, "seal_archived", written)
    assert list((await refused(house)).values()) == ["changed"]
    await house.check_whole()


async def test_no_original_goes_whose_sealed_copy_was_lost_since(house: ImportHouse) -> None:
    """A run later, when the originals are to be removed, somebody has lost one file and cut another."""
    fill(house.archive)
    await house.run()
    kept = house.originals()
    lost, cut = sorted(house.settings.storage.vault.rglob("*.sealed"))[:2]
    whole = lost.read_bytes(), cut.read_bytes()
    lost.unlink()
    cut.write_bytes(whole[1][:-1])
    report = await house.run(remove_originals=True)
    assert report.originals_left in (2, 3)  # one of them came twice
    assert report.originals_left + report.originals_removed == len(kept)
    assert len(house.originals()) == report.originals_left
    assert not report.clean
    lost.write_bytes(whole[0])
    cut.write_bytes(whole[1])
    assert (await house.run(remove_originals=True)).clean
    assert house.originals() == []


async def test_no_original_goes_that_is_not_stored(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(house.archive)
    there = house.originals()
    monkeypatch.setattr(importing, "store", _failing)
    with pytest.raises(OSError, match="as if killed"):
        await house.run(remove_originals=True)
    assert house.originals() == there


async def test_a_folder_that_became_a_link_is_not_followed(house: ImportHouse, tmp_path: Path) -> None:
    inner = house.archive / "inner"
    write(inner / "a.wav", 440)
    write(tmp_path / "elsewhere" / "a.wav", 450)
    found = (tmp_path / "elsewhere" / "a.wav").stat()
    stamp = Stamp(device=found.st_dev, inode=found.st_ino, size=found.st_size, changed_ns=found.st_mtime_ns)
    with Archive(house.archive) as archive:
        inner.rename(tmp_path / "moved")
        inner.symlink_to(tmp_path / "elsewhere")
        place = Place(folders=("inner",), name="a.wav")
        assert not archive.remove(place, stamp)
    assert (tmp_path / "elsewhere" / "a.wav").exists()


async def test_it_leaves_room_for_the_calls_of_today(house: ImportHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(house.archive)
    full = rooms.Room(free_bytes=100 << 20, size_bytes=1 << 40, at=datetime.now(UTC))
    monkeypatch.setattr(rooms, "look_at", lambda _: full)
    with pytest.raises(ImportFull, match="100 MiB"):
        await house.run()
    assert await house.rows() == []


# --- the CDR


def test_a_row_is_found_by_its_file_and_by_its_uniqueid(tmp_path: Path) -> None:
    rows = [cdr_row(days_ago(n), file=f"q-600-{n}.wav", uniqueid=f"17.{n}", caller=f"0401{n}") for n in range(300)]
    rows[7] = rows[7].replace("Aino Example", "Aino\nof two lines")
    with Cdr(write_cdr(tmp_path / "cdr.csv", rows)) as cdr:
        for number in (0, 7, 8, 299):
            by_file, by_id = cdr.find(f"q-600-{number}", ""), cdr.find("unknown", f"17.{number}")
            assert by_file is not None
            assert by_file == by_id
            assert by_file.caller is not None
            assert by_file.caller.num == f"0401{number}"
        assert cdr.find("q-600-300", "17.300") is None
        assert cdr.find("", "") is None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_any_usual_separator_will_do(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "cdr.csv"
    path.write_bytes(
        f"\ufeffcalldate{separator}src{separator}UNIQUEID\n2025-01-31 10:11:12{separator}\xe4{separator}1.1\n".encode()
    )
    with Cdr(path) as cdr:
        assert cdr.find("", "1.1") is not None


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\x00\x01", b'calldate,uniqueid\n"' + b"x" * 200_000])
def test_what_is_no_cdr_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cdr.csv"
    path.write_bytes(content)
    with pytest.raises(CdrUnusable):
        Cdr(path)
