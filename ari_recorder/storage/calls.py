"""The table `call`: what is kept of each call, whether it was recorded or not. Recordings have a file of their own.

A call's row is written from a snapshot of the call machine, as often as somebody likes and in any order: the snapshot
that has come furthest stays. The caller, sealed, is kept only with a sealed recording. When a call's recordings are
gone it is forgotten: caller, members and marks go, and no late snapshot brings them back.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter

from ari_recorder.domain.calls import Call, CallState, Mark, Member
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.evidence import Evidence
from ari_recorder.domain.ledger import KnownCall, LedgerState, Reason, Verdict
from ari_recorder.domain.recordings import EndReason, RecordingState
from ari_recorder.storage import keeping, recordings, restrictions
from ari_recorder.storage.db import Connection, Row

_MEMBERS = TypeAdapter(tuple[Member, ...])
_MARKS = TypeAdapter(tuple[Mark, ...])
_EVIDENCE = TypeAdapter(Evidence | None)

# A recording only ever moves to a state of a higher rank (domain/recordings.py).
_RANK = {
    RecordingState.STARTING: 0,
    RecordingState.CAPTURING: 1,
    RecordingState.STOPPING: 2,
    RecordingState.CLOSED: 3,
    RecordingState.SEALED: 4,
    RecordingState.FAILED: 4,
    RecordingState.DISCARDING: 5,
    RecordingState.DISCARDED: 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """The caller's number and name, sealed, and the key that opens them."""

    sealed: bytes = field(repr=False)
    key_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """A call as the database holds it. `personal` is sealed; `forgotten_at` says that it and the members are gone."""

    id: UUID
    system_name: str
    uniqueid: Uniqueid
    linkedid: str
    state: CallState
    number: str
    queue: str
    first_seen_at: datetime
    joined_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    refused_at: datetime | None
    abandoned: bool
    end_reason: EndReason | None
    hold_time: timedelta | None
    talk_time: timedelta
    members: tuple[Member, ...]
    marks: tuple[Mark, ...]
    evidence: Evidence | None
    evidence_problem: str
    flagged: bool
    verdict: Verdict
    personal: Personal | None
    forgotten_at: datetime | None
    # Of a quarantine: the call whose audio it is, where that is proved.
    proved_uniqueid: str = ""


def progress(call: Call) -> int:
    """How far a snapshot has come. Each part only grows, so an older snapshot never has more."""
    return (
        (1 if call.state is CallState.ENDED else 0)
        + len(call.marks)
        + len(call.members)
        + sum(1 for member in call.members if member.talk_time is not None)
        + sum(1 + _RANK[recording.state] for recording in call.recordings)
    )


