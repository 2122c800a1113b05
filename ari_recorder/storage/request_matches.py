"""The tables `request_search` and `request_match`: which calls a case may be about, and whose they are.

    search ── matches ──► call ──► request_match, and its recordings in `keeping`, kept by the case
       └── open: what it may match is not destroyed, matched or not (erasing.py)

A search goes by the index of a number, by queue and by time. A call whose index is not made yet, or not by the key of
the search, may be anybody's: it counts as one that may match. Opening and searching have the sweep to themselves, so
that what is about to be destroyed is seen by them, and what they are looking for is seen by it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ari_recorder.storage.db import Connection

_LOCK = "SELECT pg_advisory_xact_lock{shared}(hashtextextended('ari-recorder request searches', 0))"

# Of `search`, `recording` and `call`: may this recording be one of those?
_IN_WINDOW = """
    recording.started_at >= search.since AND recording.started_at < search.until
    AND (search.queue IS NULL OR recording.queue = search.queue)
"""
# Not known yet: there is a caller, and no index of it under the key of the search.
_NOT_INDEXED = "(call.personal IS NOT NULL AND call.caller_index_version IS DISTINCT FROM search.caller_index_version)"

# For a query about `recording` and `call`: an open case may be about it. Rows that something keeps are elsewhere.
SPARED = f"""
    EXISTS (
        SELECT FROM request_search AS search WHERE search.open AND {_IN_WINDOW}
            AND (search.caller_index IS NULL OR call.caller_index = search.caller_index OR {_NOT_INDEXED})
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`since` and `until` bound the beginning of recordings. `caller_index`: of a number, None for any caller."""

    id: UUID
    case_id: UUID
    caller_index: bytes | None = field(repr=False)
    caller_index_version: int | None
    text_id: UUID
    queue: str | None
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A call that was found, and when it began. `is_theirs` is None while nobody has looked. `recordings`: what there
    is of it."""

    call_id: UUID
    began_at: datetime
    found_at: datetime
    is_theirs: bool | None
    is_granted: bool
    is_of_number: bool
    recordings: Sequence[UUID]
    queues: Sequence[str]


async def alone(conn: Connection, *, seconds: float) -> None:
    """Until the transaction ends nothing begins to be destroyed. Before any row is locked. `seconds`: how long to wait
    for those who do the same."""
    await conn.execute(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")
    await conn.execute(_LOCK.format(shared=""))


async def beside_searches(conn: Connection) -> None:
    """Until the transaction ends no search begins, and each question from here on knows those that did."""
    await conn.execute(_LOCK.format(shared="_shared"))


async def insert(conn: Connection, search: Search) -> None:
    await conn.execute(
        """
        INSERT INTO request_search (id, case_id, caller_index, caller_index_version, text_id, queue, since, until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        search.id,
        search.case_id,
        search.caller_index,
        search.caller_index_version,
        search.text_id,
        search.queue,
        search.since,
        search.until,
    )


async def end(conn: Connection, case_id: UUID, now: datetime) -> None:
    """The case is decided on: what begins later is not what it was about."""
    await conn.execute(
        "UPDATE request_search SET until = greatest(least(until, $2), since + interval '1 microsecond') "
        "WHERE case_id = $1",
        case_id,
        now,
    )


async def let_go(conn: Connection, case_id: UUID) -> None:
    await conn.execute("UPDATE request_search SET open = false WHERE case_id = $1", case_id)


async def old_numbers(conn: Connection, version: int) -> dict[UUID, UUID]:
    """Open searches by number whose index is of another key: with where the number is sealed."""
    rows = await conn.fetch(
        "SELECT id, text_id FROM request_search WHERE open AND caller_index_version < $1 ORDER BY id", version
    )
    return {row["id"]: row["text_id"] for row in rows}


async def set_number(conn: Connection, indexed: Mapping[UUID, bytes], version: int) -> None:
    await conn.execute(
        """
        UPDATE request_search SET caller_index = given.index, caller_index_version = $3
        FROM unnest($1::uuid[], $2::bytea[]) AS given (id, index) WHERE request_search.id = given.id
        """,
        list(indexed),
        list(indexed.values()),
        version,
    )


_CANDIDATES = f"""
    SELECT search.case_id, call.id AS call_id FROM request_search AS search
    JOIN call ON {{by}} JOIN recording ON recording.call_id = call.id AND {_IN_WINDOW}
    WHERE search.open AND ($1::uuid IS NULL OR search.case_id = $1)
        AND call.state = 'ended' AND recording.state = 'sealed' AND recording.quarantined_until IS NULL
        AND NOT EXISTS (
            SELECT FROM request_match
            WHERE request_match.case_id = search.case_id AND request_match.call_id = call.id
        )
"""  # noqa: S608 -- the texts are those above
_BY_NUMBER = _CANDIDATES.format(by="call.caller_index = search.caller_index")
_BY_WINDOW = _CANDIDATES.format(by="search.caller_index IS NULL")


async def found(conn: Connection, case_id: UUID | None = None) -> dict[UUID, tuple[UUID, ...]]:
    """By case, the calls that its searches match and that are not in it yet. Not those that go on, nor what is in
    quarantine: nobody may open that, the person neither."""
    rows = await conn.fetch(
        f"SELECT case_id, call_id FROM ({_BY_NUMBER} UNION {_BY_WINDOW}) AS either ORDER BY 1, 2",  # noqa: S608
        case_id,
    )
    by_case: dict[UUID, tuple[UUID, ...]] = {}
    for row in rows:
        by_case[row["case_id"]] = (*by_case.get(row["case_id"], ()), row["call_id"])
    return by_case


async def waiting(conn: Connection, case_id: UUID) -> int:
    """How many calls may match and cannot be told yet."""
    count: int = await conn.fetchval(
        f"""
        SELECT count(DISTINCT call.id) FROM request_search AS search
        JOIN recording ON {_IN_WINDOW} JOIN call ON call.id = recording.call_id
        WHERE search.case_id = $1 AND search.caller_index IS NOT NULL AND recording.state = 'sealed' AND {_NOT_INDEXED}
            AND NOT EXISTS (SELECT FROM request_match WHERE case_id = $1 AND call_id = call.id)
        """,  # noqa: S608 -- the texts are those above
        case_id,
    )
    return count


async def add(conn: Connection, case_id: UUID, calls: Collection[UUID], now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO request_match (case_id, call_id, found_at) SELECT $1, id, $3 FROM unnest($2::uuid[]) AS given (id)
        ON CONFLICT (case_id, call_id) DO NOTHING
        """,
        case_id,
        list(calls),
        now,
    )


async def of_case(conn: Connection, case_id: UUID) -> tuple[Match, ...]:
    """The oldest call first."""
    rows = await conn.fetch(
        """
        SELECT request_match.*, call.first_seen_at AS began_at,
            (
                call.caller_index IS NULL OR call.caller_index = '\\x'
                OR NOT EXISTS (SELECT FROM request_search WHERE case_id = $1 AND caller_index IS NOT NULL)
                OR EXISTS (
                    SELECT FROM request_search WHERE case_id = $1 AND caller_index = call.caller_index
                )
            ) AS is_of_number,
            coalesce(
                array_agg(recording.id ORDER BY recording.started_at, recording.id)
                    FILTER (WHERE recording.state = 'sealed'), '{}'
            ) AS recordings,
            coalesce(array_agg(DISTINCT recording.queue) FILTER (WHERE recording.state = 'sealed'), '{}') AS queues
        FROM request_match JOIN call ON call.id = request_match.call_id
        LEFT JOIN recording ON recording.call_id = call.id
        WHERE case_id = $1
        GROUP BY request_match.case_id, request_match.call_id, call.id
        ORDER BY call.first_seen_at, call.id
        """,
        case_id,
    )
    return tuple(
        Match(
            call_id=row["call_id"],
            began_at=row["began_at"],
            found_at=row["found_at"],
            is_theirs=row["is_theirs"],
            is_granted=row["is_granted"],
            is_of_number=row["is_of_number"],
            recordings=tuple(row["recordings"]),
            queues=tuple(row["queues"]),
        )
        for row in rows
    )


async def confirm(conn: Connection, case_id: UUID, verdicts: Mapping[UUID, bool]) -> None:
    await conn.execute(
        """
        UPDATE request_match SET is_theirs = given.theirs
        FROM unnest($2::uuid[], $3::boolean[]) AS given (id, theirs) WHERE case_id = $1 AND call_id = given.id
        """,
        case_id,
        list(verdicts),
        list(verdicts.values()),
    )


async def grant(conn: Connection, case_id: UUID, calls: Collection[UUID]) -> None:
    await conn.execute(
        "UPDATE request_match SET is_granted = true WHERE case_id = $1 AND call_id = ANY($2::uuid[])",
        case_id,
        list(calls),
    )
