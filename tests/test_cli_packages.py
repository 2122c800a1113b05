"""`ari-recorder recordings package`: a file that only its passphrase opens, on record, gone with its recordings."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pyzipper

from ari_recorder.config import Config
from ari_recorder.services import connect_service
from ari_recorder.storage.db import Database
from tests.command import FAILED, FINE, USAGE, Answer, ari
from tests.site import open_keyring, prepare, record
from tests.test_audit_events import entries


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


def opened(path: Path, passphrase: str) -> dict[str, bytes]:
    """What is in the package, by another program."""
    with pyzipper.AESZipFile(path) as outer:
        outer.setpassword(passphrase.encode())
        (name,) = outer.namelist()
        with zipfile.ZipFile(io.BytesIO(outer.read(name))) as inner:
            return {one: inner.read(one) for one in inner.namelist()}


async def package(site: Config, target: Path, *more: object) -> Answer:
    return await ari("recordings", "package", target, *more, "--case", "PRV/5/2026", "--config", site.source)


async def test_a_package_opens_with_its_passphrase_alone_and_is_on_record(
    site: Config, database: Database, tmp_path: Path
) -> None:
    recorded = await record(site, database)
    about, target = str(recorded.recording_id), tmp_path / "package.zip"
    mute = ("--mute", f"{about[:8]}:0.5:1:Toisen henkilön asia")
    answer = await package(site, target, about[:8], *mute, "--json")
    assert answer.code == FINE, answer.err
    made = answer.json
    assert made["size_bytes"] == target.stat().st_size
    assert target.stat().st_mode & 0o777 == 0o600
    files = opened(target, made["passphrase"])
    (one,) = json.loads(files["package.json"])["recordings"]
    assert one["id"] == about
    assert [(part["first_sample"], part["end_sample"]) for part in one["muted"]] == [(4000, 8000)]
    assert open_keyring(site).signer.hex() in files["signature.json"].decode()
    with pytest.raises((RuntimeError, pyzipper.BadZipFile)):
        opened(target, made["passphrase"][:-1])
    assert b"PRV/5/2026" not in target.read_bytes()
    told = [entry for entry in await entries(database) if entry["action"] == "recording:export"]
    assert [(one["object"], one["facts"]["reference"], one["facts"]["muted"]) for one in told] == [
        (f"recording:{about}", "PRV/5/2026", 1)
    ]
    assert made["passphrase"] not in json.dumps(list(map(dict, await entries(database))))


async def test_it_says_the_passphrase_once_and_how_to_tell_it(site: Config, database: Database, tmp_path: Path) -> None:
    recorded = await record(site, database)
    answer = await package(site, tmp_path / "package.zip", recorded.recording_id)
    assert answer.code == FINE, answer.err
    assert "Its passphrase, shown once: " in answer.out
    assert "by another way" in answer.out
    passphrase = answer.out.split("shown once: ")[1].split()[0]
    assert "package.json" in opened(tmp_path / "package.zip", passphrase)


async def test_it_goes_with_its_recordings(site: Config, database: Database, tmp_path: Path) -> None:
    old = await record(site, database, started_at=datetime.now(UTC) - timedelta(days=200))
    target = tmp_path / "package.zip"
    assert (await package(site, target, old.recording_id)).code == FINE
    await connect_service.sweep(site, database, open_keyring(site)).run_once()
    assert not target.exists()


async def test_what_cannot_be_made_leaves_nothing(site: Config, database: Database, tmp_path: Path) -> None:
    recorded = await record(site, database)
    target = tmp_path / "out" / "package.zip"
    target.parent.mkdir()
    refused = await package(site, target, recorded.recording_id, "--police")
    assert (refused.code, "under no hold" in refused.err) == (FAILED, True)
    wrong = await package(site, target, recorded.recording_id, "--mute", "abc:x:y:z")
    assert (wrong.code, "3f2a81c0:10.5:12:REASON" in wrong.err) == (USAGE, True)
    assert list(target.parent.iterdir()) == []
    target.write_text("mine")
    there = await package(site, target, recorded.recording_id)
    assert (there.code, "it is there already" in there.err) == (FAILED, True)
    assert [path.name for path in target.parent.iterdir()] == ["package.zip"]
    assert target.read_text() == "mine"
