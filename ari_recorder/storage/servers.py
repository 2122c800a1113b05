"""Several servers in one address: which of them a new connection goes to. What is done on it is db.py's.

    asked one after the other ─ away, or a standby ──────────────────────────────► the next one
                              └ takes writes ─ on an older timeline than seen ───► refused, alarm; the next one
                                             └ else: its timeline is remembered ─► used

A promoted standby begins a new timeline of the same system. The old primary that comes back still believes it may be
written to, on the timeline it had: what would be written there nobody would ever find again. Which timeline was seen
stays in a file, because a service may be restarted in between.

asyncpg goes through them by itself, but within one limit of time for all of them: one that answers nothing uses it
up, and the next is never asked. Here each has its share, and the one that was good last is asked first.
"""

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import structlog

from ari_recorder.config.connections import places_of
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import DatabaseOutdated

log = structlog.get_logger(__name__)

_USUAL_PORT = "5432"
# InternalClientError: a standby, among others.
_NOT_THIS_ONE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# Only of one that takes writes; a standby does not know its own insert position.
_WHO = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text AS system,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`system` is the same for a primary and its standbys; `timeline` grows by one with each promotion."""

    system: str
    timeline: int


class ServerConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """One that knows whose it is."""

    server: Server | None = None


def servers_of(dsn: str) -> list[tuple[str, str]]:
    """Host and port of each server, in the order of the address; at most one of them when there is nothing to choose.

    ValueError when there are neither as many ports as hosts, nor one for all.
    """
    parts = urlsplit(dsn)
    named = [place for place in places_of(dsn) if place[0]]
    ports = parse_qs(parts.query).get("port", [_USUAL_PORT])[-1].split(",")
    if len(ports) not in (1, len(named)) and len(named) > 1:
        raise ValueError("it names more hosts than ports, or fewer")
    ports = ports * len(named) if len(ports) == 1 else ports
    return [(host, port or usual) for (host, port), usual in zip(named, ports, strict=False)]


class Servers:
    """The servers of one address, for all pools of a process. `seen`: the file that remembers between two starts."""

    def __init__(self, dsn: str, seen: Path | None = None) -> None:
        self.places = [(host, int(port)) for host, port in servers_of(dsn)]
        self._seen = seen
        self._first = 0
        self._system: str | None = None
        self._timelines = _read(seen)
        self._refused: set[tuple[str, int]] = set()

    @property
    def several(self) -> bool:
        return len(self.places) > 1

    async def connect(self, dsn: str, *, timeout: float, **options: Any) -> ServerConnection:
        """To the first one that may be written to. What asyncpg says of the last one, or DatabaseOutdated."""
        share = timeout / len(self.places)
        error: Exception | None = None
        for number in [(self._first + step) % len(self.places) for step in range(len(self.places))]:
            host, port = self.places[number]
            try:
                conn: ServerConnection = await asyncpg.connect(
                    dsn, host=host, port=port, timeout=share, target_session_attrs="read-write", **options
                )
            except _NOT_THIS_ONE as refusal:
                error = refusal if not isinstance(error, DatabaseOutdated) else error
                continue
            try:
                await self._know(conn, host, port, share)
            except BaseException as refusal:
                conn.terminate()
                if not isinstance(refusal, (DatabaseOutdated, *_NOT_THIS_ONE)):
                    raise
                error = refusal
                continue
            self._first = number
            return conn
        assert error is not None  # noqa: S101 -- there are two hosts at least
        raise error

    def outdated(self, conn: Any) -> bool:
        """Another server was promoted since this connection was made."""
        server: Server | None = conn.server if self.several else None
        return server is not None and server.timeline < self._timelines.get(server.system, 0)

    def ask_another(self) -> None:
        """The server failed us: the next new connection looks elsewhere first. A standby there costs one question."""
        self._first = (self._first + 1) % max(1, len(self.places))

    async def _know(self, conn: ServerConnection, host: str, port: int, share: float) -> None:
        row = await conn.fetchrow(_WHO, timeout=share)
        found = conn.server = Server(system=row["system"], timeline=row["timeline"])
        seen = self._timelines.get(found.system, 0)
        if found.timeline < seen or self._system not in (None, found.system):
            refusal = DatabaseOutdated(database=f"{host}:{port}", found=found.timeline, seen=seen)
            if (host, port) not in self._refused:
                self._refused.add((host, port))
                log.error(
                    "alarm", alarm=AlarmCode.DATABASE_AWAY.value, subject=DatabaseOutdated.code, because=str(refusal)
                )
            raise refusal
        self._system = found.system
        self._refused.discard((host, port))
        if found.timeline > seen:
            self._timelines[found.system] = found.timeline
            log.info("database_timeline", host=host, port=port, timeline=found.timeline)
            _write(self._seen, self._timelines)


def _read(path: Path | None) -> dict[str, int]:
    with suppress(OSError, ValueError, AttributeError, TypeError):
        if path is not None:
            return {str(system): int(timeline) for system, timeline in json.loads(path.read_text()).items()}
    return {}


def _write(path: Path | None, timelines: dict[str, int]) -> None:
    """Whole or not at all. Who may not write there goes on without: the service, which may, writes it."""
    if path is None:
        return
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
            json.dump(timelines, file)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)  # no secret; a command of root must not shut the service out
        Path(file.name).replace(path)
    except OSError as error:
        log.warning("database_timeline_unwritten", path=str(path), error=error.strerror)
