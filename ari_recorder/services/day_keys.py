"""Day keys destroyed when nothing of their day is left: then backups, WAL and copies of that day are noise, too.

    every queue's period is over, nothing of the day in database, journal and parts
      ─(row)─► destroying ─(both halves gone)─► destroyed ─(certify.py)─► certified

The row comes first, under a lock on the key's name: whoever ends a hold wraps back to the key before it, or not at all.
Whatever ends the service in between, the next sweep goes on. A locked keyring is no reason to wait.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import (
    KeyringDamaged,
    KeyringForeign,
    KeyringMissing,
    KeyringUnreadable,
    KeyringWriteFailed,
    NotWrapped,
    PartUnusable,
    SealedUnreadable,
)
from ari_recorder.domain.retention import Policy, midnight, whole_day_due
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit, day_keys, health, hosts, importing
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import Parts
from ari_recorder.vault.wrapping import day_name, day_of_name, key_name_of

log = structlog.get_logger(__name__)

DAY = timedelta(days=1)
# Of the keyring's folder or the vault's: what the database has to say is its own affair.
_TROUBLES = (
    KeyringDamaged,
    KeyringForeign,
    KeyringMissing,
    KeyringUnreadable,
    KeyringWriteFailed,
    PartUnusable,
    SealedUnreadable,
)
_BECAUSE = "the retention of every queue is over, and nothing of that day is left but what is held"
_SELF = Actor.service("day-keys")


class DayKeys:
    def __init__(
        self,
        *,
        database: Database,
        keyring: Keyring,
        parts: Parts,
        clocks: Clocks,
        in_journal: Callable[[], frozenset[str]],
    ) -> None:
        """`in_journal`: the names of the keys that calls in the journal need: they are not in the database yet."""
        self._database = database
        self._keyring = keyring
        self._parts = parts
        self._clocks = clocks
        self._in_journal = in_journal

    async def destroy_due(self, policy: Policy, now: datetime) -> None:
        """A chore of the sweep. One key that cannot be destroyed stops no other: it is told, and tried again."""
        async with self._database.transaction() as conn:
            unfinished = await day_keys.unfinished(conn)
        for name in unfinished:
            with _told(name):
                await self._destroy(name)
        names = await asyncio.to_thread(self._keyring.names) - set(unfinished)
        due = sorted(day for name in names if (day := day_of_name(name)) and whole_day_due(day, policy, now))
        for day in due:
            with _told(day_name(day)):
                await self.destroy(day, _BECAUSE)

    async def destroy(self, day: date, because: str, actor: Actor = _SELF) -> bool:
        """Unless anything is left of the day: False. That the day and its retention are over, the caller has seen."""
        name = day_name(day)
        needing = await asyncio.to_thread(parts_of, self._parts, name)
        if needing or name in self._in_journal():
            return False
        if unknown := await unknown_files(self._database, self._parts.files, day):
            because = f"its key is kept: {unknown} sealed file(s) of that day are not in this database"
            log.error("alarm", alarm=AlarmCode.VAULT_DIFFERS.value, subject=name, because=because)
            return False
        async with self._database.transaction() as conn:
            await day_keys.alone(conn, name)
            # What was recorded at midnight may be of the day before, or after.
            if await day_keys.anything_left(conn, name, midnight(day - DAY), midnight(day + 2 * DAY)):
                return False
            if waiting := await hosts.may_need(conn, name, midnight(day + 2 * DAY)):
                because = f"its key is kept: these hosts may have calls of that day: {', '.join(waiting)}"
                log.error("alarm", alarm=AlarmCode.ERASE_FAILED.value, subject=name, because=because)
                return False
            if await importing.wanted(conn, name, self._clocks.now()):
                return False
            await day_keys.begin(conn, name, day, because, self._clocks.now())
        await self._destroy(name, actor)
        return True

    async def _destroy(self, name: str, actor: Actor = _SELF) -> None:
        await asyncio.to_thread(self._keyring.destroy, name)
        async with self._database.transaction() as conn:
            await day_keys.finish(conn, name, self._clocks.now())
            entry = Entry(action=Action.KEY_DESTROY, actor=actor, object=f"key:{name}")
            await audit.append(conn, entry, self._clocks.now())
        log.info("day_key_destroy", key=name)


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except _TROUBLES as error:
        log.error("alarm", alarm=AlarmCode.ERASE_FAILED.value, subject=name, because=str(error))


async def unknown_files(database: Database, files: VaultFiles, day: date) -> int:
    """How many sealed files of that day this database does not know. Then it may be another one, or an old copy, and
    cannot say that nothing is left."""
    there = await asyncio.to_thread(files.of_day, day)
    async with database.transaction() as conn:
        unknown = there - (await health.of_ids(conn, there)).keys()
        return len(unknown - await importing.on_their_way(conn, unknown, datetime.now(UTC)))


def parts_of(parts: Parts, name: str) -> int:
    """How many live-sealed parts need this key. One that does not say which it needs counts for every key."""
    count = 0
    for recording_id in parts.recordings():
        try:
            count += sum(key_name_of(part.wrapped_key) == name for part in parts.of(recording_id))
        except (NotWrapped, PartUnusable) as error:
            because = f"day keys are kept, for it does not say which it needs: {error}"
            log.error("alarm", alarm=AlarmCode.ERASE_FAILED.value, subject=str(recording_id), because=because)
            count += 1
    return count
