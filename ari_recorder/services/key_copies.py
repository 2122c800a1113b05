"""Public halves of the keys, from the hosts that make them to those that record: through the database.

    storage.keys of a host with web or sweep ──publish──► public_key ──take──► storage.keys of a host with capture alone

There are halves for 31 days to come, so a database that is away for weeks stops no recording. Each half is signed; who
takes it knows by whom from the first time on. Nobody can listen with them, and nothing here is secret.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import KeyringForeign, PublicKeysMissing, RecorderError, Unavailable
from ari_recorder.services.keys import FEW_DAYS, days_left
from ari_recorder.storage import public_keys
from ari_recorder.storage.db import Database
from ari_recorder.supervise import either
from ari_recorder.vault import key_copies
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

_LOOK_EVERY = timedelta(minutes=10)


async def fetch(database: Database, folder: Path) -> int:
    """What was published is in that folder; how many halves are new. PublicKeysMissing."""
    async with database.transaction() as conn:
        found = await public_keys.published(conn)
    if found is None:
        raise PublicKeysMissing(path=folder)
    return await asyncio.to_thread(key_copies.take, folder, found.facts, found.halves, found.destroyed)


async def publish(database: Database, keyring: Keyring) -> tuple[str, ...]:
    """What this host has is in the database; the names of halves that are there, and others. KeyringForeign."""
    facts = await asyncio.to_thread(key_copies.facts, keyring)
    halves = await asyncio.to_thread(key_copies.halves, keyring)
    async with database.transaction() as conn:
        if await public_keys.installation(conn, keyring.installation, facts) != keyring.installation:
            raise KeyringForeign(path=keyring.folder)
        await public_keys.forget_destroyed(conn)
        return await public_keys.put(conn, halves)


class KeyCopies:
    """`run` is the service's job. `makes`: this host makes keys, and publishes; else it takes."""

    def __init__(self, *, database: Database, keyring: Keyring, makes: bool) -> None:
        self._database = database
        self._keyring = keyring
        self._makes = makes
        self._wake = asyncio.Event()
        self._told: set[str] = set()

    def wake(self) -> None:
        """There are new ones."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            try:
                await (self._publish() if self._makes else self._take())
            except Unavailable as error:
                log.warning("key_copies_retry", code=error.code)
            except RecorderError as error:
                self._tell(AlarmCode.KEYS_DIFFER, error.code, str(error))
            await either(stop, self._wake, within=_LOOK_EVERY)

    async def _publish(self) -> None:
        for name in await publish(self._database, self._keyring):
            self._tell(AlarmCode.KEYS_DIFFER, name, "another host made a key of that name: the hosts share no folder")

    async def _take(self) -> None:
        if new := await fetch(self._database, self._keyring.folder):
            log.info("key_copies_take", count=new)
        left = await asyncio.to_thread(days_left, self._keyring.public, datetime.now(UTC))
        if left < FEW_DAYS:
            because = f"there are day keys for {left} more day(s): unlock the keyring of a host that makes them"
            self._tell(AlarmCode.KEYRING_LOCKED, f"{left}-days", because)

    def _tell(self, alarm: AlarmCode, subject: str, because: str) -> None:
        if subject not in self._told:
            self._told.add(subject)
            log.error("alarm", alarm=alarm.value, subject=subject, because=because)
