"""The other witness: what the PBX's channel event log (CEL) says of each caller in a queue, and both put together.

CEL is written by the PBX's core, queue_log by app_queue: what the one loses, the other has. cel_custom writes a line
for each event, as asterisk_conf/cel_custom_ari_recorder.conf has it, with no number and no name:

    ari-recorder-cel-1,<epoch>.<microseconds>,<event>,<uniqueid>,<linkedid>,"<queue, while the channel is in Queue()>"

    ──APP_START──► waiting ──BRIDGE_ENTER──► talking ──BRIDGE_EXIT, …TRANSFER──► completed ──BRIDGE_ENTER──► talking
                      └────────HANGUP────────► left      (after a transfer: no more, as in queue_log, until APP_START)

Only the channel that runs Queue() has a queue in its lines: the caller, under the Uniqueid that queue_log has too. The
events of the agents' channels are passed over, but for a transfer: it is the agent's, and found by the Linkedid.
CEL does not say that the PBX was started anew. Uniqueids do: their counter begins at 0 again. A call that was cut off
goes on until a caller comes whose number is no higher than one of before.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ari_recorder.domain.ledger import SETTLES, TOLERANCE
from ari_recorder.domain.queue_log import OPEN, Leg, QueueLogCall, QueueOutcome

TRANSFERS = frozenset({"BLINDTRANSFER", "ATTENDEDTRANSFER"})
# What `cel.conf` has to let through.
EVENTS = frozenset({"APP_START", "BRIDGE_ENTER", "BRIDGE_EXIT", "HANGUP"}) | TRANSFERS
# What they mean can be said without the caller's queue.
_OF_ANY = frozenset({"BRIDGE_EXIT", "HANGUP"}) | TRANSFERS
# What a call is known by. Of one that is in the middle when the file begins, nothing is said.
_BEGINS = frozenset({"APP_START", "BRIDGE_ENTER"})
# The first column tells our lines from those of another mapping. Nothing in them is longer than a dialplan takes.
_LINE = re.compile(
    r"ari-recorder-cel-1,(\d{1,10})\.(\d{6}),([A-Z_]{1,40}),"
    r'([^\s,"]{1,150}),([^\s,"]{1,150}),"((?:[^"]|""){0,200})"\r?\n?'
)
_UNIQUEID = re.compile(r"(?:.*-)?(\d{1,11})\.(\d{1,11})")
# queue_log has its line within milliseconds of CEL's; a busy disk takes longer.
LAG = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class CelCall(QueueLogCall):
    """The same of one caller as queue_log says, from CEL. `queue` and those of the legs are as the dialplan writes
    them. Lengths have microseconds; None where the PBX's clock went back."""

    linkedid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    at: datetime
    event: str
    uniqueid: str
    linkedid: str
    queue: str


def read_cel(lines: Iterable[str], before: Mapping[str, CelCall] | None = None) -> dict[str, CelCall]:
    """Calls by Uniqueid. Lines that are cut, of another format or not about a caller are passed over. `before`: what
    the lines before these led to."""
    calls: dict[str, CelCall] = dict(before or {})
    newest = max((made for key in calls if (made := _made(key)) is not None), default=(0, 0))
    # Of calls that go on: who was in them, for transfers.
    under_way: dict[str, set[str]] = {}
    for key, call in calls.items():
        if call.outcome is QueueOutcome.TALKING:
            under_way.setdefault(call.linkedid, set()).add(key)
    for text in lines:
        line = _parse(text)
        if line is None:
            continue
        if line.event in TRANSFERS:
            for key in under_way.pop(line.linkedid, ()):
                calls[key] = _over(calls[key], line.at, transferred=True)
            continue
        known = calls.get(line.uniqueid)
        if known is None and (line.event not in _BEGINS or not line.queue):
            continue
        if known is None and (made := _made(line.uniqueid)) is not None:
            if _started_anew(newest, made):
                calls |= {key: _interrupted(call, line.at) for key, call in calls.items() if call.outcome in OPEN}
                under_way.clear()
                newest = made
            newest = max(newest, made)
        call = calls[line.uniqueid] = _apply(known if known is not None else _entered(None, line), line)
        if call.outcome is QueueOutcome.TALKING:
            under_way.setdefault(call.linkedid, set()).add(line.uniqueid)
        elif call.linkedid in under_way:
            under_way[call.linkedid].discard(line.uniqueid)
    return calls


def is_wanted(text: str) -> bool:
    """Whether `read_cel` does anything with the line."""
    line = _parse(text)
    return line is not None and (bool(line.queue) or line.event in _OF_ANY)


def time_of(text: str) -> datetime | None:
    """When the line was written; None when it is no line of ours."""
    line = _parse(text)
    return line.at if line is not None else None


def _parse(text: str) -> _Line | None:
    found = _LINE.fullmatch(text)
    if found is None or found[3] not in EVENTS:
        return None
    try:
        at = datetime.fromtimestamp(int(found[1]), UTC) + timedelta(microseconds=int(found[2]))
    except (ValueError, OverflowError, OSError):
        return None
    queue = found[6].replace('""', '"').strip()
    return _Line(at=at, event=found[3], uniqueid=found[4], linkedid=found[5], queue=queue)


