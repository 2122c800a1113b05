"""What CEL says of calls, and what both of the PBX's logs say together. Lines are as a real Asterisk writes them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_recorder.domain.cel import EVENTS, LAG, CelCall, Witness, is_wanted, lacking, read_cel, time_of, union
from ari_recorder.domain.ledger import SETTLES, LedgerState, Reason, balance
from ari_recorder.domain.queue_log import QueueLogCall, QueueOutcome, read_queue_log

AT = 1_764_000_000
BEGIN = datetime.fromtimestamp(AT, UTC)
QUEUES = frozenset({"neuvonta", "tekniikka"})
NOW = BEGIN + timedelta(hours=1)
CALLER, AGENT, SECOND = f"pbx-{AT}.0", f"pbx-{AT + 3}.4", f"pbx-{AT + 20}.9"
SINCE = {Witness.QUEUE_LOG: BEGIN - timedelta(days=1), Witness.CEL: BEGIN - timedelta(days=1)}


def line(after: float, event: str, uniqueid: str = CALLER, queue: str = "", linkedid: str = CALLER) -> str:
    return f'ari-recorder-cel-1,{AT + after:.6f},{event},{uniqueid},{linkedid},"{queue}"'


def answered(queue: str = "neuvonta", after: float = 0, talk: float = 10) -> list[str]:
    """Two seconds after coming, until the caller hangs up."""
    return [
        line(after, "APP_START", queue=queue),
        line(after + 2, "BRIDGE_ENTER", AGENT),
        line(after + 2.0002, "BRIDGE_ENTER", queue=queue),
        line(after + 2 + talk, "BRIDGE_EXIT", queue=queue),
        line(after + 2.0003 + talk, "BRIDGE_EXIT", AGENT),
        line(after + 2.001 + talk, "HANGUP"),
        line(after + 2.002 + talk, "HANGUP", AGENT),
    ]


def the_call(lines: Iterable[str]) -> CelCall:
    (call,) = read_cel(lines).values()
    return call


def test_an_answered_call_is_told_as_queue_log_tells_it() -> None:
    call = the_call(answered())
    assert (call.uniqueid, call.queue, call.outcome) == (CALLER, "neuvonta", QueueOutcome.COMPLETED)
    assert call.entered_at == BEGIN
    assert call.connected_in == {"neuvonta"}
    assert call.talk_in(QUEUES).total_seconds() == pytest.approx(10, abs=0.001)
    assert call.ended_at == BEGIN + timedelta(seconds=12)
    assert not call.transferred


def test_who_gives_up_waiting_has_left() -> None:
    call = the_call([line(0, "APP_START", queue="neuvonta"), line(5, "HANGUP")])
    assert (call.outcome, call.ended_at, call.legs) == (QueueOutcome.LEFT, BEGIN + timedelta(seconds=5), ())


def test_a_call_to_a_person_past_any_queue_is_none_of_ours() -> None:
    assert read_cel([line(0, "BRIDGE_ENTER"), line(1, "BRIDGE_ENTER", AGENT), line(9, "HANGUP")]) == {}


def test_a_call_whose_begin_is_not_there_is_known_by_its_bridge() -> None:
    """Application tracking is not set, or the file begins there."""
    assert the_call(answered()[1:]).connected_in == {"neuvonta"}
    assert read_cel(answered()[3:]) == {}, "of one that was in the middle nothing is said"


def test_after_a_blind_transfer_only_another_queue_counts() -> None:
    sent_on = [*answered()[:3], line(8, "BLINDTRANSFER", AGENT), line(8.001, "BRIDGE_EXIT", queue="neuvonta")]
    call = the_call([*sent_on, line(9, "BRIDGE_ENTER"), line(20, "BRIDGE_EXIT"), line(20, "HANGUP")])
    assert (call.transferred, call.outcome) == (True, QueueOutcome.COMPLETED)
    assert call.talk_in(QUEUES).total_seconds() == pytest.approx(6, abs=0.001)
    call = the_call([*sent_on, *answered("tekniikka", after=20, talk=5)])
    assert (call.transferred, call.connected_in) == (False, QUEUES)
    assert [round(leg.talk_time.total_seconds()) for leg in call.legs if leg.talk_time] == [6, 5]


def test_after_an_attended_transfer_the_caller_stays_in_queue_and_the_talk_counts_no_more() -> None:
    """As Asterisk has it: the caller goes on to be in Queue(), with somebody else."""
    call = the_call([*answered()[:3], line(8, "ATTENDEDTRANSFER", AGENT), *answered(talk=20)[3:]])
    assert call.transferred
    assert call.talk_in(QUEUES).total_seconds() == pytest.approx(6, abs=0.001)
    again = [line(9, "BRIDGE_EXIT", queue="neuvonta"), line(9, "BRIDGE_ENTER", queue="neuvonta")]
    assert the_call([*answered()[:3], line(8, "ATTENDEDTRANSFER", AGENT), *again]).ended_at == call.ended_at


def test_a_transfer_of_another_call_changes_nothing() -> None:
    other = line(5, "BLINDTRANSFER", SECOND, linkedid=SECOND)
    assert read_cel([*answered()[:3], other, *answered()[3:]]) == read_cel(answered())


def test_a_pbx_that_was_started_anew_has_no_call_of_before() -> None:
    first = f"pbx-{AT + 60}.0"
    calls = read_cel([*answered()[:3], line(60, "APP_START", first, "neuvonta", first)])
    assert calls[CALLER].outcome is QueueOutcome.INTERRUPTED, "the number 0 again"
    second = f"pbx-{AT + 60}.9"
    calls = read_cel([*answered()[:3], line(60, "APP_START", second, "neuvonta", second)])
    assert calls[CALLER].outcome is QueueOutcome.TALKING, "it may be the same run"
    later, waits = f"pbx-{AT + 1}.7", f"pbx-{AT + 2}.8"
    before = [*answered()[:3], line(1, "APP_START", later, "neuvonta", later), line(2, "APP_START", waits, "x", waits)]
    calls = read_cel([*before, line(60, "APP_START", first, "neuvonta", first)])
    assert {key: call.outcome for key, call in calls.items()} == {
        CALLER: QueueOutcome.INTERRUPTED,
        later: QueueOutcome.INTERRUPTED,
        waits: QueueOutcome.INTERRUPTED,
        first: QueueOutcome.WAITING,
    }
    assert calls[CALLER].ended_at == BEGIN + timedelta(seconds=60)
    assert calls[CALLER].legs[0].talk_time is None
    # Two threads that make channels at once are no new start, nor is a clock that was set back.
    for made in (f"pbx-{AT + 3}.6", f"pbx-{AT - 3600}.9"):
        assert read_cel([*before, line(3, "APP_START", made, "x", made)])[CALLER].outcome is QueueOutcome.TALKING


def test_a_clock_that_was_set_back_gives_no_length() -> None:
    call = the_call([*answered()[:3], line(-3600, "BRIDGE_EXIT", queue="neuvonta"), line(-3599, "HANGUP")])
    assert call.outcome is QueueOutcome.COMPLETED
    assert [leg.talk_time for leg in call.legs] == [None]
    assert not call.knows_talk_in(QUEUES)


@pytest.mark.parametrize(
    "strange",
    [
        "",
        "garbage",
        answered()[2][:-1],
        answered()[2][:40],
        answered()[2] + answered()[3],
        answered()[2] + ",more",
        answered()[2].replace("cel-1", "cel-2"),
        # The mapping of Asterisk's sample, and another one's time.
        f'"BRIDGE_ENTER","{AT}.000000","","","","","","s","x","PJSIP/a","Queue","neuvonta,t","3","","{CALLER}","{CALLER}"',
        answered()[2].replace(f"{AT + 2}", "2026-11-28 03:04"),
        answered()[2].replace(f"{AT + 2}", "9" * 11),
        answered()[2].replace("BRIDGE_ENTER", "LINKEDID_END"),
        answered()[2].replace(CALLER, ""),
        answered()[2].replace('"neuvonta"', "neuvonta"),
        f"{AT}|{CALLER}|neuvonta|NONE|ENTERQUEUE||0401234567|1",
        "\x00\udcff,\n" * 20,
    ],
)
def test_lines_that_are_cut_or_of_another_format_are_passed_over(strange: str) -> None:
    assert time_of(strange) is None
    assert not is_wanted(strange)
    whole = answered()
    assert read_cel([strange, *whole[:3], strange, *whole[3:], strange]) == read_cel(whole)


def test_a_queue_of_any_name_is_read() -> None:
    named = line(0, "APP_START", queue='neu""vonta, uusi')
    assert the_call([named]).queue == 'neu"vonta, uusi'


LINES = st.builds(
    line,
    st.floats(min_value=-100, max_value=100_000),
    st.sampled_from([*sorted(EVENTS), "CHAN_START"]),
    st.sampled_from([CALLER, AGENT, SECOND, "named-otherwise", f"pbx-{AT + 500}.1"]),
    st.sampled_from(["", "neuvonta", "Tekniikka", "kahvio"]),
    st.sampled_from([CALLER, SECOND]),
)


@settings(deadline=None)
@given(st.lists(LINES, max_size=40), st.integers(min_value=0, max_value=40))
def test_whatever_order_the_lines_have_reading_them_in_parts_is_reading_them_at_once(
    lines: list[str], cut: int
) -> None:
    whole = read_cel(lines)
    assert read_cel(lines[cut:], read_cel(lines[:cut])) == whole
    assert read_cel(filter(is_wanted, lines)) == whole
    for call in whole.values():
        assert (call.outcome is QueueOutcome.TALKING) <= bool(call.legs)
        assert all(leg.talk_time is None or leg.talk_time >= timedelta() for leg in call.legs)
        assert (call.ended_at is None) == (call.outcome in (QueueOutcome.WAITING, QueueOutcome.TALKING))


# --- both together


def logged(*, after: int = 0, queue: str = "neuvonta", talk: int = 10, uniqueid: str = CALLER) -> list[str]:
    return [
        f"{AT + after}|{uniqueid}|{queue}|NONE|ENTERQUEUE||0401234567|1",
        f"{AT + after + 2}|{uniqueid}|{queue}|Adviser 1|CONNECT|2|{AGENT}|1",
        f"{AT + after + 2 + talk}|{uniqueid}|{queue}|Adviser 1|COMPLETECALLER|2|{talk}|1",
    ]


def together(log: list[str], cel: list[str], now: datetime = NOW) -> dict[str, QueueLogCall]:
    return union(read_queue_log(log), read_cel(cel), QUEUES, now)


def test_where_both_say_the_same_queue_log_stands() -> None:
    assert together(logged(), answered()) == read_queue_log(logged())
    assert together(logged(), answered("NEUVONTA")) == read_queue_log(logged()), "Asterisk finds a queue in any case"
    assert together(logged(), []) == read_queue_log(logged())


def test_a_call_that_only_cel_knows_is_unexplained() -> None:
    (row,) = balance(together([], answered("NEUvonta")).values(), [], QUEUES, NOW)
    assert (row.verdict.state, row.verdict.reason) == (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)
    assert (row.queue, row.outcome) == ("neuvonta", QueueOutcome.COMPLETED)
    (row,) = balance(together([], answered("kahvio")).values(), [], QUEUES, NOW)
    assert (row.verdict.state, row.verdict.reason) == (LedgerState.NOT_RECORDED, Reason.QUEUE_NOT_RECORDED)


@pytest.mark.parametrize(
    "log",
    [
        logged()[:1],
        [logged()[0], f"{AT + 9}|{CALLER}|neuvonta|NONE|ABANDON|1|1|9"],
        [logged()[0], logged()[2]],
    ],
)
def test_a_call_that_queue_log_knows_to_have_waited_only_is_unexplained_too(log: list[str]) -> None:
    (row,) = balance(together(log, answered()).values(), [], QUEUES, NOW)
    assert (row.verdict.state, row.verdict.reason) == (LedgerState.UNEXPLAINED, Reason.UNKNOWN_CALL)
    assert row.talk_time.total_seconds() == pytest.approx(10, abs=0.001)


def test_an_end_that_queue_log_lost_is_cels_but_not_before_queue_log_can_have_written_it() -> None:
    ended = BEGIN + timedelta(seconds=12)
    call = together(logged()[:2], answered(), ended + LAG)[CALLER]
    assert (call.outcome, call.ended_at) == (QueueOutcome.COMPLETED, ended)
    call = together(logged()[:2], answered(), ended + LAG - timedelta(seconds=1))[CALLER]
    assert call.outcome is QueueOutcome.TALKING


def says(log: list[str], cel: list[str], now: datetime = NOW, since: dict[Witness, datetime] = SINCE) -> Witness | None:
    return lacking(read_queue_log(log).get(CALLER), read_cel(cel).get(CALLER), QUEUES, now, {**SINCE, **since})


def test_which_of_them_lacks_a_talk_is_told() -> None:
    assert says(logged(), answered()) is None
    assert says([], answered()) is Witness.QUEUE_LOG
    assert says(logged()[:1], answered()) is Witness.QUEUE_LOG
    assert says(logged(), []) is Witness.CEL
    assert says(logged(), [line(0, "APP_START", queue="neuvonta"), line(12, "HANGUP")]) is Witness.CEL
    assert says(logged(), answered("NEUVONTA")) is None


def test_what_is_no_contradiction() -> None:
    ended = BEGIN + timedelta(seconds=12)
    assert says([], answered(), ended + SETTLES - timedelta(seconds=1)) is None, "it may still be written"
    assert says([], answered()[:3]) is None, "it goes on"
    assert says([], answered("kahvio")) is None, "the queue is not recorded"
    assert says([], answered(talk=0.5)) is None, "the caller hung up while the agent answered"
    later = BEGIN + timedelta(seconds=1)
    assert says([], answered(), since={Witness.QUEUE_LOG: later}) is None, "the log begins after it"
    assert says(logged(), answered()[3:], since={Witness.CEL: later}) is None, "in the middle of it"


@st.composite
def houses(draw: st.DrawFn) -> tuple[list[str], list[str], dict[str, set[str]]]:
    """Some callers: the lines of queue_log and of CEL, and in which queues each was answered."""
    log: list[str] = []
    cel: list[str] = []
    truth: dict[str, set[str]] = {}
    for number in range(draw(st.integers(min_value=1, max_value=4))):
        uniqueid, after = f"pbx-{AT + 100 * number}.{10 * number}", 100 * number
        truth[uniqueid] = set()
        for _ in range(draw(st.integers(min_value=1, max_value=2))):
            queue = draw(st.sampled_from(["neuvonta", "tekniikka", "kahvio"]))
            talk = draw(st.integers(min_value=0, max_value=20))
            of_call = answered(queue, after, talk)
            if talk:
                truth[uniqueid].add(queue)
                log += logged(after=after, queue=queue, talk=talk, uniqueid=uniqueid)
            else:
                of_call = [of_call[0], of_call[5]]
                log += [logged(after=after, queue=queue, uniqueid=uniqueid)[0]]
                log += [f"{AT + after + 2}|{uniqueid}|{queue}|NONE|ABANDON|1|1|2"]
            cel += [one.replace(CALLER, uniqueid).replace(AGENT, f"{uniqueid}1") for one in of_call]
            after += 30
    return log, cel, truth


def some_of(lines: list[str], data: st.DataObject) -> list[str]:
    kept = data.draw(st.integers(min_value=0, max_value=2 ** len(lines) - 1))
    return [one for place, one in enumerate(lines) if kept >> place & 1]


@settings(deadline=None)
@given(houses(), st.data())
def test_whatever_queue_log_loses_cel_makes_up_for_and_the_other_way_round(
    house: tuple[list[str], list[str], dict[str, set[str]]], data: st.DataObject
) -> None:
    log, cel, truth = house
    whole = together(log, cel)
    assert whole == read_queue_log(log), "and what is whole stays what it is"
    some_log = some_of(log, data)
    found = together(some_log, cel)
    recorded = {key: queues & QUEUES for key, queues in truth.items()}
    assert {key: call.connected_in & QUEUES for key, call in found.items()} == recorded
    assert all(call.ended_at is not None for call in found.values())
    some_cel = some_of(cel, data)
    found = together(log, some_cel)
    assert {key: call.connected_in & QUEUES for key, call in found.items()} == recorded
