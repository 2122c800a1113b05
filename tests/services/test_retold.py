"""services/record.py: after an absence hundreds of calls are told again, and those that live now do not wait."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ari_recorder.domain.events import CallRetold, Event, FilesClosed, ResyncDone, Uniqueid
from ari_recorder.services.adopt import Missed
from ari_recorder.services.presence import Lack
from ari_recorder.services.record import FEW, Recorder
from ari_recorder.storage.db import Database
from tests.services.test_quarantine import Line, until

CALLS = tuple(cast(CallRetold, f"retold {n}") for n in range(100))
LIVE = cast(FilesClosed, "live")
KNOWN = ResyncDone(at=datetime.now(UTC), complete=True)


@pytest.fixture
async def line(database: Database, tmp_path: Path) -> Line:
    return Line(tmp_path, database)


async def told_all(recorder: Recorder) -> None:
    """What its own start found, which is nothing."""
    await until(lambda: recorder._retelling is not None and recorder._retelling.done())


def watched(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is decided, in order; deciding takes a moment, as it does."""
    decided: list[Event] = []
    monkeypatch.setattr(recorder, "_decide", decided.append)
    return decided


async def test_a_call_that_lives_stands_behind_a_few(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line.running() as recorder:
        decided = watched(recorder, monkeypatch)
        told = asyncio.create_task(recorder._retell(CALLS, ()))
        await until(lambda: len(decided) >= 3)
        before = len(decided)
        await recorder._inbox.put(LIVE)
        await until(lambda: LIVE in decided)
        assert decided.index(LIVE) <= before + FEW + 1
        await told
        await until(lambda: len(decided) == len(CALLS) + 1)
        assert [one for one in decided if one != LIVE] == list(CALLS)


async def test_nobody_is_there_until_all_is_told(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line.running() as recorder:
        watched(recorder, monkeypatch)
        await told_all(recorder)
        recorder.presence.lost(datetime.now(UTC) - timedelta(seconds=5), "the service did not run")
        monkeypatch.setattr("ari_recorder.services.record.FEW", -1)  # it does not go on
        recorder.presence.extend(Lack.MISSED)
        recorder._retelling = asyncio.create_task(recorder._retell(CALLS, ()))
        await recorder._inbox.put(KNOWN)
        await until(lambda: recorder._inbox.empty())
        assert [one.over for one in recorder.presence.newest()] == [False]
        monkeypatch.setattr("ari_recorder.services.record.FEW", FEW)
        await until(lambda: recorder._retelling is not None and recorder._retelling.done())
        await until(lambda: [one.over for one in recorder.presence.newest()] == [True])


async def test_a_gap_meanwhile_is_an_absence_still(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    async with line.running() as recorder:
        watched(recorder, monkeypatch)
        await told_all(recorder)
        recorder.presence.lost(datetime.now(UTC), "the service did not run")
        monkeypatch.setattr("ari_recorder.services.record.FEW", -1)
        recorder.presence.extend(Lack.MISSED)
        recorder._retelling = asyncio.create_task(recorder._retell(CALLS, ()))
        await recorder._inbox.put(KNOWN)
        await until(lambda: recorder._inbox.empty())
        recorder.presence.lost(datetime.now(UTC), "the session is lost")
        monkeypatch.setattr("ari_recorder.services.record.FEW", FEW)
        await asyncio.wait({recorder._retelling})
        await asyncio.sleep(0.05)
        assert [one.over for one in recorder.presence.newest()] == [False]


async def test_a_call_that_we_have_is_told_before_it_is_ended(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came while we were there, and went while we were not: with the end alone, nothing was recorded of it."""
    ours, other = (
        CallRetold(at=datetime.now(UTC), uniqueid=Uniqueid(one), events=()) for one in ("1700000000.1", "1700000000.2")
    )

    async def missed(**_: object) -> Missed:
        return Missed(codes=(), calls=(other, ours), orphans=())

    async with line.running() as recorder:
        decided = watched(recorder, monkeypatch)
        known = SimpleNamespace(uniqueid=ours.uniqueid, unanswered=False, recordings=())
        monkeypatch.setattr(Recorder, "calls", property(lambda _: (known,)))
        monkeypatch.setattr(recorder._adoption, "missed", missed)
        await recorder._tell_missed(set(), datetime.now(UTC))
        await recorder._inbox.put(KNOWN)
        await until(lambda: len(decided) == 3)
        assert decided == [ours, KNOWN, other]
        monkeypatch.undo()
