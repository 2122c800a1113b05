"""What is known of one call: a caller's channel from the announcement to the hangup. How it changes: domain/machine.py.

The call is keyed by the caller channel's Uniqueid; Linkedid changes in bridges.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.commands import Command
from ari_recorder.domain.events import ChannelEvent, Language, Party, Uniqueid
from ari_recorder.domain.evidence import Claim, Evidence, Sound, prove
from ari_recorder.domain.quarantine import USUAL_DAYS, Quarantine
from ari_recorder.domain.recordings import FINAL, EndReason, Recording

ZERO = timedelta()


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
    """`offset` is the call's bridged time at that moment; a recording's offset is this less its clock_at_start.

    `missed`: nobody heard it then. It is told afterwards, and nothing was done about it at that moment.
    """

    kind: MarkKind
    at: datetime
    offset: timedelta
    by: str = ""  # interface of the agent, or the extension transferred to
    missed: bool = False


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
    """What the site decided. `outside`: beginnings of channel names that belong to others (trunks). `quarantine_days`:
    so long is kept what cannot be a recording (domain/quarantine.py)."""

    queues: frozenset[str]
    sounds: Mapping[Language, Sound]
    outside: tuple[str, ...] = ()
    may_start: bool = True  # False: the AMI user has no right to start MixMonitor, the dialplan does it
    resume_guard: timedelta = timedelta(seconds=0.5)
    quarantine_days: int = USUAL_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class FarEnds(ChannelEvent):
    """Who the caller hears now: the caller's bridge, and the channels at its far ends (Local chains looked through).

    `ours`: a member is among them, however it is reached. `behind`: who was seen behind a member's Local channel.
    """

    bridge: str
    channels: frozenset[str]
    ours: bool = False
    behind: frozenset[Uniqueid] = frozenset()


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
    behind: frozenset[Uniqueid] = frozenset()  # who stands behind the members' Local channels: ours too
    held: bool = False  # the agent holds the caller, perhaps to consult somebody
    paused: bool = False
    resume_at: datetime | None = None
    bridged_since: datetime | None = None
    bridged_before: timedelta = ZERO
    # The clock when the call came to where nothing is recorded: the last of ours had left, or a queue that is not ours.
    apart_since: timedelta | None = None
    apart_before: timedelta = ZERO
    quarantine: Quarantine | None = None  # it is no call, but audio that nobody can account for

    @property
    def finished(self) -> bool:
        """Nothing more can happen to it here: it ended and every recording came to its end."""
        return self.state is CallState.ENDED and all(r.state in FINAL for r in self.recordings)

    @property
    def unanswered(self) -> bool:
        """As far as is known. Should it be over, queue_log tells the rest, with what the dialplan recorded of it."""
        return self.connected_at is None and self.state is not CallState.ENDED

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

    def clock_then(self, at: datetime) -> timedelta:
        """The clock at a moment of the past that is told of only now: the caller is taken to have been in the bridge
        since. Negative where our clock began too late (`connected_unseen`)."""
        if self.bridged_since is not None:
            return self.bridged_before + (at - self.bridged_since)
        if self.ended_at is not None:
            return self.bridged_before + min(at - self.ended_at, ZERO)
        if self.connected_unseen and self.connected_at is not None:
            return self.bridged_before + min(at - self.connected_at, ZERO)
        return self.bridged_before


Step = tuple[Call, tuple[Command, ...]]


def with_claim(call: Call, claim: Claim, policy: Policy) -> Call:
    """The call with the proof of its announcement, or with the reason why there is none."""
    proved = prove(claim, dict(policy.sounds))
    if isinstance(proved, str):
        return replace(call, number=claim.number, evidence_problem=proved)
    return replace(call, number=claim.number, evidence=proved, evidence_problem="")


def interface_of(channel: str) -> str:
    """`PJSIP/1001-0000002a` as `PJSIP/1001`: the device without the number of the call."""
    return channel.rpartition("-")[0] or channel
