"""The tables `hold` and `request_freeze`, and what supervisors decided on flagged calls. What they keep: keeping.py."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from ari_recorder.domain.holds import Freeze, Hold
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What keeps one recording."""

    holds: tuple[Hold, ...] = ()
    freezes: tuple[Freeze, ...] = ()


NOTHING = Keeping()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """A flagged call nobody decided on in this queue, with the recording of it there that is due first."""

    call_id: UUID
    recording_id: UUID
    queue: str
    started_at: datetime
    kept_from: datetime


async def of_recordings(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Keeping]:
    """What keeps each of these; those that nothing keeps are left out."""
    rows = await conn.fetch(
        "SELECT keeper, recording_id FROM keeping WHERE recording_id = ANY($1::uuid[]) AND ended_at IS NULL", list(ids)
    )
    keepers = {row["keeper"] for row in rows}
    if not keepers:
        return {}
    found_holds = {one.id: one for one in await holds(conn, ids=keepers)}
    found_freezes = {one.id: one for one in await freezes(conn, ids=keepers)}
    found: dict[UUID, Keeping] = {}
    for row in rows:
        known = found.get(row["recording_id"], NOTHING)
        hold, freeze = found_holds.get(row["keeper"]), found_freezes.get(row["keeper"])
        found[row["recording_id"]] = Keeping(
            holds=(*known.holds, hold) if hold is not None else known.holds,
            freezes=(*known.freezes, freeze) if freeze is not None else known.freezes,
        )
    return found


async def forget(conn: Connection, erased: Sequence[UUID]) -> None:
    """What was written about holds and freezes of which nothing is left: reference, owner and reason go."""
    if not await conn.fetchval(
        "SELECT EXISTS (SELECT FROM keeping WHERE recording_id = ANY($1::uuid[]))", list(erased)
    ):
        return
    # Two who bury the last recordings of one hold at the same moment come one after the other: the second sees all.
    for table in ("hold", "request_freeze"):
        await conn.fetch(
            f"""
            SELECT FROM {table} WHERE id IN (SELECT keeper FROM keeping WHERE recording_id = ANY($1::uuid[]))
            ORDER BY id FOR UPDATE
            """,  # noqa: S608 -- the names are the two above
            list(erased),
        )
    await conn.execute(
        """
        WITH over AS (
            SELECT keeper FROM keeping WHERE recording_id = ANY($1::uuid[])
            EXCEPT
            SELECT keeper FROM keeping JOIN recording ON recording.id = recording_id WHERE state <> 'erased'
        ), emptied AS (
            UPDATE request_freeze SET reference = '' WHERE id IN (SELECT keeper FROM over) AND closed_at IS NOT NULL
        )
        UPDATE hold SET reference = '', owner = '', reason = NULL, reason_key_name = NULL
        WHERE id IN (SELECT keeper FROM over) AND released_at IS NOT NULL
        """,
        list(erased),
    )


# --- holds


