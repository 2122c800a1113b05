"""Jobs that one host does at a time: taken, done, given back. Rules and picture: domain/leases.py."""

import asyncio
import contextlib
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.errors import LeaseLost, RecorderError
from ari_recorder.domain.hosts import EXPIRES
from ari_recorder.domain.leases import LeaseEvent, LeaseState, after
from ari_recorder.storage import leases
from ari_recorder.storage.db import Connection, Database
from ari_recorder.supervise import Job, either

log = structlog.get_logger(__name__)

_LOOK_EVERY = timedelta(seconds=2)
_STOPS_WITHIN = timedelta(seconds=8)


@dataclass(slots=True, kw_only=True)
class _Held:
    epoch: int
    state: LeaseState


class LeaseDesk:
    def __init__(self, *, database: Database, host: str, incarnation: UUID, heard: Callable[[], bool]) -> None:
        """`heard`: was this host heard of lately enough (HostDesk)?"""
        self._database = database
        self._host = host
        self._incarnation = incarnation
        self._heard = heard
        self._held: dict[str, _Held] = {}

    def database(self, name: str) -> Database:
        """For the job of that lease: each of its transactions is undone when another host has the lease."""

        async def first(conn: Connection) -> None:
            held = self._held.get(name)
            if held is None:
                raise LeaseLost(name=name)
            try:
                await leases.fence(conn, name, held.epoch)
            except LeaseLost:
                held.state = after(held.state, LeaseEvent.FENCED)
                raise

        return self._database.fenced(first)

    def led(self, name: str, job: Job) -> Job:
        """The job, done while this host has the lease of that name."""

        async def run(stop: asyncio.Event) -> None:
            while not stop.is_set():
                epoch = await self._taken(name)
                if epoch is None:
                    await either(stop, within=_LOOK_EVERY)
                    continue
                log.info("lease_take", lease=name, epoch=epoch)
                held = self._held[name] = _Held(epoch=epoch, state=after(LeaseState.WAITING, LeaseEvent.TAKEN))
                try:
                    await self._hold(name, held, job, stop)
                finally:
                    del self._held[name]
                    await self._given_back(name, epoch)
                if held.state is LeaseState.HELD:  # it ended by itself: the supervisor starts it again, not at once
                    return

        return run

    async def _hold(self, name: str, held: "_Held", job: Job, stop: asyncio.Event) -> None:
        """Until the job ends, is told to stop, or must not go on."""
        inner = asyncio.Event()
        doing = asyncio.ensure_future(job(inner))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while held.state is LeaseState.HELD and not doing.done() and not stopping.done():
                await asyncio.wait({doing, stopping}, timeout=_LOOK_EVERY.total_seconds(), return_when=FIRST_COMPLETED)
                if not self._heard():
                    held.state = after(held.state, LeaseEvent.NOT_HEARD)
            inner.set()
            if held.state is LeaseState.LOST:
                log.warning("lease_lose", lease=name)
                await asyncio.wait({doing}, timeout=_STOPS_WITHIN.total_seconds())
                doing.cancel()
            await asyncio.wait({doing})
        finally:
            stopping.cancel()
            if not doing.done():
                doing.cancel()
                await asyncio.wait({doing})
        if held.state is LeaseState.LOST and (doing.cancelled() or isinstance(doing.exception(), RecorderError)):
            return  # another one goes on where this one was
        doing.result()

    async def _taken(self, name: str) -> int | None:
        if not self._heard():
            return None
        try:
            async with self._database.transaction() as conn:
                return await leases.take(conn, name, self._host, self._incarnation, EXPIRES)
        except RecorderError as error:
            log.warning("lease_take_retry", lease=name, code=error.code)
            return None

    async def _given_back(self, name: str, epoch: int) -> None:
        """At once, so that nobody waits for its expiry; an epoch that is not the newest gives back nothing."""
        with contextlib.suppress(RecorderError):
            async with self._database.transaction() as conn:
                await leases.give_back(conn, name, epoch)
