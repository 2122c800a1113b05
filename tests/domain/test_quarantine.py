"""Audio that is nobody's: what becomes of it, how long it is kept, and that nothing else can be done with it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from ari_recorder.domain import commands as c
from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import RecordingQuarantined
from ari_recorder.domain.events import Code, CodePressed, Sealed, SealFailed, Uniqueid
from ari_recorder.domain.holds import Hold
from ari_recorder.domain.ledger import LedgerState, Reason, judge, known
from ari_recorder.domain.quarantine import Orphaned, QuarantineReason, check_open, last_moment
from ari_recorder.domain.recordings import RecordingState
from ari_recorder.domain.reminders import Reminder, Urgency, for_quarantine
from ari_recorder.domain.retention import Erase, Keep, Kept, Period, Policy, Rules, decide
from ari_recorder.domain.retention_told import Retention, Rule, told
from ari_recorder.domain.switchboard import Change, Switchboard
from tests.domain.scenario import POLICY, QUEUES, SECRET, START, sealed_facts, uniqueid

ORPHAN = Orphaned(
    at=START,
    base="net_pbx-1764000000.1_x",
    fresh=UUID(int=77),
    because=QuarantineReason.UNKNOWN_CALL,
    uniqueid=Uniqueid("pbx-1764000000.99"),
    began=START - timedelta(minutes=9),
    ended=START - timedelta(minutes=5),
)


def board() -> Switchboard:
    return Switchboard(policy=POLICY, secret=SECRET, system_name="pbx", new_id=lambda: UUID(int=1))


def names(change: Change) -> list[str]:
    return [f"Alarm:{one.code}" if isinstance(one, c.Alarm) else type(one).__name__ for one in change.commands]


def sealed() -> Sealed:
    return Sealed(at=START, recording_id=ORPHAN.fresh, facts=sealed_facts(timedelta(minutes=4)))


def quarantined() -> tuple[Switchboard, Call]:
    one = board()
    one.feed(ORPHAN)
    (change,) = one.feed(sealed())
    assert change.call is not None
    return one, change.call


def test_it_is_sealed_like_a_recording_then_its_files_go_and_an_alarm_tells_of_it() -> None:
    one = board()
    (change,) = one.feed(ORPHAN)
    assert names(change) == ["SealRecording"]
    (change,) = one.feed(sealed())
    assert names(change) == ["ForgetFiles", "Alarm:quarantined", "StoreCall"]
    assert change.call is not None
    assert change.call.finished


def test_its_id_is_made_up_and_says_so_and_the_uniqueid_it_proves_stands_beside_it() -> None:
    """That call may have a row of its own, today or later."""
    _, call = quarantined()
    assert call.uniqueid == f"quarantine-{ORPHAN.fresh}"
    assert call.quarantine is not None
    assert call.quarantine.uniqueid == ORPHAN.uniqueid
    assert (call.recordings[0].id, call.recordings[0].started_at) == (ORPHAN.fresh, ORPHAN.began)


def test_the_same_files_are_sealed_once_however_often_they_are_found() -> None:
    one, call = quarantined()
    assert one.feed(ORPHAN) == []
    one.forget(call.uniqueid)
    assert one.feed(ORPHAN) == []


@pytest.mark.parametrize("of", ["its files", "its channel"])
def test_what_belongs_to_a_call_that_is_here_is_left_alone(of: str) -> None:
    one, call = quarantined()
    if of == "its files":
        other = replace(ORPHAN, fresh=UUID(int=78))
    else:
        one.load(replace(call, uniqueid=Uniqueid("pbx-1764000000.5"), quarantine=None, recordings=()), START)
        other = replace(ORPHAN, fresh=UUID(int=78), base="other", uniqueid=Uniqueid("pbx-1764000000.5"))
    assert one.feed(other) == []


@pytest.mark.parametrize(
    ("state", "orders"), [(RecordingState.CLOSED, ["SealRecording"]), (RecordingState.SEALED, ["ForgetFiles"])]
)
def test_after_a_restart_it_goes_on_where_it_was(state: RecordingState, orders: list[str]) -> None:
    _, call = quarantined()
    call = replace(call, recordings=(replace(call.recordings[0], state=state),))
    assert names(board().load(call, START)) == orders


def test_where_there_is_no_sample_after_all_there_is_no_quarantine() -> None:
    one = board()
    one.feed(ORPHAN)
    (change,) = one.feed(SealFailed(at=START, recording_id=ORPHAN.fresh, because="no samples", final=True))
    assert names(change) == ["ForgetFiles", "StoreCall"]
    assert change.call is not None
    assert judge(change.call, QUEUES).state is LedgerState.NOT_RECORDED


def test_no_code_flags_it() -> None:
    """Those of the call it is proved to be find that call alone."""
    one, _ = quarantined()
    for code in (Code.THREAT, Code.REFUSE):
        pressed = CodePressed(
            at=START,
            uniqueid=uniqueid("agent"),
            linkedid="",
            channel="PJSIP/1001-00000003",
            code=code,
            pressed=START,
            caller=ORPHAN.uniqueid,
        )
        assert one.feed(pressed) == []


@pytest.mark.parametrize("because", QuarantineReason)
def test_the_ledger_has_a_kind_for_it_with_the_reason(because: QuarantineReason) -> None:
    one = board()
    (change,) = one.feed(replace(ORPHAN, because=because))
    assert change.call is not None
    assert judge(change.call, QUEUES).state is LedgerState.PENDING
    (change,) = one.feed(sealed())
    assert change.call is not None
    entry = known(change.call, QUEUES)
    assert (entry.verdict.state, entry.verdict.reason) == (LedgerState.QUARANTINED, Reason(because))
    assert (entry.proves, entry.heard) == (ORPHAN.uniqueid, timedelta(minutes=4))


@pytest.mark.parametrize(
    ("came", "days", "until"),
    [
        (datetime(2026, 11, 24, 9, 0, tzinfo=UTC), 14, datetime(2026, 12, 8, 22, 0, tzinfo=UTC)),
        (datetime(2026, 11, 24, 9, 0, tzinfo=UTC), 1, datetime(2026, 11, 25, 22, 0, tzinfo=UTC)),
        # 01:30 of the 25th in Helsinki; and over the change of the clocks in spring.
        (datetime(2026, 11, 24, 23, 30, tzinfo=UTC), 1, datetime(2026, 11, 26, 22, 0, tzinfo=UTC)),
        (datetime(2027, 3, 27, 9, 0, tzinfo=UTC), 2, datetime(2027, 3, 29, 21, 0, tzinfo=UTC)),
    ],
)
def test_it_is_kept_for_whole_days_of_helsinki(came: datetime, days: int, until: datetime) -> None:
    assert last_moment(came, days) == until


RULES = Policy(rules=Rules(queues={"neuvonta": Period.parse("P3M")}))
UNTIL = datetime(2026, 12, 8, 22, 0, tzinfo=UTC)
KEPT = Kept(queue="", kept_from=START - timedelta(days=900), quarantined_until=UNTIL)


def test_no_rule_of_a_queue_and_no_hold_moves_its_day() -> None:
    hold = Hold(
        id=UUID(int=1),
        reference="1/26",
        owner="x",
        placed_at=START,
        placed_by="x",
        review_on=date(2027, 1, 1),
        queues=None,
    )
    before, then = UNTIL - timedelta(seconds=1), UNTIL
    assert decide(KEPT, RULES, (hold,), (), before) == Keep(until=UNTIL, because="the end of its quarantine")
    assert decide(KEPT, RULES, (hold,), (), then) == Erase(because="the end of its quarantine")
    assert told(KEPT, RULES, (hold,), (), before) == Retention(rule=Rule.QUARANTINE, destroyed_on=date(2026, 12, 9))


def test_whoever_asks_is_refused_with_its_day() -> None:
    check_open(ORPHAN.fresh, None)
    with pytest.raises(RecordingQuarantined, match="Nobody may listen to it") as refused:
        check_open(ORPHAN.fresh, UNTIL)
    assert refused.value.fields["day"] == date(2026, 12, 9)


LAST = date(2026, 12, 8)


@pytest.mark.parametrize(
    ("today", "last", "urgency"),
    [
        (date(2026, 11, 24), None, Urgency.URGENT),
        (date(2026, 11, 25), date(2026, 11, 24), None),
        (date(2026, 12, 5), date(2026, 11, 24), None),
        (date(2026, 12, 6), date(2026, 11, 24), Urgency.FINAL),
        (date(2026, 12, 7), date(2026, 12, 6), None),
        (date(2026, 12, 8), None, Urgency.FINAL),  # the sweep was refused all the time
        (date(2026, 12, 9), None, None),
    ],
)
def test_it_is_told_when_it_comes_and_before_it_goes(today: date, last: date | None, urgency: Urgency | None) -> None:
    due = for_quarantine(last_day=LAST, today=today, last=last)
    expected = Reminder(urgency=urgency, days_left=(LAST - today).days) if urgency is not None else None
    assert due == expected
