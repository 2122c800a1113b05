"""Retention at size: a sweep among a million rows, and every held key wrapped anew.

sweep      recordings with real files among a million rows that are not due; the peer does the same for one recording
           after the other: a transaction, the file, a transaction. Both bring each file's folder to disk
re-wrap    a hundred thousand held recordings to another hold key; the ratio is the five minutes it may take / took
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from ari_recorder.domain.retention import Period, Rules
from ari_recorder.services.clock import Clocks
from ari_recorder.services.policy import Policies
from ari_recorder.services.rewrap import rewrap
from ari_recorder.services.sweep import Sweep
from ari_recorder.storage import erasing
from ari_recorder.storage.db import Database
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.files import VaultFiles, day_of, path_of
from ari_recorder.vault.keyring import Keyring
from benchmarks.database import migrated
from benchmarks.figures import Figure, Goal

ROWS = 1_000_000
DUE = 20_000
ONE_BY_ONE = 500
HELD = 100_000
SEALED_BYTES = 2000
REWRAP_SECONDS = 300
WANTED_PER_SECOND = 1000
RULES = Rules(queues={"advice": Period.parse("P3M")}, undecided_grace=Period.parse("P14D"))

_CALLS = """
    INSERT INTO call (id, system_name, uniqueid, linkedid, progress, state, number, queue, first_seen_at, abandoned,
        talk_time, members, marks, evidence_problem, flagged, ledger_state, ledger_reason)
    SELECT id, 'bench', id::text, id::text, 1, 'ended', '', 'advice', began, false, '60 s', '[]', '[]', '', false,
        'recorded', ''
    FROM unnest($1::uuid[], $2::timestamptz[]) AS given (id, began)
"""
_RECORDINGS = """
    INSERT INTO recording (id, call_id, segment, state, queue, started_at, started_by, late, clock_at_start, duration,
        sealed_bytes, sha256, path, wrapped_key, key_name)
    SELECT id, id, 1, 'sealed', 'advice', began, 'service', false, '0', '60 s', $5, '\\x00', path, wrapped, $6
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bytea[]) AS given (id, began, path, wrapped)
"""
_NOT_DUE = """
    WITH fresh AS (
        INSERT INTO call (id, system_name, uniqueid, linkedid, progress, state, number, queue, first_seen_at, abandoned,
            talk_time, members, marks, evidence_problem, flagged, ledger_state, ledger_reason)
        SELECT gen_random_uuid(), 'bench', 'n' || n, 'n' || n, 1, 'ended', '', 'advice',
            now() - n * interval '7 s', false, '60 s', '[]', '[]', '', false, 'recorded', ''
        FROM generate_series(1, $1) AS n RETURNING id, first_seen_at
    )
    INSERT INTO recording (id, call_id, segment, state, queue, started_at, started_by, late, clock_at_start, duration,
        sealed_bytes, sha256, path, wrapped_key, key_name)
    SELECT gen_random_uuid(), id, 1, 'sealed', 'advice', first_seen_at, 'service', false, '0', '60 s', 2000, '\\x00',
        'x', '\\x00', 'day-2026-01-01'
    FROM fresh
