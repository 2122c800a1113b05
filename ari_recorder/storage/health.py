"""Rows as the scrub and the comparison with the files need them. What they are for: services/scrub.py, reconcile.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from ari_recorder.domain.reconcile import RowFacts
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.retention import StoredState, midnight
from ari_recorder.storage.db import Connection, Row
from ari_recorder.storage.places import WITHIN_REACH
from ari_recorder.storage.recordings import label_of

_FACTS = """id, state, sealed_bytes, verified_copy.recording_id IS NOT NULL AS in_store FROM recording
    LEFT JOIN (SELECT recording_id FROM remote_copy WHERE in_store_at IS NOT NULL) AS verified_copy
    ON verified_copy.recording_id = id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToScrub:
    """A sealed recording to be looked at; `whole`: all of it."""

    id: UUID
    path: str
    wrapped_key: bytes = field(repr=False)
    sha256: bytes
    whole: bool
    label: Label


async def to_scrub(
    conn: Connection, scrubbed_before: datetime, verified_before: datetime, limit: int, vault: UUID | None = None
) -> list[ToScrub]:
    """Those that have waited longest, of those whose files lie in that folder (places.py); None: of all."""
    rows = await conn.fetch(
        f"""
        SELECT waiting.*, uniqueid FROM (
            (SELECT id, path, wrapped_key, sha256, call_id, queue, segment, started_at, true AS whole FROM recording
             WHERE state = 'sealed' AND verified_at < $3 AND {WITHIN_REACH} ORDER BY verified_at LIMIT $4)
            UNION ALL
            (SELECT id, path, wrapped_key, sha256, call_id, queue, segment, started_at, false FROM recording
             WHERE state = 'sealed' AND scrubbed_at < $2 AND verified_at >= $3 AND {WITHIN_REACH}
             ORDER BY scrubbed_at LIMIT $4)
            LIMIT $4
        ) AS waiting JOIN call ON call.id = call_id
        """,  # noqa: S608 -- the text is the one of places.py
        vault,
        scrubbed_before,
        verified_before,
        limit,
    )
    return [
        ToScrub(
            id=row["id"],
            path=row["path"],
            wrapped_key=row["wrapped_key"],
            sha256=row["sha256"],
            whole=row["whole"],
            label=label_of(row),
        )
        for row in rows
    ]


async def scrubbed(conn: Connection, recording_id: UUID, at: datetime, *, whole: bool, damage: str | None) -> None:
    """One that is damaged counts as looked at, too: it is looked at again with the next round."""
    await conn.execute(
        """
        UPDATE recording
        SET damage = $4, scrubbed_at = $2, verified_at = CASE WHEN $3 THEN $2 ELSE verified_at END
        WHERE id = $1 AND state = 'sealed'
        """,
        recording_id,
        at,
        whole,
        damage,
    )


async def damaged(conn: Connection) -> Mapping[UUID, str]:
    rows = await conn.fetch("SELECT id, damage FROM recording WHERE damage IS NOT NULL AND state = 'sealed'")
    return {row["id"]: row["damage"] for row in rows}


async def of_day(conn: Connection, day: date, vault: UUID | None = None) -> dict[UUID, RowFacts]:
    """The recordings whose files lie in the folder of that day, within that vault (places.py); None: any."""
    rows = await conn.fetch(
        f"SELECT {_FACTS} WHERE started_at >= $2 AND started_at < $3 AND {WITHIN_REACH}",
        vault,
        midnight(day),
        midnight(day + timedelta(days=1)),
    )
    return _facts(rows)


async def of_ids(conn: Connection, ids: Collection[UUID]) -> dict[UUID, RowFacts]:
    return _facts(await conn.fetch(f"SELECT {_FACTS} WHERE id = ANY($1::uuid[])", list(ids)))


async def oldest(conn: Connection) -> datetime | None:
    """When the oldest sealed recording began."""
    at: datetime | None = await conn.fetchval("SELECT min(started_at) FROM recording WHERE state = 'sealed'")
    return at


def _facts(rows: Sequence[Row]) -> dict[UUID, RowFacts]:
    return {
        row["id"]: RowFacts(state=StoredState(row["state"]), sealed_bytes=row["sealed_bytes"], in_store=row["in_store"])
        for row in rows
    }
