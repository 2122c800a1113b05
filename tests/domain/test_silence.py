"""Which spans of a recording are silenced before it is sealed."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.calls import Call, CallState, Mark, MarkKind
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.recordings import Recording, StartedBy
from ari_recorder.domain.silence import clock_at_start, silent_spans
from tests.domain.scenario import START

GUARD = timedelta(seconds=0.5)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def mark(kind: str, offset: float, *, missed: bool = True) -> Mark:
    return Mark(kind=MarkKind(kind), at=START + s(offset + 5), offset=s(offset), missed=missed)


def call(*marks: Mark) -> Call:
    """Twenty seconds in the bridge."""
    return Call(
        id=UUID(int=1),
        system_name="pbx",
        uniqueid=Uniqueid("pbx-1.1"),
        linkedid="pbx-1.1",
        channel="",
        first_seen_at=START,
        state=CallState.ENDED,
        marks=marks,
        connected_at=START + s(5),
        ended_at=START + s(25),
        bridged_before=s(20),
    )


RECORDING = Recording(
    id=UUID(int=2),
    base="x",
    segment=1,
    started_at=START + s(5),
    started_by=StartedBy.SERVICE,
    clock_at_start=s(0),
    ended_at=START + s(25),
)


def spans(of: Call, recording: Recording = RECORDING, duration: float = 20) -> list[tuple[float, float]]:
    found = silent_spans(of, recording, s(duration), GUARD)
    return [(since.total_seconds(), until.total_seconds()) for since, until in found]


def test_a_pause_that_was_heard_was_muted_by_the_pbx() -> None:
    assert spans(call(mark("pause", 4, missed=False), mark("resume", 6, missed=False))) == []


def test_a_missed_pause_is_silent_to_the_end_of_its_guard() -> None:
    assert spans(call(mark("pause", 4), mark("resume", 6))) == [(4, 6.5)]
    assert spans(call(mark("pause", 4), mark("threat", 5), mark("resume", 6, missed=False))) == [(4, 6.5)]


def test_a_missed_pause_that_nobody_ended_lasts() -> None:
    assert spans(call(mark("resume", 1), mark("pause", 4))) == [(4, 20)]


def test_pauses_are_cut_to_the_segment() -> None:
    second = replace(RECORDING, clock_at_start=s(5))
    assert spans(call(mark("pause", 4), mark("resume", 6)), second, duration=15) == [(0, 1.5)]
    assert spans(call(mark("pause", 1), mark("resume", 2)), second, duration=15) == []
    assert spans(call(mark("pause", 18), mark("resume", 30)), second, duration=15) == [(13, 15)]


def test_where_our_clock_began_too_late_the_length_of_the_audio_tells() -> None:
    """It ran for six seconds before we looked."""
    unseen = replace(call(mark("pause", -2), mark("resume", 1)), connected_unseen=True)
    assert spans(unseen, duration=26) == [(4, 7.5)]


def test_where_the_end_is_lost_the_moment_of_the_loss_tells_and_what_is_unsure_is_silent() -> None:
    """Our clock began six seconds too late; power was lost when it said 20; the PBX told of the end long after."""
    unseen = replace(
        call(mark("pause", 2), mark("resume", 4)), connected_unseen=True, ended_at=START + s(85), bridged_before=s(80)
    )
    cut_at = START + s(25)
    found = silent_spans(unseen, RECORDING, s(26), GUARD, cut_at)
    assert [(since.total_seconds(), until.total_seconds()) for since, until in found] == [(3, 15.5)]
    assert clock_at_start(unseen, RECORDING, s(26), cut_at) == s(-6)
    seen = replace(unseen, connected_unseen=False)
    assert silent_spans(seen, RECORDING, s(18), GUARD, cut_at) == ((s(2), s(4.5)),)


@given(st.lists(st.tuples(st.sampled_from(["pause", "resume"]), st.floats(-5, 30), st.booleans()), max_size=8))
def test_spans_are_ordered_and_inside(told: list[tuple[str, float, bool]]) -> None:
    marks = [mark(kind, offset, missed=missed) for kind, offset, missed in sorted(told, key=lambda one: one[1])]
    found = spans(call(*marks))
    assert all(0 <= since < until <= 20 for since, until in found)
    assert [since for since, _ in found] == sorted(since for since, _ in found)
