"""The table `keeping`: which recordings a hold or a freeze keeps, and the keys they lie under meanwhile.

    recording.keeps = how many rows of `keeping` of it have not ended

`keeps` is in the row of the recording, so that whoever wants to erase it and whoever wants to keep it lock the same row
and the second sees what the first has done; a constraint refuses a row that is kept and not sealed. Holds and freezes
themselves: holds.py.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.retention import StoredState
from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A recording whose row is locked, with what its keys and its retention want to know. `call_over`: its caller can
    say no no more."""

    id: UUID
    call_id: UUID
    state: StoredState
    queue: str
    started_at: datetime
    kept_from: datetime
    keeps: int
    wrapped_key: bytes | None = field(repr=False)
    key_name: str | None
    erased_because: str | None
    flagged: bool
    undecided: bool
    call_over: bool
    quarantined_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCall:
    id: UUID
    first_seen_at: datetime
    personal: bytes | None = field(repr=False)
    personal_key_name: str | None


async def of_same_calls(conn: Connection, ids: Collection[UUID]) -> tuple[UUID, ...]:
    """These recordings, and all others of their calls that are not erased."""
    rows = await conn.fetch(
        """
        SELECT id FROM recording
        WHERE id = ANY($1::uuid[]) OR (state <> 'erased' AND call_id IN (
            SELECT call_id FROM recording WHERE id = ANY($1::uuid[])
        ))
        """,
        list(ids),
    )
    return tuple(row["id"] for row in rows)


async def of_calls(conn: Connection, call_ids: Collection[UUID]) -> tuple[UUID, ...]:
    """All recordings of these calls that are there."""
    rows = await conn.fetch(
        "SELECT id FROM recording WHERE call_id = ANY($1::uuid[]) AND state = 'sealed'", list(call_ids)
    )
    return tuple(row["id"] for row in rows)


