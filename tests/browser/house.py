"""The whole page, running: the service's own web over real PostgreSQL, a vault with sealed recordings, and people.

    house.address                         https://localhost:…, with the certificate the service made for itself
    house.clocks.go_on(timedelta(hours=1)) its time; nobody waits
    await house.signed_in(contexts, role) somebody's browser, logged in
    await house.record(number=…)          one more recording, for a test that changes something of it
    await house.enrol(role)               one more person, for a test that changes something of them

All test modules of a run share it: a test that changes something makes its own recording or person for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import argon2
from playwright.async_api import BrowserContext, Page, Response, StorageState

from ari_recorder.config import Config
from ari_recorder.domain.accounts import PERMISSIONS, Permission, Role
from ari_recorder.domain.calls import MarkKind
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.restriction import RestrictionGround, RestrictionTerms
from ari_recorder.domain.retention import HELSINKI, midnight
from ari_recorder.domain.use import WEEK, week_of
from ari_recorder.services import site as sites
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.site import Site
from ari_recorder.storage import use
from ari_recorder.storage.db import Database
from ari_recorder.storage.use import Report
from ari_recorder.vault.passwords import Passwords
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.routes import ROUTES
from ari_recorder.web.serve import WebServer
from tests.browser import cases
from tests.browser.contexts import Contexts
from tests.deliveries import deliver
from tests.people import GRANTER, ClocksAhead, Person, enrol, invite, open_desk
from tests.services.listeners import person as officer
from tests.site import APPROVED, LENGTH, QUEUE, Recorded, open_keyring, prepare, record, tone

# A password costs 0.2 s of both processors by intent; what it costs is tested elsewhere.
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
# A wait is kept in memory for so long.
REMEMBERED = timedelta(seconds=31)
STARTED_WITHIN = 30.0  # s; a key of 4096 bits on a machine that does other things


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    config: Config
    site: Site
    clocks: ClocksAhead
    address: str
    recorded: Recorded
    hold_id: UUID
    week: date
    people: dict[Role, Person] = field(default_factory=dict)
    _cookies: dict[Role, StorageState] = field(default_factory=dict)

    async def enrol(self, role: Role, name: str = "", language: str = "en") -> Person:
        return await enrol(self.site.people, role, self.clocks, name, language)

    async def record(self, *, number: str, length: timedelta = LENGTH) -> Recorded:
        """A call of a minute ago; it can be found by that number."""
        made = await record(
            self.config,
            self.site.database,
            uniqueid=f"{uuid4().int % 10**10}.1",
            number=number,
            sides=(tone(440, length), tone(880, length)),
            marks=((MarkKind.THREAT, length / 2),),
        )
        await CallerIndex(database=self.site.database, keyring=self.site.keyring).run_once(asyncio.Event())
        return made

    async def forget_tries(self) -> None:
        """Of log-ins. Everybody here has one address; after somebody who tried everything, nobody could log in."""
        async with self.site.database.transaction() as conn:
            await conn.execute("TRUNCATE throttle")
        self.clocks.go_on(REMEMBERED)

    async def log_in(self, page: Page, person: Person) -> None:
        """By the forms of the page, whatever its language."""
        await page.goto(f"{self.address}/login")
        await page.fill("input[name=name]", person.name)
        await page.fill("input[name=password]", person.password)
        await page.press("input[name=password]", "Enter")
        await page.fill("input[name=code]", person.code())
        await page.press("input[name=code]", "Enter")
        await page.wait_for_url(f"{self.address}/")

    async def visit(self, page: Page, route: Route, role: Role | None = None) -> Response:
        """The page, with what has to be done before it. `role`: whose browser it is, if not the usual visitor's."""
        role = role or visitor(route)
        if route.step_up and role is not None:
            await page.goto(f"{self.address}/step-up")
            await page.fill("input[name=code]", self.people[role].code())
            await page.press("input[name=code]", "Enter")
            await page.wait_for_url(f"{self.address}/")
            self._cookies[role] = await page.context.storage_state()  # a fresh code makes a new session
        road = ROADS.get(route.name)
        if road is None:
            answer = await page.goto(await self.url(route))
        else:
            await road(self, page)
            answer = await page.reload()
        if answer is None:
            raise LookupError(f"{route.name}: no answer")
        return answer

    async def signed_in(self, contexts: Contexts, role: Role, **settings: object) -> BrowserContext:
        """A browser of somebody of that role, logged in: once in a run, for it takes a second."""
        if role not in self.people:
            self.people[role] = await self.enrol(role)
        if role not in self._cookies:
            context = await contexts.open()
            await self.log_in(await context.new_page(), self.people[role])
            self._cookies[role] = await context.storage_state()
        return await contexts.open(storage_state=self._cookies[role], **settings)

    async def url(self, route: Route) -> str:
        """Where that page is, with something that is there for each parameter."""
        day = self.recorded.call.first_seen_at.astimezone(HELSINKI).date()
        samples: dict[str, str] = {
            "recording_id": str(self.recorded.recording_id),
            "day": day.isoformat(),
            "week": self.week.isoformat(),
            "hold_id": str(self.hold_id),
        }
        if "{account_id}" in route.path:
            samples["account_id"] = str((await self.site.people.accounts.list_all())[0].account.id)
        if "{export_id}" in route.path:
            samples["export_id"] = str(await self._export())
        if "{restriction_id}" in route.path:
            samples["restriction_id"] = str(await self.restrict())
        if "{case}" in route.path:
            samples["case"] = await cases.sample(self, route.name)
        if route.name.startswith("delivery"):
            made = await deliver(self.config, self.site.database, self.recorded.recording_id, now=self.clocks.now)
            samples["token"] = made.path.rpartition("/")[2]
            samples["delivery_id"] = str(made.delivery_id)
        elif "{token}" in route.path:
            samples["token"] = await invite(self.site.people, Role.ADVISER, f"invited-{uuid4().hex[:8]}")
        try:
            return self.address + route.path.format(**samples)
        except KeyError as missing:
            raise LookupError(f"{route.name}: {missing} has no sample in tests/browser/house.py") from None

    async def restrict(self) -> UUID:
        """A restriction of a recording of its own."""
        made = await self.record(number="0407654322")
        terms = RestrictionTerms(ground=RestrictionGround.OBJECTION, case_number="TP-2026-4")
        return (await self.site.restrictions.restrict([made.recording_id], terms, GRANTER)).restriction.id

    async def _export(self) -> UUID:
        """One that a colleague has asked for, of a recording of its own: whoever looks may agree."""
        made = await self.record(number="0407654321")
        colleague = await self.enrol(Role.PRIVACY_OFFICER, f"officer-{uuid4().hex[:8]}")
        held = await self.site.people.accounts.list_all()
        account_id = next(one.account.id for one in held if one.account.name == colleague.name)
        terms = Terms(
            receiver_kind=ReceiverKind.POLICE,
            receiver="Sergeant Sipi",
            reference="VN-2026-2",
            reason="They ask for it by law",
        )
        who = replace(officer(Role.PRIVACY_OFFICER), user_id=account_id)
        return await self.site.export_desk.ask(who, made.recording_id, terms)


