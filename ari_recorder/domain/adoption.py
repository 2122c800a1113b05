"""What queue_log tells of calls nobody listened to: codes pressed, and whole calls that the dialplan's net recorded.

    epoch|caller's uniqueid|queue|member|ENTERQUEUE|url|caller|position
    epoch|caller's uniqueid|queue|member|CONNECT|holdtime|member's uniqueid|ringtime
    epoch|caller's uniqueid|queue or ari-recorder|NONE|ARICODE|code|at|token|agent's uniqueid
    epoch|caller's uniqueid|queue|member|COMPLETECALLER, COMPLETEAGENT, BLINDTRANSFER, ATTENDEDTRANSFER|…

The first four are app_queue's, but ARICODE, which our dialplan writes; `at` is in epoch milliseconds, the rest in whole
seconds. The name of the spool files proves the announcement (domain/evidence.py). What comes out are events for the
same call machine as any call's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ari_recorder.domain.events import (
    AgentConnect,
    Announced,
    Armed,
    BridgeEnter,
    BridgeLeave,
    CallRetold,
    ChannelEvent,
    CodePressed,
    Party,
    QueueCallerAbandon,
    QueueCallerJoin,
    Uniqueid,
)
from ari_recorder.domain.evidence import Claim, read_logged_code

ZERO = timedelta()
SECOND = timedelta(seconds=1)
# CONNECT and COMPLETE are whole seconds, and are written just before and after the bridge.
LOG_TOLERANCE = 2 * SECOND
_EPOCH = re.compile(r"[0-9]{1,11}")

_OVER = frozenset({"COMPLETECALLER", "COMPLETEAGENT", "ABANDON", "EXITWITHTIMEOUT", "EXITWITHKEY", "EXITEMPTY"})
# After these the caller is in no bridge; after an attended transfer the caller is, with somebody else.
_APART = _OVER | {"BLINDTRANSFER", "ENTERQUEUE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetRecording:
    """Two files the dialplan armed: their base, its claim, how much they hold, and when they were last written."""

    base: str
    claim: Claim
    length: timedelta
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    at: datetime
    caller: Uniqueid
    queue: str
    member: str
    name: str
    data: tuple[str, ...]


def logged_codes(secret: str, lines: Iterable[str]) -> tuple[CodePressed, ...]:
    """The codes in these lines that our dialplan wrote, in the order of their pressing; each once.

    The event's channel is the agent's, whose name is not logged; its caller is the line's.
    """
    found = {code for line in lines if (read := _read(line)) is not None and (code := _code(secret, read)) is not None}
    return tuple(sorted(found, key=lambda code: code.pressed))


def retell(secret: str, uniqueid: Uniqueid, net: NetRecording, lines: Iterable[str]) -> CallRetold | None:
    """The call of a net recording, or None when queue_log, given as its lines, does not know it.

    What is from before the announcement is left out: MixMonitor was not armed yet. Members and whoever pressed a code
    are put into a bridge with the caller, for queue_log does not tell bridges.

    The caller's clock: it runs from CONNECT. A blind transfer takes the caller out of the bridge; an attended one does
    not, for the caller goes from one party to the next. When queue_log says no more after a blind transfer, MixMonitor,
    which writes only while the caller is in a bridge, knows how long the caller was in one again: what the files hold
    beyond the time known was said last, until they were closed. The transfers themselves are not told as events: the
    machine would begin a new segment, and the net's recording has but one.

    A call of one conversation is measured by its files, which are exact, where they fit the log. The call ends with its
    last line, when that is an end, or else when the files were last written; never now.
    """
    known = [read for line in lines if (read := _read(line)) is not None and read.caller == uniqueid]
    # A code that is not our dialplan's is no line at all: it must not even tell a time.
    heard = [
        read
        for read in known
        if read.at + SECOND > net.claim.done and (read.name != "ARICODE" or _code(secret, read) is not None)
    ]
    if not heard:
        return None
    times = _measure(heard, net)
    teller = _Teller(uniqueid=uniqueid, secret=secret, events=[], last=net.claim.done, inside=set())
    teller.announced(net)
    for n, (read, at) in enumerate(zip(heard, times.at, strict=True)):
        teller.tell(replace(read, at=at), bridged=times.bridged if n == times.first else at)
        if n == times.last and times.again is not None:
            teller.enter(uniqueid, times.again)
    return CallRetold(at=max(times.ended, teller.last), uniqueid=uniqueid, events=tuple(teller.events))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """When each line happened; when the caller of line `first` came into the bridge; when again after line `last`."""

    at: list[datetime]
    first: int
    bridged: datetime
    last: int
    again: datetime | None
    ended: datetime


def _measure(lines: list[_Line], net: NetRecording) -> _Times:
    at = [line.at for line in lines]
    talks = _talks(lines)
    # A code says nothing of how a call ends.
    last = max((n for n, line in enumerate(lines) if line.name != "ARICODE"), default=0)
    final = lines[last].name
    ended = at[last] if final in _OVER else net.written_at
    if final in _OVER and ZERO <= net.written_at - ended < LOG_TOLERANCE:
        at[last] = ended = net.written_at
    first = talks[0][0] if talks else 0
    bridged = at[first]
    if len(talks) == 1 and final != "BLINDTRANSFER" and ZERO <= ended - net.length - bridged < LOG_TOLERANCE:
        bridged = ended - net.length
    again = None
    if final == "BLINDTRANSFER":
        rest = net.length - sum((lines[end].at - lines[start].at for start, end in talks if end is not None), ZERO)
        again = max(net.written_at - rest, at[last]) if rest > SECOND else None
    return _Times(at=at, first=first, bridged=bridged, last=last, again=again, ended=ended)


def _talks(lines: list[_Line]) -> list[tuple[int, int | None]]:
    """The conversations that queue_log knows, as the line each began with and, if that is known, ended with."""
    talks: list[tuple[int, int | None]] = []
    for n, line in enumerate(lines):
        open_now = bool(talks) and talks[-1][1] is None
        if line.name == "CONNECT" and not open_now:
            talks.append((n, None))
        elif _parts(line) and open_now:
            talks[-1] = (talks[-1][0], n)
    return talks


def _parts(line: _Line) -> bool:
    """An attended transfer to an application (a queue, a voicemail) leaves the caller without a party, too."""
    return line.name in _APART or (line.name == "ATTENDEDTRANSFER" and line.data[0] == "APP")


@dataclass(slots=True, kw_only=True)
class _Teller:
    """Collects the events of one call; none is earlier than the one before it."""

    uniqueid: Uniqueid
    secret: str
    events: list[ChannelEvent]
    last: datetime
    inside: set[Uniqueid]

    def announced(self, net: NetRecording) -> None:
        claim = net.claim
        self.events.append(
            Announced(
                at=claim.done,
                uniqueid=self.uniqueid,
                linkedid=self.uniqueid,
                channel="",
                number=claim.number,
                languages=claim.languages,
                started=claim.started,
                done=claim.done,
            )
        )
        self.events.append(
            Armed(
                at=claim.done,
                uniqueid=self.uniqueid,
                linkedid=self.uniqueid,
                channel="",
                base=net.base,
                mixmonitor_id="",
            )
        )

    def tell(self, line: _Line, *, bridged: datetime) -> None:
        at = self._now(line.at)
        if _parts(line):
            self.leave(at)
        match line.name:
            case "ENTERQUEUE":
                self.events.append(
                    QueueCallerJoin(
                        at=at,
                        uniqueid=self.uniqueid,
                        linkedid=self.uniqueid,
                        channel="",
                        queue=line.queue,
                        caller=Party(num=line.data[1], name=""),
                    )
                )
            case "ABANDON":
                self.events.append(
                    QueueCallerAbandon(
                        at=at,
                        uniqueid=self.uniqueid,
                        linkedid=self.uniqueid,
                        channel="",
                        queue=line.queue,
                        hold_time=_seconds(line.data[2]),
                    )
                )
            case "CONNECT":
                member = Uniqueid(line.data[1])
                self.events.append(
                    AgentConnect(
                        at=at,
                        uniqueid=self.uniqueid,
                        linkedid=self.uniqueid,
                        channel="",
                        queue=line.queue,
                        member_uniqueid=member,
                        member_channel="",
                        interface=line.member,
                        member_name=line.member,
                        hold_time=_seconds(line.data[0]),
                        ring_time=_seconds(line.data[2]),
                    )
                )
                self.enter(self.uniqueid, bridged)
                self.enter(member, bridged)
            case "ARICODE":
                code = _code(self.secret, line)
                if code is not None:
                    # After a blind transfer nobody logged it: who presses a code hears the caller.
                    self.enter(self.uniqueid, code.at)
                    self.enter(code.uniqueid, code.at)
                    self.events.append(replace(code, at=self._now(code.at)))

    def enter(self, uniqueid: Uniqueid, at: datetime) -> None:
        if uniqueid not in self.inside:
            self.inside.add(uniqueid)
            self.events.append(
                # All without a name: to the machine no new voice comes, so it begins no new segment.
                BridgeEnter(
                    at=self._now(at), uniqueid=uniqueid, linkedid=self.uniqueid, channel="", bridge=self._bridge
                )
            )

    def leave(self, at: datetime) -> None:
        # The caller first: an agent who leaves a caller alone in a bridge means a transfer.
        for uniqueid in sorted(self.inside, key=lambda one: (one != self.uniqueid, one)):
            self.events.append(
                BridgeLeave(at=at, uniqueid=uniqueid, linkedid=self.uniqueid, channel="", bridge=self._bridge)
            )
        self.inside.clear()

    @property
    def _bridge(self) -> str:
        return f"adopted {self.uniqueid}"

    def _now(self, at: datetime) -> datetime:
        self.last = max(self.last, at)
        return self.last


def _read(line: str) -> _Line | None:
    """A line of queue_log as its fields, three empty ones added; None for one that is cut."""
    fields = line.rstrip("\n").split("|")
    if len(fields) < 5 or not _EPOCH.fullmatch(fields[0]):
        return None
    return _Line(
        at=datetime.fromtimestamp(int(fields[0]), UTC),
        caller=Uniqueid(fields[1]),
        queue=fields[2],
        member=fields[3],
        name=fields[4],
        data=(*fields[5:], "", "", ""),
    )


def _code(secret: str, line: _Line) -> CodePressed | None:
    if line.name != "ARICODE":
        return None
    found = read_logged_code(secret, line.caller, "|".join(line.data[:-3]))
    if found is None:
        return None
    code, pressed, agent = found
    return CodePressed(
        at=pressed,
        uniqueid=Uniqueid(agent),
        linkedid=line.caller,
        channel="",
        code=code,
        pressed=pressed,
        missed=True,
        caller=line.caller,
    )


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=int(text)) if text.isdecimal() else ZERO
