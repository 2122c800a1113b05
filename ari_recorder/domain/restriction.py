"""Restriction of processing (GDPR, articles 4(3) and 18): a recording is stored, and nothing else is done with it.

    restricted ── opened on a ground ──► restricted        article 18(2): consent, legal claims, another's rights, …
        └─ the person is told, then ─► lifted              article 18(3): told before it is lifted

A person obtains it on one of four grounds, article 18(1)(a) to (d). Of a call all recordings are restricted: the person
is heard in the whole of it. One may be restricted several times, by several cases, and is until the last is lifted.

What becomes of it when its time is up (article 5(1)(e) against article 18):

    (b) processing is unlawful, and the person opposes the erasure       it is kept until the restriction is lifted: a
    (c) the person needs it for legal claims, the controller not         hold by law, for destroying it is what the
                                                                         person asked not to be done
    (a) the accuracy is contested, as long as that is verified           the rule of its queue goes on: nobody asked to
    (d) the person objected, as long as that is pending                  keep it. The open request freezes it meanwhile

Looking whether the sealed file is still what was sealed (the nightly scrub, `--verify`) is part of storing it
(article 32), and goes on without a ground. Holds and corrections go on: they store, and put right.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.errors import RecordingRestricted, SubjectNotTold
from ari_recorder.domain.holds import check_reference
from ari_recorder.domain.retention import local_day


class RestrictionGround(StrEnum):
    """Why a person obtained it."""

    ACCURACY_CONTESTED = "accuracy-contested"  # 18(1)(a)
    UNLAWFUL = "unlawful"  # 18(1)(b)
    NEEDED_FOR_CLAIMS = "needed-for-claims"  # 18(1)(c)
    OBJECTION = "objection"  # 18(1)(d)


# The person opposes the erasure: what is restricted so is not destroyed.
KEEPING = frozenset({RestrictionGround.UNLAWFUL, RestrictionGround.NEEDED_FOR_CLAIMS})


class OpeningGround(StrEnum):
    """On what ground something restricted may be opened all the same: article 18(2). There is no other."""

    CONSENT = "consent"  # of the person concerned
    LEGAL_CLAIMS = "legal-claims"  # establishing, exercising or defending them
    RIGHTS_OF_ANOTHER = "rights-of-another"  # another natural or legal person
    PUBLIC_INTEREST = "public-interest"  # an important one, of the Union or of a member state


class ToldHow(StrEnum):
    """The way by which the person was told that the restriction will be lifted."""

    LETTER = "letter"
    SECURE_MAIL = "secure-mail"
    E_SERVICE = "e-service"
    PHONE = "phone"
    IN_PERSON = "in-person"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionTerms:
    """What is asked for, by which case. `case_id`: None where only its number is known."""

    ground: RestrictionGround
    case_number: str
    case_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTold:
    """That the person was told before: on which day in Helsinki, and how."""

    on: date
    how: ToldHow


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """`lifted_at`, `lifted_by` and `told` are None as long as it is not lifted."""

    id: UUID
    ground: RestrictionGround
    case_number: str
    case_id: UUID | None
    set_at: datetime
    set_by: str
    told: SubjectTold | None = None
    lifted_at: datetime | None = None
    lifted_by: str | None = None

    @property
    def keeps(self) -> bool:
        return self.ground in KEEPING


def in_force(restrictions: Collection[Restriction]) -> tuple[Restriction, ...]:
    """Those that restrict now, the oldest first. None: it is not restricted."""
    return tuple(sorted((one for one in restrictions if one.lifted_at is None), key=lambda one: one.set_at))


def check_terms(terms: RestrictionTerms) -> RestrictionTerms:
    return RestrictionTerms(
        ground=terms.ground, case_number=check_reference(terms.case_number.strip()), case_id=terms.case_id
    )


def check_open(recording_id: UUID, ground: OpeningGround | None, *, restricted: bool) -> None:
    """RecordingRestricted when it is, and nobody said on what ground it is opened."""
    if restricted and ground is None:
        raise RecordingRestricted(recording_id=recording_id)


def check_lift(restriction: Restriction, told: SubjectTold, today: date) -> SubjectTold:
    """SubjectNotTold unless the person was told after it began, and not only will be: article 18(3)."""
    began = local_day(restriction.set_at)
    if not began <= told.on <= today:
        raise SubjectNotTold(began=began, today=today)
    return told
