"""What was so at a moment: whatever was made when, it is what a plain replay up to that moment shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.audit import JSON
from ari_recorder.domain.past import Stood, lasting_at, stood, versions_at
from ari_recorder.domain.subject_requests import Decision, State, Step

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A version, or something that lasts until `ended`."""

    number: int
    at: datetime
    ended: datetime | None = None


def seconds(least: int, most: int) -> st.SearchStrategy[timedelta]:
    """Few of them, so that many things are made at one moment, and at the very one that is asked for."""
    return st.integers(least, most).map(lambda count: timedelta(seconds=count))


instants = seconds(-2, 30).map(lambda after: BEGAN + after)


@given(st.lists(seconds(0, 4), max_size=12), instants)
def test_the_version_in_force_is_that_of_a_replay(gaps: list[timedelta], at: datetime) -> None:
    made = [Made(n, BEGAN + sum(gaps[: n + 1], timedelta())) for n in range(len(gaps))]
    shown: Made | None = None
    before: list[Made] = []
    for one in made:
        if one.at > at:
            break
        before += [shown] if shown is not None else []
        shown = one
    told = versions_at(made, at, lambda one: one.at)
    assert (told.in_force, told.superseded) == (shown, tuple(before))
    assert [*told.superseded, *([shown] if shown else []), *told.since] == made


@given(st.lists(instants, min_size=1, max_size=12), instants)
def test_a_clock_that_is_set_back_brings_no_older_version_back(times: list[datetime], at: datetime) -> None:
    """Asked again later, a newer version is shown or the same; from when the newest was made on, that one."""
    made = [Made(number, when) for number, when in enumerate(times)]

    def number_at(moment: datetime) -> int:
        shown = versions_at(made, moment, lambda one: one.at).in_force
        return shown.number if shown is not None else -1

    assert number_at(at) <= number_at(at + timedelta(seconds=1))
    assert (number_at(at) == len(made) - 1) == (at >= made[-1].at)


@given(st.lists(st.tuples(instants, st.none() | seconds(0, 9)), max_size=12), instants)
def test_what_was_going_on_is_that_of_a_replay(spans: list[tuple[datetime, timedelta | None]], at: datetime) -> None:
    several = [Made(n, began, began + long if long is not None else None) for n, (began, long) in enumerate(spans)]
    happened = [(one.at, 0, one.number) for one in several]
    happened += [(one.ended, 1, one.number) for one in several if one.ended is not None]
    going_on: set[int] = set()
    over: set[int] = set()
    for moment, what, number in sorted(happened):
        if moment > at:
            break
        going_on.symmetric_difference_update({number})
        over |= {number} if what else set()
    told = lasting_at(several, at, lambda one: one.at, lambda one: one.ended)
    assert {one.number for one in told.going_on} == going_on
    assert {one.number for one in told.over} == over
    assert {one.number for one in told.since} == set(range(len(several))) - going_on - over


@dataclass(frozen=True)
class Taken:
    step: Step
    state: State
    made_at: datetime
    facts: Mapping[str, JSON] = field(default_factory=dict)


CALLS = [UUID(int=n) for n in range(1, 5)]
_ids = st.lists(st.sampled_from(CALLS), unique=True, max_size=4).map(lambda ids: [str(one) for one in ids])
_days = st.dates(date(2026, 1, 1), date(2027, 12, 31)).map(str)
_taken = st.sampled_from([Decision.GRANTED, Decision.PARTLY, Decision.NOTHING_FOUND]).map(str)
FACTS: Mapping[Step, st.SearchStrategy[dict[str, JSON]]] = {
    Step.CONFIRM: st.fixed_dictionaries({"theirs": _ids, "not_theirs": _ids}),
    Step.DECIDE: st.fixed_dictionaries({"decision": _taken, "calls": _ids}),
    Step.EXTEND: st.fixed_dictionaries({"told_on": _days, "until": _days}),
    Step.REFUSE: st.fixed_dictionaries(
        {"extent": st.sampled_from(["part", "whole"]), "certificate": st.just("2026/1")}
    ),
    Step.CLOSE: st.fixed_dictionaries({"appeal_until": _days}),
}


@st.composite
def histories(draw: st.DrawFn) -> list[Taken]:
    at = BEGAN
    history = []
    for step in [Step.OPEN, *draw(st.lists(st.sampled_from(list(Step)), max_size=8))]:
        history.append(Taken(step, draw(st.sampled_from(list(State))), at, draw(FACTS.get(step, st.just({})))))
        at += draw(seconds(0, 4))
    return history


def replayed(history: Sequence[Taken], at: datetime) -> dict[str, object]:
    """The row of the case, updated step by step as the desk does it."""
    row: dict[str, object] = {"theirs": {}, "granted": frozenset(), "decision": None, "certificate": ""}
    version = 0
    for one in history:
        if one.made_at > at:
            break
        facts, version = one.facts, version + 1
        row |= {"version": version, "state": one.state}
        if one.step is Step.CONFIRM:
            yes, no = ([UUID(text) for text in facts[name]] for name in ("theirs", "not_theirs"))  # type: ignore[union-attr, arg-type]
            row["theirs"] = {**row["theirs"], **dict.fromkeys(yes, True), **dict.fromkeys(no, False)}  # type: ignore[dict-item]
        if one.step is Step.DECIDE:
            granted = frozenset(UUID(text) for text in facts["calls"])  # type: ignore[union-attr, arg-type]
            row |= {"decision": facts["decision"], "decided_at": one.made_at, "granted": granted}
        if one.step is Step.EXTEND:
            row["extended_to"] = facts["until"]
        if one.step is Step.REFUSE:
            row["certificate"] = facts["certificate"]
        if one.step is Step.REFUSE and facts["extent"] == "whole":
            row |= {"decision": "refused", "decided_at": one.made_at, "answered_at": one.made_at}
        if one.step is Step.HAND_OVER:
            row["answered_at"] = one.made_at
        if one.step is Step.CLOSE:
            row |= {"closed_at": one.made_at, "appeal_until": facts["appeal_until"]}
        if one.step is Step.CLOSE and row["decision"] is None:
            row |= {"decision": "taken-back", "decided_at": one.made_at}
        if one.step is Step.RELEASE:
            row["released_at"] = one.made_at
    return row


@given(histories(), instants)
def test_a_case_stood_where_a_replay_of_its_steps_brings_it(history: list[Taken], at: datetime) -> None:
    until = [one for one in history if one.made_at <= at]
    told, row = stood(until), replayed(history, at)
    if told is None:
        assert not until
        return
    for name in Stood.__dataclass_fields__:
        value = getattr(told, name)
        assert (str(value) if isinstance(value, date) and not isinstance(value, datetime) else value) == row.get(name)
