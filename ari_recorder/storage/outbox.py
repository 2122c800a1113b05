"""The table `outbox`: mail that is to be sent, that was sent lately, and that nobody could deliver.

queued ──claim──► being tried ──► sent
   ▲                  │
   └── refused for now ──┴──► given up: refused for good, or not delivered in three days
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.storage.db import Connection

# A mail server that is away for days must not fill the database. What does not fit any more is in the log.
MOST_WAITING = 1000
# So long it is known what somebody was written about already.
_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A letter to one recipient. `tries`: with the one it was claimed for."""

    id: UUID
    kind: LetterKind
    recipient: str
    language: str
    path: str
    facts: dict[str, Any]
    queued_at: datetime
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    waiting: int
    oldest_at: datetime | None
    given_up: int


async def queue(conn: Connection, letter: Letter, recipients: Sequence[str], language: str, now: datetime) -> int:
    """For each who was not written to about this; how many are not queued because there are too many already."""
    return int(
        await conn.fetchval(
            """
            WITH room AS (
                SELECT greatest(0, $8 - count(*)) AS places FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL
            ), wanted AS (
                SELECT recipient, row_number() OVER () AS place FROM unnest($1::text[]) AS given (recipient)
                WHERE NOT EXISTS (SELECT FROM outbox WHERE outbox.recipient = given.recipient AND once = $2)
            ), queued AS (
                INSERT INTO outbox (kind, once, recipient, language, path, facts, queued_at, try_at)
                SELECT $3, $2, recipient, $4, $5, $6, $7, $7 FROM wanted, room WHERE place <= places
                ON CONFLICT (recipient, once) DO NOTHING
            )
            SELECT count(*) FROM wanted, room WHERE place > places
            """,
            list(dict.fromkeys(recipients)),
            letter.once,
            letter.kind.value,
            language,
            letter.path,
            dict(letter.facts),
            now,
            MOST_WAITING,
        )
    )


async def queue_notices(conn: Connection, path: str, now: datetime, *, limit: int) -> int:
    """What users should know about their accounts, for those who have an address."""
    rows = await conn.fetch(
        """
        WITH found AS (
            SELECT id, account_id FROM notice_to_user WHERE mailed_at IS NULL
            ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        ), queued AS (
            INSERT INTO outbox (kind, once, recipient, language, path, facts, queued_at, try_at)
            SELECT $3, 'notice:' || found.id, account.mail, account.language, $4, '{}', $1, $1
            FROM found JOIN account ON account.id = found.account_id WHERE account.mail <> ''
            ON CONFLICT (recipient, once) DO NOTHING
        )
        UPDATE notice_to_user SET mailed_at = $1 FROM found WHERE notice_to_user.id = found.id RETURNING found.id
        """,
        now,
        limit,
        LetterKind.ACCOUNT_NOTICE.value,
        path,
    )
    return len(rows)


async def claim(conn: Connection, now: datetime, backoff: timedelta, *, limit: int) -> tuple[Waiting, ...]:
    """What is due, ours until the backoff is over: twice as long each time, at most 64 times as long. Of several
    services one gets each."""
    rows = await conn.fetch(
        """
        UPDATE outbox SET tries = tries + 1, try_at = $1 + $2::interval * power(2, least(tries, 6))
        WHERE id IN (
            SELECT id FROM outbox WHERE sent_at IS NULL AND given_up_at IS NULL AND try_at <= $1
            ORDER BY try_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        RETURNING *
        """,
        now,
        backoff,
        limit,
    )
    return tuple(
        Waiting(
            id=row["id"],
            kind=LetterKind(row["kind"]),
            recipient=row["recipient"],
            language=row["language"],
            path=row["path"],
            facts=row["facts"],
            queued_at=row["queued_at"],
            tries=row["tries"],
        )
        for row in sorted(rows, key=lambda row: (row["queued_at"], row["id"]))
    )


async def sent(conn: Connection, ids: Sequence[UUID], now: datetime) -> None:
    await conn.execute("UPDATE outbox SET sent_at = $2, trouble = '' WHERE id = ANY($1::uuid[])", list(ids), now)


async def failed(conn: Connection, letter_id: UUID, trouble: str, *, given_up_at: datetime | None) -> None:
    await conn.execute(
        "UPDATE outbox SET trouble = $2, given_up_at = $3 WHERE id = $1 AND sent_at IS NULL",
        letter_id,
        trouble,
        given_up_at,
    )


async def unclaim(conn: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """They were not tried after all."""
    await conn.execute(
        "UPDATE outbox SET tries = tries - 1, try_at = $2 WHERE id = ANY($1::uuid[]) AND sent_at IS NULL",
        list(ids),
        now,
    )


async def depth(conn: Connection) -> Depth:
    row = await conn.fetchrow(
        """
        SELECT count(*) FILTER (WHERE given_up_at IS NULL) AS waiting,
               min(queued_at) FILTER (WHERE given_up_at IS NULL) AS oldest_at,
               count(*) FILTER (WHERE given_up_at IS NOT NULL) AS given_up
        FROM outbox WHERE sent_at IS NULL
        """
    )
    assert row is not None  # noqa: S101 -- an aggregate
    return Depth(waiting=row["waiting"], oldest_at=row["oldest_at"], given_up=row["given_up"])


async def forget_old(conn: Connection, now: datetime) -> None:
    await conn.execute(
        "DELETE FROM outbox WHERE coalesce(sent_at, given_up_at) < $1",
        now - _KEPT,
    )
