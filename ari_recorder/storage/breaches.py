"""The tables of breaches: cases with what was found and their history, added and never changed; and what is found from:
who was at an address, what there was to listen to, what the audit log says was opened."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from ari_recorder.domain.audit import ActorKind
from ari_recorder.domain.breaches import (
    LOOKS_AT_LISTS,
    OPENINGS,
    Breach,
    Findings,
    FrozenLog,
    Opened,
    People,
    Reach,
    SubjectKind,
    Wanted,
)
from ari_recorder.storage.db import Connection, Row

_FINDINGS = TypeAdapter(Findings)
_RECORDING = re.compile(r"recording:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
# Any number, the same for every version for ever: reports are made one after the other.
_LOCK = 0x6272656163686573


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line of the history of a case."""

    change: str
    at: datetime
    by: str
    by_name: str
    note: str


async def lock(conn: Connection) -> None:
    """Nobody else makes or changes a case until the end of the transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


# --- what is found


async def is_known_host(conn: Connection, host: str) -> bool:
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM audit_personal WHERE field = 'actor.address' AND value = $1)", host
    )
    return found


async def accounts_at(conn: Connection, host: str, since: datetime, until: datetime) -> tuple[str, ...]:
    """The accounts whose entries of that time came from there."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT actor FROM audit_personal JOIN audit_entry ON audit_entry.id = entry_id
        WHERE field = 'actor.address' AND value = $1 AND at >= $2 AND at < $3
            AND leaf::jsonb -> 'actor' ->> 'kind' = ANY($4::text[]) AND actor IN (SELECT id::text FROM account)
        ORDER BY 1
        """,
        host,
        since,
        until,
        [ActorKind.USER.value, ActorKind.MACHINE.value],
    )
    return tuple(row["actor"] for row in rows)


async def reachable(conn: Connection, reach: Reach) -> frozenset[UUID]:
    """Recordings that were there at any moment of that time, and lie within it. Of a call that was forgotten since
    nobody knows whose it was: it counts."""
    rows = await conn.fetch(
        """
        SELECT recording.id FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.started_at < $2 AND (erasing_at IS NULL OR erasing_at > $1) AND quarantined_until IS NULL
            AND ($3::text[] IS NULL OR recording.queue = ANY($3))
            AND ($4::text[] IS NULL OR forgotten_at IS NOT NULL OR EXISTS (
                SELECT FROM recording_agent WHERE recording_id = recording.id AND agent = ANY($4)
            ))
        """,
        reach.since,
        reach.until,
        list(reach.queues) if reach.queues is not None else None,
        [one.lower() for one in reach.interfaces] if reach.interfaces is not None else None,
    )
    return frozenset(row["id"] for row in rows)


async def opened(
    conn: Connection, accounts: Sequence[str], since: datetime, until: datetime, host: str | None
) -> Mapping[UUID, tuple[str, ...]]:
    """By recording: how these accounts opened it in that time; from that host alone, if one is given."""
    rows = await conn.fetch(
        """
        SELECT object, array_agg(DISTINCT action ORDER BY action) AS actions FROM audit_entry
        WHERE at >= $2 AND at < $3 AND actor = ANY($1::text[]) AND outcome = 'ok' AND action = ANY($4::text[])
            AND ($5::text IS NULL OR EXISTS (
                SELECT FROM audit_personal WHERE entry_id = audit_entry.id AND field = 'actor.address' AND value = $5
            ))
        GROUP BY object
        """,
        list(accounts),
        since,
        until,
        [one.value for one in OPENINGS],
        host,
    )
    found = ((_RECORDING.fullmatch(row["object"]), row["actions"]) for row in rows)
    return {UUID(match[1]): tuple(actions) for match, actions in found if match is not None}


async def lists(conn: Connection, accounts: Sequence[str], since: datetime, until: datetime, host: str | None) -> int:
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM audit_entry
        WHERE at >= $2 AND at < $3 AND actor = ANY($1::text[]) AND outcome = 'ok' AND action = ANY($4::text[])
            AND ($5::text IS NULL OR EXISTS (
                SELECT FROM audit_personal WHERE entry_id = audit_entry.id AND field = 'actor.address' AND value = $5
            ))
        """,
        list(accounts),
        since,
        until,
        [one.value for one in LOOKS_AT_LISTS],
        host,
    )
    return count


async def people(conn: Connection, recordings: Iterable[UUID]) -> People:
    """Whose calls these are. Callers are told apart by the index that stands for their number; one that was made under
    an older key than the newest waits to be made anew."""
    row = await conn.fetchrow(
        """
        WITH of_calls AS (
            SELECT id, caller_index, members, personal IS NULL AS is_forgotten,
                caller_index IS NULL OR caller_index_version < (SELECT max(caller_index_version) FROM call) AS waits
            FROM call WHERE id IN (SELECT call_id FROM recording WHERE id = ANY($1::uuid[]))
        )
        SELECT count(*) AS calls,
            count(DISTINCT caller_index) FILTER (WHERE NOT is_forgotten AND NOT waits AND caller_index <> '')
                AS callers,
            count(*) FILTER (WHERE NOT is_forgotten AND NOT waits AND caller_index = '') AS no_number,
            count(*) FILTER (WHERE is_forgotten) AS forgotten,
            count(*) FILTER (WHERE NOT is_forgotten AND waits) AS waiting,
            (SELECT count(DISTINCT member ->> 'interface') FROM of_calls, jsonb_array_elements(members) AS member)
                AS staff
        FROM of_calls
        """,
        list(recordings),
    )
    assert row is not None  # noqa: S101 -- it is one row of counts
    return People(**dict(row.items()))


