"""Finding recordings among millions: by page, the newest first, within a scope. Nothing of the caller is in an answer.

Pages begin after, or end before, the last recording seen (started_at, id): the thousandth costs what the first costs.
Of each queue asked for, the index gives its newest; a few queues are put together, and never a table is sorted. Where
an agent is asked for, or a scope is that of a person's own calls, an index gives the newest of each of their phones:
going back in time for somebody who works elsewhere would read everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.calls import Member
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.recordings import Key
from ari_recorder.storage.scoped import within

_MEMBERS = TypeAdapter(tuple[Member, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which recordings; what is None does not matter. Times are those of the beginning. `ids`: from the first to the
    second. `destroyed`: tombstones too."""

    started_from: datetime | None = None
    started_before: datetime | None = None
    queue: str | None = None
    agent: str | None = None
    caller_index: bytes | None = None
    flagged: bool | None = None
    held: bool | None = None
    at_least: timedelta | None = None
    at_most: timedelta | None = None
    ledger: LedgerState | None = None
    ids: tuple[UUID, UUID] | None = None
    destroyed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`undecided`: flagged, and no supervisor decided yet. `kept`: by a hold or an open request. `restricted`: it is
    opened on a ground only."""

    id: UUID
    call_id: UUID
    started_at: datetime
    duration: timedelta | None
    queue: str
    agents: tuple[str, ...]
    state: StoredState
    flagged: bool
    undecided: bool
    kept: bool
    truncated: bool
    quarantined: bool
    restricted: bool
    ledger: LedgerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A filter as its user saved it."""

    id: UUID
    name: str
    filter: Mapping[str, Any]
    saved_at: datetime


_COLUMNS = """
    recording.id, recording.call_id, recording.started_at, duration, recording.queue, members, recording.state,
    recording.flagged, call.flagged AND decision IS NULL AS undecided, keeps > 0 AS kept,
    truncated_because IS NOT NULL AS truncated, quarantined_until IS NOT NULL AS quarantined,
    restrictions > 0 AS restricted, call.ledger_state
"""


# Time, id and queue, as the index has them that is gone through.
_OF_ALL = ("recording.started_at", "recording.id", "recording.queue")
_OF_AGENTS = ("theirs.started_at", "theirs.recording_id", "theirs.queue")


async def page(
    conn: Connection,
    wanted: Wanted,
    scope: Scope,
    *,
    after: Key | None = None,
    before: Key | None = None,
    limit: int,
) -> tuple[Found, ...]:
    """The newest first: those older than `after`, or the nearest that are newer than `before`."""
    values: list[object] = []
    asked = _agents(wanted, scope, values)
    # Their index knows time, id and queue: only what is shown is looked for in the other tables.
    time, at_id, queue = _OF_AGENTS if asked else _OF_ALL
    conditions = _conditions(wanted, scope, values, time)
    for key, sign in ((after, "<"), (before, ">")):
        if key is not None:
            values += [key.started_at, key.id]
            conditions.append(f"({time}, {at_id}) {sign} (${len(values) - 1}, ${len(values)})")
    order = "ASC" if before is not None else "DESC"
    values.append(limit)
    at = len(values)
    queues = _queues(wanted, scope)
    if queues is not None:
        values.append(sorted(queues))
    of_queues = f"${len(values)}::text[]"
    tables, one = "recording", ""
    if asked:
        tables = "recording_agent AS theirs JOIN recording ON recording.id = theirs.recording_id"
        one = "theirs.agent = asked.agent"
        if queues is not None:
            conditions.append(f"{queue} = ANY({of_queues})")
    elif queues is not None:
        asked, one = f"unnest({of_queues}) AS asked (queue)", f"{queue} = asked.queue"
    sql = f"""
        SELECT {_COLUMNS} FROM {tables} JOIN call ON call.id = recording.call_id
        WHERE {" AND ".join([*conditions, one or "true"])}
        ORDER BY {time} {order}, {at_id} {order} LIMIT ${at}
    """  # noqa: S608 -- the texts are those of this file
    if one:
        # The newest of each, put together; what two of them have comes once.
        sql = f"""
            SELECT DISTINCT ON (started_at, id) found.* FROM {asked} CROSS JOIN LATERAL ({sql}) AS found
            ORDER BY started_at {order}, id {order} LIMIT ${at}
        """  # noqa: S608 -- the same
    # A plan made for any queue and any agent is a bad one for most.
    await conn.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    rows = await conn.fetch(sql, *values)
    found = tuple(_found(row) for row in rows)
    return found[::-1] if before is not None else found


