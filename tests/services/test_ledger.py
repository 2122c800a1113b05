"""The ledger of a day: which files of queue_log are read, and how the database's calls are found."""

import gzip
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import QueueLogUnreadable
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.ledger import LedgerState, Reason
from ari_recorder.output import write_ledger
from ari_recorder.services import queue_logs
from ari_recorder.services.ledger import DayLedger, day_ledger
from ari_recorder.storage import calls, erasing
from ari_recorder.storage.db import Database
from tests.services.house import READER
from tests.storage.calls_for_tests import finished_call, sealed_recording

DAY = date(2026, 11, 23)
BEGIN = datetime(2026, 11, 22, 22, tzinfo=UTC)  # midnight in Helsinki
QUEUES = frozenset({"advice"})
HOUR = timedelta(hours=1)
NOW = BEGIN + 48 * HOUR


def lines(uniqueid: str, at: datetime, talk: int = 60) -> str:
    epoch = int(at.timestamp())
    return (
        f"{epoch}|{uniqueid}|advice|NONE|ENTERQUEUE||0401234567|1\n"
        f"{epoch + 19}|{uniqueid}|advice|Outi|CONNECT|19|1.2|3\n"
        f"{epoch + 19 + talk}|{uniqueid}|advice|Outi|COMPLETECALLER|19|{talk}|1\n"
    )


def write(path: Path, text: str, written_at: datetime) -> None:
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.write(text)
    os.utime(path, (written_at.timestamp(), written_at.timestamp()))


@pytest.fixture
def queue_log(tmp_path: Path) -> Path:
    return tmp_path / "queue_log"


async def ledger(database: Database, queue_log: Path, day: date = DAY) -> DayLedger:
    return await day_ledger(database, queue_log=queue_log, queues=QUEUES, day=day, now=NOW, reader=READER)


async def store(database: Database, call: Call, state: LedgerState = LedgerState.RECORDED) -> None:
    async with database.transaction() as conn:
        await calls.upsert(conn, call, None, state, Reason.NONE, call.talk_time, NOW)


def found(day: DayLedger) -> list[str]:
    return [row.uniqueid for row in day.rows]


@pytest.mark.parametrize(
    ("oldest", "older"),
    [
        ("queue_log.2", "queue_log.1"),  # logrotate, and Asterisk's `rotate`
        ("queue_log.2.gz", "queue_log.1"),
        ("queue_log.0", "queue_log.1"),  # Asterisk's `sequential`
        ("queue_log-20261123", "queue_log-20261124.gz"),
        ("queue_log.1795380000", "queue_log.1795420000"),
    ],
)
async def test_a_log_that_was_rotated_twice_on_that_day_is_read_whole(
    database: Database, queue_log: Path, oldest: str, older: str
) -> None:
    # The second file begins in the middle of a call.
    text = lines("1.2", BEGIN + 2 * HOUR - timedelta(minutes=1)).splitlines(keepends=True)
    write(queue_log.with_name(oldest), lines("1.0", BEGIN - HOUR) + lines("1.1", BEGIN + HOUR) + text[0], BEGIN + HOUR)
    write(queue_log.with_name(older), "".join(text[1:]) + lines("1.3", BEGIN + 3 * HOUR), BEGIN + 4 * HOUR)
    write(queue_log, lines("1.4", BEGIN + 5 * HOUR), NOW)
    day = await ledger(database, queue_log)
    assert found(day) == ["1.1", "1.2", "1.3", "1.4"]
    assert day.count(LedgerState.UNEXPLAINED) == 4
    assert day.reaches_back


async def test_files_of_other_names_are_not_read(database: Database, queue_log: Path) -> None:
    for name in ("queue_log.1.bak", "queue_log_old", "queue_logs.1", "my.queue_log.1", "queue_log~"):
        write(queue_log.with_name(name), lines(name, BEGIN + HOUR), NOW)
    write(queue_log, lines("1.0", BEGIN - HOUR), NOW)
    assert found(await ledger(database, queue_log)) == []


