"""The tables of the ledger: rows as they were weighed last, what people explained, days that are closed.

`pbx`: whose rows, and whose days, where there are several PBXs; None where there is one.
"""

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


_OF_PBX = "($2::text IS NULL OR system_name IS NULL OR system_name = $2)"


async def upsert(conn: Connection, rows: Sequence[LedgerRow], now: datetime, pbx: str | None = None) -> None:
    """As they are now. Rows of a day that is closed stay as they are."""
    await conn.execute(
        """
        INSERT INTO ledger_row (
            uniqueid, day, queue, entered_at, outcome, state, reason, flagged, talk_time, heard, weighed_at, system_name
        )
        SELECT given.*, $11, $12 FROM unnest(
            $1::text[], $2::date[], $3::text[], $4::timestamptz[], $5::text[], $6::ledger_state[], $7::text[],
            $8::boolean[], $9::interval[], $10::interval[]
        ) AS given (uniqueid, day, queue, entered_at, outcome, state, reason, flagged, talk_time, heard)
        WHERE NOT EXISTS (SELECT FROM ledger_day WHERE ledger_day.day = given.day)
            AND NOT EXISTS (SELECT FROM ledger_pbx_day AS closed WHERE closed.day = given.day AND system_name = $12)
        ON CONFLICT (uniqueid) DO UPDATE SET
            day = excluded.day, queue = excluded.queue, entered_at = excluded.entered_at, outcome = excluded.outcome,
            state = excluded.state, reason = excluded.reason, flagged = excluded.flagged,
            talk_time = excluded.talk_time, heard = excluded.heard, weighed_at = excluded.weighed_at,
            system_name = coalesce(excluded.system_name, ledger_row.system_name)
        WHERE NOT EXISTS (SELECT FROM ledger_day WHERE ledger_day.day = ledger_row.day)
            AND NOT EXISTS (
                SELECT FROM ledger_pbx_day AS closed WHERE closed.day = ledger_row.day AND system_name = $12
            )
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
        pbx,
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


async def of_day(conn: Connection, day: date, pbx: str | None = None) -> dict[str, LedgerRow]:
    """By Uniqueid, as weighed last; without recordings, which are asked of the calls."""
    rows = await conn.fetch(
        f"SELECT * FROM ledger_row WHERE day = $1 AND {_OF_PBX} ORDER BY entered_at, uniqueid",  # noqa: S608
        day,
        pbx,
    )
    return {row["uniqueid"]: _row(row) for row in rows}


async def get(conn: Connection, uniqueids: Collection[str]) -> dict[str, LedgerRow]:
    rows = await conn.fetch("SELECT * FROM ledger_row WHERE uniqueid = ANY($1::text[])", _texts(uniqueids))
    return {row["uniqueid"]: _row(row) for row in rows}


async def still_open(conn: Connection, since: date, pbx: str | None = None) -> dict[str, LedgerRow]:
    """Rows that may change yet, of days from `since` on."""
    rows = await conn.fetch(
        f"""
        SELECT * FROM ledger_row WHERE day >= $1 AND state IN ('unexplained', 'pending') AND {_OF_PBX}
        ORDER BY entered_at
        """,  # noqa: S608 -- the text is the one above
        since,
        pbx,
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


async def closed(conn: Connection, days: Collection[date], pbx: str | None = None) -> Mapping[date, datetime]:
    """Which of these days are closed, and since when: for all PBXs, or for that one."""
    rows = await conn.fetch(
        """
        SELECT day, closed_at FROM ledger_pbx_day WHERE day = ANY($1::date[]) AND system_name = $2
        UNION ALL SELECT day, closed_at FROM ledger_day WHERE day = ANY($1::date[])
        """,
        list(days),
        pbx,
    )
    return {row["day"]: row["closed_at"] for row in rows}


async def close(
    conn: Connection,
    day: date,
    now: datetime,
    *,
    pbx: str | None = None,
    recorded: int,
    not_recorded: int,
    quarantined: int,
    explained: int,
) -> bool:
    """False when it is closed already. The day of all PBXs is closed with that of the last of them."""
    counts = (recorded, not_recorded, quarantined, explained)
    if pbx is None:
        return await _close_all(conn, day, now, *counts)
    row = await conn.fetchrow(
        """
        INSERT INTO ledger_pbx_day (day, system_name, closed_at, recorded, not_recorded, quarantined, explained)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (day, system_name) DO NOTHING RETURNING day
        """,
        day,
        pbx,
        now,
        *counts,
    )
    if row is None:
        return False
    # Two that close their part at the same moment come one after the other: the second sees both.
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('ari-recorder ledger ' || $1::date, 0))", day)
    if not await _open_elsewhere(conn, day):
        total = await conn.fetchrow(
            """
            SELECT sum(recorded) AS recorded, sum(not_recorded) AS not_recorded, sum(quarantined) AS quarantined,
                   sum(explained) AS explained
            FROM ledger_pbx_day WHERE day = $1
            """,
            day,
        )
        if total is not None:
            await _close_all(conn, day, now, *(int(one) for one in total))
    return True


async def _open_elsewhere(conn: Connection, day: date) -> bool:
    """Is there a PBX that had calls on that day, or before it and has a host, and has not closed it?"""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM (
                SELECT DISTINCT system_name FROM ledger_row WHERE day = $1 AND system_name IS NOT NULL
                UNION
                SELECT system_name FROM host
                WHERE EXISTS (SELECT FROM ledger_row WHERE ledger_row.system_name = host.system_name AND day < $1)
            ) AS wanted
            WHERE NOT EXISTS (
                SELECT FROM ledger_pbx_day AS closed WHERE closed.day = $1 AND closed.system_name = wanted.system_name
            )
        )
        """,
        day,
    )
    return found


async def _close_all(
    conn: Connection, day: date, now: datetime, recorded: int, not_recorded: int, quarantined: int, explained: int
) -> bool:
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
        pbx=row["system_name"] or "",
    )
