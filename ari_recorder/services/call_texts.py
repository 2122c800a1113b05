"""What people type about a call, sealed so that it dies with it: read and written here, kept alive by kept_keys.py."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.errors import KeyDestroyed, RecordingErased, SealedTextRefused
from ari_recorder.storage import call_texts, day_keys
from ari_recorder.storage.call_texts import CallText
from ari_recorder.storage.db import Connection
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

TEXT_PURPOSE = "call-text"


class CallTexts:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def write(self, conn: Connection, recording_id: UUID, call_id: UUID, key_name: str, text: str) -> UUID:
        """Under the key of a recording of the call, whose row is locked: nobody erases or wraps it anew meanwhile."""
        if await day_keys.kept_alive(conn, [key_name]):
            raise RecordingErased(recording_id=recording_id, because="the key of its day is being destroyed")
        text_id = uuid4()
        seal = self._keyring.public.seal_text
        sealed = await asyncio.to_thread(seal, key_name, text, TEXT_PURPOSE, text_id)
        await call_texts.insert(conn, CallText(id=text_id, call_id=call_id, sealed=sealed, key_name=key_name))
        return text_id

    async def read(self, conn: Connection, ids: Collection[UUID]) -> dict[UUID, str]:
        """Those that are there and open. KeyringLocked where there is something to open."""
        sealed = await call_texts.get(conn, ids) if ids else {}
        return await asyncio.to_thread(self._open, sealed)

    def _open(self, sealed: Mapping[UUID, bytes]) -> dict[UUID, str]:
        opened = {}
        for text_id, text in sealed.items():
            with contextlib.suppress(KeyDestroyed):
                try:
                    opened[text_id] = self._keyring.open_text(text, TEXT_PURPOSE, text_id)
                except SealedTextRefused as error:
                    log.error("call_text_fail", text_id=str(text_id), code=error.code)
        return opened
