"""services/ledger_keeper.py: every call is weighed, what nobody can account for is an alarm, and days close."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from ari_recorder.domain.absences import Absence
from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.audit import Action
from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import LedgerCallExplained, LedgerCallUnknown
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.ledger import LedgerState, Reason, judge
from ari_recorder.domain.recordings import RecordingState
from ari_recorder.services import ledger_keeper
from ari_recorder.services.ledger import DayLedger, day_ledger, explain
from ari_recorder.services.ledger_keeper import EVERY, LedgerKeeper
from ari_recorder.services.witnesses import Witnesses
from ari_recorder.storage import absences, calls
from ari_recorder.storage.db import Database
from tests.services.house import READER, Time
from tests.storage.calls_for_tests import finished_call, sealed_recording

DAY = date(2026, 11, 23)
BEGIN = datetime(2026, 11, 22, 22, tzinfo=UTC)  # midnight in Helsinki
NOON = BEGIN + timedelta(hours=12)
MINUTE = timedelta(minutes=1)
QUEUES = frozenset({"advice"})
EVERYTHING = Scope(queues=None, interfaces=None)


class Desk:
    """A keeper with a clock and a queue_log."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.cel: Path | None = None
        self.queue_log = folder / "queue_log"
        self.queue_log.write_text(f"{int((BEGIN - MINUTE).timestamp())}|NONE|NONE|NONE|QUEUESTART|\n")
        self.time = Time(NOON)
        self.memory: list[Call] = []
        self.away: list[Absence] = []
        self.witnesses: list[Witnesses] = []
        self.keeper = self.another()

    def another(self) -> LedgerKeeper:
        self.witnesses.append(Witnesses(queue_log=self.queue_log, cel=self.cel, queues=QUEUES))
        return LedgerKeeper(
            database=self.database,
            witnesses=self.witnesses[-1],
            queues=QUEUES,
            in_memory=lambda: self.memory,
            clocks=self.time,
            away=lambda: self.away,
        )

    def logged(self, call: Call, *, talk: int = 60) -> None:
        """The PBX writes of it, from coming to hanging up."""
        assert call.connected_at is not None
        epoch = int(call.connected_at.timestamp())
        with self.queue_log.open("a") as file:
            file.write(
                f"{epoch - 19}|{call.uniqueid}|advice|NONE|ENTERQUEUE||0401234567|1\n"
                f"{epoch}|{call.uniqueid}|advice|Outi|CONNECT|19|1.2|3\n"
                f"{epoch + talk}|{call.uniqueid}|advice|Outi|COMPLETECALLER|19|{talk}|1\n"
            )

    async def stored(self, call: Call) -> None:
        verdict = judge(call, QUEUES)
        async with self.database.transaction() as conn:
            await calls.upsert(conn, call, None, verdict.state, verdict.reason, call.talk_time, self.time.now())

    async def look(self, keeper: LedgerKeeper | None = None) -> list[str]:
        """Which calls there was an alarm about."""
        with capture_logs() as lines:
            await (keeper or self.keeper).look()
        return [line["subject"] for line in lines if line.get("alarm") == "call-unexplained"]

    async def shown(self, day: date = DAY) -> DayLedger:
        return await day_ledger(
            self.database, queue_log=self.queue_log, queues=QUEUES, day=day, now=self.time.now(), reader=READER
        )

    async def explain(self, call: Call, why: str = "the phone was unplugged", scope: Scope = EVERYTHING) -> None:
        await explain(self.database, call.uniqueid, why, READER, self.time.now(), scope)

    async def kept(self) -> dict[str, tuple[str, str]]:
        async with self.database.transaction() as conn:
            rows = await conn.fetch("SELECT uniqueid, state::text, reason FROM ledger_row")
        return {row["uniqueid"]: (row["state"], row["reason"]) for row in rows}

    async def actions(self) -> list[str]:
        async with self.database.transaction() as conn:
            rows = await conn.fetch("SELECT leaf::jsonb ->> 'action' AS action FROM audit_pending ORDER BY place")
        return [row["action"] for row in rows]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(database, tmp_path)
    yield desk
    for witnesses in desk.witnesses:
        witnesses.close()


