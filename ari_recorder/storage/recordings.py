"""The table `recording`: each sealed recording, and the tombstone that stays when it is gone. Calls are in calls.py.

    sealed ──► erasing ──► erased            domain/retention.py draws it and says when, erasing.py carries it out

A recording that the caller refused, or that was never allowed, gets its tombstone at once: an older snapshot that
still calls it sealed finds the row and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.clock import TOLERANCE
from ari_recorder.domain.events import Side
from ari_recorder.domain.recordings import EndReason, Label, Recording, RecordingState, StartedBy
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.scoped import within


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What was heard of each."""

    caller: Side
    agent: Side


_SIDES = TypeAdapter(Sides | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecording:
    """A recording as the database holds it. Of an erased one only the tombstone's part is left."""

    id: UUID
    call_id: UUID
    segment: int
    state: StoredState
    queue: str
    started_at: datetime
    kept_from: datetime
    ended_at: datetime | None
    started_by: StartedBy
    end_reason: EndReason | None
    late: bool
    clock_at_start: timedelta
    duration: timedelta | None
    sealed_bytes: int | None
    sha256: str | None
    path: str | None
    key_name: str | None
    wrapped_key: bytes | None = field(repr=False)
    sides: Sides | None
    truncated_because: str | None
    erasing_at: datetime | None
    erased_at: datetime | None
    erased_because: str | None
    # Whether a supervisor decided on it, if it was flagged.
    decided: bool = False
    # In quarantine, and destroyed from then on; None for an ordinary one.
    quarantined_until: datetime | None = None
    # Opened on a ground only: domain/restriction.py.
    restricted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which recordings; what is None does not matter. Times are those of the recording's start."""

    queue: str | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    flagged: bool | None = None
    state: StoredState | None = None
    number: str | None = None
    interface: str | None = None
    uniqueid: str | None = None
    caller_index: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The last recording of a page; the next page begins after it."""

    started_at: datetime
    id: UUID


async def upsert(
    conn: Connection,
    call_id: UUID,
    queue: str,
    recordings: Sequence[Recording],
    now: datetime,
    quarantined_until: datetime | None = None,
) -> None:
    """Rows for those that were sealed, tombstones for those that were destroyed. What is erased stays erased."""
    for recording in recordings:
        match recording.state:
            case RecordingState.SEALED:
                await _insert_sealed(conn, call_id, queue, recording, now, quarantined_until)
            case RecordingState.DISCARDING if recording.sealed is not None:
                await _insert_sealed(conn, call_id, queue, recording, now)
                await conn.execute(
                    """
                    UPDATE recording
                    SET state = 'erasing', wrapped_key = NULL, erasing_at = $3, erased_because = $2
                    WHERE id = $1 AND state = 'sealed'
                    """,
                    recording.id,
                    _because(recording),
                    now,
                )
            case RecordingState.DISCARDED:
                await _insert_tombstone(conn, call_id, queue, recording, now)
            case _:
                pass


async def _insert_sealed(
    conn: Connection,
    call_id: UUID,
    queue: str,
    recording: Recording,
    now: datetime,
    quarantined_until: datetime | None = None,
) -> None:
    facts = recording.sealed
    assert facts is not None, recording.id  # noqa: S101 -- the machine seals nothing without them
    await conn.execute(
        """
        -- A clock that was set back makes a recording look older than it is: what was trusted last counts then.
        WITH known AS (
            SELECT (SELECT at FROM (
                SELECT started_at AS at FROM sweep_run WHERE state <> 'refused' ORDER BY id DESC LIMIT 1
            ) AS trusted WHERE at > $19::timestamptz + $20::interval) AS clock_floor
        )
        INSERT INTO recording (
            id, call_id, segment, state, queue, started_at, ended_at, started_by, end_reason, late, clock_at_start,
            duration, sealed_bytes, sha256, path, wrapped_key, sides, key_name, truncated_because, clock_floor,
            quarantined_until
        )
        SELECT $1, $2, $3, 'sealed', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, clock_floor,
               $21::timestamptz + coalesce(clock_floor - $19::timestamptz, interval '0')
        FROM known
        ON CONFLICT (id) DO UPDATE SET end_reason = excluded.end_reason, ended_at = excluded.ended_at
            WHERE recording.state = 'sealed' AND recording.end_reason IS NULL
        """,
        recording.id,
        call_id,
        recording.segment,
        facts.queue or queue,  # the call may be in another one by now
        recording.started_at,
        recording.ended_at,
        recording.started_by,
        recording.end_reason,
        recording.late,
        recording.clock_at_start,
        facts.duration,
        facts.sealed_bytes,
        bytes.fromhex(facts.sha256),
        facts.path,
        bytes.fromhex(facts.wrapped_key),
        _SIDES.dump_python(Sides(caller=facts.caller, agent=facts.agent), mode="json"),
        facts.key_name,
        facts.truncated or None,
        now,
        TOLERANCE,
        quarantined_until,
    )


async def _insert_tombstone(conn: Connection, call_id: UUID, queue: str, recording: Recording, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO recording (
            id, call_id, segment, state, queue, started_at, ended_at, started_by, end_reason, late, clock_at_start,
            erasing_at, erased_at, erased_because
        ) VALUES ($1, $2, $3, 'erased', $4, $5, $6, $7, $8, $9, $10, $12, $12, $11)
        ON CONFLICT (id) DO UPDATE SET
            state = 'erased', path = NULL, wrapped_key = NULL, sides = NULL,
            erasing_at = coalesce(recording.erasing_at, excluded.erasing_at), erased_at = excluded.erased_at,
            erased_because = coalesce(recording.erased_because, excluded.erased_because)
            WHERE recording.state <> 'erased'
        """,
        recording.id,
        call_id,
        recording.segment,
        queue,
        recording.started_at,
        recording.ended_at,
        recording.started_by,
        recording.end_reason,
        recording.late,
        recording.clock_at_start,
        _because(recording),
        now,
    )


