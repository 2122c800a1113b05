"""The table `listening`: who listens to what and why, and which bytes of the audio went out. The audio: vault.

    untold ──(told to the audit log, in one transaction)──► sent

Both are sets of ranges of bytes, which PostgreSQL joins where they meet. A range is in `untold`, committed, before it
is sent: a crash in between leaves a range on record that nobody heard, and never the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.listening import Listening, ListeningEnd, Purpose
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.recordings import label_of
from ari_recorder.storage.scoped import within

_ACTOR = TypeAdapter(Actor)

# Bytes from the first until before the second.
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A listening of which the audit log does not know all, or that is open though nobody listens any more."""

    listening: Listening
    actor: Actor | None
    ended_because: ListeningEnd | None
    state: StoredState
    duration: timedelta | None
    size_bytes: int | None
    ranges: Ranges
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A listening as it is told afterwards. `ranges`: what went out of `size_bytes`; `text_id`: what was said."""

    id: UUID
    user_id: UUID
    user_name: str
    purpose: Purpose
    reference: str
    text_id: UUID | None
    ground: OpeningGround | None
    begun_at: datetime
    active_at: datetime
    ended_at: datetime | None
    size_bytes: int | None
    ranges: Ranges
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goes:
    """What a listener needs to know of the recording, this moment."""

    listening: Listening
    ended_because: ListeningEnd | None
    state: StoredState
    erased_because: str | None
    path: str | None
    wrapped_key: bytes | None
    sha256: str | None
    in_scope: bool
    restricted: bool
    label: Label


async def insert(
    conn: Connection, listening: Listening, user_name: str, actor: Actor, text_id: UUID | None = None
) -> None:
    await conn.execute(
        """
        INSERT INTO listening (
            id, recording_id, user_id, user_name, session, actor, purpose, reference, text_id, begun_at, active_at,
            ground
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        listening.id,
        listening.recording_id,
        listening.user_id,
        user_name,
        listening.session,
        _ACTOR.dump_python(actor, mode="json"),
        listening.purpose,
        listening.reference,
        text_id,
        listening.begun_at,
        listening.active_at,
        listening.ground,
    )


