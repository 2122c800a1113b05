"""What is wrapped to which key: asking for it, and putting something wrapped anew in its place. No table of its own.

A change names what it replaces: what somebody else changed or erased meanwhile is left as they left it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """A recording's wrapped data key, a call's sealed caller or text, a hold's sealed reason, a certificate of
    refusal, a text of a case. `at`: when the recording or the call began, the others when they were made."""

    id: UUID
    at: datetime
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """How many rows still need a key."""

    recordings: int
    callers: int
    reasons: int = 0
    texts: int = 0
    refusals: int = 0
    requests: int = 0

    @property
    def count(self) -> int:
        return self.recordings + self.callers + self.reasons + self.texts + self.refusals + self.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Anew:
    """`sealed`, to be replaced by `anew`, which opens with the key `key_name`."""

    id: UUID
    sealed: bytes = field(repr=False)
    anew: bytes = field(repr=False)
    key_name: str


async def left(conn: Connection, key_name: str) -> Left:
    """What is destroyed is not counted, nor what is being destroyed and has lost its key already."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM recording WHERE key_name = $1 AND wrapped_key IS NOT NULL) AS recordings,
               (SELECT count(*) FROM call WHERE personal_key_name = $1 AND personal IS NOT NULL) AS callers,
               (SELECT count(*) FROM hold WHERE reason_key_name = $1) AS reasons,
               (SELECT count(*) FROM call_text WHERE key_name = $1) AS texts,
               (SELECT count(*) FROM refusal_certificate_body WHERE key_name = $1) AS refusals,
               (SELECT count(*) FROM request_text WHERE key_name = $1) AS requests
        """,
        key_name,
    )
    assert row is not None  # noqa: S101 -- a SELECT without FROM has one row
    return Left(**dict(row))


async def recordings_of(conn: Connection, key_name: str, *, after: UUID, limit: int) -> tuple[Wrapped, ...]:
    rows = await conn.fetch(
        """
        SELECT id, started_at AS at, wrapped_key AS sealed FROM recording
        WHERE key_name = $1 AND wrapped_key IS NOT NULL AND id > $2
        ORDER BY id LIMIT $3
        """,
        key_name,
        after,
        limit,
    )
    return tuple(Wrapped(id=row["id"], at=row["at"], sealed=row["sealed"]) for row in rows)


async def callers_of(conn: Connection, key_name: str, *, after: UUID, limit: int) -> tuple[Wrapped, ...]:
    rows = await conn.fetch(
        """
        SELECT id, first_seen_at AS at, personal AS sealed FROM call
        WHERE personal_key_name = $1 AND personal IS NOT NULL AND id > $2
        ORDER BY id LIMIT $3
        """,
        key_name,
        after,
        limit,
    )
    return tuple(Wrapped(id=row["id"], at=row["at"], sealed=row["sealed"]) for row in rows)


async def reasons_of(conn: Connection, key_name: str, *, after: UUID, limit: int) -> tuple[Wrapped, ...]:
    rows = await conn.fetch(
        """
        SELECT id, placed_at AS at, reason AS sealed FROM hold
        WHERE reason_key_name = $1 AND reason IS NOT NULL AND id > $2
        ORDER BY id LIMIT $3
        """,
        key_name,
        after,
        limit,
    )
    return tuple(Wrapped(id=row["id"], at=row["at"], sealed=row["sealed"]) for row in rows)


async def texts_of(conn: Connection, key_name: str, *, after: UUID, limit: int) -> tuple[Wrapped, ...]:
    rows = await conn.fetch(
        """
        SELECT call_text.id, call.first_seen_at AS at, sealed FROM call_text JOIN call ON call.id = call_id
        WHERE key_name = $1 AND call_text.id > $2
        ORDER BY call_text.id LIMIT $3
        """,
        key_name,
        after,
        limit,
    )
    return tuple(Wrapped(id=row["id"], at=row["at"], sealed=row["sealed"]) for row in rows)


async def refusals_of(conn: Connection, key_name: str, *, after: UUID, limit: int) -> tuple[Wrapped, ...]:
    rows = await conn.fetch(
        """
        SELECT id, issued_at AS at, sealed FROM refusal_certificate_body
        JOIN refusal_certificate ON id = certificate_id
        WHERE key_name = $1 AND certificate_id > $2
        ORDER BY certificate_id LIMIT $3
        """,
        key_name,
        after,
        limit,
    )
    return tuple(Wrapped(id=row["id"], at=row["at"], sealed=row["sealed"]) for row in rows)


async def requests_of(conn: Connection, key_name: str, *, after: UUID, limit: int) -> tuple[Wrapped, ...]:
    rows = await conn.fetch(
        """
        SELECT id, made_at AS at, sealed FROM request_text WHERE key_name = $1 AND id > $2 ORDER BY id LIMIT $3
        """,
        key_name,
        after,
        limit,
    )
    return tuple(Wrapped(id=row["id"], at=row["at"], sealed=row["sealed"]) for row in rows)


async def rewrap_recordings(conn: Connection, changes: Collection[Anew]) -> int:
    """How many were still as they were, and are changed now."""
    rows = await conn.fetch(
        """
        UPDATE recording SET wrapped_key = given.anew, key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[]) AS given (id, sealed, anew, name)
        WHERE recording.id = given.id AND recording.wrapped_key = given.sealed
        RETURNING recording.id
        """,
        *_columns(changes),
    )
    return len(rows)


async def reseal_callers(conn: Connection, changes: Collection[Anew]) -> int:
    rows = await conn.fetch(
        """
        UPDATE call SET personal = given.anew, personal_key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[]) AS given (id, sealed, anew, name)
        WHERE call.id = given.id AND call.personal = given.sealed
        RETURNING call.id
        """,
        *_columns(changes),
    )
    return len(rows)


async def reseal_reasons(conn: Connection, changes: Collection[Anew]) -> int:
    rows = await conn.fetch(
        """
        UPDATE hold SET reason = given.anew, reason_key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[]) AS given (id, sealed, anew, name)
        WHERE hold.id = given.id AND hold.reason = given.sealed
        RETURNING hold.id
        """,
        *_columns(changes),
    )
    return len(rows)


async def reseal_texts(conn: Connection, changes: Collection[Anew]) -> int:
    rows = await conn.fetch(
        """
        UPDATE call_text SET sealed = given.anew, key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[]) AS given (id, sealed, anew, name)
        WHERE call_text.id = given.id AND call_text.sealed = given.sealed
        RETURNING call_text.id
        """,
        *_columns(changes),
    )
    return len(rows)


async def reseal_refusals(conn: Connection, changes: Collection[Anew]) -> int:
    rows = await conn.fetch(
        """
        UPDATE refusal_certificate_body SET sealed = given.anew, key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[]) AS given (id, sealed, anew, name)
        WHERE certificate_id = given.id AND refusal_certificate_body.sealed = given.sealed
        RETURNING certificate_id
        """,
        *_columns(changes),
    )
    return len(rows)


async def reseal_requests(conn: Connection, changes: Collection[Anew]) -> int:
    rows = await conn.fetch(
        """
        UPDATE request_text SET sealed = given.anew, key_name = given.name
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[]) AS given (id, sealed, anew, name)
        WHERE request_text.id = given.id AND request_text.sealed = given.sealed
        RETURNING request_text.id
        """,
        *_columns(changes),
    )
    return len(rows)


def _columns(changes: Collection[Anew]) -> tuple[list[object], ...]:
    return (
        [change.id for change in changes],
        [change.sealed for change in changes],
        [change.anew for change in changes],
        [change.key_name for change in changes],
    )
