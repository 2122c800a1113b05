"""Where the files of recordings lie: on which host each was sealed, and in which folder (vault/files.py: `.id`)."""

from uuid import UUID

from ari_recorder.config.roles import Role
from ari_recorder.storage.db import Connection

# Is the file of a row of `recording` in the folder $1? A folder that no host has any more counts as that one: its id
# was lost, or its host is gone for good. Without $1 every one does.
WITHIN_REACH = """($1::uuid IS NULL OR recording.vault IS NULL OR recording.vault = $1
            OR NOT EXISTS (SELECT FROM host WHERE host.vault = recording.vault))"""


async def set_place(conn: Connection, call_id: UUID, host: str, vault: UUID | None) -> None:
    """Where the recordings of this call were sealed; what was said before stays."""
    await conn.execute(
        "UPDATE recording SET of_host = $2, vault = $3 WHERE call_id = $1 AND of_host IS NULL AND state <> 'erased'",
        call_id,
        host,
        vault,
    )


async def has_sweeper(conn: Connection, vault: UUID | None) -> bool:
    """Does a living host with the role `sweep` reach that folder?"""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM host WHERE vault = $1 AND $2 = ANY(roles) AND NOT stopped
                AND last_seen > clock_timestamp() - interval '30 s'
        )
        """,
        vault,
        Role.SWEEP.value,
    )
    return found
