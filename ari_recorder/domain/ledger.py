"""Every call is accounted for: recorded, not recorded because …, quarantined because …, or unexplained.

`judge` is what the recorder knows of one call. `balance` holds it against the PBX's own queue_log (queue_log.py), with
what only the PBX's other log has (cel.py), and where the two differ the PBX is believed:

    the recorder says               queue_log says                                  so it is
    pending                         answered, over for a minute, not sent on        unexplained: not-finished
    pending, all of it captured     the same, over for ten minutes                  unexplained: not-finished
    recorded, however               longer talk than what is heard                  unexplained: length-differs
    unexplained: length-differs     as much talk as is heard                        recorded
    not recorded: nobody talked     somebody did, in a recorded queue               unexplained: no-recording
    nothing                         somebody did, in a recorded queue               unexplained: unknown-call
    any of the unexplained          what is missing lies in an absence that is over not recorded: service-away, or
                                                                                    recorded: late-start
    any of the unexplained          what is missing lies in one that goes on        pending
    a quarantine with its name      somebody did, and no recording is known         quarantined

An absence is a time in which no service heard the PBX (absences.py): it had an alarm of its own.
What is known to have begun late (`late-start`) is recorded only as long as no more than the tolerance is missing by
queue_log. Else it is unexplained like any other call that is too short: a part is missing, and a person must look.
What was cut off by a loss of power (`truncated`) is recorded as long as no more than 5 s are missing by queue_log.
What nobody can account for, a person can close with words (`explained`): after that it balances.
What is in quarantine is accounted for, and so is the call that its files prove to be theirs (domain/quarantine.py).
What the recorder did on purpose (the caller said no, no proof of the announcement) is believed: it had an alarm.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.absences import Absence, Absences
from ari_recorder.domain.calls import Call, CallState, MarkKind
from ari_recorder.domain.queue_log import Leg, QueueLogCall, QueueOutcome
from ari_recorder.domain.recordings import FINAL, EndReason, RecordingState, StartedBy

# Frames are 20 ms and clocks are read on both sides of the AMI; one second is what the notice of a gap is worth.
TOLERANCE = timedelta(seconds=1)
# What may be missing by queue_log: MixMonitor's buffer (32 KiB, 2.05 s) is lost when the PBX dies, and a part of the
# second in which the log's whole seconds differ from ours.
MISSING = timedelta(seconds=2.5)
# What a loss of power may cost: the same buffer, and what was not yet sealed.
MISSING_BY_LOSS = timedelta(seconds=5)
# A finished call is sealed and stored within this time; until then it is not missing. What is left of the minute in
# which an alarm has to be raised is for who looks.
SETTLES = timedelta(seconds=45)
# Of which every word is in the spool is not missing either: on a machine with too much to do it waits for its turn to
# be sealed. That many wait, health tells (health.py).
SEALED_WITHIN = timedelta(minutes=10)


class LedgerState(StrEnum):
    RECORDED = "recorded"
    NOT_RECORDED = "not_recorded"
    QUARANTINED = "quarantined"
    UNEXPLAINED = "unexplained"
    PENDING = "pending"


class Reason(StrEnum):
    """Why a call is in its state. Empty for an ordinary recorded call."""

    NONE = ""
    # closed by a person, with words
    EXPLAINED = "explained"
    # recorded, with something to know
    TRUNCATED = "truncated"
    LATE_START = "late-start"
    ENDED_UNSEEN = "ended-unseen"
    ADOPTED = "adopted"
    SILENT_SIDE = "silent-side"
    IMPORTED = "imported"  # by another PBX, before this service was there: no call of ours
    # not recorded
    CALLER_REFUSED = "caller-refused"
    NO_EVIDENCE = "no-announcement-evidence"
    ABANDONED = "abandoned"
    UNANSWERED = "unanswered"
    QUEUE_NOT_RECORDED = "queue-not-recorded"
    NEVER_QUEUED = "never-queued"
    NOTHING_SAID = "nothing-said"
    CAPTURE_FAILED = "capture-failed"
    SERVICE_AWAY = "service-away"
    SECOND_RECORDING = "second-recording"  # quarantined; so are no-announcement-evidence and unknown-call
    # unexplained
    LENGTH_DIFFERS = "length-differs"
    NO_RECORDING = "no-recording"
    UNKNOWN_CALL = "unknown-call"
    NOT_FINISHED = "not-finished"
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
    sealed = [r for r in call.recordings if r.state is RecordingState.SEALED and r.sealed is not None]
    if call.quarantine is not None and sealed:
        return _verdict(LedgerState.QUARANTINED, Reason(call.quarantine.because))
    if call.joined_at is None and not sealed:
        return _verdict(LedgerState.NOT_RECORDED, Reason.NEVER_QUEUED)
    if call.refused_at is not None:
        return _verdict(LedgerState.NOT_RECORDED, Reason.CALLER_REFUSED)
    if sealed:
        return _judge_recorded(call)
    return _judge_unrecorded(call, queues)


def _judge_recorded(call: Call) -> Verdict:
    sealed = [(r, r.sealed) for r in call.recordings if r.sealed is not None]
    if any(facts.truncated for _, facts in sealed):
        return _verdict(LedgerState.RECORDED, Reason.TRUNCATED)
    heard = sum((facts.duration for _, facts in sealed), timedelta())
    # What nobody saw begin or end cannot be measured against our clock; its audio is what there was.
    unseen = EndReason.ENDED_UNSEEN in (call.end_reason, *(r.end_reason for r, _ in sealed))
    # The dialplan began it, before anything was missed; after a transfer a recording of ours may follow.
    if (unseen or call.connected_unseen) and sealed[0][0].started_by is StartedBy.DIALPLAN:
        return _verdict(LedgerState.RECORDED, Reason.ADOPTED)
    if unseen:
        return _verdict(LedgerState.RECORDED, Reason.ENDED_UNSEEN)
    if call.connected_unseen or any(r.late for r, _ in sealed):
        return _verdict(LedgerState.RECORDED, Reason.LATE_START)
    # After a gap our clock may be wrong. What is missing then, queue_log tells.
    gap = any(mark.kind is MarkKind.GAP for mark in call.marks)
    if not gap and abs(heard - call.talk_time) > TOLERANCE:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCall:
    """A call as the ledger needs it. `heard`: all its recordings. `proves`: whose call a quarantine is, if known.
    `captured`: it is over, and of its recordings nothing is left to do but to seal them."""

    uniqueid: str
    queue: str
    entered_at: datetime
    verdict: Verdict
    flagged: bool
    heard: timedelta
    recording_ids: tuple[UUID, ...]
    proves: str = ""
    captured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """`talk_time` is what queue_log says of recorded queues; after a transfer more may be heard than that. `pbx`: whose
    call it is, where there are several."""

    uniqueid: str
    queue: str
    entered_at: datetime
    outcome: QueueOutcome | None = None  # None: the PBX's log has no such call
    verdict: Verdict
    flagged: bool
    talk_time: timedelta = timedelta()
    heard: timedelta
    recording_ids: tuple[UUID, ...]
    pbx: str = ""


_CAPTURED = FINAL | {RecordingState.CLOSED}


def known(call: Call, queues: frozenset[str]) -> KnownCall:
    """A call that is not in the database yet, as it would be there."""
    sealed = [(r.id, r.sealed) for r in call.recordings if r.sealed is not None]
    return KnownCall(
        uniqueid=call.uniqueid,
        queue=call.queue,
        entered_at=call.joined_at or call.first_seen_at,
        verdict=judge(call, queues),
        flagged=call.flagged,
        heard=sum((facts.duration for _, facts in sealed), timedelta()),
        recording_ids=tuple(recording_id for recording_id, _ in sealed),
        proves=call.quarantine.uniqueid if call.quarantine is not None else "",
        captured=call.state is CallState.ENDED and all(r.state in _CAPTURED for r in call.recordings),
    )


def is_final(row: LedgerRow, now: datetime) -> bool:
    """Nothing that comes later can change it: not one that goes on, and not one nobody can account for yet."""
    over = row.outcome not in (QueueOutcome.WAITING, QueueOutcome.TALKING)
    settled = row.verdict.state in (LedgerState.RECORDED, LedgerState.NOT_RECORDED, LedgerState.QUARANTINED)
    return over and settled and now - row.entered_at > SETTLES


def explained(row: LedgerRow) -> LedgerRow:
    """What a person found out: the call is accounted for, by words."""
    if row.verdict.state is not LedgerState.UNEXPLAINED:
        return row
    state = LedgerState.RECORDED if row.heard else LedgerState.NOT_RECORDED
    return replace(row, verdict=_verdict(state, Reason.EXPLAINED))


def balance(
    logged: Iterable[QueueLogCall],
    known: Iterable[KnownCall],
    queues: frozenset[str],
    now: datetime,
    absences: Iterable[Absence] = (),
) -> tuple[LedgerRow, ...]:
    """One row per call that either source knows, in the order of their coming."""
    by_uniqueid = {call.uniqueid: call for call in known}
    away = Absences(absences)
    proved = {call.proves: call for call in by_uniqueid.values() if call.proves}
    rows = []
    for entry in logged:
        row = _row(entry, by_uniqueid.pop(entry.uniqueid, None), queues, now, away)
        if row.verdict.reason in _NOTHING_HERE and (kept := proved.get(entry.uniqueid)) is not None:
            del by_uniqueid[kept.uniqueid]
            row = replace(row, verdict=kept.verdict, heard=kept.heard, recording_ids=kept.recording_ids)
        rows.append(row)
    rows += [
        LedgerRow(
            uniqueid=call.uniqueid,
            queue=call.queue,
            entered_at=call.entered_at,
            verdict=call.verdict,
            flagged=call.flagged,
            heard=call.heard,
            recording_ids=call.recording_ids,
        )
        for call in by_uniqueid.values()
    ]
    return tuple(sorted(rows, key=lambda row: (row.entered_at, row.uniqueid)))


# Nothing is known to be here: what is in quarantine may be the answer. That of all other calls is a row of its own.
_NOTHING_HERE = frozenset({Reason.NO_RECORDING, Reason.UNKNOWN_CALL, Reason.SERVICE_AWAY})


def _row(
    entry: QueueLogCall, call: KnownCall | None, queues: frozenset[str], now: datetime, away: Absences
) -> LedgerRow:
    verdict = _weigh(entry, call, queues, now) if call is not None else _judge_unknown(entry, queues, now)
    heard = call.heard if call is not None else timedelta()
    return LedgerRow(
        uniqueid=entry.uniqueid,
        queue=entry.queue,
        entered_at=entry.entered_at,
        outcome=entry.outcome,
        verdict=_excused(verdict, entry, heard, queues, away, now),
        flagged=call.flagged if call is not None else False,
        talk_time=entry.talk_in(queues),
        heard=heard,
        recording_ids=call.recording_ids if call is not None else (),
    )


_EXCUSABLE = frozenset({Reason.UNKNOWN_CALL, Reason.NO_RECORDING, Reason.LENGTH_DIFFERS})


def _excused(
    verdict: Verdict,
    entry: QueueLogCall,
    heard: timedelta,
    queues: frozenset[str],
    away: Absences,
    now: datetime,
) -> Verdict:
    """What is missing is accounted for where nobody was there in as much of the talk. After a transfer nobody knows how
    long the talk was, so nothing is. A call whose end nobody saw is finished when somebody is there again."""
    if verdict.reason is Reason.NOT_FINISHED and _ended_unseen(entry, away, now):
        return _verdict(LedgerState.PENDING, Reason.UNDER_WAY)
    if verdict.state is not LedgerState.UNEXPLAINED or verdict.reason not in _EXCUSABLE or entry.transferred:
        return verdict
    spans = [(leg.connected_at, _end_of(leg, entry)) for leg in entry.legs if leg.queue in queues]
    talk = sum((end - begin for begin, end in spans), timedelta())
    # queue_log tells whole seconds: what began and ended in one of them lasted for some of it.
    missed = sum((away.within(begin, end + TOLERANCE) for begin, end in spans), timedelta())
    if not missed or talk - heard - missed > MISSING:
        return verdict
    if not all(one.over for begin, end in spans for one in away.touched(begin, end + TOLERANCE)):
        return _verdict(LedgerState.PENDING, Reason.UNDER_WAY)
    if heard:
        return _verdict(LedgerState.RECORDED, Reason.LATE_START)
    return _verdict(LedgerState.NOT_RECORDED, Reason.SERVICE_AWAY)


def _ended_unseen(entry: QueueLogCall, away: Absences, now: datetime) -> bool:
    """In an absence, and that is not over for so long that the call should be finished."""
    if entry.ended_at is None:
        return False
    ended_in = away.touched(entry.ended_at, entry.ended_at + TOLERANCE)
    return any(not one.over or now - one.until < SETTLES for one in ended_in)


def _end_of(leg: Leg, entry: QueueLogCall) -> datetime:
    """Of a leg whose length was not written down (the PBX died), the latest it can have lasted."""
    if leg.talk_time is not None:
        return leg.connected_at + leg.talk_time
    return max(leg.connected_at, entry.ended_at or leg.connected_at)


def _weigh(entry: QueueLogCall, call: KnownCall, queues: frozenset[str], now: datetime) -> Verdict:
    """The recorder's verdict, held against what the PBX says."""
    match call.verdict.state:
        case LedgerState.PENDING if _is_over(entry, call, queues, now):
            return _verdict(LedgerState.UNEXPLAINED, Reason.NOT_FINISHED)
        case LedgerState.RECORDED if call.heard < entry.talk_in(queues) - _may_miss(call):
            return _verdict(LedgerState.UNEXPLAINED, Reason.LENGTH_DIFFERS)
        case LedgerState.NOT_RECORDED:
            return _weigh_unrecorded(entry, call, queues, now)
        case LedgerState.UNEXPLAINED if call.verdict.reason is Reason.LENGTH_DIFFERS and _is_whole(entry, call, queues):
            # The recorder's clock was wrong: it did not hear when the bridge began or ended.
            return _verdict(LedgerState.RECORDED, Reason.NONE)
        case _:
            return call.verdict


