"""The machine of requests: every state against every step, and what each refuses by name."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from ari_recorder.domain import subject_requests as machine
from ari_recorder.domain.errors import (
    CertificateMissing,
    DecisionRefused,
    IdentityNotProved,
    ProxyUnauthorised,
    RecorderError,
    RequestMatchesNothing,
    RequestOutOfOrder,
    RequestTextRefused,
    RequestUnconfirmed,
)
from ari_recorder.domain.notice import Basis
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.subject_requests import (
    CERTIFIED,
    Case,
    Channel,
    Decision,
    Effect,
    IdentityCheck,
    Kind,
    Method,
    Moved,
    Received,
    State,
    effect_of,
)

CASE = Case(number="R2026-1", kind=Kind.ERASURE, state=State.RECEIVED, is_proxy=False, found=2, unconfirmed=2)
PROVED = IdentityCheck(method=Method.SUOMI_FI, proved=True)
RECEIVED = Received(
    kind=Kind.ACCESS,
    channel=Channel.PAPER,
    received_on=date(2026, 11, 20),
    language="fi",
    name="Aino Esimerkki",
    contact="Torikatu 1, Esimerkkilä",
    asked="Haluan kuulla puheluni.",
)
TODAY = date(2026, 11, 24)


def at(state: State, **more: object) -> Case:
    seen = state not in (State.RECEIVED, State.IDENTIFIED)
    facts = {"unconfirmed": 0, "theirs": 2} if seen else {}
    decision = Decision.GRANTED if state in (State.DECIDED, State.ANSWERED, State.CLOSED) else None
    return replace(CASE, state=state, **{"decision": decision, **facts, **more})  # type: ignore[arg-type]


# What leads where; every other pair is refused.
ALLOWED: dict[str, dict[State, State]] = {
    "identity": {State.RECEIVED: State.IDENTIFIED},
    "confirm": {State.IDENTIFIED: State.MATCHED, State.MATCHED: State.MATCHED},
    "decide": {State.MATCHED: State.DECIDED},
    "refuse": {one: State.ANSWERED for one in (State.RECEIVED, State.IDENTIFIED, State.MATCHED)},
    "hand over": {State.DECIDED: State.ANSWERED},
    "close": {State.ANSWERED: State.CLOSED},
    "take back": {one: State.CLOSED for one in (State.RECEIVED, State.IDENTIFIED, State.MATCHED)},
    "find": {one: State.IDENTIFIED if one in (State.IDENTIFIED, State.MATCHED) else one for one in State},
}
STEPS: dict[str, Callable[[Case], Moved]] = {
    "identity": lambda case: machine.identified(case, PROVED),
    "confirm": lambda case: machine.confirmed(case, 0),
    "decide": lambda case: machine.decided(case, Decision.GRANTED, 2),
    "refuse": lambda case: machine.refused(case, Ground.UNFOUNDED),
    "hand over": machine.handed_over,
    "close": lambda case: machine.closed(case, taken_back=False),
    "take back": lambda case: machine.closed(case, taken_back=True),
    "find": lambda case: machine.found(case, 1),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", STEPS)
def test_every_state_against_every_step(state: State, step: str) -> None:
    allowed = ALLOWED[step].get(state)
    if allowed is None:
        with pytest.raises(RecorderError, match="R2026-1"):
            STEPS[step](at(state))
    else:
        moved = STEPS[step](at(state))
        assert moved.state is allowed
        assert moved.because


def test_nothing_happens_before_it_is_known_who_asks() -> None:
    for step in ("confirm", "decide"):
        with pytest.raises(IdentityNotProved):
            STEPS[step](CASE)
    with pytest.raises(IdentityNotProved):
        machine.refused(CASE, Ground.LEGAL_CLAIMS)
    with pytest.raises(IdentityNotProved):
        machine.refused(replace(CASE, kind=Kind.DOCUMENT), None)
    for ground in (Ground.NOT_IDENTIFIED, Ground.UNFOUNDED):
        assert machine.refused(CASE, ground).state is State.ANSWERED


def test_who_is_not_proved_may_try_again_and_a_proxy_shows_the_authorisation() -> None:
    assert machine.identified(CASE, replace(PROVED, proved=False)).state is State.RECEIVED
    proxy = replace(CASE, is_proxy=True)
    with pytest.raises(ProxyUnauthorised):
        machine.identified(proxy, PROVED)
    assert machine.identified(proxy, replace(PROVED, authorised=True)).state is State.IDENTIFIED
    with pytest.raises(RequestTextRefused, match="note"):
        machine.identified(CASE, replace(PROVED, method=Method.OTHER))
    assert machine.identified(replace(CASE, found=0, unconfirmed=0), PROVED).state is State.MATCHED


def test_every_call_is_looked_at_before_the_decision() -> None:
    assert machine.confirmed(at(State.IDENTIFIED), 1).state is State.IDENTIFIED
    with pytest.raises(RequestUnconfirmed, match="of 2 whose"):
        machine.decided(at(State.IDENTIFIED), Decision.GRANTED, 2)
    assert machine.found(at(State.DECIDED), 1).state is State.DECIDED


@pytest.mark.parametrize(
    ("decision", "kind", "theirs", "granted", "refusal"),
    [
        (Decision.GRANTED, Kind.ERASURE, 2, 2, None),
        (Decision.GRANTED, Kind.ERASURE, 2, 1, DecisionRefused),
        (Decision.GRANTED, Kind.ACCESS, 0, 0, RequestMatchesNothing),
        (Decision.NOTHING_FOUND, Kind.ACCESS, 0, 0, None),
        (Decision.NOTHING_FOUND, Kind.ACCESS, 1, 0, DecisionRefused),
        (Decision.PARTLY, Kind.ERASURE, 2, 1, None),
        (Decision.PARTLY, Kind.ERASURE, 2, 2, DecisionRefused),
        (Decision.PARTLY, Kind.ERASURE, 2, 0, DecisionRefused),
        (Decision.PARTLY, Kind.ACCESS, 2, 2, None),
        (Decision.PARTLY, Kind.ACCESS, 2, 0, DecisionRefused),
        (Decision.REFUSED, Kind.ACCESS, 2, 2, DecisionRefused),
        (Decision.TAKEN_BACK, Kind.ACCESS, 2, 2, DecisionRefused),
    ],
)
def test_a_decision_fits_what_was_found(
    decision: Decision, kind: Kind, theirs: int, granted: int, refusal: type[RecorderError] | None
) -> None:
    case = at(State.MATCHED, kind=kind, theirs=theirs)
    if refusal is None:
        assert machine.decided(case, decision, granted).state is State.DECIDED
    else:
        with pytest.raises(refusal):
            machine.decided(case, decision, granted)


def test_what_is_refused_in_part_goes_on_with_its_certificate_alone() -> None:
    part = at(State.DECIDED, decision=Decision.PARTLY)
    with pytest.raises(CertificateMissing):
        machine.handed_over(part)
    assert machine.refused(part, Ground.LEGAL_CLAIMS).state is State.DECIDED
    told = replace(part, has_paper=True)
    with pytest.raises(RequestOutOfOrder):
        machine.refused(told, Ground.LEGAL_CLAIMS)
    assert machine.handed_over(told).state is State.ANSWERED
    for decision in (Decision.PARTLY, Decision.REFUSED):
        with pytest.raises(CertificateMissing):
            machine.closed(at(State.ANSWERED, decision=decision), taken_back=False)
        assert machine.closed(at(State.ANSWERED, decision=decision, has_paper=True), taken_back=False)


def test_what_is_answered_is_not_extended_and_what_is_decided_is_not_searched() -> None:
    for state in State:
        for check, over in (
            (machine.extendable, {State.ANSWERED, State.CLOSED}),
            (machine.searched, {State.DECIDED, State.ANSWERED, State.CLOSED}),
        ):
            if state in over:
                with pytest.raises(RequestOutOfOrder):
                    check(at(state))
            else:
                check(at(state))


def test_withdrawn_consent_destroys_and_of_anything_else_it_is_an_objection() -> None:
    bases = [*Basis, None]
    assert [effect_of(Kind.WITHDRAWAL, basis) for basis in bases] == [
        Effect.ERASE if basis is Basis.CONSENT else Effect.RESTRICT for basis in bases
    ]
    for kind, effect in (
        (Kind.ACCESS, Effect.COPY),
        (Kind.DOCUMENT, Effect.COPY),
        (Kind.CORRECTION, Effect.CORRECT),
        (Kind.ERASURE, Effect.ERASE),
        (Kind.RESTRICTION, Effect.RESTRICT),
        (Kind.OBJECTION, Effect.RESTRICT),
    ):
        assert {effect_of(kind, basis) for basis in bases} == {effect}


def test_each_right_but_the_openness_of_documents_is_refused_with_a_certificate() -> None:
    assert set(CERTIFIED) == set(Kind) - {Kind.DOCUMENT}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "Aino\nEsimerkki"}, "name"),
        ({"contact": ""}, "contact"),
        ({"asked": "x" * 10_001}, "asked"),
        ({"language": "de"}, "language"),
        ({"received_on": date(2026, 11, 25)}, "received_on"),
        ({"received_on": date(2025, 11, 22)}, "received_on"),
    ],
)
def test_a_request_is_written_down_whole(change: dict[str, object], field: str) -> None:
    with pytest.raises(RequestTextRefused) as refused:
        machine.check_received(replace(RECEIVED, **change), TODAY)  # type: ignore[arg-type]
    assert refused.value.fields["field"] == field


def test_no_identity_code_is_kept() -> None:
    told = machine.check_received(replace(RECEIVED, asked="Olen 131052-308T."), TODAY)
    assert "131052" not in told.asked
    assert "Aino" not in repr(told)
