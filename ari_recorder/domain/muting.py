"""Parts of a copy made silent, because somebody else's secrets are in them (GDPR, article 15 (4)). Pure.

Only the copy is: the recording stays as it was. Each part has its reason, which whoever gets the copy reads. A part
covers every sample it touches, and not one more:

    first sample = floor(since * 8000)        end = ceil(until * 8000)         a sample is 125 µs

Audio is interleaved, signed 16 bit, the caller's sample first, as the vault gives it: four bytes a moment.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from ari_recorder.domain.audit import clean
from ari_recorder.domain.errors import MuteLineRefused, MuteRefused
from ari_recorder.domain.papers import shown

SAMPLE = timedelta(microseconds=125)
_SAMPLE_BYTES = 2
_FRAME_BYTES = 2 * _SAMPLE_BYTES
_MOST_TEXT = 500
_WHICH = re.compile("[1-9][0-9]{0,3}", re.ASCII)
_TIME = re.compile(r"(?:(?:([0-9]{1,2}):)?([0-9]{1,3}):)?([0-9]{1,5})(?:[.,]([0-9]{1,6}))?", re.ASCII)
# More than that is no copy any more, and an hour's call with a part every ten seconds has fewer.
MOST_PARTS = 500


class MutedSide(StrEnum):
    BOTH = "both"
    CALLER = "caller"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """From `since` to `until`, times from the start of the recording. `reason` names nobody."""

    since: timedelta
    until: timedelta
    reason: str
    side: MutedSide = MutedSide.BOTH

    @property
    def first(self) -> int:
        return self.since // SAMPLE

    @property
    def end(self) -> int:
        """The sample after the last one."""
        return -(-self.until // SAMPLE)


def check(mutes: Iterable[Mute], duration: timedelta) -> tuple[Mute, ...]:
    """In their order. MuteRefused for a part without a reason, or one that is not in the recording."""
    checked = []
    for one in sorted(mutes, key=lambda one: (one.since, one.until)):
        reason = clean(shown(one.reason))
        if not reason or "\n" in reason or len(reason) > _MOST_TEXT:
            raise MuteRefused(
                since=one.since, reason=f"its reason wants to be one line of at most {_MOST_TEXT} characters"
            )
        if not timedelta() <= one.since < one.until:
            raise MuteRefused(since=one.since, reason="it ends before it begins")
        if one.until > duration:
            raise MuteRefused(since=one.since, reason="the recording does not go there")
        checked.append(Mute(since=one.since, until=one.until, reason=reason, side=one.side))
    if len(checked) > MOST_PARTS:
        raise MuteRefused(since=checked[MOST_PARTS].since, reason=f"there are more than {MOST_PARTS} parts")
    return tuple(checked)


def typed(text: str, recordings: int) -> tuple[tuple[int, Mute], ...]:
    """Parts as a person types them, one a line: which of so many recordings, counted from 1, from when, until when, and
    why. MuteLineRefused.

        1 0:10 0:12.5 another person's address      times in seconds, m:ss or h:mm:ss; a fraction with . or ,
    """
    parts = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        which, since, until, reason = (*line.split(None, 3), "", "", "")[:4]
        if _WHICH.fullmatch(which) is None or int(which) > recordings or not reason:
            raise MuteLineRefused(line=number)
        times = [_time(one, number) for one in (since, until)]
        parts.append((int(which), Mute(since=times[0], until=times[1], reason=reason)))
    return tuple(parts)


def _time(text: str, line: int) -> timedelta:
    found = _TIME.fullmatch(text)
    if found is None:
        raise MuteLineRefused(line=line)
    hours, minutes, seconds, fraction = found.groups(default="0")
    parts = timedelta(microseconds=int(fraction.ljust(6, "0")))
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds)) + parts


def muted(blocks: Iterable[bytes], mutes: Sequence[Mute]) -> Iterator[bytes]:
    """The same audio with those parts silent. Blocks are whole moments, of any length; nothing is kept of them."""
    at = 0
    for block in blocks:
        count = len(block) // _FRAME_BYTES
        touched = [one for one in mutes if one.first < at + count and one.end > at]
        yield _silenced(block, touched, at, count) if touched else block
        at += count


def _silenced(block: bytes, mutes: Sequence[Mute], at: int, count: int) -> bytes:
    made = bytearray(block)
    for one in mutes:
        first, end = max(one.first - at, 0), min(one.end - at, count)
        begin, stop = first * _FRAME_BYTES, end * _FRAME_BYTES
        match one.side:
            case MutedSide.BOTH:
                made[begin:stop] = bytes(stop - begin)
            case MutedSide.CALLER | MutedSide.AGENT:
                begin += 0 if one.side is MutedSide.CALLER else _SAMPLE_BYTES
                for low in range(_SAMPLE_BYTES):
                    made[begin + low : stop : _FRAME_BYTES] = bytes(end - first)
    return bytes(made)
