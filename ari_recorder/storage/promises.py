"""What the promises of the privacy notice are decided from, counted. Decided in domain/promises.py.
Each question is answered by an index, or asks what there is little of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from uuid import UUID

from ari_recorder.domain.events import Side
from ari_recorder.domain.promises import Found
from ari_recorder.storage.db import Connection, Row

# Of what is found, so many are named.
MOST_NAMED = 10
# What is kept of the sound of each side: how long and how loud it is. Nothing of what is said.
_OF_SIDES = ("caller", "agent", *Side.__dataclass_fields__)
# The newest are looked at: a program that derives more does so from then on.
_NEWEST = 200


def found(rows: Sequence[Row]) -> Found:
    """Rows with a column `name`."""
    return Found(count=len(rows), names=tuple(str(row["name"]) for row in rows[:MOST_NAMED]))


# --- holds


async def holds_not_in_order(conn: Connection, today: date) -> Found:
    """Active ones without a reason, somebody who answers, or a review ahead."""
    return found(
        await conn.fetch(
            """
            SELECT id AS name FROM hold
            WHERE released_at IS NULL AND (reason IS NULL OR btrim(owner) = '' OR review_on < $1) ORDER BY placed_at
            """,
            today,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A hold that is active, and who placed it as the audit log has it; nobody, where it has no entry. `queues`: of the
    recordings it keeps."""

    hold_id: UUID
    placed_at: datetime
    kind: str
    actor: str
    queues: frozenset[str]


async def placed_holds(conn: Connection) -> tuple[Placed, ...]:
    rows = await conn.fetch(
        """
        SELECT hold.id, placed_at, told.leaf -> 'actor' ->> 'kind' AS kind, told.leaf -> 'actor' ->> 'id' AS actor,
            ARRAY(SELECT DISTINCT queue FROM keeping JOIN recording ON recording.id = recording_id
                  WHERE keeper = hold.id) AS queues
        FROM hold LEFT JOIN LATERAL (
            SELECT leaf::jsonb AS leaf FROM audit_entry
            WHERE object = 'hold:' || hold.id AND object <> '' AND action = 'hold:place'
            UNION ALL
            SELECT leaf::jsonb FROM audit_pending
            WHERE leaf::jsonb ->> 'object' = 'hold:' || hold.id AND leaf::jsonb ->> 'action' = 'hold:place'
            LIMIT 1
        ) AS told ON true
        WHERE released_at IS NULL ORDER BY placed_at
        """
    )
    return tuple(
        Placed(
            hold_id=row["id"],
            placed_at=row["placed_at"],
            kind=row["kind"] or "",
            actor=row["actor"] or "",
            queues=frozenset(row["queues"]),
        )
        for row in rows
    )


# --- which calls


async def queues(conn: Connection) -> tuple[str, ...]:
    """Of which there are recordings. Goes from one to the next in the index, not over all rows."""
    rows = await conn.fetch(
        """
        WITH RECURSIVE present AS (
            SELECT min(queue) AS queue FROM recording WHERE state = 'sealed'
            UNION ALL
            SELECT (SELECT min(queue) FROM recording WHERE state = 'sealed' AND queue > present.queue)
            FROM present WHERE present.queue IS NOT NULL
        )
        SELECT queue FROM present WHERE queue IS NOT NULL
        """
    )
    return tuple(row["queue"] for row in rows)


async def recorded_outside(
    conn: Connection, queue: str, spans: Sequence[tuple[datetime | None, datetime | None]]
) -> int:
    """Recordings of a queue that began when no rules knew it. `spans`: when some did, from and until; None: for ever.
    What is in quarantine was never meant to be recorded, and nobody can hear it. What was imported another PBX made."""
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM recording
        WHERE state = 'sealed' AND queue = $1 AND quarantined_until IS NULL AND NOT EXISTS (
            SELECT FROM unnest($2::timestamptz[], $3::timestamptz[]) AS span (since, until)
            WHERE (since IS NULL OR started_at >= since) AND (until IS NULL OR started_at < until)
        ) AND NOT EXISTS (SELECT FROM imported WHERE recording_id = recording.id)
        """,
        queue,
        [since for since, _ in spans],
        [until for _, until in spans],
    )
    return count


# --- who listens


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A listening as the audit log has it. `agents`: interfaces and names of who answered, in small letters; None when
    they are forgotten. `in_words`: the purpose was said in words, too."""

    seq: int
    at: datetime
    kind: str
    actor: str
    purpose: str
    in_words: bool
    queue: str | None
    agents: frozenset[str] | None


async def heard(conn: Connection, after: int, since: datetime, limit: int) -> tuple[Heard, ...]:
    rows = await conn.fetch(
        """
        SELECT seq, entry.at, leaf::jsonb -> 'actor' ->> 'kind' AS kind, actor, leaf::jsonb ->> 'because' AS purpose,
            leaf::jsonb -> 'personal' ? 'text' AS in_words, recording.queue,
            (SELECT array_agg(agent) FROM recording_agent WHERE recording_id = recording.id) AS agents
        FROM audit_entry AS entry
        LEFT JOIN recording ON recording.id = CASE
            WHEN entry.object ~ '^recording:[0-9a-f-]{36}$' THEN substr(entry.object, 11)::uuid END
        WHERE action = 'recording:play' AND outcome = 'ok' AND seq > $1 AND entry.at >= $2
        ORDER BY seq LIMIT $3
        """,
        after,
        since,
        limit,
    )
    return tuple(
        Heard(
            seq=row["seq"],
            at=row["at"],
            kind=row["kind"] or "",
            actor=row["actor"],
            purpose=row["purpose"] or "",
            in_words=row["in_words"],
            queue=row["queue"],
            agents=frozenset(row["agents"]) if row["agents"] else None,
        )
        for row in rows
    )