async def log_of(conn: Connection, since: datetime, until: datetime, up_to: int | None = None) -> FrozenLog:
    """Of everybody: who got in by one account may have gone on by another. `up_to`: what came later does not count."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS entries, min(seq) AS first_seq, max(seq) AS last_seq,
            encode(sha256(coalesce(string_agg(sha256(convert_to(leaf, 'UTF8')), '' ORDER BY seq), '')), 'hex') AS sha256
        FROM audit_entry WHERE at >= $1 AND at < $2 AND ($3::bigint IS NULL OR seq <= $3)
        """,
        since,
        until,
        up_to,
    )
    assert row is not None  # noqa: S101 -- it is one row of aggregates
    return FrozenLog(**dict(row.items()))


# --- cases


async def insert(conn: Connection, breach: Breach, recordings: Sequence[Opened]) -> None:
    wanted = breach.wanted
    await conn.execute(
        """
        INSERT INTO breach (id, kind, subject, since, until, aware_at, opened_at, findings)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        breach.id,
        wanted.kind.value,
        wanted.subject,
        wanted.since,
        wanted.until,
        wanted.aware_at,
        breach.opened_at,
        _FINDINGS.dump_python(breach.findings, mode="json"),
    )
    # An array of arrays wants them of one length: what was done to each goes as one text.
    await conn.execute(
        """
        INSERT INTO breach_recording (breach_id, recording_id, by_right, opened)
        SELECT $1, id, by_right, string_to_array(opened, ' ')
        FROM unnest($2::uuid[], $3::boolean[], $4::text[]) AS given (id, by_right, opened)
        """,
        breach.id,
        [one.recording_id for one in recordings],
        [one.by_right for one in recordings],
        [" ".join(one.opened) for one in recordings],
    )


async def add(conn: Connection, breach_id: UUID, step: Step) -> bool:
    """False: that has happened before."""
    row = await conn.fetchrow(
        """
        INSERT INTO breach_history (breach_id, change, at, by, by_name, note) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING RETURNING id
        """,
        breach_id,
        step.change,
        step.at,
        step.by,
        step.by_name,
        step.note,
    )
    return row is not None


async def known(conn: Connection, wanted: Wanted) -> Breach | None:
    """The case of the same question."""
    found = await _cases(
        conn,
        "WHERE kind = $1 AND subject = $2 AND since = $3 AND until = $4 AND aware_at = $5",
        wanted.kind.value,
        wanted.subject,
        wanted.since,
        wanted.until,
        wanted.aware_at,
    )
    return found[0] if found else None


async def get(conn: Connection, breach_id: UUID) -> Breach | None:
    found = await _cases(conn, "WHERE breach.id = $1", breach_id)
    return found[0] if found else None


async def all_cases(conn: Connection) -> tuple[Breach, ...]:
    """The newest first."""
    return await _cases(conn, "")


async def recordings(conn: Connection, breach_id: UUID) -> tuple[Opened, ...]:
    """All of a case: first what was opened."""
    rows = await conn.fetch(
        """
        SELECT recording_id, by_right, opened FROM breach_recording WHERE breach_id = $1
        ORDER BY opened = '{}', recording_id
        """,
        breach_id,
    )
    return tuple(
        Opened(recording_id=row["recording_id"], by_right=row["by_right"], opened=tuple(row["opened"])) for row in rows
    )


async def history(conn: Connection, breach_id: UUID) -> tuple[Step, ...]:
    rows = await conn.fetch("SELECT * FROM breach_history WHERE breach_id = $1 ORDER BY id", breach_id)
    return tuple(
        Step(change=row["change"], at=row["at"], by=row["by"], by_name=row["by_name"], note=row["note"]) for row in rows
    )


async def reminders(conn: Connection, breach_id: UUID) -> frozenset[str]:
    rows = await conn.fetch("SELECT note FROM breach_history WHERE breach_id = $1 AND change = 'reminded'", breach_id)
    return frozenset(row["note"] for row in rows)


async def _cases(conn: Connection, where: str, *values: object) -> tuple[Breach, ...]:
    rows = await conn.fetch(
        f"""
        SELECT breach.*, notified.at AS notified_at, notified.note AS reference, closed.at AS closed_at FROM breach
        LEFT JOIN breach_history AS notified ON notified.breach_id = breach.id AND notified.change = 'notified'
        LEFT JOIN breach_history AS closed ON closed.breach_id = breach.id AND closed.change = 'closed'
        {where} ORDER BY opened_at DESC, breach.id
        """,  # noqa: S608 -- the texts are those of this file
        *values,
    )
    return tuple(_breach(row) for row in rows)


def _breach(row: Row) -> Breach:
    return Breach(
        id=row["id"],
        wanted=Wanted(
            kind=SubjectKind(row["kind"]),
            subject=row["subject"],
            since=row["since"],
            until=row["until"],
            aware_at=row["aware_at"],
        ),
        opened_at=row["opened_at"],
        findings=_FINDINGS.validate_python(row["findings"]),
        notified_at=row["notified_at"],
        reference=row["reference"] or "",
        closed_at=row["closed_at"],
    )
