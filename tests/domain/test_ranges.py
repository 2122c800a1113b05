"""Ranges of bytes as HTTP asks for them: what is sent is exactly what was asked for, or all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.ranges import Span, Unsatisfiable, Whole, asked, still_that

ETAG = '"ab12"'


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-499", (0, 500)),
        ("bytes=500-", (500, 1000)),
        ("bytes=-500", (500, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=999-5000", (999, 1000)),
        ("BYTES=1-2", (1, 3)),
        ("bytes= 1-2 ", (1, 3)),
        ("bytes=,1-2,", (1, 3)),
        ("bytes=000000000000000000000000000001-2", (1, 3)),
        ("bytes=0-" + "9" * 100, (0, 1000)),
    ],
)
def test_a_range_is_exactly_what_was_asked_for(header: str, span: tuple[int, int]) -> None:
    assert asked(header, 1000) == Span(first=span[0], end=span[1])


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=" + "9" * 100 + "-"])
def test_what_is_not_there_is_not_satisfiable(header: str) -> None:
    assert asked(header, 1000) == Unsatisfiable()


def test_nothing_can_be_had_of_an_empty_file() -> None:
    assert asked("bytes=0-", 0) == asked("bytes=-1", 0) == Unsatisfiable()
    assert asked(None, 0) == Whole()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=0-1,3-4",
        "bytes=a-b",
        "bytes=1 - 2",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=١-٢",
        "seconds=0-1",
        "bytes=0-1\r\nX: y",
        "bytes=" + "0" * 300 + "-1",
    ],
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert asked(header, 1000) == Whole()


@given(st.integers(0, 5000), st.integers(0, 6000), st.integers(0, 6000))
def test_a_range_is_the_slice_of_the_same_numbers(size: int, first: int, last: int) -> None:
    data = bytes(number % 251 for number in range(size))
    found = asked(f"bytes={first}-{last}", size)
    if last < first:
        assert found == Whole()
    elif isinstance(found, Span):
        assert data[found.first : found.end] == data[first : last + 1]
        assert found.size > 0
        assert found.content_range(size) == f"bytes {first}-{min(last, size - 1)}/{size}"
    else:
        assert found == Unsatisfiable()
        assert not data[first : last + 1]


@given(st.integers(1, 5000), st.integers(1, 6000))
def test_a_suffix_is_the_end(size: int, suffix: int) -> None:
    data = bytes(number % 251 for number in range(size))
    found = asked(f"bytes=-{suffix}", size)
    assert isinstance(found, Span)
    assert data[found.first : found.end] == data[-suffix:]


@given(st.text(max_size=60), st.integers(0, 1000))
def test_whatever_a_header_says_it_is_answered(text: str, size: int) -> None:
    found = asked(text, size)
    if isinstance(found, Span):
        assert 0 <= found.first < found.end <= size


def test_a_range_of_another_version_is_not_sent() -> None:
    assert still_that(None, ETAG)
    assert still_that(ETAG, ETAG)
    for other in ('"ab13"', f"W/{ETAG}", "Tue, 24 Nov 2026 02:00:00 GMT", "", "*"):
        assert not still_that(other, ETAG)
