"""The tree of the audit log in tables: entries get their place, nodes are fetched, checkpoints and anchors kept.

    audit_pending ──take──► audit_entry + audit_node + audit_head          all in one transaction of one sequencer

The tables but `audit_head` and `audit_anchor` are append-only; triggers hold it.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ari_recorder.domain.merkle import Frontier, Node, leaf_hash
from ari_recorder.storage.db import Connection, Row

# Any number, the same for every version for ever.
_LOCK = int.from_bytes(hashlib.sha256(b"ari-recorder audit sequencer").digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A checkpoint as it was signed."""

    origin: str
    size: int
    root: bytes
    signed_at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorState:
    """How far a place outside the database has the checkpoints. `trouble`: why the last try failed."""

    target: str
    size: int
    anchored_at: datetime | None
    trouble: str
    tried_at: datetime


async def sequence(conn: Connection, *, limit: int) -> int:
    """Give what waits its place. How many got theirs; none when another one is at it."""
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM audit_pending)"):
        return 0
    if not await conn.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
        return 0
    before = await head(conn)
    rows = await conn.fetch("SELECT place, id, at, leaf FROM audit_pending ORDER BY place LIMIT $1", limit)
    after, made = before.append(leaf_hash(row["leaf"].encode()) for row in rows)
    await conn.execute(
        """
        INSERT INTO audit_entry (seq, id, at, leaf)
        SELECT $1 + place - 1, id, at, leaf
        FROM unnest($2::uuid[], $3::timestamptz[], $4::text[]) WITH ORDINALITY AS given (id, at, leaf, place)
        """,
        before.size,
        [row["id"] for row in rows],
        [row["at"] for row in rows],
        [row["leaf"] for row in rows],
    )
    await conn.execute(
        """
        INSERT INTO audit_node (level, number, hash)
        SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
        """,
        [node.level for node, _ in made],
        [node.number for node, _ in made],
        [found for _, found in made],
    )
    await conn.execute("UPDATE audit_head SET size = $1, frontier = $2", after.size, list(after.hashes))
    await conn.execute("DELETE FROM audit_pending WHERE place = ANY($1::bigint[])", [row["place"] for row in rows])
    return len(rows)


async def head(conn: Connection) -> Frontier:
    row = await conn.fetchrow("SELECT size, frontier FROM audit_head")
    return Frontier(row["size"], tuple(row["frontier"])) if row is not None else Frontier()


async def hashes(conn: Connection, nodes: Collection[Node]) -> dict[Node, bytes]:
    """Those of these nodes that are there."""
    above = [node for node in nodes if node.level]
    rows = await conn.fetch(
        """
        SELECT level, number, hash FROM unnest($1::smallint[], $2::bigint[]) AS wanted (level, number)
        JOIN audit_node USING (level, number)
        """,
        [node.level for node in above],
        [node.number for node in above],
    )
    found = {Node(row["level"], row["number"]): row["hash"] for row in rows}
    for row in await conn.fetch(
        "SELECT seq, leaf FROM audit_entry WHERE seq = ANY($1::bigint[])",
        [node.number for node in nodes if not node.level],
    ):
        found[Node(0, row["seq"])] = leaf_hash(row["leaf"].encode())
    return found


async def node_count(conn: Connection, size: int) -> int:
    """How many nodes there are of a tree of that size, and beyond the tree there is. The log may grow meanwhile: what
    grew after that size is no matter."""
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM audit_node
        WHERE number < $1::bigint >> level OR number >= coalesce((SELECT size FROM audit_head), 0) >> level
        """,
        size,
    )
    return count


async def largest_note(conn: Connection) -> int:
    """How many entries the largest tree has that was signed; 0 for none."""
    size: int = await conn.fetchval("SELECT coalesce(max(size), 0) FROM audit_checkpoint")
    return size


async def insert_note(conn: Connection, note: Note) -> None:
    """One that is there stays as it is: it is the same."""
    await conn.execute(
        """
        INSERT INTO audit_checkpoint (origin, size, root, signed_at, note) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (origin, size) DO NOTHING
        """,
        note.origin,
        note.size,
        note.root,
        note.signed_at,
        note.text,
    )


async def newest_note(conn: Connection, origin: str, *, since: int = 0) -> Note | None:
    """The newest of that log, when it covers at least the first `since` entries."""
    row = await conn.fetchrow(
        "SELECT * FROM audit_checkpoint WHERE origin = $1 AND size >= $2 ORDER BY size DESC LIMIT 1", origin, since
    )
    return _note(row) if row is not None else None


async def last_signed(conn: Connection) -> Note | None:
    """The checkpoint that was signed last, whatever log it is of."""
    row = await conn.fetchrow("SELECT * FROM audit_checkpoint ORDER BY signed_at DESC, size DESC LIMIT 1")
    return _note(row) if row is not None else None


async def notes(conn: Connection, after: Note | None, *, limit: int) -> tuple[Note, ...]:
    """Of every origin, in the order of their sizes; those after `after`."""
    rows = await conn.fetch(
        """
        SELECT * FROM audit_checkpoint WHERE (size, origin) > ($1::bigint, $2::text) ORDER BY size, origin LIMIT $3
        """,
        after.size if after is not None else -1,
        after.origin if after is not None else "",
        limit,
    )
    return tuple(_note(row) for row in rows)


async def note_anchor(conn: Connection, target: str, size: int, trouble: str, now: datetime) -> None:
    """What became of a try to anchor. `size` counts when there was no trouble;"""
    await conn.execute(
        """
        INSERT INTO audit_anchor (target, size, anchored_at, trouble, tried_at)
        VALUES ($1, CASE WHEN $3 = '' THEN $2::bigint ELSE 0 END, CASE WHEN $3 = '' THEN $4::timestamptz END, $3, $4)
        ON CONFLICT (target) DO UPDATE SET trouble = $3, tried_at = $4,
            size = CASE WHEN $3 = '' THEN $2 ELSE audit_anchor.size END,
            anchored_at = CASE WHEN $3 = '' THEN $4::timestamptz ELSE audit_anchor.anchored_at END
        """,
        target,
        size,
        trouble,
        now,
    )


async def anchors(conn: Connection) -> tuple[AnchorState, ...]:
    rows = await conn.fetch("SELECT * FROM audit_anchor ORDER BY target")
    return tuple(
        AnchorState(
            target=row["target"],
            size=row["size"],
            anchored_at=row["anchored_at"],
            trouble=row["trouble"],
            tried_at=row["tried_at"],
        )
        for row in rows
    )


def _note(row: Row) -> Note:
    return Note(origin=row["origin"], size=row["size"], root=row["root"], signed_at=row["signed_at"], text=row["note"])
