"""A recording given out of the house: an exception with a reason, a receiver and a case. Who may, and bytes: not here.

    asked ──a second person agrees──► agreed ──downloaded, once──► going ──► over
      └── refused, or a week later: nothing is left of it          because: complete, broken off, …

The receiver and the reason may name people: they are sealed with the call and die with it. What kind of receiver it was
and the number of the case stay in the log of disclosures, which is never changed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.accounts import check_person
from ari_recorder.domain.holds import check_reference
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.domain.retention import HELSINKI


class ReceiverKind(StrEnum):
    PERSON_CONCERNED = "person-concerned"
    POLICE = "police"
    COURT = "court"
    AUTHORITY = "authority"
    OTHER = "other"


class DisclosureEnd(StrEnum):
    """Why nothing more of it went out."""

    COMPLETE = "complete"
    BROKEN_OFF = "broken-off"  # by who downloaded it, or the network
    RIGHT_ENDED = "right-ended"  # the session, the account, or the right to this recording
    RECORDING_GONE = "recording-gone"
    RESTRICTED = "restricted"  # meanwhile, and it was not asked for on a ground
    FAILED = "failed"
    LOST = "lost"  # the service ended meanwhile: at most what is on record went out


class DisclosureWay(StrEnum):
    """How it got to who received it."""

    DOWNLOAD = "download"  # by who asked for it, on the page
    LINK = "link"  # by the receiver: domain/deliveries.py
    ON_PREMISES = "on-premises"  # from hand to hand, against a signature


class ExportStage(StrEnum):
    ASKED = "asked"
    AGREED = "agreed"
    GOING = "going"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """To whom a recording is to be given, and why. `ground`: of something restricted."""

    receiver_kind: ReceiverKind
    receiver: str = field(repr=False)
    reference: str
    reason: str = field(repr=False)
    ground: OpeningGround | None = None


def check_terms(terms: Terms) -> Terms:
    """A receiver and a reason on one line each, and the number of a case: without one nothing is given out."""
    return Terms(
        receiver_kind=terms.receiver_kind,
        receiver=check_person("receiver", terms.receiver),
        reference=check_reference(terms.reference.strip()),
        reason=check_person("reason", terms.reason),
        ground=terms.ground,
    )


def download_name(recording_id: UUID, started_at: datetime) -> str:
    """Ours from end to end, so that nothing that was typed reaches a header or a file system: letters, digits, - ."""
    return f"recording-{started_at.astimezone(HELSINKI):%Y%m%d-%H%M}-{recording_id}.wav"
