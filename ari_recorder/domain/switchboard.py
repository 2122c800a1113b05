"""All calls of one PBX: which call an event concerns, who is in which bridge, and what a snapshot of the PBX changes.

Pure: no clock, no I/O; ids are made by the function given. One call's own decisions are domain/machine.py's.

A bridge joins channels; a Local channel is two halves, `Local/x@y-1;1` and `;2`, in two bridges. The far ends of a
caller are found by walking bridges and Local pairs. The member's own Local half that app_queue connected is ours by
definition, however its far side is reached (a mobile phone through a trunk).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from ari_recorder.domain import capture
from ari_recorder.domain.calls import Call, CallState, FarEnds, Policy, interface_of
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
    ChannelEvent,
    ChannelRow,
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
from ari_recorder.domain.evidence import prove, read_evidence
from ari_recorder.domain.machine import end, interrupted, resynced, step
from ari_recorder.domain.recordings import EndReason

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
        self._bridges: dict[str, dict[Uniqueid, str]] = {}
        self._where: dict[Uniqueid, str] = {}
        self._halves: dict[str, Uniqueid] = {}
        # While a snapshot comes in: the channels seen so far, and the callers it shows in Queue().
        self._seen: set[Uniqueid] | None = None
        self._in_queue: list[ChannelRow] = []
        self._handlers: dict[type, Callable[..., Iterator[Change]]] = {
            BridgeEnter: self._entered,
            BridgeLeave: self._left,
            Hangup: self._hung_up,
            CodePressed: self._at_far_end,
            Hold: self._at_far_end,
            Unhold: self._at_far_end,
            BlindTransfer: self._blind_transfer,
            AttendedTransfer: self._attended_transfer,
            Gap: self._gap,
            ResyncBegan: self._resync_began,
            ChannelRow: self._row,
            ResyncDone: self._resync_done,
            Forged: self._forged,
        }

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(self._calls.values())

    def load(self, call: Call, at: datetime) -> Change:
        """A call from the journal, and what was ordered for it and may not have happened."""
        call = interrupted(call, at)
        self._keep(call)
        return Change(call=call, commands=capture.resume(call, at, restarted=True))

    def gone(self, uniqueid: Uniqueid, at: datetime) -> list[Change]:
        """A call that is known to have ended while nobody listened."""
        call = self._calls.get(uniqueid)
        return list(self._changed(call, *end(call, at, EndReason.ENDED_UNSEEN))) if call is not None else []

    def forget(self, uniqueid: Uniqueid) -> None:
        """The call is finished and stored."""
        call = self._calls.pop(uniqueid, None)
        if call is None:
            return
        for recording in call.recordings:
            self._by_recording.pop(recording.id, None)
        self._over[uniqueid] = None
        while len(self._over) > REMEMBERED_ENDS:
            del self._over[next(iter(self._over))]

    def feed(self, event: Event) -> list[Change]:
        """What changes. An event that concerns nothing here gives an empty list."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            return list(handler(event))
        if isinstance(event, RecordingEvent):
            uniqueid = self._by_recording.get(event.recording_id)
            return list(self._step(uniqueid, event)) if uniqueid is not None else []
        if isinstance(event, ChannelEvent):
            if isinstance(event, _BEGINS_A_CALL):
                self._begin(event)
            return list(self._step(event.uniqueid, event))
        return []

    # --- one call

    def _begin(self, event: ChannelEvent) -> None:
        if event.uniqueid in self._calls or event.uniqueid in self._over:
            return
        if self._seen is not None:
            self._seen.add(event.uniqueid)
        self._keep(
            Call(
                id=uuid5(CALL_NAMESPACE, f"{self.system_name}\x00{event.uniqueid}"),
                system_name=self.system_name,
                uniqueid=event.uniqueid,
                linkedid=event.linkedid,
                channel=event.channel,
                first_seen_at=event.at,
            )
        )

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
        self._remove(event.uniqueid)
        self._bridges.setdefault(event.bridge, {})[event.uniqueid] = event.channel
        self._where[event.uniqueid] = event.bridge
        if event.channel.startswith("Local/"):
            self._halves[event.channel] = event.uniqueid
        yield from self._far_ends_changed(event.at, before | self._callers_near(event.uniqueid))

    def _left(self, event: BridgeLeave) -> Iterator[Change]:
        if self._where.get(event.uniqueid) == event.bridge:
            before = self._callers_near(event.uniqueid)
            self._remove(event.uniqueid)
            yield from self._far_ends_changed(event.at, before)

    def _remove(self, uniqueid: Uniqueid) -> None:
        bridge = self._where.pop(uniqueid, None)
        if bridge is None:
            return
        members = self._bridges[bridge]
        self._halves.pop(members.pop(uniqueid, ""), None)
        if not members:
            del self._bridges[bridge]

    def _callers_near(self, uniqueid: Uniqueid) -> set[Uniqueid]:
        """This channel and those it is connected with, as far as they are callers."""
        near = {reached for reached, _, _ in self._reach(uniqueid, stop_at=set())} | {uniqueid}
        return near & self._calls.keys()

    def _far_ends_changed(self, at: datetime, callers: Iterable[Uniqueid]) -> Iterator[Change]:
        """Tell each call whose surroundings are not what they were. Half a snapshot would mislead: wait for its end."""
        if self._seen is not None:
            return
        for uniqueid in sorted(callers):
            call = self._calls[uniqueid]
            now = FarEnds(
                at=at,
                uniqueid=uniqueid,
                linkedid=call.linkedid,
                channel=call.channel,
                bridge=self._where.get(uniqueid, ""),
                **self._surroundings(call),
            )
            if (now.bridge, now.channels) != (call.bridge, call.far_ends) or not now.behind <= call.behind:
                yield from self._step(uniqueid, now)

    def _surroundings(self, call: Call) -> dict[str, Any]:
        """Who is at the far ends, whether one of ours is among them, and who stands behind a member's Local channel.

        A Local channel that is optimised away puts who stood behind it into the caller's bridge.
        """
        members = {member.uniqueid for member in call.members}
        reached = [
            (uniqueid, name)
            for uniqueid, name, passed in self._reach(call.uniqueid, stop_at=members)
            if uniqueid != call.uniqueid and not passed
        ]
        behind = {
            other
            for uniqueid, name in reached
            if uniqueid in members and (twin := self._halves.get(_other_half(name))) is not None
            for other, _, _ in self._reach(twin, stop_at={uniqueid})
            if other not in (uniqueid, twin, call.uniqueid)
        }
        return {
            "channels": frozenset(name for _, name in reached),
            "ours": any(uniqueid in members | call.behind for uniqueid, _ in reached),
            "behind": frozenset(behind),
        }

    def _reach(self, start: Uniqueid, stop_at: set[Uniqueid]) -> Iterator[tuple[Uniqueid, str, bool]]:
        """Channels reached through bridges and Local pairs; the bool tells a Local half that only led on."""
        visited: set[str] = set()
        waiting = [self._where.get(start, "")]
        while waiting:
            bridge = waiting.pop()
            if bridge in visited or bridge not in self._bridges:
                continue
            visited.add(bridge)
            for uniqueid, name in self._bridges[bridge].items():
                twin = self._halves.get(_other_half(name))
                passed = twin is not None and uniqueid not in stop_at
                if twin is not None and passed:
                    waiting.append(self._where.get(twin, ""))
                yield uniqueid, name, passed

    def _calls_reached_from(self, uniqueid: Uniqueid) -> list[Call]:
        """The living calls whose caller this channel talks to, or to which app_queue connected it."""
        reached = {u for u, _, _ in self._reach(uniqueid, stop_at=set())} - {uniqueid}
        found = [c for c in self.calls if c.uniqueid in reached and c.state is not CallState.ENDED]
        if found:
            return found
        return [
            c for c in self.calls if c.state is CallState.TALKING and c.members and c.members[-1].uniqueid == uniqueid
        ]

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
            if call.bridge and (call.bridge in bridges or self._where.get(call.uniqueid) in bridges):
                yield from self._step(call.uniqueid, event)

    def _hung_up(self, event: Hangup) -> Iterator[Change]:
        before = self._callers_near(event.uniqueid)
        self._remove(event.uniqueid)
        if event.uniqueid in self._calls:
            yield from self._step(event.uniqueid, event)
        yield from self._far_ends_changed(event.at, before)

    # --- after a reconnect

    def _gap(self, event: Gap) -> Iterator[Change]:
        for call in self.calls:
            yield from self._changed(call, interrupted(call, event.at), ())
        yield Change(
            call=None,
            commands=(Alarm(code=AlarmCode.COVERAGE_UNKNOWN, subject=self.system_name, because=event.because),),
        )

    def _resync_began(self, event: ResyncBegan) -> Iterator[Change]:
        """Rows follow. A channel older than the PBX is gone whatever the rows say: Uniqueids begin anew with it."""
        self._seen = set()
        self._in_queue = []
        self._bridges.clear()
        self._where.clear()
        self._halves.clear()
        for call in self.calls:
            if call.first_seen_at < event.pbx_started:
                yield from self._changed(call, *end(call, event.at, EndReason.ENDED_UNSEEN))

    def _row(self, event: ChannelRow) -> Iterator[Change]:
        if self._seen is not None:
            self._seen.add(event.uniqueid)
        if event.bridge:
            entered = BridgeEnter(
                at=event.at,
                uniqueid=event.uniqueid,
                linkedid=event.linkedid,
                channel=event.channel,
                bridge=event.bridge,
            )
            yield from self._entered(entered)
        claim = read_evidence(self._secret, event.uniqueid, event.evidence) if event.evidence else None
        if event.uniqueid not in self._calls and (event.application == "Queue" or claim is not None):
            self._begin(event)
        call = self._calls.get(event.uniqueid)
        if call is None:
            return
        if call.evidence is None and claim is not None:
            proved = prove(claim, dict(self.policy.sounds))
            if isinstance(proved, str):
                call = replace(call, number=claim.number, evidence_problem=proved)
            else:
                call = replace(call, number=claim.number, evidence=proved, evidence_problem="")
        self._keep(replace(call, caller=call.caller or event.caller))
        if event.application == "Queue":
            self._in_queue.append(event)
        yield from self._step(event.uniqueid, event)

    def _resync_done(self, event: ResyncDone) -> Iterator[Change]:
        seen, self._seen = self._seen, None
        if seen is None:
            return
        for call in self.calls:
            if call.uniqueid not in seen:
                yield from self._changed(call, *end(call, event.at, EndReason.ENDED_UNSEEN))
        for row in self._in_queue:
            yield from self._missed_connect(row, event.at)
        yield from self._far_ends_changed(event.at, tuple(self._calls))
        for call in self.calls:
            yield from self._changed(call, *resynced(call, event.at, self.policy, self._new_id()))

    def _missed_connect(self, row: ChannelRow, at: datetime) -> Iterator[Change]:
        """The caller is in Queue() and in a bridge: who is there with the caller is the member that answered."""
        call = self._calls.get(row.uniqueid)
        others = self._bridges.get(self._where.get(row.uniqueid, ""), {})
        if call is None or {m.uniqueid for m in call.members} & others.keys():
            return
        for uniqueid, channel in others.items():
            if uniqueid != row.uniqueid:
                connect = AgentConnect(
                    at=at,
                    uniqueid=row.uniqueid,
                    linkedid=row.linkedid,
                    channel=row.channel,
                    queue=call.queue,
                    member_uniqueid=uniqueid,
                    member_channel=channel,
                    interface=interface_of(channel),
                    member_name="",
                    hold_time=timedelta(),
                    ring_time=timedelta(),
                    missed=True,
                )
                yield from self._step(row.uniqueid, connect)
                return

    def _forged(self, event: Forged) -> Iterator[Change]:
        because = f"{event.name}: {event.because}"
        yield Change(
            call=None,
            commands=(Alarm(code=AlarmCode.FORGED_REPORT, subject=event.uniqueid, because=because),),
        )


def _other_half(channel: str) -> str:
    """The name of the other half of a Local channel, or "" for other channels."""
    if not channel.startswith("Local/") or channel[-2:] not in (";1", ";2"):
        return ""
    return channel[:-1] + ("2" if channel.endswith("1") else "1")
