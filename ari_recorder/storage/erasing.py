"""The table `recording` as the sweep sees it: which are due, and their way from sealed to erased. No decisions here.

    sealed ─(begin_erasing)─► erasing ─(destroy_keys)─► erasing, no key ─(bury)─► erased ─(certificates.py)─► certified

What is in quarantine is due by its own day: out_of_quarantine finds it, and no question about a queue does.
A recording that something keeps (`keeps`, holds.py) is never touched: no question finds it, no change of state takes
it, and a constraint of the table has the last word. Nor is one that the case of a person may be about and does not keep
yet: its caller may not be known by number so far (request_matches.py).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.places import WITHIN_REACH
from ari_recorder.storage.recordings import Key
from ari_recorder.storage.request_matches import SPARED


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What the sweep needs to know of a recording that may be due, or is being erased. Retention counts from
    `kept_from`."""

    id: UUID
    call_id: UUID
    queue: str
    started_at: datetime
    kept_from: datetime
    path: str | None
    undecided: bool = False
    because: str = ""
    quarantined_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What began before is due; `undecided` for flagged calls nobody decided on, which is never later."""

    ordinary: datetime
    undecided: datetime


# Flagged, and no supervisor has decided yet.
_UNDECIDED = "(call.flagged AND decision IS NULL)"


async def queues(conn: Connection) -> tuple[str, ...]:
    """The queues that have recordings nobody holds. Goes from one to the next in the index, not over all rows."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE present AS (
            SELECT min(queue) AS queue FROM recording
            WHERE state = 'sealed' AND keeps = 0 AND quarantined_until IS NULL
            UNION ALL
            SELECT (SELECT min(queue) FROM recording
                    WHERE state = 'sealed' AND keeps = 0 AND quarantined_until IS NULL AND queue > present.queue)
            FROM present WHERE present.queue IS NOT NULL
        )
        SELECT queue FROM present WHERE queue IS NOT NULL
        """
    )
    return tuple(row["queue"] for row in rows)


async def due(
    conn: Connection, queue: str, bounds: Bounds, *, limit: int, after: Key | None = None, lock: bool = True
) -> tuple[Due, ...]:
    """Sealed recordings of a queue from before the bounds, the oldest first. `lock`: until the transaction ends, and
    what somebody else has locked is left to them."""
    rows = await conn.fetch(
        f"""
        SELECT recording.id, call_id, recording.queue, started_at, kept_from, path, {_UNDECIDED} AS undecided
        FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.state = 'sealed' AND keeps = 0 AND recording.queue = $1 AND started_at < $2 AND kept_from < $2
            AND (NOT {_UNDECIDED} OR kept_from < $3) AND (started_at, recording.id) > ($4, $5)
            AND quarantined_until IS NULL AND NOT {SPARED}
        ORDER BY started_at, recording.id LIMIT $6
        {"FOR UPDATE OF recording SKIP LOCKED" if lock else ""}
        """,  # noqa: S608 -- the texts are the ones above
        queue,
        bounds.ordinary,
        bounds.undecided,
        after.started_at if after is not None else datetime.min.replace(tzinfo=UTC),
        after.id if after is not None else UUID(int=0),
        limit,
    )
    return tuple(_due_from_row(row) for row in rows)


async def count_due(conn: Connection, queue: str, bounds: Bounds, since: Bounds | None = None) -> tuple[int, int]:
    """How many are due by these bounds, and were not by the earlier ones: ordinary ones, and undecided ones."""
    start = datetime.min.replace(tzinfo=UTC)
    row = await conn.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE NOT {_UNDECIDED} AND kept_from >= $3 AND kept_from < $2) AS ordinary,
               count(*) FILTER (WHERE {_UNDECIDED} AND kept_from >= $5 AND kept_from < $4) AS undecided
        FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.state = 'sealed' AND keeps = 0 AND recording.queue = $1
            AND started_at < greatest($2, $4) AND kept_from >= least($3, $5) AND quarantined_until IS NULL
        """,  # noqa: S608 -- the texts are the ones above
        queue,
        bounds.ordinary,
        since.ordinary if since is not None else start,
        bounds.undecided,
        since.undecided if since is not None else start,
    )
    return (row["ordinary"], row["undecided"]) if row is not None else (0, 0)


