"""Calls of which a recording is stored while, or after, something is kept of them or let go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import Call
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.recordings import Recording
from ari_recorder.services.rewrap import FallbackRescue
from ari_recorder.storage import calls, erasing, holds
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from tests.keyring_for_tests import keyring_in
from tests.services.house import House, at
from tests.services.test_holds import DUE, TERMS, sweep_at
from tests.storage.calls_for_tests import BEGAN, CALLER, sealed_facts


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    return House(database, files.folder, keyring=keyring_in(tmp_path, date(2026, 11, 23)))


def split(call: Call) -> tuple[Call, Call, Recording]:
    """The call as it is when its first recording was sealed, the call with the second one only, and that one."""
    first, late = call.recordings
    return replace(call, recordings=(first,)), replace(call, recordings=(late,)), late


@asynccontextmanager
async def being_stored(house: House, call: Call) -> AsyncIterator[None]:
    """Its rows are written, and committed at the end."""
    keyring = house.keyring
    assert keyring is not None
    (recording,) = call.recordings
    name = "day-2026-11-23"
    wrapped = keyring.public.wrap(name, bytes(32), recording.id).hex()
    facts = replace(sealed_facts(recording.id), key_name=name, wrapped_key=wrapped)
    call = replace(call, recordings=(replace(recording, sealed=facts),))
    async with house.database.transaction() as conn:
        await calls.upsert(conn, call, CALLER, LedgerState.RECORDED, "", timedelta(seconds=60), BEGAN)
        yield


async def keeps_of(house: House, recording: Recording) -> int:
    async with house.database.transaction() as conn:
        count: int = await conn.fetchval("SELECT keeps FROM recording WHERE id = $1", recording.id)
    return count


async def rescue(house: House) -> int:
    assert house.keyring is not None
    return await FallbackRescue(house.database, house.keyring).run_kept_once()


async def test_what_is_stored_later_of_a_held_call_is_held_too(house: House) -> None:
    first, second, late = split(at(BEGAN, parts=2))
    await house.store(first)
    view = await house.holds().place([first.recordings[0].id], TERMS, Actor.operator("sari"))
    await house.store(second)
    assert await sweep_at(house, DUE + timedelta(days=30)) == 0
    assert house.keyring is not None
    assert (await house.row(late.id)).key_name == "day-2026-11-23"
    house.keyring.lock()
    assert await rescue(house) == 0
    house.keyring.unlock(root_key=house.vault.parent / "root.key")
    assert await rescue(house) == 1
    assert (await house.row(late.id)).key_name == "hold-1"
    assert await rescue(house) == 0
    house.keyring.destroy("day-2026-11-23")
    assert await house.plays(late)
    await house.holds().release(view.hold.id, Actor.operator("olli"), yes=True)
    assert await sweep_at(house, DUE + timedelta(days=30)) == 2


async def test_what_is_being_stored_while_its_call_is_held_is_held_too(house: House) -> None:
    first, second, late = split(at(BEGAN, parts=2))
    await house.store(first)
    async with being_stored(house, second):
        placing = asyncio.create_task(house.holds().place([first.recordings[0].id], TERMS, Actor.operator("sari")))
        await asyncio.sleep(0.5)  # it waits for the row of the call
        assert not placing.done()
    await placing
    assert await keeps_of(house, late) == 1
    assert (await house.row(late.id)).key_name == "hold-1"


async def test_what_is_being_stored_while_its_call_is_let_go_is_not_kept_for_ever(house: House) -> None:
    first, second, late = split(at(BEGAN, parts=2))
    await house.store(first)
    view = await house.holds().place([first.recordings[0].id], TERMS, Actor.operator("sari"))
    async with being_stored(house, second):
        releasing = asyncio.create_task(house.holds().release(view.hold.id, Actor.operator("sari")))
        await asyncio.sleep(0.5)
        assert not releasing.done()
    await releasing
    assert await keeps_of(house, late) == 0
    assert await sweep_at(house, DUE) == 2


async def test_two_who_bury_the_last_recordings_of_a_hold_leave_nothing_of_it(house: House) -> None:
    call = at(BEGAN, parts=2)
    await house.store(call)
    ids = [recording.id for recording in call.recordings]
    view = await house.holds().place(ids, TERMS, Actor.operator("sari"))
    freeze = await house.holds().open_freeze(ids, "2026-77", Actor.operator("sari"))
    await house.holds().release(view.hold.id, Actor.operator("olli"))
    await house.holds().close_freeze(freeze.freeze.id, Actor.operator("olli"))
    async with house.database.transaction() as conn:
        await erasing.begin_erasing(conn, ids, "P3M", DUE)
        await erasing.destroy_keys(conn, ids)

    async def bury(which: int) -> None:
        async with house.database.transaction() as conn:
            await erasing.bury(conn, {ids[which]: ()}, DUE)
            await calls.forget(conn, [call.id], DUE)
            await holds.forget(conn, [ids[which]])
            if which == 0:
                task.append(asyncio.create_task(bury(1)))
                await asyncio.sleep(0.5)

    task: list[asyncio.Task[None]] = []
    await bury(0)
    await task[0]
    (listed,) = await house.holds().list_holds(ended=True)
    assert (listed.reason, listed.hold.reference, listed.hold.owner) == (None, "", "")
    assert (await house.holds().list_freezes(ended=True))[0].freeze.reference == ""
    assert await house.caller(call.id) is None
