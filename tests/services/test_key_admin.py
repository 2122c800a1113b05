"""services/key_admin.py, rewrap.py: what is wrapped gets another key, or stays as it was, whatever comes between."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from ari_recorder.config import Config
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import KeyDestroyed, KeyInUse, KeyringExists, RecordingsNeedKeys, RewrapFailed
from ari_recorder.services import connect, connect_service, key_admin, listen, rewrap
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.rewrap import FallbackRescue
from ari_recorder.storage import calls, erasing, keeping, keys, recordings
from ari_recorder.storage.db import Database
from ari_recorder.storage.journal import Journal
from ari_recorder.storage.keys import Left
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import Parts
from ari_recorder.vault.wrapping import day_name
from tests.services.house import READER
from tests.site import NAME, Recorded, open_keyring, prepare, record
from tests.test_audit_events import entries

LONG_AGO = datetime.now(UTC) - timedelta(days=20)


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrap, "_BATCH", 2)


async def several(site: Config, database: Database, count: int, at: datetime = LONG_AGO) -> list[Recorded]:
    return [
        await record(site, database, started_at=at, uniqueid=f"1700000000.{at.timestamp():.0f}{number}")
        for number in range(count)
    ]


async def move(site: Config, database: Database, old: str, new: str) -> rewrap.Rewrapped:
    return await rewrap.rewrap(database, open_keyring(site), old, lambda _: new)


async def left(database: Database, name: str) -> Left:
    async with database.transaction() as conn:
        return await keys.left(conn, name)


async def plays(site: Config, database: Database, recorded: Recorded) -> None:
    """It can be heard, and the caller's name read."""
    vault, ring = connect_service.vault(site), connect.keyring(site)
    policy = await connect.policies(site, database).in_force()
    details = await listen.show(database, recorded.recording_id, policy, ring, READER)
    assert details.caller is not None
    assert details.caller.name == NAME
    async with database.transaction() as conn:
        row = await recordings.get(conn, recorded.recording_id)
    assert row is not None
    assert row.path is not None
    assert row.wrapped_key is not None
    with vault.open_recording(row.path, row.wrapped_key, row.id) as opened:
        assert opened.read(0, 4) == b"fLaC"


async def rotate_hold(
    site: Config, database: Database, progress: Callable[[float], None] = lambda _: None
) -> key_admin.HoldRotated:
    files = VaultFiles(site.storage.vault)
    return await key_admin.rotate_hold(database, open_keyring(site), files, progress, READER)


async def test_everything_of_a_key_is_wrapped_anew_and_plays_without_the_old_one(
    site: Config, database: Database
) -> None:
    made = await several(site, database, 5)
    name = day_name(day_of(LONG_AGO))
    assert await left(database, name) == Left(recordings=5, callers=5)
    done = await move(site, database, name, "hold-1")
    assert (done.recordings, done.callers, done.failed) == (5, 5, 0)
    assert await left(database, name) == Left(recordings=0, callers=0)
    open_keyring(site).destroy(name)
    for one in made:
        await plays(site, database, one)


async def test_what_somebody_changed_meanwhile_is_left_as_they_left_it(site: Config, database: Database) -> None:
    (one,) = await several(site, database, 1)
    name = day_name(day_of(LONG_AGO))
    async with database.transaction() as conn:
        (found,) = await keys.recordings_of(conn, name, after=one.recording_id.__class__(int=0), limit=9)
        await conn.execute("UPDATE recording SET state = 'erasing', erasing_at = now(), erased_because = 'x'")
        await erasing.destroy_keys(conn, [one.recording_id])
        change = keys.Anew(id=found.id, sealed=found.sealed, anew=b"anew", key_name="hold-1")
        assert await keys.rewrap_recordings(conn, [change]) == 0
        row = await recordings.get(conn, one.recording_id)
    assert row is not None
    assert row.wrapped_key is None


async def test_the_hold_key_is_replaced_and_the_old_one_gone(site: Config, database: Database) -> None:
    made = await several(site, database, 3)
    await move(site, database, day_name(day_of(LONG_AGO)), "hold-1")
    heard: list[float] = []
    done = await rotate_hold(site, database, heard.append)
    assert (done.key_name, done.destroyed, done.rewrapped.recordings) == ("hold-2", ("hold-1",), 3)
    assert heard[-1] == 1.0
    assert open_keyring(site).public.hold_name == "hold-2"
    (gone,) = await entries(database)
    assert (gone["action"], gone["object"], gone["actor"]["kind"]) == ("key:destroy", "key:hold-1", "operator")
    assert "hold-1" not in open_keyring(site).names()
    for one in made:
        await plays(site, database, one)


