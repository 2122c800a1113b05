"""A listening: one person's use of one recording, for a purpose said before it. The audio and its way out: not here.

    begun ──audio asked for, sent──► begun … ──over──► ended
                                                 because: closed, idle, the right ended, the recording has gone

Its purpose is asked because listening to calls must be justified one by one: who opened a recording is told to those
who ask (C-579/21), and is read by those who monitor use.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.errors import PurposeRefused
from ari_recorder.domain.holds import check_reference
from ari_recorder.domain.restriction import OpeningGround

# Long enough to answer the telephone in between; then the purpose is asked again.
IDLE = timedelta(minutes=30)
# A working day. The session ends sooner or later, too.
LONGEST = timedelta(hours=10)
# What was sent is told to the audit log when nothing more was asked for this long.
TOLD_AFTER = timedelta(minutes=1)
_LEAST_TEXT = 10
_MOST_TEXT = 500


class Purpose(StrEnum):
    ADVISER_SAFETY = "adviser-safety"
    QUALITY = "quality"
    SUBJECT_REQUEST = "subject-request"
    OTHER = "other"  # to be said in words


class ListeningEnd(StrEnum):
    """Why a listening ended."""

    CLOSED = "closed"
    IDLE = "idle"
    RIGHT_ENDED = "right-ended"  # the session, the account, or the right to this recording
    RECORDING_GONE = "recording-gone"
    RESTRICTED = "restricted"  # meanwhile, and it was not begun on a ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What a person says before listening. `text` is personal: it may name somebody. `ground`: on which something
    restricted is opened."""

    purpose: Purpose
    reference: str = ""
    text: str = field(default="", repr=False)
    ground: OpeningGround | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """`session`: it goes on in no other one. `ground`: on which something restricted is opened."""

    id: UUID
    recording_id: UUID
    user_id: UUID
    session: str
    purpose: Purpose
    reference: str
    begun_at: datetime
    active_at: datetime
    ground: OpeningGround | None = None

    def over(self, now: datetime) -> bool:
        return now - self.active_at > IDLE or now - self.begun_at > LONGEST


def check_why(why: Why) -> Why:
    """A purpose, a case number if there is one, and words where the purpose alone says nothing."""
    text = why.text.strip()
    if why.purpose is Purpose.OTHER and len(text) < _LEAST_TEXT:
        raise PurposeRefused(reason=f"say in at least {_LEAST_TEXT} characters what it is")
    if len(text) > _MOST_TEXT:
        raise PurposeRefused(reason=f"it has more than {_MOST_TEXT} characters")
    if any(ord(sign) < 32 and sign not in "\n\t" for sign in text):
        raise PurposeRefused(reason="it has control characters")
    reference = check_reference(why.reference.strip()) if why.reference.strip() else ""
    return Why(purpose=why.purpose, reference=reference, text=text, ground=why.ground)