def _made(uniqueid: str) -> tuple[int, int] | None:
    """The second in which Asterisk made a channel, and its number since the start. None: somebody else named it."""
    found = _UNIQUEID.fullmatch(uniqueid)
    return (int(found[1]), int(found[2])) if found is not None else None


def _started_anew(newest: tuple[int, int], made: tuple[int, int]) -> bool:
    """The number went down though time went on, or was given again. In one second that may be two threads at once."""
    return made[0] - newest[0] > 1 and made[1] <= newest[1]


def _apply(call: CelCall, line: _Line) -> CelCall:
    talking = call.outcome is QueueOutcome.TALKING
    match line.event:
        case "APP_START" if line.queue:
            return _entered(call, line)
        case "BRIDGE_ENTER" if line.queue and not talking and not call.transferred:
            legs = (*call.legs, Leg(queue=line.queue, connected_at=line.at))
            return replace(call, queue=line.queue, outcome=QueueOutcome.TALKING, ended_at=None, legs=legs)
        case "BRIDGE_EXIT" if talking:
            return _over(call, line.at)
        case "HANGUP" if call.outcome in OPEN:
            return _over(call, line.at)
        case _:
            return call


def _entered(known: CelCall | None, line: _Line) -> CelCall:
    if known is None:
        return CelCall(uniqueid=line.uniqueid, linkedid=line.linkedid, queue=line.queue, entered_at=line.at)
    call = _over(known, line.at) if known.outcome is QueueOutcome.TALKING else known
    return replace(
        call, linkedid=line.linkedid, queue=line.queue, outcome=QueueOutcome.WAITING, ended_at=None, transferred=False
    )


def _over(call: CelCall, at: datetime, *, transferred: bool = False) -> CelCall:
    if call.outcome is not QueueOutcome.TALKING:
        return replace(call, outcome=QueueOutcome.LEFT, ended_at=at)
    last = call.legs[-1]
    talk = at - last.connected_at
    leg = replace(last, talk_time=talk if talk >= timedelta() else None)
    return replace(
        call,
        outcome=QueueOutcome.COMPLETED,
        ended_at=at,
        transferred=transferred,
        legs=(*call.legs[:-1], leg),
    )


def _interrupted(call: CelCall, at: datetime) -> CelCall:
    return replace(call, outcome=QueueOutcome.INTERRUPTED, ended_at=at)


def _unite(
    logged: QueueLogCall | None, cel: CelCall | None, queues: Collection[str], now: datetime
) -> QueueLogCall | None:
    """What both witnesses together say of one caller: connected if one of them says so, and over if one of them does.

    queue_log's word stands where both know the same, so that the ledger is what it is without CEL.
    """
    if cel is None:
        return logged
    theirs = _named(cel, queues)
    if logged is None:
        return theirs
    lost = theirs.connected_in & frozenset(queues) - logged.connected_in
    end_lost = logged.outcome in OPEN and theirs.ended_at is not None and now - theirs.ended_at >= LAG
    if not lost and not end_lost:
        return logged
    believed = theirs.connected_in if end_lost else lost
    legs = [leg for leg in logged.legs if leg.queue not in believed]
    legs += [leg for leg in theirs.legs if leg.queue in believed]
    return replace(
        logged,
        queue=theirs.queue,
        outcome=theirs.outcome,
        ended_at=theirs.ended_at,
        transferred=logged.transferred or theirs.transferred,
        legs=tuple(sorted(legs, key=lambda leg: leg.connected_at)),
    )


def union(
    logged: Mapping[str, QueueLogCall], cel: Mapping[str, CelCall], queues: Collection[str], now: datetime
) -> dict[str, QueueLogCall]:
    """The same of all callers that either knows."""
    keys = dict.fromkeys((*logged, *cel))
    return {key: call for key in keys if (call := _unite(logged.get(key), cel.get(key), queues, now)) is not None}


class Witness(StrEnum):
    QUEUE_LOG = "queue_log"
    CEL = "cel"


def lacking(
    logged: QueueLogCall | None,
    cel: CelCall | None,
    queues: Collection[str],
    now: datetime,
    since: Mapping[Witness, datetime | None],
) -> Witness | None:
    """Which of the two does not know of talk in a recorded queue that the other one knows. `since`: how far each of
    them reaches back; of a call that came before that, nothing can be lacking."""
    theirs = _named(cel, queues) if cel is not None else None
    for witness, told, other in ((Witness.QUEUE_LOG, theirs, logged), (Witness.CEL, logged, theirs)):
        if told is None or told.ended_at is None or now - told.ended_at < SETTLES:
            continue
        # A caller who hung up while the agent answered is in one of them only.
        talked = {leg.queue for leg in told.legs if leg.talk_time is None or leg.talk_time > TOLERANCE}
        heard_of = other.connected_in if other is not None else frozenset()
        begin = since[witness]
        if begin is not None and begin <= told.entered_at and talked & frozenset(queues) - heard_of:
            return witness
    return None


def _named(call: CelCall, queues: Collection[str]) -> CelCall:
    """With the queues' names as they are set here: Asterisk finds a queue in any case."""
    if call.queue in queues and call.connected_in <= frozenset(queues):
        return call
    names = {name.casefold(): name for name in queues}
    legs = tuple(replace(leg, queue=names.get(leg.queue.casefold(), leg.queue)) for leg in call.legs)
    return replace(call, queue=names.get(call.queue.casefold(), call.queue), legs=legs)
