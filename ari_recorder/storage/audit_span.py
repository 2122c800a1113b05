"""Entries in bulk, to be verified: leaves as they were hashed, and what the database itself finds wrong beside them.

A million entries are read so. One at a time, with everything that is known of it: audit.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ari_recorder.domain.merkle import Node
from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Entries in a row. `differing`: whose columns are not what the leaf says. `personal`: places and fields that are
    not what was committed to. `nodes`: those kept that are complete with these entries."""

    seqs: Sequence[int]
    leaves: Sequence[str]
    differing: Sequence[int]
    personal: Sequence[tuple[int, str]]
    nodes: dict[Node, bytes]


async def read(conn: Connection, begin: int, end: int) -> Span:
    """From `begin` up to but not including `end`. A leaf is canonical, so its parts are found without taking it apart;
    and what is found there is no typed text, for a quote within a text has a backslash before it."""
    rows = await conn.fetch(
        """
        SELECT seq, leaf,
            position(',"format":"ari-recorder/audit/1","id":"' || id || '","object":' IN leaf) > 0
            AND position(',"at":"' || to_char(date_trunc('milliseconds', at) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","because":' IN leaf) > 0 AS agrees
        FROM audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq
        """,
        begin,
        end,
    )
    personal = await conn.fetch(
        """
        SELECT seq, field FROM audit_entry JOIN audit_personal ON entry_id = id
        WHERE seq >= $1 AND seq < $2 AND position(to_json(field)::text || ':"'
            || encode(sha256(salt || convert_to(value, 'UTF8')), 'hex') || '"' IN leaf) = 0
        ORDER BY seq, field
        """,
        begin,
        end,
    )
    levels = range(1, end.bit_length())
    nodes = await conn.fetch(
        """
        SELECT audit_node.level, number, hash FROM unnest($1::smallint[], $2::bigint[], $3::bigint[])
            AS wanted (level, first, until)
        JOIN audit_node ON audit_node.level = wanted.level AND number >= first AND number < until
        """,
        list(levels),
        [begin >> level for level in levels],
        [end >> level for level in levels],
    )
    return Span(
        seqs=[row["seq"] for row in rows],
        leaves=[row["leaf"] for row in rows],
        differing=[row["seq"] for row in rows if not row["agrees"]],
        personal=[(row["seq"], row["field"]) for row in personal],
        nodes={Node(row["level"], row["number"]): row["hash"] for row in nodes},
    )
