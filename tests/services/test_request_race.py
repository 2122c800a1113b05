"""A case is opened while the sweep is about to destroy what it is about: who is first has it, and both know.

What makes them exclusive is a lock of PostgreSQL (storage/request_matches.py): the sweep shares it from before it asks
what is due until that is `erasing`; who opens a case or searches has it alone.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ari_recorder.domain.calls import Call
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import Kind
from ari_recorder.services.subject_requests import Wanted
from ari_recorder.storage import erasing, request_matches
from ari_recorder.storage.db import Database, Limits
from tests.services.request_house import DAY, DUE, SARI, RequestHouse, built, first
from tests.storage.calls_for_tests import BEGAN

# Openings against the sweep; a thousand by night. So many at once meet each sweep: it is one question to the database
# what is due, so each of them comes before it or after it.
OPENINGS = 1000 if os.environ.get("ARI_RECORDER_NIGHTLY") else 100
AT_ONCE = 5


# Who waits for a lock behind five others on a busy host waits for long; that it is given up then is not asked here.
PATIENT = Limits(acquire=60, statement=60, release=60, transaction=120)


@pytest.fixture
async def house(dsn: str, tmp_path: Path) -> AsyncIterator[RequestHouse]:
    async with Database(dsn, limits=PATIENT) as database:
        yield built(database, dsn, tmp_path)


@pytest.fixture
async def eyes(dsn: str) -> AsyncIterator[list[Any]]:
    """Connections that see what is so in one question. What takes longer to look, sees the sweep's next step done, and
    a call that was destroyed a moment too late looks like one that was destroyed before."""
    several = [await asyncpg.connect(dsn) for _ in range(AT_ONCE)]
    yield several
    for one in several:
        await one.close()


@dataclass
class Opening:
    """One person, one call that is overdue, one case. `gone`: when the case was acknowledged, the call was being
    destroyed already."""

    call: Call
    wanted: Wanted
    indexed: bool
    number: str = ""
    gone: bool = False


async def overdue(house: RequestHouse, number: int, *, indexed: bool) -> Opening:
    """Of a call that is not indexed nobody knows yet whose it is, and an open search spares it: each has a window of
    its own, so that no opening spares another one's call."""
    caller, began = f"+35840{number:07}", BEGAN + number * timedelta(seconds=10)
    call = await house.call(caller, began=began)
    if indexed:
        await house.index()
    wanted = Wanted(number=caller, since=began, until=began + timedelta(seconds=10))
    return Opening(call=call, wanted=wanted, indexed=indexed)


async def acknowledged(house: RequestHouse, one: Opening, spread: float, eye: Any) -> None:
    """At a random moment of the next `spread` seconds."""
    await asyncio.sleep(random.uniform(0, spread))
    done = await house.opened(Kind.ACCESS, one.wanted, received_on=DUE.date())
    # From here on nothing of it begins to be destroyed.
    one.number = done.case.number
    one.gone = await eye.fetchval("SELECT state <> 'sealed' FROM recording WHERE id = $1", first(one.call))


async def let_go(house: RequestHouse, one: Opening) -> int:
    """How many calls were in the case."""
    view = await house.desk.list.show(one.number, SARI)
    done = await house.desk.close(one.number, view.case.version, SARI, taken_back="Kierros on ohi.")
    return done.calls


