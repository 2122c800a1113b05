"""The tables `request_case`, `request_step`, `request_text`: cases, their history, what was typed. What they match:
request_matches.py.

A case is a row that goes on; each change of it is a row of its history, which is added and never changed: the database
refuses one without the other. Texts are sealed to a hold key; no keys here.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from ari_recorder.domain.audit import JSON
from ari_recorder.domain.subject_requests import Channel, Decision, Kind, State, Step
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCase:
    id: UUID
    year: int
    running: int
    kind: Kind
    channel: Channel
    language: str
    is_proxy: bool
    received_on: date
    state: State
    version: int
    extended_to: date | None = None
    decision: Decision | None = None
    decided_at: datetime | None = None
    certificate_id: UUID | None = None
    paper_reference: str = ""
    answered_at: datetime | None = None
    closed_at: datetime | None = None
    appeal_until: date | None = None
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStep:
    case_id: UUID
    version: int
    step: Step
    state: State
    because: str
    made_at: datetime
    made_by: str
    made_by_name: str
    facts: Mapping[str, JSON]
    text_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseText:
    id: UUID
    case_id: UUID
    made_at: datetime
    sealed: bytes = field(repr=False)
    key_name: str


async def next_number(conn: Connection, year: int) -> int:
    """Nobody else gets it, nor the one after it, before the transaction ends."""
    number: int = await conn.fetchval("SELECT request_case_next($1)", year)
    return number


async def insert(conn: Connection, case: StoredCase) -> None:
    fields = dataclasses.asdict(case)
    names = ", ".join(fields)
    places = ", ".join(f"${n + 1}" for n in range(len(fields)))
    await conn.execute(f"INSERT INTO request_case ({names}) VALUES ({places})", *fields.values())  # noqa: S608 -- ours


async def update(conn: Connection, case: StoredCase) -> None:
    """Its row is locked, and `version` is one more than it was."""
    await conn.execute(
        """
        UPDATE request_case SET state = $2, version = $3, extended_to = $4, decision = $5, decided_at = $6,
            certificate_id = $7, paper_reference = $8, answered_at = $9, closed_at = $10, appeal_until = $11,
            released_at = $12
        WHERE id = $1
        """,
        case.id,
        case.state,
        case.version,
        case.extended_to,
        case.decision,
        case.decided_at,
        case.certificate_id,
        case.paper_reference,
        case.answered_at,
        case.closed_at,
        case.appeal_until,
        case.released_at,
    )


async def add_step(conn: Connection, step: StoredStep) -> None:
    await conn.execute(
        """
        INSERT INTO request_step (
            case_id, version, step, state, because, made_at, made_by, made_by_name, facts, text_id
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        step.case_id,
        step.version,
        step.step,
        step.state,
        step.because,
        step.made_at,
        step.made_by,
        step.made_by_name,
        dict(step.facts),
        step.text_id,
    )


async def add_text(conn: Connection, text: CaseText) -> None:
    await conn.execute(
        "INSERT INTO request_text (id, case_id, made_at, sealed, key_name) VALUES ($1, $2, $3, $4, $5)",
        text.id,
        text.case_id,
        text.made_at,
        text.sealed,
        text.key_name,
    )


async def lock(conn: Connection, case_id: UUID) -> StoredCase | None:
    """Until the transaction ends nobody else changes it."""
    row = await conn.fetchrow("SELECT * FROM request_case WHERE id = $1 FOR UPDATE", case_id)
    return _case(row) if row is not None else None


async def by_number(conn: Connection, year: int, running: int) -> StoredCase | None:
    row = await conn.fetchrow("SELECT * FROM request_case WHERE year = $1 AND running = $2", year, running)
    return _case(row) if row is not None else None


async def of_call(conn: Connection, call_id: UUID) -> tuple[StoredCase, ...]:
    """Those that found it, whoever's it turned out to be; the oldest first."""
    rows = await conn.fetch(
        """
        SELECT request_case.* FROM request_case JOIN request_match ON case_id = request_case.id
        WHERE call_id = $1 ORDER BY year, running
        """,
        call_id,
    )
    return tuple(_case(row) for row in rows)


async def known(conn: Connection, case_id: UUID) -> bool:
    there: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM request_case WHERE id = $1)", case_id)
    return there


async def cases(conn: Connection, *, closed: bool, limit: int) -> tuple[StoredCase, ...]:
    """Those that are open, what came first first; `closed`: with those that are not, the newest of them first."""
    rows = await conn.fetch(
        """
        SELECT * FROM request_case WHERE $1 OR closed_at IS NULL
        ORDER BY closed_at DESC NULLS FIRST, received_on, year, running LIMIT $2
        """,
        closed,
        limit,
    )
    return tuple(_case(row) for row in rows)


async def unanswered(conn: Connection) -> tuple[StoredCase, ...]:
    """Those whose person waits for an answer, what came first first."""
    rows = await conn.fetch(
        """
        SELECT * FROM request_case WHERE closed_at IS NULL AND answered_at IS NULL ORDER BY received_on, year, running
        """
    )
    return tuple(_case(row) for row in rows)


async def steps(conn: Connection, case_id: UUID) -> tuple[StoredStep, ...]:
    """The oldest first."""
    rows = await conn.fetch("SELECT * FROM request_step WHERE case_id = $1 ORDER BY version", case_id)
    return tuple(
        StoredStep(
            case_id=row["case_id"],
            version=row["version"],
            step=Step(row["step"]),
            state=State(row["state"]),
            because=row["because"],
            made_at=row["made_at"],
            made_by=row["made_by"],
            made_by_name=row["made_by_name"],
            facts=row["facts"],
            text_id=row["text_id"],
        )
        for row in rows
    )


async def texts(conn: Connection, ids: Collection[UUID]) -> dict[UUID, bytes]:
    rows = await conn.fetch("SELECT id, sealed FROM request_text WHERE id = ANY($1::uuid[])", list(ids))
    return {row["id"]: row["sealed"] for row in rows}


async def to_release(conn: Connection, today: date) -> Sequence[UUID]:
    """The cases that are closed, whose time to appeal is over, and which keep something still."""
    rows = await conn.fetch(
        """
        SELECT id FROM request_case WHERE closed_at IS NOT NULL AND released_at IS NULL AND appeal_until < $1
        ORDER BY appeal_until, id
        """,
        today,
    )
    return [row["id"] for row in rows]


async def corrected_since(conn: Connection, call_ids: Collection[UUID], since: datetime) -> bool:
    """Was anything of these calls corrected since then?"""
    there: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM correction WHERE call_id = ANY($1::uuid[]) AND made_at >= $2)",
        list(call_ids),
        since,
    )
    return there


def _case(row: Row) -> StoredCase:
    decision = row["decision"]
    fields = {name: row[name] for name in (one.name for one in dataclasses.fields(StoredCase))}
    fields |= {"kind": Kind(row["kind"]), "channel": Channel(row["channel"]), "state": State(row["state"])}
    return StoredCase(**{**fields, "decision": Decision(decision) if decision is not None else None})
