"""The audit log at size: a million entries through the real code, proofs of them, and actions that are written down.

proof      of one entry among a thousand up to a million, or ten (`--large`): as many hashes as the tree has levels,
           verified by the stand-alone tool in at most a millisecond
whole      log of a million entries, names and addresses with it, looked at by the service in at most ten seconds
actions    a second at eight connections, each a transaction with its entry; the peer is the same transaction without
           one. 300 a second are wanted
"""

import asyncio
import importlib.util
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import asyncpg

from ari_recorder.config import Mail
from ari_recorder.domain import merkle
from ari_recorder.domain.audit import SALT_BYTES, Action, Actor, ActorKind, Entry
from ari_recorder.domain.merkle import Frontier
from ari_recorder.services import audit_check
from ari_recorder.services.audit_log import AuditLog, sequence
from ari_recorder.services.clock import Clocks
from ari_recorder.services.mail import Post
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database
from ari_recorder.vault.log_signer import LogSigner
from benchmarks.database import migrated
from benchmarks.figures import Figure, Goal, middle

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGE = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
# Up to here each entry is kept. Behind it one in so many: of the others there is the place in the tree, and in it
# another hash than theirs; so many entries would be 28 GB, and no proof reads them.
WHOLE = 1_000_000
ONE_IN = 1_000
AT_ONCE = 5000
ACTIONS = 3000
CONNECTIONS = 8
PROOFS = 50
VERIFY_MS = 1.0
WHOLE_SECONDS = 10.0
WANTED_PER_SECOND = 300
NOW = datetime(2026, 11, 24, tzinfo=UTC)
WHO = Actor(
    kind=ActorKind.USER,
    id="3f9a1c52-6d0e-4a57-9a44-0d6b7c1e8f21",
    name="anna.adviser",
    role="supervisor",
    unit="dental",
    session="a2b7c9d0-55e1-4c8f-8e8a-7c3f2b1d0e9f",
    address="192.0.2.7",
    request="9f0e1d2c3b4a5968",
)
TOOL = Path(__file__).parent.parent / "tools" / "verify_audit.py"


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_audit", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _entries(begin: int, count: int) -> list[Entry]:
    return [
        Entry(action=Action.RECORDING_VIEW, actor=WHO, object=f"recording:{number}")
        for number in range(begin, begin + count)
    ]


async def _actions(database: Database, *, written: bool) -> float:
    """How many a second. Each takes a connection, changes a row, and writes its entry, or not."""
    left = iter(range(ACTIONS))

    async def person() -> None:
        for number in left:
            async with database.transaction() as conn:
                await conn.execute("INSERT INTO reminder VALUES (gen_random_uuid(), now())")
                if written:
                    await audit.append(conn, _entries(number, 1)[0], NOW)

    began = time.perf_counter()
    await asyncio.gather(*(person() for _ in range(CONNECTIONS)))
    return ACTIONS / (time.perf_counter() - began)


async def _measure_actions(database: Database) -> Figure:
    plain = await _actions(database, written=False)
    stop = asyncio.Event()

    async def sequencer() -> None:
        while not stop.is_set():
            await sequence(database)
            await asyncio.sleep(0.25)

    beside = asyncio.create_task(sequencer())
    audited = await _actions(database, written=True)
    stop.set()
    await beside
    return Figure(
        name=f"actions written down, with {CONNECTIONS} connections, against the same without",
        ratio=audited / plain,
        goal=Goal(at_least=WANTED_PER_SECOND / plain),
        measured=f"{audited:,.0f} a second (goal {WANTED_PER_SECOND}); without an entry {plain:,.0f}",
        details={"audited_per_second": round(audited), "plain_per_second": round(plain)},
        key="audit-actions",
        bars={"with an entry": audited, "without": plain, "goal": WANTED_PER_SECOND},
        unit="actions/s",
    )


