"""That this host lives, told to the others every few seconds; and which of them were not heard of. Rules:
domain/hosts.py.

    claim (before anything is recorded, when the database is there) ──► a word every 5 s ──► stop
       └── refused: the service does not start           └── somebody else has the name: `lost`, and the service ends

The database away: nothing is told, calls are recorded. When it is back the name is still the own one, unless another
host has taken it meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.config import Host, Role
from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import HostLives, HostNameTaken, HostPbxTaken, HostReplaced, NoSuchHost, RecorderError
from ari_recorder.domain.hosts import STOPS_AFTER, TELLS_EVERY, HostState, Known, refusal
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit, hosts, leases
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.hosts import HostRow, Word

__all__ = ["HostDesk", "HostList", "HostRow", "Hosts", "forget", "look"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """`doing`: which host does what only one may do at a time."""

    hosts: tuple[HostRow, ...]
    doing: dict[str, str]


class HostDesk:
    """`run` is the service's job. `lost` is set when it must end, because of `trouble`."""

    def __init__(
        self,
        *,
        host: Host,
        version: str,
        instance: UUID,
        vault: UUID | None,
        system_name: str | None,
        database: Database,
    ) -> None:
        """`system_name`: of its PBX as the configuration has it."""
        self._host = host
        self._version = version
        self._instance = instance
        self._vault = vault
        self._system_name = system_name if Role.CAPTURE in host.does else None
        self._database = database
        self._claimed = False
        self._heard_at = float("-inf")
        self.incarnation = uuid4()
        self.lost = asyncio.Event()
        self.trouble: RecorderError | None = None
        self.newest: tuple[HostRow, ...] = ()

    @property
    def name(self) -> str:
        return self._host.name

    @property
    def heard(self) -> bool:
        """Lately enough that nobody else does what this host does."""
        since = asyncio.get_running_loop().time() - self._heard_at
        return self._claimed and not self.lost.is_set() and since < STOPS_AFTER.total_seconds()

    async def claim(self) -> None:
        """HostNameTaken, HostPbxTaken."""
        asked_at = asyncio.get_running_loop().time()
        async with self._database.transaction() as conn:
            await hosts.alone(conn)
            await self._refuse_taken(conn, self._system_name)
            await hosts.claim(
                conn,
                name=self._host.name,
                instance=self._instance,
                incarnation=self.incarnation,
                roles=self._host.roles,
                version=self._version,
                system_name=self._system_name,
                vault=self._vault,
            )
        self._claimed, self._heard_at = True, asked_at

    async def run(self, stop: asyncio.Event, word: Callable[[], Word], pbx: Callable[[], str | None]) -> None:
        """`pbx`: what its PBX calls itself, once that is known."""
        while not stop.is_set():
            try:
                await self._tell(word(), pbx())
            except (HostNameTaken, HostPbxTaken, HostReplaced) as error:
                self.end(error)
            except RecorderError as error:  # there is an alarm of its own for a database that is away
                log.warning("host_tell_retry", code=error.code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TELLS_EVERY.total_seconds())
        if self._claimed and not self.lost.is_set():
            with contextlib.suppress(RecorderError):
                async with self._database.transaction() as conn:
                    await hosts.stop(conn, self.incarnation)

    async def _tell(self, word: Word, system_name: str | None) -> None:
        asked_at = asyncio.get_running_loop().time()
        async with self._database.transaction() as conn:
            if not await hosts.tell(conn, self.incarnation, word):
                raise HostReplaced(name=self._host.name)
            if system_name is not None and system_name != self._system_name:
                await hosts.alone(conn)
                await self._refuse_taken(conn, system_name)
                await hosts.set_pbx(conn, self.incarnation, system_name)
            silent = await hosts.newly_silent(conn, timedelta(seconds=self._host.not_seen_seconds))
            self.newest = await hosts.everyone(conn)
        self._heard_at = asked_at
        if system_name is not None:
            self._system_name = system_name
        for name, since in silent:
            because = f"nobody has heard of it for {int(since.total_seconds())} s"
            log.error("alarm", alarm=AlarmCode.HOST_SILENT.value, subject=name, because=because)

    async def _refuse_taken(self, conn: Connection, system_name: str | None) -> None:
        known = await hosts.known(conn)
        if (error := refusal(self._host.name, self._instance, self._host.does, system_name, known)) is not None:
            raise error

    def end(self, error: RecorderError) -> None:
        """It must not go on."""
        if not self.lost.is_set():
            log.error("alarm", alarm=AlarmCode.HOST_REFUSED.value, subject=self._host.name, because=str(error))
            self.trouble = error
            self.lost.set()


class HostList:
    """For administrators, on the page."""

    def __init__(self, database: Database, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks

    async def all(self, principal: Principal) -> tuple[HostRow, ...]:
        authorise(principal, Permission.KEY_MANAGE, now=self._clocks.now())
        async with self._database.transaction() as conn:
            return await hosts.everyone(conn)


async def look(database: Database) -> Hosts:
    async with database.transaction() as conn:
        return Hosts(hosts=await hosts.everyone(conn), doing=await leases.holders(conn))


async def forget(database: Database, name: str, actor: Actor) -> None:
    """A host that is gone for good: its folders too. What only its journal or its vault held is not waited for any
    more. NoSuchHost, HostLives."""
    async with database.transaction() as conn:
        await hosts.alone(conn)
        one = _of(name, await hosts.known(conn))
        if one.state is HostState.LIVING:
            raise HostLives(name=name, seconds=int(one.silent.total_seconds()))
        await hosts.forget(conn, name)
        await audit.append(conn, Entry(action=Action.HOST_FORGET, actor=actor, object=f"host:{name}"), Clocks().now())
    log.warning("host_forget", host=name)


def _of(name: str, known: Iterable[Known]) -> Known:
    for one in known:
        if one.name == name:
            return one
    raise NoSuchHost(name=name)
