"""The one way to PostgreSQL: a pool, and a transaction in which nothing can wait for ever. No SQL of the domain here.

asyncpg waits without end for a frozen server, even inside asyncio.wait_for: cancelling a statement asks the server to
cancel it and then waits for the answer. What holds (measured: 1 s after the limit) is a limit on each of acquire,
statement and release, and `terminate` before the release of a connection that failed or was cancelled.

    acquire ≤ 2 s ── BEGIN ── statements ≤ 2 s each ── COMMIT ── release ≤ 0.5 s        all together ≤ 4 s
                       └── error of ours: ROLLBACK, connection kept
                       └── anything else: terminate

The server has limits of its own for what it runs on our behalf, for the client may be gone. Every effect can be
repeated, because a COMMIT whose answer is lost may have happened.
"""

import asyncio
import contextlib
import copy
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg
import structlog

from ari_recorder.domain.errors import (
    DatabaseAddressRefused,
    DatabaseFull,
    DatabaseLoginRefused,
    DatabaseMissing,
    DatabaseReadOnly,
    DatabaseRightMissing,
    DatabaseSlow,
    DatabaseTooOld,
    DatabaseUnreachable,
    Unavailable,
)
from ari_recorder.storage.servers import ServerConnection, Servers, servers_of

log = structlog.get_logger(__name__)

# What Debian 12 ships; nothing older is tested.
LEAST_SERVER = 15
_POOL_SIZE = 8

# A row as it comes from asyncpg: values by column name.
Row = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds. A request may take 5 s in all, so that people and queues do not pile up behind a frozen server."""

    acquire: float = 2.0
    statement: float = 2.0
    release: float = 0.5
    transaction: float = 4.0


class Connection:
    """A connection within a transaction, as the storage functions get it."""

    def __init__(self, raw: Any, database: str, seconds: float) -> None:
        self._raw = raw
        self._database = database
        self._seconds = seconds

    async def execute(self, sql: str, *values: object) -> str:
        with _clear_errors(self._database, self._seconds):
            return str(await self._raw.execute(sql, *_without_nul(values), timeout=self._seconds))

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        with _clear_errors(self._database, self._seconds):
            rows: Sequence[Row] = await self._raw.fetch(sql, *_without_nul(values), timeout=self._seconds)
            return rows

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        with _clear_errors(self._database, self._seconds):
            return await self._raw.fetchrow(sql, *_without_nul(values), timeout=self._seconds)

    async def fetchval(self, sql: str, *values: object) -> Any:
        with _clear_errors(self._database, self._seconds):
            return await self._raw.fetchval(sql, *_without_nul(values), timeout=self._seconds)

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What fails in it is undone, and the transaction can go on. Not after `Unavailable`: nothing more can be asked
        of the connection then."""
        await self.execute("SAVEPOINT here")
        try:
            yield
        except Unavailable:
            raise
        except Exception:
            await self.execute("ROLLBACK TO SAVEPOINT here")
            raise
        await self.execute("RELEASE SAVEPOINT here")


# What a transaction begins with.
First = Callable[[Connection], Awaitable[None]]


class Database:
    """A pool of connections to one database. It opens without a server: recording does not wait for the database.

    An address may name several servers, one of which takes writes; `seen` is the file for what `Servers` remembers.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int = _POOL_SIZE,
        limits: Limits | None = None,
        seen: Path | None = None,
        servers: Servers | None = None,
    ) -> None:
        self.name = _name(dsn)
        self.servers = servers or Servers(dsn, seen)
        self._dsn = dsn
        self._size = size
        self._limits = limits or Limits()
        self._pool: Any = None
        self._first: First | None = None

    async def __aenter__(self) -> Self:
        limits = self._limits
        with _clear_errors(self.name, limits.acquire):
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=self._size,
                timeout=limits.acquire,
                command_timeout=limits.statement,
                init=_prepare,
                server_settings=_server_settings(limits),
                connection_class=ServerConnection,
                connect=self.servers.connect if self.servers.several else None,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            # Waits for who still holds a connection; a statement cannot take longer than that.
            await asyncio.wait_for(self._pool.close(), self._limits.transaction)
        except TimeoutError:
            self._pool.terminate()

    def another(self) -> "Database":
        """The same database with connections of its own, not open yet: for those who must not wait for each other."""
        return Database(self._dsn, size=self._size, limits=self._limits, servers=self.servers)

    def fenced(self, first: First) -> "Database":
        """The same connections; each transaction begins with `first`, whose exception undoes it. Only of one that is
        open."""
        view = copy.copy(self)
        view._first = first
        return view

    async def check(self) -> None:
        """Is it there, does it let us in, is it new enough? The error says what to mend."""
        async with self.transaction() as conn:
            version = await conn.fetchval("SELECT current_setting('server_version_num')::int / 10000")
        if version < LEAST_SERVER:
            raise DatabaseTooOld(database=self.name, version=version, least=LEAST_SERVER)

    async def commits_wait(self) -> bool:
        """Is what is acknowledged on a second server already?"""
        async with self.transaction() as conn:
            return bool(
                await conn.fetchval(
                    "SELECT current_setting('synchronous_standby_names') <> ''"
                    " AND current_setting('synchronous_commit') IN ('on', 'remote_apply')"
                )
            )

    @contextlib.asynccontextmanager
    async def transaction(self, *, within: float | None = None) -> AsyncIterator[Connection]:
        """Commits at its end, rolls back on any error. `within`: seconds for all of it and each statement, when a
        caller who is nobody's request needs more than the usual."""
        limits = self._limits
        seconds = within or limits.transaction
        try:
            async with asyncio.timeout(seconds):
                raw = await self._acquire()
                sound = False
                try:
                    conn = Connection(raw, self.name, within or limits.statement)
                    await conn.execute("BEGIN")
                    try:
                        if within is not None:
                            # The server's own limit is made for requests.
                            await conn.execute(f"SET LOCAL statement_timeout = {int(within * 1000)}")
                        if self._first is not None:
                            await self._first(conn)
                        yield conn
                    except Unavailable:
                        raise  # nothing more can be asked of this connection
                    except Exception:
                        await conn.execute("ROLLBACK")
                        sound = True
                        raise
                    # After an error that somebody swallowed the server answers ROLLBACK, and all went for nothing.
                    if (done := await conn.execute("COMMIT")) != "COMMIT":
                        raise RuntimeError(f"the transaction ended with {done}")
                    sound = True
                finally:
                    await self._give_back(raw, sound=sound)
        except TimeoutError:
            raise DatabaseSlow(database=self.name, seconds=seconds) from None

    async def _acquire(self) -> Any:
        with _clear_errors(self.name, self._limits.acquire):
            try:
                while self.servers.outdated(raw := await self._pool.acquire(timeout=self._limits.acquire)):
                    await self._give_back(raw, sound=False)
                return raw
            except asyncpg.UndefinedObjectError as error:  # a setting that the server does not know
                raise DatabaseAddressRefused(reason=str(error)) from None

    async def _give_back(self, raw: Any, *, sound: bool) -> None:
        if not sound:
            self.servers.ask_another()
            with contextlib.suppress(asyncpg.InterfaceError):  # it broke, and the pool has it back already
                raw.terminate()
        try:
            await self._pool.release(raw, timeout=self._limits.release)
        except Exception as error:
            # The pool drops a connection it could not reset; what was asked of it has been done or has failed already.
            log.warning("connection_drop", error=type(error).__name__)


