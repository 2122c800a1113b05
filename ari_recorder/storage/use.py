"""The tables `use_touch`, `use_report`, `use_row`, `use_sample` and `own_number`. What is counted: domain/use.py.

audit_entry ──collect──► use_touch ──a week is over──► use_report, its rows and its sample ──► signed off
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from ari_recorder.domain.audit import Action
from ari_recorder.domain.use import Finding, FindingKind, Touch, TouchKind, UseRow, Verdict
from ari_recorder.storage.db import Connection, Row

_KINDS = {
    Action.RECORDING_PLAY: TouchKind.LISTENING,
    Action.RECORDING_EXPORT: TouchKind.EXPORT,
    Action.RECORDING_SEARCH: TouchKind.SEARCH,
    Action.RECORDING_LIST: TouchKind.VIEW,
    Action.RECORDING_VIEW: TouchKind.VIEW,
    Action.ACCESS_REFUSE: TouchKind.VIEW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    week: date
    made_at: datetime
    seed: bytes
    read_up_to: int
    due_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A listening to be signed off. `seq`: its entry in the audit log."""

    id: UUID
    week: date
    due_on: date
    seq: int
    at: datetime
    actor: str
    unit: str
    recording_id: UUID | None
    queue: str | None
    because: str
    signed_at: datetime | None
    signed_by: UUID | None
    verdict: Verdict | None
    note: str


async def collect(conn: Connection, *, limit: int) -> bool:
    """Reads on in the audit log; is there more?"""
    begin = await conn.fetchval("SELECT next_seq FROM use_cursor FOR UPDATE")
    size = await conn.fetchval("SELECT coalesce(max(seq) + 1, 0) FROM audit_entry")
    end = min(begin + limit, size)
    if end <= begin:
        return False
    await conn.execute(
        """
        INSERT INTO use_touch
        SELECT entry.seq, entry.id, entry.at, kinds.kind::touch_kind, entry.outcome = 'refused', entry.actor,
            coalesce(leaf::jsonb -> 'actor' ->> 'unit', ''), recording.id, recording.queue,
            coalesce(leaf::jsonb ->> 'because', ''), nullif(call.caller_index, ''),
            EXISTS (SELECT FROM own_number WHERE number_index = call.caller_index AND account_id::text = entry.actor),
            EXISTS (SELECT FROM own_number WHERE number_index = call.caller_index AND account_id::text <> entry.actor)
        FROM audit_entry AS entry
        JOIN unnest($3::text[], $4::text[]) AS kinds (action, kind) ON kinds.action = entry.action
        LEFT JOIN recording ON recording.id = CASE
            WHEN entry.object ~ '^recording:[0-9a-f-]{36}$' THEN substr(entry.object, 11)::uuid END
        LEFT JOIN call ON call.id = recording.call_id
        WHERE entry.seq >= $1 AND entry.seq < $2 AND leaf::jsonb -> 'actor' ->> 'kind' <> 'service'
        ON CONFLICT (seq) DO NOTHING
        """,
        begin,
        end,
        [action.value for action in _KINDS],
        [kind.value for kind in _KINDS.values()],
    )
    await conn.execute("UPDATE use_cursor SET next_seq = $1", end)
    return bool(end < size)


async def oldest_touch(conn: Connection) -> datetime | None:
    oldest: datetime | None = await conn.fetchval("SELECT min(at) FROM use_touch")
    return oldest


async def touches(conn: Connection, until: datetime) -> tuple[Touch, ...]:
    """Everything before `until` that is in no report yet: what came late belongs to the next one."""
    rows = await conn.fetch("SELECT * FROM use_touch WHERE at < $1 ORDER BY seq", until)
    return tuple(
        Touch(
            seq=row["seq"],
            entry_id=row["entry_id"],
            at=row["at"],
            kind=TouchKind(row["kind"]),
            actor=row["actor"],
            unit=row["unit"],
            because=row["because"],
            refused=row["refused"],
            recording_id=row["recording_id"],
            queue=row["queue"],
            caller=row["caller_index"],
            own_number=row["own_number"],
            colleague_number=row["colleague_number"],
        )
        for row in rows
    )


async def history(conn: Connection, since: date, until: date) -> tuple[UseRow, ...]:
    rows = await conn.fetch("SELECT * FROM use_row WHERE week >= $1 AND week < $2 ORDER BY week", since, until)
    return tuple(_row(row) for row in rows)


async def newest_week(conn: Connection) -> date | None:
    newest: date | None = await conn.fetchval("SELECT max(week) FROM use_report")
    return newest


