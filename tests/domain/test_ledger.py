"""The ledger holds what the recorder says against what the PBX wrote down."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.domain.ledger import (
    KnownCall,
    LedgerState,
    QueueOutcome,
    Reason,
    Verdict,
    balance,
    read_queue_log,
)

AT = 1_764_000_000
QUEUES = frozenset({"neuvonta"})
NOW = datetime.fromtimestamp(AT, UTC) + timedelta(hours=1)
LOG = f"""
{AT}|pbx-1|neuvonta|NONE|ENTERQUEUE||0401234567|1
{AT + 2}|pbx-1|neuvonta|Adviser 1|CONNECT|2|pbx-2|1
{AT + 12}|pbx-1|neuvonta|Adviser 1|COMPLETECALLER|2|10|1
{AT + 3}|pbx-3|neuvonta|NONE|ENTERQUEUE||0401234567|1
{AT + 9}|pbx-3|neuvonta|NONE|ABANDON|1|1|6
{AT + 4}|pbx-4|neuvonta|NONE|ENTERQUEUE||0401234567|1
{AT + 9}|pbx-4|neuvonta|NONE|EXITWITHTIMEOUT|1|1|5
{AT + 5}|pbx-5|kahvio|NONE|ENTERQUEUE||0401234567|1
{AT + 6}|pbx-6|neuvonta|NONE|ENTERQUEUE||0401234567|1
garbage
|||||
{AT}|NONE|NONE|NONE|QUEUESTART|
"""


def _known(uniqueid: str, state: LedgerState, reason: Reason = Reason.NONE) -> KnownCall:
    return KnownCall(
        uniqueid=uniqueid,
        queue="neuvonta",
        entered_at=datetime.fromtimestamp(AT, UTC),
        verdict=Verdict(state=state, reason=reason),
        flagged=False,
        recording_ids=(UUID(int=1),),
    )


def _rows(*known: KnownCall, now: datetime = NOW) -> dict[str, tuple[LedgerState, Reason]]:
    rows = balance(read_queue_log(LOG.splitlines()).values(), known, QUEUES, now)
    return {row.uniqueid: (row.verdict.state, row.verdict.reason) for row in rows}


def test_queue_log_tells_how_each_call_went() -> None:
    calls = read_queue_log(LOG.splitlines())
    outcomes = {key: call.outcome for key, call in calls.items()}
    assert outcomes == {
        "pbx-1": QueueOutcome.COMPLETED,
        "pbx-3": QueueOutcome.ABANDONED,
        "pbx-4": QueueOutcome.LEFT,
        "pbx-5": QueueOutcome.WAITING,
        "pbx-6": QueueOutcome.WAITING,
    }
    assert calls["pbx-1"].talk_time == timedelta(seconds=10)


def test_a_call_the_recorder_knows_is_what_the_recorder_says() -> None:
    assert _rows(_known("pbx-1", LedgerState.RECORDED))["pbx-1"] == (LedgerState.RECORDED, Reason.NONE)


def test_an_answered_call_the_recorder_does_not_know_is_unexplained() -> None:
    assert _rows()["pbx-1"] == (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)


def test_it_is_not_unexplained_before_it_had_a_minute_to_be_stored() -> None:
    soon = datetime.fromtimestamp(AT + 12 + 59, UTC)
    assert _rows(now=soon)["pbx-1"] == (LedgerState.PENDING, Reason.UNDER_WAY)


def test_calls_nobody_answered_need_no_recording() -> None:
    rows = _rows()
    assert rows["pbx-3"] == (LedgerState.NOT_RECORDED, Reason.ABANDONED)
    assert rows["pbx-4"] == (LedgerState.NOT_RECORDED, Reason.UNANSWERED)


def test_a_queue_that_is_not_configured_is_not_recorded() -> None:
    assert _rows()["pbx-5"] == (LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)


def test_a_call_under_way_is_pending() -> None:
    assert _rows()["pbx-6"] == (LedgerState.PENDING, Reason.UNDER_WAY)


def test_a_time_out_that_app_queue_reported_as_abandoned_is_a_time_out() -> None:
    rows = _rows(_known("pbx-4", LedgerState.NOT_RECORDED, Reason.ABANDONED))
    assert rows["pbx-4"] == (LedgerState.NOT_RECORDED, Reason.UNANSWERED)


def test_a_call_only_the_recorder_knows_is_shown_too() -> None:
    assert "pbx-9" in _rows(_known("pbx-9", LedgerState.RECORDED))


@pytest.mark.parametrize(
    "line", ["", "|", "x|y|z", f"{AT}|u|q|m", f"{AT}|u|q|m|CONNECT|a|b|c", "1e400|a|b|c|ENTERQUEUE"]
)
def test_lines_that_are_cut_or_strange_are_passed_over(line: str) -> None:
    assert read_queue_log([line]) == {}


def test_the_real_log_of_a_pbx_is_read() -> None:
    log = Path(__file__).parent.parent / "scenarios" / "queue_log"
    calls = read_queue_log(log.read_text().splitlines())
    assert len(calls) > 5
    assert {call.outcome for call in calls.values()} >= {QueueOutcome.COMPLETED}
