"""Calls reach the database once it is there, each once, and one that cannot be stored holds up nobody."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from ari_recorder.domain.calls import Call, CallState
from ari_recorder.domain.errors import DatabaseUnreachable
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.services.store import CallStore
from ari_recorder.storage import calls, recordings
from ari_recorder.storage.db import Database
from tests.storage.calls_for_tests import finished_call, sealed_recording

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def call(number: int, **changes: object) -> Call:
    plain = Call(
        id=UUID(int=number),
        system_name="pbx",
        uniqueid=Uniqueid(f"pbx-{number}"),
        linkedid=f"pbx-{number}",
        channel="PJSIP/x-1",
        first_seen_at=NOW,
        queue="advice",
        joined_at=NOW,
        ended_at=NOW,
        state=CallState.ENDED,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class Rig:
    def __init__(self, database: Database, *known: Call, retry: timedelta = timedelta(milliseconds=10)) -> None:
        self.known = {one.id: one for one in known}
        self.over: list[UUID] = []
        self.store = CallStore(
            database=database,
            queues=frozenset({"advice"}),
            newest=self.known.get,
            personal=lambda _: None,
            stored=self._stored,
            retry=retry,
        )

    async def _stored(self, one: Call) -> None:
        self.over.append(one.id)

    @staticmethod
    async def until(so: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not so():  # noqa: ASYNC110 - the store changes it
                await asyncio.sleep(0.01)

    async def run_until(self, count: int) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(self.store.run(stop))
        await self.until(lambda: len(self.over) >= count)
        stop.set()
        await running


async def stored_ids(database: Database, *wanted: Call) -> set[UUID]:
    async with database.transaction() as conn:
        return set(await calls.get(conn, {one.id for one in wanted}))


async def test_a_call_that_is_over_is_stored_and_given_back(database: Database) -> None:
    one = call(1)
    rig = Rig(database, one)
    rig.store.put(one.id)
    await rig.run_until(1)
    assert rig.over == [one.id]
    assert await stored_ids(database, one) == {one.id}


async def test_a_call_that_goes_on_is_stored_and_kept(database: Database) -> None:
    one, two = call(1, state=CallState.TALKING, ended_at=None), call(2)
    rig = Rig(database, one, two)
    rig.store.put(one.id)
    rig.store.put(two.id)
    await rig.run_until(1)
    assert rig.over == [two.id]
    assert await stored_ids(database, one, two) == {one.id, two.id}


async def test_a_caller_who_reached_no_queue_is_not_stored(database: Database) -> None:
    one = call(1, joined_at=None)
    rig = Rig(database, one)
    rig.store.put(one.id)
    await rig.run_until(1)
    assert await stored_ids(database, one) == set()


async def test_whoever_was_recorded_is_stored_though_nobody_heard_of_the_queue(database: Database) -> None:
    one = replace(finished_call(sealed_recording()), joined_at=None, queue="", connected_at=None, members=())
    rig = Rig(database, one)
    rig.store.put(one.id)
    await rig.run_until(1)
    async with database.transaction() as conn:
        found = (await calls.get(conn, {one.id}))[one.id]
        kept = await recordings.get(conn, one.recordings[0].id)
    assert found.verdict.state is LedgerState.RECORDED
    assert kept is not None


async def test_with_the_database_away_calls_wait_and_are_stored_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = call(1)
    rig = Rig(database, one)
    away = 3
    real = calls.upsert

    async def flaky(*args: object) -> UUID:
        nonlocal away
        if away:
            away -= 1
            raise DatabaseUnreachable(database="x", reason="gone")
        return await real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(calls, "upsert", flaky)
    rig.store.put(one.id)
    await rig.run_until(1)
    assert away == 0
    assert await stored_ids(database, one) == {one.id}


async def test_a_call_that_cannot_be_stored_holds_up_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = call(1), call(2)
    rig = Rig(database, bad, good)
    real = calls.upsert

    async def picky(conn: object, one: Call, *rest: object) -> UUID:
        if one.id == bad.id:
            raise ValueError("not to be stored")
        return await real(conn, one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(calls, "upsert", picky)
    rig.store.put(bad.id)
    rig.store.put(good.id)
    await rig.run_until(1)
    assert rig.over == [good.id]
    assert rig.store.waiting.count == 1


async def test_while_one_is_written_others_are_and_its_newer_state_waits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = call(1), call(2)
    rig = Rig(database, slow, quick)
    real = calls.upsert
    begun, go_on = asyncio.Event(), asyncio.Event()
    at_once, most = 0, 0

    async def held_up(conn: object, one: Call, *rest: object) -> UUID:
        nonlocal at_once, most
        if one.id == slow.id:
            at_once += 1
            most = max(most, at_once)
            begun.set()
            await go_on.wait()
            at_once -= 1
        return await real(conn, one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(calls, "upsert", held_up)
    stop = asyncio.Event()
    running = asyncio.create_task(rig.store.run(stop))
    rig.store.put(slow.id)
    await begun.wait()
    rig.store.put(slow.id)
    rig.store.put(quick.id)
    await rig.until(lambda: quick.id in rig.over)
    assert rig.store.waiting.count == 1
    assert rig.over == [quick.id]
    go_on.set()
    await rig.until(lambda: rig.over.count(slow.id) == 2)
    stop.set()
    await running
    assert most == 1


async def test_what_failed_is_not_tried_by_another_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = call(1)
    rig = Rig(database, one, retry=timedelta(minutes=1))
    tried = 0

    async def refused(*_: object) -> UUID:
        nonlocal tried
        tried += 1
        raise DatabaseUnreachable(database="x", reason="gone")

    monkeypatch.setattr(calls, "upsert", refused)
    stop = asyncio.Event()
    running = asyncio.create_task(rig.store.run(stop))
    rig.store.put(one.id)
    await rig.until(lambda: tried > 0)
    await asyncio.sleep(0.2)
    stop.set()
    await running
    assert tried == 1
    assert rig.store.waiting.count == 1
