"""The tables of the certificates of refusal: added, never changed. What they say is sealed; no keys here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.refusal_templates import Ground, RequestKind
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    id: UUID
    year: int
    running: int
    case_id: UUID
    languages: Sequence[str]
    kind: RequestKind
    ground: Ground
    issued_at: datetime
    issued_by: str
    issued_by_name: str


async def next_number(conn: Connection, year: int) -> int:
    """Nobody else gets it, nor the one after it, before the transaction ends."""
    number: int = await conn.fetchval("SELECT refusal_certificate_next($1)", year)
    return number


async def insert(conn: Connection, one: Stored, sealed: bytes, key_name: str) -> None:
    await conn.execute(
        """
        INSERT INTO refusal_certificate (
            id, year, running, case_id, languages, kind, ground, issued_at, issued_by, issued_by_name
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        one.id,
        one.year,
        one.running,
        one.case_id,
        list(one.languages),
        one.kind,
        one.ground,
        one.issued_at,
        one.issued_by,
        one.issued_by_name,
    )
    await conn.execute(
        "INSERT INTO refusal_certificate_body (certificate_id, sealed, key_name) VALUES ($1, $2, $3)",
        one.id,
        sealed,
        key_name,
    )


async def of_case(conn: Connection, case_id: UUID) -> tuple[Stored, ...]:
    """The oldest first."""
    rows = await conn.fetch("SELECT * FROM refusal_certificate WHERE case_id = $1 ORDER BY year, running", case_id)
    return tuple(_stored(row) for row in rows)


async def newest(conn: Connection, *, limit: int) -> tuple[Stored, ...]:
    rows = await conn.fetch("SELECT * FROM refusal_certificate ORDER BY year DESC, running DESC LIMIT $1", limit)
    return tuple(_stored(row) for row in rows)


async def one(conn: Connection, certificate_id: UUID) -> tuple[Stored, bytes] | None:
    """With what it says, sealed."""
    row = await conn.fetchrow(
        """
        SELECT refusal_certificate.*, sealed FROM refusal_certificate
        JOIN refusal_certificate_body ON certificate_id = id WHERE id = $1
        """,
        certificate_id,
    )
    return (_stored(row), row["sealed"]) if row is not None else None


def _stored(row: Row) -> Stored:
    return Stored(
        id=row["id"],
        year=row["year"],
        running=row["running"],
        case_id=row["case_id"],
        languages=tuple(row["languages"]),
        kind=RequestKind(row["kind"]),
        ground=Ground(row["ground"]),
        issued_at=row["issued_at"],
        issued_by=row["issued_by"],
        issued_by_name=row["issued_by_name"],
    )
