"""Bytes, frames and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.asterisk.frames import (
    END,
    BadFrame,
    EventFilter,
    Framer,
    bytes_of,
    event_headers_of,
    frames_in,
    headers_of,
    text_of,
)
from ari_recorder.domain.errors import AmiValueRefused


@given(
    frames=st.lists(st.binary(min_size=1, max_size=30).filter(lambda b: b"\r" not in b and b"\n" not in b), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_frames_are_the_same_however_the_stream_is_cut(frames: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(frame + END for frame in frames) + b"rest"
    framer, got, begin = Framer(), [], 0
    for cut in sorted({min(cut, len(wire)) for cut in cuts} | {len(wire)}):
        got += frames_in(framer.take(wire[begin:cut]))
        begin = cut
    assert got == frames
    assert frames_in(framer.take(END)) == [b"rest"]


def test_single_bytes_make_the_same_frames() -> None:
    wire = b"Event: A\r\nX: 1\r\n\r\nEvent: B\r\n\r\n"
    framer = Framer()
    got = [frame for position in range(len(wire)) for frame in frames_in(framer.take(wire[position : position + 1]))]
    assert got == [b"Event: A\r\nX: 1", b"Event: B"]


PIECES = ["Event: A", "Event: AB", "Event: B", "Event", "Response: Success", "", "X: Event: A", "X: 1"]


@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), max_size=8))
def test_the_filter_finds_the_frames_that_begin_with_a_wanted_name_and_no_others(frames: list[list[str]]) -> None:
    block = b"".join("\r\n".join(lines).encode() + END for lines in frames)
    wanted = [
        frame
        for frame in block.split(END)
        if frame.removeprefix(b"\r\n").partition(b"\r\n")[0] in (b"Event: A", b"Event: B")
    ]
    found = list(EventFilter(["A", "B"]).frames_in(block))
    assert found == [frame.removeprefix(b"\r\n") for frame in wanted]


def test_only_the_line_that_is_not_utf8_is_read_as_latin_1() -> None:
    assert text_of("A: Mäki\r\nB: ".encode() + "Åsa".encode("latin-1")) == ("A: Mäki\r\nB: Åsa", False)
    assert text_of("A: Mäki".encode()) == ("A: Mäki", True)


@given(st.binary(max_size=60))
def test_any_bytes_become_text_that_can_be_written_again(data: bytes) -> None:
    text_of(data)[0].encode()


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("Event: A\r\nPrivilege: x\r\nUniqueid: 1\r\nUniqueid: 2", "Uniqueid is repeated"),
        ("Event: A\r\nPrivilege: x\r\n+358401234567: 1\r\n+358401234567: 2", "of an odd name is repeated"),
        ("Event: A\r\nPrivilege: x\r\nChanVariable: X=1\r\nChanVariable: X=2", "of an odd name is repeated"),
        ("Event: A\r\nUniqueid: 1\r\nPrivilege: x", "not its first headers"),
        ("Event: A", "not its first headers"),
        ("Event: A\r\nPrivilege: x\r\nUniqueid: 1\r\nTimestamp: 2", "Timestamp is not its third"),
        ("Event: A\r\nPrivilege: x\r\nQueue: a\0b", "NUL"),
    ],
)
def test_an_event_that_is_not_as_asterisk_writes_it_is_refused(text: str, because: str) -> None:
    with pytest.raises(BadFrame, match=because) as refused:
        event_headers_of(text)
    assert "+358" not in refused.value.because


def test_variables_may_come_often() -> None:
    headers = event_headers_of("Event: A\r\nPrivilege: x\r\nChanVariable: X=1\r\nChanVariable: Y=a: b=c\r\nQueue: q")
    assert headers["ChanVariable(X)"] == "1"
    assert headers["ChanVariable(Y)"] == "a: b=c"
    assert headers["Queue"] == "q"


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nY", "1X", "X" * 81, "Ä"])
def test_an_odd_header_name_is_refused(name: str) -> None:
    with pytest.raises(AmiValueRefused):
        bytes_of("Test", {name: "x"})


@pytest.mark.parametrize("value", ["\r", "\n", "a\r\nb", "\0", "\ud800", None, 1, ["a"]])
def test_an_odd_value_is_refused_and_never_told(value: object) -> None:
    with pytest.raises(AmiValueRefused) as refused:
        bytes_of("Test", {"Secret": value})  # type: ignore[dict-item]
    assert repr(value) not in str(refused.value)


def test_limits_of_asterisk_are_kept() -> None:
    assert bytes_of("Test", {"X": "y" * 1020}) == b"X: " + b"y" * 1020 + END
    with pytest.raises(AmiValueRefused, match="1024 bytes"):
        bytes_of("Test", {"X": "y" * 1021})
    with pytest.raises(AmiValueRefused, match="1025 bytes"):
        bytes_of("Test", {"X": "ä" * 511})
    bytes_of("Test", {f"X{n}": "" for n in range(127)})
    with pytest.raises(AmiValueRefused, match="128 headers"):
        bytes_of("Test", {f"X{n}": "" for n in range(128)})


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True), st.text(max_size=50), max_size=20))
def test_whatever_is_sent_is_one_frame_with_the_same_headers(headers: dict[str, str]) -> None:
    try:
        wire = bytes_of("Test", headers)
    except AmiValueRefused:
        return
    assert wire.count(END) == 1
    assert wire.endswith(END)
    if headers and not any(name.endswith("Variable") for name in headers):
        assert headers_of(wire.removesuffix(END).decode()) == headers
