"""What may be corrected in what is kept of a call, and how: versions are added, and the original stays beside them.

    original (call, recording) ─► version 1 ─► version 2 ─► …          the newest is shown, the others beside it

The audio is never corrected: it is what was said. A number, a name, an agent or the meaning of a queue may have been
wrong from the start, and a person may demand that it is put right (GDPR, article 16). A note says what no field has a
place for; it may belong to a moment of the audio. Each version says why. Who may do it: domain/accounts.py.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.errors import CorrectionRefused
from ari_recorder.domain.phone import e164

_MOST_TEXT = 500


class Correctable(StrEnum):
    CALLER_NUMBER = "caller-number"
    CALLER_NAME = "caller-name"
    AGENT = "agent"
    QUEUE_MEANING = "queue-meaning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What a person wants to be read there. `subject`: which agent (the member's Uniqueid) or note, where there are
    several; empty for a new note. `version`: the one that was seen, 0 for the original."""

    field: Correctable
    value: str = dataclasses.field(repr=False)
    because: str = dataclasses.field(repr=False)
    subject: str = ""
    version: int = 0
    audio_offset: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A correction as it was made. `value` and `because` are None when they cannot be opened, or are gone."""

    id: UUID
    recording_id: UUID
    field: Correctable
    subject: str
    version: int
    audio_offset: timedelta | None
    made_at: datetime
    made_by: str
    value: str | None = dataclasses.field(repr=False)
    because: str | None = dataclasses.field(repr=False)


def check(proposed: Proposed, duration: timedelta | None) -> Proposed:
    """An empty value is one: what was there does not belong there."""
    value, because = proposed.value.strip(), proposed.because.strip()
    name = proposed.field.value
    for text in (value, because):
        if len(text) > _MOST_TEXT or any(ord(sign) < 32 and sign not in "\n\t" for sign in text):
            raise CorrectionRefused(field=name, reason=f"more than {_MOST_TEXT} characters, or control characters")
    if proposed.field is Correctable.NOTE:
        if not value:
            raise CorrectionRefused(field=name, reason="it is empty")
    elif not because:
        raise CorrectionRefused(field=name, reason="say why")
    if proposed.field is Correctable.CALLER_NUMBER and value and not e164(value):
        raise CorrectionRefused(field=name, reason="there is no number in it")
    if proposed.audio_offset is not None and not timedelta() <= proposed.audio_offset <= (duration or timedelta()):
        raise CorrectionRefused(field=name, reason="the recording does not go there")
    return Proposed(
        field=proposed.field,
        value=value,
        because=because,
        subject=proposed.subject,
        version=proposed.version,
        audio_offset=proposed.audio_offset if proposed.field is Correctable.NOTE else None,
    )
