"""The tables of the ledger: rows as they were weighed last, what people explained, days that are closed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ari_recorder.domain.ledger import LedgerRow, LedgerState, Reason, Verdict
from ari_recorder.domain.queue_log import QueueOutcome
from ari_recorder.domain.retention import local_day
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    why: str
    explained_by: str
    explained_at: datetime


def _texts(uniqueids: Iterable[str]) -> list[str]:
    """A torn log may hold NUL, PostgreSQL does not."""
    return [uniqueid.replace("\0", "\ufffd") for uniqueid in uniqueids]


async def upsert(conn: Connection, rows: Sequence[LedgerRow], now: datetime) -> None:
    """As they are now. Rows of a day that is closed stay as they are."""
    await conn.execute(
        """
        INSERT INTO ledger_row (
            uniqueid, day, queue, entered_at, outcome, state, reason, flagged, talk_time, heard, weighed_at
        )
        SELECT given.*, $11 FROM unnest(
            $1::text[], $2::date[], $3::text[], $4::timestamptz[], $5::text[], $6::ledger_state[], $7::text[],
            $8::boolean[], $9::interval[], $10::interval[]
        ) AS given (uniqueid, day, queue, entered_at, outcome, state, reason, flagged, talk_time, heard)
        WHERE NOT EXISTS (SELECT FROM ledger_day WHERE ledger_day.day = given.day)
        ON CONFLICT (uniqueid) DO UPDATE SET
            day = excluded.day, queue = excluded.queue, entered_at = excluded.entered_at, outcome = excluded.outcome,
            state = excluded.state, reason = excluded.reason, flagged = excluded.flagged,
            talk_time = excluded.talk_time, heard = excluded.heard, weighed_at = excluded.weighed_at
        WHERE NOT EXISTS (SELECT FROM ledger_day WHERE ledger_day.day = ledger_row.day)
        """,
        _texts(row.uniqueid for row in rows),
        [local_day(row.entered_at) for row in rows],
        [row.queue for row in rows],
        [row.entered_at for row in rows],
        [row.outcome for row in rows],
        [row.verdict.state for row in rows],
        [row.verdict.reason for row in rows],
        [row.flagged for row in rows],
        [row.talk_time for row in rows],
        [row.heard for row in rows],
        now,
    )


async def alarm(conn: Connection, uniqueids: Collection[str], now: datetime) -> tuple[str, ...]:
    """Those of these that are unexplained, and were not told before: from now on they were. Once for each call."""
    rows = await conn.fetch(
        """
        UPDATE ledger_row SET alarmed_at = $2
        WHERE uniqueid = ANY($1::text[]) AND state = 'unexplained' AND alarmed_at IS NULL
            AND NOT EXISTS (SELECT FROM ledger_explanation WHERE ledger_explanation.uniqueid = ledger_row.uniqueid)
        RETURNING uniqueid
        """,
        _texts(uniqueids),
        now,
    )
    return tuple(row["uniqueid"] for row in rows)


async def of_day(conn: Connection, day: date) -> dict[str, LedgerRow]:
    """By Uniqueid, as weighed last; without recordings, which are asked of the calls."""
    rows = await conn.fetch("SELECT * FROM ledger_row WHERE day = $1 ORDER BY entered_at, uniqueid", day)
    return {row["uniqueid"]: _row(row) for row in rows}


async def get(conn: Connection, uniqueids: Collection[str]) -> dict[str, LedgerRow]:
    rows = await conn.fetch("SELECT * FROM ledger_row WHERE uniqueid = ANY($1::text[])", _texts(uniqueids))
    return {row["uniqueid"]: _row(row) for row in rows}


async def still_open(conn: Connection, since: date) -> dict[str, LedgerRow]:
    """Rows that may change yet, of days from `since` on."""
    rows = await conn.fetch(
        "SELECT * FROM ledger_row WHERE day >= $1 AND state IN ('unexplained', 'pending') ORDER BY entered_at", since
    )
    return {row["uniqueid"]: _row(row) for row in rows}


async def explain(conn: Connection, uniqueid: str, explanation: Explanation) -> bool:
    """False when somebody did before, or the call is not unexplained."""
    row = await conn.fetchrow(
        """
        INSERT INTO ledger_explanation (uniqueid, why, explained_by, explained_at)
        SELECT uniqueid, $2, $3, $4 FROM ledger_row WHERE uniqueid = $1 AND state = 'unexplained' FOR UPDATE
        ON CONFLICT (uniqueid) DO NOTHING RETURNING uniqueid
        """,
        uniqueid,
        explanation.why,
        explanation.explained_by,
        explanation.explained_at,
    )
    return row is not None


async def explanations(conn: Connection, uniqueids: Collection[str]) -> Mapping[str, Explanation]:
    rows = await conn.fetch("SELECT * FROM ledger_explanation WHERE uniqueid = ANY($1::text[])", _texts(uniqueids))
    return {
        row["uniqueid"]: Explanation(why=row["why"], explained_by=row["explained_by"], explained_at=row["explained_at"])
        for row in rows
    }


async def closed(conn: Connection, days: Collection[date]) -> Mapping[date, datetime]:
    """Which of these days are closed, and since when."""
    rows = await conn.fetch("SELECT day, closed_at FROM ledger_day WHERE day = ANY($1::date[])", list(days))
    return {row["day"]: row["closed_at"] for row in rows}


async def close(
    conn: Connection, day: date, now: datetime, *, recorded: int, not_recorded: int, quarantined: int, explained: int
) -> bool:
    """False when it is closed already."""
    row = await conn.fetchrow(
        """
        INSERT INTO ledger_day (day, closed_at, recorded, not_recorded, quarantined, explained)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (day) DO NOTHING RETURNING day
        """,
        day,
        now,
        recorded,
        not_recorded,
        quarantined,
        explained,
    )
    return row is not None


def _row(row: Row) -> LedgerRow:
    return LedgerRow(
        uniqueid=row["uniqueid"],
        queue=row["queue"],
        entered_at=row["entered_at"],
        outcome=QueueOutcome(row["outcome"]) if row["outcome"] is not None else None,
        verdict=Verdict(state=LedgerState(row["state"]), reason=Reason(row["reason"])),
        flagged=row["flagged"],
        talk_time=row["talk_time"],
        heard=row["heard"],
        recording_ids=(),
    )
