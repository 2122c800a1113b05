"""The tables `sweep_run` and `reminder`: what the sweep did when, which clock it trusted, and what it reminded of.

running ──► done | failed          a run; one that was killed stays running
refused                            the clock was not plausible: nothing was destroyed
confirmed                          a person said that the clock is right
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.clock import Reading, Trusted
from ari_recorder.storage.db import Connection, Row

# Long enough to see a season; a run every ten minutes makes 13,000 rows of it.
_KEPT = timedelta(days=90)


class SweepState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    id: int
    state: SweepState
    started_at: datetime
    finished_at: datetime | None
    erased: int
    failed: int
    forgotten_calls: int
    because: str


async def database_clock(conn: Connection) -> tuple[datetime, datetime | None]:
    """The database's clock, and since when it runs, if it has another address than this connection."""
    row = await conn.fetchrow(
        """
        SELECT clock_timestamp() AS now,
               CASE WHEN inet_server_addr() <> inet_client_addr() THEN pg_postmaster_start_time() END AS since
        """
    )
    assert row is not None  # noqa: S101 -- a SELECT without FROM
    return row["now"], row["since"]


async def trusted(conn: Connection, boot_id: UUID) -> Trusted | None:
    """What was trusted last: on this host since it was booted, else anywhere."""
    row = await conn.fetchrow(
        """
        SELECT boot_id, booted_at, started_at FROM sweep_run WHERE state <> 'refused'
        ORDER BY (boot_id = $1) DESC, id DESC LIMIT 1
        """,
        boot_id,
    )
    if row is None:
        return None
    return Trusted(boot_id=row["boot_id"], booted_at=row["booted_at"], seen_at=row["started_at"])


async def begin(conn: Connection, reading: Reading, booted_at: datetime, state: SweepState, because: str = "") -> int:
    run_id: int = await conn.fetchval(
        """
        INSERT INTO sweep_run (state, started_at, finished_at, database_at, boot_id, booted_at, because)
        VALUES ($1, $2, CASE WHEN $7 THEN $2::timestamptz END, $3, $4, $5, $6) RETURNING id
        """,
        state,
        reading.wall,
        reading.database,
        reading.boot_id,
        booted_at,
        because,
        state is not SweepState.RUNNING,
    )
    return run_id


async def add_erased(conn: Connection, run_id: int, erased: int) -> None:
    """Progress, visible while it runs."""
    await conn.execute("UPDATE sweep_run SET erased = erased + $2 WHERE id = $1", run_id, erased)


async def finish(
    conn: Connection, run_id: int, state: SweepState, now: datetime, *, failed: int, forgotten_calls: int, because: str
) -> None:
    await conn.execute(
        """
        UPDATE sweep_run SET state = $2, finished_at = $3, failed = $4, forgotten_calls = $5, because = $6
        WHERE id = $1 AND state = 'running'
        """,
        run_id,
        state,
        now,
        failed,
        forgotten_calls,
        because,
    )


async def forget_old(conn: Connection, now: datetime) -> None:
    """Not the newest ones: they are the measure for the next."""
    await conn.execute(
        """
        DELETE FROM sweep_run WHERE started_at < $1
            AND id NOT IN (SELECT max(id) FROM sweep_run GROUP BY state UNION ALL SELECT max(id) FROM sweep_run
                           WHERE state <> 'refused' GROUP BY boot_id)
        """,
        now - _KEPT,
    )


async def newest(conn: Connection) -> Run | None:
    row = await conn.fetchrow("SELECT * FROM sweep_run WHERE state <> 'confirmed' ORDER BY id DESC LIMIT 1")
    return _from_row(row) if row is not None else None


async def last_success(conn: Connection) -> datetime | None:
    found: datetime | None = await conn.fetchval(
        "SELECT finished_at FROM sweep_run WHERE state = 'done' ORDER BY id DESC LIMIT 1"
    )
    return found


# --- reminders


async def reminded(conn: Connection, subjects: Collection[UUID]) -> dict[UUID, date]:
    rows = await conn.fetch("SELECT subject, last_on FROM reminder WHERE subject = ANY($1::uuid[])", list(subjects))
    return {row["subject"]: row["last_on"] for row in rows}


async def remind(conn: Connection, subject: UUID, today: date) -> bool:
    """Is it ours to remind of it today? Of several services one is told yes."""
    row = await conn.fetchrow(
        """
        INSERT INTO reminder (subject, last_on) VALUES ($1, $2)
        ON CONFLICT (subject) DO UPDATE SET last_on = excluded.last_on WHERE reminder.last_on < excluded.last_on
        RETURNING subject
        """,
        subject,
        today,
    )
    return row is not None


def _from_row(row: Row) -> Run:
    return Run(
        id=row["id"],
        state=SweepState(row["state"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        erased=row["erased"],
        failed=row["failed"],
        forgotten_calls=row["forgotten_calls"],
        because=row["because"],
    )
