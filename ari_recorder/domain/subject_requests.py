"""Requests of persons about what was recorded of them, from the letter to the closed case: a state machine. Pure.

    received ──identity proved──► identified ──every call looked at──► matched ──decide──► decided
     ▲ │ not proved                 ▲ │                                  │ │                 │ in part: with certificate
     └─┘                            └─┼────────a call more was found─────┘ │                 hand over, carry out
                                      │                                    │                 ▼
     received (who asks) ─────────────┴──────refuse, with a certificate────┴────────────► answered ──close──► closed

    received, identified, matched ──the person takes it back──► closed

From the moment it is received what it may be about is frozen (services/request_freeze.py), until it is closed and the
time to appeal is over. Nobody is given, told or refused anything on the merits before it is known who asks; no copy of
a document of identity is kept, only how, by whom, when and with what outcome it was looked at (GDPR, article 12(6)).

What is found is confirmed call by call: whoever calls from the same number need not be the same person. What a decision
does to a call depends on the right that was used, and for a withdrawal on what its queue stands on: consent that is
withdrawn leaves nothing to keep (article 7(3)), of anything else it is an objection (article 21).

Each transition gives back where the case stands then and why, or raises what is in the way, by name.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from ari_recorder.domain.audit import clean
from ari_recorder.domain.due_dates import Law
from ari_recorder.domain.errors import (
    CertificateMissing,
    DecisionRefused,
    IdentityNotProved,
    ProxyUnauthorised,
    RequestMatchesNothing,
    RequestOutOfOrder,
    RequestTextRefused,
    RequestUnconfirmed,
    RestrictionGroundMissing,
)
from ari_recorder.domain.notice import Basis
from ari_recorder.domain.papers import shown
from ari_recorder.domain.refusal_templates import Ground, RequestKind
from ari_recorder.domain.restriction import RestrictionGround

_MOST_TEXT = 10_000
_MOST_LINE = 200
# GDPR, article 12(3): nobody writes up a request that came years ago; a slip of the pen does.
_OLDEST = timedelta(days=366)


class Kind(StrEnum):
    """The right that is used. Articles are those of the GDPR."""

    ACCESS = "access"  # article 15
    CORRECTION = "correction"  # article 16
    ERASURE = "erasure"  # article 17
    RESTRICTION = "restriction"  # article 18
    OBJECTION = "objection"  # article 21
    WITHDRAWAL = "withdrawal"  # article 7(3)
    DOCUMENT = "document"  # Act 621/1999, section 13

    @property
    def law(self) -> Law:
        return Law.OPENNESS if self is Kind.DOCUMENT else Law.GDPR


# What a certificate of refusal calls it. A document is refused by a decision that can be appealed against (621/1999,
# section 14(3)), which is the authority's own paper.
CERTIFIED: Mapping[Kind, RequestKind] = {
    Kind.ACCESS: RequestKind.ACCESS,
    Kind.CORRECTION: RequestKind.RECTIFICATION,
    Kind.ERASURE: RequestKind.ERASURE,
    Kind.RESTRICTION: RequestKind.RESTRICTION,
    Kind.OBJECTION: RequestKind.OBJECTION,
    Kind.WITHDRAWAL: RequestKind.WITHDRAWAL,
}
# What can be answered without knowing who asks.
_WITHOUT_IDENTITY = frozenset({Ground.NOT_IDENTIFIED, Ground.UNFOUNDED})


class Channel(StrEnum):
    """How it came."""

    PAPER = "paper"
    E_SERVICE = "e-service"
    IN_PERSON = "in-person"


class Method(StrEnum):
    """How it was looked at who asks."""

    IN_PERSON = "in-person"  # a document was shown, and given back
    SUOMI_FI = "suomi-fi"  # strong authentication
    CALL_BACK = "call-back"  # to the number that the request is about
    OTHER = "other"  # said in words


class State(StrEnum):
    RECEIVED = "received"
    IDENTIFIED = "identified"
    MATCHED = "matched"
    DECIDED = "decided"
    ANSWERED = "answered"
    CLOSED = "closed"


class Step(StrEnum):
    """What is done to a case: a row of its history each."""

    OPEN = "open"
    IDENTITY = "identity"
    MATCH = "match"
    CONFIRM = "confirm"
    DECIDE = "decide"
    EXTEND = "extend"
    REFUSE = "refuse"
    HAND_OVER = "hand-over"
    CLOSE = "close"
    RELEASE = "release"


class Decision(StrEnum):
    GRANTED = "granted"
    PARTLY = "partly"
    NOTHING_FOUND = "nothing-found"  # which is an answer, too: article 15(1)
    REFUSED = "refused"
    TAKEN_BACK = "taken-back"  # by the person


class Handover(StrEnum):
    """How the answer reached the person."""

    ON_PREMISES = "on-premises"
    LINK = "link"
    LETTER = "letter"
    MESSAGE = "message"


class Effect(StrEnum):
    """What granting does to a recording."""

    COPY = "copy"
    CORRECT = "correct"
    ERASE = "erase"
    RESTRICT = "restrict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What transitions depend on. `found`: the calls it may be about; `unconfirmed` of them nobody looked at yet;
    `theirs` are the person's. `has_paper`: a certificate of refusal, or another written decision, was given."""

    number: str
    kind: Kind
    state: State
    is_proxy: bool
    decision: Decision | None = None
    found: int = 0
    unconfirmed: int = 0
    theirs: int = 0
    has_paper: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where the case stands from here on, and why."""

    state: State
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came. `asked`: in the person's words. `proxy`: who asks for them."""

    kind: Kind
    channel: Channel
    received_on: date
    language: str
    name: str = dataclasses.field(repr=False)
    contact: str = dataclasses.field(repr=False)
    asked: str = dataclasses.field(repr=False)
    proxy: str = dataclasses.field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityCheck:
    """`authorised`: of a proxy, that the authorisation was seen. `note`: in words; no number of a document."""

    method: Method
    proved: bool
    authorised: bool = False
    note: str = dataclasses.field(default="", repr=False)


