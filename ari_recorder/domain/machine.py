"""One call: a caller's channel from the announcement to the hangup, and what is to be recorded of it.

    announcing ──Announced──► announcing ──QueueCallerJoin──► waiting ──AgentConnect──► talking ──┐
         │                                                      │  ▲                      │       │ transfers, hold,
         │                                                      ▼  │ QueueCallerJoin      └───────┘ second queue
         └────────────────── Hangup ───────────────────────► ended ◄───────── Hangup ─────┘

The call is keyed by the caller channel's Uniqueid; Linkedid changes in bridges. The machine is a pure function,
`step(call, event, policy, fresh) -> (call, commands)`. An event that does not fit changes nothing: after a reconnect
Asterisk may send anything, twice and late. Bridges of other channels are domain/switchboard.py's; this file sees only
who is at the far end of the caller's bridge.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ari_recorder.domain import answers, capture
from ari_recorder.domain.calls import (
    Call,
    CallState,
    FarEnds,
    Mark,
    MarkKind,
    Member,
    Policy,
    Step,
    interface_of,
    with_claim,
)
from ari_recorder.domain.commands import Alarm, AlarmCode, Command, StoreCall
from ari_recorder.domain.events import (
    AgentComplete,
    AgentConnect,
    Announced,
    AnnouncementFailed,
    Announcing,
    Armed,
    AttendedTransfer,
    BlindTransfer,
    ChannelRow,
    Code,
    CodePressed,
    Event,
    Hangup,
    Hold,
    QueueCallerAbandon,
    QueueCallerJoin,
    QueueCallerLeave,
    RecordingEvent,
    Unhold,
)
from ari_recorder.domain.evidence import Claim
from ari_recorder.domain.recordings import FINAL, EndReason, RecordingState

# Inside numbers have up to five digits at any site we know; the shortest public ones of Finland have six.
LONGEST_EXTENSION = 5
_PAUSING = frozenset({MarkKind.PAUSE, MarkKind.RESUME})


def step(call: Call, event: Event, policy: Policy, fresh: UUID) -> Step:
    """The call after `event`, and what to do. `fresh` becomes the id of a recording, should one begin."""
    if isinstance(event, RecordingEvent):
        return _stored(call, *answers.answered(call, event, policy, fresh))
    if call.state is CallState.ENDED:
        return _stored(call, *_step_ended(call, event, policy, fresh))
    return _stored(call, *_step_living(call, event, policy, fresh))


def _step_living(call: Call, event: Event, policy: Policy, fresh: UUID) -> Step:
    match event:
        case Announcing():
            return replace(call, number=event.number, channel=event.channel), ()
        case AnnouncementFailed():
            if call.evidence is not None:
                return call, ()
            return replace(call, number=event.number, evidence_problem="the announcement could not be played"), ()
        case Announced():
            return _announced(call, event, policy, fresh)
        case QueueCallerJoin():
            return _joined(call, event), ()
        case QueueCallerLeave():
            return replace(call, left_queue=True), ()
        case QueueCallerAbandon():
            return replace(call, abandoned=True), ()
        case Armed():
            return capture.adopt_armed(replace(call, channel=event.channel), event, policy, fresh)
        case AgentConnect():
            return _connected(call, event, policy, fresh)
        case AgentComplete():
            return _completed(call, event), ()
        case FarEnds():
            return _far_ends(call, event, policy, fresh)
        case CodePressed():
            return _code(call, event, policy)
        case BlindTransfer():
            marked = _mark(call, MarkKind.BLIND_TRANSFER, event.at, _inside(event.exten))
            return capture.cut(marked, event.at, policy, fresh)
        case AttendedTransfer():
            return replace(_mark(call, MarkKind.ATTENDED_TRANSFER, event.at, ""), held=False), ()
        case Hold():
            return replace(_mark(call, MarkKind.HOLD, event.at, interface_of(event.channel)), held=True), ()
        case Unhold():
            return replace(_mark(call, MarkKind.UNHOLD, event.at, interface_of(event.channel)), held=False), ()
        case ChannelRow():
            return _seen(call, event, policy, fresh)
        case Hangup():
            return _end(call, event.at, EndReason.HANGUP)
        case _:
            return call, ()


def _step_ended(call: Call, event: Event, policy: Policy, fresh: UUID) -> Step:
    """A code that comes as the caller hangs up, and what the net recorded while nobody listened, are not too late."""
    match event:
        case CodePressed():
            return _code(call, event, policy)
        case Armed():
            adopted, commands = capture.adopt_armed(call, event, policy, fresh)
            at = call.ended_at or event.at
            stopped, more = capture.stop(adopted, at, call.end_reason or EndReason.ENDED_UNSEEN)
            return stopped, (*commands, *more)
        case _:
            return call, ()


def _announced(call: Call, event: Announced, policy: Policy, fresh: UUID) -> Step:
    if call.evidence is not None:
        return call, ()
    claim = Claim(number=event.number, languages=event.languages, started=event.started, done=event.done)
    call = with_claim(call, claim, policy)
    # The report may come late, after the agent answered: what is still to come is recorded.
    if call.evidence is not None and call.state is CallState.TALKING:
        return capture.begin(call, event.at, policy, fresh, late=True)
    return call, ()


def _joined(call: Call, event: QueueCallerJoin) -> Call:
    if call.state is CallState.TALKING and event.at <= (call.connected_at or event.at):
        return call  # late news from before the answer
    return replace(
        call,
        state=CallState.WAITING,
        queue=event.queue,
        caller=call.caller or event.caller,
        channel=event.channel,
        linkedid=event.linkedid,
        joined_at=call.joined_at or event.at,
        left_queue=False,
    )


def _connected(call: Call, event: AgentConnect, policy: Policy, fresh: UUID) -> Step:
    if any(m.uniqueid == event.member_uniqueid for m in call.members):
        return call, ()
    member = Member(
        uniqueid=event.member_uniqueid,
        queue=event.queue,
        interface=event.interface,
        name=event.member_name,
        connected_at=event.at,
        hold_time=event.hold_time,
        ring_time=event.ring_time,
    )
    call = replace(
        call,
        state=CallState.TALKING,
        queue=event.queue,
        channel=event.channel,
        linkedid=event.linkedid,
        joined_at=call.joined_at or event.at - event.hold_time,
        connected_at=call.connected_at or event.at,
        connected_unseen=call.connected_unseen or event.missed,
        members=(*call.members, member),
    )
    if event.queue not in policy.queues:
        apart = _apart(call, event.at)
        if not any(m.queue in policy.queues for m in call.members):  # nothing of it was ever to be kept
            return capture.destroy(apart, event.at, EndReason.QUEUE_NOT_RECORDED)
        return capture.stop(apart, event.at, EndReason.QUEUE_NOT_RECORDED)
    return capture.begin(_together(call, event.at), event.at, policy, fresh, late=event.missed)


def _completed(call: Call, event: AgentComplete) -> Call:
    return replace(
        call,
        members=tuple(
            replace(m, talk_time=event.talk_time, end_reason=event.reason)
            if m.uniqueid == event.member_uniqueid and m.talk_time is None
            else m
            for m in call.members
        ),
    )


def _far_ends(call: Call, event: FarEnds, policy: Policy, fresh: UUID) -> Step:
    """The clock runs while the caller is in a bridge. When only others are left at the far ends, recording ends."""
    before = call.clock(event.at)
    left = call.far_ends and not event.channels
    call = replace(
        call,
        bridge=event.bridge,
        far_ends=event.channels,
        behind=call.behind | event.behind,
        bridged_before=before,
        bridged_since=event.at if event.bridge else None,
    )
    if not call.members:
        return call, ()
    if not event.channels:
        # The agent held the caller and went to consult somebody: who comes next has another voice.
        if left and call.held and event.bridge:
            return capture.cut(replace(call, held=False), event.at, policy, fresh)
        return call, ()
    if policy.outside and not event.ours and all(name.startswith(policy.outside) for name in event.channels):
        return capture.stop(_apart(call, event.at), event.at, EndReason.LEFT_ORGANISATION)
    if call.state is not CallState.TALKING or call.queue not in policy.queues:
        return call, ()
    return capture.hear(_together(call, event.at), event.at, event.channels, policy, fresh)


def _apart(call: Call, at: datetime) -> Call:
    return call if call.apart_since is not None else replace(call, apart_since=call.clock(at))


def _together(call: Call, at: datetime) -> Call:
    if call.apart_since is None:
        return call
    return replace(call, apart_since=None, apart_before=call.apart_before + call.clock(at) - call.apart_since)


def _code(call: Call, event: CodePressed, policy: Policy) -> Step:
    """Each code once, however often and from wherever it is told. Pause and resume: the one pressed last counts."""
    kind = MarkKind(event.code.value)
    if any(mark.kind is kind and mark.at == event.pressed for mark in call.marks):
        return call, ()
    newest = max((mark.at for mark in call.marks if mark.kind in _PAUSING), default=event.pressed)
    call = _mark(call, kind, event.pressed, _pressed_by(call, event), missed=event.missed)
    match event.code:
        case Code.THREAT:
            return call, ()
        case Code.REFUSE:
            return capture.destroy(replace(call, refused_at=call.refused_at or event.at), event.at, EndReason.REFUSED)
        case _ if event.pressed < newest:
            return call, ()
        case Code.PAUSE:
            return capture.mute(replace(call, paused=True, resume_at=None))
        case Code.RESUME:
            return capture.unmute_later(call, event.at, policy.resume_guard)


def _pressed_by(call: Call, event: CodePressed) -> str:
    if event.channel:
        return interface_of(event.channel)
    return next((m.interface for m in call.members if m.uniqueid == event.uniqueid), "")


def _seen(call: Call, event: ChannelRow, policy: Policy, fresh: UUID) -> Step:
    """The channel as the PBX shows it after a reconnect: what may not have happened is ordered again."""
    call = replace(call, channel=event.channel, linkedid=event.linkedid, queue=call.queue or event.queue)
    call, adopted = capture.adopt_row(call, event, policy, fresh)
    return call, (*adopted, *capture.resume(call, event.at, restarted=False))


def end(call: Call, at: datetime, because: EndReason) -> Step:
    """The caller's channel is gone, as a snapshot of the PBX shows."""
    if call.state is CallState.ENDED:
        return call, ()
    return _stored(call, *_end(call, at, because))


