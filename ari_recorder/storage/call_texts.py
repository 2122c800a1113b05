"""The table `call_text`: what people typed about a call, sealed. It goes when the call is forgotten; no keys here.

    typed ─► sealed to the key of a recording of the call that is there
             ├─ a hold is placed: to the hold key, with the caller; it ends: back     services/kept_keys.py
             ├─ a key is replaced: to the new one                                     services/rewrap.py
             └─ the last recording of the call is erased: the row goes                calls.forget

So it never outlives the key of the day, or what holds the call: copies of the row in backups are noise from then on.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class CallText:
    id: UUID
    call_id: UUID
    sealed: bytes = field(repr=False)
    key_name: str


async def insert(conn: Connection, text: CallText) -> None:
    """The row of a recording of the call is locked, and its key is kept alive."""
    await conn.execute(
        "INSERT INTO call_text (id, call_id, sealed, key_name) VALUES ($1, $2, $3, $4)",
        text.id,
        text.call_id,
        text.sealed,
        text.key_name,
    )


async def get(conn: Connection, ids: Collection[UUID]) -> dict[UUID, bytes]:
    """Those that are there still."""
    rows = await conn.fetch("SELECT id, sealed FROM call_text WHERE id = ANY($1::uuid[])", list(ids))
    return {row["id"]: row["sealed"] for row in rows}


async def lock_of_calls(conn: Connection, call_ids: Collection[UUID]) -> tuple[CallText, ...]:
    rows = await conn.fetch(
        "SELECT * FROM call_text WHERE call_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(call_ids)
    )
    return tuple(
        CallText(id=row["id"], call_id=row["call_id"], sealed=row["sealed"], key_name=row["key_name"]) for row in rows
    )


async def reseal(conn: Connection, sealed: Mapping[UUID, bytes], names: Mapping[UUID, str]) -> None:
    await conn.execute(
        """
        UPDATE call_text SET sealed = given.sealed, key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS given (id, sealed, name)
        WHERE call_text.id = given.id
        """,
        list(sealed),
        list(sealed.values()),
        [names[one] for one in sealed],
    )
