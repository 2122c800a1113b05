"""The part of the call machine that runs recordings: begin, mute, stop, destroy, and what the shell answered.

domain/calls.py decides when; domain/recordings.py draws the states. A recording begins only with proof of the
announcement, and never after the caller said no.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from ari_recorder.domain.calls import Call, CallState, Policy, Step
from ari_recorder.domain.commands import (
    Alarm,
    AlarmCode,
    AwaitClosed,
    Command,
    DestroyRecording,
    ForgetFiles,
    MuteMixMonitor,
    ResumeLater,
    SealRecording,
    StartMixMonitor,
    StopMixMonitor,
    WatchGrowth,
)
from ari_recorder.domain.events import (
    Armed,
    ChannelRow,
    MixMonitorAccepted,
)
from ari_recorder.domain.quarantine import Orphaned, Quarantine, last_moment, uniqueid_of
from ari_recorder.domain.recordings import RUNNING, EndReason, Recording, RecordingState, StartedBy

# Asterisk drops the voice of whoever comes after a transfer, half of the time, while one MixMonitor goes on: the
# translator of the channel's audiohook list takes the new RTP sequence numbers for late packets (translate.c; seen on
# 22.10.1). The list is freed at the next frame (20 ms) after its last hook is gone; twice that is waited.
AUDIOHOOKS_GONE = timedelta(seconds=0.05)


# The answer to the order to start them has not come.
_UNANSWERED = frozenset({RecordingState.STARTING, RecordingState.STOPPING, RecordingState.DISCARDING})


def active(call: Call) -> Recording | None:
    """The recording that runs now; there is never more than one."""
    return next((r for r in call.recordings if r.state in RUNNING), None)


def begin(
    call: Call, at: datetime, policy: Policy, fresh: UUID, *, late: bool, settle: timedelta = timedelta()
) -> Step:
    """Record from now on, unless that is so already or must not be."""
    running = active(call)
    if running is not None:
        return call, ()
    if call.refused_at is not None or call.queue not in policy.queues:
        return call, ()
    if call.evidence is None:
        return call, (Alarm(code=AlarmCode.NO_EVIDENCE, subject=str(call.id), because=call.evidence_problem),)
    if not policy.may_start:
        because = "the dialplan started no recording, and capture.start leaves it to the dialplan"
        return call, (Alarm(code=AlarmCode.MIXMONITOR_REFUSED, subject=str(call.id), because=because),)
    recording = Recording(
        id=fresh,
        base=str(fresh),
        segment=len(call.recordings) + 1,
        started_at=at,
        started_by=StartedBy.SERVICE,
        clock_at_start=call.clock(at),
        late=late,
        muted=call.paused,
    )
    return (
        replace(call, recordings=(*call.recordings, recording)),
        (StartMixMonitor(recording_id=recording.id, base=recording.base, channel=call.uniqueid, settle=settle),),
    )


def cut(call: Call, at: datetime, policy: Policy, fresh: UUID) -> Step:
    """End the segment and begin the next: the voice that comes now is another one. See AUDIOHOOKS_GONE."""
    running = active(call)
    if running is None or not policy.may_start or running.state is RecordingState.STARTING:
        return call, ()
    stopped, commands = stop(call, at, EndReason.TRANSFERRED)
    begun, more = begin(stopped, at, policy, fresh, late=False, settle=AUDIOHOOKS_GONE)
    return begun, (*commands, *more)


def hear(call: Call, at: datetime, channels: frozenset[str], policy: Policy, fresh: UUID) -> Step:
    """These are at the far ends now: make sure that they are recorded, by a segment that began before they spoke."""
    running = active(call)
    if running is None:
        if call.evidence is None or call.refused_at is not None or not policy.may_start:
            return call, ()  # was told when it was decided
        missed = all(r.state is RecordingState.FAILED for r in call.recordings)  # what was said until now
        return begin(call, at, policy, fresh, late=missed)
    if running.heard and not channels <= running.heard:
        call, commands = cut(call, at, policy, fresh)
        running = active(call) or running
        return with_recording(call, replace(running, heard=channels)), commands
    heard = replace(running, heard=running.heard | channels)
    return with_recording(call, heard), _watch(heard)


def _watch(recording: Recording) -> tuple[Command, ...]:
    """With option b the files grow only while the caller talks: they are watched from then on."""
    if recording.state is not RecordingState.CAPTURING or recording.grew:
        return ()
    return (WatchGrowth(recording_id=recording.id, base=recording.base),)


def adopt_armed(call: Call, event: Armed, policy: Policy, fresh: UUID) -> Step:
    """The dialplan armed MixMonitor: it becomes our recording, or is destroyed when the call may not be recorded."""
    if any(r.base == event.base for r in call.recordings):
        return call, ()
    recording = Recording(
        id=fresh,
        base=event.base,
        segment=len(call.recordings) + 1,
        started_at=event.at,
        started_by=StartedBy.DIALPLAN,
        clock_at_start=call.clock(event.at),
        state=RecordingState.CAPTURING,
        mixmonitor_id=event.mixmonitor_id,
        muted=call.paused,
    )
    running = active(call)
    call = replace(call, recordings=(*call.recordings, recording))
    if call.evidence is None or call.refused_at is not None:
        because = EndReason.REFUSED if call.refused_at is not None else EndReason.NO_EVIDENCE
        return _destroy_one(call, recording, event.at, because)
    if running is not None:  # ours ran first: the second one is superfluous
        return _destroy_one(call, recording, event.at, EndReason.STOPPED_BY_OTHERS)
    return call, mute_command(call, recording) if recording.muted else ()


def adopt_row(call: Call, row: ChannelRow, policy: Policy, fresh: UUID) -> Step:
    """What the channel's variables tell after a reconnect: which recording the dialplan armed while the service was
    away, and whether an order of ours that was cut off in the middle was carried out."""
    if row.mixmonitor_id and not row.armed and all(r.mixmonitor_id != row.mixmonitor_id for r in call.recordings):
        unanswered = next(
            (r for r in reversed(call.recordings) if not r.mixmonitor_id and r.state in _UNANSWERED), None
        )
        if unanswered is not None:
            known = replace(unanswered, mixmonitor_id=row.mixmonitor_id)
            if unanswered.state is not RecordingState.STARTING:
                return with_recording(call, known), ()  # what remains is ordered by `resume`
            return accepted(
                call,
                unanswered,
                MixMonitorAccepted(at=row.at, recording_id=unanswered.id, mixmonitor_id=row.mixmonitor_id),
            )
    running = active(call)
    if running is not None and running.state is RecordingState.STARTING and running.doubtful:
        lost = replace(running, state=RecordingState.FAILED, failure="the PBX did not carry out the start")
        return begin(with_recording(call, lost), row.at, policy, fresh, late=True)
    if not row.armed or not row.mixmonitor_id:
        return call, ()
    armed = Armed(
        at=row.at,
        uniqueid=row.uniqueid,
        linkedid=row.linkedid,
        channel=row.channel,
        base=row.armed,
        mixmonitor_id=row.mixmonitor_id,
    )
    return adopt_armed(call, armed, policy, fresh)


def quarantine(event: Orphaned, system_name: str, call_id: UUID, policy: Policy) -> Step:
    """Files that are nobody's become a call of their own, which is over, with one recording, which is to be sealed."""
    uniqueid = uniqueid_of(event)
    call = Call(
        id=call_id,
        system_name=system_name,
        uniqueid=uniqueid,
        linkedid=event.uniqueid or uniqueid,
        channel="",
        first_seen_at=event.began,
        state=CallState.ENDED,
        ended_at=event.ended,
        end_reason=EndReason.ENDED_UNSEEN,
        quarantine=Quarantine(
            because=event.because, uniqueid=event.uniqueid, until=last_moment(event.at, policy.quarantine_days)
        ),
    )
    recording = Recording(
        id=event.fresh,
        base=event.base,
        segment=1,
        started_at=event.began,
        started_by=StartedBy.DIALPLAN if event.uniqueid else StartedBy.SERVICE,
        clock_at_start=timedelta(),
        state=RecordingState.CLOSED,
        end_reason=EndReason.ENDED_UNSEEN,
        ended_at=event.ended,
    )
    return replace(call, recordings=(recording,)), unfinished(call, recording)


