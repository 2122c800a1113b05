"""Entries in bulk, to be verified: leaves as they were hashed, and what is kept beside them.

A million entries are read so. One at a time, with everything that is known of it: audit.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Entries in a row. Of each: seq, leaf, id, at as a leaf has it, and `personal`: what its personal fields are the
    commitments of, a line each, in the form and order of the leaf; None when there are none. `nodes`: what is kept of
    each level that is complete with these entries: the first number, and the hashes on end."""

    entries: Sequence[Row]
    nodes: Mapping[int, tuple[int, bytes]]


async def read(conn: Connection, begin: int, end: int) -> Span:
    """From `begin` up to but not including `end`."""
    entries = await conn.fetch(
        """
        SELECT seq, leaf, id::text,
            to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at,
            -- By the index for each: the planner would read the whole table for each span.
            (SELECT string_agg(
                    to_json(field)::text || ':"' || encode(sha256(salt || convert_to(value, 'UTF8')), 'hex') || '"',
                    E'\n' ORDER BY field COLLATE "C")
                FROM audit_personal WHERE entry_id = id) AS personal
        FROM audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq
        """,
        begin,
        end,
    )
    levels = range(1, end.bit_length())
    nodes = await conn.fetch(
        """
        SELECT audit_node.level, min(number) AS first, string_agg(hash, ''::bytea ORDER BY number) AS hashes
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS wanted (level, first, until)
        JOIN audit_node ON audit_node.level = wanted.level AND number >= first AND number < until
        GROUP BY audit_node.level
        """,
        list(levels),
        [begin >> level for level in levels],
        [end >> level for level in levels],
    )
    return Span(entries=entries, nodes={row["level"]: (row["first"], row["hashes"]) for row in nodes})
