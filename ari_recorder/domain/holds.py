"""What keeps recordings beyond their period: holds, and the freezes of open subject requests. Their keys: not here.

    placed ──extend──► placed ──release──► released        a hold: a supervisor's decision
    open ────────────────────────close───► closed          a freeze: as long as a subject request is open

A hold has a reason, a reference, an owner, and a day on which somebody looks at it again, at most twelve months ahead.
It does not end by itself: a hold whose review is overdue keeps, and reminds every day. A recording may be under several
at once, and is kept until the last one has ended. A call is held as a whole, with all its recordings; of one that went
through the queues of two units, each holds what is its own.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.errors import HoldTextRefused, ReviewDateRefused

MOST_MONTHS = 12
# A case number. What is said about a person belongs into the reason, which is sealed.
_REFERENCE = re.compile(r"[^\W_](?:[\w ./:()+-]{0,62}[\w.)])?")
_MOST_TEXT = 2000
# A Finnish personal identity code: day, month, year, a sign for the century, three digits and a check.
_IDENTITY_CODE = re.compile(
    r"(?<!\d)(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d\d[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y](?!\w)", re.ASCII | re.IGNORECASE
)


class ThreatDecision(StrEnum):
    """What a supervisor decided on a call that an agent flagged."""

    HOLD = "hold"
    NOT_A_THREAT = "not-a-threat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The reason is not here: it is sealed. `queues`: of which it holds; None: of all."""

    id: UUID
    reference: str
    owner: str
    placed_at: datetime
    placed_by: str
    review_on: date
    released_at: datetime | None = None
    released_by: str | None = None
    queues: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """What an open subject request keeps. `restricts`: it is that of a restriction of processing, and ends with it
    (domain/restriction.py)."""

    id: UUID
    reference: str
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None = None
    closed_by: str | None = None
    restricts: bool = False


def check_reference(text: str) -> str:
    if _REFERENCE.fullmatch(text) is None:
        raise HoldTextRefused(field="reference", reason="it wants to be a case number of at most 64 characters")
    if _IDENTITY_CODE.search(text) is not None:
        raise HoldTextRefused(field="reference", reason="it names a person: an identity code belongs nowhere in here")
    return text


def check_text(field: str, text: str) -> str:
    """A reason or an owner: something, in one piece, and not a novel."""
    if not text.strip():
        raise HoldTextRefused(field=field, reason="it is empty")
    if len(text) > _MOST_TEXT or any(ord(sign) < 32 and sign not in "\n\t" for sign in text):
        raise HoldTextRefused(field=field, reason=f"it has more than {_MOST_TEXT} characters, or control characters")
    return text.strip()


def check_review(review_on: date, today: date) -> date:
    """After today, and at most twelve months ahead."""
    latest = today.replace(year=today.year + 1) if (today.month, today.day) != (2, 29) else date(today.year + 1, 2, 28)
    if not today < review_on <= latest:
        raise ReviewDateRefused(review_on=review_on, latest=latest)
    return review_on
