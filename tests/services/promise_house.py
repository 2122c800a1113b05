"""A running site of which every promise is kept, to be broken one at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Permission, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.notice_html import document
from ari_recorder.domain.promises import Promise, PromiseName, PromiseState
from ari_recorder.services import connect
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.connections import Connections
from ari_recorder.services.erase import Eraser
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.promises import PromiseDesk
from ari_recorder.storage.db import Database
from ari_recorder.vault.copies import Copies
from tests.site import record
from tests.web.house import House, open_house

Act = Callable[[], Awaitable[object]]


@dataclass
class PromiseHouse:
    house: House
    connections: Connections
    desk: PromiseDesk
    copy: Path

    @property
    def config(self) -> Config:
        return self.house.site.config

    @property
    def database(self) -> Database:
        return self.house.site.database

    async def look(self, desk: PromiseDesk | None = None) -> dict[PromiseName, Promise]:
        """Everything, now."""
        await sequence(self.database)
        self.connections.look()
        return {one.name: one for one in await (desk or self.desk).look(deep=True)}

    async def broken(self, desk: PromiseDesk | None = None) -> dict[PromiseName, int | None]:
        """With their figures. Whatever is not broken must be known to be kept."""
        seen = await self.look(desk)
        unknown = {one.name for one in seen.values() if one.state is PromiseState.UNKNOWN}
        assert not unknown
        return {one.name: one.figure for one in seen.values() if one.state is PromiseState.BROKEN}

    async def turns(self, expected: dict[PromiseName, int], act: Act, mend: Act) -> dict[PromiseName, Promise]:
        """Exactly these lines turn red, with these figures, and green again; as they were when they were red."""
        assert await self.broken() == {}
        await act()
        seen = await self.look()
        assert {one.name: one.figure for one in seen.values() if one.state is PromiseState.BROKEN} == expected
        await mend()
        assert await self.broken() == {}
        return seen

    async def publish(self, settings: Config) -> None:
        """The notice, as it is made of these."""
        notices = connect.notices(settings, self.database, self.house.people.watch)
        self.copy.write_text(document(await notices.notice("fi")))

    async def sql(self, *statements: str, values: tuple[object, ...] = ()) -> None:
        async with self.database.transaction() as conn:
            for one in statements:
                await conn.execute(one, *values)

    async def supervisor(self) -> Actor:
        entered = await self.house.people.entered(await self.house.person(Role.SUPERVISOR.value))
        return (await self.house.people.principal(entered.session)).actor(Permission.HOLD_PLACE)

    async def hold(self, actor: Actor, **more: object) -> UUID:
        """Of a call of its own."""
        now = self.house.people.watch.now()
        made = await record(self.config, self.database, started_at=now - timedelta(hours=1), marks=(), **more)  # type: ignore[arg-type]
        terms = HoldTerms(
            reason="the caller threatened an adviser",
            reference="VN-1",
            owner="Sirkku",
            review_on=(now + timedelta(days=60)).date(),
        )
        return (await self.house.site.holds.place([made.recording_id], terms, actor)).hold.id

    async def sweep(self) -> None:
        """What is due goes, and what was on its way."""
        now = self.house.people.watch.now()
        eraser = Eraser(
            database=self.database,
            copies=Copies(self.config.storage.vault),
            clocks=self.house.people.watch,
            at_most=1e9,
        )
        policy = await connect.policies(self.config, self.database).adopt(now)

        async def nothing(*_: object) -> None:
            pass

        await eraser.resume(nothing)
        await eraser.queue("advice", policy, now, nothing)


@asynccontextmanager
async def kept(folder: Path, database: Database) -> AsyncIterator[PromiseHouse]:
    copy = folder / "published.html"
    published = f'\n[notice]\npublished = {{ fi = "{copy}" }}\n'
    async with open_house(folder, database, {"web.more": published}) as house:
        watch = house.people.watch
        connections = Connections(house.site.config)
        desk = connect.promises(house.site.config, database, watch, connections)
        await connect.policies(house.site.config, database).adopt(watch.now())
        for role in Role:
            await house.person(role.value)
        found = PromiseHouse(house=house, connections=connections, desk=desk, copy=copy)
        await found.publish(found.config)
        yield found
