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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain import capture
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
    ChannelEvent,
    ChannelRow,
    Code,
    CodePressed,
    Event,
    Hangup,
    Hold,
    Language,
    Party,
    QueueCallerAbandon,
    QueueCallerJoin,
    QueueCallerLeave,
    RecordingEvent,
    Unhold,
    Uniqueid,
)
from ari_recorder.domain.evidence import Claim, Evidence, Sound, prove
from ari_recorder.domain.recordings import FINAL, EndReason, Recording

ZERO = timedelta()
# Inside numbers have up to five digits at any site we know; the shortest public ones of Finland have six.
LONGEST_EXTENSION = 5


class CallState(StrEnum):
    ANNOUNCING = "announcing"
    WAITING = "waiting"
    TALKING = "talking"
    ENDED = "ended"


class MarkKind(StrEnum):
    """What is shown on the recording's time line."""

    THREAT = "threat"
    PAUSE = "pause"
    RESUME = "resume"
    REFUSE = "refuse"
    BLIND_TRANSFER = "blind-transfer"
    ATTENDED_TRANSFER = "attended-transfer"
    HOLD = "hold"
    UNHOLD = "unhold"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """`offset` is the call's bridged time at that moment; a recording's offset is this less its clock_at_start."""

    kind: MarkKind
    at: datetime
    offset: timedelta
    by: str = ""  # interface of the agent, or the extension transferred to


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One agent's part in the call."""

    uniqueid: Uniqueid
    queue: str
    interface: str
    name: str
    connected_at: datetime
    hold_time: timedelta
    ring_time: timedelta
    talk_time: timedelta | None = None
    end_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the site decided. `outside`: beginnings of channel names that belong to others (trunks)."""

    queues: frozenset[str]
    sounds: Mapping[Language, Sound]
    outside: tuple[str, ...] = ()
    resume_guard: timedelta = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarEnds(ChannelEvent):
    """Who the caller hears now: the caller's bridge, and the channels at its far ends (Local chains looked through)."""

    bridge: str
    channels: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    id: UUID
    system_name: str
    uniqueid: Uniqueid
    linkedid: str
    channel: str
    first_seen_at: datetime
    state: CallState = CallState.ANNOUNCING
    number: str = ""
    queue: str = ""
    caller: Party | None = None
    evidence: Evidence | None = None
    evidence_problem: str = "no announcement was reported"
    joined_at: datetime | None = None
    connected_at: datetime | None = None
    connected_unseen: bool = False  # the answer was concluded from a snapshot: our clock began too late
    abandoned: bool = False
    left_queue: bool = False
    refused_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    members: tuple[Member, ...] = ()
    marks: tuple[Mark, ...] = ()
    recordings: tuple[Recording, ...] = ()
    bridge: str = ""
    far_ends: frozenset[str] = frozenset()
    bridged_since: datetime | None = None
    bridged_before: timedelta = ZERO
    # The clock when the call came to where nothing is recorded: the last of ours had left, or a queue that is not ours.
    apart_since: timedelta | None = None
    apart_before: timedelta = ZERO

    @property
    def finished(self) -> bool:
        """Nothing more can happen to it here: it ended and every recording came to its end."""
        return self.state is CallState.ENDED and all(r.state in FINAL for r in self.recordings)

    @property
    def flagged(self) -> bool:
        return any(mark.kind is MarkKind.THREAT for mark in self.marks)

    @property
    def talk_time(self) -> timedelta:
        """Bridged time that was to be recorded, of a call that has ended."""
        apart = self.bridged_before - self.apart_since if self.apart_since is not None else ZERO
        return self.bridged_before - self.apart_before - apart

    def clock(self, at: datetime) -> timedelta:
        """Bridged time until `at`: what MixMonitor with option b has written by then."""
        running = at - self.bridged_since if self.bridged_since is not None else ZERO
        return self.bridged_before + max(running, ZERO)


Step = tuple[Call, tuple[Command, ...]]


def step(call: Call, event: Event, policy: Policy, fresh: UUID) -> Step:
    """The call after `event`, and what to do. `fresh` becomes the id of a recording, should one begin."""
    if isinstance(event, RecordingEvent):
        return _stored(call, *capture.answered(call, event, policy, fresh))
    if call.state is CallState.ENDED:
        return call, ()
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
            return _mark(call, MarkKind.BLIND_TRANSFER, event.at, _inside(event.exten)), ()
        case AttendedTransfer():
            return _mark(call, MarkKind.ATTENDED_TRANSFER, event.at, ""), ()
        case Hold():
            return _mark(call, MarkKind.HOLD, event.at, interface_of(event.channel)), ()
        case Unhold():
            return _mark(call, MarkKind.UNHOLD, event.at, interface_of(event.channel)), ()
        case ChannelRow():
            return _seen(call, event, policy, fresh)
        case Hangup():
            return _end(call, event.at, EndReason.HANGUP)
        case _:
            return call, ()


