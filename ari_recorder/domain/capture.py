"""The part of the call machine that runs recordings: begin, mute, stop, destroy, and what the shell answered.

domain/calls.py decides when; domain/recordings.py draws the states. A recording begins only with proof of the
announcement, and never after the caller said no.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from ari_recorder.domain.commands import (
    Alarm,
    AlarmCode,
    AwaitClosed,
    CheckLater,
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
    CheckDue,
    Destroyed,
    FilesClosed,
    FilesGrew,
    FilesMissing,
    MixMonitorAccepted,
    MixMonitorRefused,
    RecordingEvent,
    ResumeDue,
    Sealed,
    SealFailed,
)
from ari_recorder.domain.recordings import RUNNING, EndReason, Recording, RecordingState, StartedBy

if TYPE_CHECKING:
    from ari_recorder.domain.calls import Call, Policy, Step

# A Hangup follows the closing of the files within milliseconds; a busy PBX may take some more.
HANGUP_FOLLOWS = timedelta(seconds=0.5)
# Shorter than this, a call without audio is nobody's fault.
NOTHING_TO_HEAR = timedelta(seconds=0.5)


def active(call: Call) -> Recording | None:
    """The recording that runs now; there is never more than one."""
    return next((r for r in call.recordings if r.state in RUNNING), None)


def begin(call: Call, at: datetime, policy: Policy, fresh: UUID, *, late: bool) -> Step:
    """Record from now on, unless that is so already or must not be."""
    running = active(call)
    if running is not None:
        return call, (WatchGrowth(recording_id=running.id, base=running.base),)
    if call.refused_at is not None or call.queue not in policy.queues:
        return call, ()
    if call.evidence is None:
        return call, (Alarm(code=AlarmCode.NO_EVIDENCE, subject=str(call.id), because=call.evidence_problem),)
    recording = Recording(
        id=fresh,
        base=str(fresh),
        segment=len(call.recordings) + 1,
        started_at=at,
        started_by=StartedBy.SERVICE,
        clock_at_start=call.clock(at),
        late=late,
        # What took over from a paused segment stays paused: silence is the safe side.
        muted=bool(call.recordings) and call.recordings[-1].muted,
    )
    return (
        replace(call, recordings=(*call.recordings, recording)),
        (StartMixMonitor(recording_id=recording.id, base=recording.base, channel=call.uniqueid),),
    )


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
    )
    running = active(call)
    call = replace(call, recordings=(*call.recordings, recording))
    if call.evidence is None or call.refused_at is not None:
        because = EndReason.REFUSED if call.refused_at is not None else EndReason.NO_EVIDENCE
        return _destroy_one(call, recording, event.at, because)
    if running is not None:  # ours ran first: the second one is superfluous
        return _destroy_one(call, recording, event.at, EndReason.STOPPED_BY_OTHERS)
    return call, ()


def adopt_row(call: Call, row: ChannelRow, policy: Policy, fresh: UUID) -> Step:
    """What the channel's variables tell after a reconnect: which recording the dialplan armed while the service was
    away, and whether an order of ours that was cut off in the middle was carried out."""
    running = active(call)
    if running is not None and running.state is RecordingState.STARTING:
        if row.mixmonitor_id and not row.armed:
            return _accepted(
                call, running, MixMonitorAccepted(at=row.at, recording_id=running.id, mixmonitor_id=row.mixmonitor_id)
            )
        lost = replace(running, state=RecordingState.FAILED, failure="the PBX did not carry out the start")
        return begin(_with(call, lost), row.at, policy, fresh, late=True)
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


def mute(call: Call) -> Step:
    recording = active(call)
    if recording is None:
        return call, ()
    recording = replace(recording, muted=True, resume_at=None)
    return _with(call, recording), _mute_command(call, recording)


def unmute_later(call: Call, at: datetime, guard: timedelta) -> Step:
    """Audio still under way belongs to the pause: it is over only after the guard (audiohook queue, up to 500 ms)."""
    recording = active(call)
    if recording is None or not recording.muted:
        return call, ()
    recording = replace(recording, resume_at=at + guard)
    return _with(call, recording), (ResumeLater(recording_id=recording.id, after=guard),)


def _mute_command(call: Call, recording: Recording) -> tuple[Command, ...]:
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
    return _with(call, stopping), (
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
        return _with(call, gone), ()  # the answer to the start is awaited; it is followed by stop and destruction
    return _with(call, gone), (
        *stops,
        DestroyRecording(recording_id=recording.id, base=recording.base, path=path),
    )


def answered(call: Call, event: RecordingEvent, policy: Policy, fresh: UUID) -> Step:
    """What became of a command."""
    recording = next((r for r in call.recordings if r.id == event.recording_id), None)
    if recording is None:
        return call, ()
    match event:
        case MixMonitorAccepted():
            return _accepted(call, recording, event)
        case MixMonitorRefused():
            return _refused(call, recording, event)
        case FilesGrew():
            return _with(call, replace(recording, grew=True)), ()
        case FilesMissing() if recording.state is RecordingState.CAPTURING and not recording.grew:
            return call, (_alarm(AlarmCode.FILES_NOT_GROWING, recording, "no samples arrived in the spool files"),)
        case FilesClosed():
            return _closed(call, recording, event)
        case CheckDue():
            return _check(call, recording, event, policy, fresh)
        case ResumeDue():
            return _resume(call, recording, event)
        case Sealed():
            return _sealed(call, recording, event)
        case SealFailed():
            return _seal_failed(call, recording, event)
        case Destroyed() if recording.state is RecordingState.DISCARDING:
            return _with(call, replace(recording, state=RecordingState.DISCARDED, sealed=None)), ()
        case _:
            return call, ()


def _accepted(call: Call, recording: Recording, event: MixMonitorAccepted) -> Step:
    if recording.mixmonitor_id:
        return call, ()
    known = replace(recording, mixmonitor_id=event.mixmonitor_id)
    match recording.state:
        case RecordingState.STARTING:
            known = replace(known, state=RecordingState.CAPTURING)
            mutes = _mute_command(call, known) if known.muted else ()
            return _with(call, known), (*mutes, WatchGrowth(recording_id=known.id, base=known.base))
        case RecordingState.STOPPING | RecordingState.DISCARDING:
            # It was stopped or refused while the order was under way.
            return _with(call, known), _unfinished(call, known)
        case _:
            return call, ()


def _unfinished(call: Call, recording: Recording) -> tuple[Command, ...]:
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


def resume(call: Call, at: datetime) -> tuple[Command, ...]:
    """Everything that was ordered and may not have happened: after a restart of the service, or a reconnect."""
    commands: tuple[Command, ...] = ()
    for recording in call.recordings:
        commands = (*commands, *_unfinished(call, recording))
        if recording.state is RecordingState.CAPTURING:
            commands = (*commands, *_mute_command(call, recording)) if recording.muted else commands
            if recording.resume_at is not None:
                after = max(recording.resume_at - at, timedelta())
                commands = (*commands, ResumeLater(recording_id=recording.id, after=after))
    return commands


def _refused(call: Call, recording: Recording, event: MixMonitorRefused) -> Step:
    if recording.state is RecordingState.DISCARDING:
        return call, _unfinished(call, recording)
    if recording.state not in (RecordingState.STARTING, RecordingState.STOPPING):
        return call, ()
    failed = replace(recording, state=RecordingState.FAILED, failure=event.because)
    # The caller who hung up in that very moment is no fault.
    alarms = () if call.ended_at is not None else (_alarm(AlarmCode.MIXMONITOR_REFUSED, recording, event.because),)
    return _with(call, failed), alarms


def _closed(call: Call, recording: Recording, event: FilesClosed) -> Step:
    if recording.state not in (*RUNNING, RecordingState.STOPPING):
        return call, ()
    unexpected = recording.state in RUNNING
    closed = replace(recording, state=RecordingState.CLOSED, ended_at=recording.ended_at or event.at)
    check = (CheckLater(recording_id=recording.id, after=HANGUP_FOLLOWS),) if unexpected else ()
    return _with(call, closed), (SealRecording(recording_id=recording.id, base=recording.base), *check)


def _check(call: Call, recording: Recording, event: CheckDue, policy: Policy, fresh: UUID) -> Step:
    """The files closed, yet no Hangup came: somebody else stopped our MixMonitor. Begin again at once."""
    if call.ended_at is not None or recording.end_reason is not None:
        return call, ()
    if not call.bridge or active(call) is not None:
        return call, ()
    stopped = _with(call, replace(recording, end_reason=EndReason.STOPPED_BY_OTHERS))
    again, commands = begin(stopped, event.at, policy, fresh, late=False)
    return again, (_alarm(AlarmCode.STOPPED_BY_OTHERS, recording, "MixMonitor ended while the call went on"), *commands)


def _resume(call: Call, recording: Recording, event: ResumeDue) -> Step:
    if not recording.muted or recording.resume_at is None:
        return call, ()  # paused again within the guard
    audible = replace(recording, muted=False, resume_at=None)
    return _with(call, audible), _mute_command(call, audible)


def _sealed(call: Call, recording: Recording, event: Sealed) -> Step:
    if recording.state is RecordingState.DISCARDING:  # refused while it was being sealed
        return call, (DestroyRecording(recording_id=recording.id, base=recording.base, path=event.facts.path),)
    if recording.state is not RecordingState.CLOSED:
        return call, ()
    done = replace(recording, state=RecordingState.SEALED, sealed=event.facts)
    if call.connected_unseen and recording.ended_at is not None:
        # It ran before we looked: its length tells when it began, so that marks fall on the right second.
        done = replace(done, clock_at_start=call.clock(recording.ended_at) - event.facts.duration)
    return _with(call, done), (ForgetFiles(recording_id=recording.id, base=recording.base),)


def _seal_failed(call: Call, recording: Recording, event: SealFailed) -> Step:
    if recording.state is not RecordingState.CLOSED:
        return call, ()
    alarm = _alarm(AlarmCode.SEAL_FAILED, recording, event.because)
    if not event.final:
        return call, (alarm,)
    failed = replace(recording, state=RecordingState.FAILED, failure=event.because)
    # Who hangs up at once leaves no sample: MixMonitor writes from the first 20 ms frame of the bridge.
    bridged = call.clock(recording.ended_at or call.first_seen_at) - recording.clock_at_start
    empty = bridged < NOTHING_TO_HEAR
    return _with(call, failed), () if empty else (alarm,)


def _alarm(code: AlarmCode, recording: Recording, because: str) -> Alarm:
    return Alarm(code=code, subject=str(recording.id), because=because)


def _with(call: Call, recording: Recording) -> Call:
    return replace(call, recordings=tuple(recording if r.id == recording.id else r for r in call.recordings))
