"""The header `Range` of HTTP (RFC 9110, section 14), for one range of bytes. What the bytes are: not here.

    bytes=0-499     the first 500             bytes=500-     from byte 500 to the end
    bytes=-500      the last 500              bytes=9500-    of 9,500 bytes: not satisfiable (416)

What is not such a range is ignored, and the whole is sent, as the RFC allows (14.2): another unit, several ranges (they
serve nobody who listens, and many small ones cost more than the file), an end before its beginning, anything malformed.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(
    r"bytes[ \t]*=[ \t,]*(?:(?P<first>[0-9]+)-(?P<last>[0-9]*)|-(?P<suffix>[0-9]+))[ \t,]*", re.ASCII | re.I
)
# No file has so many bytes; Python refuses to read numbers of more than 4300 digits.
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """All of it is sent (200)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From byte `first` until before byte `end` (206)."""

    first: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.first

    def content_range(self, size: int) -> str:
        return f"bytes {self.first}-{self.end - 1}/{size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsatisfiable:
    """Nothing of it is there (416)."""


Asked = Whole | Span | Unsatisfiable


def asked(header: str | None, size: int) -> Asked:
    """What of a file of `size` bytes is to be sent."""
    match = _RANGE.fullmatch(header.strip(" \t")) if header is not None and len(header) <= 200 else None
    if match is None:
        return Whole()
    first, last, suffix = (_number(match[part]) for part in ("first", "last", "suffix"))
    if suffix is not None:
        return Span(first=max(size - suffix, 0), end=size) if suffix and size else Unsatisfiable()
    if first is None or (last is not None and last < first):
        return Whole()
    if first >= size:
        return Unsatisfiable()
    return Span(first=first, end=size if last is None else min(last + 1, size))


def _number(text: str | None) -> int | None:
    if not text:
        return None
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def still_that(if_range: str | None, etag: str) -> bool:
    """May a range be sent, for all that `If-Range` says? Only a strong entity tag can say so (13.1.5); a date cannot,
    for this server names none."""
    return if_range is None or if_range.strip(" \t") == etag