# --- what is written down


def check_received(request: Received, today: date) -> Received:
    if not today - _OLDEST <= request.received_on <= today:
        raise RequestTextRefused(field="received_on", reason="it is ahead of today, or more than a year ago")
    if request.language not in ("fi", "sv", "en"):
        raise RequestTextRefused(field="language", reason="it wants to be fi, sv or en")
    return dataclasses.replace(
        request,
        name=line("name", request.name),
        contact=words("contact", request.contact),
        asked=words("asked", request.asked),
        proxy=line("proxy", request.proxy) if request.proxy.strip() else "",
    )


def words(field: str, text: str) -> str:
    """What somebody typed: something, and not a book. An identity code is cut out of it."""
    told = clean(shown(text)).strip()
    if not told:
        raise RequestTextRefused(field=field, reason="it is empty")
    if len(told) > _MOST_TEXT:
        raise RequestTextRefused(field=field, reason=f"it has more than {_MOST_TEXT} characters")
    return told


def line(field: str, text: str) -> str:
    told = words(field, text)
    if len(told) > _MOST_LINE or "\n" in told:
        raise RequestTextRefused(field=field, reason=f"it wants to be one line of at most {_MOST_LINE} characters")
    return told


def number_told(year: int, running: int) -> str:
    """The case as it is named on papers and in the log."""
    return f"R{year}-{running}"


# --- transitions


def identified(case: Case, check: IdentityCheck) -> Moved:
    if case.state is not State.RECEIVED:
        raise _out_of_order(case, "who asks was looked at already")
    if check.method is Method.OTHER and not check.note.strip():
        raise RequestTextRefused(field="note", reason="another way of looking at it is said in words")
    if not check.proved:
        return Moved(state=State.RECEIVED, because="who asks is not proved")
    if case.is_proxy and not check.authorised:
        raise ProxyUnauthorised(case=case.number)
    return Moved(state=_looked_at(case.unconfirmed), because=f"who asks is proved: {check.method.value}")


def found(case: Case, unconfirmed: int) -> Moved:
    """Calls more were found. After the decision they are kept with the rest, and change nothing of it."""
    if case.state in (State.IDENTIFIED, State.MATCHED):
        return Moved(state=_looked_at(unconfirmed), because="calls more were found")
    return Moved(state=case.state, because="calls more were found")


def searched(case: Case) -> None:
    """May somebody look for more?"""
    if case.state not in (State.RECEIVED, State.IDENTIFIED, State.MATCHED):
        raise _out_of_order(case, "what it is about was settled with the decision")


def confirmed(case: Case, unconfirmed: int) -> Moved:
    """`unconfirmed`: so many are left."""
    if case.state is State.RECEIVED:
        raise IdentityNotProved(case=case.number)
    if case.state not in (State.IDENTIFIED, State.MATCHED):
        raise _out_of_order(case, "what it is about was settled with the decision")
    return Moved(state=_looked_at(unconfirmed), because="whose calls these are")


