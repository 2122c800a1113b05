"""Sealed recordings on their way to an S3 store, in it, and out of it: nothing lost, nothing twice, nothing left."""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import ObjectStoreAway, ObjectStoreOutside, ObjectStoreUnfit
from ari_recorder.domain.local_cache import CacheLimits
from ari_recorder.domain.retention import StoredState
from ari_recorder.services import (
    backup,
    check_object_store,
    connect,
    connect_service,
    listen,
    object_store,
    reconcile,
    reconcile_store,
)
from ari_recorder.services.findings import Level
from ari_recorder.services.local_cache import LocalCache
from ari_recorder.services.scrub import SCRUB_EVERY, VERIFY_EVERY, Scrub
from ari_recorder.services.uploads import Uploaded, Uploader
from ari_recorder.storage import health, recordings, remote_copies
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.object_store import PUT_SECONDS, ObjectStore
from ari_recorder.vault.recordings import Vault
from tests.faults.proxy import fault_proxy
from tests.s3 import S3House, house_at
from tests.site import prepare, record

OLLI = Actor.operator("olli")
HOUR = timedelta(hours=1)
NO_LIMITS = CacheLimits(max_bytes=0, max_days=None)


@pytest.fixture
def site(tmp_path: Path, dsn: str, s3: S3House) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"\n{s3.settings(tmp_path)}'})


@pytest.fixture
async def recorded(site: Config, database: Database) -> UUID:
    return (await record(site, database)).recording_id


@pytest.fixture
def files(site: Config, s3: S3House) -> VaultFiles:
    return VaultFiles(site.storage.vault, s3.store)


@pytest.fixture
def vault(site: Config, recorded: UUID, files: VaultFiles) -> Vault:
    return Vault(files, connect.keyring(site), site.pbx.spool)


def uploader(database: Database, files: VaultFiles, store: ObjectStore | None = None) -> Uploader:
    assert files.store is not None
    return Uploader(database=database, files=files, store=store or files.store, alarm_after=HOUR)


async def sent(database: Database, files: VaultFiles) -> None:
    one = uploader(database, files)
    await one.backfill()
    assert await one.round(datetime.now(UTC)) == Uploaded(verified=1)
    one.close()


async def row(database: Database, recording_id: UUID) -> recordings.StoredRecording:
    async with database.transaction() as conn:
        found = await recordings.get(conn, recording_id)
    assert found is not None
    return found


async def copy(database: Database, recording_id: UUID) -> remote_copies.Copy | None:
    async with database.transaction() as conn:
        return (await remote_copies.of(conn, [recording_id])).get(recording_id)


def local(site: Config) -> list[Path]:
    return list(site.storage.vault.rglob("*.sealed"))


async def swept(site: Config, database: Database, store: ObjectStore, keyring: Keyring | None = None) -> None:
    """As it is when everything that was recorded until now is due."""
    one = connect_service.sweep(site, database, keyring, store=store)
    async with database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET state = 'erasing', erasing_at = now(), erased_because = 'P3M' WHERE state = 'sealed'"
        )
    await one.run_once()


# --- sending


