"""Sealed files are read again before anybody needs them: what has rotted is known while a backup still has it.

Each week a part of every file: that it belongs to its recording, that it ends where it ended, and one chunk anywhere.
Each 45 days all of it: once in the life of a recording that is kept for three months. The SHA-256 of the sealed bytes
needs no key: while the keyring is locked it is all that is compared.

The copy in the S3 store, too: each week what the store says of it, each 45 days all its bytes. One that was changed is
damage, and is sent again where the vault has its file.
"""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import KeyringLocked, ObjectDiffers, ObjectStoreAway, ObjectStoreRefused, RecorderError
from ari_recorder.services import reconcile, reconcile_store, verify
from ari_recorder.storage import audit, health, remote_copies
from ari_recorder.storage.db import Database
from ari_recorder.storage.health import ToScrub
from ari_recorder.storage.remote_copies import Copy
from ari_recorder.vault.recordings import Vault
from ari_recorder.vault.stream import CHUNK_BYTES

log = structlog.get_logger(__name__)

SCRUB_EVERY = timedelta(days=7)
VERIFY_EVERY = timedelta(days=45)
LOOK_EVERY = timedelta(hours=1)
RECONCILE_EVERY = timedelta(days=1)
_BATCH = 100
# Live calls come first: after each file, as long a rest as this many times the work.
REST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """`damaged`: what was found wrong, in words, by recording."""

    looked_at: int
    verified: int
    damaged: dict[UUID, str]


class Scrub:
    """`run` is the service's job, `run_once` looks at what is due."""

    def __init__(self, *, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def run(self, stop: asyncio.Event) -> None:
        reconciled = None
        while not stop.is_set():
            await self.run_once(datetime.now(UTC), stop)
            if reconciled is None or time.monotonic() - reconciled > RECONCILE_EVERY.total_seconds():
                reconcile.tell(await reconcile.reconcile(self._database, self._vault.files.folder, mend=True))
                if self._vault.files.store is not None:
                    reconcile.tell(await reconcile_store.reconcile(self._database, self._vault.files.store, mend=True))
                reconciled = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def run_once(
        self, now: datetime, stop: asyncio.Event, *, every: timedelta = SCRUB_EVERY, whole: timedelta = VERIFY_EVERY
    ) -> Scrubbed:
        """All that was last looked at before `now` less `every`; all of what was last verified before `whole`."""
        looked_at = verified = 0
        damaged: dict[UUID, str] = {}
        place = await asyncio.to_thread(self._vault.files.identity)
        while not stop.is_set():
            async with self._database.transaction() as conn:
                waiting = await health.to_scrub(conn, now - every, now - whole, _BATCH, place)
            if not waiting:
                break
            async with self._database.transaction() as conn:
                copies = await remote_copies.of(conn, [one.id for one in waiting])
            for one in waiting:
                began = time.monotonic()
                try:
                    damage, of_copy = await asyncio.to_thread(self._look, one, copies.get(one.id))
                except (ObjectStoreAway, ObjectStoreRefused) as error:
                    # What nobody could look at was not looked at: it keeps its turn.
                    log.warning("scrub_put_off", code=error.code, because=str(error))
                    return Scrubbed(looked_at=looked_at, verified=verified, damaged=damaged)
                async with self._database.transaction() as conn:
                    if of_copy:
                        await remote_copies.differs(conn, one.id, now)
                    await health.scrubbed(conn, one.id, now, whole=one.whole, damage=damage)
                    if damage is not None:
                        entry = Entry(
                            action=Action.RECORDING_DAMAGE,
                            actor=Actor.service("scrub"),
                            outcome=Outcome.FAILED,
                            object=f"recording:{one.id}",
                        )
                        await audit.append(conn, entry, now)
                looked_at += 1
                verified += one.whole
                if damage is not None:
                    damaged[one.id] = damage
                    log.error("alarm", alarm=AlarmCode.RECORDING_DAMAGED.value, subject=str(one.id), because=damage)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), REST * (time.monotonic() - began))
                if stop.is_set():
                    break
        if looked_at:
            log.info("scrub_finish", looked_at=looked_at, verified=verified, damaged=len(damaged))
        return Scrubbed(looked_at=looked_at, verified=verified, damaged=damaged)

    def _look(self, one: ToScrub, copy: Copy | None) -> tuple[str | None, bool]:
        """In words what is wrong, or None; and whether it is the copy in the S3 store that is."""
        try:
            self._look_here(one)
        except (ObjectStoreAway, ObjectStoreRefused):
            raise
        except RecorderError as error:
            return str(error), False
        except OSError as error:  # a disk that cannot read one file must not keep the others from being read
            return f"it cannot be read: {error.strerror or type(error).__name__}", False
        store = self._vault.files.store
        if store is not None and copy is not None and copy.etag is not None and copy.place == store.place.name:
            try:
                verify.compare_copy(store, one.path, one.sha256, copy.etag, whole=one.whole)
            except ObjectDiffers as error:
                return str(error), True
        return None, False

    def _look_here(self, one: ToScrub) -> None:
        if one.whole:
            verify.compare_hash(self._vault, one.path, one.sha256)
        with contextlib.suppress(KeyringLocked):  # then the comparison is what there is
            if one.whole:
                verify.read_all(self._vault, one.path, one.wrapped_key, one.id, one.label)
            else:
                self._read_one_chunk(one)

    def _read_one_chunk(self, one: ToScrub) -> None:
        with self._vault.open_recording(one.path, one.wrapped_key, one.id, one.label) as opened:
            if opened.size:
                opened.read(secrets.randbelow(opened.size), CHUNK_BYTES)
