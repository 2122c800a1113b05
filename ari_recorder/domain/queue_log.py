"""What the PBX itself says of each caller in a queue: its queue_log, read line by line. Who is believed: ledger.py.

queue_log is written whether the recorder runs or not (app_queue.c, ast_queue_log):

    epoch|uniqueid|queue|member|ENTERQUEUE|url|caller|position
    epoch|uniqueid|queue|member|CONNECT|holdtime|agent uniqueid|ringtime
    epoch|uniqueid|queue|member|COMPLETECALLER or COMPLETEAGENT|holdtime|calltime|origposition
    epoch|uniqueid|queue|member|BLINDTRANSFER|exten|context|holdtime|calltime|origposition
    epoch|uniqueid|queue|member|ATTENDEDTRANSFER|to what, in one to three fields|holdtime|calltime|origposition
    epoch|uniqueid|queue|NONE|ABANDON|position|origposition|waittime
    epoch|NONE|NONE|NONE|QUEUESTART|              the PBX was started: who was in it before is not any more

    waiting ──CONNECT──► talking ──COMPLETE…, …TRANSFER──► completed ──ENTERQUEUE──► waiting, in the next queue
       └──ABANDON, EXIT…──► abandoned, left                            any but the ends ──QUEUESTART──► interrupted

Times are whole seconds. The caller's number in ENTERQUEUE and the number in BLINDTRANSFER are never read.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class QueueOutcome(StrEnum):
    """How the PBX says the call went."""

    WAITING = "waiting"
    TALKING = "talking"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    LEFT = "left"  # timeout, key, empty queue, full queue
    INTERRUPTED = "interrupted"  # the PBX was started anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The caller with one member of a queue, up to the end or to the member's transfer."""

    queue: str
    connected_at: datetime
    talk_time: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLogCall:
    """What queue_log says of one caller. `queue` is the last one, `transferred` that a member sent the caller on."""

    uniqueid: str
    queue: str
    entered_at: datetime
    outcome: QueueOutcome = QueueOutcome.WAITING
    ended_at: datetime | None = None
    transferred: bool = False
    legs: tuple[Leg, ...] = ()

    @property
    def connected_in(self) -> frozenset[str]:
        """The queues in which a member answered."""
        return frozenset(leg.queue for leg in self.legs)

    def talk_in(self, queues: Collection[str]) -> timedelta:
        """Talk with members of these queues, as far as it was written down; what came after a transfer was not."""
        return sum((leg.talk_time or timedelta() for leg in self.legs if leg.queue in queues), timedelta())

    def knows_talk_in(self, queues: Collection[str]) -> bool:
        """Whether `talk_in` is all of it."""
        return not self.transferred and all(leg.talk_time is not None for leg in self.legs if leg.queue in queues)


_LEAVES = frozenset({"EXITWITHTIMEOUT", "EXITWITHKEY", "EXITEMPTY"})
_COMPLETES = frozenset({"COMPLETECALLER", "COMPLETEAGENT"})
_TRANSFERS = frozenset({"BLINDTRANSFER", "ATTENDEDTRANSFER"})
OPEN = frozenset({QueueOutcome.WAITING, QueueOutcome.TALKING})


def read_queue_log(lines: Iterable[str], before: Mapping[str, QueueLogCall] | None = None) -> dict[str, QueueLogCall]:
    """Calls by Uniqueid. Lines that are cut or not about a call are passed over. `before`: what the lines before these
    led to."""
    calls: dict[str, QueueLogCall] = dict(before or {})
    for line in lines:
        at = time_of(line)
        fields = line.rstrip("\n").split("|")
        if len(fields) < 5 or at is None:
            continue
        uniqueid, queue, event = fields[1], fields[2], fields[4]
        known = calls.get(uniqueid)
        if event == "QUEUESTART":
            calls |= {
                key: replace(call, outcome=QueueOutcome.INTERRUPTED, ended_at=at)
                for key, call in calls.items()
                if call.outcome in OPEN and call.entered_at < at
            }
        elif event == "ENTERQUEUE":
            calls[uniqueid] = _entered(known, uniqueid, queue, at)
        elif known is not None:
            calls[uniqueid] = _apply(known, event, queue, at, fields[5:])
    return calls


def time_of(line: str) -> datetime | None:
    """When the line was written; None when it is no line of a queue_log."""
    try:
        return datetime.fromtimestamp(int(line.partition("|")[0].partition(".")[0]), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _entered(known: QueueLogCall | None, uniqueid: str, queue: str, at: datetime) -> QueueLogCall:
    if known is None:
        return QueueLogCall(uniqueid=uniqueid, queue=queue, entered_at=at)
    return replace(known, queue=queue, outcome=QueueOutcome.WAITING, ended_at=None, transferred=False)


def _apply(call: QueueLogCall, event: str, queue: str, at: datetime, data: list[str]) -> QueueLogCall:
    if event == "CONNECT":
        return replace(call, outcome=QueueOutcome.TALKING, legs=(*call.legs, Leg(queue=queue, connected_at=at)))
    if event == "ABANDON":
        return replace(call, outcome=QueueOutcome.ABANDONED, ended_at=at)
    if event in _LEAVES:
        return replace(call, outcome=QueueOutcome.LEFT, ended_at=at)
    if event in _COMPLETES:
        return replace(_talked(call, data[1:2]), outcome=QueueOutcome.COMPLETED, ended_at=at)
    if event in _TRANSFERS:
        # Where to takes a field or more; the call time is the last but one.
        talked = _talked(call, data[-2:-1] if len(data) >= 4 else [])
        return replace(talked, outcome=QueueOutcome.COMPLETED, ended_at=at, transferred=True)
    return call


def _talked(call: QueueLogCall, seconds: list[str]) -> QueueLogCall:
    """The last leg with its length. Nine digits are thirty years: what is longer is no time."""
    if not call.legs or not seconds or not seconds[0].isdecimal() or len(seconds[0]) > 9:
        return call
    leg = replace(call.legs[-1], talk_time=timedelta(seconds=int(seconds[0])))
    return replace(call, legs=(*call.legs[:-1], leg))
