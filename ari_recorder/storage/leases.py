"""The table of leases: who does what only one may do. Rules: domain/leases.py."""

from datetime import timedelta
from uuid import UUID

from ari_recorder.domain.errors import LeaseLost
from ari_recorder.storage.db import Connection


async def take(conn: Connection, name: str, host: str, incarnation: UUID, expires: timedelta) -> int | None:
    """Its number from now on; None while another lives that has it, or is in the middle of a transaction with it."""
    await conn.execute(
        """
        INSERT INTO lease (name, host, epoch, taken_at) VALUES ($1, '', 0, clock_timestamp())
        ON CONFLICT (name) DO NOTHING
        """,
        name,
    )
    epoch: int | None = await conn.fetchval(
        """
        UPDATE lease SET host = $2, incarnation = $3, epoch = epoch + 1, taken_at = clock_timestamp()
        WHERE name = (SELECT name FROM lease WHERE name = $1 FOR UPDATE SKIP LOCKED)
            AND (incarnation IS NULL OR incarnation = $3 OR NOT EXISTS (
                SELECT FROM host
                WHERE host.incarnation = lease.incarnation AND NOT stopped
                    AND last_seen > clock_timestamp() - $4::interval
            ))
        RETURNING epoch
        """,
        name,
        host,
        incarnation,
        expires,
    )
    return epoch


async def fence(conn: Connection, name: str, epoch: int) -> None:
    """It is still this one's until the transaction ends. LeaseLost."""
    found = await conn.fetchval(
        "SELECT epoch FROM lease WHERE name = $1 AND epoch = $2 AND incarnation IS NOT NULL FOR SHARE", name, epoch
    )
    if found is None:
        raise LeaseLost(name=name)


async def give_back(conn: Connection, name: str, epoch: int) -> None:
    await conn.execute("UPDATE lease SET incarnation = NULL WHERE name = $1 AND epoch = $2", name, epoch)


async def holders(conn: Connection) -> dict[str, str]:
    """The host that has each lease, or had it last."""
    rows = await conn.fetch("SELECT name, host FROM lease WHERE incarnation IS NOT NULL ORDER BY name")
    return {row["name"]: row["host"] for row in rows}
