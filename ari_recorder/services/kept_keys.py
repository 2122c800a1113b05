"""The keys of what is kept: data keys, callers and texts wrapped to the hold key, and back to the key of their day.

Within the transaction that places or ends what keeps them, with the rows locked: both stand or fall together. Ciphers
run in a thread meanwhile.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.errors import KeyringLocked
from ari_recorder.domain.retention import local_day
from ari_recorder.services.call_texts import TEXT_PURPOSE
from ari_recorder.services.callers import CALLER_PURPOSE
from ari_recorder.storage import call_texts, day_keys, keeping
from ari_recorder.storage.call_texts import CallText
from ari_recorder.storage.db import Connection
from ari_recorder.storage.keeping import Locked, LockedCall
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.wrapping import day_name

REASON_PURPOSE = "hold-reason"
REFUSAL_PURPOSE = "refusal"
REQUEST_PURPOSE = "request-text"


class KeptKeys:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def hold_name(self, conn: Connection) -> str:
        """The newest hold key. Nobody destroys it before the transaction ends: a rotation waits, and looks again."""
        while True:
            name = self._keyring.public.hold_name
            await day_keys.kept_alive(conn, [name])
            if self._keyring.public.hold_name == name:
                return name

    async def keep(self, conn: Connection, keeper: UUID, rows: Sequence[Locked], now: datetime) -> None:
        """Kept from here on by this hold or freeze, and under the hold key. The rows are locked."""
        await keeping.keep(conn, keeper, [row.id for row in rows], now)
        await self.to_hold(conn, rows)
        # That has locked the calls: what was stored of them since the recordings were locked is kept, too.
        late = await keeping.join(conn, {row.call_id for row in rows}, now)
        await self.to_hold(conn, await keeping.lock(conn, late))

    async def let_go(self, conn: Connection, keeper: UUID, rows: Sequence[Locked], now: datetime) -> None:
        """All that it keeps, which are these: what nothing else keeps goes back under the key of its day."""
        # What is being stored of these calls just now is kept by it until it is committed.
        await keeping.lock_calls(conn, {row.call_id for row in rows})
        await keeping.let_go(conn, keeper, now)
        await self.to_days(conn, [row for row in rows if row.keeps == 1])

    async def to_hold(self, conn: Connection, rows: Sequence[Locked]) -> None:
        """Everything of these recordings outlives the keys of their days. What lies under a hold key already stays."""
        calls = await keeping.lock_calls(conn, {row.call_id for row in rows})
        hold_name = await self.hold_name(conn)
        names = {row.id: hold_name for row in rows if not _is_hold_key(row.key_name)}
        callers = {call.id: hold_name for call in calls if not _is_hold_key(call.personal_key_name)}
        await self._under(conn, rows, names, calls, callers)
        texts = await call_texts.lock_of_calls(conn, [call.id for call in calls])
        await self._texts_under(conn, texts, {one.id: hold_name for one in texts if not _is_hold_key(one.key_name)})

    async def to_days(self, conn: Connection, rows: Sequence[Locked]) -> None:
        """Back, where the day still has its key; else they stay where they are until they are erased."""
        calls = await keeping.lock_calls(conn, {row.call_id for row in rows})
        still_kept = await keeping.kept_calls(conn, [call.id for call in calls])
        names = {row.id: day_name(local_day(row.started_at)) for row in rows}
        callers = {call.id: day_name(local_day(call.first_seen_at)) for call in calls if call.id not in still_kept}
        wanted = {*names.values(), *callers.values()}
        there = wanted - await day_keys.kept_alive(conn, wanted)
        there &= await asyncio.to_thread(self._keyring.public.names)
        await self._under(
            conn,
            rows,
            {one: name for one, name in names.items() if name in there},
            calls,
            {one: name for one, name in callers.items() if name in there},
        )
        texts = await call_texts.lock_of_calls(conn, list(callers))
        of_texts = {one.id: callers[one.call_id] for one in texts}
        await self._texts_under(conn, texts, {one: name for one, name in of_texts.items() if name in there})

    async def _under(
        self,
        conn: Connection,
        rows: Sequence[Locked],
        names: Mapping[UUID, str],
        calls: Sequence[LockedCall],
        callers: Mapping[UUID, str],
    ) -> None:
        """Wrapped to the keys named."""
        if self._keyring.locked and (names or callers):
            raise KeyringLocked
        keys, texts = await asyncio.to_thread(self._wrapped_anew, rows, names, calls, callers)
        await keeping.rewrap(conn, keys, names)
        for call_id, sealed in texts.items():
            await keeping.reseal(conn, call_id, sealed, callers[call_id])

    async def _texts_under(self, conn: Connection, texts: Sequence[CallText], names: Mapping[UUID, str]) -> None:
        if self._keyring.locked and names:
            raise KeyringLocked
        sealed = await asyncio.to_thread(self._texts_anew, texts, names)
        await call_texts.reseal(conn, sealed, names)

    def _texts_anew(self, texts: Sequence[CallText], names: Mapping[UUID, str]) -> dict[UUID, bytes]:
        return {
            one.id: self._keyring.reseal_text(one.sealed, TEXT_PURPOSE, one.id, names[one.id])
            for one in texts
            if one.id in names
        }

    def _wrapped_anew(
        self,
        rows: Sequence[Locked],
        names: Mapping[UUID, str],
        calls: Sequence[LockedCall],
        callers: Mapping[UUID, str],
    ) -> tuple[dict[UUID, bytes], dict[UUID, bytes]]:
        keys = {
            row.id: self._keyring.rewrap(row.wrapped_key, row.id, names[row.id])
            for row in rows
            if row.id in names and row.wrapped_key is not None
        }
        texts = {
            call.id: self._keyring.reseal_text(call.personal, CALLER_PURPOSE, call.id, callers[call.id])
            for call in calls
            if call.id in callers and call.personal is not None
        }
        return keys, texts


def _is_hold_key(name: str | None) -> bool:
    return name is not None and name.startswith("hold-")
