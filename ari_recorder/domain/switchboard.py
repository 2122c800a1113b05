"""All calls of one PBX: which call an event concerns, and what a snapshot of the PBX changes.

Pure: no clock, no I/O; ids are made by the function given. One call's own decisions are domain/machine.py's; who is
connected with whom, domain/bridges.py's.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from ari_recorder.domain import capture
from ari_recorder.domain.bridges import Bridges
from ari_recorder.domain.calls import Call, CallState, FarEnds, Policy, with_claim
from ari_recorder.domain.commands import Alarm, AlarmCode, Command
from ari_recorder.domain.events import (
    AgentConnect,
    Announced,
    AnnouncementFailed,
    Announcing,
    Armed,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    BridgeLeave,
    CallRetold,
    ChannelEvent,
    ChannelRow,
    CheckDue,
    CodePressed,
    Event,
    Forged,
    Gap,
    Hangup,
    Hold,
    QueueCallerJoin,
    RecordingEvent,
    ResyncBegan,
    ResyncDone,
    Unhold,
    Uniqueid,
)
from ari_recorder.domain.evidence import read_evidence
from ari_recorder.domain.machine import end, interrupted, resynced, step
from ari_recorder.domain.quarantine import Orphaned, uniqueid_of
from ari_recorder.domain.recordings import EndReason, RecordingState
from ari_recorder.domain.snapshot import Snapshot, kept_codes, missed_connect

# Ids of calls are derived, so that the same call has the same id after a restart. The namespace is ours alone.
CALL_NAMESPACE = UUID("5f4be9a5-6c5c-5f2b-9e7c-3a1d2f0b8c11")

# Late news of a call that is over must not bring it back. A Uniqueid holds its second, so the newest suffice.
REMEMBERED_ENDS = 10_000

_BEGINS_A_CALL = (Announcing, Announced, AnnouncementFailed, Armed, QueueCallerJoin, AgentConnect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an event did: the call as it is now (None: it concerns no call) and what is to be done."""

    call: Call | None
    commands: tuple[Command, ...]