@pytest.mark.timeout(3600)
async def test_openings_against_the_sweep_never_lose_what_was_acknowledged(
    house: RequestHouse, eyes: list[Any]
) -> None:
    """Started together, in any order: what is destroyed was so before its case was acknowledged."""
    gone: dict[bool, list[bool]] = {True: [], False: []}
    spread = 0.1
    await house.policies.adopt(DUE)
    for turn in range(OPENINGS // AT_ONCE):
        numbers = range(turn * AT_ONCE, (turn + 1) * AT_ONCE)
        several = [await overdue(house, n, indexed=(n - turn) % AT_ONCE < AT_ONCE // 2 + turn % 2) for n in numbers]
        house.clocks.time = DUE
        await asyncio.gather(
            house.sweep().run_once(),
            *(acknowledged(house, one, spread, eye) for one, eye in zip(several, eyes, strict=True)),
        )
        await house.index()
        await house.sweep().run_once()
        for one in several:
            sealed = await house.state(one.call) is StoredState.SEALED
            assert sealed == (not one.gone), f"case {one.number}, indexed {one.indexed}"
            if sealed:
                assert await house.keeps(one.call) == 1
                assert await house.plays(one.call.recordings[0])
            gone[one.indexed].append(one.gone)
            assert await let_go(house, one) == (not one.gone)
        # How long a sweep takes to ask what is due, this host tells: towards where each wins half of the time.
        spread *= 0.8 if sum(one.gone for one in several) > AT_ONCE / 2 else 1.25
        house.clocks.time = DUE + DAY
        await house.freeze.release(await house.policies.in_force(), DUE + DAY)
        await house.sweep().run_once()
        assert {await house.state(one.call) for one in several} == {StoredState.ERASED}
    print({"indexed" if indexed else "not indexed": (len(all_), sum(all_)) for indexed, all_ in gone.items()})
    for which in gone.values():
        assert 0 < sum(which) < len(which), "one of them always won: this was no race"


# --- one by one: each stands at the worst moment, while the other comes


class Stop:
    """Whoever comes through this function stops behind it, until `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
        self.there, self.go = asyncio.Event(), asyncio.Event()
        self._real: Callable[..., Awaitable[object]] = getattr(module, name)
        monkeypatch.setattr(module, name, self._stopped)

    async def _stopped(self, *arguments: object, **more: object) -> object:
        answer = await self._real(*arguments, **more)
        self.there.set()
        await self.go.wait()
        return answer


async def has_to_wait(database: Database, other: asyncio.Task[object]) -> bool:
    """For a lock that only PostgreSQL knows. False: it went through."""
    while not other.done():
        async with database.transaction() as conn:
            if await conn.fetchval(
                """
                SELECT EXISTS (
                    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
                    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
                )
                """
            ):
                return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("indexed", [True, False])
async def test_a_case_waits_for_the_sweep_that_has_asked_what_is_due(
    house: RequestHouse, eyes: list[Any], monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    """Opened meanwhile, it would be acknowledged with a call that is destroyed a moment later."""
    one = await overdue(house, 0, indexed=indexed)
    house.clocks.time = DUE
    asked = Stop(monkeypatch, erasing, "due")
    sweep = asyncio.create_task(house.sweep().run_once())
    await asked.there.wait()
    opening = asyncio.create_task(acknowledged(house, one, 0, eyes[0]))
    waited = await has_to_wait(house.database, opening)
    asked.go.set()
    await asyncio.gather(sweep, opening)
    assert waited
    assert one.gone
    assert await let_go(house, one) == 0, "it is not promised what is gone"


@pytest.mark.parametrize("indexed", [True, False])
async def test_the_sweep_waits_for_a_case_that_says_what_it_is_about(
    house: RequestHouse, eyes: list[Any], monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    """Asked meanwhile, what is due would be all that this case is about to freeze."""
    one = await overdue(house, 0, indexed=indexed)
    house.clocks.time = DUE
    said = Stop(monkeypatch, request_matches, "insert")
    opening = asyncio.create_task(acknowledged(house, one, 0, eyes[0]))
    await said.there.wait()
    sweep = asyncio.create_task(house.sweep().run_once())
    waited = await has_to_wait(house.database, sweep)
    said.go.set()
    swept, _ = await asyncio.gather(sweep, opening)
    assert waited
    assert (swept.erased, one.gone) == (0, False)
    await house.index()
    assert await house.keeps(one.call) == 1