async def insert(
    conn: Connection, report: Report, rows: Sequence[UseRow], samples: Sequence[Touch], until: datetime
) -> bool:
    """The report of a week, and what it was made of goes. False: another service has made it."""
    made = await conn.fetchrow(
        """
        INSERT INTO use_report (week, made_at, seed, read_up_to, due_on) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (week) DO NOTHING RETURNING week
        """,
        report.week,
        report.made_at,
        report.seed,
        report.read_up_to,
        report.due_on,
    )
    if made is None:
        return False
    for row in rows:
        await conn.execute(
            """
            INSERT INTO use_row
                (week, actor, unit, listenings, exports, searches, views, refused, out_of_hours, findings)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            row.week,
            row.actor,
            row.unit,
            row.listenings,
            row.exports,
            row.searches,
            row.views,
            row.refused,
            row.out_of_hours,
            [_finding_written(finding) for finding in row.findings],
        )
    for one in samples:
        await conn.execute(
            """
            INSERT INTO use_sample (id, week, seq, entry_id, at, actor, unit, recording_id, queue, because)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """,
            uuid4(),
            report.week,
            one.seq,
            one.entry_id,
            one.at,
            one.actor,
            one.unit,
            one.recording_id,
            one.queue,
            one.because,
        )
    await conn.execute("DELETE FROM use_touch WHERE at < $1", until)
    return True


async def reports(conn: Connection, *, limit: int = 60) -> tuple[Report, ...]:
    """The newest first."""
    rows = await conn.fetch("SELECT * FROM use_report ORDER BY week DESC LIMIT $1", limit)
    return tuple(_report(row) for row in rows)


async def report(conn: Connection, week: date) -> Report | None:
    row = await conn.fetchrow("SELECT * FROM use_report WHERE week = $1", week)
    return _report(row) if row is not None else None


async def rows_of(conn: Connection, week: date, units: Collection[str] | None) -> tuple[UseRow, ...]:
    """Those of users who work in one of these units. None: all."""
    rows = await conn.fetch(
        """
        SELECT * FROM use_row
        WHERE week = $1 AND ($2::text[] IS NULL OR string_to_array(unit, ', ') && $2)
        ORDER BY jsonb_array_length(findings) DESC, listenings DESC, actor, unit
        """,
        week,
        list(units) if units is not None else None,
    )
    return tuple(_row(row) for row in rows)


async def samples(
    conn: Connection, queues: Collection[str] | None, *, week: date | None = None, limit: int = 500
) -> tuple[Sample, ...]:
    """Listenings to calls of these queues (None: all); without a week those nobody has signed off, the oldest first."""
    rows = await conn.fetch(
        """
        SELECT use_sample.*, due_on FROM use_sample JOIN use_report USING (week)
        WHERE ($1::text[] IS NULL OR queue = ANY($1))
          AND CASE WHEN $2::date IS NULL THEN signed_at IS NULL ELSE week = $2 END
        ORDER BY week, seq LIMIT $3
        """,
        list(queues) if queues is not None else None,
        week,
        limit,
    )
    return tuple(_sample(row) for row in rows)


async def sample(conn: Connection, sample_id: UUID, queues: Collection[str] | None) -> Sample | None:
    row = await conn.fetchrow(
        """
        SELECT use_sample.*, due_on FROM use_sample JOIN use_report USING (week)
        WHERE id = $1 AND ($2::text[] IS NULL OR queue = ANY($2))
        """,
        sample_id,
        list(queues) if queues is not None else None,
    )
    return _sample(row) if row is not None else None


async def sign(conn: Connection, sample_id: UUID, by: UUID, verdict: Verdict, note: str, now: datetime) -> bool:
    """Of two who sign at the same moment one does."""
    row = await conn.fetchrow(
        """
        UPDATE use_sample SET signed_at = $5, signed_by = $2::uuid, verdict = $3, note = $4
        WHERE id = $1 AND signed_at IS NULL AND actor <> ($2::uuid)::text RETURNING id
        """,
        sample_id,
        by,
        verdict,
        note,
        now,
    )
    return row is not None


async def overdue(conn: Connection, today: date) -> tuple[int, date | None]:
    """How many listenings should have been signed off before today, and since when the oldest."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS count, min(due_on) AS oldest FROM use_sample JOIN use_report USING (week)
        WHERE signed_at IS NULL AND due_on < $1
        """,
        today,
    )
    assert row is not None  # noqa: S101 -- an aggregate
    return row["count"], row["oldest"]


async def names(conn: Connection, actors: Collection[str]) -> dict[str, str]:
    """What people are called whose ids these are."""
    rows = await conn.fetch("SELECT id, full_name FROM account WHERE id::text = ANY($1::text[])", list(actors))
    return {str(row["id"]): row["full_name"] for row in rows}


# --- the users' own numbers


async def set_numbers(
    conn: Connection, account_id: UUID, indexes: Collection[bytes], version: int, now: datetime
) -> None:
    """These, and no others any more."""
    await conn.execute("DELETE FROM own_number WHERE account_id = $1", account_id)
    await conn.execute(
        "INSERT INTO own_number SELECT $1, given, $3, $4 FROM unnest($2::bytea[]) AS given",
        account_id,
        list(set(indexes)),
        version,
        now,
    )


async def count_numbers(conn: Connection, version: int) -> dict[UUID, tuple[int, bool]]:
    """How many of each account, and whether all are of the index key that is in use."""
    rows = await conn.fetch(
        "SELECT account_id, count(*) AS count, min(index_version) >= $1 AS fresh FROM own_number GROUP BY account_id",
        version,
    )
    return {row["account_id"]: (row["count"], row["fresh"]) for row in rows}


def _finding_written(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "count": finding.count,
        "usual": finding.usual,
        "entries": list(finding.entries),
    }


def _row(row: Row) -> UseRow:
    return UseRow(
        week=row["week"],
        actor=row["actor"],
        unit=row["unit"],
        listenings=row["listenings"],
        exports=row["exports"],
        searches=row["searches"],
        views=row["views"],
        refused=row["refused"],
        out_of_hours=row["out_of_hours"],
        findings=tuple(
            Finding(
                kind=FindingKind(one["kind"]), count=one["count"], usual=one["usual"], entries=tuple(one["entries"])
            )
            for one in row["findings"]
        ),
    )


def _report(row: Row) -> Report:
    return Report(
        week=row["week"],
        made_at=row["made_at"],
        seed=row["seed"],
        read_up_to=row["read_up_to"],
        due_on=row["due_on"],
    )


def _sample(row: Row) -> Sample:
    return Sample(
        id=row["id"],
        week=row["week"],
        due_on=row["due_on"],
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        unit=row["unit"],
        recording_id=row["recording_id"],
        queue=row["queue"],
        because=row["because"],
        signed_at=row["signed_at"],
        signed_by=row["signed_by"],
        verdict=Verdict(row["verdict"]) if row["verdict"] is not None else None,
        note=row["note"],
    )