def _because(recording: Recording) -> str:
    return recording.end_reason.value if recording.end_reason is not None else "destroyed"


async def follow_call(conn: Connection, call_id: UUID, *, flagged: bool) -> None:
    """What the ledger says stands with the recordings as the row of their call has it, and that it was flagged, which
    is never taken back."""
    await conn.execute(
        """
        UPDATE recording SET flagged = recording.flagged OR $2, ledger_state = call.ledger_state FROM call
        WHERE call.id = $1 AND call_id = call.id
            AND ($2 AND NOT recording.flagged OR recording.ledger_state <> call.ledger_state)
        """,
        call_id,
        flagged,
    )


async def get(conn: Connection, recording_id: UUID) -> StoredRecording | None:
    row = await conn.fetchrow("SELECT * FROM recording WHERE id = $1", recording_id)
    return _from_row(row) if row is not None else None


async def visible(conn: Connection, recording_id: UUID, scope: Scope) -> StoredRecording | None:
    """If it lies in the scope."""
    return await _visible(conn, recording_id, scope, "")


async def share(conn: Connection, recording_id: UUID, scope: Scope) -> StoredRecording | None:
    """The same; nobody erases it or wraps its key anew until the transaction ends."""
    return await _visible(conn, recording_id, scope, "FOR SHARE OF recording")


async def _visible(conn: Connection, recording_id: UUID, scope: Scope, lock: str) -> StoredRecording | None:
    values: list[object] = [recording_id]
    row = await conn.fetchrow(
        f"""
        SELECT recording.* FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.id = $1 AND {within(scope, values)} {lock}
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    return _from_row(row) if row is not None else None


async def of_call(conn: Connection, call_id: UUID, scope: Scope) -> tuple[StoredRecording, ...]:
    """Those that lie in the scope, as they came: a call that is transferred has several."""
    values: list[object] = [call_id]
    rows = await conn.fetch(
        f"""
        SELECT recording.* FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.call_id = $1 AND {within(scope, values)} ORDER BY segment, started_at
        """,  # noqa: S608 -- the condition is made of fixed texts
        *values,
    )
    return tuple(map(_from_row, rows))


async def beginning_with(conn: Connection, prefix: str) -> tuple[UUID, ...]:
    """The ids that begin so, two at most: one is meant, or it is not clear which."""
    rows = await conn.fetch("SELECT id FROM recording WHERE left(id::text, length($1)) = $1 LIMIT 2", prefix)
    return tuple(row["id"] for row in rows)


async def find(
    conn: Connection, filters: Filters, *, after: Key | None = None, limit: int = 100
) -> tuple[StoredRecording, ...]:
    """The newest first; `after` is the last one of the page before."""
    wanted: dict[str, object] = {
        "recording.queue = $": filters.queue,
        "recording.started_at >= $": filters.started_from,
        "recording.started_at < $": filters.started_before,
        "call.flagged = $": filters.flagged,
        "recording.state = $": filters.state,
        "call.number = $": filters.number,
        "call.members @> $": [{"interface": filters.interface}] if filters.interface is not None else None,
        "call.uniqueid = $": filters.uniqueid,
        "call.caller_index = $": filters.caller_index,
    }
    # Only what is asked for is in the text, so that PostgreSQL can plan for it.
    given = [(text, value) for text, value in wanted.items() if value is not None]
    values = [value for _, value in given]
    conditions = [f"{text}{position}" for position, (text, _) in enumerate(given, start=1)]
    if after is not None:
        values += [after.started_at, after.id]
        conditions.append(f"(recording.started_at, recording.id) < (${len(values) - 1}, ${len(values)})")
    rows = await conn.fetch(
        f"""
        SELECT recording.* FROM recording JOIN call ON call.id = recording.call_id
        WHERE {" AND ".join(conditions) or "true"}
        ORDER BY recording.started_at DESC, recording.id DESC
        LIMIT ${len(values) + 1}
        """,  # noqa: S608 -- the texts are the ones above
        *values,
        limit,
    )
    return tuple(_from_row(row) for row in rows)


def _from_row(row: Row) -> StoredRecording:
    return StoredRecording(
        id=row["id"],
        call_id=row["call_id"],
        segment=row["segment"],
        state=StoredState(row["state"]),
        queue=row["queue"],
        started_at=row["started_at"],
        kept_from=row["kept_from"],
        ended_at=row["ended_at"],
        started_by=StartedBy(row["started_by"]),
        end_reason=EndReason(row["end_reason"]) if row["end_reason"] is not None else None,
        late=row["late"],
        clock_at_start=row["clock_at_start"],
        duration=row["duration"],
        sealed_bytes=row["sealed_bytes"],
        sha256=row["sha256"].hex() if row["sha256"] is not None else None,
        path=row["path"],
        key_name=row["key_name"],
        wrapped_key=row["wrapped_key"],
        sides=_SIDES.validate_python(row["sides"]),
        truncated_because=row["truncated_because"],
        erasing_at=row["erasing_at"],
        erased_at=row["erased_at"],
        erased_because=row["erased_because"],
        decided=row["decision"] is not None,
        quarantined_until=row["quarantined_until"],
        restricted=row["restrictions"] > 0,
    )


def label_of(row: Row) -> Label:
    """What a row of a recording, with the uniqueid of its call, says that it is."""
    return Label(uniqueid=row["uniqueid"], queue=row["queue"], segment=row["segment"], started_at=row["started_at"])