def recorded_call(at: datetime = NOON) -> Call:
    return finished_call(sealed_recording(started_at=at), at=at)


def ids(found: Iterable[Call]) -> list[Uniqueid]:
    return [call.uniqueid for call in found]


async def test_two_pbxs_are_weighed_each_for_itself_and_a_day_is_closed_with_the_last(
    database: Database, tmp_path: Path
) -> None:
    keepers, desks = {}, {}
    for name in ("harbour", "station"):
        (tmp_path / name).mkdir()
        desk = desks[name] = Desk(database, tmp_path / name)
        keepers[name] = LedgerKeeper(
            database=database, witnesses=desk.witnesses[-1], queues=QUEUES, in_memory=tuple, clocks=desk.time, pbx=name
        )
        call = finished_call(sealed_recording(started_at=NOON), at=NOON)
        call = replace(call, id=uuid4(), system_name=name, uniqueid=Uniqueid(f"{name}-{call.uniqueid}"))
        call = replace(call, recordings=tuple(replace(one, id=uuid4()) for one in call.recordings))
        desk.logged(call)
        await desk.stored(call)
        assert await desk.look(keepers[name]) == []  # and nobody calls the other's calls unexplained
    assert set((await desks["harbour"].kept()).values()) == {("recorded", "")}
    for name, closed in (("harbour", []), ("station", [DAY])):
        desks[name].time.time = BEGIN + timedelta(hours=26)
        assert await desks[name].look(keepers[name]) == []
        async with database.transaction() as conn:
            rows = await conn.fetch("SELECT day, recorded FROM ledger_day")
        assert [(row["day"], row["recorded"]) for row in rows] == [(day, 2) for day in closed]
    assert (await desks["harbour"].actions()).count(Action.LEDGER_CLOSE) == 2
    for desk in desks.values():
        desk.witnesses[-1].close()


async def test_an_absence_at_one_pbx_explains_nothing_at_another(database: Database) -> None:
    never = datetime(1970, 1, 1, tzinfo=UTC)
    both = {name: Absence(since=never, until=NOON, because=name) for name in ("harbour", "station")}
    async with database.transaction() as conn:
        for name, one in both.items():
            await absences.upsert(conn, [one], name)
        for name, one in both.items():
            assert await absences.between(conn, BEGIN, NOON, name) == (one,)
        assert await absences.between(conn, BEGIN, NOON) == ()


async def test_a_call_nobody_knows_is_an_alarm_within_the_minute_and_once(desk: Desk) -> None:
    call = recorded_call()
    desk.logged(call)
    assert call.ended_at is not None
    told_at = None
    desk.time.time = call.ended_at
    while desk.time.time <= call.ended_at + 2 * MINUTE:
        if told := await desk.look():
            assert told_at is None, "once"
            assert told == [call.uniqueid]
            told_at = desk.time.time
        desk.time.time += EVERY
    assert told_at is not None
    assert timedelta(seconds=30) < told_at - call.ended_at <= MINUTE
    assert await desk.look(desk.another()) == [], "nor after a restart"
    assert await desk.kept() == {call.uniqueid: ("unexplained", "unknown-call")}
    await desk.stored(call)  # it was on its way after all
    assert await desk.look() == []
    assert await desk.kept() == {call.uniqueid: ("recorded", "")}


async def test_what_waits_for_the_database_is_not_missing(desk: Desk) -> None:
    call = recorded_call()
    desk.memory = [call]
    desk.logged(call)
    desk.time.time = NOON + 10 * MINUTE
    assert await desk.look() == []
    assert await desk.kept() == {call.uniqueid: ("recorded", "")}
    desk.memory = []
    await desk.stored(call)
    assert await desk.look() == []