# --- what is kept


async def derived(conn: Connection) -> Found:
    """Tables that are not of this program, and facts about a side that this program does not know: whoever derives
    something from a call keeps it somewhere."""
    ours = _own_tables()
    tables = await conn.fetch(
        """
        SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'f') ORDER BY relname
        """
    )
    sides = await conn.fetch(
        """
        SELECT DISTINCT name FROM (
            SELECT sides FROM recording WHERE state = 'sealed' AND sides IS NOT NULL
            ORDER BY started_at DESC LIMIT $2
        ) AS newest, jsonb_each(sides) AS side, LATERAL (
            SELECT side.key UNION ALL
            SELECT jsonb_object_keys(CASE WHEN jsonb_typeof(side.value) = 'object' THEN side.value ELSE '{}' END)
        ) AS of_side (name)
        WHERE name <> ALL($1::text[]) ORDER BY name
        """,
        list(_OF_SIDES),
        _NEWEST,
    )
    return found([*(row for row in tables if row["name"] not in ours), *sides])


def _own_tables() -> frozenset[str]:
    """Those that the migrations make."""
    folder = files("ari_recorder.storage") / "migrations"
    texts = [file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".sql")]
    made = {name for text in texts for name in re.findall(r"^CREATE TABLE (\w+)", text, re.MULTILINE)}
    return frozenset(made | {"migration"})  # of storage/migrate.py itself


async def exports_without_reason(conn: Connection) -> Found:
    """Given out without anything about who got it and why, while the call is known; and copies in clear that somebody
    made at the command line, where none is asked."""
    return found(
        await conn.fetch(
            """
            SELECT disclosure.id AS name FROM disclosure
            JOIN recording ON recording.id = recording_id JOIN call ON call.id = call_id
            WHERE forgotten_at IS NULL AND NOT EXISTS (SELECT FROM call_text WHERE call_text.id = text_id)
            UNION ALL
            SELECT DISTINCT recording_id FROM export WHERE delivery_id IS NULL
            """
        )
    )


async def corrections_not_kept(conn: Connection) -> Found:
    """Without an author or a date that can be, without its words or what it was before, while the call is known."""
    return found(
        await conn.fetch(
            """
            SELECT one.id AS name FROM correction AS one JOIN call ON call.id = one.call_id
            WHERE btrim(made_by_name) = '' OR made_at < first_seen_at OR forgotten_at IS NULL AND (
                NOT EXISTS (SELECT FROM call_text WHERE call_text.id = text_id)
                OR version > 1 AND NOT EXISTS (
                    SELECT FROM correction AS before
                    WHERE (before.call_id, before.field, before.subject, before.version)
                        = (one.call_id, one.field, one.subject, one.version - 1)
                )
            )
            ORDER BY made_at
            """
        )
    )


# --- who comes in, and may what


async def sessions(conn: Connection) -> tuple[int, Found]:
    """How many sessions there are to look at, and those of which the audit log has no log-in with both steps."""
    count: int = await conn.fetchval("SELECT count(*) FROM session")
    rows = await conn.fetch(
        """
        SELECT session.id AS name FROM session
        WHERE NOT EXISTS (
            SELECT FROM audit_entry
            WHERE object = 'user:' || account_id AND object <> '' AND action = 'session:login'
                AND leaf::jsonb -> 'actor' ->> 'session' = session.id::text AND leaf::jsonb -> 'facts' ? 'second'
        ) AND NOT EXISTS (
            SELECT FROM audit_pending
            WHERE leaf::jsonb ->> 'action' = 'session:login' AND leaf::jsonb -> 'facts' ? 'second'
                AND leaf::jsonb -> 'actor' ->> 'session' = session.id::text
        )
        ORDER BY began_at
        """
    )
    return count, found(rows)


async def samples_overdue(conn: Connection, today: date) -> Found:
    return found(
        await conn.fetch(
            """
            SELECT use_sample.id AS name FROM use_sample JOIN use_report USING (week)
            WHERE signed_at IS NULL AND due_on < $1 ORDER BY due_on
            """,
            today,
        )
    )


async def rights_not_attested(conn: Connection, today: date, since: date) -> Found:
    """Rights that are held today, and that nobody has granted or attested from `since` on."""
    return found(
        await conn.fetch(
            """
            SELECT held.id AS name FROM right_held AS held
            WHERE ended_at IS NULL AND approved_at IS NOT NULL AND $1 BETWEEN valid_from AND valid_until
                AND NOT EXISTS (
                    SELECT FROM right_history AS told
                    WHERE told.right_id = held.id AND change IN ('granted', 'attested')
                        AND (told.at AT TIME ZONE 'Europe/Helsinki')::date >= $2
                )
            ORDER BY valid_from
            """,
            today,
            since,
        )
    )
