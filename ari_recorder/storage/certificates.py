"""The table `certificate`, and the tombstones that have none yet. What a certificate says: domain/certificates.py."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ari_recorder.domain.certificates import CertificateKind, Tombstone
from ari_recorder.storage.db import Connection, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`subject`: a recording's id or a key's name. `body`: the bytes that were signed. `signed_by`: the public key."""

    subject: str
    kind: CertificateKind
    issued_at: datetime
    body: str
    signature: bytes
    signed_by: str


async def uncertified(conn: Connection, *, limit: int) -> tuple[Tombstone, ...]:
    """Tombstones without a certificate, locked until the transaction ends."""
    rows = await conn.fetch(
        """
        SELECT recording.id, recording.queue, started_at, key_name, sha256, sealed_bytes, erasing_at, erased_at,
               erased_because, erased_copies, call.personal IS NOT NULL AS caller_left,
               EXISTS (SELECT FROM keeping WHERE recording_id = recording.id) AS was_held
        FROM recording JOIN call ON call.id = recording.call_id
        WHERE recording.state = 'erased' AND NOT certified
        ORDER BY erased_at, recording.id LIMIT $1
        FOR UPDATE OF recording SKIP LOCKED
        """,
        limit,
    )
    return tuple(
        Tombstone(
            recording_id=row["id"],
            queue=row["queue"],
            started_at=row["started_at"],
            key_name=row["key_name"],
            sha256=row["sha256"].hex() if row["sha256"] is not None else None,
            sealed_bytes=row["sealed_bytes"],
            erasing_at=row["erasing_at"],
            erased_at=row["erased_at"],
            because=row["erased_because"],
            copies=row["erased_copies"],
            caller_left=row["caller_left"],
            was_held=row["was_held"],
        )
        for row in rows
    )


async def set_certified(conn: Connection, recordings: Collection[UUID]) -> None:
    await conn.execute("UPDATE recording SET certified = true WHERE id = ANY($1::uuid[])", list(recordings))


async def insert(conn: Connection, several: Sequence[Certificate]) -> None:
    """One that is there stays as it is: it may have been given out."""
    await conn.execute(
        """
        INSERT INTO certificate (subject, kind, issued_at, body, signature, signed_by)
        SELECT * FROM unnest($1::text[], $2::certificate_kind[], $3::timestamptz[], $4::text[], $5::bytea[], $6::text[])
        ON CONFLICT (subject) DO NOTHING
        """,
        [one.subject for one in several],
        [one.kind for one in several],
        [one.issued_at for one in several],
        [one.body for one in several],
        [one.signature for one in several],
        [one.signed_by for one in several],
    )


async def newest(conn: Connection, kind: CertificateKind | None, *, limit: int) -> tuple[Certificate, ...]:
    rows = await conn.fetch(
        """
        SELECT * FROM certificate WHERE $1::certificate_kind IS NULL OR kind = $1
        ORDER BY issued_at DESC, subject LIMIT $2
        """,
        kind,
        limit,
    )
    return tuple(_from_row(row) for row in rows)


async def get(conn: Connection, beginning: str) -> Certificate | None:
    """The one that begins so, when there is no other."""
    rows = await conn.fetch(
        "SELECT * FROM certificate WHERE left(subject, length($1)) = $1 ORDER BY subject = $1 DESC LIMIT 2", beginning
    )
    if not rows or (len(rows) > 1 and rows[0]["subject"] != beginning):
        return None
    return _from_row(rows[0])


async def waiting(conn: Connection) -> int:
    count: int = await conn.fetchval(
        """
        SELECT (SELECT count(*) FROM recording WHERE state = 'erased' AND NOT certified)
             + (SELECT count(*) FROM destroyed_key WHERE destroyed_at IS NOT NULL AND NOT certified)
        """
    )
    return count


def _from_row(row: Row) -> Certificate:
    return Certificate(
        subject=row["subject"],
        kind=CertificateKind(row["kind"]),
        issued_at=row["issued_at"],
        body=row["body"],
        signature=row["signature"],
        signed_by=row["signed_by"],
    )
