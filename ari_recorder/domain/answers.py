"""What became of our orders for one recording: the shell's answers, and what follows from each.

domain/capture.py gives the orders; domain/recordings.py draws the states.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from ari_recorder.domain.calls import Call, Policy, Step
from ari_recorder.domain.capture import accepted, active, hear, mute_command, unfinished, with_recording
from ari_recorder.domain.commands import (
    Alarm,
    AlarmCode,
    CheckLater,
    Command,
    DestroyRecording,
    ForgetFiles,
    SealRecording,
)
from ari_recorder.domain.events import (
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
from ari_recorder.domain.recordings import RUNNING, EndReason, Recording, RecordingState
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.silence import clock_at_start

# A Hangup follows the closing of the files within milliseconds; a busy PBX may take some more.
HANGUP_FOLLOWS = timedelta(seconds=0.5)
# A start that was refused is tried again while the call lasts, but not for ever.
RETRY_AFTER = timedelta(seconds=5)
MOST_FAILURES = 20
# Shorter than this, a call without audio is nobody's fault.
NOTHING_TO_HEAR = timedelta(seconds=0.5)


def answered(call: Call, event: RecordingEvent, policy: Policy, fresh: UUID) -> Step:
    """What became of a command."""
    recording = next((r for r in call.recordings if r.id == event.recording_id), None)
    if recording is None:
        return call, ()
    match event:
        case MixMonitorAccepted():
            return accepted(call, recording, event)
        case MixMonitorRefused():
            return _refused(call, recording, event)
        case FilesGrew():
            return with_recording(call, replace(recording, grew=True)), ()
        case FilesMissing() if recording.state is RecordingState.CAPTURING and not recording.grew and call.far_ends:
            return call, (_alarm(AlarmCode.FILES_NOT_GROWING, recording, "no samples arrived in the spool files"),)
        case FilesClosed():
            return _closed(call, recording, event)
        case CheckDue():
            return _check(call, recording, event, policy, fresh)
        case ResumeDue():
            return _resume(call, event)
        case Sealed():
            return _sealed(call, recording, event)
        case SealFailed():
            return _seal_failed(call, recording, event)
        case Destroyed() if recording.state is RecordingState.DISCARDING:
            return with_recording(call, replace(recording, state=RecordingState.DISCARDED, sealed=None)), ()
        case _:
            return call, ()


def _refused(call: Call, recording: Recording, event: MixMonitorRefused) -> Step:
    if recording.state is RecordingState.DISCARDING:
        return call, unfinished(call, recording)
    if recording.state not in (RecordingState.STARTING, RecordingState.STOPPING):
        return call, ()
    failed = with_recording(call, replace(recording, state=RecordingState.FAILED, failure=event.because))
    if call.ended_at is not None:  # the caller who hung up in that very moment is no fault
        return failed, ()
    alarm = _alarm(AlarmCode.MIXMONITOR_REFUSED, recording, event.because)
    if sum(r.state is RecordingState.FAILED for r in failed.recordings) >= MOST_FAILURES:
        return failed, (alarm,)
    return failed, (alarm, CheckLater(recording_id=recording.id, after=RETRY_AFTER))


def _closed(call: Call, recording: Recording, event: FilesClosed) -> Step:
    if recording.state not in (*RUNNING, RecordingState.STOPPING):
        return call, ()
    unexpected = recording.state in RUNNING
    closed = replace(recording, state=RecordingState.CLOSED, ended_at=recording.ended_at or event.at)
    check = (CheckLater(recording_id=recording.id, after=HANGUP_FOLLOWS),) if unexpected else ()
    return with_recording(call, closed), (SealRecording(recording_id=recording.id, base=recording.base), *check)


def _check(call: Call, recording: Recording, event: CheckDue, policy: Policy, fresh: UUID) -> Step:
    """It ended or failed, yet no Hangup came. Somebody else stopped our MixMonitor, or a refused start is tried again:
    begin at once, or when the caller is in a bridge again (`hear`)."""
    if call.ended_at is not None or active(call) is not None:
        return call, ()
    alarms: tuple[Command, ...] = ()
    if recording.end_reason is None and recording.state is not RecordingState.FAILED:
        call = with_recording(call, replace(recording, end_reason=EndReason.STOPPED_BY_OTHERS))
        alarms = (_alarm(AlarmCode.STOPPED_BY_OTHERS, recording, "MixMonitor ended while the call went on"),)
    elif recording.state is not RecordingState.FAILED:
        return call, ()
    if not call.far_ends or call.apart_since is not None or not call.members:
        return call, alarms
    again, commands = hear(call, event.at, call.far_ends, policy, fresh)
    return again, (*alarms, *commands)


def _resume(call: Call, event: ResumeDue) -> Step:
    # Paused again within the guard, or resumed once more: then a later timer is under way. It may be a little early.
    if call.resume_at is None or event.at < call.resume_at - timedelta(milliseconds=50):
        return call, ()
    call = replace(call, paused=False, resume_at=None)
    recording = active(call)
    if recording is None or not recording.muted:
        return call, ()
    audible = replace(recording, muted=False)
    return with_recording(call, audible), mute_command(call, audible)


def _sealed(call: Call, recording: Recording, event: Sealed) -> Step:
    if recording.state is RecordingState.DISCARDING:  # refused while it was being sealed
        return call, (DestroyRecording(recording_id=recording.id, base=recording.base, path=event.facts.path),)
    if recording.state is not RecordingState.CLOSED:
        return call, ()
    began = clock_at_start(call, recording, event.facts.duration, event.cut_at)
    done = replace(recording, state=RecordingState.SEALED, sealed=event.facts, clock_at_start=began)
    if event.cut_at is not None and recording.ended_at is not None:
        done = replace(done, ended_at=min(event.cut_at, recording.ended_at))
    forget = ForgetFiles(recording_id=recording.id, base=recording.base)
    if call.quarantine is None:
        return with_recording(call, done), (forget,)
    because = f"{call.quarantine.because.value}: sealed, and nobody may listen; destroyed on "
    because += f"{local_day(call.quarantine.until)}"
    return with_recording(call, done), (forget, _alarm(AlarmCode.QUARANTINED, recording, because))


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
    forget = ForgetFiles(recording_id=recording.id, base=recording.base)  # empty files
    return with_recording(call, failed), (forget,) if empty else (forget, alarm)


def _alarm(code: AlarmCode, recording: Recording, because: str) -> Alarm:
    return Alarm(code=code, subject=str(recording.id), because=because)