def mute(call: Call) -> Step:
    """Silence from now on, in this segment and in those that follow."""
    recording = active(call)
    if recording is None:
        return call, ()
    recording = replace(recording, muted=True)
    return with_recording(call, recording), mute_command(call, recording)


def unmute_later(call: Call, at: datetime, guard: timedelta) -> Step:
    """Audio still under way belongs to the pause: it is over only after the guard (audiohook queue, up to 500 ms)."""
    if not call.paused:
        return call, ()
    call = replace(call, resume_at=at + guard)
    return call, _resume_commands(call, at)


def _resume_commands(call: Call, at: datetime) -> tuple[Command, ...]:
    """The timer of a resume; any recording of the call may carry it, for it is the call that is paused."""
    if call.resume_at is None or not call.recordings:
        return ()
    return (ResumeLater(recording_id=call.recordings[-1].id, after=max(call.resume_at - at, timedelta())),)


def mute_command(call: Call, recording: Recording) -> tuple[Command, ...]:
    # Before MixMonitor answered there is nothing to mute yet; its answer is followed by the mute.
    if recording.state is not RecordingState.CAPTURING or not recording.mixmonitor_id:
        return ()
    return (
        MuteMixMonitor(
            recording_id=recording.id,
            channel=call.uniqueid,
            mixmonitor_id=recording.mixmonitor_id,
            muted=recording.muted,
        ),
    )


