"""What happened: the frozen events that the call machine reads. Nothing here decides anything.

Classes named after an AMI event carry its facts (asterisk/messages.py makes them). The others are ours: what the
dialplan reports in authenticated UserEvents, what a snapshot of the PBX shows, and what became of our own commands.
Times are aware UTC. `at` is the PBX's own timestamp where it sent one (manager.conf timestampevents), else the time
of receipt.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from uuid import UUID

Uniqueid = NewType("Uniqueid", str)


class Code(StrEnum):
    """What an agent can say with a key sequence (asterisk_conf/features)."""

    THREAT = "threat"
    PAUSE = "pause"
    RESUME = "resume"
    REFUSE = "refuse"


class Language(StrEnum):
    FI = "fi"
    SV = "sv"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who is at the other end, as the PBX knows it. Personal data: never in a log, sealed when stored."""

    num: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent(Event):
    """Something about one channel."""

    uniqueid: Uniqueid
    linkedid: str
    channel: str


# --- the dialplan's own reports (UserEvent; the token was checked by asterisk/messages.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcing(ChannelEvent):
    """The announcement begins."""

    number: str
    languages: tuple[Language, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced(ChannelEvent):
    """The announcement was played to its end in every language, says the dialplan."""

    number: str
    languages: tuple[Language, ...]
    started: datetime
    done: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementFailed(ChannelEvent):
    number: str
    languages: tuple[Language, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed(ChannelEvent):
    """The dialplan started MixMonitor itself: the service was away, or the site wants it so."""

    base: str
    mixmonitor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePressed(ChannelEvent):
    """An agent pressed a code; the channel is the agent's.

    `missed`: it was not heard when it was pressed; the PBX had kept it. `caller`: the call it was pressed in, where the
    PBX kept that, too; the agent's channel may be gone then.
    """

    code: Code
    pressed: datetime
    missed: bool = False
    caller: Uniqueid = Uniqueid("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged(Event):
    """A report of ours without the right token, or a message that cannot be what it says: told, and nothing else."""

    uniqueid: str
    name: str
    because: str


# --- app_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallerJoin(ChannelEvent):
    queue: str
    caller: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallerLeave(ChannelEvent):
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallerAbandon(ChannelEvent):
    queue: str
    hold_time: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConnect(ChannelEvent):
    """A member answered. Sent just before the bridge is made.

    `missed`: it was not heard but concluded from a snapshot of the PBX.
    """

    queue: str
    member_uniqueid: Uniqueid
    member_channel: str
    interface: str
    member_name: str
    hold_time: timedelta
    ring_time: timedelta
    missed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentComplete(ChannelEvent):
    """The member's part is over. reason: `caller`, `agent` or `transfer`; after a transfer the call goes on."""

    queue: str
    member_uniqueid: Uniqueid
    interface: str
    hold_time: timedelta
    talk_time: timedelta
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRingNoAnswer(ChannelEvent):
    queue: str
    interface: str


# --- channels and bridges


@dataclass(frozen=True, slots=True, kw_only=True)
class MixMonitorStart(ChannelEvent):
    """Proves nothing: it is sent even when the file could not be opened (app_mixmonitor.c)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixMonitorStop(ChannelEvent):
    """Sent on an explicit stop only, never on hangup (app_mixmonitor.c stop_mixmonitor_full)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixMonitorMute(ChannelEvent):
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeEnter(ChannelEvent):
    bridge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLeave(ChannelEvent):
    bridge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhold(ChannelEvent):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindTransfer(Event):
    transferer_uniqueid: Uniqueid
    transferee_uniqueid: Uniqueid
    exten: str
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendedTransfer(Event):
    """Two calls of the transferer become one. A bridge id is empty where that call was not in a bridge."""

    transferer_uniqueid: Uniqueid
    second_transferer_uniqueid: Uniqueid
    bridge: str
    second_bridge: str
    dest_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup(ChannelEvent):
    cause: int


# --- the state of the session and of the PBX


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Event):
    """Events may have been missed from here until ResyncDone."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncBegan(Event):
    """The PBX is being asked for its state; ChannelRow follow in wire order with live events."""

    pbx_started: datetime
    system_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow(ChannelEvent):
    """One channel as the PBX shows it now (AMI Status). Empty string: not set."""

    caller: Party
    application: str
    bridge: str
    queue: str  # the one Queue() is executed for, or else the channel variable ARI_RECORDER_QUEUE
    evidence: str
    armed: str
    mixmonitor_id: str
    codes: str = ""  # what this channel's agent pressed (ARI_RECORDER_CODES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncDone(Event):
    """All rows are in: a channel not among them is gone. Unless not `complete`: then a row could not be read."""

    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetold(Event):
    """A call nobody listened to, as files and queue_log tell it: its events in order. It was over at `at`."""

    uniqueid: Uniqueid
    events: tuple[ChannelEvent, ...]


# --- what became of our own commands


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEvent(Event):
    recording_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class MixMonitorAccepted(RecordingEvent):
    mixmonitor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MixMonitorRefused(RecordingEvent):
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesGrew(RecordingEvent):
    """Both files hold samples: the proof that the call is being recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesMissing(RecordingEvent):
    """The deadline passed and at least one file holds no sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesClosed(RecordingEvent):
    """Both files are closed for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeDue(RecordingEvent):
    """The guard after the agent's resume is over."""


class SoundTrouble(StrEnum):
    SILENT = "silent"
    BROKE_OFF = "broke-off"
    OVERDRIVEN = "overdriven"


# Half a second in all is a word that nobody will hear again.
_A_WORD = timedelta(seconds=0.5)
# A sample in a hundred at the end of the scale is heard as harshness; a loud laugh has fewer.
_HARSH = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What was heard on one side. Levels are fractions of full scale, 0..1.

    `clipped`: how much of it was at the end of the line's scale, 0..1. `broken_off`: what is missing in mid-sound, as
    when packets are lost. Earlier versions measured neither."""

    duration: timedelta
    peak: float
    rms: float
    has_audio: bool
    clipped: float = 0.0
    broken_off: timedelta = timedelta()

    @property
    def troubles(self) -> tuple["SoundTrouble", ...]:
        """What is to be known before anybody listens; silence makes the other two meaningless."""
        if not self.has_audio:
            return (SoundTrouble.SILENT,)
        found = []
        if self.broken_off >= _A_WORD:
            found.append(SoundTrouble.BROKE_OFF)
        if self.clipped >= _HARSH:
            found.append(SoundTrouble.OVERDRIVEN)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFacts:
    """Where a sealed recording is and what it holds. `path` is relative to the vault, `wrapped_key` is hex, wrapped to
    the key `key_name`. `truncated`: why something of it is missing. `queue`: that of the call when it was sealed; empty
    in the journal of a version that did not tell."""

    path: str
    key_name: str
    wrapped_key: str = field(repr=False)
    sha256: str
    sealed_bytes: int
    duration: timedelta
    caller: Side
    agent: Side
    truncated: str = ""
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed(RecordingEvent):
    """`cut_at`: its end is missing, and this is when the last of what is left of it was captured."""

    facts: SealedFacts
    cut_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealFailed(RecordingEvent):
    """`final`: the files are not there or hold nothing, trying again cannot help. Else it is being tried again."""

    because: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed(RecordingEvent):
    """Nothing of the recording is left: neither spool files nor sealed file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDue(RecordingEvent):
    """The moment after the files closed under a living call is over."""
