"""The table `imported`, and the rows of calls and recordings that came from an old PBX.

    (not there) ──intend──► on its way ──store, with call and recording──► stored ──► original removed
                               └── killed: the next import forgets it, and its sealed file goes

A call that was imported is no call of this PBX: its ledger reason is `imported`, and calls.of_day leaves it out. Each
file is a call of its own, under a system name of its own, because a Uniqueid is unique only beside the others of its
PBX, and old PBXs wrote several files of one call.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter

from ari_recorder.domain.calls import Member
from ari_recorder.domain.clock import TOLERANCE
from ari_recorder.domain.importing import NOT_PROVED, DateSource, Doubt
from ari_recorder.domain.ledger import LedgerState, Reason
from ari_recorder.domain.recordings import EndReason, StartedBy
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage.db import Connection
from ari_recorder.storage.recordings import Sides

_MEMBERS = TypeAdapter(tuple[Member, ...])
_SIDES = TypeAdapter(Sides)
# An import that takes longer for one batch is not at work any more: domain/reconcile.py has the same patience.
ON_ITS_WAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """A file that will be sealed."""

    recording_id: UUID
    audio_sha256: bytes
    file_sha256: bytes
    date_source: DateSource
    date_doubt: Doubt
    mixed: bool
    form: str
    path: str
    key_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One that was sealed, with its call. `personal`: the caller, sealed to the key of that name."""

    recording_id: UUID
    call_id: UUID
    uniqueid: str
    linkedid: str
    number: str
    queue: str
    started_at: datetime
    duration: timedelta
    members: tuple[Member, ...]
    personal: bytes | None = field(repr=False)
    personal_key_name: str | None
    path: str
    key_name: str
    wrapped_key: bytes = field(repr=False)
    sha256: bytes
    sealed_bytes: int
    sides: Sides
    truncated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a recording came from: shown with it."""

    date_source: DateSource
    date_doubt: Doubt
    mixed: bool
    form: str
    imported_at: datetime
    original_removed_at: datetime | None


async def left(conn: Connection) -> Mapping[UUID, str]:
    """Those that were on their way when somebody was killed, and where their sealed files would be."""
    rows = await conn.fetch("SELECT recording_id, path FROM imported WHERE stored_at IS NULL")
    return {row["recording_id"]: row["path"] for row in rows}


async def forget(conn: Connection, recording_ids: Collection[UUID]) -> None:
    """They did not come to be: their files can be taken again."""
    await conn.execute(
        "DELETE FROM imported WHERE recording_id = ANY($1::uuid[]) AND stored_at IS NULL", list(recording_ids)
    )


async def known_files(conn: Connection, sha256s: Collection[bytes], before: datetime) -> Mapping[bytes, UUID]:
    """Files that were imported as they are, before that time."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (file_sha256) file_sha256, recording_id FROM imported
        WHERE file_sha256 = ANY($1::bytea[]) AND stored_at < $2
        """,
        list(sha256s),
        before,
    )
    return {row["file_sha256"]: row["recording_id"] for row in rows}


async def known_audio(conn: Connection, sha256s: Collection[bytes]) -> Mapping[bytes, UUID]:
    rows = await conn.fetch(
        "SELECT audio_sha256, recording_id FROM imported WHERE audio_sha256 = ANY($1::bytea[])", list(sha256s)
    )
    return {row["audio_sha256"]: row["recording_id"] for row in rows}


async def intend(conn: Connection, several: Sequence[Intended], now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO imported (
            recording_id, audio_sha256, file_sha256, date_source, date_doubt, mixed, form, path, wanted_key, intended_at
        )
        SELECT given.*, $10 FROM unnest(
            $1::uuid[], $2::bytea[], $3::bytea[], $4::date_source[], $5::text[], $6::boolean[], $7::text[], $8::text[],
            $9::text[]
        ) AS given
        """,
        [one.recording_id for one in several],
        [one.audio_sha256 for one in several],
        [one.file_sha256 for one in several],
        [one.date_source for one in several],
        [one.date_doubt for one in several],
        [one.mixed for one in several],
        [one.form for one in several],
        [one.path for one in several],
        [one.key_name for one in several],
        now,
    )


async def on_their_way(conn: Connection, recording_ids: Collection[UUID], now: datetime) -> frozenset[UUID]:
    """Those of these that somebody is sealing right now: their rows are still to come."""
    rows = await conn.fetch(
        """
        SELECT recording_id FROM imported
        WHERE recording_id = ANY($1::uuid[]) AND stored_at IS NULL AND intended_at > $2
        """,
        list(recording_ids),
        now - ON_ITS_WAY,
    )
    return frozenset(row["recording_id"] for row in rows)


async def wanted(conn: Connection, key_name: str, now: datetime) -> bool:
    """Is something being sealed that this key will open?"""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM imported WHERE wanted_key = $1 AND stored_at IS NULL AND intended_at > $2)",
        key_name,
        now - ON_ITS_WAY,
    )
    return found