class Switchboard:
    """Feed it every event in order; carry out the commands of each change in order."""

    def __init__(self, *, policy: Policy, secret: str, system_name: str, new_id: Callable[[], UUID]) -> None:
        self.policy = policy
        self.system_name = system_name
        self._secret = secret
        self._new_id = new_id
        self._calls: dict[Uniqueid, Call] = {}
        self._by_recording: dict[UUID, Uniqueid] = {}
        self._over: dict[Uniqueid, None] = {}
        self._bridges = Bridges()
        self._snapshot: Snapshot | None = None  # while the PBX is telling what it has
        self._unsure = False  # who lives is not known until the PBX has told
        self._checks: list[CheckDue] = []  # what is to be looked at then
        self._handlers: dict[type, Callable[..., Iterator[Change]]] = {
            BridgeEnter: self._entered,
            BridgeLeave: self._left,
            Hangup: self._hung_up,
            CodePressed: self._code,
            Hold: self._at_far_end,
            Unhold: self._at_far_end,
            BlindTransfer: self._blind_transfer,
            AttendedTransfer: self._attended_transfer,
            Gap: self._gap,
            ResyncBegan: self._resync_began,
            ChannelRow: self._row,
            ResyncDone: self._resync_done,
            CallRetold: self._retold,
            Orphaned: self._orphaned,
            Forged: self._forged,
        }

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(self._calls.values())

    def is_over(self, uniqueid: Uniqueid) -> bool:
        """It was here, and is finished and stored."""
        return uniqueid in self._over

    def load(self, call: Call, at: datetime) -> Change:
        """A call from the journal, and what was ordered for it and may not have happened."""
        self._unsure = True
        call = interrupted(call, at)
        self._keep(call)
        return Change(call=call, commands=capture.resume(call, at, restarted=True))

    def forget(self, uniqueid: Uniqueid, *, stored: bool = True) -> None:
        """The call is finished and stored, or there is nothing of it to be stored. Of that one the dialplan's net may
        know more: it is not over for good."""
        call = self._calls.pop(uniqueid, None)
        if call is None:
            return
        for recording in call.recordings:
            self._by_recording.pop(recording.id, None)
        if not stored:
            return
        self._over[uniqueid] = None
        while len(self._over) > REMEMBERED_ENDS:
            del self._over[next(iter(self._over))]

    def feed(self, event: Event) -> list[Change]:
        """What changes. An event that concerns nothing here gives an empty list."""
        return list(self._feed(event))

    def _feed(self, event: Event) -> Iterator[Change]:
        handler = self._handlers.get(type(event))
        if handler is not None:
            yield from handler(event)
        elif isinstance(event, CheckDue) and self._unsure:
            self._checks.append(event)
        elif isinstance(event, RecordingEvent):
            uniqueid = self._by_recording.get(event.recording_id)
            if uniqueid is not None:
                yield from self._step(uniqueid, event)
        elif isinstance(event, ChannelEvent):
            if self._waits_for_its_row(event):
                return
            if isinstance(event, _BEGINS_A_CALL):
                self._begin(event)
            yield from self._step(event.uniqueid, event)

    def _waits_for_its_row(self, event: ChannelEvent) -> bool:
        """An answer while the PBX tells what it has: the proof of the announcement may be in a row still to come."""
        if self._snapshot is None or not isinstance(event, AgentConnect | Armed):
            return False
        call = self._calls.get(event.uniqueid)
        waits = call is None or call.evidence is None
        if waits:
            self._snapshot.unproved.append(event)
        return waits

    # --- one call

    def _begin(self, event: ChannelEvent) -> None:
        if event.uniqueid in self._calls or event.uniqueid in self._over:
            return
        if self._snapshot is not None:
            self._snapshot.seen.add(event.uniqueid)
        self._keep(
            Call(
                id=self._call_id(event.uniqueid),
                system_name=self.system_name,
                uniqueid=event.uniqueid,
                linkedid=event.linkedid,
                channel=event.channel,
                first_seen_at=event.at,
            )
        )

    def _call_id(self, uniqueid: Uniqueid) -> UUID:
        return uuid5(CALL_NAMESPACE, f"{self.system_name}\x00{uniqueid}")

    def _step(self, uniqueid: Uniqueid, event: Event) -> Iterator[Change]:
        call = self._calls.get(uniqueid)
        if call is None:
            return
        after, commands = step(call, event, self.policy, self._new_id())
        yield from self._changed(call, after, commands)

    def _changed(self, before: Call, after: Call, commands: tuple[Command, ...]) -> Iterator[Change]:
        if after is before and not commands:
            return
        self._keep(after)
        yield Change(call=after, commands=commands)

    def _keep(self, call: Call) -> None:
        self._calls[call.uniqueid] = call
        for recording in call.recordings:
            self._by_recording[recording.id] = call.uniqueid

    # --- bridges

    def _entered(self, event: BridgeEnter) -> Iterator[Change]:
        before = self._callers_near(event.uniqueid)
        self._bridges.enter(event.uniqueid, event.channel, event.bridge)
        yield from self._far_ends_changed(event.at, before | self._callers_near(event.uniqueid))

    def _left(self, event: BridgeLeave) -> Iterator[Change]:
        if self._bridges.of(event.uniqueid) == event.bridge:
            before = self._callers_near(event.uniqueid)
            self._bridges.remove(event.uniqueid)
            yield from self._far_ends_changed(event.at, before)

    def _hung_up(self, event: Hangup) -> Iterator[Change]:
        before = self._callers_near(event.uniqueid)
        self._bridges.remove(event.uniqueid)
        if event.uniqueid in self._calls and not self._ends_untold(event):
            yield from self._step(event.uniqueid, event)
        yield from self._far_ends_changed(event.at, before)

    def _ends_untold(self, event: Hangup) -> bool:
        """A caller from before the gap hangs up while the PBX tells what it has, and no row showed the channel: what
        was done until then is told yet (`CallRetold`), and to a call that is over it would be too late."""
        if self._snapshot is None or event.uniqueid in self._snapshot.seen:
            return False
        self._snapshot.ended.append(event)
        return True

    def _callers_near(self, uniqueid: Uniqueid) -> set[Uniqueid]:
        """This channel and those it is connected with, as far as they are callers."""
        return {near for near in (uniqueid, *self._bridges.reach(uniqueid)) if near in self._calls}

    def _far_ends_changed(self, at: datetime, callers: Iterable[Uniqueid]) -> Iterator[Change]:
        """Tell each call whose surroundings are not what they were. Half a snapshot would mislead: wait for its end."""
        if self._snapshot is not None:
            return
        for uniqueid in sorted(callers):
            call = self._calls[uniqueid]
            members = {member.uniqueid for member in call.members}
            around = self._bridges.surroundings(uniqueid, members)
            now = FarEnds(
                at=at,
                uniqueid=uniqueid,
                linkedid=call.linkedid,
                channel=call.channel,
                bridge=self._bridges.of(uniqueid),
                channels=around.names,
                ours=bool(around.uniqueids & (members | call.behind)),
                behind=around.behind,
            )
            if (now.bridge, now.channels) != (call.bridge, call.far_ends) or not now.behind <= call.behind:
                yield from self._step(uniqueid, now)

    # --- what agents do

    def _calls_reached_from(self, uniqueid: Uniqueid) -> list[Call]:
        """The living calls whose caller this channel talks to; or that to which app_queue connected it, though the
        caller hung up in this very moment."""
        reached = self._bridges.reach(uniqueid)
        found = [c for c in self.calls if c.uniqueid in reached and c.state is not CallState.ENDED]
        if found:
            return found
        here = (CallState.TALKING, CallState.ENDED)
        return [c for c in self.calls if c.state in here and c.members and c.members[-1].uniqueid == uniqueid]

    def _code(self, event: CodePressed) -> Iterator[Change]:
        """A code kept by the PBX names its caller, or comes from the agent's channel like one that is heard."""
        if self._snapshot is not None:  # who is connected with whom is known at its end
            self._snapshot.codes.append(event)
        elif event.caller:
            yield from self._step(event.caller, event)
        else:
            yield from self._at_far_end(event)

    def _at_far_end(self, event: ChannelEvent) -> Iterator[Change]:
        """Codes and hold come from the agent's channel; the same from a caller's own channel means nothing."""
        if event.uniqueid in self._calls:
            return
        for call in self._calls_reached_from(event.uniqueid):
            yield from self._step(call.uniqueid, event)

    def _blind_transfer(self, event: BlindTransfer) -> Iterator[Change]:
        yield from self._step(event.transferee_uniqueid, event)

    def _attended_transfer(self, event: AttendedTransfer) -> Iterator[Change]:
        bridges = {event.bridge, event.second_bridge} - {""}
        for call in self.calls:
            if call.bridge and (call.bridge in bridges or self._bridges.of(call.uniqueid) in bridges):
                yield from self._step(call.uniqueid, event)

    # --- after a reconnect

    def _gap(self, event: Gap) -> Iterator[Change]:
        self._unsure = True
        for call in self.calls:
            yield from self._changed(call, interrupted(call, event.at), ())
        alarm = Alarm(code=AlarmCode.COVERAGE_UNKNOWN, subject=self.system_name, because=event.because)
        yield Change(call=None, commands=(alarm,))

    def _resync_began(self, event: ResyncBegan) -> Iterator[Change]:
        """Rows follow. A channel older than the PBX is gone whatever the rows say: Uniqueids begin anew with it."""
        self._snapshot = Snapshot(ended=self._snapshot.ended if self._snapshot is not None else [])
        self._bridges.clear()
        for call in self.calls:
            if call.first_seen_at < event.pbx_started:
                yield from self._changed(call, *end(call, event.at, EndReason.ENDED_UNSEEN))

    def _row(self, event: ChannelRow) -> Iterator[Change]:
        snapshot = self._snapshot or Snapshot()
        snapshot.seen.add(event.uniqueid)
        snapshot.codes += kept_codes(self._secret, event)
        if event.bridge:
            self._bridges.enter(event.uniqueid, event.channel, event.bridge)
        claim = read_evidence(self._secret, event.uniqueid, event.evidence) if event.evidence else None
        if event.uniqueid not in self._calls and (event.application == "Queue" or claim is not None):
            self._begin(event)
        call = self._calls.get(event.uniqueid)
        if call is None:
            return
        if call.evidence is None and claim is not None:
            call = with_claim(call, claim, self.policy)
        self._keep(replace(call, caller=call.caller or event.caller))
        if event.application == "Queue":
            snapshot.in_queue.append(event)
        yield from self._step(event.uniqueid, event)

    def _resync_done(self, event: ResyncDone) -> Iterator[Change]:
        """First what happened meanwhile, in its order; then who is gone; then what is now."""
        snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            return
        for told in snapshot.unproved:
            # The clock begins now, as for an answer that nobody heard of.
            yield from self._feed(replace(told, missed=True) if isinstance(told, AgentConnect) else told)
        for row in snapshot.in_queue:
            yield from self._missed_connect(row, event.at)
        for retold in snapshot.retold:
            yield from self._retold(retold)
        for code in sorted(snapshot.codes, key=lambda code: code.pressed):
            yield from self._code(code)
        for hangup in snapshot.ended:
            yield from self._step(hangup.uniqueid, hangup)
        if event.complete:
            for call in self.calls:
                if call.uniqueid not in snapshot.seen:
                    yield from self._changed(call, *end(call, event.at, EndReason.ENDED_UNSEEN))
        # Of a call whose row could not be read nothing is known but what was known before.
        yield from self._far_ends_changed(event.at, [c for c in self._calls if event.complete or c in snapshot.seen])
        self._unsure = False
        checks, self._checks = self._checks, []
        for check in checks:
            yield from self._feed(check)
        for call in self.calls:
            yield from self._changed(call, *resynced(call, event.at, self.policy, self._new_id()))

    def _missed_connect(self, row: ChannelRow, at: datetime) -> Iterator[Change]:
        """The caller is in Queue() and in a bridge: who is there is the member that answered. Of one that was answered
        before only after a gap, and from inside: a member may have sent the caller on, and it is in Queue() still."""
        call, others = self._calls.get(row.uniqueid), self._bridges.beside(row.uniqueid)
        if call is None or not others or {m.uniqueid for m in call.members} & others.keys():
            return
        is_outside = all(channel.startswith(self.policy.outside) for channel in others.values())
        if call.state is CallState.TALKING and (is_outside or not self._unsure):
            return
        yield from self._step(row.uniqueid, missed_connect(row, call.queue, next(iter(others.items())), at))

    def _retold(self, event: CallRetold) -> Iterator[Change]:
        """A call the dialplan's net recorded while nobody listened. Its caller's channel is gone."""
        if self._snapshot is not None:
            self._snapshot.retold.append(event)
            return
        if event.uniqueid in self._over:
            return  # stored since this was asked: with the next look its files are known to be orphans
        known = self._calls.get(event.uniqueid)
        if known is not None and known.state is CallState.ENDED and known.evidence is None:
            return  # nothing can be told to it any more; when it is forgotten, all of it is told as another call
        # What ours has recorded is better known than what a log tells: only the net's files are still to be dealt with.
        # Of a call that was not answered yet when it was last seen, only the log can tell the rest.
        unheard = known is not None and known.connected_at is None
        whole = known is None or unheard or not any(r.state is not RecordingState.FAILED for r in known.recordings)
        for told in event.events:
            if whole or isinstance(told, Armed):
                yield from self._feed(told)
        for told in event.events:
            if isinstance(told, BridgeEnter):
                self._bridges.remove(told.uniqueid)
        call = self._calls[event.uniqueid]
        yield from self._changed(call, *end(call, event.at, EndReason.ENDED_UNSEEN))

    def _orphaned(self, event: Orphaned) -> Iterator[Change]:
        """Once for the same files, and never for files of a call that is here."""
        uniqueid = uniqueid_of(event)
        theirs = event.uniqueid in self._calls or any(event.base == r.base for c in self.calls for r in c.recordings)
        if theirs or uniqueid in self._over:
            return
        call, commands = capture.quarantine(event, self.system_name, self._call_id(uniqueid), self.policy)
        self._keep(call)
        yield Change(call=call, commands=commands)

    def _forged(self, event: Forged) -> Iterator[Change]:
        because = f"{event.name}: {event.because}"
        alarm = Alarm(code=AlarmCode.FORGED_REPORT, subject=event.uniqueid, because=because)
        yield Change(call=None, commands=(alarm,))
