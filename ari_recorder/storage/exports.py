"""The table `export`: where copies in clear of recordings were written, so that they go when the recording goes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.restriction import OpeningGround, check_open
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file, known by device and inode: its name may be another one's later. `ground`: on which it was made, of
    something restricted."""

    recording_id: UUID
    path: str
    host: str
    device: int
    inode: int
    ground: OpeningGround | None = None
    # The package that waits to be fetched; of it nothing is in clear.
    delivery_id: UUID | None = None


async def insert(conn: Connection, export: Export, now: datetime) -> bool:
    """False when the recording is not there any more. Nobody begins to erase or to restrict it before the transaction
    has ended. RecordingRestricted, when somebody has and it is not opened on a ground."""
    restricted = await conn.fetchval(
        "SELECT restrictions > 0 FROM recording WHERE id = $1 AND state = 'sealed' FOR SHARE", export.recording_id
    )
    if restricted is None:
        return False
    check_open(export.recording_id, export.ground, restricted=restricted)
    await conn.execute(
        """
        INSERT INTO export (recording_id, path, host, device, inode, exported_at, ground, delivery_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (recording_id, path, host) DO UPDATE
            SET device = excluded.device, inode = excluded.inode, ground = excluded.ground
        """,
        export.recording_id,
        export.path,
        export.host,
        export.device,
        export.inode,
        now,
        export.ground,
        export.delivery_id,
    )
    return True


async def of_recordings(conn: Connection, ids: Collection[UUID]) -> tuple[Export, ...]:
    """On whatever host they were written."""
    rows = await conn.fetch("SELECT * FROM export WHERE recording_id = ANY($1::uuid[])", list(ids))
    return tuple(_from_row(row) for row in rows)


async def outliving(conn: Connection, host: str) -> tuple[Export, ...]:
    """Those on this host whose recording was erased from another one."""
    rows = await conn.fetch(
        """
        SELECT export.* FROM export JOIN recording ON recording.id = recording_id
        WHERE host = $1 AND state = 'erased' ORDER BY recording_id, path
        """,
        host,
    )
    return tuple(_from_row(row) for row in rows)


async def of_file(conn: Connection, host: str, device: int, inode: int) -> tuple[Export, ...]:
    """What that very file is a copy of."""
    rows = await conn.fetch(
        "SELECT * FROM export WHERE (host, device, inode) = ($1, $2, $3) ORDER BY recording_id", host, device, inode
    )
    return tuple(_from_row(row) for row in rows)


async def forget_delivery(conn: Connection, delivery_id: UUID) -> None:
    """Its file is gone."""
    await conn.execute("DELETE FROM export WHERE delivery_id = $1", delivery_id)


async def forget(conn: Connection, gone: Collection[Export]) -> None:
    """What is known of these very files."""
    await conn.execute(
        """
        DELETE FROM export USING unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
            AS gone (recording_id, path, host, device, inode)
        WHERE (export.recording_id, export.path, export.host, export.device, export.inode)
            = (gone.recording_id, gone.path, gone.host, gone.device, gone.inode)
        """,
        [one.recording_id for one in gone],
        [one.path for one in gone],
        [one.host for one in gone],
        [one.device for one in gone],
        [one.inode for one in gone],
    )


def _from_row(row: Row) -> Export:
    return Export(
        recording_id=row["recording_id"],
        path=row["path"],
        host=row["host"],
        device=row["device"],
        inode=row["inode"],
        ground=OpeningGround(row["ground"]) if row["ground"] is not None else None,
        delivery_id=row["delivery_id"],
    )
