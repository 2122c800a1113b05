"""A database as one file, by PostgreSQL's own programs: pg_dump, custom format, pg_restore and psql. No SQL here.

The programs are those of the wheel that carries the embedded server: what one of them wrote the others read, and they
speak with every older server. Only for a server that is newer they are its own, as Debian installs them
(/usr/lib/postgresql/<version>/bin). A password of the address goes by a file for this one run, never by an argument or
the environment.

    pg_restore ─ script ─► (a setting that servers before 17 do not know is taken out) ─► psql: BEGIN … COMMIT

The last word is sent when the script was whole. Without it everything is rolled back.
"""

import asyncio
import os
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ari_recorder.domain.errors import DatabaseProgramFailed, DatabaseProgramMissing
from ari_recorder.storage import embedded
from ari_recorder.storage.servers import servers_of

_INSTALLED = Path("/usr/lib/postgresql")
# Where Debian's servers listen; the wheel's programs were built to look elsewhere.
_SOCKETS = Path("/run/postgresql")
# pg_restore sets it, in the first lines of its script, whatever the server is.
_UNKNOWN, _KNOWN_SINCE = b"\nSET transaction_timeout = 0;\n", 17
_HEAD = 1 << 16
# The text of an error is for a person at a terminal.
_MOST_TOLD = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Programs:
    """Where they are, and what they are told of the database."""

    folder: Path
    address: str
    environment: Mapping[str, str] = field(repr=False)

    @asynccontextmanager
    async def run(
        self, name: str, *options: str, stdin: int = DEVNULL, stdout: int = DEVNULL
    ) -> AsyncIterator[Process]:
        """While it runs; it is killed when it is left early."""
        process = await asyncio.create_subprocess_exec(
            *(str(self.folder / name), *options), stdin=stdin, stdout=stdout, stderr=PIPE, env=self.environment
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def save(dsn: str, server: int, target: Path, snapshot: str) -> None:
    """The database as it was in that moment (`one_moment`, whose transaction is still open) into a new file."""
    await asyncio.to_thread(target.touch, 0o600, exist_ok=False)
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}")
    async with _programs("pg_dump", dsn, server) as programs:
        async with programs.run("pg_dump", *options, f"--dbname={programs.address}") as process:
            _, errors = await process.communicate()
        if process.returncode != 0:
            raise DatabaseProgramFailed(name="pg_dump", reason=_reason(errors))


async def load(dsn: str, server: int, source: Path) -> None:
    """Into an empty database: all of it, in one transaction, or nothing."""
    script = ("--file=-", "--exit-on-error", "--no-owner", "--no-privileges", str(source))
    quiet = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
    async with (
        _programs("pg_restore", dsn, server) as programs,
        programs.run("psql", *quiet, f"--dbname={programs.address}", stdin=PIPE) as psql,
        programs.run("pg_restore", *script, stdout=PIPE) as restoring,
    ):
        errors = asyncio.gather(*(one.stderr.read() for one in (psql, restoring) if one.stderr is not None))
        try:
            whole = await _carried(restoring, psql, server)
        except ConnectionError:  # psql has ended before its time, and says why
            restoring.kill()
            whole = True
        if not whole:
            psql.kill()  # the end of its input would be the end of a script, too
        of_psql, of_script = await errors
        await psql.wait()
        if not whole:
            raise DatabaseProgramFailed(name="pg_restore", reason=_reason(of_script))
        if psql.returncode != 0:
            raise DatabaseProgramFailed(name="psql", reason=_reason(of_psql))


async def _carried(script: Process, psql: Process, server: int) -> bool:
    """The script to its end, and the last word. False when the script was not whole, and nothing was committed."""
    assert script.stdout is not None  # noqa: S101 -- both are pipes
    assert psql.stdin is not None  # noqa: S101
    block = b"BEGIN;\n"
    while len(block) < _HEAD and (more := await script.stdout.read(_HEAD)):
        block += more
    if server < _KNOWN_SINCE:
        block = block.replace(_UNKNOWN, b"\n", 1)
    while block:
        psql.stdin.write(block)
        await psql.stdin.drain()
        block = await script.stdout.read(_HEAD)
    if await script.wait() != 0:
        return False
    psql.stdin.write(b"COMMIT;\n")
    await psql.stdin.drain()
    psql.stdin.close()
    return True


@asynccontextmanager
async def _programs(wanted: str, dsn: str, server: int) -> AsyncIterator[_Programs]:
    folder = await asyncio.to_thread(_folder, wanted, server)
    address, password = _apart(dsn)
    environment = _environment(address)
    with tempfile.NamedTemporaryFile("w", prefix="ari-recorder-") as file:  # mode 0600
        if password is not None:
            escaped = password.replace("\\", "\\\\").replace(":", "\\:")
            file.write(f"*:*:*:*:{escaped}\n")
            file.flush()
            environment["PGPASSFILE"] = file.name
        yield _Programs(folder=folder, address=address, environment=environment)


def _folder(wanted: str, server: int) -> Path:
    folder = embedded.programs() if server <= int(embedded.VERSION) else _INSTALLED / str(server) / "bin"
    if not (folder / wanted).exists():
        raise DatabaseProgramMissing(name=wanted, version=server)
    return folder


def _environment(address: str) -> dict[str, str]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    if not urlsplit(address).hostname and "host=" not in address and _SOCKETS.is_dir():
        environment["PGHOST"] = str(_SOCKETS)
    return environment


def _apart(dsn: str) -> tuple[str, str | None]:
    """The address without its password, and the password."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    asked = next((value for name, value in query if name == "password"), None)
    user, found, host = parts.netloc.rpartition("@")
    name, _, typed = user.partition(":")
    query = [(key, value) for key, value in query if key != "password"]
    if len(servers_of(dsn)) > 1:  # the one that takes writes, as db.py takes it: it has the snapshot
        query = [(key, value) for key, value in query if key not in ("target_session_attrs", "connect_timeout")]
        query += [("target_session_attrs", "read-write"), ("connect_timeout", "5")]
    asked_for = f"?{urlencode(query)}" if query else ""
    address = f"{parts.scheme}://{name}{found}{host}{parts.path}{asked_for}"  # urlunsplit drops an empty host's slashes
    return address, asked if asked is not None else unquote(typed) or None


def _reason(errors: bytes) -> str:
    """The first line that says what went wrong; those behind it may show rows."""
    text = errors.decode(errors="replace").splitlines() or [""]
    lines = [line for line in text if "error:" in line or "ERROR:" in line or "FATAL" in line] or text
    return lines[0].strip()[:_MOST_TOLD]