async def test_a_file_that_is_just_being_packed_is_read_once(database: Database, queue_log: Path) -> None:
    write(queue_log.with_name("queue_log.1"), lines("1.1", BEGIN + HOUR), NOW)
    queue_log.with_name("queue_log.1.gz").write_bytes(b"\x1f\x8b")
    write(queue_log, lines("1.2", BEGIN + 2 * HOUR), NOW)
    day = await ledger(database, queue_log)
    assert found(day) == ["1.1", "1.2"]
    assert {row.talk_time for row in day.rows} == {timedelta(minutes=1)}


async def test_a_log_rotated_while_it_is_read_is_read_again(
    database: Database, queue_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(queue_log.with_name("queue_log.1"), lines("1.0", BEGIN - HOUR) + lines("1.1", BEGIN + HOUR), NOW)
    write(queue_log, lines("1.2", BEGIN + 2 * HOUR), NOW)
    read = queue_logs._lines
    rotations: list[Path] = []

    def rotating(path: Path, *how: Any) -> list[str]:
        if not rotations:
            rotations.append(path)
            queue_log.with_name("queue_log.1").rename(queue_log.with_name("queue_log.2"))
            queue_log.rename(queue_log.with_name("queue_log.1"))
            write(queue_log, lines("1.3", BEGIN + 3 * HOUR), NOW)
        return read(path, *how)

    monkeypatch.setattr(queue_logs, "_lines", rotating)
    day = await ledger(database, queue_log)
    assert found(day) == ["1.1", "1.2", "1.3"]
    assert day.reaches_back


async def test_a_log_younger_than_the_day_does_not_balance(
    database: Database, queue_log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(queue_log, lines("1.1", BEGIN + HOUR), NOW)
    await store(database, replace(finished_call(sealed_recording(), at=BEGIN + HOUR), uniqueid=Uniqueid("1.1")))
    day = await ledger(database, queue_log)
    assert day.count(LedgerState.RECORDED) == len(day.rows) == 1
    assert (day.reaches_back, day.balanced) == (False, False)
    write_ledger(day)
    assert "does not reach back" in capsys.readouterr().err
    write(queue_log.with_name("queue_log.1"), lines("1.0", BEGIN - HOUR), BEGIN - HOUR)
    day = await ledger(database, queue_log)
    assert (day.reaches_back, day.balanced) == (True, True)
    write_ledger(day)
    assert not capsys.readouterr().err


async def test_an_empty_log_reaches_nowhere(database: Database, queue_log: Path) -> None:
    write(queue_log, "", NOW)
    assert not (await ledger(database, queue_log)).balanced


async def test_old_files_are_not_opened_but_one(database: Database, queue_log: Path) -> None:
    write(queue_log, lines("1.1", BEGIN + HOUR), NOW)
    write(queue_log.with_name("queue_log.1"), lines("1.0", BEGIN - 24 * HOUR), BEGIN - 24 * HOUR)
    write(queue_log.with_name("queue_log.2"), "", BEGIN - 48 * HOUR)
    queue_log.with_name("queue_log.3.gz").write_bytes(b"rubbish")
    os.utime(queue_log.with_name("queue_log.3.gz"), (0, 0))
    assert (await ledger(database, queue_log)).reaches_back


@pytest.mark.parametrize("rubbish", [b"rubbish", gzip.compress(bytes(9999))[:30]], ids=["rubbish", "cut"])
async def test_a_packed_file_that_is_broken_is_named(database: Database, queue_log: Path, rubbish: bytes) -> None:
    write(queue_log, lines("1.1", BEGIN + HOUR), NOW)
    queue_log.with_name("queue_log.1.gz").write_bytes(rubbish)
    with pytest.raises(QueueLogUnreadable, match=r"queue_log\.1\.gz"):
        await ledger(database, queue_log)


async def test_without_the_log_there_is_no_ledger(database: Database, queue_log: Path) -> None:
    write(queue_log.with_name("queue_log.1"), lines("1.1", BEGIN + HOUR), NOW)
    with pytest.raises(QueueLogUnreadable, match="No such file"):
        await ledger(database, queue_log)
    with pytest.raises(QueueLogUnreadable, match="No such file"):
        await ledger(database, queue_log / "nowhere" / "queue_log")


async def test_a_call_the_recorder_put_on_another_day_is_found_by_its_uniqueid(
    database: Database, queue_log: Path
) -> None:
    """Joined before midnight; the recorder met it after a reconnect, the day after."""
    call = replace(finished_call(sealed_recording(), at=BEGIN + 25 * HOUR), uniqueid=Uniqueid("1.1"))
    await store(database, call)
    write(queue_log, lines("1.0", BEGIN - HOUR) + lines("1.1", BEGIN + 23 * HOUR), NOW)
    day = await ledger(database, queue_log)
    assert [(row.uniqueid, row.verdict.state) for row in day.rows] == [("1.1", LedgerState.RECORDED)]
    assert found(await ledger(database, queue_log, DAY + timedelta(days=1))) == []


async def test_a_call_only_the_database_knows_is_on_the_day_the_database_says(
    database: Database, queue_log: Path
) -> None:
    call = finished_call(sealed_recording(), at=BEGIN + HOUR)
    await store(database, call)
    write(queue_log, lines("1.0", BEGIN - HOUR), NOW)
    assert found(await ledger(database, queue_log)) == [call.uniqueid]


async def test_what_was_heard_is_the_sum_of_all_recordings(database: Database, queue_log: Path) -> None:
    call = finished_call(sealed_recording(), sealed_recording(2), at=BEGIN + HOUR)
    await store(database, replace(call, uniqueid=Uniqueid("1.1")))
    write(queue_log, lines("1.0", BEGIN - HOUR) + lines("1.1", BEGIN + HOUR, talk=122), NOW)
    (row,) = (await ledger(database, queue_log)).rows
    assert (row.heard, row.talk_time) == (timedelta(seconds=120.04), timedelta(seconds=122))
    assert row.verdict.state is LedgerState.RECORDED
    write(queue_log, lines("1.0", BEGIN - HOUR) + lines("1.1", BEGIN + HOUR, talk=123), NOW)
    (row,) = (await ledger(database, queue_log)).rows
    assert (row.verdict.state, row.verdict.reason) == (LedgerState.UNEXPLAINED, Reason.LENGTH_DIFFERS)


async def test_a_recording_that_was_swept_was_recorded_all_the_same(database: Database, queue_log: Path) -> None:
    call = replace(finished_call(sealed_recording(), at=BEGIN + HOUR), uniqueid=Uniqueid("1.1"))
    await store(database, call)
    ids = [recording.id for recording in call.recordings]
    async with database.transaction() as conn:
        await erasing.begin_erasing(conn, ids, "P3M of queue advice", NOW)
        await erasing.destroy_keys(conn, ids)
        assert await erasing.bury(conn, {one: ["sealed file"] for one in ids}, NOW)
        assert await calls.forget(conn, [call.id], NOW)
    write(queue_log, lines("1.0", BEGIN - HOUR) + lines("1.1", BEGIN + HOUR), NOW)
    (row,) = (await ledger(database, queue_log)).rows
    assert row.verdict.state is LedgerState.RECORDED
    assert row.recording_ids == ()


async def test_a_log_torn_by_a_power_cut_is_read(database: Database, queue_log: Path) -> None:
    torn = f"\0\0\0\0{lines('1.1', BEGIN + HOUR)}\xff\n{int(BEGIN.timestamp())}|1.\0|advice|NONE|ENTERQUEUE||1|1\n"
    write(queue_log, lines("1.0", BEGIN - HOUR) + torn, NOW)
    assert found(await ledger(database, queue_log)) == ["1.\0"]