async def upsert(
    conn: Connection,
    call: Call,
    personal: Personal | None,
    ledger_state: LedgerState,
    ledger_reason: str,
    talk_time: timedelta,
    now: datetime,
) -> UUID:
    """The call and its recordings as this snapshot has them. Twice, late or out of order does no harm.

    The id of the row is given back. It is the call's own, unless the channel is known under another one: the service
    lost its journal in mid-call and met the channel again. Then the recordings join that row.
    """
    keeps = any(recording.state is RecordingState.SEALED for recording in call.recordings)
    # Two that store the same call at the same moment would trip over one of the two unique keys.
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{call.system_name} {call.uniqueid}")
    await conn.execute(
        """
        INSERT INTO call AS known (
            id, system_name, uniqueid, linkedid, progress, state, number, queue, first_seen_at, joined_at, connected_at,
            ended_at, refused_at, abandoned, end_reason, hold_time, talk_time, members, marks, evidence,
            evidence_problem, flagged, ledger_state, ledger_reason, personal,
            personal_key_name, proved_uniqueid
        ) VALUES (
            $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
            $24, $25, $26, $28
        )
        ON CONFLICT (system_name, uniqueid) DO UPDATE SET
            linkedid = excluded.linkedid, progress = excluded.progress, state = excluded.state,
            number = excluded.number, queue = excluded.queue, joined_at = excluded.joined_at,
            connected_at = excluded.connected_at, ended_at = excluded.ended_at, refused_at = excluded.refused_at,
            abandoned = excluded.abandoned, end_reason = excluded.end_reason, hold_time = excluded.hold_time,
            talk_time = excluded.talk_time, evidence = excluded.evidence,
            evidence_problem = excluded.evidence_problem, flagged = excluded.flagged,
            ledger_state = excluded.ledger_state, ledger_reason = excluded.ledger_reason,
            members = CASE WHEN known.forgotten_at IS NULL THEN excluded.members ELSE '[]' END,
            marks = CASE WHEN known.forgotten_at IS NULL THEN excluded.marks ELSE '[]' END,
            -- What is there stays: it may have been sealed anew to a hold key, which a late snapshot does not know. And
            -- what was sealed for another id would not open.
            personal = CASE WHEN known.forgotten_at IS NULL AND $27 THEN
                coalesce(known.personal, CASE WHEN known.id = excluded.id THEN excluded.personal END)
            END,
            personal_key_name = CASE WHEN known.forgotten_at IS NULL AND $27 THEN
                CASE WHEN known.personal IS NOT NULL THEN known.personal_key_name
                     WHEN known.id = excluded.id THEN excluded.personal_key_name END
            END,
            caller_index = CASE WHEN known.forgotten_at IS NULL AND $27 THEN known.caller_index END,
            caller_index_version = CASE WHEN known.forgotten_at IS NULL AND $27 THEN known.caller_index_version END
        WHERE known.progress <= excluded.progress
        """,
        call.id,
        call.system_name,
        call.uniqueid,
        call.linkedid,
        progress(call),
        call.state,
        call.number,
        call.queue,
        call.first_seen_at,
        call.joined_at,
        call.connected_at,
        call.ended_at,
        call.refused_at,
        call.abandoned,
        call.end_reason,
        call.members[0].hold_time if call.members else None,
        talk_time,
        _MEMBERS.dump_python(call.members, mode="json"),
        _MARKS.dump_python(call.marks, mode="json"),
        _EVIDENCE.dump_python(call.evidence, mode="json"),
        call.evidence_problem,
        call.flagged,
        ledger_state,
        ledger_reason,
        personal.sealed if personal is not None and keeps else None,
        personal.key_name if personal is not None and keeps else None,
        keeps,
        (call.quarantine.uniqueid or None) if call.quarantine is not None else None,
    )
    row_id: UUID = await conn.fetchval(
        "SELECT id FROM call WHERE system_name = $1 AND uniqueid = $2", call.system_name, call.uniqueid
    )
    until = call.quarantine.until if call.quarantine is not None else None
    await recordings.upsert(conn, row_id, call.queue, call.recordings, now, until)
    await _set_agents(conn, row_id)
    await recordings.follow_call(conn, row_id, flagged=call.flagged)
    await keeping.join(conn, [row_id], now)
    await restrictions.join(conn, [row_id])
    return row_id


async def _set_agents(conn: Connection, call_id: UUID) -> None:
    """Whose recordings these are, as the row of the call has it. Members are only added."""
    await conn.execute(
        """
        INSERT INTO recording_agent AS known (recording_id, agent, started_at, queue)
        SELECT recording.id, agent, recording.started_at, recording.queue
        FROM call JOIN recording ON recording.call_id = call.id, unnest(call.agents) AS agent
        WHERE call.id = $1
        ON CONFLICT (recording_id, agent) DO UPDATE SET started_at = excluded.started_at, queue = excluded.queue
        WHERE (known.started_at, known.queue) <> (excluded.started_at, excluded.queue)
        """,
        call_id,
    )


async def get(conn: Connection, call_ids: Collection[UUID]) -> dict[UUID, StoredCall]:
    """Those of the calls that are there."""
    rows = await conn.fetch("SELECT * FROM call WHERE id = ANY($1::uuid[])", list(call_ids))
    return {row["id"]: _from_row(row) for row in rows}


async def of_day(
    conn: Connection, day_start: datetime, day_end: datetime, uniqueids: Collection[str] = (), pbx: str | None = None
) -> tuple[KnownCall, ...]:
    """The calls that came in from `day_start` until before `day_end`, and those of `uniqueids` whenever they came; with
    each what is in quarantine and proved to be its. Not what was imported: no log of a PBX has it. `pbx`: those of that
    PBX only."""
    rows = await conn.fetch(
        """
        SELECT uniqueid, queue, coalesce(joined_at, first_seen_at) AS entered_at, ledger_state, ledger_reason, flagged,
               ARRAY(SELECT id FROM recording WHERE call_id = call.id AND state <> 'erased' ORDER BY segment)
                   AS recording_ids,
               -- What was heard and is erased since was recorded all the same.
               (SELECT coalesce(sum(duration), interval '0') FROM recording WHERE call_id = call.id) AS heard,
               coalesce(proved_uniqueid, '') AS proves
        FROM call
        WHERE id IN (
            SELECT id FROM call
            WHERE coalesce(joined_at, first_seen_at) >= $1 AND coalesce(joined_at, first_seen_at) < $2
            UNION SELECT id FROM call WHERE uniqueid = ANY($3::text[])
            UNION SELECT id FROM call WHERE proved_uniqueid = ANY($3::text[])
        ) AND ledger_reason <> 'imported' AND ($4::text IS NULL OR system_name = $4)
        ORDER BY entered_at, uniqueid
        """,
        day_start,
        day_end,
        [uniqueid for uniqueid in uniqueids if "\0" not in uniqueid],  # a torn log may hold NUL, PostgreSQL does not
        pbx,
    )
    return tuple(
        KnownCall(
            uniqueid=row["uniqueid"],
            queue=row["queue"],
            entered_at=row["entered_at"],
            verdict=_verdict(row),
            flagged=row["flagged"],
            heard=row["heard"],
            recording_ids=tuple(row["recording_ids"]),
            proves=row["proves"],
        )
        for row in rows
    )