async def _to_the_code(house: House, page: Page) -> None:
    """What is asked between password and home."""
    await page.goto(f"{house.address}/login")
    await page.fill("input[name=name]", "somebody")
    await page.fill("input[name=password]", "something")
    await page.press("input[name=password]", "Enter")
    await page.wait_for_url("**/login/code**")
    await house.forget_tries()


async def _to_the_player(house: House, page: Page) -> None:
    await page.goto(f"{house.address}/recordings/{house.recorded.recording_id}")
    await page.select_option("select[name=purpose]", "subject-request")  # with all that the player can do
    await page.fill("input[name=reference]", "VN-2026-1")
    await page.click("section:has(#listen) button")
    await page.wait_for_url("**/listenings/*")


async def _to_the_release(house: House, page: Page) -> None:
    # Of its own: a flagged call that is held waits for no decision any more, and other pages need one that does.
    held = await record(house.config, house.site.database, uniqueid=f"{uuid4().int % 10**9}.1")
    await page.goto(f"{house.address}/recordings/{held.recording_id}")
    await page.locator("details:has(textarea[name=reason]) > summary").click()
    await page.fill("details textarea[name=reason]", "the caller threatened an adviser")
    await page.fill("details input[name=reference]", "VN-2026-1")
    await page.fill("input[name=owner]", "Sten Supervisor")
    await page.fill("input[name=review_on]", (house.clocks.now() + timedelta(days=60)).date().isoformat())
    await page.locator("details:has(textarea[name=reason]) button").click()
    await page.wait_for_load_state()
    await page.locator("a[href$='/release']").first.click()
    await page.wait_for_url("**/release")


# Pages no address alone leads to: something is done before. By their names in the table of routes.
ROADS: dict[str, Callable[[House, Page], Awaitable[None]]] = {
    "login-code": _to_the_code,
    "listening": _to_the_player,
}


def pages() -> list[Route]:
    """Every page somebody sees."""
    return [route for route in ROUTES if route.method == "GET" and route.template]


def visitor(route: Route) -> Role | None:
    """Somebody who may see the page; None: everybody may."""
    match route.permission:
        case Permission() as permission:
            return next(role for role in Role if permission in PERMISSIONS[role])
        case Access.PUBLIC:
            return None
        case _:
            return Role.SUPERVISOR


async def _report_of_a_quiet_week(database: Database, clocks: ClocksAhead) -> date:
    """The week before this one, of which there is a report."""
    now = clocks.now()
    week = week_of(now) - WEEK
    report = Report(week=week, made_at=now, seed=bytes(32), read_up_to=-1, due_on=week + 2 * WEEK)
    async with database.transaction() as conn:
        await use.insert(conn, report, (), (), midnight(week + WEEK))
    return week


@asynccontextmanager
async def open_house(
    folder: Path, dsn: str, queues: tuple[str, ...] = (QUEUE,), began: datetime | None = None
) -> AsyncIterator[House]:
    """`dsn`: a migrated database of its own. The first queue has the house's own recordings, which began then."""
    (folder / "dsn").write_text(dsn)
    (folder / "dsn").chmod(0o600)
    more = "".join(f'\n[[queues]]\nname = "{queue}"\nretention = "P3M"\n{APPROVED}' for queue in queues[1:])
    changes = {"database": f'dsn_file = "{folder}/dsn"', "queue": queues[0], "retention": f'retention = "P3M"{more}'}
    config = prepare(folder, changes=changes)
    clocks = ClocksAhead()
    usable = asyncio.Event()
    usable.set()
    async with Database(dsn) as database:
        recorded = await record(config, database, queue=queues[0], started_at=began)
        held = await record(config, database, uniqueid="1700000001.1", queue=queues[0], started_at=began)
        site = sites.build(config, database, open_keyring(config), usable, clocks, Passwords(CHEAP))
        hold = await site.holds.place(
            [held.recording_id],
            HoldTerms(
                reason="the caller threatened an adviser",
                reference="VN-2026-1",
                owner="Sten Supervisor",
                review_on=(clocks.now() + timedelta(days=60)).date(),
            ),
            GRANTER,
        )
        await open_desk(site.people, queues)
        week = await _report_of_a_quiet_week(database, clocks)
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
                hold_id=hold.hold.id,
                week=week,
            )
        finally:
            stop.set()
            await running
