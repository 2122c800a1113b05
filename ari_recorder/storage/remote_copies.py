"""The table `remote_copy`: which sealed files the S3 store is to get, and which it has. Nothing is sent here.

    queued ─(claim)─► claimed ─(verified)─► verified ─(left_vault)─► only in the store
      ▲                  │                      │
      ├────(failed)──────┘  or the claim ends   └─(differs: queued again, if the vault has it)
      └─────────────────────────────────────────┘                                    the row goes with its recording

A claim is a time until which nobody else takes the row: an uploader that is killed leaves nothing that has to be put
right, but a wait. It outlives every upload (vault/object_store.py, PUT_SECONDS), so that erasing, which waits for it
(`in_flight`), can be sure that nothing is put into the store after it has looked. Only what is `sealed` is claimed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ari_recorder.storage.db import Connection

CLAIM = timedelta(minutes=15)
_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A sealed file that is to be brought to the store."""

    recording_id: UUID
    path: str
    sha256: bytes
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """`host`: where the sealed file is in the vault, too; empty when nowhere."""

    place: str
    host: str
    etag: str | None

    @property
    def verified(self) -> bool:
        return self.etag is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """`failing`: those whose last try failed, and `failure`: why the newest of them did."""

    waiting: int
    failing: int
    oldest_at: datetime | None
    failure: str


async def enqueue(conn: Connection, ids: Collection[UUID], place: str, host: str, now: datetime) -> int:
    """Sealed recordings the store has not been told of yet; how many those were."""
    rows = await conn.fetch(
        """
        INSERT INTO remote_copy (recording_id, place, host, queued_at, not_before)
        SELECT id, $2, $3, $4, $4 FROM recording WHERE id = ANY($1::uuid[]) AND state = 'sealed'
        ON CONFLICT DO NOTHING RETURNING recording_id
        """,
        list(ids),
        place,
        host,
        now,
    )
    return len(rows)


async def not_of(conn: Connection, host: str, after: UUID | None, limit: int) -> tuple[tuple[UUID, str], ...]:
    """Sealed recordings nobody has queued, or whose file is in the vault of a host of another name: id and path of
    each, by id."""
    rows = await conn.fetch(
        """
        SELECT id, path FROM recording LEFT JOIN remote_copy ON recording_id = id
        WHERE state = 'sealed' AND id > $1 AND (host IS NULL OR host NOT IN ('', $2))
        ORDER BY id LIMIT $3
        """,
        after or UUID(int=0),
        host,
        limit,
    )
    return tuple((row["id"], row["path"]) for row in rows)


async def adopt(conn: Connection, ids: Collection[UUID], host: str) -> None:
    """Their files are in this host's vault."""
    await conn.execute(
        """
        UPDATE remote_copy SET host = $2
        WHERE recording_id = ANY($1::uuid[]) AND host NOT IN ('', $2) AND claimed_by IS NULL
        """,
        list(ids),
        host,
    )


async def claim(conn: Connection, place: str, host: str, now: datetime, limit: int) -> tuple[Upload, ...]:
    """The next ones, for nobody else until CLAIM is over; of those in this host's vault."""
    rows = await conn.fetch(
        """
        WITH next AS (
            SELECT recording_id FROM remote_copy JOIN recording ON recording.id = recording_id
            WHERE in_store_at IS NULL AND not_before <= $3 AND place = $1 AND host = $2 AND state = 'sealed'
            ORDER BY not_before, recording_id LIMIT $5
            FOR UPDATE OF remote_copy SKIP LOCKED
        )
        UPDATE remote_copy SET claimed_by = $2, not_before = $4 FROM next
        WHERE remote_copy.recording_id = next.recording_id
        RETURNING remote_copy.recording_id, failures,
            (SELECT path FROM recording WHERE id = remote_copy.recording_id),
            (SELECT sha256 FROM recording WHERE id = remote_copy.recording_id)
        """,
        place,
        host,
        now,
        now + CLAIM,
        limit,
    )
    return tuple(
        Upload(recording_id=row["recording_id"], path=row["path"], sha256=row["sha256"], failures=row["failures"])
        for row in rows
    )


