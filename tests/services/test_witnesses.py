"""Both logs of the PBX from disk: what CEL adds to the ledger, and what the ledger does without one of them."""

import gzip
import os
import resource
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ari_recorder.domain.audit import Action
from ari_recorder.domain.cel import Witness, read_cel
from ari_recorder.domain.errors import CelUnreadable, QueueLogUnreadable
from ari_recorder.domain.ledger import LedgerState, Reason
from ari_recorder.output import write_ledger
from ari_recorder.services.ledger import DayLedger, day_ledger
from ari_recorder.services.queue_logs import LONGEST, CelTail
from ari_recorder.storage.db import Database
from tests.services.house import READER
from tests.services.test_ledger_keeper import BEGIN, DAY, MINUTE, NOON, QUEUES, Desk, recorded_call

FIRST = "pbx-0.0"


def of_call(uniqueid: str, at: datetime, talk: int = 60, queue: str = "advice") -> str:
    """Comes, is answered after 19 s, hangs up."""

    def line(after: int, event: str, in_queue: str = "") -> str:
        return f'ari-recorder-cel-1,{at.timestamp() + after:.6f},{event},{uniqueid},{uniqueid},"{in_queue}"\n'

    return (
        line(0, "APP_START", queue)
        + line(19, "BRIDGE_ENTER", queue)
        + line(19 + talk, "BRIDGE_EXIT", queue)
        + line(19 + talk, "HANGUP")
    )


@pytest.fixture
def cel(tmp_path: Path) -> Path:
    path = tmp_path / "ari-recorder.csv"
    path.write_text(of_call(FIRST, BEGIN - MINUTE, queue="another"))
    return path


@pytest.fixture
def desk(database: Database, tmp_path: Path, cel: Path) -> Iterator[Desk]:
    desk = Desk(database, tmp_path)
    desk.cel = cel
    desk.keeper = desk.another()
    desk.time.time = NOON + 10 * MINUTE
    yield desk
    for witnesses in desk.witnesses:
        witnesses.close()


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def shown(desk: Desk) -> DayLedger:
    return await day_ledger(
        desk.database,
        queue_log=desk.queue_log,
        cel=desk.cel,
        queues=QUEUES,
        day=DAY,
        now=desk.time.now(),
        reader=READER,
    )


# --- the file


def test_half_a_line_is_waited_for_and_a_rotated_file_read(cel: Path) -> None:
    tail = CelTail(cel)
    whole = cel.read_text()
    for number in range(1, 30):
        text = of_call(f"pbx-{number}.{number}", BEGIN + number * MINUTE)
        whole += text
        add(cel, text[: 17 * number % len(text)])
        tail.read(BEGIN)
        add(cel, text[17 * number % len(text) :])
        if number % 7 == 0:
            rotated = cel.with_name(f"{cel.name}.{40 - number}.gz")
            rotated.write_bytes(gzip.compress(cel.read_bytes()))
            cel.unlink()
            cel.write_text("")
    tail.read(BEGIN)
    assert tail.calls == read_cel(whole.splitlines())
    assert len(tail.calls) == 30
    assert tail.begin == BEGIN - MINUTE
    tail.close()


def test_a_file_of_another_format_tells_nothing_and_one_that_is_cut_is_read_anew(cel: Path) -> None:
    cel.write_text('"BRIDGE_ENTER","1764000000.1","s","x","PJSIP/a-1","Queue","advice,t","pbx-1.1"\n' * 1000)
    tail = CelTail(cel)
    assert tail.read(BEGIN) == frozenset()
    assert tail.begin is None
    cel.write_text(of_call("pbx-1.1", BEGIN))
    assert tail.read(BEGIN) == {"pbx-1.1"}
    tail.close()


def test_a_line_without_an_end_is_not_kept_and_those_after_it_are_read(cel: Path) -> None:
    tail = CelTail(cel)
    tail.read(BEGIN)
    for _ in range(4):
        add(cel, "x" * LONGEST)
        tail.read(BEGIN)
    assert len(tail._rest) <= LONGEST
    add(cel, "\n" + of_call("pbx-1.1", BEGIN))
    assert tail.read(BEGIN) == {"pbx-1.1"}
    tail.close()


def test_a_hundred_thousand_lines_take_little_memory(cel: Path) -> None:
    """Most of a busy PBX's lines are of phones, and of calls past any queue."""
    at = BEGIN.timestamp()
    phones = f'ari-recorder-cel-1,{at:.6f},BRIDGE_ENTER,pbx-1.1,pbx-1.1,""\n' * 50_000
    cel.write_text(phones + "".join(of_call(f"pbx-{n}.{n}", BEGIN) for n in range(5_000)) + phones)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tail = CelTail(cel)
    tail.read(BEGIN)
    assert len(tail.calls) == 5_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "KiB"
    tail.close()


