"""Sealed files that lie on several hosts: what is due loses its key at once, and is called erased when the host that
has its file has removed it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ari_recorder.config import Host, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import Call
from ari_recorder.domain.retention import StoredState
from ari_recorder.services import hosts
from ari_recorder.services.erase import Eraser
from ari_recorder.services.hosts import HostDesk
from ari_recorder.services.reconcile import reconcile
from ari_recorder.storage import health, places
from ari_recorder.storage.db import Database
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.files import VaultFiles
from tests.services.house import House, at
from tests.storage.calls_for_tests import BEGAN

DUE = datetime(2027, 2, 23, 22, tzinfo=UTC)


@dataclass
class There:
    """A host with a vault of its own; `house` stores and sweeps there."""

    name: str
    house: House
    vault: UUID

    async def store(self, call: Call) -> None:
        await self.house.store(call)
        async with self.house.database.transaction() as conn:
            await places.set_place(conn, call.id, self.name, self.vault)

    def there(self, call: Call) -> bool:
        return self.house.file(call.recordings[0]).exists()


async def host(database: Database, folder: Path, name: str, *roles: Role) -> There:
    files = VaultFiles(folder / name)
    files.prepare()
    vault = files.known()
    desk = HostDesk(
        host=Host(name=name, roles=roles),
        version="1",
        instance=uuid4(),
        vault=vault,
        system_name=None,
        database=database,
    )
    await desk.claim()
    return There(name, House(database, files.folder), vault)


@pytest.fixture
async def sweeper(database: Database, tmp_path: Path) -> There:
    return await host(database, tmp_path, "sweeper", Role.SWEEP)


@pytest.fixture
async def pbx1(database: Database, tmp_path: Path) -> There:
    return await host(database, tmp_path, "pbx1", Role.CAPTURE)


async def sweep(there: There) -> None:
    there.house.clocks.time = DUE
    await there.house.sweep().run_once()


@asynccontextmanager
async def erasing(there: There) -> AsyncIterator[None]:
    """The job of a host that captures."""
    there.house.clocks.time = DUE
    eraser = Eraser(
        database=there.house.database, copies=Copies(there.house.vault), clocks=there.house.clocks, at_most=1e9
    )
    stop = asyncio.Event()
    job = asyncio.create_task(eraser.run(stop, timedelta(seconds=0.05)))
    try:
        yield
    finally:
        stop.set()
        await job


async def test_only_the_host_that_has_the_file_says_erased(sweeper: There, pbx1: There) -> None:
    far, near = at(BEGAN), at(BEGAN)
    await pbx1.store(far)
    await sweeper.store(near)
    await sweep(sweeper)
    assert await sweeper.house.state(near) is StoredState.ERASED
    assert not sweeper.there(near)
    row = await sweeper.house.row(far.recordings[0].id)
    assert (row.state, row.wrapped_key) == (StoredState.ERASING, None)  # nobody can listen to it any more
    assert pbx1.there(far)
    await sweep(sweeper)  # and no later sweep gives up waiting
    assert await sweeper.house.state(far) is StoredState.ERASING
    async with erasing(pbx1), asyncio.timeout(10):
        while await pbx1.house.state(far) is not StoredState.ERASED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # another job's transaction sets no event
    assert not pbx1.there(far)


async def test_hosts_that_share_the_folder_leave_it_to_the_sweeper(database: Database, tmp_path: Path) -> None:
    """Two that remove the same file at once would each tell another story of it."""
    pbx1 = await host(database, tmp_path, "shared", Role.CAPTURE)
    (tmp_path / "mounted").symlink_to(tmp_path / "shared")
    sweeper = await host(database, tmp_path, "mounted", Role.SWEEP)
    assert sweeper.vault == pbx1.vault
    call = at(BEGAN)
    await pbx1.store(call)
    async with database.transaction() as conn:
        assert await places.has_sweeper(conn, pbx1.vault)
        await conn.execute("UPDATE host SET last_seen = last_seen - interval '31 s' WHERE name = 'mounted'")
        assert not await places.has_sweeper(conn, pbx1.vault)
    await sweep(sweeper)
    assert await pbx1.house.state(call) is StoredState.ERASED
    assert not pbx1.there(call)


async def test_a_host_that_was_forgotten_is_waited_for_no_more(sweeper: There, pbx1: There) -> None:
    call = at(BEGAN)
    await pbx1.store(call)
    await sweep(sweeper)
    assert await sweeper.house.state(call) is StoredState.ERASING
    async with sweeper.house.database.transaction() as conn:
        await conn.execute("UPDATE host SET stopped = true WHERE name = 'pbx1'")
    await hosts.forget(sweeper.house.database, "pbx1", Actor.operator("sari"))
    await sweep(sweeper)
    assert await sweeper.house.state(call) is StoredState.ERASED


async def test_each_host_reads_again_what_lies_there_and_misses_nothing_else(sweeper: There, pbx1: There) -> None:
    far, near = at(BEGAN), at(BEGAN)
    await pbx1.store(far)
    await sweeper.store(near)
    for there, call in ((pbx1, far), (sweeper, near)):
        async with there.house.database.transaction() as conn:
            later = DUE + timedelta(days=365)
            found = await health.to_scrub(conn, later, later, 10, there.vault)
            of_day = await health.of_day(conn, BEGAN.date(), there.vault)
        assert [one.id for one in found] == [call.recordings[0].id]
        assert set(of_day) == {call.recordings[0].id}
        missing = [one for one in await reconcile(there.house.database, there.house.vault, mend=False)]
        assert [one.kind.value for one in missing] == ["size-differs"]  # the house writes files of another size
