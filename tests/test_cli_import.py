"""`import` as an operator types it: a FreePBX site moves in, is heard again, and what is overdue is destroyed."""

import json
import os
import wave
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.storage import certificates
from ari_recorder.storage.db import Database
from tests.archive import cdr_row, days_ago, freepbx, voice, write, write_cdr
from tests.command import FINE, FOUND, USAGE, ari
from tests.site import QUEUE, open_keyring, prepare

FRESH, OLD = days_ago(20), days_ago(200)


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    settings = prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})
    open_keyring(settings)
    (settings.storage.vault / ".new").mkdir(parents=True, mode=0o700)
    settings.storage.vault.chmod(0o700)
    return settings


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two that are kept, one of them twice; one that is overdue; and what else lies in such a folder."""
    folder = tmp_path / "monitor"
    write(folder / freepbx(FRESH), 440)
    write(folder / freepbx(days_ago(21), running=46, suffix="WAV"), 550, form="WAV", subtype="GSM610")
    write(folder / "copies" / Path(freepbx(FRESH)).name, 440)
    write(folder / freepbx(OLD, running=47), 660)
    (folder / "readme.txt").write_text("nothing to hear\n")
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir())


async def test_a_freepbx_site_moves_in(site: Config, archive: Path, database: Database, tmp_path: Path) -> None:
    at = ("--config", site.source, "--json")
    cdr = write_cdr(tmp_path / "cdr.csv", [cdr_row(FRESH, file=Path(freepbx(FRESH)).name)])
    there = files(archive)
    asked = ("import", archive, "--map", f"600={QUEUE}", "--cdr", cdr, *at)

    dry = await ari(*asked, "--dry-run")
    assert dry.code == FOUND, dry.err
    counts = {"imported": 2, "overdue": 1, "duplicate": 1, "already": 0, "refused": 1}
    assert (dry.json["files"], dry.json["counts"], dry.json["dry_run"]) == (5, counts, True)
    assert (await ari("recordings", "list", *at)).json == []

    done = await ari(*asked)
    assert done.code == FOUND, done.err
    assert (done.json["files"], done.json["counts"]) == (5, counts)
    assert (done.json["destroyed"], done.json["overdue_originals"]) == (1, 1)
    refused = [one for one in done.json["told"] if one["outcome"] == "refused"]
    assert [(one["file"], one["reason"]) for one in refused] == [("readme.txt", "not-audio")]
    assert files(archive) == there

    listed = (await ari("recordings", "list", *at)).json
    assert [one["state"] for one in listed] == ["sealed", "sealed", "erased"]
    newest = listed[0]
    assert newest["agents"] == ["PJSIP/1001"]
    shown = (await ari("recordings", "show", newest["id"], "--with-caller", *at)).json
    assert shown["caller"] == {"num": "0401234567", "name": "Aino Example"}
    assert shown["queue"] == QUEUE
    assert shown["started_at"] == FRESH.isoformat()
    assert shown["origin"]["date_source"] == "name"
    assert shown["verdict"] == {"state": "recorded", "reason": "imported"}
    target = tmp_path / "heard.wav"
    assert (await ari("recordings", "export", newest["id"], target, "--verify", *at)).code == FINE
    with wave.open(str(target)) as wav:
        samples = wav.readframes(wav.getnframes())
        assert (wav.getnchannels(), wav.getnframes()) == (2, 16000)
    assert samples[::4] + samples[1::4] == voice(440).tobytes()[::2] + voice(440).tobytes()[1::2]

    async with database.transaction() as conn:
        (certificate,) = await certificates.newest(conn, None, limit=10)
    body = json.loads(certificate.body)
    assert certificate.subject == listed[2]["id"]
    assert body["copies_destroyed"] == ["wrapped data key", "sealed file"]
    assert body["copies_not_found"] == ["original in the old archive, which the import was not told to remove"]
    assert body["why"] == f"P3M of queue {QUEUE}"

    ledger = (await ari("ledger", "--day", f"{FRESH:%Y-%m-%d}", *at)).json
    assert ledger["calls"] == []

    again = await ari(*asked, "--remove-originals")
    assert "counts" in again.json, again
    assert again.json["counts"] == {"imported": 0, "overdue": 0, "duplicate": 0, "already": 4, "refused": 1}
    assert again.json["originals_removed"] == 4
    assert files(archive) == ["readme.txt"]
    assert len((await ari("recordings", "list", *at)).json) == 3
    assert (await ari("vault", "reconcile", *at)).json == {"differences": []}


async def test_originals_go_in_the_first_run_when_that_is_asked(
    site: Config, archive: Path, database: Database
) -> None:
    at = ("--config", site.source, "--json")
    (archive / "readme.txt").unlink()
    done = await ari("import", archive, "--map", f"600={QUEUE}", "--remove-originals", *at)
    assert done.code == FINE, done.err
    assert (done.json["originals_removed"], done.json["originals_left"], files(archive)) == (4, 0, [])
    async with database.transaction() as conn:
        (certificate,) = await certificates.newest(conn, None, limit=10)
    body = json.loads(certificate.body)
    assert body["copies_destroyed"] == ["wrapped data key", "sealed file", "original in the old archive"]


async def test_it_says_in_words_what_became_of_the_files(site: Config, archive: Path) -> None:
    (archive / "a\x1b[2J\nb.wav").write_bytes(b"no sound")
    done = await ari("import", archive, "--map", f"600={QUEUE}", "--config", site.source)
    assert done.code == FOUND
    assert "\x1b" not in done.out
    assert r"a\x1b[2J\nb.wav" in done.out
    assert (
        "of 6 files" in done.out or "6 files: 2 imported, 1 overdue, 1 the same as another one, 2 refused" in done.out
    )
    assert "destroyed: 1 of 1 overdue" in done.out
    assert "originals still lie in the archive" in done.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--queue", "nowhere"], "import_map_refused"),
        (["--map", "600"], "import_map_refused"),
        (["--map", "600=nowhere"], "import_map_refused"),
        (["--timezone", "Europe/Esimerkkilä"], "zone_unknown"),
        (["--timezone", "../../etc/passwd"], "zone_unknown"),
        (["--cdr", "/nowhere/cdr.csv"], "cdr_unusable"),
    ],
)
async def test_what_was_typed_wrong_is_said(site: Config, archive: Path, arguments: list[str], code: str) -> None:
    done = await ari("import", archive, *arguments, "--config", site.source, "--json")
    assert done.json["error"]["code"] == code


async def test_this_services_own_folders_are_no_archive(site: Config, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(site.pbx.spool)
    for folder in (site.storage.vault, site.pbx.spool, linked, tmp_path, tmp_path / "nowhere"):
        done = await ari("import", folder, "--config", site.source, "--json")
        assert done.json["error"]["code"] == "archive_refused", folder
    both = await ari("import", tmp_path, "--dry-run", "--remove-originals", "--config", site.source)
    assert both.code == USAGE


async def test_two_imports_are_not_at_work_at_once(site: Config, archive: Path) -> None:
    import fcntl

    fd = os.open(site.storage.vault / ".new", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        done = await ari("import", archive, "--config", site.source, "--json")
    finally:
        os.close(fd)
    assert done.json["error"]["code"] == "import_running"