async def _grow(dsn: str, size: int) -> None:
    """So many entries: real leaves and the real tree, the rows by COPY."""
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        before = await conn.fetchrow("SELECT size, frontier FROM audit_head")
        tree = Frontier(before["size"], tuple(before["frontier"]))
        salts = iter(partial(secrets.token_bytes, SALT_BYTES), b"")
        while tree.size < size:
            begin, end = tree.size, min(tree.size + AT_ONCE, size)
            kept = range(begin, end) if end <= WHOLE else range(-(-begin // ONE_IN) * ONE_IN, end, ONE_IN)
            leaves = dict(
                zip(kept, (entry.leaf(uuid4(), NOW, salts) for entry in _entries(begin, len(kept))), strict=True)
            )
            tree, made = tree.append(
                merkle.leaf_hash(leaves[seq].text.encode()) if seq in leaves else secrets.token_bytes(32)
                for seq in range(begin, end)
            )
            rows = [(seq, leaf.id, leaf.at, leaf.text) for seq, leaf in leaves.items()]
            await conn.copy_records_to_table("audit_entry", records=rows, columns=("seq", "id", "at", "leaf"))
            named = [(leaf.id, one.field, one.salt, one.value) for leaf in leaves.values() for one in leaf.personal]
            columns = ("entry_id", "field", "salt", "value")
            await conn.copy_records_to_table("audit_personal", records=named, columns=columns)
            nodes = [(*node, found) for node, found in made]
            await conn.copy_records_to_table("audit_node", records=nodes, columns=("level", "number", "hash"))
        await conn.execute("UPDATE audit_head SET size = $1, frontier = $2", tree.size, list(tree.hashes))
        await conn.execute("VACUUM ANALYZE", timeout=600)  # as a service does that has run for long
    finally:
        await conn.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """Of some entries among `size`: the most hashes, and medians in ms."""

    size: int
    hashes: int
    made: float
    verified: float


async def _prove(database: Database, signer: LogSigner) -> Proofs:
    post = Post(Mail(), "en")
    log = AuditLog(database=database, signer=signer, anchors=(), post=post, clocks=Clocks(), every=timedelta(hours=1))
    note = (await log.checkpoint()).note
    tool = _tool()
    key = tool.Key(signer.key)
    made, verified, hashes = [], [], 0
    for number in range(PROOFS):
        seq = number * (note.size // PROOFS)
        if seq >= WHOLE:
            seq -= seq % ONE_IN
        began = time.perf_counter()
        text = await audit_check.prove(database, signer, seq)
        made.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        tool.verify_proof(text, key)
        verified.append((time.perf_counter() - began) * 1000)
        hashes = max(hashes, len(merkle.inclusion_nodes(seq, note.size)))
    assert hashes <= (note.size - 1).bit_length(), hashes
    return Proofs(size=note.size, hashes=hashes, made=middle(made), verified=middle(verified))


def _proofs(found: list[Proofs]) -> Figure:
    last = found[-1]
    told = (f"{one.size:,}: {one.hashes} hashes, {one.verified:.2f} ms, made in {one.made:.1f} ms" for one in found)
    return Figure(
        name=f"the millisecond a proof among {last.size:,} entries may take to verify, against what it takes",
        ratio=VERIFY_MS / last.verified,
        goal=Goal(at_least=1.0),
        measured="\n".join(told),
        details={
            "proofs": {one.size: {"verify_ms": round(one.verified, 3), "make_ms": round(one.made, 2)} for one in found}
        },
        key=f"audit-proof-{last.size}",
        bars={**{f"among {one.size:,}": one.verified for one in reversed(found)}, "goal": VERIFY_MS},
        unit="ms",
        own=tuple(f"among {one.size:,}" for one in found),
    )


async def _measure_whole(database: Database, signer: LogSigner, folder: Path) -> Figure:
    began = time.perf_counter()
    found = (await audit_check.verify(database, signer, None)).found
    whole = time.perf_counter() - began
    assert not found, found
    began = time.perf_counter()
    count = await audit_check.export(database, signer, folder / "export.jsonl")
    exported = time.perf_counter() - began
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, TOOL, "--key", signer.key, folder / "export.jsonl", stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    alone = time.perf_counter() - began
    return Figure(
        name=f"the ten seconds that all of {count:,} entries may take to verify, against what they take",
        ratio=WHOLE_SECONDS / whole,
        goal=Goal(at_least=1.0),
        measured=f"in {whole:.1f} s by the service, exported in {exported:.0f} s, by the stand-alone tool in "
        f"{alone:.1f} s",
        details={"whole_seconds": round(whole, 1), "tool_seconds": round(alone, 1), "export_seconds": round(exported)},
        key="audit-whole",
        bars={"by the service": whole, "by the tool": alone, "goal": WHOLE_SECONDS},
        unit="s",
    )


async def _measure(folder: Path, sizes: Sequence[int]) -> list[Figure]:
    async with migrated(folder) as (database, dsn):
        signer = LogSigner.open(folder / "audit", "ari-recorder/bench")
        found, whole = [], []
        for size in sizes:
            await _grow(dsn, size)
            found.append(await _prove(database, signer))
            if size == WHOLE == sizes[-1]:
                whole = [await _measure_whole(database, signer, folder)]
        actions = [] if sizes == LARGE else [await _measure_actions(database)]
        return [*actions, _proofs(found), *whole]


def measure(sizes: Sequence[int] = SIZES) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder:
        return asyncio.run(_measure(Path(folder), sizes))