def stop(call: Call, at: datetime, because: EndReason) -> Step:
    """End what runs, keep what was captured."""
    recording = active(call)
    if recording is None:
        return call, ()
    stopping = replace(recording, state=RecordingState.STOPPING, end_reason=because, ended_at=at)
    return with_recording(call, stopping), (
        *_stop_command(call, recording, because),
        AwaitClosed(recording_id=recording.id, base=recording.base),
    )


def _stop_command(call: Call, recording: Recording, because: EndReason) -> tuple[Command, ...]:
    # With the channel gone there is nothing to stop; before the answer the id is unknown, the answer is followed by it.
    if because in (EndReason.HANGUP, EndReason.ENDED_UNSEEN) or not recording.mixmonitor_id:
        return ()
    return (StopMixMonitor(recording_id=recording.id, channel=call.uniqueid, mixmonitor_id=recording.mixmonitor_id),)


def destroy(call: Call, at: datetime, because: EndReason) -> Step:
    """Stop and destroy everything captured of this call."""
    commands: tuple[Command, ...] = ()
    for recording in call.recordings:
        call, more = _destroy_one(call, recording, at, because)
        commands = (*commands, *more)
    return call, commands


def _destroy_one(call: Call, recording: Recording, at: datetime, because: EndReason) -> Step:
    if recording.state in (RecordingState.FAILED, RecordingState.DISCARDING, RecordingState.DISCARDED):
        return call, ()
    stops = _stop_command(call, recording, because) if recording.state in RUNNING else ()
    gone = replace(
        recording,
        state=RecordingState.DISCARDING,
        end_reason=because,
        ended_at=recording.ended_at or at,
    )
    path = recording.sealed.path if recording.sealed is not None else None
    if recording.state is RecordingState.STARTING:
        return with_recording(
            call, gone
        ), ()  # the answer to the start is awaited; it is followed by stop and destruction
    return with_recording(call, gone), (
        *stops,
        DestroyRecording(recording_id=recording.id, base=recording.base, path=path),
    )


def accepted(call: Call, recording: Recording, event: MixMonitorAccepted) -> Step:
    if recording.mixmonitor_id:
        return call, ()
    known = replace(recording, mixmonitor_id=event.mixmonitor_id)
    match recording.state:
        case RecordingState.STARTING:
            known = replace(known, state=RecordingState.CAPTURING)
            mutes = mute_command(call, known) if known.muted else ()
            return with_recording(call, known), (*mutes, *(_watch(known) if call.far_ends else ()))
        case RecordingState.STOPPING | RecordingState.DISCARDING:
            # It was stopped or refused while the order was under way.
            return with_recording(call, known), unfinished(call, known)
        case RecordingState.FAILED:
            # The order was carried out after the PBX had shown that it was not, and another was given.
            return _destroy_one(
                call, replace(known, state=RecordingState.CAPTURING), event.at, EndReason.STOPPED_BY_OTHERS
            )
        case _:
            return call, ()


def unfinished(call: Call, recording: Recording) -> tuple[Command, ...]:
    """What remains to be done for a recording that is on its way to its end."""
    rid, base = recording.id, recording.base
    stops: tuple[Command, ...] = ()
    if call.ended_at is None and recording.mixmonitor_id:
        stops = (StopMixMonitor(recording_id=rid, channel=call.uniqueid, mixmonitor_id=recording.mixmonitor_id),)
    match recording.state:
        case RecordingState.STOPPING:
            return (*stops, AwaitClosed(recording_id=rid, base=base))
        case RecordingState.CLOSED:
            return (SealRecording(recording_id=rid, base=base),)
        case RecordingState.SEALED:
            return (ForgetFiles(recording_id=rid, base=base),)
        case RecordingState.DISCARDING:
            path = recording.sealed.path if recording.sealed is not None else None
            return (*stops, DestroyRecording(recording_id=rid, base=base, path=path))
        case _:
            return ()


def resume(call: Call, at: datetime, *, restarted: bool) -> tuple[Command, ...]:
    """Everything that was ordered and may not have happened: after a reconnect what the PBX had to do, after a restart
    of the service what it had to do itself as well."""
    commands: tuple[Command, ...] = ()
    for recording in call.recordings:
        if restarted or recording.state not in (RecordingState.CLOSED, RecordingState.SEALED):
            commands = (*commands, *unfinished(call, recording))
        # Muted or not: the PBX cannot be asked, so the wanted state is ordered.
        commands = (*commands, *mute_command(call, recording))
    return (*commands, *_resume_commands(call, at))


def with_recording(call: Call, recording: Recording) -> Call:
    return replace(call, recordings=tuple(recording if r.id == recording.id else r for r in call.recordings))
