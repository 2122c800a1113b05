"""The blind index of callers in the table `call`: an HMAC of the number, made anew for another index key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedCaller:
    call_id: UUID
    personal: bytes = field(repr=False)
    # The newest correction of the number, in call_text.
    corrected_id: UUID | None


async def not_indexed(conn: Connection, version: int, *, limit: int) -> list[SealedCaller]:
    """Calls with a caller, and without an index under the key of this version."""
    rows = await conn.fetch(
        """
        WITH waiting AS (
            SELECT id, personal FROM call
            WHERE personal IS NOT NULL AND caller_index_version IS NULL
            UNION ALL
            SELECT id, personal FROM call
            WHERE personal IS NOT NULL AND caller_index_version < $1
            LIMIT $2
        )
        SELECT id, personal, (
            SELECT text_id FROM correction WHERE call_id = waiting.id AND field = 'caller-number'
            ORDER BY version DESC LIMIT 1
        ) AS corrected_id
        FROM waiting
        """,
        version,
        limit,
    )
    return [SealedCaller(call_id=row["id"], personal=row["personal"], corrected_id=row["corrected_id"]) for row in rows]


async def count_not_indexed(conn: Connection, version: int) -> int:
    """They cannot be found by number yet."""
    count: int = await conn.fetchval(
        """
        SELECT count(*) FROM call
        WHERE personal IS NOT NULL AND (caller_index_version IS NULL OR caller_index_version < $1)
        """,
        version,
    )
    return count


async def to_index_anew(conn: Connection, call_id: UUID) -> None:
    """The number was corrected: until then the call is found by none."""
    await conn.execute("UPDATE call SET caller_index = NULL, caller_index_version = NULL WHERE id = $1", call_id)


async def set_index(conn: Connection, indexed: Mapping[UUID, bytes], version: int) -> None:
    """Not for a caller who was forgotten meanwhile."""
    await conn.execute(
        """
        UPDATE call SET caller_index = given.index, caller_index_version = $3
        FROM unnest($1::uuid[], $2::bytea[]) AS given (id, index)
        WHERE call.id = given.id AND call.personal IS NOT NULL
        """,
        list(indexed),
        list(indexed.values()),
        version,
    )
