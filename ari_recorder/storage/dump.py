"""A database as one file, by PostgreSQL's own programs: pg_dump, custom format, and pg_restore. No SQL here.

The programs are those of the server's own version where Debian has installed them (/usr/lib/postgresql/<version>/bin),
else those of the wheel that carries the embedded server; a program can read a server that is older than it, not one
that is newer. A password of the address goes by a file for this one run, never by an argument or the environment.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ari_recorder.domain.errors import DatabaseProgramFailed, DatabaseProgramMissing
from ari_recorder.storage import embedded

_INSTALLED = Path("/usr/lib/postgresql")
# Where Debian's servers listen; the wheel's programs were built to look elsewhere.
_SOCKETS = Path("/run/postgresql")
# The text of an error is for a person at a terminal.
_MOST_TOLD = 300


async def save(dsn: str, server: int, target: Path, snapshot: str) -> None:
    """The database as it was in that moment (`one_moment`, whose transaction is still open) into a new file."""
    await asyncio.to_thread(target.touch, 0o600, exist_ok=False)
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}")
    await _run("pg_dump", dsn, server, *options)


async def load(dsn: str, server: int, source: Path) -> None:
    """Into an empty database: all of it, in one transaction, or nothing."""
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source))
    await _run("pg_restore", dsn, server, *options)


def _program(name: str, server: int) -> Path:
    installed = _INSTALLED / str(server) / "bin" / name
    if installed.exists():
        return installed
    carried = embedded.programs() / name
    if server > int(embedded.VERSION) or not carried.exists():
        raise DatabaseProgramMissing(name=name, version=server)
    return carried


async def _run(name: str, dsn: str, server: int, *options: str) -> None:
    program = await asyncio.to_thread(_program, name, server)
    address, password = _apart(dsn)
    environment = _environment(address)
    with tempfile.NamedTemporaryFile("w", prefix="ari-recorder-") as file:  # mode 0600
        if password is not None:
            escaped = password.replace("\\", "\\\\").replace(":", "\\:")
            file.write(f"*:*:*:*:{escaped}\n")
            file.flush()
            environment["PGPASSFILE"] = file.name
        process = await asyncio.create_subprocess_exec(
            *(str(program), *options, f"--dbname={address}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            _, errors = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
    if process.returncode != 0:
        raise DatabaseProgramFailed(name=name, reason=_reason(errors.decode(errors="replace")))


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
    asked_for = f"?{urlencode(query)}" if query else ""
    address = f"{parts.scheme}://{name}{found}{host}{parts.path}{asked_for}"  # urlunsplit drops an empty host's slashes
    return address, asked if asked is not None else unquote(typed) or None


def _reason(text: str) -> str:
    """The first line that says what went wrong; those behind it may show rows."""
    lines = [line for line in text.splitlines() if "error:" in line or "FATAL" in line] or text.splitlines() or [""]
    return lines[0].strip()[:_MOST_TOLD]