"""


async def _insert(
    conn: asyncpg.Connection, ids: Sequence[UUID], began: datetime, wrapped: Sequence[bytes], key_name: str
) -> None:
    times = [began] * len(ids)
    paths = [path_of(one, day_of(began)) for one in ids]
    await conn.execute(_CALLS, ids, times)
    await conn.execute(_RECORDINGS, ids, times, paths, wrapped, SEALED_BYTES, key_name)


def _write(vault: Path, ids: Sequence[UUID], began: datetime) -> None:
    for one in ids:
        path = vault / path_of(one, day_of(began))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(bytes(SEALED_BYTES))


async def _sweeps(database: Database, conn: asyncpg.Connection, vault: Path) -> Figure:
    await conn.execute(_NOT_DUE, ROWS, timeout=600)
    await conn.execute("ANALYZE")
    nights = [datetime.now(UTC) - timedelta(days=200 + n) for n in range(10)]
    for night in nights:
        ids = [uuid4() for _ in range(DUE // len(nights))]
        _write(vault, ids, night)
        await _insert(conn, ids, night, [b"\0"] * len(ids), "day-2026-01-01")
    one_by_one = await _one_by_one(database, vault)
    sweep = Sweep(
        database=database,
        copies=Copies(vault),
        policies=Policies(database, RULES),
        clocks=Clocks(),
        every=timedelta(hours=1),
        at_most=1e9,
    )
    began = time.perf_counter()
    swept = await sweep.run_once()
    rate = swept.erased / (time.perf_counter() - began)
    assert swept.erased == DUE - ONE_BY_ONE, swept
    return Figure(
        name=f"recordings swept per second among {ROWS:,} rows, against one after the other",
        ratio=rate / one_by_one,
        goal=Goal(at_least=WANTED_PER_SECOND / one_by_one),
        measured=f"sweep: {rate:,.0f}/s of {swept.erased:,} with files (goal {WANTED_PER_SECOND:,}/s)\n"
        f"one by one: {one_by_one:,.0f}/s",
        details={"swept_per_s": round(rate), "one_by_one_per_s": round(one_by_one)},
        key="sweep",
        bars={"sweep": rate, "one by one": one_by_one, "goal": WANTED_PER_SECOND},
        unit="recordings/s",
    )


async def _one_by_one(database: Database, vault: Path) -> float:
    async with database.transaction() as conn:
        rows = await conn.fetch(
            "SELECT id, path FROM recording WHERE started_at < now() - interval '199 days' LIMIT $1", ONE_BY_ONE
        )
    copies = Copies(vault)
    now = datetime.now(UTC)
    began = time.perf_counter()
    for row in rows:
        async with database.transaction() as conn:
            await erasing.begin_erasing(conn, [row["id"]], "a bench", now)
            await erasing.destroy_keys(conn, [row["id"]])
        await asyncio.to_thread(copies.remove, {row["id"]: row["path"]})
        async with database.transaction() as conn:
            await erasing.bury(conn, {row["id"]: ()}, now)
    return len(rows) / (time.perf_counter() - began)


async def _rewraps(database: Database, conn: asyncpg.Connection, keyring: Keyring) -> Figure:
    old, data_key, began = keyring.public.hold_name, bytes(32), datetime.now(UTC)
    for _ in range(0, HELD, 10_000):
        ids = [uuid4() for _ in range(10_000)]
        wrapped = [keyring.public.wrap(old, data_key, one) for one in ids]
        await _insert(conn, ids, began, wrapped, old)
    new = keyring.make_hold()
    clock = time.perf_counter()
    done = await rewrap(database, keyring, old, lambda _: new)
    took = time.perf_counter() - clock
    assert (done.recordings, done.failed) == (HELD, 0), done
    return Figure(
        name=f"{HELD:,} held recordings wrapped to another hold key, against {REWRAP_SECONDS} s",
        ratio=REWRAP_SECONDS / took,
        goal=Goal(at_least=1.0),
        measured=f"{took:.0f} s, {took / HELD * 1e6:.0f} us each",
        details={"seconds": round(took, 1)},
        key="rewrap",
        bars={"wrapped anew": took, "goal": REWRAP_SECONDS},
        unit="s",
    )


async def _measure(folder: Path) -> list[Figure]:
    files = VaultFiles(folder / "vault")
    files.prepare()
    keyring = Keyring.make(folder / "keys", root_key=folder / "root.key")
    async with migrated(folder) as (database, dsn):
        conn = await asyncpg.connect(dsn)
        try:
            return [await _sweeps(database, conn, files.folder), await _rewraps(database, conn, keyring)]
        finally:
            await conn.close()


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))
