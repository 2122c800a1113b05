"""What the dialplan's net recorded becomes a call like any other."""

from datetime import datetime

from ari_recorder.domain.adoption import retell
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.evidence import read_evidence, split_net_base, token
from ari_recorder.domain.ledger import LedgerState, Reason, judge
from ari_recorder.domain.recordings import StartedBy
from tests.domain.scenario import QUEUES, SECRET, Bench

AT = 1_764_000_000
UNIQUEID = Uniqueid(f"pbx-{AT}.7")
EVIDENCE = f"0195202000_fi_{AT}000_{AT + 3}000"
BASE = f"net_{UNIQUEID}_{EVIDENCE}_{token(SECRET, f'announced:{UNIQUEID}:' + EVIDENCE.replace('_', ':'))}"
LOG = [
    f"{AT + 3}|{UNIQUEID}|neuvonta|NONE|ENTERQUEUE||0401234567|1",
    f"{AT + 3}|pbx-9|neuvonta|NONE|ENTERQUEUE||0409999999|1",
    f"{AT + 5}|{UNIQUEID}|neuvonta|Adviser 1001|CONNECT|2|pbx-{AT}.8|1",
    f"{AT + 15}|{UNIQUEID}|neuvonta|Adviser 1001|COMPLETECALLER|2|10|1",
]


def _adopt(lines: list[str]) -> Bench:
    parts = split_net_base(BASE)
    assert parts is not None
    claim = read_evidence(SECRET, *parts)
    assert claim is not None
    bench = Bench()
    for event in retell(BASE, UNIQUEID, claim, lines):
        bench.feed(event)
    for change in bench.board.gone(UNIQUEID, datetime.fromtimestamp(AT + 60).astimezone()):
        assert change.call is not None
        for command in change.commands:
            for answer in bench._carry_out(command, change.call.first_seen_at, change.call):
                bench._feed(answer)
    return bench


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
    assert judge(call, QUEUES).state is LedgerState.RECORDED
    assert judge(call, QUEUES).reason is Reason.ADOPTED


def test_a_call_nobody_answered_leaves_nothing() -> None:
    bench = _adopt(LOG[:1])
    call = bench.calls[UNIQUEID]
    assert judge(call, QUEUES).state is LedgerState.NOT_RECORDED


def test_a_call_the_log_of_the_pbx_does_not_know_is_not_told() -> None:
    parts = split_net_base(BASE)
    assert parts is not None
    claim = read_evidence(SECRET, *parts)
    assert claim is not None
    assert retell(BASE, UNIQUEID, claim, LOG[1:2]) == []
