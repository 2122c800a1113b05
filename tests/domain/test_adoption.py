"""What the dialplan's net recorded becomes a call like any other, with the codes pressed in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ari_recorder.domain import commands as c
from ari_recorder.domain.adoption import NetRecording, logged_codes, retell
from ari_recorder.domain.events import (
    Announced,
    Armed,
    BridgeEnter,
    CallRetold,
    ChannelEvent,
    Code,
    CodePressed,
    Uniqueid,
)
from ari_recorder.domain.evidence import read_evidence, split_net_base, token
from ari_recorder.domain.ledger import LedgerState, Reason, Verdict, judge
from ari_recorder.domain.recordings import RecordingState, StartedBy
from tests.domain.scenario import QUEUES, SECRET, START, Bench, event, uniqueid

AT = 1_764_000_000
UNIQUEID, AGENT, COLLEAGUE = (Uniqueid(f"pbx-{AT}.{n}") for n in (7, 8, 11))
EVIDENCE = f"0195202000_fi_{AT}000_{AT + 3}000"
BASE = f"net_{UNIQUEID}_{EVIDENCE}_{token(SECRET, f'announced:{UNIQUEID}:' + EVIDENCE.replace('_', ':'))}"
JOIN = f"{AT + 3}|{UNIQUEID}|neuvonta|NONE|ENTERQUEUE||0401234567|1"
CONNECT = f"{AT + 5}|{UNIQUEID}|neuvonta|Adviser 1001|CONNECT|2|{AGENT}|1"
COMPLETE = f"{AT + 15}|{UNIQUEID}|neuvonta|Adviser 1001|COMPLETECALLER|2|10|1"
BLIND = f"{AT + 10}|{UNIQUEID}|neuvonta|Adviser 1001|BLINDTRANSFER|1003|inside|2|5|1"
ATTENDED = f"{AT + 10}|{UNIQUEID}|neuvonta|Adviser 1001|ATTENDEDTRANSFER|BRIDGE|b7|2|5|1"
LOG = [JOIN, f"{AT + 3}|pbx-9|neuvonta|NONE|ENTERQUEUE||0409999999|1", CONNECT, COMPLETE]


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(AT, UTC) + timedelta(seconds=seconds)


def _code(code: str, seconds: float, agent: Uniqueid = AGENT, caller: Uniqueid = UNIQUEID, secret: str = SECRET) -> str:
    at = round((AT + seconds) * 1000)
    proof = token(secret, f"code-logged:{caller}:{agent}:{code}:{at}")
    return f"{int(AT + seconds)}|{caller}|neuvonta|NONE|ARICODE|{code}|{at}|{proof}|{agent}"


def _net(length: float, written: float) -> NetRecording:
    parts = split_net_base(BASE)
    assert parts is not None
    claim = read_evidence(SECRET, *parts)
    assert claim is not None
    return NetRecording(base=BASE, claim=claim, length=timedelta(seconds=length), written_at=_when(written))


def _retold(lines: list[str], length: float = 10, written: float = 15) -> CallRetold:
    told = retell(SECRET, UNIQUEID, _net(length, written), lines)
    assert told is not None
    times = [event.at for event in told.events]
    assert times == sorted(times)
    assert times[-1] <= told.at
    return told


def _fed(told: CallRetold) -> Bench:
    bench = Bench()
    bench.feed(told)
    started = [command for _, command in bench.done if isinstance(command, c.StartMixMonitor)]
    assert not started, "a call that is over cannot be recorded any more"
    return bench


def _adopt(lines: list[str], length: float = 10, written: float = 15) -> Bench:
    return _fed(_retold(lines, length, written))


def _entered(told: CallRetold, uniqueid: Uniqueid = UNIQUEID) -> list[datetime]:
    return [event.at for event in told.events if isinstance(event, BridgeEnter) and event.uniqueid == uniqueid]


def _offsets(bench: Bench) -> list[tuple[str, float]]:
    return [(mark.kind.value, mark.offset.total_seconds()) for mark in bench.calls[UNIQUEID].marks]


def test_a_call_recorded_while_the_service_was_away_is_adopted_and_sealed() -> None:
    bench = _adopt(LOG)
    call = bench.calls[UNIQUEID]
    (recording,) = call.recordings
    assert recording.base == BASE
    assert recording.started_by is StartedBy.DIALPLAN
    assert call.talk_time.total_seconds() == 10
    assert call.members[0].name == "Adviser 1001"
    assert call.caller is not None
    assert call.caller.num == "0401234567"
    assert call.ended_at == _when(15)
    assert judge(call, QUEUES).state is LedgerState.RECORDED
    assert judge(call, QUEUES).reason is Reason.ADOPTED


def test_a_call_nobody_answered_leaves_nothing() -> None:
    call = _adopt([JOIN], 0, 3).calls[UNIQUEID]
    assert judge(call, QUEUES).state is LedgerState.NOT_RECORDED


def test_a_caller_who_gave_up_has_abandoned() -> None:
    bench = _adopt([JOIN, f"{AT + 9}|{UNIQUEID}|neuvonta|NONE|ABANDON|1|1|6"], 0, 3)
    assert judge(bench.calls[UNIQUEID], QUEUES).reason is Reason.ABANDONED
    assert bench.calls[UNIQUEID].ended_at == _when(9)


def test_a_call_the_log_of_the_pbx_does_not_know_is_not_told() -> None:
    assert retell(SECRET, UNIQUEID, _net(10, 15), LOG[1:2]) is None


def test_lines_that_are_cut_or_mad_are_passed_over() -> None:
    mad = [
        "",
        "|||||",
        "x|y",
        f"{AT}",
        f"²|{UNIQUEID}|q|m|CONNECT",
        f"{AT + 6}|{UNIQUEID}|neuvonta|NONE|ARICODE|refuse",
    ]
    assert _retold([*mad, *LOG, *mad]).events == _retold(LOG).events


def test_the_callers_no_destroys_what_the_net_recorded() -> None:
    bench = _adopt([JOIN, CONNECT, _code("refuse", 8.25), COMPLETE])
    call = bench.calls[UNIQUEID]
    assert judge(call, QUEUES).reason is Reason.CALLER_REFUSED
    assert not bench.lengths
    assert any(isinstance(command, c.DestroyRecording) and command.base == BASE for _, command in bench.done)


def test_a_code_is_known_by_whoever_pressed_it_though_no_bridge_was_seen() -> None:
    """An agent behind a Local channel, a colleague after a transfer: their channels are in no other line."""
    bench = _adopt([JOIN, CONNECT, _code("threat", 8.25, COLLEAGUE), COMPLETE])
    assert _offsets(bench) == [("threat", 3.25)]
    assert bench.calls[UNIQUEID].flagged


def test_pause_and_resume_come_in_their_order_with_their_own_times() -> None:
    told = _retold([JOIN, CONNECT, _code("pause", 7.5), _code("resume", 9.125), COMPLETE])
    codes = [event for event in told.events if isinstance(event, CodePressed)]
    assert [(code.code, code.pressed, code.at) for code in codes] == [
        (Code.PAUSE, _when(7.5), _when(7.5)),
        (Code.RESUME, _when(9.125), _when(9.125)),
    ]
    assert [code.uniqueid for code in codes] == [AGENT, AGENT]
    assert _offsets(_fed(told)) == [("pause", 2.5), ("resume", 4.125)]


def test_a_code_in_the_second_of_the_end_is_still_in_the_call() -> None:
    bench = _adopt([JOIN, CONNECT, _code("refuse", 15.75), COMPLETE])
    assert judge(bench.calls[UNIQUEID], QUEUES).reason is Reason.CALLER_REFUSED


def test_a_forged_code_and_one_of_another_call_are_not_told() -> None:
    others = [_code("refuse", 8, secret="insecure other"), _code("refuse", 8, caller=Uniqueid("pbx-9"))]
    copied = _code("refuse", 8, caller=Uniqueid("pbx-9")).replace("|pbx-9|", f"|{UNIQUEID}|")
    assert _retold([JOIN, CONNECT, *others, copied, COMPLETE]).events == _retold([JOIN, CONNECT, COMPLETE]).events


def test_files_tell_to_the_hundredth_when_the_only_conversation_began_and_ended() -> None:
    told = _retold([JOIN, CONNECT, _code("pause", 8), COMPLETE], length=9.9, written=15.62)
    assert _entered(told) == [_when(5.72)]
    assert told.at == _when(15.62)
    assert _offsets(_fed(told)) == [("pause", 2.28)]


def test_files_that_do_not_fit_the_log_are_not_believed() -> None:
    for length, written in ((4, 15), (10, 90), (60, 15), (10, 3)):
        told = _retold(LOG, length, written)
        assert _entered(told) == [_when(5)]
        assert told.at == _when(15)


def test_a_call_without_an_end_in_the_log_ended_when_its_files_did() -> None:
    told = _retold([JOIN, CONNECT], length=20, written=25.5)
    assert (_entered(told), told.at) == ([_when(5.5)], _when(25.5))


def test_after_an_attended_transfer_the_caller_talks_on() -> None:
    bench = _adopt([JOIN, CONNECT, ATTENDED, _code("threat", 20, COLLEAGUE)], length=25, written=30.5)
    assert _offsets(bench) == [("threat", 14.5)]
    assert bench.calls[UNIQUEID].talk_time == timedelta(seconds=25)


def test_after_a_blind_transfer_the_caller_is_alone_until_the_files_say_otherwise() -> None:
    bench = _adopt([JOIN, CONNECT, BLIND, _code("threat", 21, COLLEAGUE)], length=15, written=30)
    call = bench.calls[UNIQUEID]
    assert call.talk_time == timedelta(seconds=15)  # 5 with the agent, 10 with the colleague
    assert _offsets(bench) == [("threat", 6)]
    assert call.ended_at == _when(30)


def test_after_a_blind_transfer_that_nobody_answered_nothing_is_added() -> None:
    told = _retold([JOIN, CONNECT, BLIND], length=5.4, written=18)
    assert len(_entered(told)) == 1
    assert _fed(told).calls[UNIQUEID].talk_time == timedelta(seconds=5)


def test_a_blind_transfer_to_a_second_queue_is_one_recording_of_two_conversations() -> None:
    second = [
        f"{AT + 14}|{UNIQUEID}|sosiaali|NONE|ENTERQUEUE||0401234567|1",
        f"{AT + 20}|{UNIQUEID}|sosiaali|Adviser 1002|CONNECT|6|{COLLEAGUE}|1",
        _code("threat", 22, COLLEAGUE),
        f"{AT + 30}|{UNIQUEID}|sosiaali|Adviser 1002|COMPLETEAGENT|6|10|1",
    ]
    bench = _adopt([JOIN, CONNECT, BLIND, *second], length=15, written=30)
    call = bench.calls[UNIQUEID]
    assert [member.queue for member in call.members] == ["neuvonta", "sosiaali"]
    assert len(call.recordings) == 1
    assert call.talk_time == timedelta(seconds=15)
    assert _offsets(bench) == [("threat", 7)]


def test_a_first_queue_where_nobody_answered_is_not_part_of_the_second_ones_recording() -> None:
    earlier = [
        f"{AT - 60}|{UNIQUEID}|sosiaali|NONE|ENTERQUEUE||0401234567|1",
        f"{AT - 30}|{UNIQUEID}|sosiaali|NONE|EXITWITHTIMEOUT|1|1|30",
    ]
    assert _retold([*earlier, *LOG]).events == _retold(LOG).events


def test_codes_of_calls_the_service_knows_are_read_once_and_in_order() -> None:
    lines = [_code("resume", 9), _code("pause", 8), _code("pause", 8), _code("refuse", 7, secret="insecure"), *LOG]
    found = logged_codes(SECRET, lines)
    assert [(code.caller, code.code) for code in found] == [(UNIQUEID, Code.PAUSE), (UNIQUEID, Code.RESUME)]
    assert found[0] == replace(found[0], at=_when(8), pressed=_when(8), uniqueid=AGENT, missed=True)


def _during_gap(*before: str) -> Bench:
    """A call whose beginning was heard, then a gap in which everything else happened."""
    bench = Bench()
    for line in before:
        bench.feed(event(line))
    bench.feed(event("8 Gap"))
    bench.feed(event("40 ResyncBegan"))
    return bench


def test_a_known_caller_whom_the_net_recorded_meanwhile_is_told_whole() -> None:
    """The service was cut off while the caller waited: it knows the call, the net has its voices."""
    bench = _during_gap("0 Announcing caller", "3 Announced caller", "3.01 QueueCallerJoin caller")
    known = uniqueid("caller")
    told = _retold([JOIN, CONNECT, _code("threat", 7), COMPLETE])
    bench.feed(_of(known, told))
    bench.feed(event("40.1 ResyncDone"))
    call = bench.calls[known]
    assert [member.interface for member in call.members] == ["Adviser 1001"]
    assert (judge(call, QUEUES).state, judge(call, QUEUES).reason) == (LedgerState.RECORDED, Reason.ADOPTED)
    assert call.flagged
    assert call.finished
    assert len(bench.lengths) == 1


def test_what_the_net_recorded_beside_our_own_recording_is_destroyed() -> None:
    bench = _during_gap(
        "0 Announcing caller",
        "3 Announced caller",
        "3.01 QueueCallerJoin caller",
        "5 AgentConnect caller member=agent",
        "5 BridgeEnter caller bridge=b1",
        "5 BridgeEnter agent bridge=b1",
    )
    known = uniqueid("caller")
    told = _retold(LOG)
    bench.feed(_of(known, told))
    bench.feed(event("40.1 ResyncDone"))
    call = bench.calls[known]
    assert call.finished
    assert [r.state for r in call.recordings] == [RecordingState.SEALED, RecordingState.DISCARDED]
    assert len(call.members) == 1


def test_a_call_last_seen_before_it_was_answered_is_completed_by_the_log() -> None:
    """The service saw the caller armed, died, and came back when everything was over."""
    bench = Bench()
    told = _retold(LOG)
    for known in (one for one in told.events if isinstance(one, Announced | Armed)):
        bench.feed(known)
    assert bench.calls[UNIQUEID].unanswered
    bench.feed(told)
    call = bench.calls[UNIQUEID]
    (recording,) = call.recordings
    assert recording.state is RecordingState.SEALED
    assert call.members[0].name == "Adviser 1001"
    assert call.queue == "neuvonta"
    assert judge(call, QUEUES) == Verdict(state=LedgerState.RECORDED, reason=Reason.ADOPTED)


def test_files_of_a_call_that_was_stored_meanwhile_bring_it_not_back() -> None:
    """With the next look they are known to be nobody's."""
    bench = _adopt(LOG)
    bench.board.forget(UNIQUEID)
    before = len(bench.done)
    bench.feed(_retold(LOG))
    assert len(bench.done) == before
    assert bench.board.calls == ()


