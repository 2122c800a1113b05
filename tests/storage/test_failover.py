"""The primary is killed under load and its standby promoted: what was acknowledged is there, and nothing twice."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry
from ari_recorder.domain.errors import CommandDone, DatabaseOutdated, RecorderError, Unavailable
from ari_recorder.domain.retention import local_day
from ari_recorder.services.commands import told
from ari_recorder.services.holds import HoldTerms
from ari_recorder.storage import audit, dump
from ari_recorder.storage.db import Database, Limits
from ari_recorder.storage.embedded import EmbeddedPostgres, programs
from ari_recorder.storage.launcher import Launcher
from ari_recorder.storage.migrate import migrate
from ari_recorder.vault.files import VaultFiles
from tests.keyring_for_tests import keyring_in
from tests.services.house import House, Time, at

BACK_WITHIN = 10.0
STANDBY = "second"


@dataclass
class Pair:
    """A primary whose commits wait for its standby."""

    first: EmbeddedPostgres
    second: EmbeddedPostgres
    launcher: Launcher

    @property
    def address(self) -> str:
        sockets = ",".join(str(_socket(server)) for server in (self.first, self.second))
        return f"postgresql://ari_recorder@/postgres?host={quote(sockets, safe='')}"

    async def promote(self) -> None:
        await ask(self.second, "SELECT pg_promote(true, 30)")

    async def kill_first(self) -> None:
        """As a host that loses its power: nobody says goodbye."""
        for pid in processes(self.first):
            os.kill(pid, signal.SIGKILL)
        await self.first.stop()  # nothing runs any more; this process takes note of it


def processes(server: EmbeddedPostgres) -> list[int]:
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


def _socket(server: EmbeddedPostgres) -> str:
    return parse_qs(urlsplit(server.dsn).query)["host"][0]


async def ask(server: EmbeddedPostgres, *statements: str) -> object:
    conn = await asyncpg.connect(server.dsn, timeout=10)
    try:
        return [await conn.fetchval(statement, timeout=40) for statement in statements][-1]
    finally:
        await conn.close()


@pytest.fixture
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    first = EmbeddedPostgres(folder / "first", folder / "logs1", settings={"wal_level": "replica"})
    second = EmbeddedPostgres(folder / STANDBY, folder / "logs2")
    await first.start()
    second.folder.mkdir(mode=0o700)
    launcher = Launcher.choose(second.folder, programs() / "postgres")
    launcher.give(second.folder)
    await asyncio.to_thread(_copy, launcher, first, second)
    await second.start()
    await ask(first, f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'", "SELECT pg_reload_conf()")
    async with asyncio.timeout(20):
        while await ask(first, "SELECT sync_state FROM pg_stat_replication") != "sync":  # noqa: ASYNC110 -- a server
            await asyncio.sleep(0.1)
    yield Pair(first=first, second=second, launcher=launcher)
    for server in (second, first):
        await server.stop()


def _copy(launcher: Launcher, first: EmbeddedPostgres, second: EmbeddedPostgres) -> None:
    # cluster_name is ours on the command line, so the standby's name is given in its address.
    source = f"host={_socket(first)} user=ari_recorder application_name={STANDBY}"
    copied = launcher.run(
        [str(programs() / "pg_basebackup"), "-D", str(second.data), "-R", "-X", "stream", "-c", "fast", "-d", source]
    )
    assert copied.returncode == 0, copied.stderr


@dataclass
class Writer:
    """Writes one thing after the other, each under its id, until it is acknowledged: as the journal is stored."""

    database: Database
    acknowledged: list[UUID]
    again: int = 0

    async def run(self, rng: random.Random, stop: asyncio.Event) -> None:
        while not stop.is_set():
            id_ = UUID(int=rng.getrandbits(128))
            while True:
                try:
                    async with self.database.transaction() as conn:
                        if not await conn.fetchval("SELECT EXISTS (SELECT FROM written WHERE id = $1)", id_):
                            await conn.execute("INSERT INTO written (id) VALUES ($1)", id_)
                    break
                except Unavailable:
                    self.again += 1
                    await asyncio.sleep(0.05)
            self.acknowledged.append(id_)


async def test_what_was_acknowledged_is_there_after_a_failover_and_once(pair: Pair, tmp_path: Path) -> None:
    seen = tmp_path / "timelines"
    stop = asyncio.Event()
    async with Database(pair.address, seen=seen) as database:
        await migrate(database)
        async with database.transaction() as conn:
            await conn.execute("CREATE TABLE written (number bigserial, id uuid NOT NULL)")  # twice would be seen
        writers = [Writer(database, []) for _ in range(6)]
        running = [asyncio.create_task(one.run(random.Random(n), stop)) for n, one in enumerate(writers)]
        while sum(len(one.acknowledged) for one in writers) < 300:  # noqa: ASYNC110 -- by number, not by time
            await asyncio.sleep(0.01)
        await pair.kill_first()
        await pair.promote()
        promoted, before = time.monotonic(), [len(one.acknowledged) for one in writers]
        async with asyncio.timeout(BACK_WITHIN):
            while not all(len(one.acknowledged) > had + 2 for one, had in zip(writers, before, strict=True)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        print(f"back after {time.monotonic() - promoted:.2f} s, tried again {sum(one.again for one in writers)} times")
        stop.set()
        await asyncio.gather(*running)
        async with database.transaction() as conn:
            found = [row["id"] for row in await conn.fetch("SELECT id FROM written")]
        acknowledged = {id_ for one in writers for id_ in one.acknowledged}
        assert acknowledged - set(found) == set()
        assert len(found) == len(set(found)) == len(acknowledged)
    await ask(pair.second, "SELECT 1")

    # The old primary comes back and takes writes, while the new one is away.
    await pair.first.start()
    await ask(pair.first, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    await pair.second.stop()
    async with Database(pair.address, seen=seen) as database:  # also after a restart of the service
        with pytest.raises(DatabaseOutdated, match="timeline 1, and this service has seen timeline 2"):
            await database.check()
        await pair.second.start()
        await database.check()
        async with database.transaction() as conn:
            assert await conn.fetchval("SELECT count(*) FROM written") == len(acknowledged)


@dataclass
class Answered:
    """What those who act were told. `unsure`: an answer did not come."""

    entries: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    held: list[UUID] = field(default_factory=list)
    over: bool = False


async def _append(database: Database, answered: Answered) -> None:
    """Entries of the audit log, never the same one again."""
    while not answered.over:
        about = f"call:{uuid4()}"
        entry = Entry(action=Action.SERVICE_START, actor=Actor.service("daemon"), object=about)
        try:
            async with database.transaction() as conn:
                await audit.append(conn, entry, datetime.now(UTC))
        except Unavailable:
            answered.unsure.append(about)
            await asyncio.sleep(0.02)
        else:
            answered.entries.append(about)


async def _hold(house: House, ids: list[UUID], answered: Answered) -> None:
    """Holds, each asked for again, as the page does it, until there is an answer."""
    review_on = local_day(house.clocks.now()) + timedelta(days=90)
    terms = HoldTerms(reason="a threat", reference="R-1", owner="Sari", review_on=review_on)
    for one in ids:
        command = uuid4()
        while one not in answered.held:
            sari = Actor(
                kind=ActorKind.USER, id=str(UUID(int=1)), name="sari", request=uuid4().hex[:16], command=command
            )
            try:
                await house.holds().place([one], terms, sari)
            except Unavailable:
                await asyncio.sleep(0.02)
                continue
            except RecorderError as error:
                if not isinstance(await told(house.database, command, error), CommandDone):
                    raise
            answered.held.append(one)


async def test_entries_of_the_audit_log_and_holds_that_were_answered_outlive_the_primary(
    pair: Pair, tmp_path: Path
) -> None:
    async with Database(pair.address) as database:
        await migrate(database)
        VaultFiles(tmp_path / "vault").prepare()
        clocks = Time(datetime.now(UTC))
        house = House(database=database, vault=tmp_path / "vault", clocks=clocks, keyring=keyring_in(tmp_path))
        made = [at(clocks.now() - timedelta(days=1)) for _ in range(40)]
        await house.store(*made)
        ids = [call.recordings[0].id for call in made]
        answered = Answered()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(_append(database, answered))
            group.create_task(_hold(house, ids, answered))
            while len(answered.held) < 10:  # noqa: ASYNC110 -- by number, not by time
                await asyncio.sleep(0.01)
            await pair.kill_first()
            await pair.promote()
            before = len(answered.entries)
            while len(answered.held) < len(ids) or len(answered.entries) <= before:  # noqa: ASYNC110 -- the same
                await asyncio.sleep(0.01)
            answered.over = True
        async with database.transaction() as conn:
            rows = await conn.fetch(
                "SELECT leaf::jsonb ->> 'object' AS object FROM audit_pending UNION ALL SELECT object FROM audit_entry"
            )
            kept = await conn.fetch("SELECT recording_id, count(*) AS times FROM keeping GROUP BY 1")
    times = Counter(row["object"] for row in rows)
    assert answered.unsure, "somebody was in the middle of it"
    assert [one for one in answered.entries if times[one] != 1] == []
    assert [one for one in answered.unsure if times[one] > 1] == []
    assert {row["recording_id"]: row["times"] for row in kept} == dict.fromkeys(ids, 1)


async def test_a_connection_to_the_old_primary_is_not_used_once_the_new_one_was_seen(pair: Pair) -> None:
    """Both take writes: nobody stopped the old one."""
    await ask(pair.first, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    async with Database(pair.address) as database, database.another() as other:
        async with database.transaction() as conn:
            old = await conn.fetchval("SELECT current_setting('unix_socket_directories')")
        assert old == _socket(pair.first)
        await pair.promote()
        database.servers.ask_another()  # as after a commit that did not end
        async with other.transaction() as conn:
            assert await conn.fetchval("SELECT current_setting('unix_socket_directories')") == _socket(pair.second)
        async with database.transaction() as conn:
            assert await conn.fetchval("SELECT current_setting('unix_socket_directories')") == _socket(pair.second)


async def test_a_standby_alone_is_not_written_to_and_a_dump_is_of_the_primary(pair: Pair, tmp_path: Path) -> None:
    turned = pair.address.replace(
        quote(f"{_socket(pair.first)},{_socket(pair.second)}", safe=""),
        quote(f"{_socket(pair.second)},{_socket(pair.first)}", safe=""),
    )
    async with Database(turned) as database:
        async with database.transaction() as conn:
            assert not await conn.fetchval("SELECT pg_is_in_recovery()")
            await conn.execute("CREATE TABLE made ()")
        async with database.transaction(within=20) as conn:
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            snapshot = await conn.fetchval("SELECT pg_export_snapshot()")
            await dump.save(turned, 18, tmp_path / "dump", snapshot)
        assert (tmp_path / "dump").stat().st_size
        await pair.first.stop()
        with pytest.raises(Unavailable):
            await database.check()


async def test_a_host_that_answers_nothing_leaves_time_for_the_next(own_address: str) -> None:
    async with Database(own_address, limits=Limits(acquire=1.0)) as database:
        await database.check()


@pytest.fixture
async def own_address(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """First one that takes connections and says nothing."""
    silent: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://ari_recorder@/postgres?host=127.0.0.1,{quote(_socket(postgres), safe='')}&port={port},5432"
    server.close()
    for writer in silent:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in silent), return_exceptions=True)
