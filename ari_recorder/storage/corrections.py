"""The table `correction`: versions that are added, never changed. What they say is in call_text, sealed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ari_recorder.domain.corrections import Correctable
from ari_recorder.storage.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    id: UUID
    call_id: UUID
    recording_id: UUID
    field: Correctable
    subject: str
    version: int
    audio_offset: timedelta | None
    text_id: UUID
    made_at: datetime
    made_by: UUID
    made_by_name: str


async def insert(conn: Connection, one: Stored) -> None:
    """The row of its call is locked: versions come one after the other."""
    await conn.execute(
        """
        INSERT INTO correction (
            id, call_id, recording_id, field, subject, version, audio_offset, text_id, made_at, made_by, made_by_name
        ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        one.id,
        one.call_id,
        one.recording_id,
        one.field,
        one.subject,
        one.version,
        one.audio_offset,
        one.text_id,
        one.made_at,
        one.made_by,
        one.made_by_name,
    )


async def of_call(conn: Connection, call_id: UUID) -> tuple[Stored, ...]:
    """The oldest first."""
    rows = await conn.fetch("SELECT * FROM correction WHERE call_id = $1 ORDER BY made_at, version, id", call_id)
    return tuple(
        Stored(
            id=row["id"],
            call_id=row["call_id"],
            recording_id=row["recording_id"],
            field=Correctable(row["field"]),
            subject=row["subject"],
            version=row["version"],
            audio_offset=row["audio_offset"],
            text_id=row["text_id"],
            made_at=row["made_at"],
            made_by=row["made_by"],
            made_by_name=row["made_by_name"],
        )
        for row in rows
    )