async def lock(conn: Connection, ids: Collection[UUID]) -> tuple[Locked, ...]:
    """Their rows, locked until the transaction ends. Always in the order of their ids: nobody waits in a circle."""
    await conn.fetch("SELECT FROM recording WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(ids))
    return await read(conn, ids)


async def read(conn: Connection, ids: Collection[UUID]) -> tuple[Locked, ...]:
    """The same rows for who only looks."""
    rows = await conn.fetch(
        """
        SELECT recording.id, call_id, recording.state, recording.queue, started_at, kept_from, keeps, wrapped_key,
               key_name, erased_because, call.flagged, call.flagged AND decision IS NULL AS undecided,
               call.state = 'ended' AS call_over, quarantined_until
        FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.id = ANY($1::uuid[]) ORDER BY started_at, recording.id
        """,
        list(ids),
    )
    return tuple(
        Locked(
            id=row["id"],
            call_id=row["call_id"],
            state=StoredState(row["state"]),
            queue=row["queue"],
            started_at=row["started_at"],
            kept_from=row["kept_from"],
            keeps=row["keeps"],
            wrapped_key=row["wrapped_key"],
            key_name=row["key_name"],
            erased_because=row["erased_because"],
            flagged=row["flagged"],
            undecided=row["undecided"],
            call_over=row["call_over"],
            quarantined_until=row["quarantined_until"],
        )
        for row in rows
    )


async def lock_calls(conn: Connection, ids: Collection[UUID]) -> tuple[LockedCall, ...]:
    rows = await conn.fetch(
        """
        SELECT id, first_seen_at, personal, personal_key_name FROM call
        WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
        """,
        list(ids),
    )
    return tuple(
        LockedCall(
            id=row["id"],
            first_seen_at=row["first_seen_at"],
            personal=row["personal"],
            personal_key_name=row["personal_key_name"],
        )
        for row in rows
    )


async def rewrap(conn: Connection, keys: Mapping[UUID, bytes], names: Mapping[UUID, str]) -> None:
    await conn.execute(
        """
        UPDATE recording SET wrapped_key = given.wrapped, key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS given (id, wrapped, name)
        WHERE recording.id = given.id AND state = 'sealed'
        """,
        list(keys),
        list(keys.values()),
        [names[one] for one in keys],
    )


async def reseal(conn: Connection, call_id: UUID, personal: bytes, key_name: str) -> None:
    await conn.execute(
        "UPDATE call SET personal = $2, personal_key_name = $3 WHERE id = $1 AND personal IS NOT NULL",
        call_id,
        personal,
        key_name,
    )


async def kept_calls(conn: Connection, call_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the calls of which something is kept."""
    rows = await conn.fetch(
        "SELECT DISTINCT call_id FROM recording WHERE call_id = ANY($1::uuid[]) AND keeps > 0", list(call_ids)
    )
    return frozenset(row["call_id"] for row in rows)


async def keep(conn: Connection, keeper: UUID, ids: Collection[UUID], now: datetime) -> None:
    """From here on these recordings are kept. Their rows are locked."""
    await conn.execute(
        """
        INSERT INTO keeping (keeper, recording_id, since) SELECT $1, id, $3 FROM unnest($2::uuid[]) AS given (id)
        ON CONFLICT (keeper, recording_id) DO NOTHING
        """,
        keeper,
        list(ids),
        now,
    )
    await _count(conn, ids)


async def join(conn: Connection, call_ids: Collection[UUID], now: datetime) -> tuple[UUID, ...]:
    """A call is kept as a whole, as far as who keeps it reaches: what was stored of it later is kept by what keeps the
    rest. The ids of those that are kept from here on. The rows of the calls are locked, so that nobody keeps or stores
    something of them meanwhile."""
    rows = await conn.fetch(
        """
        INSERT INTO keeping (keeper, recording_id, since)
        SELECT DISTINCT keeper, late.id, $2::timestamptz
        FROM keeping JOIN recording AS kept ON kept.id = keeping.recording_id
            JOIN recording AS late ON late.call_id = kept.call_id LEFT JOIN hold ON hold.id = keeper
        WHERE kept.call_id = ANY($1::uuid[]) AND keeping.ended_at IS NULL AND late.state = 'sealed'
            AND (hold.queues IS NULL OR late.queue = ANY(hold.queues))
        ON CONFLICT (keeper, recording_id) DO NOTHING
        RETURNING recording_id
        """,
        list(call_ids),
        now,
    )
    joined = {row["recording_id"] for row in rows}
    if joined:
        await _count(conn, joined)
    return tuple(joined)


async def without_hold_key(conn: Connection, *, limit: int) -> tuple[UUID, ...]:
    """What is kept and lies under the key of its day still: it was stored after the rest of its call was kept."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT recording_id FROM keeping JOIN recording ON recording.id = recording_id
        WHERE keeping.ended_at IS NULL AND state = 'sealed' AND key_name NOT LIKE 'hold-%' LIMIT $1
        """,
        limit,
    )
    return tuple(row["recording_id"] for row in rows)


async def let_go(conn: Connection, keeper: UUID, now: datetime, ids: Collection[UUID] | None = None) -> None:
    """What it kept, or these of it, is kept by it no more. The rows are locked."""
    rows = await conn.fetch(
        """
        UPDATE keeping SET ended_at = $2
        WHERE keeper = $1 AND ended_at IS NULL AND ($3::uuid[] IS NULL OR recording_id = ANY($3))
        RETURNING recording_id
        """,
        keeper,
        now,
        list(ids) if ids is not None else None,
    )
    await _count(conn, [row["recording_id"] for row in rows])


async def of_keepers(conn: Connection, keepers: Collection[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    """The recordings each of these keeps, or kept."""
    rows = await conn.fetch(
        "SELECT keeper, recording_id FROM keeping WHERE keeper = ANY($1::uuid[]) ORDER BY since, recording_id",
        list(keepers),
    )
    found: dict[UUID, tuple[UUID, ...]] = {}
    for row in rows:
        found[row["keeper"]] = (*found.get(row["keeper"], ()), row["recording_id"])
    return found


async def kept_by(conn: Connection, keeper: UUID) -> tuple[UUID, ...]:
    rows = await conn.fetch("SELECT recording_id FROM keeping WHERE keeper = $1 AND ended_at IS NULL", keeper)
    return tuple(row["recording_id"] for row in rows)


async def _count(conn: Connection, ids: Collection[UUID]) -> None:
    await conn.execute(
        """
        UPDATE recording
        SET keeps = (SELECT count(*) FROM keeping WHERE recording_id = recording.id AND ended_at IS NULL)
        WHERE id = ANY($1::uuid[])
        """,
        list(ids),
    )
