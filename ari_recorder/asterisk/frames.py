"""AMI on the wire: bytes to frames, frames to headers, headers to bytes, with their refusals. No sockets, no meaning.

    frame = line *(CRLF line) CRLF CRLF        line = name ": " value        Event: Hangup CRLF Privilege: call,all ...

Text is UTF-8; a line that is not (an old trunk's caller name) is read as Latin-1, where every byte means something.
A frame is decoded only when it is complete, so a segment border inside a letter cannot damage it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from ari_recorder.domain.errors import AmiValueRefused

END = b"\r\n\r\n"

# An event has about 0.5 KiB, a Status row about 2. More than this is not AMI, and it would only grow.
FRAME_MOST_BYTES = 1 << 20

# manager.c: inbuf[1025] holds a line and its end, AST_MAX_MANHEADERS is 128; what is longer is refused or cut there.
LINE_MOST_BYTES = 1023
HEADERS_MOST = 127

_BREAKS = re.compile(r"[\r\n\0]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,79}")

Headers = dict[str, str]


class BadFrame(ValueError):
    """A frame that cannot be what it says. `headers` holds what was read before the fault."""

    def __init__(self, because: str, headers: Headers) -> None:
        super().__init__(because)
        self.because = because
        self.headers = headers


class FrameTooLong(Exception):
    """The peer sent more than FRAME_MOST_BYTES without ending a frame."""


class Framer:
    """Cuts the byte stream at the ends of frames. A fragment costs its own length, however long the frame is by now."""

    __slots__ = ("_edge", "_held_bytes", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._edge = b""  # the last three bytes held: the end of a frame may lie across two segments

    def take(self, data: bytes) -> bytes:
        """All that is complete with `data`: frames with their ends, one after the other, perhaps none."""
        if self._parts:
            if END not in data and END not in self._edge + data[:3]:
                self._hold(data)
                return b""
            self._parts.append(data)
            data = b"".join(self._parts)
            self._parts.clear()
            self._held_bytes = 0
            self._edge = b""
        cut = data.rfind(END)
        cut = cut + len(END) if cut >= 0 else 0
        if cut < len(data):
            self._hold(data[cut:])
        return data[:cut]

    def _hold(self, data: bytes) -> None:
        self._held_bytes += len(data)
        if self._held_bytes > FRAME_MOST_BYTES:
            self._parts.clear()
            raise FrameTooLong
        self._parts.append(data)
        self._edge = (self._edge + data[-3:])[-3:]


def frames_in(block: bytes) -> list[bytes]:
    """Every frame of what Framer.take gave."""
    return block.split(END)[:-1]


class EventFilter:
    """Finds the events of some names without looking at the others: one search over the bytes, three times as fast as
    cutting them all apart first."""

    def __init__(self, names: Iterable[str]) -> None:
        choice = "|".join(sorted(map(re.escape, names)))
        self._begin = re.compile(rf"\r\n\r\nEvent: (?:{choice})(?=\r\n)".encode())

    def frames_in(self, block: bytes) -> Iterator[bytes]:
        block = END + block  # the first frame, too, comes after the end of another
        for match in self._begin.finditer(block):
            yield block[match.start() + len(END) : block.find(END, match.end())]


def text_of(frame: bytes) -> tuple[str, bool]:
    """The text of a frame, and whether all of it was UTF-8."""
    try:
        return frame.decode(), True
    except UnicodeDecodeError:
        return "\r\n".join(_line_text(line) for line in frame.split(b"\r\n")), False


def _line_text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def headers_of(text: str) -> Headers:
    """The headers in the order they came. A repeated header is refused: whoever reads it could be told two things.

    `Variable: NAME=value` may come often; each becomes the header `Variable(NAME)`.
    """
    if "\0" in text:
        raise BadFrame("it holds a NUL", {})
    lines = text.split("\r\n")
    try:
        pairs = [line.split(": ", 1) for line in lines]
        headers: Headers = dict(pairs)  # a line without ": " is a ValueError
    except ValueError:
        return _odd_headers_of(lines)
    if len(headers) != len(lines) or "Variable" in headers:
        return _odd_headers_of(lines)
    return headers


def _odd_headers_of(lines: Iterable[str]) -> Headers:
    headers: Headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        value = value.removeprefix(" ")
        if name.endswith("Variable") and "=" in value:
            variable, _, value = value.partition("=")
            name = f"{name}({variable})"
        if name in headers:
            # The name is the sender's choice, and may be anything: it is told only when it is a word.
            told = name if _NAME.fullmatch(name) else "of an odd name"
            raise BadFrame(f"header {told} is repeated", headers)
        headers[name] = value
    return headers


def event_headers_of(text: str) -> Headers:
    """The headers of a live event: manager.c writes Event, Privilege and (timestampevents) Timestamp, in this order."""
    headers = headers_of(text)
    names = iter(headers)
    if next(names) != "Event" or next(names, "") != "Privilege":
        raise BadFrame("Event and Privilege are not its first headers", headers)
    if "Timestamp" in headers and next(names) != "Timestamp":
        raise BadFrame("Timestamp is not its third header", headers)
    return headers


def bytes_of(action: str, headers: Mapping[str, str]) -> bytes:
    """An action as it is sent. Raises AmiValueRefused: a line break in a value would be another action."""
    lines: list[bytes] = []
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise AmiValueRefused(action=action, header="?", because="the name of a header is not a word")
        if not isinstance(value, str):
            raise AmiValueRefused(action=action, header=name, because="it is not text")
        if _BREAKS.search(value):
            raise AmiValueRefused(action=action, header=name, because="it holds a line break or a NUL")
        try:
            line = f"{name}: {value}".encode()
        except UnicodeEncodeError:
            raise AmiValueRefused(action=action, header=name, because="it cannot be written as UTF-8") from None
        if len(line) > LINE_MOST_BYTES:
            raise AmiValueRefused(
                action=action, header=name, because=f"its line has {len(line)} bytes, {LINE_MOST_BYTES} are allowed"
            )
        lines.append(line)
    if len(lines) > HEADERS_MOST:
        raise AmiValueRefused(action=action, header="?", because=f"{len(lines)} headers, {HEADERS_MOST} are allowed")
    return b"\r\n".join(lines) + END