async def forget(conn: Connection, call_ids: Collection[UUID], now: datetime) -> int:
    """Caller, members, marks and texts of these calls go, unless a recording of theirs is still there."""
    # Two who bury the last recordings of one call at the same moment come one after the other: the second sees all.
    await conn.fetch("SELECT FROM call WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", list(call_ids))
    rows = await conn.fetch(
        """
        WITH forgotten AS (
            UPDATE call
            SET forgotten_at = $2, personal = NULL, personal_key_name = NULL, caller_index = NULL,
                caller_index_version = NULL, members = '[]', marks = '[]'
            WHERE id = ANY($1::uuid[]) AND forgotten_at IS NULL
                AND NOT EXISTS (SELECT FROM recording WHERE call_id = call.id AND state <> 'erased')
            RETURNING id
        ), without_deciders AS (
            UPDATE recording SET decided_by = NULL
            WHERE call_id IN (SELECT id FROM forgotten) AND decided_by IS NOT NULL
        ), without_texts AS (
            DELETE FROM call_text WHERE call_id IN (SELECT id FROM forgotten)
        ), without_agents AS (
            DELETE FROM recording_agent
            WHERE recording_id IN (SELECT id FROM recording WHERE call_id IN (SELECT id FROM forgotten))
        )
        SELECT id FROM forgotten
        """,
        list(call_ids),
        now,
    )
    return len(rows)


async def queues(conn: Connection) -> tuple[str, ...]:
    """The queues of calls that are not forgotten. Goes from one to the next in the index, not over all rows."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE present AS (
            SELECT min(queue) AS queue FROM call WHERE forgotten_at IS NULL
            UNION ALL
            SELECT (SELECT min(queue) FROM call WHERE forgotten_at IS NULL AND queue > present.queue)
            FROM present WHERE present.queue IS NOT NULL
        )
        SELECT queue FROM present WHERE queue IS NOT NULL
        """
    )
    return tuple(row["queue"] for row in rows)


async def due(conn: Connection, queue: str, before: datetime, *, limit: int) -> tuple[UUID, ...]:
    """Calls of a queue from before `before` that nothing keeps any more, locked until the transaction ends."""
    rows = await conn.fetch(
        """
        SELECT id FROM call
        WHERE forgotten_at IS NULL AND queue = $1 AND first_seen_at < $2
            AND NOT EXISTS (SELECT FROM recording WHERE call_id = call.id AND state <> 'erased')
        ORDER BY first_seen_at LIMIT $3
        FOR UPDATE SKIP LOCKED
        """,
        queue,
        before,
        limit,
    )
    return tuple(row["id"] for row in rows)


def _from_row(row: Row) -> StoredCall:
    end_reason = row["end_reason"]
    return StoredCall(
        id=row["id"],
        system_name=row["system_name"],
        uniqueid=Uniqueid(row["uniqueid"]),
        linkedid=row["linkedid"],
        state=CallState(row["state"]),
        number=row["number"],
        queue=row["queue"],
        first_seen_at=row["first_seen_at"],
        joined_at=row["joined_at"],
        connected_at=row["connected_at"],
        ended_at=row["ended_at"],
        refused_at=row["refused_at"],
        abandoned=row["abandoned"],
        end_reason=EndReason(end_reason) if end_reason is not None else None,
        hold_time=row["hold_time"],
        talk_time=row["talk_time"],
        members=_MEMBERS.validate_python(row["members"]),
        marks=_MARKS.validate_python(row["marks"]),
        evidence=_EVIDENCE.validate_python(row["evidence"]),
        evidence_problem=row["evidence_problem"],
        flagged=row["flagged"],
        verdict=_verdict(row),
        personal=Personal(sealed=row["personal"], key_name=row["personal_key_name"] or "")
        if row["personal"] is not None
        else None,
        forgotten_at=row["forgotten_at"],
        proved_uniqueid=row["proved_uniqueid"] or "",
    )


def _verdict(row: Row) -> Verdict:
    return Verdict(state=LedgerState(row["ledger_state"]), reason=Reason(row["ledger_reason"]))
