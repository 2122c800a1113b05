"""What may be done next with a case, for whoever shows it, and whether a package of it may be made. Pure.

The machine is asked and not told a second time: a step that it would refuse now, whatever were typed, is no choice.
What depends on what is typed (a ground, a name, which calls) it refuses then.
"""

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum

from ari_recorder.domain import due_dates
from ari_recorder.domain import subject_requests as machine
from ari_recorder.domain.errors import RecorderError, RequestOutOfOrder
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.subject_requests import Case, Decision, Effect, IdentityCheck, Kind, Method, State


class Choice(StrEnum):
    """In the order of a case's life."""

    IDENTITY = "identity"
    SEARCH = "search"
    CONFIRM = "confirm"
    DECIDE = "decide"
    REFUSE = "refuse"
    EXTEND = "extend"
    PACKAGE = "package"
    HAND_OVER = "hand-over"
    CLOSE = "close"
    TAKE_BACK = "take-back"


# By what law a copy is given; the same in every language.
COPY_LAW: Mapping[Kind, str] = {Kind.ACCESS: "(EU) 2016/679, 15 (3)", Kind.DOCUMENT: "621/1999, 13 §"}
_PROVED = IdentityCheck(method=Method.SUOMI_FI, proved=True, authorised=True)


def packable(case: Case) -> None:
    """RequestOutOfOrder, unless a copy was granted and is not handed over yet."""
    granted = case.decision in (Decision.GRANTED, Decision.PARTLY)
    is_copy = machine.effect_of(case.kind, None) is Effect.COPY
    if not (case.state is State.DECIDED and granted and is_copy):
        raise RequestOutOfOrder(
            case=case.number, state=case.state.value, reason="there is no decision that grants a copy"
        )


def _decided(case: Case) -> object:
    decision = Decision.GRANTED if case.theirs else Decision.NOTHING_FOUND
    return machine.decided(case, decision, case.theirs)


_ASKED: Mapping[Choice, Callable[[Case], object]] = {
    Choice.IDENTITY: lambda case: machine.identified(case, _PROVED),
    Choice.SEARCH: machine.searched,
    Choice.CONFIRM: lambda case: machine.confirmed(case, 0),
    Choice.DECIDE: _decided,
    Choice.REFUSE: lambda case: machine.refused(case, Ground.UNFOUNDED),
    Choice.EXTEND: machine.extendable,
    Choice.PACKAGE: packable,
    Choice.HAND_OVER: machine.handed_over,
    Choice.CLOSE: lambda case: machine.closed(case, taken_back=False),
    Choice.TAKE_BACK: lambda case: machine.closed(case, taken_back=True),
}


def choices(case: Case, received_on: date, today: date, *, extended: bool) -> tuple[Choice, ...]:
    """What the machine would take now. Nothing to confirm is no choice."""
    found = []
    for choice, ask in _ASKED.items():
        try:
            ask(case)
            if choice is Choice.EXTEND:
                due_dates.check_extension(case.kind.law, received_on, today, today, extended=extended)
        except RecorderError:
            continue
        if choice is not Choice.CONFIRM or case.found:
            found.append(choice)
    return tuple(found)