def _announced(call: Call, event: Announced, policy: Policy, fresh: UUID) -> Step:
    if call.evidence is not None:
        return call, ()
    claim = Claim(number=event.number, languages=event.languages, started=event.started, done=event.done)
    proved = prove(claim, dict(policy.sounds))
    if isinstance(proved, str):
        return replace(call, number=event.number, evidence_problem=proved), ()
    call = replace(call, number=event.number, evidence=proved, evidence_problem="")
    # The report may come late, after the agent answered: what is still to come is recorded.
    if call.state is CallState.TALKING:
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
        return capture.stop(_apart(call, event.at), event.at, EndReason.QUEUE_NOT_RECORDED)
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
    call = replace(
        call,
        bridge=event.bridge,
        far_ends=event.channels,
        bridged_before=before,
        bridged_since=event.at if event.bridge else None,
    )
    if call.state is not CallState.TALKING or not event.channels:
        return call, ()
    if all(name.startswith(policy.outside) for name in event.channels) and policy.outside:
        return capture.stop(_apart(call, event.at), event.at, EndReason.LEFT_ORGANISATION)
    if call.apart_since is not None and call.queue in policy.queues:  # one of ours is back: a new segment
        return capture.begin(_together(call, event.at), event.at, policy, fresh, late=False)
    return call, ()


def _apart(call: Call, at: datetime) -> Call:
    return call if call.apart_since is not None else replace(call, apart_since=call.clock(at))


def _together(call: Call, at: datetime) -> Call:
    if call.apart_since is None:
        return call
    return replace(call, apart_since=None, apart_before=call.apart_before + call.clock(at) - call.apart_since)


def _code(call: Call, event: CodePressed, policy: Policy) -> Step:
    call = _mark(call, MarkKind(event.code.value), event.at, interface_of(event.channel))
    match event.code:
        case Code.THREAT:
            return call, ()
        case Code.PAUSE:
            return capture.mute(call)
        case Code.RESUME:
            return capture.unmute_later(call, event.at, policy.resume_guard)
        case Code.REFUSE:
            return capture.destroy(replace(call, refused_at=call.refused_at or event.at), event.at, EndReason.REFUSED)


def _seen(call: Call, event: ChannelRow, policy: Policy, fresh: UUID) -> Step:
    """The channel as the PBX shows it after a reconnect: what may not have happened is ordered again."""
    call = replace(call, channel=event.channel, linkedid=event.linkedid, queue=call.queue or event.queue)
    call, adopted = capture.adopt_row(call, event, policy, fresh)
    return call, (*adopted, *capture.resume(call, event.at))


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
    return capture.stop(call, at, because)


def interrupted(call: Call, at: datetime) -> Call:
    """Events may have been missed: say so on the time line."""
    return call if call.state is CallState.ENDED else _mark(call, MarkKind.GAP, at, "")


def _inside(exten: str) -> str:
    """The extension a call was sent to; a longer number is somebody's own and is not kept."""
    return exten if len(exten) <= LONGEST_EXTENSION else ""


def _mark(call: Call, kind: MarkKind, at: datetime, by: str) -> Call:
    mark = Mark(kind=kind, at=at, offset=call.clock(at), by=by)
    # The same report twice is one mark.
    return call if mark in call.marks else replace(call, marks=(*call.marks, mark))


def _stored(before: Call, call: Call, commands: tuple[Command, ...]) -> Step:
    """A call goes to the database when it is answered, so that it is known; when one of its recordings reached its end;
    and when it is over."""
    answered = call.connected_at is not None and before.connected_at is None
    settled = {r.id for r in call.recordings if r.state in FINAL} != {
        r.id for r in before.recordings if r.state in FINAL
    }
    over = call.finished and not before.finished
    return call, (*commands, StoreCall(call_id=call.id)) if answered or settled or over else commands


def interface_of(channel: str) -> str:
    """`PJSIP/1001-0000002a` as `PJSIP/1001`: the device without the number of the call."""
    return channel.rpartition("-")[0] or channel


def no_evidence(call: Call) -> Alarm:
    return Alarm(code=AlarmCode.NO_EVIDENCE, subject=str(call.id), because=call.evidence_problem)