async def insert_hold(conn: Connection, hold: Hold, reason: bytes, key_name: str) -> None:
    await conn.execute(
        """
        INSERT INTO hold (id, reference, owner, reason, placed_at, placed_by, review_on, reason_key_name, queues)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        hold.id,
        hold.reference,
        hold.owner,
        reason,
        hold.placed_at,
        hold.placed_by,
        hold.review_on,
        key_name,
        sorted(hold.queues) if hold.queues is not None else None,
    )


async def holds(conn: Connection, *, ids: Collection[UUID] | None = None, active: bool = False) -> tuple[Hold, ...]:
    """All, or those of these ids; `active`: only those not released. The next to be reviewed first."""
    rows = await conn.fetch(
        """
        SELECT * FROM hold WHERE ($1::uuid[] IS NULL OR id = ANY($1)) AND (NOT $2 OR released_at IS NULL)
        ORDER BY review_on, placed_at
        """,
        list(ids) if ids is not None else None,
        active,
    )
    return tuple(_hold(row) for row in rows)


async def reasons(conn: Connection, ids: Collection[UUID]) -> dict[UUID, bytes]:
    rows = await conn.fetch("SELECT id, reason FROM hold WHERE id = ANY($1::uuid[]) AND reason IS NOT NULL", list(ids))
    return {row["id"]: row["reason"] for row in rows}


async def lock_hold(conn: Connection, hold_id: UUID) -> Hold | None:
    row = await conn.fetchrow("SELECT * FROM hold WHERE id = $1 FOR UPDATE", hold_id)
    return _hold(row) if row is not None else None


async def extend(conn: Connection, hold_id: UUID, review_on: date) -> None:
    await conn.execute("UPDATE hold SET review_on = $2 WHERE id = $1 AND released_at IS NULL", hold_id, review_on)


async def release(conn: Connection, hold_id: UUID, by: str, now: datetime) -> bool:
    row = await conn.fetchrow(
        """
        UPDATE hold SET released_at = $3, released_by = $2 WHERE id = $1 AND released_at IS NULL RETURNING id
        """,
        hold_id,
        by,
        now,
    )
    return row is not None


# --- freezes


async def insert_freeze(conn: Connection, freeze: Freeze) -> None:
    await conn.execute(
        "INSERT INTO request_freeze (id, reference, opened_at, opened_by, restricts) VALUES ($1, $2, $3, $4, $5)",
        freeze.id,
        freeze.reference,
        freeze.opened_at,
        freeze.opened_by,
        freeze.restricts,
    )


async def freezes(conn: Connection, *, ids: Collection[UUID] | None = None, active: bool = False) -> tuple[Freeze, ...]:
    rows = await conn.fetch(
        """
        SELECT * FROM request_freeze WHERE ($1::uuid[] IS NULL OR id = ANY($1)) AND (NOT $2 OR closed_at IS NULL)
        ORDER BY opened_at
        """,
        list(ids) if ids is not None else None,
        active,
    )
    return tuple(_freeze(row) for row in rows)


async def lock_freeze(conn: Connection, freeze_id: UUID) -> Freeze | None:
    row = await conn.fetchrow("SELECT * FROM request_freeze WHERE id = $1 FOR UPDATE", freeze_id)
    return _freeze(row) if row is not None else None


async def close_freeze(conn: Connection, freeze_id: UUID, by: str, now: datetime) -> bool:
    row = await conn.fetchrow(
        "UPDATE request_freeze SET closed_at = $3, closed_by = $2 WHERE id = $1 AND closed_at IS NULL RETURNING id",
        freeze_id,
        by,
        now,
    )
    return row is not None


# --- flagged calls


async def decide(conn: Connection, ids: Collection[UUID], decision: str, by: str, now: datetime) -> None:
    """What a supervisor decided on these recordings of a flagged call. The last word counts."""
    await conn.execute(
        "UPDATE recording SET decision = $2, decided_at = $4, decided_by = $3 WHERE id = ANY($1::uuid[])",
        list(ids),
        decision,
        by,
        now,
    )


async def undecided(conn: Connection, *, limit: int = 1000) -> tuple[Undecided, ...]:
    """Flagged calls with recordings that are there, on which nobody decided; the oldest first. One that went through
    two queues is there twice: who looks after one does not decide for the other."""
    rows = await conn.fetch(
        """
        SELECT * FROM (
            SELECT DISTINCT ON (call_id, queue) call_id, id AS recording_id, queue, started_at, kept_from FROM recording
            WHERE flagged AND decision IS NULL AND state = 'sealed' AND keeps = 0
            ORDER BY call_id, queue, kept_from, id
        ) AS waiting
        ORDER BY kept_from, recording_id LIMIT $1
        """,
        limit,
    )
    return tuple(
        Undecided(
            call_id=row["call_id"],
            recording_id=row["recording_id"],
            queue=row["queue"],
            started_at=row["started_at"],
            kept_from=row["kept_from"],
        )
        for row in rows
    )


def _hold(row: Row) -> Hold:
    return Hold(
        id=row["id"],
        reference=row["reference"],
        owner=row["owner"],
        placed_at=row["placed_at"],
        placed_by=row["placed_by"],
        review_on=row["review_on"],
        released_at=row["released_at"],
        released_by=row["released_by"],
        queues=frozenset(row["queues"]) if row["queues"] is not None else None,
    )


def _freeze(row: Row) -> Freeze:
    return Freeze(
        id=row["id"],
        reference=row["reference"],
        opened_at=row["opened_at"],
        opened_by=row["opened_by"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        restricts=row["restricts"],
    )
