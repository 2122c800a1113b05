"""What of a recording must be silent, though MixMonitor was not muted: pauses nobody heard when they were pressed.

While the service is away the PBX goes on recording, and an agent who presses the code for a pause hears that it was
taken. The promise holds all the same: what was said in such a pause is silenced before the recording is sealed.
"""

from datetime import datetime, timedelta

from ari_recorder.domain.calls import Call, MarkKind
from ari_recorder.domain.recordings import Recording

Span = tuple[timedelta, timedelta]


# How old audio is when it is sealed while the call goes on: MixMonitor's buffer (2.05 s), the pause between two looks,
# a slow disk. So much may be unknown about the moment at which a recording was cut off.
CUT_UNSURE = timedelta(seconds=5)


def clock_at_start(call: Call, recording: Recording, duration: timedelta, cut_at: datetime | None = None) -> timedelta:
    """The call's bridged time at the first sample. Where our clock began too late, the length of the audio tells.

    `cut_at`: the end is missing, and this is when the last of what is left was captured.
    """
    if call.connected_unseen and cut_at is not None:
        return call.clock_then(cut_at) - duration
    if call.connected_unseen and recording.ended_at is not None:
        return call.clock(recording.ended_at) - duration
    return recording.clock_at_start


def silent_spans(
    call: Call, recording: Recording, duration: timedelta, guard: timedelta, cut_at: datetime | None = None
) -> tuple[Span, ...]:
    """The spans of this recording, as times from its start, that belong to pauses nobody heard.

    `guard`: what follows a resume at once still belongs to the pause, as it does when it is heard. Where it is not
    known to the second when the audio began, what may belong to the pause is silent, too.
    """
    start = clock_at_start(call, recording, duration, cut_at)
    unsure = CUT_UNSURE if call.connected_unseen and cut_at is not None else timedelta()
    spans: list[Span] = []
    began: timedelta | None = None
    for mark in call.marks:
        if mark.kind is MarkKind.PAUSE and mark.missed and began is None:
            began = mark.offset - unsure
        elif mark.kind is MarkKind.RESUME and began is not None:
            spans.append((began, mark.offset + guard + unsure))
            began = None
    if began is not None:
        spans.append((began, start + duration))
    inside = ((max(since - start, timedelta()), min(until - start, duration)) for since, until in spans)
    return tuple((since, until) for since, until in inside if since < until)
