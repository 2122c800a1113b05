"""The tables `delivery` and `delivery_recording`: packages that wait to be fetched. Rules: domain/deliveries.

A piece is counted, committed, before it is sent, as of exports: storage/disclosures.py.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.deliveries import LIVE, LOST_AFTER, MOST_TRIES, Delivery, DeliveryState
from ari_recorder.domain.disclosures import ReceiverKind
from ari_recorder.domain.packages import PackageKind
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.scoped import within


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A recording in a package. `text_id`: who gets it and why. `ground`: on which it was opened, of one restricted."""

    recording_id: UUID
    text_id: UUID
    ground: OpeningGround | None = None


async def insert(conn: Connection, one: Delivery, token_hash: bytes, recordings: Collection[Packed]) -> None:
    await conn.execute(
        """
        INSERT INTO delivery (
            id, token_hash, package_id, package_kind, package_name, reference, receiver_kind, size_bytes, host,
            made_at, made_by, expires_at
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        one.id,
        token_hash,
        one.package_id,
        one.package_kind,
        one.package_name,
        one.reference,
        one.receiver_kind,
        one.size_bytes,
        one.host,
        one.made_at,
        one.made_by,
        one.expires_at,
    )
    await conn.execute(
        """
        INSERT INTO delivery_recording (delivery_id, recording_id, text_id, ground)
        SELECT $1, recording_id, text_id, ground
        FROM unnest($2::uuid[], $3::uuid[], $4::opening_ground[]) AS given (recording_id, text_id, ground)
        """,
        one.id,
        [packed.recording_id for packed in recordings],
        [packed.text_id for packed in recordings],
        [packed.ground for packed in recordings],
    )


_GONE = """
    EXISTS (
        SELECT FROM delivery_recording JOIN recording ON recording.id = recording_id
        WHERE delivery_id = delivery.id AND recording.state <> 'sealed'
    )
"""
_ONE = f"SELECT delivery.*, {_GONE} AS recordings_gone FROM delivery"  # noqa: S608 -- made of fixed texts


async def by_token(conn: Connection, token_hash: bytes) -> Delivery | None:
    row = await conn.fetchrow(f"{_ONE} WHERE token_hash = $1", token_hash)
    return _delivery(row) if row is not None else None


async def lock_by_token(conn: Connection, token_hash: bytes) -> Delivery | None:
    row = await conn.fetchrow(f"{_ONE} WHERE token_hash = $1 FOR UPDATE OF delivery", token_hash)
    return _delivery(row) if row is not None else None


async def lock(conn: Connection, delivery_id: UUID) -> Delivery | None:
    row = await conn.fetchrow(f"{_ONE} WHERE id = $1 FOR UPDATE OF delivery", delivery_id)
    return _delivery(row) if row is not None else None


async def newest(conn: Connection, scope: Scope, *, limit: int) -> tuple[Delivery, ...]:
    """Those of which all recordings lie within the scope, what waits before what is over."""
    values: list[object] = [limit]
    rows = await conn.fetch(
        f"""
        {_ONE} WHERE NOT EXISTS (
            SELECT FROM delivery_recording
            JOIN recording ON recording.id = recording_id JOIN call ON call.id = recording.call_id
            WHERE delivery_id = delivery.id AND NOT ({within(scope, values)})
        )
        ORDER BY ended_at IS NULL DESC, made_at DESC, id LIMIT $1
        """,
        *values,
    )
    return tuple(_delivery(row) for row in rows)


async def within_scope(conn: Connection, delivery_id: UUID, scope: Scope) -> bool:
    values: list[object] = [delivery_id]
    outside = await conn.fetchval(
        f"""
        SELECT count(*) FROM delivery_recording
        JOIN recording ON recording.id = recording_id JOIN call ON call.id = recording.call_id
        WHERE delivery_id = $1 AND NOT ({within(scope, values)})
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    return bool(outside == 0)


async def packed(conn: Connection, delivery_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Packed]]:
    rows = await conn.fetch(
        "SELECT * FROM delivery_recording WHERE delivery_id = ANY($1::uuid[]) ORDER BY recording_id",
        list(delivery_ids),
    )
    found: dict[UUID, list[Packed]] = {one: [] for one in delivery_ids}
    for row in rows:
        ground = OpeningGround(row["ground"]) if row["ground"] is not None else None
        one = Packed(recording_id=row["recording_id"], text_id=row["text_id"], ground=ground)
        found[row["delivery_id"]].append(one)
    return found