def _is_whole(entry: QueueLogCall, call: KnownCall, queues: frozenset[str]) -> bool:
    """By what the PBX says, no more is missing than may be, and nothing is there that should not be."""
    return entry.knows_talk_in(queues) and abs(call.heard - entry.talk_in(queues)) <= MISSING


def _may_miss(call: KnownCall) -> timedelta:
    return MISSING_BY_LOSS if call.verdict.reason is Reason.TRUNCATED else MISSING


def _is_over(entry: QueueLogCall, call: KnownCall, queues: frozenset[str], now: datetime) -> bool:
    """For so long that the recorder should have come to its end."""
    within = SEALED_WITHIN if call.captured else SETTLES
    return bool(entry.connected_in & queues) and _settled(entry, now, within) and not entry.transferred


def _settled(entry: QueueLogCall, now: datetime, within: timedelta = SETTLES) -> bool:
    return entry.ended_at is not None and now - entry.ended_at >= within


# The recorder did not know that there was anything to record. After a gap that may be its mistake.
_NOBODY_TALKED = frozenset({Reason.ABANDONED, Reason.UNANSWERED, Reason.NEVER_QUEUED})
_DOUBTED = _NOBODY_TALKED | {Reason.NOTHING_SAID, Reason.QUEUE_NOT_RECORDED}


