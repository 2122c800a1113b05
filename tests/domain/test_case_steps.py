"""What may be done next with a case is what the machine takes: no form of a page leads to a refusal, and none is
missing.
"""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ari_recorder.domain import case_steps
from ari_recorder.domain.case_steps import COPY_LAW, Choice, choices
from ari_recorder.domain.errors import RequestOutOfOrder
from ari_recorder.domain.subject_requests import Case, Decision, Kind, State

RECEIVED = date(2026, 11, 20)
TODAY = date(2026, 11, 24)
CASE = Case(number="R2026-1", kind=Kind.ACCESS, state=State.RECEIVED, is_proxy=False, found=2, unconfirmed=2)
LOOKED_AT = {"unconfirmed": 0, "theirs": 1}


def told(case: Case, today: date = TODAY, *, extended: bool = False) -> set[Choice]:
    return set(choices(case, RECEIVED, today, extended=extended))


def test_a_case_goes_its_way() -> None:
    always = {Choice.SEARCH, Choice.REFUSE, Choice.EXTEND, Choice.TAKE_BACK}
    assert told(CASE) == always | {Choice.IDENTITY}
    identified = replace(CASE, state=State.IDENTIFIED)
    assert told(identified) == always | {Choice.CONFIRM}
    matched = replace(CASE, state=State.MATCHED, **LOOKED_AT)  # type: ignore[arg-type]
    assert told(matched) == always | {Choice.CONFIRM, Choice.DECIDE}
    decided = replace(matched, state=State.DECIDED, decision=Decision.GRANTED)
    assert told(decided) == {Choice.EXTEND, Choice.PACKAGE, Choice.HAND_OVER}
    assert told(replace(decided, state=State.ANSWERED)) == {Choice.CLOSE}
    assert told(replace(decided, state=State.CLOSED)) == set()


def test_nothing_found_is_decided_on_and_has_no_copy() -> None:
    empty = replace(CASE, state=State.MATCHED, found=0, unconfirmed=0)
    assert told(empty) == {Choice.SEARCH, Choice.DECIDE, Choice.REFUSE, Choice.EXTEND, Choice.TAKE_BACK}
    decided = replace(empty, state=State.DECIDED, decision=Decision.NOTHING_FOUND)
    assert told(decided) == {Choice.EXTEND, Choice.HAND_OVER}


def test_what_is_granted_in_part_is_handed_over_with_its_certificate() -> None:
    partly = replace(CASE, state=State.DECIDED, decision=Decision.PARTLY, **LOOKED_AT)  # type: ignore[arg-type]
    assert told(partly) == {Choice.REFUSE, Choice.EXTEND, Choice.PACKAGE}
    assert told(replace(partly, has_paper=True)) == {Choice.EXTEND, Choice.PACKAGE, Choice.HAND_OVER}


def test_it_is_extended_once_and_before_the_month_is_over() -> None:
    assert Choice.EXTEND not in told(CASE, extended=True)
    assert Choice.EXTEND in told(CASE, RECEIVED + timedelta(days=30))
    assert Choice.EXTEND not in told(CASE, RECEIVED + timedelta(days=31))


@pytest.mark.parametrize("kind", Kind)
def test_a_copy_is_packed_of_requests_for_one(kind: Kind) -> None:
    decided = replace(CASE, kind=kind, state=State.DECIDED, decision=Decision.GRANTED, **LOOKED_AT)  # type: ignore[arg-type]
    assert (Choice.PACKAGE in told(decided)) == (kind in (Kind.ACCESS, Kind.DOCUMENT)) == (kind in COPY_LAW)
    if kind not in COPY_LAW:
        with pytest.raises(RequestOutOfOrder):
            case_steps.packable(decided)