async def test_a_recording_that_does_not_come_to_its_end_is_an_alarm(desk: Desk) -> None:
    call = replace(recorded_call(), recordings=(replace(sealed_recording(), state=RecordingState.CLOSED, sealed=None),))
    desk.memory = [call]
    desk.logged(call)
    desk.time.time = NOON + 9 * MINUTE
    assert await desk.look() == [], "it is in the spool, and others are before it"
    desk.time.time = NOON + 12 * MINUTE
    assert await desk.look() == [call.uniqueid]
    assert await desk.kept() == {call.uniqueid: ("unexplained", "not-finished")}


async def test_a_recording_that_is_too_short_is_an_alarm(desk: Desk) -> None:
    call = recorded_call()
    await desk.stored(call)
    desk.logged(call, talk=300)
    desk.time.time = NOON + 10 * MINUTE
    assert await desk.look() == [call.uniqueid]
    assert await desk.kept() == {call.uniqueid: ("unexplained", "length-differs")}


async def test_of_two_services_one_tells(desk: Desk) -> None:
    call = recorded_call()
    desk.logged(call)
    desk.time.time = NOON + 5 * MINUTE
    assert [*await desk.look(), *await desk.look(desk.another())] == [call.uniqueid]


async def test_a_day_closes_when_it_is_over_and_balances_and_stands_when_the_log_is_gone(desk: Desk) -> None:
    good, bad = recorded_call(), recorded_call(NOON + MINUTE)
    alone = recorded_call(NOON + 2 * MINUTE)  # the PBX's log has lost it
    for call in (good, alone):
        await desk.stored(call)
    for call in (good, bad):
        desk.logged(call)
    desk.time.time = BEGIN + timedelta(hours=24, minutes=30)
    await desk.look()
    assert Action.LEDGER_CLOSE.value not in await desk.actions(), "the night's last calls may go on"
    desk.time.time = BEGIN + timedelta(hours=26)
    await desk.look(desk.another())
    assert Action.LEDGER_CLOSE.value not in await desk.actions(), "it does not balance"
    assert not (await desk.shown()).balanced
    await desk.explain(bad)
    await desk.look(desk.another())
    assert Action.LEDGER_CLOSE.value in await desk.actions()
    desk.queue_log.write_text("")
    shown = await desk.shown()
    assert shown.balanced
    assert shown.closed_at is not None
    assert {row.uniqueid: row.verdict.state for row in shown.rows} == {
        good.uniqueid: LedgerState.RECORDED,
        alone.uniqueid: LedgerState.RECORDED,
        bad.uniqueid: LedgerState.NOT_RECORDED,
    }
    assert [row.recording_ids for row in shown.rows if row.uniqueid == good.uniqueid] == [(good.recordings[0].id,)]
    assert (await desk.actions()).count(Action.LEDGER_CLOSE.value) == 1


async def test_a_closed_day_is_not_touched_any_more(desk: Desk) -> None:
    call = recorded_call()
    await desk.stored(call)
    desk.logged(call)
    desk.time.time = BEGIN + timedelta(hours=26)
    await desk.look()
    before = await desk.kept()
    late = recorded_call(NOON + MINUTE)
    desk.logged(late)
    assert await desk.look(desk.another()) == []
    assert await desk.kept() == before
    for statement in ("UPDATE ledger_day SET recorded = 9", "DELETE FROM ledger_day"):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with desk.database.transaction() as conn:
                await conn.execute(statement)


async def test_a_day_whose_beginning_the_log_does_not_hold_stays_open(desk: Desk) -> None:
    call = recorded_call()
    await desk.stored(call)
    desk.queue_log.write_text("")
    desk.logged(call)
    desk.time.time = BEGIN + timedelta(hours=26)
    await desk.look()
    shown = await desk.shown()
    assert not shown.balanced
    assert shown.closed_at is None
    assert [row.verdict.state for row in shown.rows] == [LedgerState.RECORDED]