async def count(conn: Connection, wanted: Wanted, scope: Scope, *, at_most: int) -> int:
    """How many, but no more than `at_most` are counted. No row is read that an index can tell of."""
    values: list[object] = []
    conditions = _conditions(wanted, scope, values, "recording.started_at")
    queues = _queues(wanted, scope)
    if queues is not None:
        values.append(sorted(queues))
        conditions.append(f"recording.queue = ANY(${len(values)}::text[])")
    agents = _agents(wanted, scope, values)
    if agents:
        conditions.append("theirs.agent = asked.agent")
    condition = " AND ".join(conditions) or "true"
    theirs = f"{agents}, recording_agent AS theirs JOIN" if agents else ""
    on = "ON recording.id = theirs.recording_id" if agents else ""
    call = "JOIN call ON call.id = recording.call_id" if "call." in condition else ""
    values.append(at_most)
    # One call may be of two of those phones, and counts once.
    counted: int = await conn.fetchval(
        f"""
        SELECT count(*) FROM (
            SELECT {"DISTINCT recording.id" if agents else ""} FROM {theirs} recording {on} {call}
            WHERE {condition} LIMIT ${len(values)}
        ) AS found
        """,  # noqa: S608 -- the texts are those of this file
        *values,
    )
    return counted


def _queues(wanted: Wanted, scope: Scope) -> frozenset[str] | None:
    """Those asked for that lie in the scope; None: all there are."""
    if wanted.queue is None:
        return scope.queues
    return frozenset({wanted.queue}) if scope.queues is None else scope.queues & {wanted.queue}


def _conditions(wanted: Wanted, scope: Scope, values: list[object], time: str) -> list[str]:
    """All but the queue, and the scope once more, so that no filter of this file can widen it. Only what is asked for
    is in the text, so that PostgreSQL can plan for it."""
    given: list[tuple[str, object]] = [
        (f"{time} >= $", wanted.started_from),
        (f"{time} < $", wanted.started_before),
        ("recording.duration >= $", wanted.at_least),
        ("recording.duration <= $", wanted.at_most),
        ("call.caller_index = $", wanted.caller_index),
        ("recording.ledger_state = $", wanted.ledger),
        ("recording.id >= $", wanted.ids[0] if wanted.ids else None),
        ("recording.id <= $", wanted.ids[1] if wanted.ids else None),
    ]
    conditions = []
    for text, value in given:
        if value is not None:
            values.append(value)
            conditions.append(f"{text}{len(values)}")
    if not wanted.destroyed:
        conditions.append("recording.state = 'sealed'")
    if wanted.flagged is not None:
        conditions.append("recording.flagged" if wanted.flagged else "NOT recording.flagged")
    if wanted.held is not None:
        conditions.append("recording.keeps > 0" if wanted.held else "recording.keeps = 0")
    inside = within(scope, values)
    return conditions if inside == "true" else [*conditions, inside]


def _agents(wanted: Wanted, scope: Scope, values: list[object]) -> str:
    """Those whose recordings are gone through, as a table `asked`; empty when all are. With an agent and a scope of own
    phones it is the agent's, and `within` leaves what lies in the scope."""
    agents = {wanted.agent} if wanted.agent is not None else scope.interfaces
    if agents is None:
        return ""
    values.append(sorted(agents))
    return f"(SELECT DISTINCT lower(agent) AS agent FROM unnest(${len(values)}::text[]) AS agent) AS asked"  # noqa: S608


def _found(row: Row) -> Found:
    members = _MEMBERS.validate_python(row["members"])
    return Found(
        id=row["id"],
        call_id=row["call_id"],
        started_at=row["started_at"],
        duration=row["duration"],
        queue=row["queue"],
        agents=tuple(dict.fromkeys(member.name or member.interface for member in members)),
        state=StoredState(row["state"]),
        flagged=row["flagged"],
        undecided=row["undecided"],
        kept=row["kept"],
        truncated=row["truncated"],
        quarantined=row["quarantined"],
        restricted=row["restricted"],
        ledger=LedgerState(row["ledger_state"]),
    )


# --- saved filters


async def save(conn: Connection, user_id: UUID, saved: Saved) -> None:
    """One of the same name is replaced."""
    await conn.execute(
        """
        INSERT INTO saved_filter (id, user_id, name, filter, saved_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, name) DO UPDATE SET filter = excluded.filter, saved_at = excluded.saved_at
        """,
        saved.id,
        user_id,
        saved.name,
        dict(saved.filter),
        saved.saved_at,
    )


async def saved(conn: Connection, user_id: UUID) -> tuple[Saved, ...]:
    rows = await conn.fetch("SELECT * FROM saved_filter WHERE user_id = $1 ORDER BY name, id", user_id)
    return tuple(Saved(id=row["id"], name=row["name"], filter=row["filter"], saved_at=row["saved_at"]) for row in rows)


async def remove(conn: Connection, user_id: UUID, filter_id: UUID) -> bool:
    row = await conn.fetchrow(
        "DELETE FROM saved_filter WHERE user_id = $1 AND id = $2 RETURNING id", user_id, filter_id
    )
    return row is not None
