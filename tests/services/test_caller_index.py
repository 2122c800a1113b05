"""A caller is found by number, whoever writes it how, and no number is in the database."""

import asyncio
from pathlib import Path

import pytest

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.errors import KeyringLocked, NumberRefused
from ari_recorder.services import connect, listen
from ari_recorder.services.caller_index import CallerIndex, search_key
from ari_recorder.services.clock import Clocks
from ari_recorder.services.corrections import Corrections
from ari_recorder.storage import caller_index, calls
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from tests.services.house import READER
from tests.services.listeners import person
from tests.site import NUMBER, prepare, record


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"'})


async def indexed(database: Database, keyring: Keyring) -> int:
    return await CallerIndex(database=database, keyring=keyring).run_once(asyncio.Event())


async def found(database: Database, keyring: Keyring, number: str) -> int:
    index, _ = await search_key(database, keyring, number)
    return len(await listen.find(database, listen.Wanted(caller_index=index), READER))


async def test_a_caller_is_found_however_the_number_is_written(site: Config, database: Database) -> None:
    await record(site, database)
    keyring = connect.keyring(site)
    assert (await search_key(database, keyring, NUMBER))[1] == 1, "not indexed yet, and it says so"
    assert await indexed(database, keyring) == 1
    assert (await search_key(database, keyring, NUMBER))[1] == 0
    international = "+358" + NUMBER.removeprefix("0")
    for written in (NUMBER, international, f"{NUMBER[:3]} {NUMBER[3:]}", international.replace("+", "00")):
        assert await found(database, keyring, written) == 1
    assert await found(database, keyring, NUMBER[:-1] + "9") == 0
    assert await indexed(database, keyring) == 0


async def test_the_database_does_not_tell_the_number(site: Config, database: Database) -> None:
    await record(site, database)
    await indexed(database, connect.keyring(site))
    async with database.transaction() as conn:
        text = str([dict(row) for row in await conn.fetch("SELECT * FROM call")])
        row = (await conn.fetch("SELECT caller_index FROM call"))[0]
    assert len(row["caller_index"]) == 32
    assert NUMBER not in text
    assert NUMBER.removeprefix("0") not in text


async def test_another_index_key_makes_every_index_anew(site: Config, database: Database) -> None:
    await record(site, database)
    keyring = connect.keyring(site)
    await indexed(database, keyring)
    async with database.transaction() as conn:
        before = await conn.fetchval("SELECT caller_index FROM call")
    keyring.make_index()
    assert await indexed(database, keyring) == 1
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT caller_index FROM call") != before
    assert await found(database, keyring, NUMBER) == 1


async def test_a_corrected_number_is_found_and_the_wrong_one_is_not(site: Config, database: Database) -> None:
    recorded = await record(site, database)
    keyring = connect.keyring(site)
    await indexed(database, keyring)
    right = Proposed(field=Correctable.CALLER_NUMBER, value="0407654321", because="one digit was wrong")
    corrections = Corrections(database=database, keyring=keyring, clocks=Clocks())
    await corrections.correct(person(Role.PRIVACY_OFFICER), recorded.recording_id, right)
    assert (await search_key(database, keyring, NUMBER))[1] == 1, "not indexed yet, and it says so"
    assert await indexed(database, keyring) == 1
    assert [await found(database, keyring, number) for number in ("040 765 4321", NUMBER)] == [1, 0]


async def test_locked_nothing_is_indexed_and_nothing_is_lost(site: Config, database: Database) -> None:
    await record(site, database)
    keyring = connect.keyring(site)
    keyring.lock()
    assert await indexed(database, keyring) == 0
    with pytest.raises(KeyringLocked):
        await search_key(database, keyring, NUMBER)
    connect.unlock(keyring, site)
    assert await indexed(database, keyring) == 1


async def test_a_caller_who_is_forgotten_is_found_no_more(site: Config, database: Database) -> None:
    recorded = await record(site, database)
    keyring = connect.keyring(site)
    await indexed(database, keyring)
    async with database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET state = 'erased', erasing_at = now(), erased_at = now(), erased_because = 'a test', "
            "path = NULL, wrapped_key = NULL, key_name = NULL, sides = NULL"
        )
        assert await calls.forget(conn, [recorded.call.id], recorded.call.first_seen_at) == 1
        assert await conn.fetchval("SELECT count(*) FROM call WHERE caller_index IS NOT NULL") == 0
        assert await caller_index.count_not_indexed(conn, keyring.index_version) == 0
    assert await found(database, keyring, NUMBER) == 0


async def test_what_is_no_number_is_refused(site: Config, database: Database) -> None:
    await record(site, database)
    with pytest.raises(NumberRefused, match="no telephone number"):
        await search_key(database, connect.keyring(site), "anonymous")
