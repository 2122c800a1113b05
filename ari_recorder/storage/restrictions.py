"""The tables `restriction`, `restriction_of` and `restriction_lifted`: added, never changed. What they mean: domain.

recording.restrictions = how many rows of `restriction_of` of it are of one that is not lifted; the database counts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.audit import Actor
from ari_recorder.domain.restriction import Restriction, RestrictionGround, SubjectTold, ToldHow
from ari_recorder.storage.db import Connection, Row

_ALL = """
    SELECT restriction.*, told_on, told_how, lifted_at, lifted_by_name
    FROM restriction LEFT JOIN restriction_lifted ON restriction_id = restriction.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A restriction and what it is of. `there`: those of its recordings that are not destroyed."""

    restriction: Restriction
    recordings: tuple[UUID, ...]
    there: tuple[UUID, ...]


async def insert(conn: Connection, one: Restriction, by: Actor, recordings: Collection[UUID]) -> None:
    """The rows of the recordings are locked."""
    await conn.execute(
        """
        INSERT INTO restriction (id, ground, case_id, case_number, set_at, set_by, set_by_name)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        one.id,
        one.ground,
        one.case_id,
        one.case_number,
        one.set_at,
        by.id,
        one.set_by,
    )
    await conn.execute(
        "INSERT INTO restriction_of (restriction_id, recording_id) SELECT $1, id FROM unnest($2::uuid[]) AS given (id)",
        one.id,
        list(recordings),
    )


async def join(conn: Connection, call_ids: Collection[UUID]) -> tuple[UUID, ...]:
    """A call is restricted as a whole: what was stored of it later is restricted by what restricts the rest. The rows
    of the calls are locked, so that nobody restricts or stores something of them meanwhile."""
    rows = await conn.fetch(
        """
        INSERT INTO restriction_of (restriction_id, recording_id)
        SELECT DISTINCT restriction_id, late.id
        FROM recording AS known JOIN restriction_of ON recording_id = known.id
            JOIN recording AS late ON late.call_id = known.call_id
        WHERE known.call_id = ANY($1::uuid[]) AND known.restrictions > 0 AND late.state = 'sealed'
            AND NOT EXISTS (
                SELECT FROM restriction_lifted AS over WHERE over.restriction_id = restriction_of.restriction_id
            )
        ON CONFLICT (restriction_id, recording_id) DO NOTHING
        RETURNING recording_id
        """,
        list(call_ids),
    )
    return tuple(row["recording_id"] for row in rows)


async def lift(conn: Connection, restriction_id: UUID, told: SubjectTold, by: Actor, now: datetime) -> None:
    """The rows of its recordings are locked."""
    await conn.execute(
        """
        INSERT INTO restriction_lifted (restriction_id, told_on, told_how, lifted_at, lifted_by, lifted_by_name)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        restriction_id,
        told.on,
        told.how,
        now,
        by.id,
        by.label,
    )


async def lock(conn: Connection, restriction_id: UUID) -> Restriction | None:
    """Of two who lift it the second waits, and sees that it is lifted."""
    if await conn.fetchval("SELECT id FROM restriction WHERE id = $1 FOR UPDATE", restriction_id) is None:
        return None
    row = await conn.fetchrow(f"{_ALL} WHERE restriction.id = $1", restriction_id)
    return _restriction(row) if row is not None else None


async def recordings_of(conn: Connection, restriction_id: UUID) -> tuple[UUID, ...]:
    rows = await conn.fetch("SELECT recording_id FROM restriction_of WHERE restriction_id = $1", restriction_id)
    return tuple(row["recording_id"] for row in rows)


async def of_recordings(conn: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[Restriction, ...]]:
    """Those of each that were ever set, lifted ones too; recordings that never were restricted are left out."""
    pairs = await conn.fetch(
        "SELECT restriction_id, recording_id FROM restriction_of WHERE recording_id = ANY($1::uuid[])", list(ids)
    )
    rows = await conn.fetch(
        f"{_ALL} WHERE restriction.id = ANY($1::uuid[])", list({pair["restriction_id"] for pair in pairs})
    )
    known = {row["id"]: _restriction(row) for row in rows}
    found: dict[UUID, tuple[Restriction, ...]] = {}
    for pair in pairs:
        found[pair["recording_id"]] = (*found.get(pair["recording_id"], ()), known[pair["restriction_id"]])
    return found


async def stored(conn: Connection, *, ids: Collection[UUID] | None = None, ended: bool = False) -> tuple[Stored, ...]:
    """All, or those of these ids, the oldest first. Without `ended` those that restrict something that is there."""
    rows = await conn.fetch(
        f"""
        {_ALL}
        WHERE ($1::uuid[] IS NULL OR restriction.id = ANY($1)) AND ($2 OR (
            lifted_at IS NULL AND EXISTS (
                SELECT FROM restriction_of AS given JOIN recording ON recording.id = given.recording_id
                WHERE given.restriction_id = restriction.id AND recording.state = 'sealed'
            )
        ))
        ORDER BY set_at, restriction.id
        """,
        list(ids) if ids is not None else None,
        ended,
    )
    pairs = await conn.fetch(
        """
        SELECT restriction_id, recording_id, recording.state = 'sealed' AS there
        FROM restriction_of JOIN recording ON recording.id = recording_id
        WHERE restriction_id = ANY($1::uuid[]) ORDER BY started_at, recording_id
        """,
        [row["id"] for row in rows],
    )
    return tuple(
        Stored(
            restriction=_restriction(row),
            recordings=_those(pairs, row["id"]),
            there=_those([pair for pair in pairs if pair["there"]], row["id"]),
        )
        for row in rows
    )


def _those(pairs: Sequence[Row], restriction_id: UUID) -> tuple[UUID, ...]:
    return tuple(pair["recording_id"] for pair in pairs if pair["restriction_id"] == restriction_id)


def _restriction(row: Row) -> Restriction:
    told = None
    if row["told_on"] is not None:
        told = SubjectTold(on=row["told_on"], how=ToldHow(row["told_how"]))
    return Restriction(
        id=row["id"],
        ground=RestrictionGround(row["ground"]),
        case_number=row["case_number"],
        case_id=row["case_id"],
        set_at=row["set_at"],
        set_by=row["set_by_name"],
        told=told,
        lifted_at=row["lifted_at"],
        lifted_by=row["lifted_by_name"],
    )
