"""Finding among ten thousand, a hundred thousand and a million recordings, or ten million (`--large`): the first page
of what people ask for, against one row fetched by its key.

The slowest of the usual questions at its 95th percentile; the peer is a plain look-up by primary key at its own, on the
same connections. A page answers with fifty rows, their calls and the scope. The same questions, as far as they can
answer them, are asked of what else keeps lists of calls (finding.py).

The ledger of a day and the list of flagged calls are as long as the day and the list are, whatever else there is: they
are measured for how they grow.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import local_day, midnight
from ari_recorder.storage import calls, holds, ledger, recordings, searching
from ari_recorder.storage.db import Database
from ari_recorder.storage.recordings import Key
from ari_recorder.storage.searching import Wanted
from benchmarks import finding
from benchmarks.database import migrated
from benchmarks.figures import Figure, Goal, p95_ms

SIZES = (10_000, 100_000, 1_000_000)
LARGE = (1_000_000, 10_000_000)
AT_ONCE = 500_000  # rows a statement makes
TIMES = 60
# MariaDB has a gigabyte as well; and what is made here in minutes a site writes in years.
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
# What DESIGN asks of ten million; a look-up takes half a millisecond.
WANTED_MS = 50.0

# Twenty queues of very different size, two hundred agents, one call in a hundred flagged, in a thousand unexplained.
# What was flagged before the newest hundred thousand calls is decided on: supervisors are reminded of it each day.
_ROWS = """
    WITH fresh AS (
        INSERT INTO call (id, system_name, uniqueid, linkedid, progress, state, number, queue, first_seen_at, abandoned,
            talk_time, members, marks, evidence_problem, flagged, ledger_state, ledger_reason, caller_index,
            caller_index_version)
        SELECT gen_random_uuid(), 'bench', 'n' || n, 'n' || n, 1, 'ended', '',
            'queue' || floor(20 * (n * 0.618 % 1) ^ 3),
            now() - n * interval '7 s', false, '60 s',
            jsonb_build_array(jsonb_build_object('uniqueid', 'm' || n, 'queue', '',
                'interface', 'PJSIP/' || n * 7 % 200, 'name', 'Agent ' || n * 7 % 200,
                'connected_at', '2026-01-01T00:00:00Z', 'hold_time', 'PT1S',
                'ring_time', 'PT1S', 'talk_time', 'PT60S', 'end_reason', '')),
            '[]', '', n::bigint * 7919 % 1009 < 10,
            (CASE WHEN n::bigint * 31 % 1009 = 0 THEN 'unexplained' ELSE 'recorded' END)::ledger_state, '',
            sha256((n % 100000)::text::bytea), 1
        FROM generate_series($1::int, $2::int) AS n
        RETURNING id, uniqueid, first_seen_at, queue, flagged, ledger_state, substr(uniqueid, 2)::int > 100000 AS old
    ), accounted AS (
        INSERT INTO ledger_row (uniqueid, day, queue, entered_at, outcome, state, reason, flagged, talk_time, heard,
            weighed_at)
        SELECT uniqueid, (first_seen_at AT TIME ZONE 'Europe/Helsinki')::date, queue, first_seen_at, 'completed',
            ledger_state, '', flagged, '60 s', '60 s', now()
        FROM fresh
    )
    INSERT INTO recording (id, call_id, segment, state, queue, started_at, started_by, late, clock_at_start, duration,
        sealed_bytes, sha256, path, wrapped_key, key_name, flagged, ledger_state, decision, decided_at)
    SELECT gen_random_uuid(), id, 1, 'sealed', queue, first_seen_at, 'service', false, '0',
        interval '1 s' * (600 * random() ^ 3), 2000, '\\x00', 'x', '\\x00', 'day-2026-01-01', flagged,
        ledger_state, CASE WHEN flagged AND old THEN 'not-a-threat'::threat_decision END,
        CASE WHEN flagged AND old THEN now() END
    FROM fresh
"""

_AGENTS = """
    INSERT INTO recording_agent (recording_id, agent, started_at, queue)
    SELECT recording.id, agent, recording.started_at, recording.queue
    FROM call JOIN recording ON recording.call_id = call.id, unnest(call.agents) AS agent
    WHERE call.first_seen_at <= now() - $1::int * interval '7 s' + interval '1 s'
    ON CONFLICT DO NOTHING