def _end(call: Call, at: datetime, because: EndReason) -> Step:
    call = replace(
        call,
        state=CallState.ENDED,
        ended_at=at,
        end_reason=because,
        bridged_before=call.clock(at),
        bridged_since=None,
        bridge="",
        far_ends=frozenset(),
        recordings=tuple(r if r.end_reason else replace(r, end_reason=because) for r in call.recordings),
    )
    stopped, commands = capture.stop(call, at, because)
    # What was waiting for the PBX's word needs it no more.
    waiting = tuple(r for r in call.recordings if r.state in (RecordingState.STOPPING, RecordingState.DISCARDING))
    return stopped, (*commands, *(more for r in waiting for more in capture.unfinished(stopped, r)))


def resynced(call: Call, at: datetime, policy: Policy, fresh: UUID) -> Step:
    """The PBX has shown its state: who should be recorded and is not, is recorded from now on."""
    if call.state is not CallState.TALKING or not call.far_ends or call.apart_since is not None:
        return call, ()
    return _stored(call, *capture.hear(call, at, call.far_ends, policy, fresh))


def interrupted(call: Call, at: datetime) -> Call:
    """Events may have been missed: say so on the time line. And so may answers: of what was being started, the PBX will
    tell whether it runs."""
    starting = (replace(r, doubtful=r.doubtful or r.state is RecordingState.STARTING) for r in call.recordings)
    call = replace(call, recordings=tuple(starting))
    return call if call.state is CallState.ENDED else _mark(call, MarkKind.GAP, at, "")


