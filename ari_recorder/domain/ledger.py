"""Every call is accounted for: recorded, not recorded because …, or unexplained.

`judge` is what the recorder knows of one call. `balance` holds it against the PBX's own queue_log, which is written
whether the recorder runs or not (app_queue.c, ast_queue_log):

    epoch|uniqueid|queue|member|ENTERQUEUE|url|caller|position
    epoch|uniqueid|queue|member|CONNECT|holdtime|agent uniqueid|ringtime
    epoch|uniqueid|queue|member|COMPLETECALLER or COMPLETEAGENT|holdtime|calltime|origposition
    epoch|uniqueid|queue|NONE|ABANDON|position|origposition|waittime

The caller's number in ENTERQUEUE is never read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.calls import Call
from ari_recorder.domain.recordings import EndReason, RecordingState, StartedBy

# Frames are 20 ms and clocks are read on both sides of the AMI; one second is what the notice of a gap is worth.
TOLERANCE = timedelta(seconds=1)


class LedgerState(StrEnum):
    RECORDED = "recorded"
    NOT_RECORDED = "not_recorded"
    UNEXPLAINED = "unexplained"
    PENDING = "pending"


class Reason(StrEnum):
    """Why a call is in its state. Empty for an ordinary recorded call."""

    NONE = ""
    # recorded, with something to know
    LATE_START = "late-start"
    ENDED_UNSEEN = "ended-unseen"
    ADOPTED = "adopted"
    SILENT_SIDE = "silent-side"
    # not recorded
    CALLER_REFUSED = "caller-refused"
    NO_EVIDENCE = "no-announcement-evidence"
    ABANDONED = "abandoned"
    UNANSWERED = "unanswered"
    QUEUE_NOT_RECORDED = "queue-not-recorded"
    NEVER_QUEUED = "never-queued"
    NOTHING_SAID = "nothing-said"
    CAPTURE_FAILED = "capture-failed"
    # unexplained
    LENGTH_DIFFERS = "length-differs"
    NO_RECORDING = "no-recording"
    UNKNOWN_CALL = "unknown-call"
    # pending
    UNDER_WAY = "under-way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    state: LedgerState
    reason: Reason


def _verdict(state: LedgerState, reason: Reason) -> Verdict:
    return Verdict(state=state, reason=reason)


def judge(call: Call, queues: frozenset[str]) -> Verdict:
    """What the recorder itself says of a call."""
    if not call.finished:
        return _verdict(LedgerState.PENDING, Reason.UNDER_WAY)
    if call.joined_at is None:
        return _verdict(LedgerState.NOT_RECORDED, Reason.NEVER_QUEUED)
    if call.refused_at is not None:
        return _verdict(LedgerState.NOT_RECORDED, Reason.CALLER_REFUSED)
    sealed = [r for r in call.recordings if r.state is RecordingState.SEALED and r.sealed is not None]
    if sealed:
        return _judge_recorded(call)
    return _judge_unrecorded(call, queues)


def _judge_recorded(call: Call) -> Verdict:
    sealed = [(r, r.sealed) for r in call.recordings if r.sealed is not None]
    heard = sum((facts.duration for _, facts in sealed), timedelta())
    # What nobody saw begin or end cannot be measured against our clock; its audio is what there was.
    unseen = EndReason.ENDED_UNSEEN in (call.end_reason, *(r.end_reason for r, _ in sealed))
    if (unseen or call.connected_unseen) and all(r.started_by is StartedBy.DIALPLAN for r, _ in sealed):
        return _verdict(LedgerState.RECORDED, Reason.ADOPTED)
    if unseen:
        return _verdict(LedgerState.RECORDED, Reason.ENDED_UNSEEN)
    if call.connected_unseen or any(r.late for r, _ in sealed):
        return _verdict(LedgerState.RECORDED, Reason.LATE_START)
    if abs(heard - call.talk_time) > TOLERANCE:
        return _verdict(LedgerState.UNEXPLAINED, Reason.LENGTH_DIFFERS)
    if not all(facts.caller.has_audio and facts.agent.has_audio for _, facts in sealed):
        return _verdict(LedgerState.RECORDED, Reason.SILENT_SIDE)
    return _verdict(LedgerState.RECORDED, Reason.NONE)


def _judge_unrecorded(call: Call, queues: frozenset[str]) -> Verdict:
    if call.connected_at is None:
        return _verdict(LedgerState.NOT_RECORDED, Reason.ABANDONED if call.abandoned else Reason.UNANSWERED)
    if not any(m.queue in queues for m in call.members) and call.queue not in queues:
        return _verdict(LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)
    if call.evidence is None:
        return _verdict(LedgerState.NOT_RECORDED, Reason.NO_EVIDENCE)
    if call.talk_time < TOLERANCE:
        return _verdict(LedgerState.NOT_RECORDED, Reason.NOTHING_SAID)
    if any(r.failure for r in call.recordings):
        return _verdict(LedgerState.NOT_RECORDED, Reason.CAPTURE_FAILED)
    return _verdict(LedgerState.UNEXPLAINED, Reason.NO_RECORDING)


class QueueOutcome(StrEnum):
    """How the PBX says the call went."""

    WAITING = "waiting"
    TALKING = "talking"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    LEFT = "left"  # timeout, key, empty queue, full queue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLogCall:
    """What queue_log says of one caller."""

    uniqueid: str
    queue: str
    entered_at: datetime
    outcome: QueueOutcome = QueueOutcome.WAITING
    answered: bool = False
    ended_at: datetime | None = None
    talk_time: timedelta | None = None


_LEAVES = frozenset({"EXITWITHTIMEOUT", "EXITWITHKEY", "EXITEMPTY"})
_COMPLETES = frozenset({"COMPLETECALLER", "COMPLETEAGENT", "BLINDTRANSFER", "ATTENDEDTRANSFER"})


def read_queue_log(lines: Iterable[str]) -> dict[str, QueueLogCall]:
    """Calls by Uniqueid. Lines that are cut or not about a call are passed over."""
    calls: dict[str, QueueLogCall] = {}
    for line in lines:
        fields = line.rstrip("\n").split("|")
        if len(fields) < 5 or not fields[0].split(".")[0].isdigit():
            continue
        at = datetime.fromtimestamp(float(fields[0]), UTC)
        uniqueid, queue, event = fields[1], fields[2], fields[4]
        known = calls.get(uniqueid)
        if event == "ENTERQUEUE":
            entered = known.entered_at if known else at
            answered = known.answered if known else False
            calls[uniqueid] = QueueLogCall(uniqueid=uniqueid, queue=queue, entered_at=entered, answered=answered)
        elif known is not None:
            calls[uniqueid] = _apply(known, event, at, fields[5:])
    return calls


def _apply(call: QueueLogCall, event: str, at: datetime, data: list[str]) -> QueueLogCall:
    if event == "CONNECT":
        return replace(call, outcome=QueueOutcome.TALKING, answered=True)
    if event == "ABANDON":
        return replace(call, outcome=QueueOutcome.ABANDONED, ended_at=at)
    if event in _LEAVES:
        return replace(call, outcome=QueueOutcome.LEFT, ended_at=at)
    if event in _COMPLETES:
        talk = (
            timedelta(seconds=int(data[1]))
            if event.startswith("COMPLETE") and data[1:2] and data[1].isdigit()
            else None
        )
        return replace(call, outcome=QueueOutcome.COMPLETED, ended_at=at, talk_time=talk)
    return call


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCall:
    """A call as the database holds it, as far as the ledger needs it."""

    uniqueid: str
    queue: str
    entered_at: datetime
    verdict: Verdict
    flagged: bool
    recording_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    uniqueid: str
    queue: str
    entered_at: datetime
    outcome: QueueOutcome | None  # None: the PBX's log has no such call
    verdict: Verdict
    flagged: bool
    recording_ids: tuple[UUID, ...]


def balance(
    logged: Iterable[QueueLogCall], known: Iterable[KnownCall], queues: frozenset[str], now: datetime
) -> tuple[LedgerRow, ...]:
    """One row per call that either source knows, in the order of their coming."""
    by_uniqueid = {call.uniqueid: call for call in known}
    rows = [_row(entry, by_uniqueid.pop(entry.uniqueid, None), queues, now) for entry in logged]
    rows += [
        LedgerRow(
            uniqueid=call.uniqueid,
            queue=call.queue,
            entered_at=call.entered_at,
            outcome=None,
            verdict=call.verdict,
            flagged=call.flagged,
            recording_ids=call.recording_ids,
        )
        for call in by_uniqueid.values()
    ]
    return tuple(sorted(rows, key=lambda row: (row.entered_at, row.uniqueid)))


# A finished call is sealed and stored within this time; until then it is not missing. DESIGN: alarm within a minute.
SETTLES = timedelta(seconds=60)


def _row(entry: QueueLogCall, call: KnownCall | None, queues: frozenset[str], now: datetime) -> LedgerRow:
    return LedgerRow(
        uniqueid=entry.uniqueid,
        queue=entry.queue,
        entered_at=entry.entered_at,
        outcome=entry.outcome,
        verdict=_told(entry, call.verdict) if call is not None else _judge_unknown(entry, queues, now),
        flagged=call.flagged if call is not None else False,
        recording_ids=call.recording_ids if call is not None else (),
    )


def _told(entry: QueueLogCall, verdict: Verdict) -> Verdict:
    """Queue() reports a time-out to AMI as an abandoned caller; queue_log knows better."""
    if verdict.reason is Reason.ABANDONED and entry.outcome is QueueOutcome.LEFT:
        return replace(verdict, reason=Reason.UNANSWERED)
    return verdict


def _judge_unknown(entry: QueueLogCall, queues: frozenset[str], now: datetime) -> Verdict:
    """The PBX had a call that the database does not have."""
    if entry.queue not in queues:
        return _verdict(LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)
    if entry.ended_at is None or now - entry.ended_at < SETTLES:
        return _verdict(LedgerState.PENDING, Reason.UNDER_WAY)
    if not entry.answered:
        # Nobody talked, so there is nothing that could be missing.
        outcome = Reason.ABANDONED if entry.outcome is QueueOutcome.ABANDONED else Reason.UNANSWERED
        return _verdict(LedgerState.NOT_RECORDED, outcome)
    return _verdict(LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)
