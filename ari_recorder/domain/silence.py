"""What of a recording must be silent, though MixMonitor was not muted: pauses nobody heard when they were pressed.

While the service is away the PBX goes on recording, and an agent who presses the code for a pause hears that it was
taken. The promise holds all the same: what was said in such a pause is silenced before the recording is sealed.
"""

from datetime import timedelta

from ari_recorder.domain.calls import Call, MarkKind
from ari_recorder.domain.recordings import Recording

Span = tuple[timedelta, timedelta]


def clock_at_start(call: Call, recording: Recording, duration: timedelta) -> timedelta:
    """The call's bridged time at the first sample. Where our clock began too late, the length of the audio tells."""
    if call.connected_unseen and recording.ended_at is not None:
        return call.clock(recording.ended_at) - duration
    return recording.clock_at_start


def silent_spans(call: Call, recording: Recording, duration: timedelta, guard: timedelta) -> tuple[Span, ...]:
    """The spans of this recording, as times from its start, that belong to pauses nobody heard.

    `guard`: what follows a resume at once still belongs to the pause, as it does when it is heard.
    """
    start = clock_at_start(call, recording, duration)
    spans: list[Span] = []
    began: timedelta | None = None
    for mark in call.marks:
        if mark.kind is MarkKind.PAUSE and mark.missed and began is None:
            began = mark.offset
        elif mark.kind is MarkKind.RESUME and began is not None:
            spans.append((began, mark.offset + guard))
            began = None
    if began is not None:
        spans.append((began, start + duration))
    inside = ((max(since - start, timedelta()), min(until - start, duration)) for since, until in spans)
    return tuple((since, until) for since, until in inside if since < until)