def _weigh_unrecorded(entry: QueueLogCall, call: KnownCall, queues: frozenset[str], now: datetime) -> Verdict:
    verdict = call.verdict
    if verdict.reason not in _DOUBTED:
        return verdict
    # A queue the recorder did know, and did not record, may have been configured since.
    ours = queues - {call.queue} if verdict.reason is Reason.QUEUE_NOT_RECORDED else queues
    if entry.connected_in & ours:
        if entry.ended_at is None and now - entry.legs[-1].connected_at < SETTLES:
            return verdict  # it was just answered: the log was read before its end was written
        if not entry.knows_talk_in(ours) or entry.talk_in(ours) > TOLERANCE:
            return _verdict(LedgerState.UNEXPLAINED, Reason.NO_RECORDING)
        return verdict if verdict.reason not in _NOBODY_TALKED else replace(verdict, reason=Reason.NOTHING_SAID)
    if entry.connected_in and verdict.reason in _NOBODY_TALKED:
        return replace(verdict, reason=Reason.QUEUE_NOT_RECORDED)
    if verdict.reason is Reason.ABANDONED and entry.outcome is QueueOutcome.LEFT:
        # Queue() reports a time-out to AMI as an abandoned caller; queue_log knows better.
        return replace(verdict, reason=Reason.UNANSWERED)
    return verdict


def _judge_unknown(entry: QueueLogCall, queues: frozenset[str], now: datetime) -> Verdict:
    """The PBX had a call that the database does not have."""
    answered = bool(entry.connected_in & queues)
    if not answered and entry.queue not in queues:
        return _verdict(LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)
    if not _settled(entry, now):
        return _verdict(LedgerState.PENDING, Reason.UNDER_WAY)
    if not answered:
        # Nobody talked, so there is nothing that could be missing.
        outcome = Reason.ABANDONED if entry.outcome is QueueOutcome.ABANDONED else Reason.UNANSWERED
        return _verdict(LedgerState.NOT_RECORDED, outcome)
    return _verdict(LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)
