import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from ari_recorder.domain.holds import ThreatDecision
from ari_recorder.storage import erasing, holds, keeping
from ari_recorder.storage.db import Database
from ari_recorder.storage.erasing import Bounds
from ari_recorder.storage.recordings import Key
from tests.storage.calls_for_tests import BEGAN, discarded
from tests.storage.test_recordings import NOW, started, store


async def test_due_are_the_sealed_ones_of_the_queue_from_before_that_moment(database: Database) -> None:
    old, older, young = started(1), started(0), started(2)
    destroyed = started(0)
    destroyed = replace(destroyed, recordings=(discarded(destroyed.recordings[0]),))
    await store(database, old, older, young, destroyed, started(0, queue="dental"))
    before = Bounds(ordinary=BEGAN + timedelta(minutes=2), undecided=BEGAN + timedelta(minutes=2))
    async with database.transaction() as conn:
        assert await erasing.queues(conn) == ("advice", "dental")
        due = await erasing.due(conn, "advice", before, limit=10)
        assert [row.id for row in due] == [older.recordings[0].id, old.recordings[0].id]
        (first,) = await erasing.due(conn, "advice", before, limit=1)
        key = Key(started_at=first.started_at, id=first.id)
        assert await erasing.due(conn, "advice", before, limit=10, after=key) == due[1:]


async def test_what_one_sweeper_has_locked_the_other_passes_over(database: Database) -> None:
    several = [started(minutes) for minutes in range(4)]
    await store(database, *several)
    before = Bounds(ordinary=BEGAN + timedelta(days=1), undecided=BEGAN + timedelta(days=1))
    async with database.transaction() as one, database.transaction() as other:
        mine = await erasing.due(one, "advice", before, limit=2)
        yours = await erasing.due(other, "advice", before, limit=10)
    assert len(mine) == len(yours) == 2
    assert {row.id for row in (*mine, *yours)} == {call.recordings[0].id for call in several}


async def test_of_several_who_erase_at_once_one_wins(database: Database) -> None:
    call = started(0)
    await store(database, call)
    ids = [call.recordings[0].id]

    async def begin() -> int:
        async with database.transaction() as conn:
            return await erasing.begin_erasing(conn, ids, "P3M", NOW)

    async def bury() -> int:
        async with database.transaction() as conn:
            return len(await erasing.bury(conn, {one: ["sealed file"] for one in ids}, NOW))

    assert sorted(await asyncio.gather(*(begin() for _ in range(6)))) == [0, 0, 0, 0, 0, 1]
    assert await bury() == 0, "its key is still there"
    async with database.transaction() as conn:
        await erasing.destroy_keys(conn, ids)
    assert sorted(await asyncio.gather(*(bury() for _ in range(6)))) == [0, 0, 0, 0, 0, 1]


async def test_flagged_calls_have_a_bound_of_their_own_until_somebody_decides(database: Database) -> None:
    flagged, plain = started(0), replace(started(1), marks=())
    await store(database, flagged, plain)
    bounds = Bounds(ordinary=BEGAN + timedelta(days=1), undecided=BEGAN - timedelta(days=13))
    earlier = Bounds(ordinary=BEGAN, undecided=BEGAN - timedelta(days=14))

    async def due() -> list[bool]:
        async with database.transaction() as conn:
            rows = await erasing.due(conn, "advice", bounds, limit=10)
            assert sum(await erasing.count_due(conn, "advice", bounds)) == len(rows)
            return [row.undecided for row in rows]

    assert await due() == [False]
    async with database.transaction() as conn:
        late = replace(bounds, undecided=BEGAN + timedelta(seconds=1))
        assert await erasing.count_due(conn, "advice", late) == (1, 1)
        assert await erasing.count_due(conn, "advice", late, earlier) == (1, 1)
        assert await erasing.count_due(conn, "advice", late, late) == (0, 0)
        await holds.decide(conn, [one.id for one in flagged.recordings], ThreatDecision.NOT_A_THREAT, "sari", NOW)
    assert await due() == [False, False]


async def test_what_is_kept_is_not_asked_for_not_begun_and_not_counted(database: Database) -> None:
    call = started(0)
    await store(database, call)
    ids = [call.recordings[0].id]
    bounds = Bounds(ordinary=BEGAN + timedelta(days=1), undecided=BEGAN + timedelta(days=1))
    async with database.transaction() as conn:
        await keeping.keep(conn, call.id, ids, NOW)
        assert await erasing.due(conn, "advice", bounds, limit=10) == ()
        assert await erasing.queues(conn) == ()
        assert await erasing.count_due(conn, "advice", bounds) == (0, 0)
        assert await erasing.begin_erasing(conn, ids, "P3M", NOW) == 0
        await keeping.let_go(conn, call.id, NOW)
        assert await erasing.begin_erasing(conn, ids, "P3M", NOW) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE recording SET state = 'erasing', erasing_at = now(), erased_because = 'mistake' WHERE keeps > 0",
        "UPDATE recording SET keeps = keeps + 1 WHERE state = 'erasing'",
    ],
)
async def test_the_database_itself_refuses_what_is_kept_and_erased(database: Database, sql: str) -> None:
    held, dying = started(0), started(1)
    await store(database, held, dying)
    async with database.transaction() as conn:
        await keeping.keep(conn, held.id, [held.recordings[0].id], NOW)
        await erasing.begin_erasing(conn, [dying.recordings[0].id], "P3M", NOW)
    with pytest.raises(Exception, match="what_is_held_is_not_erased"):
        async with database.transaction() as conn:
            await conn.execute(sql)
