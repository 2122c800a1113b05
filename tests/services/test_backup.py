"""What a backup still holds when its day has gone: noise, but for what is held."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import KeyDestroyed
from ari_recorder.domain.retention import Period, StoredState
from ari_recorder.services.callers import CALLER_PURPOSE
from ari_recorder.services.certify import Certifier
from ari_recorder.services.day_keys import DayKeys
from ari_recorder.services.holds import HoldTerms
from ari_recorder.storage import calls
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import Parts
from ari_recorder.vault.wrapping import day_name
from tests.keyring_for_tests import keyring_in
from tests.services.house import PERSON, House, at
from tests.storage.calls_for_tests import BEGAN

DAY = date(2026, 11, 23)
DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)
TERMS = HoldTerms(reason="A threat.", reference="1/26", owner="Sari", review_on=date(2027, 11, 1))


def keyring_again(folder: Path) -> Keyring:
    """As another process reads it: no key is in memory from before."""
    keyring = Keyring.open(folder / "keys")
    keyring.unlock(root_key=folder / "root.key")
    return keyring


async def test_a_restored_backup_of_a_day_that_has_gone_plays_what_is_held_and_nothing_else(tmp_path: Path) -> None:
    """A copy of PostgreSQL, the write-ahead log with it, and one of the vault. The keys have a backup of their own,
    which forgets: their folder stays what it is."""
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    keyring = keyring_in(tmp_path, DAY)
    ordinary, held = at(BEGAN), at(BEGAN)

    server = EmbeddedPostgres(tmp_path / "database", tmp_path / "logs")
    await server.start()
    async with Database(server.dsn) as database:
        await migrate(database)
        house = House(database, files.folder, keyring=keyring)
        await house.store(ordinary, held)
        await house.holds().place([held.recordings[0].id], TERMS, Actor.operator("sari"))
        for call in (ordinary, held):
            assert await house.plays(call.recordings[0])
    await server.stop()
    shutil.copytree(tmp_path / "database", tmp_path / "backup" / "database")
    shutil.copytree(files.folder, tmp_path / "backup" / "vault")

    await server.start()
    async with Database(server.dsn) as database:
        house = replace(house, database=database)
        house.clocks.time = DUE
        days = DayKeys(
            database=database,
            keyring=keyring,
            parts=Parts(files.folder, keyring),
            clocks=house.clocks,
            in_journal=frozenset,
        )
        month = Period.parse("P1M")
        certifier = Certifier(database=database, keyring=keyring, clocks=house.clocks, backups_kept=month)
        await house.sweep(chores=[days.destroy_due, certifier.certify]).run_once()
        assert (await house.state(ordinary), await house.state(held)) == (StoredState.ERASED, StoredState.SEALED)
        assert day_name(DAY) not in keyring.names()
    await server.stop()

    restored = EmbeddedPostgres(tmp_path / "backup" / "database", tmp_path / "logs")
    await restored.start()
    async with Database(restored.dsn) as database:
        old = House(database, tmp_path / "backup" / "vault", keyring=keyring)
        # The backup has everything as it was: row, wrapped key and sealed file.
        row = await old.row(ordinary.recordings[0].id)
        assert row.state is StoredState.SEALED
        assert row.wrapped_key is not None
        assert old.file(ordinary.recordings[0]).exists()
        for opened in (keyring, keyring_again(tmp_path)):
            with pytest.raises(KeyDestroyed):
                opened.unwrap(row.wrapped_key, row.id)
            async with database.transaction() as conn:
                personal = (await calls.get(conn, [ordinary.id]))[ordinary.id].personal
            assert personal is not None
            with pytest.raises(KeyDestroyed):
                opened.open_text(personal.sealed, CALLER_PURPOSE, ordinary.id)
        assert not await old.plays(ordinary.recordings[0])
        assert await old.plays(held.recordings[0])
        assert await old.caller(held.id) == PERSON
    await restored.stop()