# --- what is done with one; its row is locked


async def tried(conn: Connection, delivery_id: UUID, now: datetime) -> None:
    await conn.execute("UPDATE delivery SET tries = tries + 1, tried_at = $2 WHERE id = $1", delivery_id, now)


async def open_(conn: Connection, delivery_id: UUID, holder: bytes | None, now: datetime) -> int:
    """It begins to be sent, for the how manieth time. The try was right, and does not count."""
    attempt: int = await conn.fetchval(
        """
        UPDATE delivery SET state = 'opened', holder = $2, opened_at = coalesce(opened_at, $3), active_at = $3,
            attempt = attempt + 1, sent_bytes = 0, tries = greatest(tries - 1, 0)
        WHERE id = $1 RETURNING attempt
        """,
        delivery_id,
        holder,
        now,
    )
    return attempt


async def let_out(conn: Connection, delivery_id: UUID, attempt: int, count: int, now: datetime) -> bool:
    """So many more bytes are about to be sent. False when they must not be: it is over, or a recording has gone."""
    done = await conn.fetchval(
        f"""
        UPDATE delivery SET sent_bytes = sent_bytes + $3, active_at = $4
        WHERE id = $1 AND attempt = $2 AND state = 'opened' AND active_at IS NOT NULL AND NOT {_GONE} RETURNING id
        """,  # noqa: S608 -- made of fixed texts
        delivery_id,
        attempt,
        count,
        now,
    )
    return done is not None


async def rest(conn: Connection, delivery_id: UUID) -> None:
    """Nobody sends it at this moment."""
    await conn.execute("UPDATE delivery SET active_at = NULL WHERE id = $1", delivery_id)


async def end(conn: Connection, delivery_id: UUID, state: DeliveryState, by: str, now: datetime) -> None:
    await conn.execute(
        "UPDATE delivery SET state = $2, ended_by = $3, ended_at = $4, active_at = NULL WHERE id = $1",
        delivery_id,
        state,
        by,
        now,
    )


# --- what the service looks at


async def to_look_at(conn: Connection, now: datetime, *, limit: int) -> tuple[Delivery, ...]:
    """Those that may be over and are not called so; locked until the transaction ends."""
    rows = await conn.fetch(
        f"""
        {_ONE} WHERE state = ANY($1::delivery_state[]) AND (active_at IS NULL OR active_at <= $2) AND (
            expires_at <= $3 OR opened_at IS NOT NULL OR tries >= $4 OR {_GONE}
        )
        ORDER BY expires_at LIMIT $5 FOR UPDATE OF delivery SKIP LOCKED
        """,
        [state.value for state in LIVE],
        now - LOST_AFTER,
        now,
        MOST_TRIES,
        limit,
    )
    return tuple(_delivery(row) for row in rows)


async def states(conn: Connection, ids: Collection[UUID]) -> Mapping[UUID, DeliveryState]:
    rows = await conn.fetch("SELECT id, state FROM delivery WHERE id = ANY($1::uuid[])", list(ids))
    return {row["id"]: DeliveryState(row["state"]) for row in rows}


async def live_on(conn: Connection, host: str) -> frozenset[UUID]:
    rows = await conn.fetch(
        "SELECT id FROM delivery WHERE host = $1 AND state = ANY($2::delivery_state[])",
        host,
        [state.value for state in LIVE],
    )
    return frozenset(row["id"] for row in rows)


async def known_files(conn: Connection, host: str) -> frozenset[UUID]:
    """Those that are over, and whose file is still told of (storage/exports.py)."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT delivery_id FROM export JOIN delivery ON delivery.id = delivery_id
        WHERE delivery.host = $1 AND ended_at IS NOT NULL
        """,
        host,
    )
    return frozenset(row["delivery_id"] for row in rows)


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        package_id=row["package_id"],
        package_kind=PackageKind(row["package_kind"]),
        package_name=row["package_name"],
        reference=row["reference"],
        receiver_kind=ReceiverKind(row["receiver_kind"]),
        size_bytes=row["size_bytes"],
        host=row["host"],
        made_at=row["made_at"],
        made_by=row["made_by"],
        expires_at=row["expires_at"],
        state=DeliveryState(row["state"]),
        tries=row["tries"],
        tried_at=row["tried_at"],
        holder=row["holder"],
        opened_at=row["opened_at"],
        attempt=row["attempt"],
        active_at=row["active_at"],
        sent_bytes=row["sent_bytes"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        recordings_gone=row["recordings_gone"],
    )
