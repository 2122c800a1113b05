"""The table `promise`: each promise of the privacy notice as it was last seen. Decided in domain/promises.py."""

from collections.abc import Collection, Mapping

from ari_recorder.domain.promises import CHECKS, Promise, PromiseName, PromiseState
from ari_recorder.storage.db import Connection


async def known(conn: Connection, *, lock: bool = False) -> Mapping[PromiseName, Promise]:
    """Each promise as it was last seen. `lock`: nobody else changes it until the transaction ends."""
    if lock:
        await conn.execute("LOCK TABLE promise IN SHARE ROW EXCLUSIVE MODE")
    rows = {row["name"]: row for row in await conn.fetch("SELECT * FROM promise")}
    return {
        check.name: Promise(
            name=check.name,
            sections=check.sections,
            state=PromiseState(row["state"]),
            figure=row["figure"],
            names=tuple(row["names"]),
            since=row["since"],
            looked_at=row["looked_at"],
            proved_at=row["proved_at"],
        )
        for check in CHECKS
        if (row := rows.get(check.name.value)) is not None
    }


async def keep(conn: Connection, seen: Collection[Promise]) -> None:
    for one in seen:
        await conn.execute(
            """
            INSERT INTO promise (name, state, figure, names, since, looked_at, proved_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (name) DO UPDATE SET state = excluded.state, figure = excluded.figure, names = excluded.names,
                since = excluded.since, looked_at = excluded.looked_at, proved_at = excluded.proved_at
            """,
            one.name,
            one.state,
            one.figure,
            list(one.names),
            one.since,
            one.looked_at,
            one.proved_at,
        )