def decided(case: Case, decision: Decision, granted: int) -> Moved:
    """`granted`: to so many of the person's calls. A refusal is another transition: it wants a certificate."""
    if decision not in (Decision.GRANTED, Decision.PARTLY, Decision.NOTHING_FOUND):
        raise DecisionRefused(decision=decision.value, reason="it is not taken here: refuse it, or close it")
    if case.state is State.RECEIVED:
        raise IdentityNotProved(case=case.number)
    if case.unconfirmed:
        raise RequestUnconfirmed(case=case.number, count=case.unconfirmed)
    if case.state is not State.MATCHED:
        raise _out_of_order(case, "it was decided on already")
    if decision is Decision.NOTHING_FOUND and case.theirs:
        raise DecisionRefused(decision=decision.value, reason="calls were found, and are the person's")
    if decision is not Decision.NOTHING_FOUND and not case.theirs:
        raise RequestMatchesNothing(case=case.number)
    if decision is Decision.PARTLY and not 0 < granted < case.theirs + (case.kind in _PARTLY_IN_WORDS):
        raise DecisionRefused(decision=decision.value, reason="it names some of the person's calls, and not all")
    if decision is Decision.GRANTED and granted != case.theirs:
        raise DecisionRefused(decision=decision.value, reason="it is of all of the person's calls")
    return Moved(state=State.DECIDED, because=decision.value)


# A copy of all calls with some words muted, one correction of two: partly, and of every call.
_PARTLY_IN_WORDS = frozenset({Kind.ACCESS, Kind.CORRECTION, Kind.DOCUMENT})


def refused(case: Case, ground: Ground | None) -> Moved:
    """The whole of it, or what is left of one that was granted in part. `ground`: None for a document."""
    if case.state is State.DECIDED and case.decision is Decision.PARTLY:
        if case.has_paper:
            raise _out_of_order(case, "its certificate was given already")
        return Moved(state=State.DECIDED, because="the rest is refused")
    if case.state is State.RECEIVED and ground not in _WITHOUT_IDENTITY:
        raise IdentityNotProved(case=case.number)
    if case.state not in (State.RECEIVED, State.IDENTIFIED, State.MATCHED):
        raise _out_of_order(case, "it was decided on already")
    return Moved(state=State.ANSWERED, because="it is refused, with a certificate")


def handed_over(case: Case) -> Moved:
    if case.state is not State.DECIDED:
        raise _out_of_order(case, "there is no decision to be carried out")
    if case.decision is Decision.PARTLY and not case.has_paper:
        raise CertificateMissing(case=case.number)
    return Moved(state=State.ANSWERED, because="the person has the answer")


def extendable(case: Case) -> None:
    if case.state in (State.ANSWERED, State.CLOSED):
        raise _out_of_order(case, "it was answered already")


def closed(case: Case, *, taken_back: bool) -> Moved:
    if taken_back:
        if case.state not in (State.RECEIVED, State.IDENTIFIED, State.MATCHED):
            raise _out_of_order(case, "it was decided on: it is carried out, not taken back")
        return Moved(state=State.CLOSED, because="the person took it back")
    if case.state is not State.ANSWERED:
        raise _out_of_order(case, "the person has no answer yet")
    if case.decision in (Decision.REFUSED, Decision.PARTLY) and not case.has_paper:
        raise CertificateMissing(case=case.number)
    return Moved(state=State.CLOSED, because="the person was answered")


def effect_of(kind: Kind, basis: Basis | None) -> Effect:
    """What granting does to a recording of a queue that stands on this. A queue that names no basis has no consent to
    lose: nothing of it is destroyed by a slip of the settings."""
    match kind:
        case Kind.ACCESS | Kind.DOCUMENT:
            return Effect.COPY
        case Kind.CORRECTION:
            return Effect.CORRECT
        case Kind.ERASURE:
            return Effect.ERASE
        case Kind.WITHDRAWAL:
            return Effect.ERASE if basis is Basis.CONSENT else Effect.RESTRICT
        case Kind.RESTRICTION | Kind.OBJECTION:
            return Effect.RESTRICT


def restricted_on(kind: Kind, named: RestrictionGround | None) -> RestrictionGround:
    """The ground of a restriction (article 18(1)). An objection has its own, and so has consent that is withdrawn where
    the queue does not stand on it."""
    if kind is not Kind.RESTRICTION:
        return RestrictionGround.OBJECTION
    if named is None:
        raise RestrictionGroundMissing
    return named


def _looked_at(unconfirmed: int) -> State:
    return State.IDENTIFIED if unconfirmed else State.MATCHED


def _out_of_order(case: Case, reason: str) -> RequestOutOfOrder:
    return RequestOutOfOrder(case=case.number, state=case.state.value, reason=reason)