async def still_sealed(conn: Connection, ids: Collection[UUID]) -> frozenset[UUID]:
    """Asked after the claim was committed: whoever began to erase before does not see the claim."""
    rows = await conn.fetch("SELECT id FROM recording WHERE id = ANY($1::uuid[]) AND state = 'sealed'", list(ids))
    return frozenset(row["id"] for row in rows)


async def verified(conn: Connection, recording_id: UUID, host: str, etag: str, now: datetime) -> bool:
    """False when it is this host's claim no more, or being erased: what was put there is to go."""
    row = await conn.fetchrow(
        """
        UPDATE remote_copy SET in_store_at = $4, etag = $3, claimed_by = NULL, failures = 0, failure = NULL
        FROM recording
        WHERE recording_id = $1 AND claimed_by = $2 AND recording.id = recording_id AND state = 'sealed'
        RETURNING recording_id
        """,
        recording_id,
        host,
        etag,
        now,
    )
    return row is not None


async def failed(conn: Connection, recording_id: UUID, host: str, because: str, now: datetime) -> None:
    """To be tried again, later each time."""
    await conn.execute(
        """
        UPDATE remote_copy SET claimed_by = NULL, failures = failures + 1, failure = $3,
            not_before = $4::timestamptz + least($5::interval * power(2, least(failures, 20)), $6::interval)
        WHERE recording_id = $1 AND claimed_by = $2 AND in_store_at IS NULL
        """,
        recording_id,
        host,
        because,
        now,
        _FIRST_WAIT,
        _LONGEST_WAIT,
    )


async def release(conn: Connection, host: str, now: datetime) -> None:
    """A service that begins holds no claim: those of its host were of one that is gone."""
    await conn.execute(
        "UPDATE remote_copy SET claimed_by = NULL, not_before = $2 WHERE claimed_by = $1 AND in_store_at IS NULL",
        host,
        now,
    )


async def of(conn: Connection, ids: Collection[UUID]) -> Mapping[UUID, Copy]:
    rows = await conn.fetch(
        "SELECT recording_id, place, host, etag FROM remote_copy WHERE recording_id = ANY($1::uuid[])", list(ids)
    )
    return {row["recording_id"]: Copy(place=row["place"], host=row["host"], etag=row["etag"]) for row in rows}


async def in_flight(conn: Connection, ids: Collection[UUID], now: datetime) -> frozenset[UUID]:
    """Those that somebody may be sending at this moment."""
    rows = await conn.fetch(
        """
        SELECT recording_id FROM remote_copy
        WHERE recording_id = ANY($1::uuid[]) AND claimed_by IS NOT NULL AND not_before > $2
        """,
        list(ids),
        now,
    )
    return frozenset(row["recording_id"] for row in rows)


async def left_vault(conn: Connection, recording_id: UUID) -> None:
    await conn.execute(
        "UPDATE remote_copy SET host = '' WHERE recording_id = $1 AND in_store_at IS NOT NULL", recording_id
    )


async def differs(conn: Connection, recording_id: UUID, now: datetime) -> bool:
    """What the store has is not what was sealed; True when the vault has it and it is queued again."""
    row = await conn.fetchrow(
        """
        UPDATE remote_copy SET in_store_at = NULL, etag = NULL, queued_at = $2, not_before = $2
        WHERE recording_id = $1 AND host <> '' RETURNING recording_id
        """,
        recording_id,
        now,
    )
    return row is not None


async def forget(conn: Connection, ids: Collection[UUID]) -> None:
    """Nothing of them is left in the store."""
    await conn.execute("DELETE FROM remote_copy WHERE recording_id = ANY($1::uuid[])", list(ids))


async def queue(conn: Connection) -> Queue:
    row = await conn.fetchrow(
        """
        SELECT count(*) AS waiting, count(*) FILTER (WHERE failures > 0) AS failing, min(queued_at) AS oldest_at,
            coalesce((SELECT failure FROM remote_copy WHERE in_store_at IS NULL AND failures > 0
                      ORDER BY not_before DESC LIMIT 1), '') AS failure
        FROM remote_copy JOIN recording ON recording.id = recording_id AND state = 'sealed'
        WHERE in_store_at IS NULL
        """
    )
    assert row is not None  # noqa: S101 -- a count is a row
    return Queue(waiting=row["waiting"], failing=row["failing"], oldest_at=row["oldest_at"], failure=row["failure"])
