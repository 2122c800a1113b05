"""domain/restriction.py: whether it is restricted, on what ground it is opened, and when it is lifted."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from ari_recorder.domain.errors import HoldTextRefused, RecordingRestricted, SubjectNotTold
from ari_recorder.domain.holds import Freeze
from ari_recorder.domain.restriction import (
    KEEPING,
    OpeningGround,
    Restriction,
    RestrictionGround,
    RestrictionTerms,
    SubjectTold,
    ToldHow,
    check_lift,
    check_open,
    check_terms,
    in_force,
)
from ari_recorder.domain.retention import Kept, Policy, decide
from ari_recorder.domain.retention_told import Rule, told
from tests.services.house import RULES

# Half past one at night in Helsinki, when it is the day before in UTC.
SET_AT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
SET_ON = date(2026, 11, 25)
TODAY = date(2026, 12, 10)
RECORDING = UUID(int=7)


def restriction(ground: RestrictionGround = RestrictionGround.OBJECTION, **more: object) -> Restriction:
    fields: dict[str, object] = {"case_number": "TP-1", "case_id": None, "set_at": SET_AT, "set_by": "petra", **more}
    return Restriction(id=uuid4(), ground=ground, **fields)  # type: ignore[arg-type]


def test_it_is_restricted_until_the_last_is_lifted() -> None:
    younger = restriction(set_at=SET_AT + timedelta(days=1))
    lifted = restriction(lifted_at=SET_AT + timedelta(days=2))
    older = restriction()
    assert in_force([younger, lifted, older]) == (older, younger)
    assert in_force([lifted]) == ()


def test_without_a_ground_it_stays_closed_and_with_each_of_the_four_it_opens() -> None:
    with pytest.raises(RecordingRestricted, match="opened only on a ground of the law"):
        check_open(RECORDING, None, restricted=True)
    check_open(RECORDING, None, restricted=False)
    assert len(OpeningGround) == 4
    for ground in OpeningGround:
        check_open(RECORDING, ground, restricted=True)


@pytest.mark.parametrize(("on", "is_told"), [(-1, False), (0, True), (14, True), (15, True), (16, False)])
def test_the_person_was_told_after_it_began_and_is_not_only_going_to_be(on: int, is_told: bool) -> None:
    one = SubjectTold(on=SET_ON + timedelta(days=on), how=ToldHow.LETTER)
    if is_told:
        assert check_lift(restriction(), one, TODAY) == one
    else:
        with pytest.raises(SubjectNotTold, match="told first"):
            check_lift(restriction(), one, TODAY)


def test_a_case_number_names_nobody() -> None:
    terms = RestrictionTerms(ground=RestrictionGround.UNLAWFUL, case_number="  TP-2026/4 ")
    assert check_terms(terms).case_number == "TP-2026/4"
    for text in ("", "131052-308T"):
        with pytest.raises(HoldTextRefused):
            check_terms(RestrictionTerms(ground=RestrictionGround.UNLAWFUL, case_number=text))


def test_only_who_opposes_the_erasure_keeps_it() -> None:
    """Article 18(1)(b) and (c); of (a) and (d) nobody asked to keep it."""
    assert {ground for ground in RestrictionGround if restriction(ground).keeps} == KEEPING
    assert {RestrictionGround.UNLAWFUL, RestrictionGround.NEEDED_FOR_CLAIMS} == KEEPING


def test_what_it_keeps_is_told_as_a_restriction_and_not_as_a_request() -> None:
    policy, kept = Policy(rules=RULES), Kept(queue="advice", kept_from=SET_AT - timedelta(days=400))
    freeze = Freeze(id=uuid4(), reference="TP-1", opened_at=SET_AT, opened_by="petra", restricts=True)
    assert decide(kept, policy, (), (freeze,), SET_AT).because == "a restriction of processing (TP-1)"
    assert told(kept, policy, (), (freeze,), SET_AT).rule is Rule.RESTRICTION