def _inside(exten: str) -> str:
    """The extension a call was sent to; a longer number is somebody's own and is not kept."""
    return exten if len(exten) <= LONGEST_EXTENSION else ""


def _mark(call: Call, kind: MarkKind, at: datetime, by: str, *, missed: bool = False) -> Call:
    mark = Mark(kind=kind, at=at, offset=call.clock_then(at) if missed else call.clock(at), by=by, missed=missed)
    if mark in call.marks:  # the same report twice
        return call
    return replace(call, marks=tuple(sorted((*call.marks, mark), key=lambda one: one.at)))


def _stored(before: Call, call: Call, commands: tuple[Command, ...]) -> Step:
    """A call goes to the database when it is answered, so that it is known; when one of its recordings reached its end;
    and when it is over."""
    answered = call.connected_at is not None and before.connected_at is None
    settled = {r.id for r in call.recordings if r.state in FINAL} != {
        r.id for r in before.recordings if r.state in FINAL
    }
    over = call.finished and (not before.finished or call.marks != before.marks)
    return call, (*commands, StoreCall(call_id=call.id)) if answered or settled or over else commands


def no_evidence(call: Call) -> Alarm:
    return Alarm(code=AlarmCode.NO_EVIDENCE, subject=str(call.id), because=call.evidence_problem)
