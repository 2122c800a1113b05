"""services/hosts.py, services/leases.py over a real PostgreSQL: of two hosts one is paused, dies or comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from ari_recorder.config import Host, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.errors import HostLives, HostNameTaken, HostPbxTaken, HostReplaced, LeaseLost, NoSuchHost
from ari_recorder.domain.hosts import EXPIRES, HostState
from ari_recorder.services import hosts
from ari_recorder.services.hosts import HostDesk
from ari_recorder.services.leases import LeaseDesk
from ari_recorder.storage import leases
from ari_recorder.storage.db import Database
from ari_recorder.storage.hosts import Word

WELL = Word(health="well", troubles="", waiting_calls=0, waiting_for=timedelta(), keys_needed=())
A_MINUTE_AGO = "UPDATE host SET last_seen = last_seen - interval '61 s' WHERE name = $1"


def desk(
    database: Database, name: str, *, instance: UUID | None = None, roles: tuple[Role, ...] = tuple(Role), **more: Any
) -> HostDesk:
    return HostDesk(
        host=Host(name=name, roles=roles, **more),
        version="1",
        instance=instance or uuid4(),
        vault=None,
        system_name=None,
        database=database,
    )


async def pause(database: Database, name: str) -> None:
    """As if nobody had heard of it for a minute."""
    async with database.transaction() as conn:
        await conn.execute(A_MINUTE_AGO, name)


@asynccontextmanager
async def running(one: HostDesk, pbx: Callable[[], str | None] = lambda: None) -> AsyncIterator[None]:
    stop = asyncio.Event()
    job = asyncio.create_task(one.run(stop, lambda: WELL, pbx))
    try:
        yield
    finally:
        stop.set()
        await job


async def until(true: Callable[[], bool], within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 -- what another task has seen of a database sets no event
            await asyncio.sleep(0.01)


async def test_a_name_is_one_living_hosts_and_free_when_nobody_hears_of_it(database: Database) -> None:
    first, second = desk(database, "pbx1"), desk(database, "pbx1")
    await first.claim()
    with pytest.raises(HostNameTaken, match="pbx1"):
        await second.claim()
    await desk(database, "pbx2").claim()
    await pause(database, "pbx1")
    await second.claim()
    async with running(first):
        await asyncio.wait_for(first.lost.wait(), 5)
    assert isinstance(first.trouble, HostReplaced)
    assert not first.heard
    assert second.heard


async def test_a_host_comes_back_at_once_and_has_what_it_had(database: Database) -> None:
    instance = uuid4()
    before = desk(database, "web1", instance=instance)
    await before.claim()
    async with database.transaction() as conn:
        assert await leases.take(conn, "sweep", "web1", before.incarnation, EXPIRES) == 1
    again = desk(database, "web1", instance=instance)  # killed, and started anew
    await again.claim()
    other = desk(database, "web2")
    await other.claim()
    async with database.transaction() as conn:
        assert await leases.take(conn, "sweep", "web2", other.incarnation, EXPIRES) == 2


async def test_two_hosts_do_not_record_one_pbx(database: Database, logged: list[MutableMapping[str, Any]]) -> None:
    first, second = desk(database, "pbx1"), desk(database, "pbx2")
    await first.claim()
    await second.claim()
    async with running(first, lambda: "harbour"):
        await until(lambda: any(one.system_name == "harbour" for one in first.newest))
        async with running(second, lambda: "harbour"):
            await asyncio.wait_for(second.lost.wait(), 5)
    assert isinstance(second.trouble, HostPbxTaken)
    assert not first.lost.is_set()
    assert [line["alarm"] for line in logged if line["event"] == "alarm"] == ["host-refused"]


async def test_who_is_not_heard_of_is_told_once_and_who_stops_is_not(
    database: Database, logged: list[MutableMapping[str, Any]]
) -> None:
    silent, leaving, watching = (desk(database, name) for name in ("silent", "leaving", "watching"))
    for one in (silent, leaving, watching):
        await one.claim()
    async with running(leaving):
        pass
    for name in ("silent", "leaving"):
        await pause(database, name)
    other = desk(database, "other")
    await other.claim()
    async with running(watching), running(other):
        await until(lambda: bool(watching.newest and other.newest))
    told = [(line["alarm"], line["subject"]) for line in logged if line["event"] == "alarm"]
    assert told == [("host-silent", "silent")]
    states = {one.name: one.state for one in watching.newest}
    assert (states["silent"], states["leaving"]) == (HostState.SILENT, HostState.STOPPED)


async def test_a_host_that_is_gone_is_forgotten_and_one_that_lives_is_not(database: Database) -> None:
    await desk(database, "pbx1").claim()
    with pytest.raises(HostLives):
        await hosts.forget(database, "pbx1", Actor.operator("sari"))
    await pause(database, "pbx1")
    await hosts.forget(database, "pbx1", Actor.operator("sari"))
    assert (await hosts.look(database)).hosts == ()
    with pytest.raises(NoSuchHost):
        await hosts.forget(database, "pbx1", Actor.operator("sari"))


# --- leases


async def lease_desk(database: Database, name: str, heard: Callable[[], bool] = lambda: True) -> LeaseDesk:
    one = desk(database, name)
    await one.claim()
    return LeaseDesk(database=database, host=name, incarnation=one.incarnation, heard=heard)


async def idle(stop: asyncio.Event) -> None:
    await stop.wait()


async def test_one_does_it_and_another_goes_on_when_that_one_stops(database: Database) -> None:
    did: list[str] = []
    stops = {name: asyncio.Event() for name in ("a", "b")}
    tasks = {}
    for name, stop in stops.items():

        async def job(stop: asyncio.Event, name: str = name) -> None:
            did.append(name)
            await stop.wait()

        tasks[name] = asyncio.ensure_future((await lease_desk(database, name)).led("sweep", job)(stop))
        await until(lambda: bool(did))
    assert did == ["a"]
    assert (await hosts.look(database)).doing == {"sweep": "a"}
    stops["a"].set()
    await tasks["a"]
    await until(lambda: did == ["a", "b"])
    stops["b"].set()
    await tasks["b"]
    assert (await hosts.look(database)).doing == {}


async def test_who_was_paused_writes_nothing_when_another_has_its_lease(database: Database) -> None:
    first, second = await lease_desk(database, "a"), await lease_desk(database, "b")
    going, wrote = asyncio.Event(), asyncio.Event()
    fenced: list[str] = []

    async def paused(stop: asyncio.Event) -> None:
        mine = first.database("sweep")
        async with mine.transaction() as conn:
            await conn.execute("CREATE TABLE written (who text)")
        going.set()
        await wrote.wait()
        try:
            async with mine.transaction() as conn:
                await conn.execute("INSERT INTO written VALUES ('a')")
        except LeaseLost:
            fenced.append("a")
            raise

    async def taken_over(stop: asyncio.Event) -> None:
        async with second.database("sweep").transaction() as conn:
            await conn.execute("INSERT INTO written VALUES ('b')")
        wrote.set()
        await stop.wait()

    stop = asyncio.Event()
    one = asyncio.ensure_future(first.led("sweep", paused)(stop))
    await asyncio.wait_for(going.wait(), 5)
    await pause(database, "a")
    other = asyncio.ensure_future(second.led("sweep", taken_over)(stop))
    await until(lambda: fenced == ["a"])
    stop.set()
    await asyncio.gather(one, other)
    async with database.transaction() as conn:
        assert [row["who"] for row in await conn.fetch("SELECT who FROM written")] == ["b"]


async def test_nobody_takes_over_while_a_transaction_of_the_holder_goes_on(database: Database) -> None:
    first, second = await lease_desk(database, "a"), desk(database, "b")
    await second.claim()
    inside, on = asyncio.Event(), asyncio.Event()

    async def job(stop: asyncio.Event) -> None:
        async with first.database("sweep").transaction():
            inside.set()
            await on.wait()
        await stop.wait()

    stop = asyncio.Event()
    task = asyncio.ensure_future(first.led("sweep", job)(stop))
    await asyncio.wait_for(inside.wait(), 5)
    await pause(database, "a")
    async with database.transaction() as conn:
        assert await leases.take(conn, "sweep", "b", second.incarnation, EXPIRES) is None
    on.set()
    async with asyncio.timeout(5):
        while True:
            async with database.transaction() as conn:
                if await leases.take(conn, "sweep", "b", second.incarnation, EXPIRES) is not None:
                    break
    stop.set()
    await task
    async with database.transaction() as conn:  # what the first gave back at its end was not its own any more
        assert await leases.holders(conn) == {"sweep": "b"}


async def test_who_is_not_heard_stops_its_job_by_itself(database: Database) -> None:
    heard = True
    one = await lease_desk(database, "a", lambda: heard)
    told: list[str] = []

    async def job(stop: asyncio.Event) -> None:
        told.append("begun")
        await stop.wait()
        told.append("stopped")

    stop = asyncio.Event()
    task = asyncio.ensure_future(one.led("sweep", job)(stop))
    await until(lambda: told == ["begun"])
    heard = False
    await until(lambda: told == ["begun", "stopped"])
    stop.set()
    await task


async def test_a_job_that_fails_fails_and_gives_its_lease_back(database: Database) -> None:
    one = await lease_desk(database, "a")

    async def job(stop: asyncio.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await one.led("sweep", job)(asyncio.Event())
    assert (await hosts.look(database)).doing == {}
