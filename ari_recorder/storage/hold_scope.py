"""Which holds the scope of a right reaches: those all of whose recordings it reaches. Others do not exist for it."""

from collections.abc import Collection
from uuid import UUID

from ari_recorder.domain.accounts import Scope
from ari_recorder.storage.db import Connection
from ari_recorder.storage.scoped import within


async def reached(conn: Connection, ids: Collection[UUID], scope: Scope) -> frozenset[UUID]:
    """Those of these holds."""
    values: list[object] = [list(ids)]
    rows = await conn.fetch(
        f"""
        SELECT keeper FROM keeping JOIN recording ON recording.id = recording_id JOIN call ON call.id = call_id
        WHERE keeper = ANY($1::uuid[])
        GROUP BY keeper HAVING bool_and({within(scope, values)})
        """,  # noqa: S608 -- a condition of ours; its values are parameters
        *values,
    )
    return frozenset(row["keeper"] for row in rows)


async def recordings_reached(conn: Connection, ids: Collection[UUID], scope: Scope) -> frozenset[UUID]:
    """Those of these recordings."""
    values: list[object] = [list(ids)]
    rows = await conn.fetch(
        f"""
        SELECT recording.id FROM recording JOIN call ON call.id = call_id
        WHERE recording.id = ANY($1::uuid[]) AND {within(scope, values)}
        """,  # noqa: S608
        *values,
    )
    return frozenset(row["id"] for row in rows)
