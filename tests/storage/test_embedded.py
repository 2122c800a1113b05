import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from ari_recorder.domain.errors import EmbeddedFailed, EmbeddedForeign, EmbeddedNeedsUser, EmbeddedSocketRefused
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.launcher import Launcher


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for the socket, and such that other users get as far as to it."""
    with tempfile.TemporaryDirectory(prefix="ari-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder / "database", folder / "logs")
    yield server
    await server.stop()


async def ask(dsn: str, sql: str) -> object:
    conn = await asyncpg.connect(dsn, timeout=5)
    try:
        return await conn.fetchval(sql)
    finally:
        await conn.close()


def socket_folder(base: Path) -> Path:
    (found,) = base.glob("ari-recorder-*")
    return found


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


async def test_it_is_safe_and_reached_by_its_owner_only(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    for setting, value in {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
    }.items():
        assert await ask(dsn, f"SHOW {setting}") == value
    for private in (server.folder, server.data, server.folder / "run"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert (server.folder / "run").stat().st_uid == os.geteuid()


async def test_who_finds_it_running_uses_it_and_leaves_it_running(server: EmbeddedPostgres) -> None:
    await server.start()
    beside = EmbeddedPostgres(server.folder, server.folder.parent / "logs")
    assert await beside.start() == server.dsn
    await beside.stop()
    assert await ask(server.dsn, "SELECT 1") == 1


async def test_two_that_start_at_once_share_one_server(folder: Path) -> None:
    servers = [EmbeddedPostgres(folder / "database", folder / "logs") for _ in range(3)]
    dsns = await asyncio.gather(*(server.start() for server in servers))
    try:
        assert len(set(dsns)) == 1
        assert await ask(dsns[0], "SELECT 1") == 1
    finally:
        for server in servers:
            await server.stop()
    assert not (folder / "database/data/postmaster.pid").exists()


async def test_after_a_crash_what_was_committed_is_there(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    await ask(dsn, "CREATE TABLE kept AS SELECT 7 AS value")
    os.kill(postmaster(server), signal.SIGKILL)
    await server.stop()
    assert (server.data / "postmaster.pid").exists()
    assert await ask(await server.start(), "SELECT value FROM kept") == 7


async def test_a_pid_file_whose_number_now_belongs_to_another_process_is_no_obstacle(server: EmbeddedPostgres) -> None:
    await server.start()
    left = (server.data / "postmaster.pid").read_text()
    await server.stop()
    # A process of the same user, so PostgreSQL itself would refuse.
    with subprocess.Popen(["sleep", "60"]) as other:  # noqa: ASYNC220 -- it only has to be there
        try:
            (server.data / "postmaster.pid").write_text(left.replace(left.split()[0], str(other.pid), 1))
            assert await ask(await server.start(), "SELECT 1") == 1
        finally:
            other.kill()


async def test_it_is_kept_running(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    killed = postmaster(server)
    stop = asyncio.Event()
    keeping = asyncio.create_task(server.keep(stop))
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    while True:
        try:
            assert await ask(dsn, "SELECT 1") == 1
            break
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() - began < 5, "it was not started again"
            await asyncio.sleep(0.05)
    assert postmaster(server) != killed
    stop.set()
    await keeping


async def test_it_ends_with_the_process_that_started_it(folder: Path) -> None:
    program = textwrap.dedent(f"""
        import asyncio, os
        from pathlib import Path
        from ari_recorder.storage.embedded import EmbeddedPostgres
        server = EmbeddedPostgres(Path({str(folder)!r}, "database"), Path({str(folder)!r}, "logs"))
        asyncio.run(server.start())
        os.kill(os.getpid(), 9)
    """)
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], capture_output=True, check=False)
    deadline = time.monotonic() + 5
    while (folder / "database/data/postmaster.pid").exists():
        assert time.monotonic() < deadline, "it outlived its service"
        await asyncio.sleep(0.05)


async def test_an_initdb_that_was_cut_off_is_done_again(server: EmbeddedPostgres) -> None:
    half = server.data.with_suffix(".new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    assert await ask(await server.start(), "SELECT 1") == 1


async def test_a_long_path_gets_its_socket_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    server = EmbeddedPostgres(folder / ("long-" * 20) / "database", folder / "logs")
    try:
        assert await ask(await server.start(), "SELECT 1") == 1
        elsewhere = socket_folder(folder)
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
        assert list(elsewhere.iterdir())
    finally:
        await server.stop()


async def test_a_folder_laid_there_by_others_is_not_used_for_the_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    server = EmbeddedPostgres(folder / ("long-" * 20) / "database", folder / "logs")
    await server.start()
    await server.stop()
    elsewhere = socket_folder(folder)
    elsewhere.chmod(0o755)
    with pytest.raises(EmbeddedSocketRefused, match=re.escape(str(elsewhere))):
        await server.start()
    for left in elsewhere.iterdir():
        left.unlink()
    elsewhere.rmdir()
    elsewhere.symlink_to(folder)
    with pytest.raises(EmbeddedSocketRefused):
        await server.start()


async def test_no_value_of_a_statement_gets_into_its_log(server: EmbeddedPostgres) -> None:
    conn = await asyncpg.connect(await server.start(), timeout=5)
    await conn.execute("CREATE TABLE caller (number text UNIQUE CHECK (number <> '0401234567'))")
    for sql in ("INSERT INTO caller VALUES ('0501234567'), ('0501234567')", "SELECT '0501234567'::int / 0"):
        with pytest.raises(asyncpg.PostgresError):
            await conn.execute(sql)
    with pytest.raises(asyncpg.PostgresError):
        await conn.execute("INSERT INTO caller VALUES ($1)", "0401234567")
    await conn.close()
    await server.stop()
    logs = "".join(path.read_text() for path in (server.folder.parent / "logs").rglob("*") if path.is_file())
    assert "ready to accept connections" in logs
    assert "duplicate key" in logs
    assert "401234567" not in logs
    # What is wrong with a text that is no number cannot be said without the text: no column of ours is read like that.
    assert "DETAIL" not in logs
    assert "STATEMENT" not in logs


async def test_a_data_folder_of_another_version_is_refused(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedForeign, match="made by PostgreSQL 16"):
        await server.start()


async def test_why_it_did_not_start_is_said(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "database", folder / "logs", settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedFailed, match="shared_buffers"):
        await server.start()


async def test_a_folder_that_cannot_be_used_is_named(folder: Path) -> None:
    (folder / "file").write_text("in the way")
    with pytest.raises(EmbeddedFailed, match=re.escape(str(folder / "file/database"))):
        await EmbeddedPostgres(folder / "file/database", folder / "logs").start()


class TestAsRoot:
    """PostgreSQL refuses to run as root. Under another user these say that nothing is put before its command."""

    def test_another_owner_of_the_folder_is_who_it_runs_as(self, folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, 12345, 12346)
            assert Launcher.choose(folder, Path("/bin/true")).uid == 12345
        else:
            assert Launcher.choose(folder, Path("/bin/true")).before == ()

    async def test_without_namespaces_another_user_is_given_the_database(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.forbid(folder, monkeypatch, "unshare")
        server = EmbeddedPostgres(folder / "database", folder / "logs")
        try:
            assert await ask(await server.start(), "SELECT 1") == 1
            assert server.data.stat().st_uid != 0
        finally:
            await server.stop()
        # The next start finds the folder of that user.
        assert await ask(await server.start(), "SELECT 1") == 1
        await server.stop()

    def test_when_nothing_helps_it_is_said_why(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forbid(folder, monkeypatch, "unshare")
        self.forbid(folder, monkeypatch, "setpriv")
        if os.geteuid() == 0:
            with pytest.raises(EmbeddedNeedsUser, match=r"not permitted.*does not reach.*user of its own"):
                Launcher.choose(folder, Path("/bin/true"))
        else:
            assert Launcher.choose(folder, Path("/bin/true")).before == ()

    def forbid(self, folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
        programs = folder / "bin"
        programs.mkdir(exist_ok=True)
        (programs / program).write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
        (programs / program).chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin")
