"""The audit log's entries: written in the transaction of what they tell of, read by page. Their tree: audit_tree.py.

append ─► audit_pending ──sequenced within a second──► audit_entry          personal fields ─► audit_personal
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any
from uuid import UUID, uuid4, uuid5

from ari_recorder.domain.audit import LOOKS, SALT_BYTES, Action, Commitment, Entry, Leaf, Outcome
from ari_recorder.storage import commands
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An entry as it is in the tree. `leaf`: the text that was hashed. `personal`: what of it was not erased."""

    seq: int
    id: UUID
    at: datetime
    leaf: str
    personal: tuple[Commitment, ...]

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the leaf says."""
        fields: Mapping[str, Any] = json.loads(self.leaf)
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries. `actor`: an id, a name as it was written down, or as the account or person has it now. None: any.
    `until` itself does not belong."""

    since: datetime | None = None
    until: datetime | None = None
    actions: tuple[Action, ...] | None = None
    outcome: Outcome | None = None
    actor: str | None = None
    object: str | None = None


ALL = Wanted()
# Any, the same for every version for ever.
_ONCE = UUID("6b0f4f0e-8a4c-5d0e-9b0e-3f6f1d1b8c55")


async def is_there(conn: Connection) -> None:
    """The log could be written now. Whoever keeps it locked keeps the audio locked."""
    await conn.execute("LOCK TABLE audit_pending IN ROW EXCLUSIVE MODE")


async def append(conn: Connection, entry: Entry, at: datetime) -> None:
    """Written down with the change it tells of: both are there, or neither."""
    await append_many(conn, [entry], at)


async def append_many(conn: Connection, entries: Iterable[Entry], at: datetime) -> None:
    """What was done for an order is refused when that order was carried out before: CommandDone."""
    salts = _salts()
    told = tuple(entries)
    orders = {
        (entry.actor.command, entry.actor.request)
        for entry in told
        if entry.actor.command is not None and entry.outcome is Outcome.OK and entry.action not in LOOKS
    }
    for command, request in orders:
        await commands.done(conn, command, request, at)
    leaves = [entry.leaf(uuid4(), at, salts) for entry in told]
    if leaves:
        await _insert(conn, leaves, at)


async def append_once(conn: Connection, entry: Entry, at: datetime, key: str) -> None:
    """For what may be stored again and happened once. `key` says what happened."""
    entry_id = uuid5(_ONCE, key)
    known = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM audit_pending WHERE id = $1) OR EXISTS (SELECT FROM audit_entry WHERE id = $1)
        """,
        entry_id,
    )
    if not known:
        await _insert(conn, [entry.leaf(entry_id, at, _salts())], at)


async def page(
    conn: Connection, wanted: Wanted = ALL, *, before: int | None = None, after: int | None = None, limit: int = 100
) -> tuple[Written, ...]:
    """The newest first. `before`: older than that entry; `after`: the next newer ones."""
    rows = await conn.fetch(
        f"""
        SELECT seq, id, at, leaf FROM audit_entry
        WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2)
          AND ($3::text[] IS NULL OR action = ANY($3)) AND ($4::text IS NULL OR outcome = $4)
          AND ($5::text IS NULL OR actor = $5
            -- Some entries carry no name: who logs in is an account until then.
            OR actor IN (SELECT id::text FROM account WHERE name = lower($5) OR lower(full_name) = lower($5))
            OR id IN (SELECT entry_id FROM audit_personal WHERE field = 'actor.name' AND value IN ($5, lower($5))))
          AND ($6::text IS NULL OR object = $6)
          AND ($7::bigint IS NULL OR seq < $7) AND ($8::bigint IS NULL OR seq > $8)
        ORDER BY seq {"ASC" if after is not None else "DESC"} LIMIT $9
        """,  # noqa: S608
        wanted.since,
        wanted.until,
        [one.value for one in wanted.actions] if wanted.actions is not None else None,
        wanted.outcome.value if wanted.outcome is not None else None,
        wanted.actor,
        wanted.object,
        before,
        after,
        limit,
    )
    return await _with_personal(conn, list(reversed(rows)) if after is not None else rows)


async def newest_fact(conn: Connection, action: Action, name: str, host: str) -> Any:
    """That fact of the host's newest entry of its kind, whether it has its place yet or not; None if there is none.
    Entries from before hosts had names are any host's."""
    return await conn.fetchval(
        """
        SELECT leaf::jsonb -> 'facts' ->> $2 FROM (
            (SELECT 1 AS newer, place, leaf FROM audit_pending WHERE leaf::jsonb ->> 'action' = $1
                AND coalesce(leaf::jsonb -> 'facts' ->> 'host', $3) = $3
             ORDER BY place DESC LIMIT 1)
            UNION ALL
            (SELECT 0, seq, leaf FROM audit_entry WHERE action = $1
                AND coalesce(leaf::jsonb -> 'facts' ->> 'host', $3) = $3
             ORDER BY seq DESC LIMIT 1)
        ) AS found ORDER BY newer DESC LIMIT 1
        """,
        action.value,
        name,
        host,
    )


async def get(conn: Connection, seq: int) -> Written | None:
    found = await leaves(conn, seq, seq + 1)
    return found[0] if found else None


async def leaves(conn: Connection, begin: int, end: int) -> tuple[Written, ...]:
    """Entries of the tree in its order, from `begin` up to but not including `end`."""
    rows = await conn.fetch(
        "SELECT seq, id, at, leaf FROM audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq", begin, end
    )
    return await _with_personal(conn, rows)


async def forget_personal(conn: Connection, entries: Sequence[UUID]) -> int:
    """Erase names, addresses and texts of these entries. Every proof stays valid."""
    done = await conn.execute("DELETE FROM audit_personal WHERE entry_id = ANY($1::uuid[])", list(entries))
    return int(done.rpartition(" ")[2])


async def _with_personal(conn: Connection, rows: Sequence[Row]) -> tuple[Written, ...]:
    found: dict[UUID, list[Commitment]] = {row["id"]: [] for row in rows}
    for row in await conn.fetch(
        "SELECT * FROM audit_personal WHERE entry_id = ANY($1::uuid[]) ORDER BY field", list(found)
    ):
        one = Commitment(field=row["field"], salt=row["salt"], value=row["value"])
        found[row["entry_id"]].append(one)
    return tuple(
        Written(seq=row["seq"], id=row["id"], at=row["at"], leaf=row["leaf"], personal=tuple(found[row["id"]]))
        for row in rows
    )


async def _insert(conn: Connection, leaves: Sequence[Leaf], at: datetime) -> None:
    personal = [(leaf.id, one) for leaf in leaves for one in leaf.personal]
    await conn.execute(
        """
        WITH personal AS (
            INSERT INTO audit_personal (entry_id, field, salt, value)
            SELECT * FROM unnest($4::uuid[], $5::text[], $6::bytea[], $7::text[])
        )
        INSERT INTO audit_pending (id, at, leaf)
        SELECT id, $3, leaf FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS given (id, leaf, place)
        ORDER BY place
        """,
        [leaf.id for leaf in leaves],
        [leaf.text for leaf in leaves],
        at,
        [entry_id for entry_id, _ in personal],
        [one.field for _, one in personal],
        [one.salt for _, one in personal],
        [one.value for _, one in personal],
    )


def _salts() -> Iterator[bytes]:
    return (secrets.token_bytes(size) for size in repeat(SALT_BYTES))