async def test_a_recording_is_sent_once_and_verified(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    await sent(database, files)
    stored = await row(database, recorded)
    assert s3.everything() == [f"version recorder/{stored.path}"]
    assert s3.store.digest(stored.path or "") == bytes.fromhex(stored.sha256 or "")
    known = await copy(database, recorded)
    assert known is not None
    assert known.verified
    assert known.host == object_store.host()
    again = uploader(database, files)
    assert await again.backfill() == 0
    assert await again.round(datetime.now(UTC)) == Uploaded()
    assert len(s3.everything()) == 1
    again.close()


async def test_several_uploaders_send_each_recording_once(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    for number in range(6):
        await record(site, database, uniqueid=f"1700000001.{number}")
    several = [uploader(database, files) for _ in range(3)]
    await several[0].backfill()
    now = datetime.now(UTC)
    for _ in range(3):
        await asyncio.gather(*(one.round(now) for one in several))
    assert sum(one.sent for one in several) == 7
    assert len(s3.everything()) == len(set(s3.everything())) == 7
    for one in several:
        one.close()


async def test_a_store_that_is_away_keeps_nobody_waiting_and_loses_nothing(
    site: Config, database: Database, recorded: UUID, s3: S3House
) -> None:
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        store = s3.reached_by(proxy.port)
        files = VaultFiles(site.storage.vault, store)
        one = uploader(database, files)
        proxy.refusing = True
        await one.backfill()
        now = datetime.now(UTC)
        assert await one.round(now) == Uploaded(failed=1)
        assert await one.round(now + timedelta(seconds=1)) == Uploaded(), "not before a while"
        with capture_logs() as logs:
            await one.look(now + timedelta(minutes=59))
            await one.look(now + 2 * HOUR)
            await one.look(now + 3 * HOUR)
        alarms = [line for line in logs if line.get("alarm") == "upload-late"]
        assert len(alarms) == 1
        assert "it cannot be reached" in alarms[0]["because"] or "closed" in alarms[0]["because"]
        assert (one.newest.waiting, one.newest.failing) == (1, 1)
        assert len(local(site)) == 1
        proxy.refusing = False
        assert await one.round(now + HOUR) == Uploaded(verified=1)
        await one.look(now + 3 * HOUR)
        assert one.newest.waiting == 0
        one.close()


_KILLED = """
import asyncio, os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ari_recorder import config
from ari_recorder.services import object_store
from ari_recorder.services.uploads import Uploader
from ari_recorder.storage import remote_copies
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.object_store import ObjectStore

def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(path, step):
    site = config.load(Path(path))
    store = object_store.of(site)
    asked = ObjectStore._ask
    def ask(self, operation, path=None, **more):
        if step == f"before {operation}":
            killed()
        answer = asked(self, operation, path, **more)
        if step == f"after {operation}":
            killed()
        return answer
    ObjectStore._ask = ask
    if step == "before verified":
        remote_copies.verified = killed
    async with Database(site.dsn()) as database:
        one = Uploader(database=database, files=VaultFiles(site.storage.vault, store), store=store,
                       alarm_after=timedelta(hours=1))
        await one.backfill()
        if step == "before claim":
            killed()
        await one.round(datetime.now(UTC))
        if step == "after verified":
            killed()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "step",
    [
        "before claim",
        "before head_object",
        "before put_object",
        "after put_object",
        "before get_object",
        "before verified",
        "after verified",
    ],
)
async def test_killed_at_any_step_it_is_sent_once_in_the_end(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House, step: str
) -> None:
    command = [sys.executable, "-c", _KILLED, str(site.source), step]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    _, told = await process.communicate()
    assert process.returncode == -signal.SIGKILL, told.decode()
    stop = asyncio.Event()
    one = uploader(database, files)
    running = asyncio.create_task(one.run(stop))
    while not ((known := await copy(database, recorded)) and known.verified):
        assert not running.done()
        await asyncio.sleep(0.02)
    stop.set()
    await running
    assert s3.everything() == [f"version recorder/{(await row(database, recorded)).path}"]
    assert len(local(site)) == 1
    one.close()


# --- gone


@pytest.mark.parametrize("s3", ["moto", "ceph"], indirect=True)
async def test_what_was_deleted_is_nowhere(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, vault: Vault, s3: S3House
) -> None:
    """Not on the disk, not in a cache, not in the store in any version."""
    await sent(database, files)
    stored = await row(database, recorded)
    path = stored.path or ""
    assert stored.wrapped_key is not None
    s3.store.open(path)
    assert s3.store._blocks
    s3.put(path, b"a version of somebody else")
    s3.delete(path)
    s3.begin_upload(path)
    await swept(site, database, s3.store, connect.keyring(site))
    assert (await row(database, recorded)).state is StoredState.ERASED
    assert s3.everything() == []
    assert local(site) == []
    assert not s3.store._blocks
    assert await copy(database, recorded) is None
    remains = [one for one in site.storage.state.rglob("*") if str(recorded) in one.name]
    assert remains == []
    async with database.transaction() as conn:
        copies = await conn.fetchval("SELECT erased_copies FROM recording WHERE id = $1", recorded)
        certificates = await conn.fetchval("SELECT count(*) FROM certificate")
    assert "object in the S3 store, all versions" in copies
    assert certificates == 1


@pytest.mark.parametrize("fault", ["refusing", "other bucket", "no store"])
async def test_what_may_be_in_the_store_is_never_called_destroyed(
    site: Config,
    tmp_path: Path,
    dsn: str,
    database: Database,
    recorded: UUID,
    files: VaultFiles,
    s3: S3House,
    moto_port: int,
    fault: str,
) -> None:
    await sent(database, files)
    async with fault_proxy(moto_port) as proxy:
        proxy.refusing = True
        other = house_at(moto_port)
        store = other.store if fault == "other bucket" else s3.reached_by(proxy.port)
        async with database.transaction() as conn:
            if fault == "refusing":  # the same store, by another way
                await conn.execute("UPDATE remote_copy SET place = $1", store.place.name)
        without = site.model_copy(update={"s3": type(site.s3)()})
        with capture_logs() as logs:
            if fault == "no store":
                one = connect_service.sweep(without, database, None)
                async with database.transaction() as conn:
                    await conn.execute(
                        "UPDATE recording SET state = 'erasing', erasing_at = now(), erased_because = 'P3M'"
                    )
                await one.run_once()
            else:
                await swept(site, database, store)
        assert (await row(database, recorded)).state is StoredState.ERASING
        assert [line["subject"] for line in logs if line.get("alarm") == "erase-failed"] == [str(recorded)]
        assert len(s3.everything()) == 1
        async with database.transaction() as conn:
            assert await conn.fetchval("SELECT count(*) FROM certificate") == 0
            await conn.execute("UPDATE remote_copy SET place = $1", s3.place.name)
    await swept(site, database, s3.store)
    assert (await row(database, recorded)).state is StoredState.ERASED
    assert s3.everything() == []


async def test_erasing_waits_for_an_upload_that_is_under_way(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    one = uploader(database, files)
    await one.backfill()
    async with database.transaction() as conn:
        claimed = await remote_copies.claim(conn, s3.place.name, object_store.host(), datetime.now(UTC), 1)
    assert [upload.recording_id for upload in claimed] == [recorded]
    await swept(site, database, s3.store)
    assert (await row(database, recorded)).state is StoredState.ERASING
    async with database.transaction() as conn:
        assert await remote_copies.still_sealed(conn, [recorded]) == frozenset()
        await remote_copies.release(conn, object_store.host(), datetime.now(UTC))
    await swept(site, database, s3.store)
    assert (await row(database, recorded)).state is StoredState.ERASED
    one.close()


async def test_what_was_sent_while_it_was_being_erased_goes_at_once(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = uploader(database, files)
    await one.backfill()
    stored = ObjectStore.store
    loop = asyncio.get_running_loop()

    async def doomed() -> None:
        async with database.transaction() as conn:
            await conn.execute("UPDATE recording SET state = 'erasing', erasing_at = now(), erased_because = 'P3M'")

    def meanwhile(*given: object) -> object:
        head = stored(*given)  # type: ignore[arg-type]
        asyncio.run_coroutine_threadsafe(doomed(), loop).result()
        return head

    monkeypatch.setattr(ObjectStore, "store", meanwhile)
    assert await one.round(datetime.now(UTC)) == Uploaded(failed=1)
    assert s3.everything() == []
    async with database.transaction() as conn:
        assert await remote_copies.in_flight(conn, [recorded], datetime.now(UTC)) == frozenset()
    one.close()


async def test_what_comes_late_to_the_store_is_removed_by_the_daily_comparison(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    path = (await row(database, recorded)).path or ""
    await swept(site, database, s3.store)
    assert (await row(database, recorded)).state is StoredState.ERASED
    s3.put(path, b"sealed bytes that took their time")
    s3.put("notes.txt", b"x")
    found = await reconcile_store.reconcile(database, s3.store, mend=True)
    assert sorted((one.kind.value, one.mended) for one in found) == [("outlived", True), ("stranger", False)]
    assert s3.everything() == ["version recorder/notes.txt"]


# --- read, and the vault as a cache


async def test_the_vault_lets_go_of_what_the_store_has_and_listens_from_there(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, vault: Vault, s3: S3House, tmp_path: Path
) -> None:
    before = await listen.verify_sealed(database, vault, recorded, OLLI)
    cache = LocalCache(database=database, files=files, store=s3.store, limits=NO_LIMITS)
    assert await cache.trim(datetime.now(UTC)) == 0, "the store has not got it"
    await sent(database, files)
    assert await cache.trim(datetime.now(UTC)) == 1
    assert local(site) == []
    stored = await row(database, recorded)
    assert stored.path is not None
    assert stored.wrapped_key is not None
    with vault.open_recording(stored.path, stored.wrapped_key, recorded) as opened:
        assert len(opened.read(0, opened.size)) == opened.size > 0
    assert await listen.verify_sealed(database, vault, recorded, OLLI) == before
    assert await reconcile.reconcile(database, site.storage.vault, mend=False) == ()
    known = await copy(database, recorded)
    assert known is not None
    assert known.host == ""


async def test_a_store_that_is_away_is_told_and_the_file_here_is_heard(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    await sent(database, files)
    stored = await row(database, recorded)
    assert stored.path is not None
    assert stored.wrapped_key is not None
    keyring = connect.keyring(site)
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        proxy.refusing = True
        away = Vault(VaultFiles(site.storage.vault, s3.reached_by(proxy.port)), keyring, site.pbx.spool)
        away.open_recording(stored.path, stored.wrapped_key, recorded).close()
        local(site)[0].unlink()
        with pytest.raises(ObjectStoreAway):
            await asyncio.to_thread(away.open_recording, stored.path, stored.wrapped_key, recorded)


async def test_the_oldest_go_first_and_only_as_many_as_must(
    site: Config, database: Database, files: VaultFiles, s3: S3House
) -> None:
    now = datetime.now(UTC)
    ids = [
        (await record(site, database, uniqueid=f"170.{days}", started_at=now - timedelta(days=days))).recording_id
        for days in (9, 6, 3, 1)
    ]
    one = uploader(database, files)
    await one.backfill()
    assert (await one.round(datetime.now(UTC))).verified == 4
    sizes = [path.stat().st_size for path in local(site)]

    def here() -> set[UUID]:
        return {UUID(path.stem) for path in local(site)}

    room = CacheLimits(max_bytes=sum(sizes) - max(sizes) - 1, max_days=None)
    assert await LocalCache(database=database, files=files, store=s3.store, limits=room).trim(now) in (1, 2)
    assert here() <= set(ids[1:])
    assert set(ids[2:]) <= here()
    young = CacheLimits(max_bytes=None, max_days=2)
    await LocalCache(database=database, files=files, store=s3.store, limits=young).trim(now)
    assert here() == {ids[3]}
    one.close()


async def test_a_file_is_not_let_go_when_the_store_lost_it(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    await sent(database, files)
    s3.delete((await row(database, recorded)).path or "")
    cache = LocalCache(database=database, files=files, store=s3.store, limits=NO_LIMITS)
    assert await cache.trim(datetime.now(UTC)) == 0
    assert len(local(site)) == 1


@pytest.mark.parametrize("done", ["replaced", "deleted"])
async def test_what_was_changed_in_the_store_is_found_and_sent_again(
    database: Database, recorded: UUID, files: VaultFiles, vault: Vault, s3: S3House, done: str
) -> None:
    await sent(database, files)
    path = (await row(database, recorded)).path or ""
    s3.put(path, b"x" * 100) if done == "replaced" else s3.delete(path)
    scrub, stop, now = Scrub(database=database, vault=vault), asyncio.Event(), datetime.now(UTC)
    with capture_logs() as logs:
        found = await scrub.run_once(now + SCRUB_EVERY + HOUR, stop)
    assert list(found.damaged) == [recorded]
    assert [line["subject"] for line in logs if line.get("alarm") == "recording-damaged"] == [str(recorded)]
    one = uploader(database, files)
    assert await one.round(now + SCRUB_EVERY + 2 * HOUR) == Uploaded(verified=1)
    found = await scrub.run_once(now + VERIFY_EVERY + HOUR, stop, every=timedelta(days=400))
    assert (found.verified, found.damaged) == (1, {})
    async with database.transaction() as conn:
        assert await health.damaged(conn) == {}
    one.close()


async def test_a_store_that_is_away_is_no_damage(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House
) -> None:
    await sent(database, files)
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        proxy.refusing = True
        store = s3.reached_by(proxy.port)
        async with database.transaction() as conn:
            await conn.execute("UPDATE remote_copy SET place = $1", store.place.name)
        vault = Vault(VaultFiles(site.storage.vault, store), connect.keyring(site), site.pbx.spool)
        found = await Scrub(database=database, vault=vault).run_once(
            datetime.now(UTC) + SCRUB_EVERY + HOUR, asyncio.Event()
        )
    assert (found.looked_at, found.damaged) == (0, {})


async def test_a_backup_has_what_only_the_store_has(
    site: Config, database: Database, recorded: UUID, files: VaultFiles, s3: S3House, tmp_path: Path
) -> None:
    await sent(database, files)
    await LocalCache(database=database, files=files, store=s3.store, limits=NO_LIMITS).trim(datetime.now(UTC))
    assert local(site) == []
    made = await backup.make(site, tmp_path / "backup", OLLI)
    assert (made.missing, made.damaged) == ((), ())
    stored = await row(database, recorded)
    (kept,) = (tmp_path / "backup").rglob("*.sealed")
    assert sha256(kept.read_bytes()).hexdigest() == stored.sha256


# --- what may not be


async def test_a_bucket_with_object_lock_stops_the_start_and_check_says_why(
    tmp_path: Path, site: Config, moto_port: int, database: Database
) -> None:
    locked = house_at(moto_port, ObjectLockEnabledForBucket=True)
    other = site.model_copy(update={"s3": site.s3.model_copy(update={"bucket": locked.place.bucket})})
    store = object_store.of(other)
    assert store is not None
    with pytest.raises(ObjectStoreUnfit, match="Object Lock"):
        await object_store.fit_or_away(store)
    (told,) = check_object_store.check(other)
    assert (told.level, "Object Lock" in told.what) == (Level.FAIL, True)
    (well,) = check_object_store.check(site)
    assert well.level is Level.OK, well


async def test_the_start_does_not_wait_for_a_store_that_hangs(s3: S3House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "START_SECONDS", 0.2)
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        proxy.stall()
        with capture_logs() as logs:
            await object_store.fit_or_away(s3.reached_by(proxy.port))
        assert [line["event"] for line in logs] == ["object_store_away"]
        proxy.flow()


async def test_nothing_is_put_into_a_bucket_that_became_unfit_and_it_is_told_once(
    site: Config, database: Database, recorded: UUID, moto_port: int
) -> None:
    locked = house_at(moto_port, ObjectLockEnabledForBucket=True)
    files = VaultFiles(site.storage.vault, locked.store)
    one = Uploader(
        database=database, files=files, store=locked.store, alarm_after=HOUR, every=timedelta(milliseconds=10)
    )
    stop, looked = asyncio.Event(), 0
    examine = object_store.fit

    def counted(store: ObjectStore) -> object:
        nonlocal looked
        looked += 1
        return examine(store)

    with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
        patch.setattr(object_store, "fit", counted)
        running = asyncio.create_task(one.run(stop))
        while looked < 3:
            assert not running.done()
            await asyncio.sleep(0.01)
        stop.set()
        await running
    assert len([line for line in logs if line.get("alarm") == "bucket-unfit"]) == 1
    assert locked.everything() == []
    one.close()


def test_a_claim_outlives_every_upload() -> None:
    assert remote_copies.CLAIM.total_seconds() > 2 * PUT_SECONDS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"country": "US"}, "its country is US"),
        ({"country": "GB", "region": "eu-west-2"}, "its country is GB"),
        ({"endpoint": "https://s3.eu-west-2.amazonaws.com", "region": "eu-west-2"}, "not in the EU or EEA"),
        ({"endpoint": "https://s3.eu-north-1.amazonaws.com", "region": "eu-north-1"}, "eu-north-1 is in SE"),
    ],
)
def test_a_store_outside_the_eea_is_refused(site: Config, changes: dict[str, str], reason: str) -> None:
    other = site.model_copy(update={"s3": site.s3.model_copy(update=changes)})
    with pytest.raises(ObjectStoreOutside, match=reason):
        object_store.of(other)
    (told,) = check_object_store.check(other)
    assert told.level is Level.FAIL


# --- the service itself


async def test_the_service_sends_what_it_has_and_ends_in_good_order(
    site: Config, database: Database, recorded: UUID, s3: S3House
) -> None:
    service = await _run(site.source)
    assert service.stderr is not None
    try:
        async with asyncio.timeout(90):
            while b'"upload_verify"' not in (line := await service.stderr.readline()):
                assert line, "it ended"
        assert s3.everything() == [f"version recorder/{(await row(database, recorded)).path}"]
        service.terminate()
        async with asyncio.timeout(60):
            await service.stderr.read()
            assert await service.wait() == 0
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()


async def test_the_service_does_not_start_with_a_bucket_that_keeps(
    site: Config, database: Database, moto_port: int, s3: S3House
) -> None:
    locked = house_at(moto_port, ObjectLockEnabledForBucket=True)
    site.source.write_text(site.source.read_text().replace(s3.place.bucket, locked.place.bucket))
    service = await _run(site.source)
    _, told = await service.communicate()
    assert service.returncode == 1
    assert b"object_store_unfit" in told or b"Object Lock" in told, told.decode()


async def _run(source: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ari_recorder", "run", "--config", str(source)),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
