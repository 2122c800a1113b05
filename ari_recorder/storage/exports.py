"""The table `export`: where copies in clear of recordings were written, so that they go when the recording goes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file, known by device and inode: its name may be another one's later."""

    recording_id: UUID
    path: str
    host: str
    device: int
    inode: int


async def insert(conn: Connection, export: Export, now: datetime) -> bool:
    """False when the recording is not there any more. Nobody begins to erase it before the transaction has ended."""
    row = await conn.fetchrow(
        """
        INSERT INTO export (recording_id, path, host, device, inode, exported_at)
        SELECT id, $2, $3, $4, $5, $6 FROM (
            SELECT id FROM recording WHERE id = $1 AND state = 'sealed' FOR SHARE
        ) AS there
        ON CONFLICT (recording_id, path, host) DO UPDATE SET device = excluded.device, inode = excluded.inode
        RETURNING recording_id
        """,
        export.recording_id,
        export.path,
        export.host,
        export.device,
        export.inode,
        now,
    )
    return row is not None


async def of_recordings(conn: Connection, ids: Collection[UUID], host: str) -> tuple[Export, ...]:
    """Those written on this host; nobody else can reach the others."""
    rows = await conn.fetch("SELECT * FROM export WHERE recording_id = ANY($1::uuid[]) AND host = $2", list(ids), host)
    return tuple(
        Export(
            recording_id=row["recording_id"],
            path=row["path"],
            host=row["host"],
            device=row["device"],
            inode=row["inode"],
        )
        for row in rows
    )


async def forget(conn: Connection, ids: Collection[UUID]) -> None:
    await conn.execute("DELETE FROM export WHERE recording_id = ANY($1::uuid[])", list(ids))