def test_a_file_that_is_not_there_or_not_ours_is_told(cel: Path, tmp_path: Path) -> None:
    with pytest.raises(CelUnreadable, match=r"pbx\.cel"):
        CelTail(tmp_path / "none.csv").read(BEGIN)
    old = cel.with_name(f"{cel.name}.1.gz")
    old.write_bytes(b"rubbish")
    os.utime(old, (NOON.timestamp(), NOON.timestamp()))
    with pytest.raises(CelUnreadable, match="gz"):
        CelTail(cel).read(BEGIN)


# --- the ledger


async def test_a_call_that_only_cel_knows_is_an_alarm_once(desk: Desk) -> None:
    assert desk.cel is not None
    add(desk.cel, of_call("pbx-7.7", NOON))
    assert await desk.look() == ["pbx-7.7"]
    assert await kept(desk) == {"pbx-7.7": ("unexplained", "unknown-call")}
    desk.time.time += 2 * MINUTE
    assert await desk.look() == []
    assert [row.uniqueid for row in (await shown(desk)).rows] == ["pbx-7.7"]


async def kept(desk: Desk) -> dict[str, tuple[str, str]]:
    """But the call by which the file begins."""
    return {uniqueid: verdict for uniqueid, verdict in (await desk.kept()).items() if uniqueid != FIRST}


async def alarms(desk: Desk) -> list[tuple[object, object]]:
    with capture_logs() as lines:
        await desk.keeper.look()
    return [(line["alarm"], line["subject"]) for line in lines if line["event"] == "alarm"]


async def test_what_one_of_them_lacks_is_told_once(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    both, lost = recorded_call(), recorded_call(NOON + MINUTE)
    for call in (both, lost):
        await desk.stored(call)
        assert desk.cel is not None
        add(desk.cel, of_call(call.uniqueid, NOON))
    desk.logged(both)
    assert await alarms(desk) == [("witnesses-differ", "queue_log")]
    desk.time.time += 2 * MINUTE
    assert await alarms(desk) == []
    assert {state for state, _ in (await kept(desk)).values()} == {"recorded"}
    found = await shown(desk)
    assert found.contradicted == {lost.uniqueid: Witness.QUEUE_LOG}
    write_ledger(found)
    assert "queue_log lacks the talk of 1 call(s)" in capsys.readouterr().err
    desk.logged(other := recorded_call(NOON + 2 * MINUTE))
    desk.time.time += 20 * MINUTE
    assert ("witnesses-differ", "cel") in await alarms(desk)
    assert (await kept(desk))[other.uniqueid] == ("unexplained", "unknown-call")


async def test_without_cel_the_ledger_goes_on_with_queue_log(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.cel is not None
    desk.cel.unlink()
    call = recorded_call()
    await desk.stored(call)
    desk.logged(call)
    assert await alarms(desk) == [("cel-unreadable", "cel")]
    assert await alarms(desk) == []
    assert await kept(desk) == {call.uniqueid: ("recorded", "")}
    found = await shown(desk)
    assert [row.verdict.state for row in found.rows] == [LedgerState.RECORDED]
    write_ledger(found)
    assert "pbx.cel" in capsys.readouterr().err
    desk.queue_log.unlink()
    with pytest.raises(QueueLogUnreadable):
        await shown(desk)


async def test_when_queue_log_is_lost_cel_tells_and_the_day_does_not_balance(desk: Desk) -> None:
    assert desk.cel is not None
    call = recorded_call()
    await desk.stored(call)
    add(desk.cel, of_call(call.uniqueid, NOON) + of_call("pbx-7.7", NOON))
    desk.queue_log.unlink()
    found = await shown(desk)
    assert {row.uniqueid: row.verdict.reason for row in found.rows} == {
        call.uniqueid: Reason.NONE,
        "pbx-7.7": Reason.UNKNOWN_CALL,
    }
    assert not found.reaches_back
    assert not found.balanced


async def test_a_day_that_both_tell_of_closes_with_what_cel_alone_knew(desk: Desk) -> None:
    assert desk.cel is not None
    known = recorded_call()
    await desk.stored(known)
    add(desk.cel, of_call(known.uniqueid, NOON) + of_call("pbx-7.7", NOON, queue="another"))
    desk.logged(known)
    desk.time.time = BEGIN + timedelta(hours=26)
    await desk.look()
    assert Action.LEDGER_CLOSE.value in await desk.actions()
    assert await kept(desk) == {known.uniqueid: ("recorded", ""), "pbx-7.7": ("not_recorded", "queue-not-recorded")}
