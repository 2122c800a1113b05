"""While the audit log or the whole database stands still nobody hears a byte; calls of the real PBX are recorded."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ari_recorder import config
from ari_recorder.domain.accounts import Role
from ari_recorder.services import connect
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.web import cookies
from tests.lab.asterisk import free_port
from tests.lab.lab import Lab
from tests.lab.service import RECORDED, Service, running_service
from tests.people import HERE, ClocksAhead, enrol, open_desk
from tests.services.listeners import locked_table
from tests.storage.test_db import frozen
from tests.web.house import Visitor, client

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

TALK = 3.0  # s
ANSWERED_WITHIN = 5.0  # s
SEALED_WITHIN = 15.0  # s after the call's end


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A supervisor who listens to a call of before."""

    lab: Lab
    service: Service
    visitor: Visitor
    audio: str

    async def heard(self) -> int:
        """Bytes of audio; what the answer says besides is not heard."""
        got = await self.visitor.get(self.audio)
        assert got.status in (200, 206, 503), got.text
        assert got.headers["Content-Type"].startswith("text/html" if got.status == 503 else "audio/")
        return 0 if got.status == 503 else int(got.headers["Content-Length"])

    async def call(self) -> str:
        """Somebody talks with an agent; the Uniqueid."""
        caller = await self.lab.call("0195202000")
        await caller.wait_connected(40)
        await asyncio.sleep(TALK)
        await caller.hangup()
        await caller.wait_ended()
        return str(caller.uniqueid)

    @property
    def sealed(self) -> set[Path]:
        return set((self.service.state / "vault").rglob("*.sealed"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listener(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listener]:
    port = free_port(socket.SOCK_STREAM)
    folder = tmp_path_factory.mktemp("outage") / "service"
    async with running_service(lab, folder, web_port=port) as service, client() as http:
        visitor = Visitor(http, service.address)
        listener = Listener(lab=lab, service=service, visitor=visitor, audio="")
        await service.settled([await listener.call()])
        recording = (await service.recordings())[0]["id"]
        settings, clocks = config.load(service.config), ClocksAhead(timedelta(minutes=-1))
        async with connect.database(settings) as database:
            desk = connect.people(settings, database, clocks)
            await open_desk(desk, RECORDED)
            person = await enrol(desk, Role.SUPERVISOR, clocks)
            ticket = await desk.login.begin(person.name, person.password, HERE)
            visitor.kept[cookies.SESSION] = (await desk.login.second_step(ticket, person.code(), HERE)).session
        began = await visitor.post(f"/recordings/{recording}/listenings", {"purpose": "quality"})
        assert began.status == 303, began.text
        yield Listener(lab=lab, service=service, visitor=visitor, audio=f"{began.headers['Location']}/audio")


@asynccontextmanager
async def audit_log_locked(service: Service) -> AsyncIterator[None]:
    async with connect.database(config.load(service.config)) as database, locked_table(database, "audit_pending"):
        yield


@asynccontextmanager
async def database_frozen(service: Service) -> AsyncIterator[None]:
    storage = config.load(service.config).storage
    with frozen(EmbeddedPostgres(storage.database, storage.logs)):
        yield


@pytest.mark.parametrize("trouble", [audit_log_locked, database_frozen])
async def test_nobody_hears_a_byte_and_the_call_of_that_time_is_kept(
    listener: Listener, trouble: Callable[[Service], AbstractAsyncContextManager[None]]
) -> None:
    assert await listener.heard() > 0
    before = listener.sealed
    async with trouble(listener.service):
        call = asyncio.create_task(listener.call())
        while not call.done():
            asked = time.monotonic()
            assert await listener.heard() == 0
            assert time.monotonic() - asked < ANSWERED_WITHIN
            await asyncio.sleep(0.5)
        uniqueid = await call
        async with asyncio.timeout(SEALED_WITHIN):
            while not listener.sealed - before:  # noqa: ASYNC110 - what another process does
                await asyncio.sleep(0.2)
        assert await listener.heard() == 0
    row = (await listener.service.settled([uniqueid], within=30))[uniqueid]
    assert row["verdict"]["state"] == "recorded"
    (kept,) = (one for one in await listener.service.recordings() if one["uniqueid"] == uniqueid)
    found = (await listener.visitor.get("/recordings?format=json")).json()["results"]["found"]
    assert kept["id"] in {one["id"] for one in found}
    assert await listener.heard() > 0