async def _prepare(raw: Any) -> None:
    await raw.set_type_codec("jsonb", encoder=_json, decoder=json.loads, schema="pg_catalog")


# PostgreSQL stores no NUL in text. What the PBX sends may hold one, and a call must not fail on it.
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def _without_nul(values: Sequence[object]) -> list[object]:
    return [value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value for value in values]


def _json(value: object) -> str:
    return _ESCAPED_NUL.sub(r"\1\\ufffd", json.dumps(value))


def _server_settings(limits: Limits) -> dict[str, str]:
    statement = str(int(limits.statement * 1000))
    return {
        "application_name": "ari-recorder",
        "timezone": "UTC",
        # asyncpg asks for the enum types with a query that the JIT compiler makes slower by seconds.
        "jit": "off",
        "statement_timeout": statement,
        "lock_timeout": statement,
        # Longer than any transaction of ours, the sweep's included: only the ones nobody will end.
        "idle_in_transaction_session_timeout": "60000",
        # What was sent and not acknowledged by the peer's kernel for so long is given up (tcp(7)).
        "tcp_user_timeout": "5000",
    }


def _name(dsn: str) -> str:
    """Database and hosts for messages, without user and password. A DSN that is none is refused here."""
    try:
        parts = urlsplit(dsn)
        hosts = servers_of(dsn)
        typed = parts.netloc.rpartition("@")[2]
        if "," not in typed:
            _ = parts.port
        for _, port in hosts:
            int(port)
    except ValueError as error:
        raise DatabaseAddressRefused(reason=str(error)) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise DatabaseAddressRefused(reason="it does not begin with postgresql://")
    name = parts.path.lstrip("/") or parts.username or "(of this user)"
    return f"{name} on " + (", ".join(_told(*place) for place in hosts) or "this host")


def _told(host: str, port: str) -> str:
    return host if host.startswith("/") else f"{host}:{port}"


@contextlib.contextmanager
def _clear_errors(database: str, seconds: float) -> Iterator[None]:
    """asyncpg's errors as ours. Their texts are not passed on where they may hold values."""
    try:
        yield
    except (
        TimeoutError,
        asyncpg.QueryCanceledError,
        asyncpg.LockNotAvailableError,
        asyncpg.IdleInTransactionSessionTimeoutError,
    ):
        raise DatabaseSlow(database=database, seconds=seconds) from None
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidPasswordError):
        raise DatabaseLoginRefused(database=database) from None
    except asyncpg.InvalidCatalogNameError:
        raise DatabaseMissing(database=database) from None
    except asyncpg.TargetServerAttributeNotMatched:
        raise DatabaseReadOnly(database=database) from None
    except asyncpg.ReadOnlySQLTransactionError:
        raise DatabaseReadOnly(database=database) from None
    except asyncpg.DiskFullError:
        raise DatabaseFull(database=database) from None
    except asyncpg.InsufficientPrivilegeError:
        raise DatabaseRightMissing(database=database) from None
    except asyncpg.TooManyConnectionsError:
        raise DatabaseUnreachable(database=database, reason="all its connections are taken") from None
    except (asyncpg.CannotConnectNowError, asyncpg.OperatorInterventionError):
        raise DatabaseUnreachable(database=database, reason="it is starting or stopping") from None
    except asyncpg.TransactionRollbackError:
        raise DatabaseUnreachable(database=database, reason="two of its users waited for each other") from None
    except asyncpg.InvalidCachedStatementError:
        raise DatabaseUnreachable(database=database, reason="its tables were changed this moment") from None
    # InternalClientError: asyncpg finds its own connection in a state it cannot go on from, as when the server went
    # away in the middle of an answer.
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, asyncpg.ClientConfigurationError):
            raise DatabaseAddressRefused(reason=str(error)) from None
        raise DatabaseUnreachable(database=database, reason="the connection broke") from None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise DatabaseUnreachable(database=database, reason=reason) from None