async def store(conn: Connection, several: Sequence[Stored], now: datetime) -> None:
    """Calls and recordings, and that they have come. Nothing can keep or restrict them yet: their calls are new."""
    await conn.execute(
        """
        INSERT INTO call (
            id, system_name, uniqueid, linkedid, progress, state, number, queue, first_seen_at, joined_at, connected_at,
            ended_at, abandoned, end_reason, talk_time, members, marks, evidence_problem, flagged, ledger_state,
            ledger_reason, personal, personal_key_name
        )
        SELECT id, system_name, uniqueid, linkedid, 0, 'ended', number, queue, began, began, began,
            began + duration, false, $12::end_reason, duration, members::jsonb, '[]', $13, false, $14::ledger_state,
            $15, personal, personal_key_name
        FROM unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::interval[],
            $9::text[], $10::bytea[], $11::text[]
        ) AS given (
            id, system_name, uniqueid, linkedid, number, queue, began, duration, members, personal, personal_key_name
        )
        """,
        [one.call_id for one in several],
        [f"import-{one.recording_id}" for one in several],
        [one.uniqueid for one in several],
        [one.linkedid for one in several],
        [one.number for one in several],
        [one.queue for one in several],
        [one.started_at for one in several],
        [one.duration for one in several],
        [_MEMBERS.dump_json(one.members).decode() for one in several],
        [one.personal for one in several],
        [one.personal_key_name for one in several],
        EndReason.HANGUP,
        NOT_PROVED,
        LedgerState.RECORDED,
        Reason.IMPORTED,
    )
    await conn.execute(
        """
        -- As recordings.upsert: a clock that was set back makes a recording look older than it is.
        WITH known AS (
            SELECT (SELECT at FROM (
                SELECT started_at AS at FROM sweep_run WHERE state <> 'refused' ORDER BY id DESC LIMIT 1
            ) AS trusted WHERE at > $14::timestamptz + $15::interval) AS clock_floor
        )
        INSERT INTO recording (
            id, call_id, segment, state, queue, started_at, ended_at, started_by, end_reason, late, clock_at_start,
            duration, sealed_bytes, sha256, path, wrapped_key, sides, key_name, truncated_because, clock_floor
        )
        SELECT id, call_id, 1, 'sealed', queue, began, began + duration, $12::started_by, $13::end_reason, false,
            interval '0', duration, sealed_bytes, sha256, path, wrapped_key, sides::jsonb, key_name,
            nullif(truncated, ''), clock_floor
        FROM known, unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::interval[], $6::bigint[], $7::bytea[],
            $8::text[], $9::bytea[], $10::text[], $11::text[], $16::text[]
        ) AS given (
            id, call_id, queue, began, duration, sealed_bytes, sha256, path, wrapped_key, sides, key_name, truncated
        )
        """,
        [one.recording_id for one in several],
        [one.call_id for one in several],
        [one.queue for one in several],
        [one.started_at for one in several],
        [one.duration for one in several],
        [one.sealed_bytes for one in several],
        [one.sha256 for one in several],
        [one.path for one in several],
        [one.wrapped_key for one in several],
        [_SIDES.dump_json(one.sides).decode() for one in several],
        [one.key_name for one in several],
        StartedBy.DIALPLAN,
        EndReason.HANGUP,
        now,
        TOLERANCE,
        [one.truncated for one in several],
    )
    ids = [one.recording_id for one in several]
    await conn.execute(
        """
        INSERT INTO recording_agent (recording_id, agent, started_at, queue)
        SELECT recording.id, agent, recording.started_at, recording.queue
        FROM recording JOIN call ON call.id = recording.call_id, unnest(call.agents) AS agent
        WHERE recording.id = ANY($1::uuid[])
        """,
        ids,
    )
    await conn.execute("UPDATE imported SET stored_at = $2 WHERE recording_id = ANY($1::uuid[])", ids, now)


async def copies(conn: Connection, recording_ids: Collection[UUID]) -> Mapping[UUID, tuple[str, int]]:
    """Where the sealed files of those lie that are not destroyed, and their sizes; 0 of one that was found damaged."""
    rows = await conn.fetch(
        """
        SELECT id, path, CASE WHEN damage IS NULL THEN sealed_bytes ELSE 0 END AS size FROM recording
        WHERE id = ANY($1::uuid[]) AND state = 'sealed'
        """,
        list(recording_ids),
    )
    return {row["id"]: (row["path"], row["size"]) for row in rows}


async def originals_removed(conn: Connection, recording_ids: Collection[UUID], now: datetime) -> None:
    await conn.execute(
        """
        UPDATE imported SET original_removed_at = $2
        WHERE recording_id = ANY($1::uuid[]) AND original_removed_at IS NULL
        """,
        list(recording_ids),
        now,
    )


async def states(conn: Connection, recording_ids: Collection[UUID]) -> Mapping[UUID, StoredState]:
    rows = await conn.fetch("SELECT id, state FROM recording WHERE id = ANY($1::uuid[])", list(recording_ids))
    return {row["id"]: StoredState(row["state"]) for row in rows}


async def origins(conn: Connection, recording_ids: Collection[UUID]) -> Mapping[UUID, Origin]:
    """Of those that were imported."""
    rows = await conn.fetch(
        "SELECT * FROM imported WHERE recording_id = ANY($1::uuid[]) AND stored_at IS NOT NULL", list(recording_ids)
    )
    return {
        row["recording_id"]: Origin(
            date_source=DateSource(row["date_source"]),
            date_doubt=Doubt(row["date_doubt"]),
            mixed=row["mixed"],
            form=row["form"],
            imported_at=row["stored_at"],
            original_removed_at=row["original_removed_at"],
        )
        for row in rows
    }