async def test_an_empty_database_beside_a_full_vault_costs_no_hold_key(site: Config, database: Database) -> None:
    (one,) = await several(site, database, 1)
    await move(site, database, day_name(day_of(LONG_AGO)), "hold-1")
    async with database.transaction() as conn:
        await conn.execute("DELETE FROM recording_agent")
        await conn.execute("UPDATE recording SET id = gen_random_uuid()")
    with pytest.raises(KeyInUse, match="not in this database"):
        await rotate_hold(site, database)
    assert "hold-1" in open_keyring(site).names()
    async with database.transaction() as conn:
        await conn.execute("UPDATE recording SET id = $1", one.recording_id)
    await plays(site, database, one)


async def test_a_hold_rotation_that_was_killed_goes_on_where_it_was(
    site: Config, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await several(site, database, 5)
    await move(site, database, day_name(day_of(LONG_AGO)), "hold-1")
    real, count = keys.rewrap_recordings, 0

    async def dying(*arguments: object) -> int:
        nonlocal count
        count += 1
        if count == 2:
            raise asyncio.CancelledError
        return await real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(keys, "rewrap_recordings", dying)
        with pytest.raises(asyncio.CancelledError):
            await rotate_hold(site, database)
    assert (await left(database, "hold-1")).recordings == 3
    for one in made:
        await plays(site, database, one)
    done = await rotate_hold(site, database)
    assert (done.key_name, done.rewrapped.recordings) == ("hold-2", 3)
    for one in made:
        await plays(site, database, one)


async def test_a_hold_placed_during_the_rotation_with_the_old_key_is_not_lost(
    site: Config, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await several(site, database, 2)
    service = connect.holds(site, database, open_keyring(site))
    review = day_of(datetime.now(UTC)) + timedelta(days=100)
    terms = HoldTerms(reason="Said he would come.", reference="1/26", owner="Sari", review_on=review)
    await service.place([other.recording_id], terms, Actor.operator("sari"))
    has_the_old_name, go_on = asyncio.Event(), asyncio.Event()
    really = keeping.rewrap

    async def slowly(*arguments: object) -> None:
        has_the_old_name.set()
        await go_on.wait()
        await really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(keeping, "rewrap", slowly)
    placing = asyncio.create_task(service.place([one.recording_id], terms, Actor.operator("sari")))
    await has_the_old_name.wait()
    rotating = asyncio.create_task(rotate_hold(site, database))
    done, _ = await asyncio.wait({rotating}, timeout=0.5)
    assert not done, "the old key is destroyed only when nobody can be using it"
    go_on.set()
    await placing
    rotated = await rotating
    assert (rotated.destroyed, rotated.rewrapped.recordings, rotated.rewrapped.reasons) == (("hold-1",), 2, 2)
    for recorded in (one, other):
        await plays(site, database, recorded)
    listed = await connect.holds(site, database, open_keyring(site)).list_holds()
    assert [view.reason for view in listed] == [terms.reason] * 2
    assert await left(database, "hold-1") == Left(recordings=0, callers=0)


async def test_what_does_not_open_keeps_the_old_key_and_is_told(site: Config, database: Database) -> None:
    made = await several(site, database, 3)
    await move(site, database, day_name(day_of(LONG_AGO)), "hold-1")
    async with database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET wrapped_key = overlay(wrapped_key placing '\\x00'::bytea from 900) WHERE id = $1",
            made[0].recording_id,
        )
    with structlog.testing.capture_logs() as lines, pytest.raises(RewrapFailed, match="1 entries of hold-1"):
        await rotate_hold(site, database)
    assert {line["event"] for line in lines} >= {"rewrap_fail"}
    assert "hold-1" in open_keyring(site).names()
    for one in made[1:]:
        await plays(site, database, one)


async def test_what_the_fallback_took_gets_the_key_of_its_day(site: Config, database: Database) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    recent = await several(site, database, 3, yesterday)
    old = await several(site, database, 1)
    for at in (yesterday, LONG_AGO):
        await move(site, database, day_name(day_of(at)), "fallback")
        open_keyring(site).destroy(day_name(day_of(at)))
    ring = Keyring.open(site.storage.keys)
    assert await FallbackRescue(database, ring).run_once() is None
    connect.unlock(ring, site)
    done = await FallbackRescue(database, ring).run_once()
    assert done is not None
    assert (done.recordings, done.callers) == (3, 3)
    assert await left(database, day_name(day_of(yesterday))) == Left(recordings=3, callers=3)
    assert await left(database, "fallback") == Left(recordings=1, callers=1)
    facts = {"from": "fallback", "recordings": 3, "callers": 3, "texts": 0}
    assert [(one["action"], one["facts"]) for one in await entries(database)] == [("keyring:rewrap", facts)]
    for one in (*recent, *old):
        await plays(site, database, one)


# --- a day's key


async def destroy(site: Config, database: Database, day: date, *, dry_run: bool = False) -> key_admin.DayKey:
    return await key_admin.destroy_day(site, database, day, READER, dry_run=dry_run)


async def test_a_day_key_goes_when_nothing_needs_it_and_not_before(site: Config, database: Database) -> None:
    (one,) = await several(site, database, 1)
    day = day_of(LONG_AGO)
    found = await destroy(site, database, day, dry_run=True)
    assert (found.there, found.recordings, found.callers, found.destroyed) == (True, 1, 1, False)
    with pytest.raises(KeyInUse, match=r"1 recording\(s\), 1 caller\(s\)"):
        await destroy(site, database, day)
    await plays(site, database, one)
    async with database.transaction() as conn:
        await erasing.begin_erasing(conn, [one.recording_id], "P3M", datetime.now(UTC))
        await erasing.destroy_keys(conn, [one.recording_id])
        await erasing.bury(conn, {one.recording_id: ()}, datetime.now(UTC))
        await calls.forget(conn, [one.call.id], datetime.now(UTC))
    assert (await destroy(site, database, day)).destroyed
    assert day_name(day) not in open_keyring(site).names()
    assert not (await destroy(site, database, day, dry_run=True)).there


async def test_who_destroys_a_days_key_is_on_record(site: Config, database: Database) -> None:
    day = day_of(LONG_AGO)
    open_keyring(site).publish([day])
    await destroy(site, database, day)
    (gone,) = await entries(database)
    assert (gone["action"], gone["object"]) == ("key:destroy", f"key:{day_name(day)}")
    assert (gone["actor"]["kind"], "actor.name" in gone["personal"]) == ("operator", True)


async def test_a_day_that_is_not_over_keeps_its_key(site: Config, database: Database) -> None:
    today = day_of(datetime.now(UTC))
    open_keyring(site).publish([today])
    with pytest.raises(KeyInUse, match="the day is not over"):
        await destroy(site, database, today)


async def test_a_call_that_is_only_in_the_journal_keeps_its_days_key(site: Config, database: Database) -> None:
    (one,) = await several(site, database, 1)
    day = day_of(LONG_AGO)
    with Journal(site.storage.journal) as journal:
        await journal.append(one.call, None)
    async with database.transaction() as conn:
        await conn.execute("DELETE FROM recording_agent")
        await conn.execute("DELETE FROM recording")
        await conn.execute("DELETE FROM call")
    with pytest.raises(KeyInUse, match="calls that are not finished"):
        await destroy(site, database, day)


async def test_a_part_keeps_its_days_key(site: Config, database: Database) -> None:
    ring = open_keyring(site)
    day = day_of(LONG_AGO)
    ring.publish([day])
    (one,) = await several(site, database, 1, datetime.now(UTC))
    part = Parts(site.storage.vault, ring).begin(one.recording_id, day, 0)
    part.append(memoryview(bytes(16384)))
    part.close()
    with pytest.raises(KeyInUse, match=r"1 part\(s\)"):
        await destroy(site, database, day)


# --- by hand


def test_a_keyring_is_not_made_over_recordings_unless_one_insists(site: Config) -> None:
    site.storage.journal.mkdir()
    with pytest.raises(RecordingsNeedKeys):
        key_admin.make(site, None, despite_recordings=False)
    ring = key_admin.make(site, None, despite_recordings=True)
    assert len(ring.public.days()) == 32
    with pytest.raises(KeyringExists):
        key_admin.make(site, None, despite_recordings=True)


async def test_a_status_counts_what_is_there(site: Config) -> None:
    ring = key_admin.make(site, None, despite_recordings=False)
    for _ in range(10):
        ring.make_hold()
    ring.destroy("hold-1")
    found = await key_admin.status(site)
    assert (found.hold_keys[0], found.hold_keys[-1]) == ("hold-2", "hold-11")
    assert (found.days_left, found.day_keys, found.service_locked, found.root_key) == (32, 32, None, "file")
    with pytest.raises(KeyDestroyed):
        ring.public.raw("hold-1")