async def get(conn: Connection, listening_id: UUID, user_id: UUID, session: str, scope: Scope) -> Goes | None:
    """The listening, if it is this user's and of this session."""
    values: list[object] = [listening_id, user_id, session]
    row = await conn.fetchrow(
        f"""
        SELECT listening.*, recording.state, erased_because, path, wrapped_key, sha256,
               uniqueid, recording.queue, segment, recording.started_at, restrictions > 0 AS restricted,
               {within(scope, values)} AS in_scope
        FROM listening JOIN recording ON recording.id = recording_id JOIN call ON call.id = recording.call_id
        WHERE listening.id = $1 AND user_id = $2 AND session = $3
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    if row is None:
        return None
    return Goes(
        listening=_from_row(row),
        ended_because=_end(row),
        state=StoredState(row["state"]),
        erased_because=row["erased_because"],
        path=row["path"],
        wrapped_key=row["wrapped_key"],
        sha256=row["sha256"].hex() if row["sha256"] is not None else None,
        in_scope=row["in_scope"],
        restricted=row["restricted"],
        label=label_of(row),
    )


async def grant(
    conn: Connection, listening_id: UUID, scope: Scope, first: int, end: int, size: int, now: datetime
) -> str | None:
    """These bytes are about to be sent: the name of the key that opens the recording this moment. None when they must
    not be: the listening is over, the recording has gone, is restricted meanwhile, or lies outside the scope."""
    values: list[object] = [listening_id, [asyncpg.Range(first, end)], end - first, size, now]
    key_name: str | None = await conn.fetchval(
        f"""
        UPDATE listening
        SET untold = untold + $2::int8multirange, untold_bytes = untold_bytes + $3, size_bytes = $4, active_at = $5
        FROM recording JOIN call ON call.id = recording.call_id
        WHERE listening.id = $1 AND listening.ended_at IS NULL
            AND recording.id = recording_id AND recording.state = 'sealed' AND {within(scope, values)}
            AND (restrictions = 0 OR listening.ground IS NOT NULL)
        RETURNING coalesce(recording.key_name, '')
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    return key_name


async def end(conn: Connection, listening_id: UUID, because: ListeningEnd, now: datetime) -> None:
    await conn.execute(
        "UPDATE listening SET ended_at = $3, ended_because = $2 WHERE id = $1 AND ended_at IS NULL",
        listening_id,
        because,
        now,
    )


_UNTOLD = """
    SELECT listening.*, recording.state, duration FROM listening JOIN recording ON recording.id = recording_id
"""


async def to_tell(
    conn: Connection, active_before: datetime, idle_before: datetime, *, limit: int
) -> tuple[Untold, ...]:
    """Those whose bytes are to be told, and those that are to be ended; locked until the transaction ends."""
    rows = await conn.fetch(
        f"""
        {_UNTOLD}
        WHERE (listening.ended_at IS NULL OR untold_bytes > 0) AND (
            (untold_bytes > 0 AND (active_at < $1 OR listening.ended_at IS NOT NULL)) OR active_at < $2
            OR recording.state <> 'sealed'
        )
        ORDER BY active_at LIMIT $3 FOR UPDATE OF listening SKIP LOCKED
        """,
        active_before,
        idle_before,
        limit,
    )
    return tuple(_untold(row) for row in rows)


async def lock(conn: Connection, listening_id: UUID) -> Untold | None:
    row = await conn.fetchrow(f"{_UNTOLD} WHERE listening.id = $1 FOR UPDATE OF listening", listening_id)
    return _untold(row) if row is not None else None


async def told(conn: Connection, listening_id: UUID) -> None:
    """The audit log knows what was untold. Of one that has ended it knows all: who it was is no longer needed here."""
    await conn.execute(
        """
        UPDATE listening
        SET sent = sent + untold, sent_bytes = sent_bytes + untold_bytes, untold = '{}', untold_bytes = 0,
            actor = CASE WHEN ended_at IS NULL THEN actor END
        WHERE id = $1
        """,
        listening_id,
    )


async def of_recording(conn: Connection, recording_id: UUID, *, limit: int = 500) -> tuple[Heard, ...]:
    """The newest first."""
    rows = await conn.fetch(
        """
        SELECT *, sent + untold AS ranges, sent_bytes + untold_bytes AS bytes FROM listening
        WHERE recording_id = $1 ORDER BY begun_at DESC, id LIMIT $2
        """,
        recording_id,
        limit,
    )
    return tuple(
        Heard(
            id=row["id"],
            user_id=row["user_id"],
            user_name=row["user_name"],
            purpose=Purpose(row["purpose"]),
            reference=row["reference"],
            text_id=row["text_id"],
            ground=_ground(row),
            begun_at=row["begun_at"],
            active_at=row["active_at"],
            ended_at=row["ended_at"],
            size_bytes=row["size_bytes"],
            ranges=_ranges(row["ranges"]),
            bytes=row["bytes"],
        )
        for row in rows
    )


def _from_row(row: Row) -> Listening:
    return Listening(
        id=row["id"],
        recording_id=row["recording_id"],
        user_id=row["user_id"],
        session=row["session"],
        purpose=Purpose(row["purpose"]),
        reference=row["reference"],
        begun_at=row["begun_at"],
        active_at=row["active_at"],
        ground=_ground(row),
    )


def _ground(row: Row) -> OpeningGround | None:
    return OpeningGround(row["ground"]) if row["ground"] is not None else None


def _untold(row: Row) -> Untold:
    return Untold(
        listening=_from_row(row),
        actor=_ACTOR.validate_python(row["actor"]) if row["actor"] is not None else None,
        ended_because=_end(row),
        state=StoredState(row["state"]),
        duration=row["duration"],
        size_bytes=row["size_bytes"],
        ranges=_ranges(row["untold"]),
        bytes=row["untold_bytes"],
    )


def _end(row: Row) -> ListeningEnd | None:
    return ListeningEnd(row["ended_because"]) if row["ended_because"] is not None else None


def _ranges(found: Sequence[Row]) -> Ranges:
    return tuple((one.lower, one.upper) for one in found)
