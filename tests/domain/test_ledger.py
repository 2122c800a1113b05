"""The ledger holds what the recorder says against what the PBX wrote down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.absences import Absence
from ari_recorder.domain.calls import Call, CallState, Mark, MarkKind
from ari_recorder.domain.events import SealedFacts, Side, Uniqueid
from ari_recorder.domain.ledger import (
    KnownCall,
    LedgerState,
    Reason,
    Verdict,
    balance,
    is_final,
    judge,
    known,
)
from ari_recorder.domain.queue_log import QueueLogCall, QueueOutcome, read_queue_log
from ari_recorder.domain.recordings import Recording, RecordingState, StartedBy

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


def _known(
    uniqueid: str,
    state: LedgerState,
    reason: Reason = Reason.NONE,
    *,
    heard: float = 10,
    queue: str = "neuvonta",
) -> KnownCall:
    return KnownCall(
        uniqueid=uniqueid,
        queue=queue,
        entered_at=datetime.fromtimestamp(AT, UTC),
        verdict=Verdict(state=state, reason=reason),
        flagged=False,
        heard=timedelta(seconds=heard),
        recording_ids=(UUID(int=1),),
    )


def _log(*events: str) -> dict[str, QueueLogCall]:
    """Of one caller: each event after so many seconds, in a queue, as in `12 neuvonta COMPLETECALLER|2|10|1`."""
    lines = []
    for event in events:
        after, queue, rest = event.split(maxsplit=2)
        lines.append(f"{AT + int(after)}|pbx-1|{queue}|Adviser 1|{rest}")
    return read_queue_log(lines)


def _says(log: dict[str, QueueLogCall], *known: KnownCall, now: datetime = NOW) -> tuple[LedgerState, Reason]:
    (row,) = balance(log.values(), known, QUEUES, now)
    return row.verdict.state, row.verdict.reason


def _not_recorded(reason: Reason, queue: str = "neuvonta") -> KnownCall:
    return _known("pbx-1", LedgerState.NOT_RECORDED, reason, heard=0, queue=queue)


PENDING = _known("pbx-1", LedgerState.PENDING, Reason.UNDER_WAY, heard=0)
NO_RECORDING = (LedgerState.UNEXPLAINED, Reason.NO_RECORDING)
LENGTH_DIFFERS = (LedgerState.UNEXPLAINED, Reason.LENGTH_DIFFERS)
ENTERED = "0 neuvonta ENTERQUEUE||0401234567|1"
CONNECTED = "2 neuvonta CONNECT|2|pbx-2|1"
COMPLETED = "12 neuvonta COMPLETECALLER|2|10|1"
SENT_ON = "12 neuvonta BLINDTRANSFER|1003|inside|2|10|1"


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
    assert calls["pbx-1"].talk_in(QUEUES) == timedelta(seconds=10)


def test_a_call_the_recorder_knows_is_what_the_recorder_says() -> None:
    assert _rows(_known("pbx-1", LedgerState.RECORDED))["pbx-1"] == (LedgerState.RECORDED, Reason.NONE)


def test_an_answered_call_the_recorder_does_not_know_is_unexplained() -> None:
    assert _rows()["pbx-1"] == (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)


def test_it_is_not_unexplained_before_it_had_time_to_be_stored() -> None:
    soon = datetime.fromtimestamp(AT + 12 + 44, UTC)
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


# --- the PBX is believed


@pytest.mark.parametrize(
    "reason", [Reason.UNANSWERED, Reason.ABANDONED, Reason.NOTHING_SAID, Reason.NEVER_QUEUED, Reason.QUEUE_NOT_RECORDED]
)
def test_talk_that_the_recorder_did_not_see_is_unexplained(reason: Reason) -> None:
    known = _not_recorded(reason, queue="kahvio" if reason is Reason.QUEUE_NOT_RECORDED else "neuvonta")
    assert _says(_log(ENTERED, CONNECTED, COMPLETED), known) == NO_RECORDING


def test_talk_after_a_transfer_is_not_in_the_log_and_may_be_any_length() -> None:
    log = _log(ENTERED, CONNECTED, "2 neuvonta BLINDTRANSFER|1003|inside|2|0|1")
    assert _says(log, _not_recorded(Reason.UNANSWERED)) == NO_RECORDING


def test_talk_of_a_second_by_the_log_is_nothing_said() -> None:
    log = _log(ENTERED, CONNECTED, "3 neuvonta COMPLETECALLER|2|1|1")
    for reason in (Reason.UNANSWERED, Reason.ABANDONED, Reason.NEVER_QUEUED, Reason.NOTHING_SAID):
        assert _says(log, _not_recorded(reason)) == (LedgerState.NOT_RECORDED, Reason.NOTHING_SAID)


def test_talk_in_another_queue_only_is_of_a_queue_that_is_not_recorded() -> None:
    log = _log(
        ENTERED, "2 kahvio ENTERQUEUE||0401234567|1", "4 kahvio CONNECT|2|pbx-2|1", "99 kahvio COMPLETEAGENT|2|95|1"
    )
    assert _says(log, _not_recorded(Reason.ABANDONED)) == (LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)


@pytest.mark.parametrize("reason", [Reason.CALLER_REFUSED, Reason.NO_EVIDENCE, Reason.CAPTURE_FAILED])
def test_what_was_not_recorded_on_purpose_or_with_an_alarm_stays_so(reason: Reason) -> None:
    assert _says(_log(ENTERED, CONNECTED, COMPLETED), _not_recorded(reason)) == (LedgerState.NOT_RECORDED, reason)


def test_a_queue_configured_later_does_not_make_old_calls_unexplained() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    assert _says(log, _not_recorded(Reason.QUEUE_NOT_RECORDED))[0] is LedgerState.NOT_RECORDED


def test_a_call_answered_as_the_log_was_read_is_not_unexplained_yet() -> None:
    log = _log(ENTERED, CONNECTED)
    known = _not_recorded(Reason.NOTHING_SAID)
    assert _says(log, known, now=datetime.fromtimestamp(AT + 46, UTC))[0] is LedgerState.NOT_RECORDED
    assert _says(log, known, now=datetime.fromtimestamp(AT + 47, UTC)) == NO_RECORDING


# --- the recorder's clock may be wrong


def test_a_recorder_that_did_not_hear_when_the_bridge_began_is_put_right_by_the_log() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    for heard, expected in [
        (10.0, (LedgerState.RECORDED, Reason.NONE)),
        (7.5, (LedgerState.RECORDED, Reason.NONE)),
        (7.4, LENGTH_DIFFERS),
        (12.6, LENGTH_DIFFERS),
    ]:
        doubted = _known("pbx-1", LedgerState.UNEXPLAINED, Reason.LENGTH_DIFFERS, heard=heard)
        assert _says(log, doubted) == expected, heard


def test_after_a_transfer_the_log_does_not_know_all_and_puts_nothing_right() -> None:
    doubted = _known("pbx-1", LedgerState.UNEXPLAINED, Reason.LENGTH_DIFFERS, heard=10)
    assert _says(_log(ENTERED, CONNECTED, SENT_ON), doubted) == LENGTH_DIFFERS


# --- pending does not last


def test_a_call_still_pending_long_after_its_end_is_unexplained() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    soon, late = (datetime.fromtimestamp(AT + after, UTC) for after in (12 + 44, 12 + 45))
    assert _says(log, PENDING, now=soon) == (LedgerState.PENDING, Reason.UNDER_WAY)
    assert _says(log, PENDING, now=late) == (LedgerState.UNEXPLAINED, Reason.NOT_FINISHED)


def test_a_call_that_only_waits_to_be_sealed_is_given_ten_minutes() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    soon, late = (datetime.fromtimestamp(AT + 12 + after, UTC) for after in (599, 600))
    captured = replace(PENDING, captured=True)
    assert _says(log, captured, now=soon) == (LedgerState.PENDING, Reason.UNDER_WAY)
    assert _says(log, captured, now=late) == (LedgerState.UNEXPLAINED, Reason.NOT_FINISHED)


@pytest.mark.parametrize("event", [SENT_ON, "12 neuvonta ATTENDEDTRANSFER|BRIDGE|626d2644|2|10|1"])
def test_a_call_that_was_sent_on_may_go_on_for_hours(event: str) -> None:
    assert _says(_log(ENTERED, CONNECTED, event), PENDING) == (LedgerState.PENDING, Reason.UNDER_WAY)


def test_a_call_sent_on_to_a_second_queue_is_over_when_that_says_so() -> None:
    again = ("14 neuvonta ENTERQUEUE||0401234567|1", "15 neuvonta CONNECT|1|pbx-3|1", "19 neuvonta COMPLETEAGENT|1|4|1")
    assert _says(_log(ENTERED, CONNECTED, SENT_ON, *again[:2]), PENDING)[0] is LedgerState.PENDING
    assert _says(_log(ENTERED, CONNECTED, SENT_ON, *again), PENDING) == (LedgerState.UNEXPLAINED, Reason.NOT_FINISHED)


def test_a_caller_nobody_answered_may_do_something_else_for_hours() -> None:
    assert _says(_log(ENTERED, "9 neuvonta EXITWITHTIMEOUT|1|1|9"), PENDING)[0] is LedgerState.PENDING


def test_calls_do_not_outlive_a_start_of_the_pbx() -> None:
    log = _log(ENTERED, CONNECTED, "30 NONE QUEUESTART|")
    assert log["pbx-1"].outcome is QueueOutcome.INTERRUPTED
    assert _says(log) == (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)
    assert _says(log, PENDING) == (LedgerState.UNEXPLAINED, Reason.NOT_FINISHED)
    assert _says(log, _known("pbx-1", LedgerState.RECORDED, Reason.ENDED_UNSEEN))[0] is LedgerState.RECORDED
    over = _log(ENTERED, CONNECTED, COMPLETED, "30 NONE QUEUESTART|")
    assert over["pbx-1"].outcome is QueueOutcome.COMPLETED


# --- what was heard


@pytest.mark.parametrize(
    "reason", [Reason.NONE, Reason.ENDED_UNSEEN, Reason.ADOPTED, Reason.LATE_START, Reason.SILENT_SIDE]
)
def test_a_recording_shorter_than_the_talk_by_the_log_is_unexplained(reason: Reason) -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    enough, short = (_known("pbx-1", LedgerState.RECORDED, reason, heard=heard) for heard in (7.5, 7.49))
    assert _says(log, enough) == (LedgerState.RECORDED, reason)
    assert _says(log, short) == LENGTH_DIFFERS


def test_a_loss_of_power_may_cost_five_seconds_of_talk_and_no_more() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    enough, short = (_known("pbx-1", LedgerState.RECORDED, Reason.TRUNCATED, heard=heard) for heard in (5, 4.99))
    assert _says(log, enough) == (LedgerState.RECORDED, Reason.TRUNCATED)
    assert _says(log, short) == LENGTH_DIFFERS


def test_a_transferred_call_may_be_heard_longer_but_not_shorter_than_the_log_knows() -> None:
    log = _log(ENTERED, CONNECTED, SENT_ON)
    assert _says(log, _known("pbx-1", LedgerState.RECORDED, heard=600))[0] is LedgerState.RECORDED
    assert _says(log, _known("pbx-1", LedgerState.RECORDED, heard=4)) == LENGTH_DIFFERS


def test_the_talk_of_all_legs_in_recorded_queues_is_to_be_heard() -> None:
    kahvio = ("14 kahvio ENTERQUEUE||1|1", "15 kahvio CONNECT|1|pbx-3|1", "19 kahvio BLINDTRANSFER|700|inside|1|4|1")
    back = ("20 neuvonta ENTERQUEUE||1|1", "21 neuvonta CONNECT|1|pbx-4|1", "28 neuvonta COMPLETEAGENT|1|7|1")
    log = _log(ENTERED, CONNECTED, SENT_ON, *kahvio, *back)
    assert _says(log, _known("pbx-1", LedgerState.RECORDED, heard=17))[0] is LedgerState.RECORDED
    assert _says(log, _known("pbx-1", LedgerState.RECORDED, heard=14.4)) == LENGTH_DIFFERS
    (row,) = balance(log.values(), (), QUEUES, NOW)
    assert row.talk_time == timedelta(seconds=17)


def test_without_a_talk_time_in_the_log_length_is_what_the_recorder_says() -> None:
    log = _log(ENTERED, CONNECTED, "12 neuvonta COMPLETECALLER|?")
    assert _says(log, _known("pbx-1", LedgerState.RECORDED, heard=1))[0] is LedgerState.RECORDED


# --- calls nobody told the recorder of


def test_an_unknown_call_answered_in_our_queue_and_sent_to_another_is_unexplained() -> None:
    kahvio = ("14 kahvio ENTERQUEUE||1|1", "15 kahvio CONNECT|1|pbx-3|1", "19 kahvio COMPLETEAGENT|1|4|1")
    assert _says(_log(ENTERED, CONNECTED, SENT_ON, *kahvio)) == (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)


def test_an_unknown_call_that_only_waited_in_our_queue_is_not_recorded() -> None:
    kahvio = ("14 kahvio ENTERQUEUE||1|1", "15 kahvio CONNECT|1|pbx-3|1", "19 kahvio COMPLETEAGENT|1|4|1")
    assert _says(_log(ENTERED, *kahvio)) == (LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)


# --- while nobody was there


def _away(since: float, until: float) -> Absence:
    begun = datetime.fromtimestamp(AT, UTC)
    return Absence(since=begun + timedelta(seconds=since), until=begun + timedelta(seconds=until), because="killed")


def _says_with(log: dict[str, QueueLogCall], absences: list[Absence], *known: KnownCall) -> tuple[LedgerState, Reason]:
    (row,) = balance(log.values(), known, QUEUES, NOW, absences)
    return row.verdict.state, row.verdict.reason


SERVICE_AWAY = (LedgerState.NOT_RECORDED, Reason.SERVICE_AWAY)
LATE_START = (LedgerState.RECORDED, Reason.LATE_START)
UNKNOWN_CALL = (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)


@pytest.mark.parametrize(
    ("absences", "says"),
    [
        ([], UNKNOWN_CALL),
        ([_away(0, 20)], SERVICE_AWAY),
        ([_away(2, 12)], SERVICE_AWAY),
        # the talk is from 2 to 12, and what the ledger forgives is 2.5 s
        ([_away(2, 9.5)], SERVICE_AWAY),
        ([_away(2, 9.4)], UNKNOWN_CALL),
        ([_away(4.6, 12)], UNKNOWN_CALL),
        ([_away(-100, 2)], UNKNOWN_CALL),
        ([_away(14, 100)], UNKNOWN_CALL),
        ([_away(0, 5), _away(6, 13)], SERVICE_AWAY),
    ],
)
def test_an_unknown_call_is_accounted_for_where_nobody_was_there_in_its_talk(
    absences: list[Absence], says: tuple[LedgerState, Reason]
) -> None:
    assert _says_with(_log(ENTERED, CONNECTED, COMPLETED), absences) == says


def test_a_call_of_no_length_needs_an_absence_in_its_second() -> None:
    log = _log(ENTERED, CONNECTED, "2 neuvonta COMPLETECALLER|2|0|1")
    assert _says_with(log, [_away(1, 2.3)]) == SERVICE_AWAY
    assert _says_with(log, [_away(3.1, 9)]) == UNKNOWN_CALL


@pytest.mark.parametrize(
    ("heard", "says"), [(7.4, LATE_START), (6.0, LATE_START), (1.6, LATE_START), (1.4, LENGTH_DIFFERS)]
)
def test_a_recording_that_is_too_short_lacks_what_nobody_was_there_for_and_no_more(
    heard: float, says: tuple[LedgerState, Reason]
) -> None:
    known = _known("pbx-1", LedgerState.RECORDED, Reason.LATE_START, heard=heard)
    assert _says_with(_log(ENTERED, CONNECTED, COMPLETED), [_away(-5, 8)], known) == says


def test_absences_that_overlap_are_one() -> None:
    """A clock that was set back makes such."""
    log = _log(ENTERED, CONNECTED, COMPLETED)
    assert _says_with(log, [_away(0, 6), _away(1, 4), _away(3, 12)]) == SERVICE_AWAY
    assert _says_with(log, [_away(0, 6), _away(1, 4), _away(3, 7)]) == UNKNOWN_CALL, "six seconds are not counted twice"
    assert _says_with(log, [_away(0, 12), replace(_away(11, 20), over=False)]) == (
        LedgerState.PENDING,
        Reason.UNDER_WAY,
    )


def test_as_long_as_an_absence_goes_on_nobody_knows_what_the_net_recorded() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    assert _says_with(log, [replace(_away(0, 20), over=False)]) == (LedgerState.PENDING, Reason.UNDER_WAY)
    assert _says_with(log, [replace(_away(9, 20), over=False)]) == UNKNOWN_CALL
    assert _says_with(log, [_away(0, 11), replace(_away(14, 20), over=False)]) == SERVICE_AWAY


def test_a_call_whose_end_nobody_saw_has_the_time_of_any_other_to_be_finished_from_the_return_on() -> None:
    log = _log(ENTERED, CONNECTED, COMPLETED)
    now = (NOW - datetime.fromtimestamp(AT, UTC)).total_seconds()
    pending, not_finished = (LedgerState.PENDING, Reason.UNDER_WAY), (LedgerState.UNEXPLAINED, Reason.NOT_FINISHED)
    assert _says_with(log, [replace(_away(5, now), over=False)], PENDING) == pending
    assert _says_with(log, [_away(5, now - 44)], PENDING) == pending
    assert _says_with(log, [_away(5, now - 46)], PENDING) == not_finished
    assert _says_with(log, [_away(20, now - 1)], PENDING) == not_finished, "its end was seen"


def test_after_a_transfer_nobody_knows_how_long_the_talk_was() -> None:
    assert _says_with(_log(ENTERED, CONNECTED, SENT_ON), [_away(-100, 100)]) == UNKNOWN_CALL


def test_what_the_recorder_did_on_purpose_needs_no_excuse() -> None:
    for reason in (Reason.CALLER_REFUSED, Reason.NO_EVIDENCE):
        log = _log(ENTERED, CONNECTED, COMPLETED)
        assert _says_with(log, [_away(-100, 100)], _not_recorded(reason)) == (LedgerState.NOT_RECORDED, reason)


def test_a_call_the_pbx_died_with_lasted_until_it_was_started_anew_at_most() -> None:
    log = _log(ENTERED, CONNECTED)
    log = read_queue_log([f"{AT + 40}|NONE|NONE|NONE|QUEUESTART|"], log)
    assert _says_with(log, []) == UNKNOWN_CALL
    assert _says_with(log, [_away(1, 41)]) == SERVICE_AWAY
    assert _says_with(log, [_away(20, 41)]) == UNKNOWN_CALL


# --- what the recorder itself says


def _call(*lengths: float, talk: float = 10) -> Call:
    side = Side(duration=timedelta(), peak=0.5, rms=0.1, has_audio=True)
    began = datetime.fromtimestamp(AT, UTC)
    return Call(
        id=UUID(int=1),
        system_name="pbx",
        uniqueid=Uniqueid("pbx-1"),
        linkedid="pbx-1",
        channel="PJSIP/trunk-1",
        first_seen_at=began,
        state=CallState.ENDED,
        queue="neuvonta",
        joined_at=began,
        connected_at=began,
        bridged_before=timedelta(seconds=talk),
        recordings=tuple(
            Recording(
                id=UUID(int=number),
                base=str(number),
                segment=number,
                started_at=began,
                started_by=StartedBy.SERVICE,
                clock_at_start=timedelta(),
                state=RecordingState.SEALED,
                sealed=SealedFacts(
                    path="",
                    key_name="fallback",
                    wrapped_key="",
                    sha256="",
                    sealed_bytes=1,
                    duration=timedelta(seconds=length),
                    caller=side,
                    agent=side,
                ),
            )
            for number, length in enumerate(lengths, 1)
        ),
    )


def _judged(call: Call) -> tuple[LedgerState, Reason]:
    verdict = judge(call, QUEUES)
    return verdict.state, verdict.reason


def test_the_recordings_before_and_after_a_transfer_are_one_length() -> None:
    assert _judged(_call(6, 3.5)) == (LedgerState.RECORDED, Reason.NONE)
    assert _judged(_call(6)) == LENGTH_DIFFERS


def test_a_recording_of_which_something_is_missing_says_so_whatever_its_length() -> None:
    whole = _call(6, 3.5)
    first, second = whole.recordings
    assert first.sealed is not None
    cut = replace(first, sealed=replace(first.sealed, truncated="the spool was lost"))
    assert _judged(replace(whole, recordings=(cut, second))) == (LedgerState.RECORDED, Reason.TRUNCATED)
    assert _judged(replace(whole, recordings=(cut,))) == (LedgerState.RECORDED, Reason.TRUNCATED)


def test_after_a_gap_the_length_cannot_be_measured_by_our_clock() -> None:
    gap = Mark(kind=MarkKind.GAP, at=datetime.fromtimestamp(AT, UTC), offset=timedelta())
    assert _judged(replace(_call(6), marks=(gap,))) == (LedgerState.RECORDED, Reason.NONE)


def test_what_the_dialplan_began_is_adopted_also_when_ours_followed_after_a_transfer() -> None:
    call = replace(_call(6, 4), connected_unseen=True)
    first, second = call.recordings
    call = replace(call, recordings=(replace(first, started_by=StartedBy.DIALPLAN), second))
    assert _judged(call) == (LedgerState.RECORDED, Reason.ADOPTED)
    assert _judged(replace(call, recordings=(second, first))) == (LedgerState.RECORDED, Reason.LATE_START)


# --- the log itself


@pytest.mark.parametrize(
    "line",
    [
        "",
        "|",
        "x|y|z",
        f"{AT}|u|q|m",
        f"{AT}|u|q|m|CONNECT|a|b|c",
        "1e400|a|b|c|ENTERQUEUE",
        "99999999999999999999|a|b|c|ENTERQUEUE",
        "²|a|b|c|ENTERQUEUE",
        "\0\0\0|a|b|c|ENTERQUEUE",
    ],
)
def test_lines_that_are_cut_or_strange_are_passed_over(line: str) -> None:
    assert read_queue_log([line]) == {}


@pytest.mark.parametrize(
    "event",
    ["COMPLETECALLER", "COMPLETECALLER|2", "COMPLETEAGENT|2|x|1", "COMPLETEAGENT|2|9999999999|1", "BLINDTRANSFER|1|2"],
)
def test_an_end_that_is_cut_is_an_end_of_unknown_length(event: str) -> None:
    call = _log(ENTERED, CONNECTED, f"12 neuvonta {event}")["pbx-1"]
    assert call.outcome is QueueOutcome.COMPLETED
    assert not call.knows_talk_in(QUEUES)


@given(st.lists(st.sampled_from([ENTERED, CONNECTED, COMPLETED, SENT_ON, "5 kahvio CONNECT", "6 NONE QUEUESTART|"])))
def test_whatever_order_the_lines_have_nothing_breaks(events: list[str]) -> None:
    for calls in ((), (PENDING,), (_not_recorded(Reason.UNANSWERED),)):
        assert len(balance(_log(*events).values(), calls, QUEUES, NOW)) <= 1


def test_the_real_log_of_a_pbx_is_read() -> None:
    log = Path(__file__).parent.parent / "scenarios" / "queue_log"
    calls = read_queue_log(log.read_text().splitlines())
    assert len(calls) > 5
    assert {call.outcome for call in calls.values()} == {QueueOutcome.COMPLETED}
    queues = {"asiakaspalvelu", "tekniikka"}
    # Blind, attended and into a second queue: all the talk there is in the log.
    assert [calls[f"pbx1-1795465{key}"].talk_in(queues).seconds for key in ("338.11", "364.20", "353.17")] == [4, 5, 5]
    assert {key for key, call in calls.items() if not call.transferred} == {
        f"pbx1-1795465{key}" for key in ("309.0", "353.17", "382.28", "387.30")
    }


def _quarantine(proves: str = "pbx-1") -> KnownCall:
    known = _known("quarantine-1", LedgerState.QUARANTINED, Reason.UNKNOWN_CALL, queue="")
    return replace(known, proves=proves, recording_ids=(UUID(int=9),))


QUARANTINED = (LedgerState.QUARANTINED, Reason.UNKNOWN_CALL)


@pytest.mark.parametrize("known", [(), (_known("pbx-1", LedgerState.UNEXPLAINED, Reason.NO_RECORDING, heard=0),)])
def test_a_call_nobody_knows_is_explained_by_what_is_in_quarantine_and_proved_to_be_it(
    known: tuple[KnownCall, ...],
) -> None:
    (row,) = balance(_log(ENTERED, CONNECTED, COMPLETED).values(), (*known, _quarantine()), QUEUES, NOW)
    assert (row.uniqueid, row.verdict.state, row.verdict.reason) == ("pbx-1", *QUARANTINED)
    assert (row.heard, row.recording_ids) == (timedelta(seconds=10), (UUID(int=9),))
    assert is_final(row, NOW)


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        (_known("pbx-1", LedgerState.RECORDED), (LedgerState.RECORDED, Reason.NONE)),
        (_known("pbx-1", LedgerState.RECORDED, heard=3), LENGTH_DIFFERS),
        (_not_recorded(Reason.CALLER_REFUSED), (LedgerState.NOT_RECORDED, Reason.CALLER_REFUSED)),
    ],
)
def test_a_call_with_an_answer_of_its_own_keeps_it_beside_a_row_of_the_quarantine(
    call: KnownCall, verdict: tuple[LedgerState, Reason]
) -> None:
    """What is missing of a recording is not what nobody may hear."""
    rows = balance(_log(ENTERED, CONNECTED, COMPLETED).values(), (call, _quarantine()), QUEUES, NOW)
    assert {row.uniqueid: (row.verdict.state, row.verdict.reason) for row in rows} == {
        "pbx-1": verdict,
        "quarantine-1": QUARANTINED,
    }


def test_what_is_in_quarantine_says_more_than_that_nobody_was_there() -> None:
    away = Absence(
        since=datetime.fromtimestamp(AT, UTC), until=datetime.fromtimestamp(AT + 60, UTC), because="it did not run"
    )
    log = _log(ENTERED, CONNECTED, COMPLETED).values()
    (row,) = balance(log, (), QUEUES, NOW, (away,))
    assert row.verdict.reason is Reason.SERVICE_AWAY
    (row,) = balance(log, (_quarantine(),), QUEUES, NOW, (away,))
    assert (row.verdict.state, row.verdict.reason) == QUARANTINED


def test_a_quarantine_that_proves_no_call_explains_none() -> None:
    rows = balance(_log(ENTERED, CONNECTED, COMPLETED).values(), (_quarantine(proves=""),), QUEUES, NOW)
    assert {row.uniqueid: row.verdict.state for row in rows} == {
        "pbx-1": LedgerState.UNEXPLAINED,
        "quarantine-1": LedgerState.QUARANTINED,
    }


@pytest.mark.parametrize(
    ("states", "captured"),
    [
        ((RecordingState.CLOSED,), True),
        ((RecordingState.SEALED, RecordingState.CLOSED), True),
        ((RecordingState.CAPTURING,), False),
        ((RecordingState.CLOSED, RecordingState.STOPPING), False),
    ],
)
def test_captured_is_of_what_nothing_more_is_written(states: tuple[RecordingState, ...], captured: bool) -> None:
    whole = _call(*(5 for _ in states))
    call = replace(whole, recordings=tuple(replace(r, state=s) for r, s in zip(whole.recordings, states, strict=True)))
    assert known(call, QUEUES).captured is captured
    assert not known(replace(call, state=CallState.TALKING), QUEUES).captured
