"""Callers are found by their number, though no number is in the database: a blind index, made after the call.

    call.caller_index = HMAC-SHA-256(index key, 06 | "caller" | number in E.164, as "+358401234567")
    index key         = the symmetric key index-<call.caller_index_version>

Of a number that was corrected it is the newest correction's: the call is found by what is right.

A call is stored with its caller sealed, which needs no secret; the index needs one. It is therefore made by a job of
its own, while the keyring is unlocked, and again for every call when the index key is changed.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.errors import KeyringLocked, NumberRefused, RecorderError, Unavailable
from ari_recorder.domain.phone import e164
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.callers import open_caller
from ari_recorder.storage import caller_index
from ari_recorder.storage.caller_index import SealedCaller
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

PURPOSE = "caller"
# Who asks for a call of a minute ago asks the agent.
LOOK_EVERY = timedelta(seconds=30)
_BATCH = 200
# What has no number, or whose key is gone, is never asked for.
NOBODY = b""


class CallerIndex:
    """`run` is the service's job."""

    def __init__(
        self, *, database: Database, keyring: Keyring, then: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """`then`: what becomes of calls that are found by number from here on."""
        self._database = database
        self._keyring = keyring
        self._then = then
        self._texts = CallTexts(keyring)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.run_once(stop)
            if self._then is not None:
                await self._then()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def run_once(self, stop: asyncio.Event) -> int:
        """Until every call is indexed; how many were. Nothing while the keyring is locked."""
        done = 0
        while not stop.is_set() and not self._keyring.locked:
            version = self._keyring.index_version
            async with self._database.transaction() as conn:
                waiting = await caller_index.not_indexed(conn, version, limit=_BATCH)
            if not waiting:
                break
            try:
                async with self._database.transaction() as conn:
                    corrected = await self._texts.read(conn, [one.corrected_id for one in waiting if one.corrected_id])
                indexed = await asyncio.to_thread(self._index, waiting, corrected)
            except KeyringLocked:
                break
            async with self._database.transaction() as conn:
                await caller_index.set_index(conn, indexed, version)
            done += len(indexed)
        if done:
            log.info("callers_index", calls=done)
        return done

    def _index(self, waiting: Sequence[SealedCaller], corrected: Mapping[UUID, str]) -> dict[UUID, bytes]:
        return {
            one.call_id: self._index_one(one, corrected.get(one.corrected_id) if one.corrected_id else None)
            for one in waiting
        }

    def _index_one(self, one: SealedCaller, corrected: str | None) -> bytes:
        try:
            original = open_caller(self._keyring, one.call_id, one.personal).num
            number = e164(json.loads(corrected)["value"] if corrected is not None else original)
        except Unavailable:  # the keyring was locked just now, or cannot be read: this says nothing about the call
            raise
        except RecorderError as error:
            log.error("caller_index_fail", call_id=str(one.call_id), code=error.code)
            return NOBODY
        return index_of(self._keyring, number) if number else NOBODY


def index_of(keyring: Keyring, number: str) -> bytes:
    """What stands for this number in the database. `number` as e164() gives it."""
    return keyring.index(PURPOSE, number)


async def search_key(database: Database, keyring: Keyring, text: str) -> tuple[bytes, int]:
    """What to look for to find the calls of this number, and how many calls cannot be found yet."""
    number = e164(text)
    if not number:
        raise NumberRefused(text=text)
    async with database.transaction() as conn:
        waiting = await caller_index.count_not_indexed(conn, keyring.index_version)
    return index_of(keyring, number), waiting
