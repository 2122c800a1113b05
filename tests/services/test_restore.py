"""From a backup to another host that plays it: what is held, what is ordinary, and not what has lost its key."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import (
    BackupDamaged,
    BackupNewer,
    BackupUnreadable,
    BackupWithoutKeys,
    DatabaseProgramFailed,
    KeyDestroyed,
    RecorderError,
    RestoreKeysForeign,
    RestoreKeysMissing,
    RestoreNotEmpty,
    RestoreUnfinished,
)
from ari_recorder.services import connect, connect_service, listen
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.restore import refuse_unfinished, restore
from ari_recorder.storage import dump
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.wrapping import day_name
from tests.command import FAILED, FINE, ari
from tests.services.backup_house import BY, BackupHouse, build, day_of, tree
from tests.site import prepare


@pytest.fixture
async def house(tmp_path: Path, dsn: str, database: Database) -> BackupHouse:
    return await build(tmp_path, dsn, database)


async def plays(site: Config, house: BackupHouse, tmp_path: Path) -> set[str]:
    """Which of the three can be listened to."""
    heard = set()
    async with connect.ready_database(site) as database:
        for name in ("old", "held", "new"):
            target = tmp_path / f"{name}.wav"
            target.unlink(missing_ok=True)
            recording_id = getattr(house, name).recording_id
            try:
                await listen.export_wav(database, connect_service.vault(site), recording_id, target, lambda _: None, BY)
            except KeyDestroyed:
                continue
            heard.add(name)
    return heard


async def test_an_empty_host_plays_what_was_backed_up(house: BackupHouse, tmp_path: Path) -> None:
    made = await ari("backup", tmp_path / "backup", "--config", house.site.source, "--json")
    assert (made.code, made.json["recordings"], made.json["missing"]) == (FINE, 3, []), made.err
    other = house.other_host()
    done = await ari("restore", tmp_path / "backup", "--config", other.source, "--json")
    assert (done.code, done.json["recordings"], done.json["over"]) == (FINE, 3, []), done.err
    assert await plays(other, house, tmp_path) == {"old", "held", "new"}
    verified = await ari("audit", "verify", "--config", other.source, "--json")
    assert verified.json["found"] == []
    assert verified.json["signed"] > 0
    assert (await ari("vault", "reconcile", "--config", other.source)).code == FINE
    async with connect.database(other) as database:
        assert await LaterEntries(other.storage.audit).drain(database) == 1  # that it was restored
    for place in (other.storage.state, other.storage.vault, other.storage.keys):
        assert not (place / ".restore").exists()
        assert place.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in other.storage.vault.rglob("*"))


async def test_a_database_of_the_sites_own_is_filled_too(house: BackupHouse, tmp_path: Path, empty_dsn: str) -> None:
    await house.backup()
    other = house.other_host(empty_dsn)
    await restore(other, tmp_path / "backup", BY)
    assert await plays(other, house, tmp_path) == {"old", "held", "new"}
    with pytest.raises(RestoreNotEmpty):  # whoever types it twice
        await restore(other, tmp_path / "backup", BY)


async def test_what_root_restores_is_the_services_own(house: BackupHouse, tmp_path: Path, empty_dsn: str) -> None:
    await house.backup()
    other = house.other_host(empty_dsn)
    somebody = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(other.storage.state, somebody, -1)
    os.chown(other.root_key(), somebody, -1)
    await restore(other, tmp_path / "backup", BY)
    assert len(tree(other.storage.state)) > 10
    assert {path.lstat().st_uid for path in other.storage.state.rglob("*")} == {somebody}


async def test_with_newer_keys_an_old_backup_plays_what_is_held_and_nothing_that_expired(
    house: BackupHouse, tmp_path: Path
) -> None:
    await house.backup(with_keys=False)
    await house.sweep()
    other = house.other_host()
    with pytest.raises(BackupWithoutKeys):
        await restore(other, tmp_path / "backup", BY)
    done = await restore(other, tmp_path / "backup", BY, house.newer_keys())
    assert done.over == (day_name(day_of(house.old)),)
    assert await plays(other, house, tmp_path) == {"held", "new"}


async def test_a_day_that_is_missing_and_not_over_is_named_with_what_is_lost(
    house: BackupHouse, tmp_path: Path
) -> None:
    await house.backup()
    keys = house.newer_keys()
    name = day_name(day_of(house.new))
    for file in keys.rglob(f"{name}.*"):
        file.unlink()
    other = house.other_host()
    before = tree(tmp_path / "other")
    with pytest.raises(RestoreKeysMissing, match=rf"{name}\..* 1 recording\(s\) and 1 other text") as refused:
        await restore(other, tmp_path / "backup", BY, keys)
    assert refused.value.fields["names"] == name  # the day that is over is not in it
    assert tree(tmp_path / "other") == before


async def test_keys_of_another_installation_are_refused(house: BackupHouse, tmp_path: Path) -> None:
    await house.backup()
    foreign = Keyring.make(tmp_path / "foreign", root_key=tmp_path / "foreign.key")
    with pytest.raises(RestoreKeysForeign):
        await restore(house.other_host(), tmp_path / "backup", BY, foreign.folder)


def rewritten(backup: Path, **changes: object) -> None:
    """A manifest that is as well-formed as the real one."""
    path = backup / "manifest.json"
    fields = json.loads(path.read_text())
    del fields["sha256"]
    fields |= changes
    digest = sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    path.write_text(json.dumps({**fields, "sha256": digest}))


def sealed_file(backup: Path) -> Path:
    return next(backup.glob("vault/*/*/*/*.sealed"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


WRONG: dict[str, tuple[Callable[[Path], None], type[RecorderError]]] = {
    "newer schema": (lambda backup: rewritten(backup, schema=9999), BackupNewer),
    "newer version": (lambda backup: rewritten(backup, version="99.0.0"), BackupNewer),
    "strange version": (lambda backup: rewritten(backup, version="next"), BackupNewer),
    "later format": (lambda backup: rewritten(backup, format=2), BackupUnreadable),
    "no manifest": (lambda backup: (backup / "manifest.json").unlink(), BackupUnreadable),
    "changed manifest": (lambda backup: flip(backup / "manifest.json"), BackupDamaged),
    "changed list": (lambda backup: flip(backup / "SHA256SUMS"), BackupDamaged),
    "changed recording": (lambda backup: flip(sealed_file(backup)), BackupDamaged),
    "missing recording": (lambda backup: sealed_file(backup).unlink(), BackupDamaged),
    "changed database": (lambda backup: flip(backup / "database.dump"), BackupDamaged),
    "missing key": (lambda backup: next((backup / "keys" / "private").iterdir()).unlink(), BackupDamaged),
    "other counts": (
        lambda backup: rewritten(backup, counts={"calls": 1, "sealed": 1, "erased": 0, "audit": 1}),
        BackupDamaged,
    ),
}


async def test_what_is_newer_or_damaged_is_refused_and_leaves_nothing(house: BackupHouse, tmp_path: Path) -> None:
    await house.backup()
    other = house.other_host()
    before = tree(tmp_path / "other")
    for name, (spoil, error) in WRONG.items():
        shutil.copytree(tmp_path / "backup", tmp_path / name)
        spoil(tmp_path / name)
        with pytest.raises(error):
            await restore(other, tmp_path / name, BY)
        assert tree(tmp_path / "other") == before, name
    refused = await ari("restore", tmp_path / "newer schema", "--config", other.source, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (FAILED, "backup_newer")
    assert (await restore(other, tmp_path / "backup", BY)).recordings == 3


@pytest.mark.parametrize("there", ["vault/2026/01/01/x.sealed", "keys/keyring.json", "login.key", "journal/calls"])
async def test_what_is_not_empty_is_not_touched(house: BackupHouse, tmp_path: Path, there: str) -> None:
    await house.backup()
    other = house.other_host()
    file = other.storage.state / there
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    before = tree(tmp_path / "other")
    with pytest.raises(RestoreNotEmpty, match=str(other.storage.state)):
        await restore(other, tmp_path / "backup", BY)
    assert tree(tmp_path / "other") == before


def shortened(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes()[:-2000])
    return target


async def test_a_dump_that_cannot_be_loaded_leaves_nothing(
    house: BackupHouse, tmp_path: Path, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.backup()
    other = house.other_host(empty_dsn)
    before = tree(tmp_path / "other")

    async def spoilt(dsn: str, server: int, source: Path) -> None:
        await dump_load(dsn, server, shortened(source, tmp_path / "short.dump"))

    dump_load = dump.load
    monkeypatch.setattr(dump, "load", spoilt)
    with pytest.raises(DatabaseProgramFailed, match="pg_restore"):  # and not what it was sent to
        await restore(other, tmp_path / "backup", BY)
    assert tree(tmp_path / "other") == before
    monkeypatch.undo()
    await restore(other, tmp_path / "backup", BY)  # nothing was left in the database


class Killed(BaseException):
    """As a kill: nothing tidies up behind it."""


async def test_killed_at_any_rename_the_same_call_goes_on(
    house: BackupHouse, tmp_path: Path, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.backup()
    await house.backup("another")
    other = house.other_host(empty_dsn)
    real, renames = os.rename, 0
    left = 0

    def rename(source: str, target: str) -> None:
        nonlocal left, renames
        if left == 0:
            raise Killed
        left -= 1
        renames += 1
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    kills = 0
    while True:
        left = 1 if kills else 0  # one step more each time, and the first time none
        try:
            await restore(other, tmp_path / "backup", BY)
        except Killed:
            kills += 1
            with pytest.raises(RestoreUnfinished, match=str(tmp_path / "backup")):
                refuse_unfinished(other)
            with pytest.raises(RestoreUnfinished):
                await restore(other, tmp_path / "another", BY)
        else:
            break
    assert kills >= 5  # the year, the log's key, and three of the keyring
    refuse_unfinished(other)
    assert await plays(other, house, tmp_path) == {"old", "held", "new"}


async def test_the_service_does_not_start_in_the_middle_of_a_restore(tmp_path: Path) -> None:
    site = prepare(tmp_path)
    (site.storage.state / ".restore").mkdir()
    (site.storage.state / ".restore" / "plan.json").write_text('{"source": "/mnt/backup"}')
    answer = await ari("run", "--config", site.source)
    assert answer.code == FAILED
    assert "ari-recorder restore /mnt/backup" in answer.err


async def test_who_restored_it_is_in_the_log_that_was_restored(
    house: BackupHouse, tmp_path: Path, database: Database
) -> None:
    await house.backup()
    other = house.other_host()
    await restore(other, tmp_path / "backup", Actor.operator("matti"))
    assert await LaterEntries(other.storage.audit).drain(database) == 1  # as the service does at its start
    async with database.transaction() as conn:
        texts = " ".join([row["leaf"] for row in await conn.fetch("SELECT leaf FROM audit_pending")])
    assert '"backup:restore"' in texts