async def out_of_quarantine(
    conn: Connection, now: datetime, *, limit: int, after: Key | None = None, lock: bool = True
) -> tuple[Due, ...]:
    """What is in quarantine and whose day has come; the rest as in `due`."""
    rows = await conn.fetch(
        f"""
        SELECT id, call_id, queue, started_at, kept_from, path, false AS undecided, quarantined_until FROM recording
        WHERE quarantined_until <= $1 AND state = 'sealed' AND (started_at, id) > ($2, $3)
        ORDER BY started_at, id LIMIT $4 {"FOR UPDATE SKIP LOCKED" if lock else ""}
        """,  # noqa: S608 -- the text is the one above
        now,
        after.started_at if after is not None else datetime.min.replace(tzinfo=UTC),
        after.id if after is not None else UUID(int=0),
        limit,
    )
    return tuple(replace(_due_from_row(row), quarantined_until=row["quarantined_until"]) for row in rows)


async def quarantine_ends(conn: Connection, before: datetime) -> tuple[datetime, ...]:
    """When each quarantine ends that does by then."""
    rows = await conn.fetch(
        "SELECT quarantined_until FROM recording WHERE quarantined_until <= $1 AND state = 'sealed' ORDER BY 1", before
    )
    return tuple(row["quarantined_until"] for row in rows)


async def erasing(
    conn: Connection, *, limit: int, but: Collection[UUID] = (), vault: UUID | None = None
) -> tuple[Due, ...]:
    """Those that are being erased, without `but`: what a crash or a failing disk left to do. `vault`: whose files lie
    there, or in a folder that no host has any more; None: all."""
    rows = await conn.fetch(
        f"""
        SELECT id, call_id, queue, started_at, kept_from, path, false AS undecided FROM recording
        WHERE state = 'erasing' AND id <> ALL($2::uuid[]) AND {WITHIN_REACH}
        ORDER BY id LIMIT $3
        """,  # noqa: S608 -- the text is the one of places.py
        vault,
        list(but),
        limit,
    )
    return tuple(_due_from_row(row) for row in rows)


async def begin_erasing(conn: Connection, ids: Collection[UUID], because: str, now: datetime) -> int:
    """sealed -> erasing, unless something keeps it. From here on there is no way back."""
    rows = await conn.fetch(
        """
        UPDATE recording SET state = 'erasing', erasing_at = $3, erased_because = $2
        WHERE id = ANY($1::uuid[]) AND state = 'sealed' AND keeps = 0
        RETURNING id
        """,
        list(ids),
        because,
        now,
    )
    return len(rows)


async def destroy_keys(conn: Connection, ids: Collection[UUID]) -> None:
    """Their wrapped data keys are gone: what is left of their files is noise."""
    await conn.execute(
        """
        UPDATE recording SET wrapped_key = NULL
        WHERE id = ANY($1::uuid[]) AND state = 'erasing' AND wrapped_key IS NOT NULL
        """,
        list(ids),
    )


async def within_reach(conn: Connection, ids: Collection[UUID], vault: UUID | None) -> frozenset[UUID]:
    """Those whose files lie in that folder, as in `erasing`."""
    rows = await conn.fetch(
        f"SELECT id FROM recording WHERE {WITHIN_REACH} AND id = ANY($2::uuid[])",  # noqa: S608 -- as above
        vault,
        list(ids),
    )
    return frozenset(row["id"] for row in rows)


async def bury(conn: Connection, gone: Mapping[UUID, Sequence[str]], now: datetime) -> tuple[Due, ...]:
    """erasing -> erased, for those whose key and files are gone, with the copies that were removed.

    Of several who try at once, one gets a recording.
    """
    rows = await conn.fetch(
        """
        UPDATE recording SET state = 'erased', erased_at = $3, path = NULL, sides = NULL,
            erased_copies = string_to_array(removed.copies, '|')
        FROM unnest($1::uuid[], $2::text[]) AS removed (id, copies)
        WHERE recording.id = removed.id AND state = 'erasing' AND wrapped_key IS NULL
        RETURNING recording.id, call_id, queue, started_at, kept_from, path, false AS undecided, erased_because
        """,
        list(gone),
        ["|".join(copies) for copies in gone.values()],
        now,
    )
    return tuple(replace(_due_from_row(row), because=row["erased_because"] or "") for row in rows)


def _due_from_row(row: Row) -> Due:
    return Due(
        id=row["id"],
        call_id=row["call_id"],
        queue=row["queue"],
        started_at=row["started_at"],
        kept_from=row["kept_from"],
        path=row["path"],
        undecided=row["undecided"],
    )
