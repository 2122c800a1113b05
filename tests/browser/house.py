"""The whole page, running: the service's own web over real PostgreSQL, a vault with sealed recordings, and people.

    house.address                         https://localhost:…, with the certificate the service made for itself
    house.clocks.go_on(hours=1)           its time; nobody waits

Every test module shares it: a test that changes something makes its own recording or person for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ari_recorder.config import Config
from ari_recorder.domain.accounts import PERMISSIONS, Permission, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.services import site as sites
from ari_recorder.services.accounts import Person
from ari_recorder.services.site import Site
from ari_recorder.storage.db import Database
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.routes import ROUTES
from ari_recorder.web.serve import WebServer
from tests.people import ClocksAhead
from tests.site import Recorded, open_keyring, prepare, record

STARTED_WITHIN = 30.0  # s; a key of 4096 bits on a machine that does other things


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    config: Config
    site: Site
    clocks: ClocksAhead
    address: str
    recorded: Recorded
    invitation: str

    def url(self, route: Route) -> str:
        """Where that page is, with something that is there for each parameter."""
        samples = {"recording_id": str(self.recorded.recording_id), "token": self.invitation}
        try:
            return self.address + route.path.format(**samples)
        except KeyError as missing:
            raise LookupError(f"{route.name}: {missing} has no sample in tests/browser/house.py") from None


def pages() -> list[Route]:
    """Every page somebody sees."""
    return [route for route in ROUTES if route.method == "GET" and route.template]


def visitor(route: Route) -> Role | None:
    """Somebody who may see the page; None: everybody may."""
    match route.permission:
        case Permission() as permission:
            return next(role for role in Role if permission in PERMISSIONS[role])
        case Access.SIGNED_IN | Access.PERSON:
            return Role.SUPERVISOR
        case _:
            return None


@asynccontextmanager
async def open_house(folder: Path, dsn: str) -> AsyncIterator[House]:
    """`dsn`: a migrated database of its own."""
    (folder / "dsn").write_text(dsn)
    (folder / "dsn").chmod(0o600)
    config = prepare(folder, changes={"database": f'dsn_file = "{folder}/dsn"'})
    clocks = ClocksAhead()
    usable = asyncio.Event()
    usable.set()
    async with Database(dsn) as database:
        recorded = await record(config, database)
        site = sites.build(config, database, open_keyring(config), usable, clocks)
        person = Person(name="invited", full_name="Invited Example")
        invited = await site.people.accounts.create(person, Actor.operator("root"))
        server = WebServer(site)
        stop = asyncio.Event()
        running = asyncio.create_task(server.run(stop))
        started = asyncio.create_task(server.ready.wait())
        await asyncio.wait({running, started}, timeout=STARTED_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if running.done():
            running.result()
        try:
            yield House(
                config=config,
                site=site,
                clocks=clocks,
                address=server.address,
                recorded=recorded,
                invitation=invited.token,
            )
        finally:
            stop.set()
            await running