async def test_calls_that_queue_log_lost_before_their_day_closed_are_shown_as_they_were_weighed(desk: Desk) -> None:
    call = recorded_call()
    desk.logged(call)
    desk.time.time = NOON + 5 * MINUTE
    await desk.look()
    desk.queue_log.write_text("")
    (row,) = (await desk.shown()).rows
    assert (row.uniqueid, row.verdict.reason) == (call.uniqueid, Reason.UNKNOWN_CALL)


async def test_an_explanation_is_of_the_own_unit_once_and_on_record(desk: Desk) -> None:
    call, fine = recorded_call(), recorded_call(NOON + MINUTE)
    for one in (call, fine):
        desk.logged(one)
    await desk.stored(fine)
    desk.time.time = NOON + 5 * MINUTE
    await desk.look()
    elsewhere = Scope(queues=frozenset({"dental"}), interfaces=None)
    with pytest.raises(LedgerCallUnknown):
        await desk.explain(call, scope=elsewhere)
    with pytest.raises(LedgerCallUnknown):
        await explain(desk.database, "1.1", "nobody", READER, desk.time.now(), EVERYTHING)
    with pytest.raises(LedgerCallExplained):
        await desk.explain(fine)
    await desk.explain(call, "the agent's phone was unplugged; 010190-123A was told")
    with pytest.raises(LedgerCallExplained):
        await desk.explain(call, "again")
    shown = await desk.shown()
    row = next(row for row in shown.rows if row.uniqueid == call.uniqueid)
    assert (row.verdict.state, row.verdict.reason) == (LedgerState.NOT_RECORDED, Reason.EXPLAINED)
    words = shown.explanations[call.uniqueid]
    assert words.explained_by == "sari"
    assert "010190" not in words.why
    assert (await desk.actions()).count(Action.LEDGER_EXPLAIN.value) == 1
    assert await desk.look() == [], "no alarm about what is explained"


async def test_a_log_that_cannot_be_read_is_an_alarm_once_and_calls_in_memory_are_weighed_all_the_same(
    desk: Desk,
) -> None:
    desk.queue_log.unlink()
    desk.memory = [call := recorded_call()]
    with capture_logs() as lines:
        await desk.keeper.look()
        await desk.keeper.look()
    assert [line["alarm"] for line in lines if line["event"] == "alarm"] == ["queue-log-unreadable"]
    assert await desk.kept() == {call.uniqueid: ("recorded", "")}


async def test_calls_of_a_time_without_a_service_are_accounted_for_and_told_together_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_keeper, "AT_ONCE", 2)
    several = [recorded_call() for _ in range(5)]
    for call in several:
        desk.logged(call)
    assert call.ended_at is not None
    desk.time.time = call.ended_at + MINUTE
    away = Absence(since=NOON - MINUTE, until=call.ended_at + MINUTE, because="the service did not run")
    async with desk.database.transaction() as conn:
        await absences.upsert(conn, [away])
    with capture_logs() as lines:
        for _ in range(2):
            await desk.keeper.look()
    told = [(line["alarm"], line["subject"], line["because"]) for line in lines if line["event"] == "alarm"]
    assert [one[:2] for one in told] == [("coverage-unknown", "ledger")]
    assert told[0][2].startswith("5 call(s)")
    assert await desk.kept() == {call.uniqueid: ("not_recorded", "service-away") for call in several}
    assert {row.verdict.reason for row in (await desk.shown()).rows} == {Reason.SERVICE_AWAY}


async def test_while_the_service_does_not_hear_the_pbx_nobody_is_alarmed_about_its_calls(desk: Desk) -> None:
    call = recorded_call()
    desk.logged(call)
    assert call.ended_at is not None
    desk.time.time = call.ended_at + MINUTE
    desk.away = [Absence(since=NOON - MINUTE, until=desk.time.time, because="reset by peer", over=False)]
    assert await desk.look() == []
    assert await desk.kept() == {call.uniqueid: ("pending", "under-way")}
    desk.away = [replace(desk.away[0], over=True)]
    desk.memory = [call]  # the dialplan's net recorded it
    assert await desk.look() == []
    assert (await desk.kept())[call.uniqueid][0] == "recorded"
