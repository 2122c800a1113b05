"""A request refused, in writing: what was asked, why it was not granted, on what ground, and where to complain. Pure.

A request of a person is never refused without one (GDPR, article 12 (4); of access also the Data Protection Act
1050/2018, section 34). It is written in Finnish or Swedish, as the person chose (Language Act 423/2003); an English one
is a courtesy, and says so. The words around what is told here are templates: domain/refusal_templates.py.

    Refusal ─ check ─► number of the year ─► one Paper for each language ─► sealed      services/refusal_certificates.py
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ari_recorder.domain.audit import clean
from ari_recorder.domain.errors import CertificateIncomplete, HoldTextRefused
from ari_recorder.domain.holds import check_reference
from ari_recorder.domain.papers import day_told, shown
from ari_recorder.domain.refusal_templates import Extent, Ground, RequestKind

# Those that count; English is a courtesy.
OFFICIAL = ("fi", "sv")
# Some five pages of reasons; a name, a title on one line.
_MOST_TEXT = 10_000
_MOST_LINE = 200

_ALL = frozenset(RequestKind)
_ACCESS = frozenset({RequestKind.ACCESS})
# Which request a ground can answer. What is not here is a mistake, and would not stand before the ombudsman.
GROUNDS: Mapping[Ground, frozenset[RequestKind]] = {
    Ground.NOT_IDENTIFIED: _ALL,
    Ground.UNFOUNDED: _ALL,
    Ground.RIGHTS_OF_OTHERS: _ACCESS | {RequestKind.PORTABILITY},
    Ground.SECURITY_OR_CRIME: _ACCESS,
    Ground.SERIOUS_DANGER: _ACCESS,
    Ground.SUPERVISION: _ACCESS,
    Ground.ACCURATE: frozenset({RequestKind.RECTIFICATION}),
    Ground.PUBLIC_TASK: frozenset({RequestKind.ERASURE}),
    Ground.LEGAL_CLAIMS: frozenset({RequestKind.ERASURE, RequestKind.OBJECTION, RequestKind.RESTRICTION}),
    Ground.COMPELLING: frozenset({RequestKind.OBJECTION, RequestKind.ERASURE}),
    Ground.NO_CONSENT: frozenset({RequestKind.WITHDRAWAL, RequestKind.ERASURE}),
    Ground.NO_RESTRICTION: frozenset({RequestKind.RESTRICTION}),
    Ground.NOT_PORTABLE: frozenset({RequestKind.PORTABILITY}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a person in the office decided. `languages`: the first is official, Finnish or Swedish."""

    case_id: UUID
    case_number: str
    addressee: str = dataclasses.field(repr=False)
    kind: RequestKind
    asked: str = dataclasses.field(repr=False)
    received_on: date
    extent: Extent = Extent.WHOLE
    ground: Ground
    reasons: str = dataclasses.field(repr=False)
    signatory: str
    signatory_title: str
    languages: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Who answers, in one language: the controller, how it is reached, and how the ombudsman is. From the settings."""

    controller: str
    contact: str
    ombudsman: str


def check(refusal: Refusal, today: date) -> Refusal:
    """Nothing that the law wants told is blank. CertificateIncomplete names what is not as it should be."""
    try:
        case_number = check_reference(refusal.case_number.strip())
    except HoldTextRefused as error:
        raise CertificateIncomplete(field="case_number", reason=error.fields["reason"]) from None
    if refusal.ground not in GROUNDS or refusal.kind not in GROUNDS[refusal.ground]:
        raise CertificateIncomplete(field="ground", reason="it does not answer a request of this kind")
    if refusal.received_on > today:
        raise CertificateIncomplete(field="received_on", reason="it is ahead of today")
    languages = tuple(dict.fromkeys(refusal.languages))
    if not languages or languages[0] not in OFFICIAL or not set(languages) <= {*OFFICIAL, "en"}:
        raise CertificateIncomplete(field="languages", reason="the first wants to be Finnish or Swedish")
    return dataclasses.replace(
        refusal,
        case_number=case_number,
        addressee=_line("addressee", refusal.addressee),
        asked=_text("asked", refusal.asked),
        reasons=_text("reasons", refusal.reasons),
        signatory=_line("signatory", refusal.signatory),
        signatory_title=_line("signatory_title", refusal.signatory_title),
        languages=languages,
    )


def number_told(year: int, running: int) -> str:
    return f"{year}/{running}"


def fields(refusal: Refusal, office: Office, number: str, issued_on: date, language: str) -> dict[str, str]:
    """The values of the fields a template may name, but those whose words are the template's own."""
    return {
        "number": number,
        "case_number": refusal.case_number,
        "addressee": refusal.addressee,
        "asked": refusal.asked,
        "received_on": day_told(refusal.received_on, language),
        "reasons": refusal.reasons,
        "issued_on": day_told(issued_on, language),
        "signatory": refusal.signatory,
        "signatory_title": refusal.signatory_title,
        "controller": office.controller,
        "controller_contact": office.contact,
        "ombudsman_contact": office.ombudsman,
    }


def _text(field: str, text: str) -> str:
    told = clean(shown(text))
    if not told:
        raise CertificateIncomplete(field=field, reason="it is empty")
    if len(told) > _MOST_TEXT:
        raise CertificateIncomplete(field=field, reason=f"it has more than {_MOST_TEXT} characters")
    return told


def _line(field: str, text: str) -> str:
    told = _text(field, text)
    if len(told) > _MOST_LINE or "\n" in told:
        raise CertificateIncomplete(field=field, reason=f"it wants to be one line of at most {_MOST_LINE} characters")
    return told
