"""What happened in a recording, at which second of its audio: for the eye, the ear and the keyboard. Who shows it: web.

    the call's clock   0 ────── 42 ───────── 61 ─── 90        bridged time: MixMonitor writes as long as it runs
    a recording's            clock_at_start=42   0 ── 19 ── 48     a mark at 61 is at 19 in this audio

A pause lasts until it is resumed, a hold until it is taken back; both as spans. What lies outside this recording
belongs to another one of the same call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ari_recorder.domain.calls import Mark, MarkKind

_ZERO = timedelta()
# The hangup and the last mark are told by two clocks.
_TOLERANCE = timedelta(seconds=1)
_ENDS = {MarkKind.PAUSE: MarkKind.RESUME, MarkKind.HOLD: MarkKind.UNHOLD}
NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """`kind`: of a mark, or a note. `until`: where it ends in the audio, if it lasts. `text`: of a note."""

    kind: str
    offset: timedelta
    until: timedelta | None = None
    at: datetime | None = None
    by: str = ""
    missed: bool = False
    text: str = field(default="", repr=False)


def moments(marks: Sequence[Mark], clock_at_start: timedelta, duration: timedelta | None) -> tuple[Moment, ...]:
    """In the order of the audio."""
    length = duration or _ZERO
    found = []
    for number, mark in enumerate(marks):
        if mark.kind in _ENDS.values() and _opened(marks[:number], mark.kind):
            continue
        offset = mark.offset - clock_at_start
        until = None
        if (ends := _ENDS.get(mark.kind)) is not None:
            after = next((one for one in marks[number + 1 :] if one.kind is ends), None)
            until = min(after.offset - clock_at_start, length) if after is not None else length
            if until < _ZERO or offset > length:
                continue
        elif not -_TOLERANCE <= offset <= length + _TOLERANCE:
            continue
        offset = min(max(offset, _ZERO), length)
        found.append(
            Moment(
                kind=mark.kind.value,
                offset=offset,
                until=max(until, offset) if until is not None else None,
                at=mark.at,
                by=mark.by,
                missed=mark.missed,
            )
        )
    return in_order(found)


def in_order(several: Sequence[Moment]) -> tuple[Moment, ...]:
    return tuple(sorted(several, key=lambda one: one.offset))


def _opened(before: Sequence[Mark], ends: MarkKind) -> bool:
    """Is this the end of something that began earlier?"""
    begins = next(kind for kind, end in _ENDS.items() if end is ends)
    last = next((one.kind for one in reversed(before) if one.kind in (begins, ends)), None)
    return last is begins