"""

EVERYWHERE = Scope(queues=None, interfaces=None)
UNIT = Scope(queues=frozenset({"queue3", "queue17", "queue19"}), interfaces=None)
OWN = Scope(queues=UNIT.queues, interfaces=frozenset({"PJSIP/7"}))

QUESTIONS: dict[str, tuple[Wanted, Scope]] = {
    "the newest": (Wanted(), EVERYWHERE),
    "the newest of a unit": (Wanted(), UNIT),
    "an adviser's own": (Wanted(), OWN),
    "a number": (Wanted(caller_index=bytes.fromhex("00" * 32)), UNIT),
    "an agent": (Wanted(agent="agent 7"), EVERYWHERE),
    "an agent nobody knows": (Wanted(agent="agent 99"), UNIT),
    "flagged": (Wanted(flagged=True), UNIT),
    "flagged, of a quiet queue": (Wanted(flagged=True, queue="queue19"), UNIT),
    "an adviser who is new": (Wanted(), Scope(queues=UNIT.queues, interfaces=frozenset({"PJSIP/99"}))),
    "flagged, of an agent": (Wanted(flagged=True, agent="agent 7"), EVERYWHERE),
    "held": (Wanted(held=True), EVERYWHERE),
    "long ones": (Wanted(at_least=timedelta(seconds=599)), UNIT),
    "unexplained": (Wanted(ledger=LedgerState.UNEXPLAINED), EVERYWHERE),
}


async def _grow(conn: asyncpg.Connection, there: int, rows: int) -> None:
    for begin in range(there, rows, AT_ONCE):
        await conn.execute(_ROWS, begin + 1, min(begin + AT_ONCE, rows), timeout=1200)
    async with conn.transaction():
        # Each has its recording, as the statement says: millions need not be looked up once more.
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(_AGENTS, there, timeout=3600)
    await conn.execute("VACUUM ANALYZE", timeout=1200)


async def _ask(database: Database, conn: asyncpg.Connection, rows: int) -> tuple[dict[str, float], float]:
    """Of each question, and of a look-up by key, the 95th percentile in ms."""
    some = await conn.fetch("SELECT id, started_at FROM recording ORDER BY started_at OFFSET $1 LIMIT 1", rows // 2)
    number = await conn.fetchval("SELECT caller_index FROM call WHERE queue = 'queue3' LIMIT 1")
    middle = Key(started_at=some[0]["started_at"], id=some[0]["id"])
    questions = {name: (wanted, scope, None) for name, (wanted, scope) in QUESTIONS.items()}
    questions["a number"] = (Wanted(caller_index=number), UNIT, None)
    day = Wanted(started_from=middle.started_at - timedelta(days=1), started_before=middle.started_at)
    asked = {**questions, "a day": (day, UNIT, None), "a page far down": (Wanted(), UNIT, middle)}
    p95 = {}
    for name, (wanted, scope, after) in asked.items():

        async def ask(wanted: Wanted = wanted, scope: Scope = scope, after: Key | None = after) -> None:
            async with database.transaction() as inside:
                await searching.page(inside, wanted, scope, after=after, limit=51)

        p95[name] = await p95_ms(ask, TIMES)

    async def look_up() -> None:
        async with database.transaction() as inside:
            await recordings.get(inside, middle.id)

    return p95, await p95_ms(look_up, 5 * TIMES)


async def _lists(database: Database, rows: int) -> dict[str, float]:
    """Of a day of the ledger and of the list of flagged calls, the 95th percentile in ms."""
    day = local_day(datetime.now(UTC) - timedelta(seconds=finding.EVERY_SECONDS * rows // 2))
    begin, end = midnight(day), midnight(day + timedelta(days=1))

    async def ledger_day() -> None:
        async with database.transaction() as inside:
            assert len(await calls.of_day(inside, begin, end)) > 1000
            assert len(await ledger.of_day(inside, day)) > 1000

    async def review() -> None:
        async with database.transaction() as inside:
            waiting = await holds.undecided(inside)
            assert len(waiting) > 50
            await calls.get(inside, [one.call_id for one in waiting])

    return {"a day of the ledger": await p95_ms(ledger_day, TIMES), "flagged calls": await p95_ms(review, TIMES)}


async def _measure_in(folder: Path, database: Database, conn: asyncpg.Connection, sizes: Sequence[int]) -> list[Figure]:
    there, slowest, lists = 0, {}, {}
    for rows in sizes:
        await _grow(conn, there, rows)
        p95, plain = await _ask(database, conn, rows)
        there, slowest[rows], lists[rows] = rows, max(p95.values()), await _lists(database, rows)
    slow = max(p95, key=lambda name: p95[name])
    smaller, rows = sizes[-2:]
    return [
        Figure(
            name=f"a look-up by key, against the slowest of {len(p95)} searches among {rows:,} recordings",
            ratio=plain / p95[slow],
            goal=Goal(at_least=plain / WANTED_MS),
            measured=f"{slow}: p95 {p95[slow]:.1f} ms (goal {WANTED_MS:.0f} ms)\nlook-up: p95 {plain:.2f} ms\n"
            + ", ".join(f"{name} {took:.1f}" for name, took in p95.items()),
            details={"p95_ms": {name: round(took, 2) for name, took in p95.items()}, "look_up_ms": round(plain, 3)},
            key=f"search-{rows}",
            bars={"the slowest search": p95[slow], "look-up": plain, "goal": WANTED_MS},
            unit="ms",
        ),
        Figure(
            name=f"the slowest search among {smaller:,} recordings, against that among {rows:,}",
            ratio=slowest[smaller] / slowest[rows],
            goal=None,
            measured=", ".join(f"{size:,}: {took:.1f} ms" for size, took in slowest.items()),
            details={"slowest_p95_ms": {str(size): round(took, 2) for size, took in slowest.items()}},
            key=f"search-growth-{rows}",
            bars={f"{size:,}": took for size, took in reversed(slowest.items())},
            unit="ms",
            own=tuple(f"{size:,}" for size in sizes),
        ),
        *(_grown(name, {size: lists[size][name] for size in sizes}) for name in lists[rows]),
        _beside("a plain table with LIKE", p95, rows, await finding.plain(conn, rows)),
        _beside("FreePBX's cdr in MariaDB", p95, rows, await finding.cdr(folder / "mariadb", rows)),
    ]


def _grown(name: str, took: dict[int, float]) -> Figure:
    """A list that is as long as it is, among ever more recordings."""
    *_, smaller, rows = took
    return Figure(
        name=f"{name} among {smaller:,} recordings, against that among {rows:,}",
        ratio=took[smaller] / took[rows],
        goal=None,
        measured=", ".join(f"{size:,}: {ms:.1f} ms" for size, ms in took.items()),
        details={"p95_ms": {str(size): round(ms, 2) for size, ms in took.items()}},
        key=f"{name.replace(' ', '-')}-{rows}",
        bars={f"{size:,}": ms for size, ms in reversed(took.items())},
        unit="ms",
        own=tuple(f"{size:,}" for size in took),
    )


def _beside(peer: str, ours: dict[str, float], rows: int, theirs: dict[str, float]) -> Figure:
    """The slowest of what both can answer."""
    slow, slower = max(ours[name] for name in theirs), max(theirs.values())
    return Figure(
        name=f"the slowest of {len(theirs)} searches among {rows:,} calls: that of {peer} to ours",
        ratio=slower / slow,
        goal=Goal(at_least=1.0),
        measured="\n".join(f"{name}: {ours[name]:.1f} ms, theirs {took:.1f} ms" for name, took in theirs.items()),
        details={"ours_p95_ms": {name: round(ours[name], 2) for name in theirs}, "theirs_p95_ms": theirs},
        key=f"search-{rows}-{'mariadb' if 'MariaDB' in peer else 'plain'}",
        bars={"ari-recorder": slow, peer: slower},
        unit="ms",
    )


async def _measure(folder: Path, sizes: Sequence[int]) -> list[Figure]:
    async with migrated(folder, _SETTINGS) as (database, dsn):
        conn = await asyncpg.connect(dsn)
        try:
            return await _measure_in(folder, database, conn, sizes)
        finally:
            await conn.close()


def measure(sizes: Sequence[int] = SIZES) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder:
        return asyncio.run(_measure(Path(folder), sizes))