def test_a_call_nobody_heard_more_of_than_its_beginning_is_told_whole_when_it_is_here_no_more() -> None:
    """Heard: that it was announced, and that the caller hung up. While it is here nothing of the net's is destroyed for
    want of a proof that was not heard; there is no row of it, so it is not over for good."""
    bench = Bench()
    bench.feed(event("0 Announcing caller"))
    caller = uniqueid("caller")
    bench.feed(event("9 Hangup caller"))
    told = _of(caller, _retold(LOG))
    bench.feed(told)
    assert not any(isinstance(command, c.DestroyRecording) for _, command in bench.done)
    bench.board.forget(caller, stored=False)
    assert not bench.board.is_over(caller)
    bench.feed(told)
    (recording,) = bench.calls[caller].recordings
    assert recording.state is RecordingState.SEALED


def _of(caller: Uniqueid, told: CallRetold) -> CallRetold:
    """The same of another caller, at the time of the tables."""
    later = START - _when(0)

    def moved(one: ChannelEvent) -> ChannelEvent:
        if isinstance(one, CodePressed):
            return replace(one, at=one.at + later, pressed=one.pressed + later, caller=caller)
        return replace(one, at=one.at + later, uniqueid=caller if one.uniqueid == UNIQUEID else one.uniqueid)

    return replace(told, at=told.at + later, uniqueid=caller, events=tuple(map(moved, told.events)))
