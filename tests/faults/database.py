"""What a database does wrong, one after the other, while a hundred calls go on: none is lost, and nobody waits for it.

    frozen · a backend killed · all of them ended · restarted · read-only · no connection left · black-holed ·
    a byte a second · cut · stopped for long

Each fault begins while callers come and go. All the time somebody asks the page for something that wants the database:
each answer has to come within 5 s, and within 5 s after the fault the page has to have its database again. When all is
over, what waited has to be stored, and every call has to be weighed as if nothing had been.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg

from ari_recorder.storage.embedded import EmbeddedPostgres
from tests.faults.commits import of_proxy, socket_of
from tests.faults.crowd import Crowd
from tests.faults.figures import Figure, Scenario, Tell, at_least, at_most, none_of, shown
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.faults.weigh import alarms, gather, weigh, write_facts
from tests.faults.witness import witness_of
from tests.lab.asterisk import free_port
from tests.lab.lab import CROWD_NUMBER, CROWD_NUMBER_ARMED, CROWD_QUEUE, Lab, start_lab
from tests.lab.service import Service, installed_service

AT_ONCE = 100
AGENTS = 150
# A third as long as most calls: with a hundred at once, beginning and ending two a second leaves two cores something
# for the database and for what has piled up, with the phones of all of them on the same two. That ten thousand calls in
# the journal are stored in time, start_up.py shows.
TALK = (30.0, 90.0)
FROZEN = 60.0
OTHERS = 15.0
ANSWERED_WITHIN = 5.0
BACK_WITHIN = 5.0
DRAINED_WITHIN = 600.0
# So many connections the database of the scenario takes; a service has 16.
CONNECTIONS = 40


@dataclass
class Server:
    """The database, what is between it and the service, and somebody who may do anything to it."""

    embedded: EmbeddedPostgres
    proxy: FaultProxy
    dsn: str

    def processes(self) -> list[int]:
        (postmaster,) = [int(line) for line in self._pid_file().read_text().splitlines()[:1]]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def _pid_file(self) -> Path:
        return next(self.embedded.data.glob("postmaster.pid"))

    async def do(self, *statements: str) -> None:
        conn = await asyncpg.connect(self.dsn, timeout=10)
        try:
            for statement in statements:
                await conn.execute(statement)
        finally:
            await conn.close()


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[None]:
    processes = server.processes()
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def backend_killed(server: Server) -> AsyncIterator[None]:
    """One dies by a signal; the server ends all others, and begins anew."""
    backends = [pid for pid in server.processes()[1:] if "ari-recorder" in _title(pid) or "idle" in _title(pid)]
    if backends:
        os.kill(backends[0], signal.SIGKILL)
    yield


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@asynccontextmanager
async def backends_ended(server: Server) -> AsyncIterator[None]:
    await server.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    yield


@asynccontextmanager
async def restarted(server: Server) -> AsyncIterator[None]:
    await server.embedded.stop()
    await server.embedded.start()
    yield


@asynccontextmanager
async def stopped(server: Server) -> AsyncIterator[None]:
    await server.embedded.stop()
    try:
        yield
    finally:
        await server.embedded.start()


@asynccontextmanager
async def read_only(server: Server) -> AsyncIterator[None]:
    await server.do("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await server.do(
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )


@asynccontextmanager
async def full(server: Server) -> AsyncIterator[None]:
    """Others take every connection there is, and those of the service are ended."""
    taken: list[asyncpg.Connection] = []
    await server.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with contextlib.suppress(asyncpg.TooManyConnectionsError, asyncpg.CannotConnectNowError):
        while len(taken) <= CONNECTIONS:
            taken.append(await asyncpg.connect(server.dsn, timeout=10))
    try:
        yield
    finally:
        for conn in taken:
            conn.terminate()


@asynccontextmanager
async def black_hole(server: Server) -> AsyncIterator[None]:
    server.proxy.stall()
    try:
        yield
    finally:
        server.proxy.flow()


@asynccontextmanager
async def slow(server: Server) -> AsyncIterator[None]:
    server.proxy.slice_bytes, server.proxy.pause_seconds = 1, 1.0
    try:
        yield
    finally:
        server.proxy.slice_bytes, server.proxy.pause_seconds = 0, 0.0
        server.proxy.reset()


@asynccontextmanager
async def cut(server: Server) -> AsyncIterator[None]:
    """Again and again, in mid-statement or not."""

    async def cutting() -> None:
        while True:
            server.proxy.reset()
            await asyncio.sleep(0.5)

    task = asyncio.create_task(cutting())
    try:
        yield
    finally:
        task.cancel()


Fault = Callable[[Server], contextlib.AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    name: str
    fault: Fault
    seconds: float


def steps(seed: int, longest: float, *, frozen_for: float, others: float) -> list[Step]:
    """In an order of the seed; the long one last, for then everything has happened."""
    some = [
        Step(name="frozen", fault=frozen, seconds=frozen_for),
        Step(name="backend killed", fault=backend_killed, seconds=others / 2),
        Step(name="backends ended", fault=backends_ended, seconds=others / 2),
        Step(name="restarted", fault=restarted, seconds=others / 2),
        Step(name="read-only", fault=read_only, seconds=others),
        Step(name="no connection left", fault=full, seconds=others),
        Step(name="black-holed", fault=black_hole, seconds=others),
        Step(name="a byte a second", fault=slow, seconds=others),
        Step(name="cut twice a second", fault=cut, seconds=others),
    ]
    random.Random(f"{seed} database").shuffle(some)
    return [*some, Step(name="stopped", fault=stopped, seconds=longest)]


@dataclass
class Visitor:
    """Asks for what wants the database, four times a second: an invented token, which is looked for there."""

    address: str
    slowest: float = 0.0
    late: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    refused: int = 0

    async def run(self) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_any_certificate())) as http:
            while True:
                await self.ask(http)
                await asyncio.sleep(0.25)

    async def ask(self, http: aiohttp.ClientSession) -> int:
        began = time.monotonic()
        headers = {"Authorization": "Bearer arm_nobody-has-this-token-000000"}
        async with http.get(f"{self.address}/recordings", headers=headers) as response:
            await response.read()
        took = time.monotonic() - began
        self.answers += 1
        self.refused += response.status == 503
        self.slowest = max(self.slowest, took)
        if took > ANSWERED_WITHIN:
            self.late.append(f"{took:.1f} s for {response.status}")
        if response.status not in (401, 503):
            self.wrong.append(str(response.status))
        return response.status


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _back(visitor: Visitor, within: float = 60.0) -> float:
    """Until the page has its database again; how long that took."""
    began = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_any_certificate())) as http:
        async with asyncio.timeout(within):
            while await visitor.ask(http) != 401:  # noqa: ASYNC110 - another program
                await asyncio.sleep(0.1)
    return time.monotonic() - began


async def _drained(service: Service, within: float = DRAINED_WITHIN) -> float:
    """Until nothing waits for the database but calls that go on, or it takes too long; how long that took."""
    began = time.monotonic()
    async with aiohttp.ClientSession() as http:
        while time.monotonic() - began <= within:
            await asyncio.sleep(0.5)
            async with http.get(f"http://127.0.0.1:{service.monitor_port}/health") as response:
                health = json.loads(await response.text())
            parts = {part["part"]: part["state"] for part in health["parts"]}
            if parts["store"] == parts["database"] == "well" and await service.waiting_calls() < AT_ONCE / 10:
                break
    return time.monotonic() - began


async def trouble(
    lab: Lab, folder: Path, seed: int, plan: list[Step], at_once: int, talk: tuple[float, float], tell: Tell
) -> list[Figure]:
    embedded = EmbeddedPostgres(
        folder / "database", folder / "database-logs", settings={"max_connections": str(CONNECTIONS)}
    )
    dsn = await embedded.start()
    try:
        async with fault_proxy(socket_of(dsn), seed) as proxy:
            server = Server(embedded=embedded, proxy=proxy, dsn=dsn)
            return await _trouble(lab, folder, seed, plan, at_once, talk, tell, server)
    finally:
        await embedded.stop()


async def _trouble(
    lab: Lab,
    folder: Path,
    seed: int,
    plan: list[Step],
    at_once: int,
    talk: tuple[float, float],
    tell: Tell,
    server: Server,
) -> list[Figure]:
    back: dict[str, float] = {}
    settings = {"database.dsn": f'"{of_proxy(server.dsn, server.proxy)}"'}
    web_port, monitor_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    async with installed_service(lab, folder / "service", (CROWD_QUEUE,), web_port, settings) as service:
        service.monitor_port = monitor_port
        service.configure((CROWD_QUEUE,))
        await service.start(60)
        visitor = Visitor(service.address)
        async with witness_of(lab.pbx.spool, folder) as witness, Crowd(lab, seed) as crowd:
            calling = asyncio.create_task(crowd.keep(at_once, talk, (CROWD_NUMBER, CROWD_NUMBER_ARMED)))
            visiting = asyncio.create_task(visitor.run())
            try:
                await _talking(crowd, at_once)
                for step in plan:
                    began = time.monotonic()
                    async with step.fault(server):
                        await asyncio.sleep(step.seconds)
                    back[step.name] = await _back(visitor)
                    tell(
                        f"  {step.name}: {time.monotonic() - began:.0f} s, back after {back[step.name]:.1f} s; "
                        f"{len(crowd.facts)} calls, {crowd.talking} talk"
                    )
                    for task in (calling, visiting):
                        if task.done():
                            task.result()
                drained = await _drained(service)
            finally:
                visiting.cancel()
                calling.cancel()
                await asyncio.gather(visiting, calling, return_exceptions=True)
            await lab.quiet()
        after = await gather(service, crowd.facts, witness.testimony, [])
        write_facts(crowd.facts, folder / "facts")
        await service.stop()
    return [
        at_least("conversations at the same time, at most", crowd.most, at_once * 0.8),
        shown("requests of the page", visitor.answers),
        shown("of them answered with 503", visitor.refused),
        shown("the slowest answer, s", visitor.slowest),
        none_of(f"answers that took more than {ANSWERED_WITHIN:g} s", visitor.late, timed=True),
        none_of("answers that are neither 401 nor 503", visitor.wrong),
        *(at_most(f"back after: {name}, s", seconds, BACK_WITHIN, timed=True) for name, seconds in back.items()),
        at_most("what waited is stored after, s", drained, DRAINED_WITHIN, timed=True),
        *weigh(after),
        *alarms(after),
    ]


async def _talking(crowd: Crowd, at_once: int) -> None:
    async with asyncio.timeout(120):
        while crowd.talking < at_once * 0.7:  # noqa: ASYNC110 - a number that events change
            await asyncio.sleep(0.1)


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    """`count`: seconds the long stop lasts."""
    async with start_lab(folder / "lab", crowd=AGENTS) as lab:
        plan = steps(seed, count, frozen_for=FROZEN, others=OTHERS)
        return await trouble(lab, folder, seed, plan, AT_ONCE, TALK, tell)


SCENARIO = Scenario(name="database", what="what a database does wrong, under 100 calls at once", count=300, run=run)
