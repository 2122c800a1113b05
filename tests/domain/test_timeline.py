"""Marks of a call at their second in the audio of one recording."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.calls import Mark, MarkKind
from ari_recorder.domain.timeline import Moment, moments

AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def mark(kind: MarkKind, at: float) -> Mark:
    return Mark(kind=kind, at=AT + seconds(at), offset=seconds(at), by="PJSIP/1001")


def told(found: tuple[Moment, ...]) -> list[tuple[str, float, float | None]]:
    return [
        (one.kind, one.offset.total_seconds(), one.until.total_seconds() if one.until is not None else None)
        for one in found
    ]


CALL = (
    mark(MarkKind.PAUSE, 10),
    mark(MarkKind.RESUME, 20),
    mark(MarkKind.HOLD, 30),
    mark(MarkKind.UNHOLD, 50),
    mark(MarkKind.BLIND_TRANSFER, 60),
    mark(MarkKind.THREAT, 75),
    mark(MarkKind.PAUSE, 90),
)


def test_the_clock_at_the_start_is_taken_off() -> None:
    assert told(moments(CALL, seconds(60), seconds(40))) == [
        ("blind-transfer", 0, None),
        ("threat", 15, None),
        ("pause", 30, 40),
    ]


def test_what_began_before_the_recording_lasts_into_it() -> None:
    assert told(moments(CALL, seconds(15), seconds(25))) == [("pause", 0, 5), ("hold", 15, 25)]


def test_a_mark_at_the_hangup_belongs_to_the_end() -> None:
    assert told(moments((mark(MarkKind.BLIND_TRANSFER, 60.4),), seconds(0), seconds(60))) == [
        ("blind-transfer", 60, None)
    ]
    assert moments((mark(MarkKind.BLIND_TRANSFER, 62),), seconds(0), seconds(60)) == ()


def test_an_end_without_a_beginning_is_told() -> None:
    assert told(moments((mark(MarkKind.RESUME, 5),), seconds(0), seconds(60))) == [("resume", 5, None)]


@given(
    st.lists(st.tuples(st.sampled_from(MarkKind), st.integers(0, 100)), max_size=12),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_whatever_happened_lies_within_the_audio(
    several: list[tuple[MarkKind, int]], start: int, duration: int
) -> None:
    marks = tuple(mark(kind, at) for kind, at in sorted(several, key=lambda one: one[1]))
    found = moments(marks, seconds(start), seconds(duration))
    assert list(found) == sorted(found, key=lambda one: one.offset)
    for one in found:
        assert seconds(0) <= one.offset <= seconds(duration)
        assert one.until is None or one.offset <= one.until <= seconds(duration)
