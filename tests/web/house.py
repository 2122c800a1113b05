"""The page over HTTP as a browser and a program meet it: TLS, cookies, forms. Real database, real people, no browser.

visitor = await house.visitor("supervisor")
answer = await visitor.get("/account")
answer = await visitor.post("/log-out")            # with the proof, as its form has it
"""

import asyncio
import io
import json as json_texts
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Role
from ari_recorder.services import site as sites
from ari_recorder.services.accounts import Person
from ari_recorder.services.site import Site
from ari_recorder.storage.db import Database
from ari_recorder.vault.object_store import ObjectStore
from ari_recorder.web import cookies
from ari_recorder.web.asked import Route
from ari_recorder.web.routes import ROUTES
from ari_recorder.web.serve import WebServer
from tests.services.people import OPERATOR, OTHER_OPERATOR, Counting, Known, People, Watch
from tests.site import open_keyring, prepare

MACHINE = "machine"
NOBODY = "nobody"  # logged in, without any right
STRANGER = "stranger"
VISITORS = (STRANGER, NOBODY, *(role.value for role in Role), MACHINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str
    set_cookies: tuple[str, ...]

    def json(self) -> Any:
        return json_texts.loads(self.text)


@dataclass
class Visitor:
    """Somebody at a browser, or a program with a token."""

    http: aiohttp.ClientSession
    address: str
    token: str = ""
    kept: dict[str, str] = field(default_factory=dict)
    language: str = "en"

    async def get(self, path: str, **headers: str) -> Got:
        return await self.ask("GET", path, headers=headers)

    async def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        json: bool = False,
        proof: bool = True,
        **headers: str,
    ) -> Got:
        """Like a form of ours, or with `json` like a script of ours."""
        if not self.token:
            headers.setdefault("Origin", self.address)
            if proof:
                headers.setdefault("X-CSRF-Token", self.proof())
        return await self.ask("POST", path, data=data or {}, json=json, headers=headers)

    def proof(self) -> str:
        if not self.kept.get(cookies.SESSION) and not self.kept.get(cookies.VISIT):
            self.kept[cookies.VISIT] = cookies.new_secret()
        return cookies.proof(self.kept.get(cookies.SESSION) or self.kept[cookies.VISIT])

    async def ask(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, Any] | str | bytes | None = None,
        json: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        sent = {"Accept": "text/html", "Accept-Language": self.language, **(headers or {})}
        sent = {name.replace("_", "-"): value for name, value in sent.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        elif self.kept:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.kept.items())
        body: Any = None
        given: dict[str, Any] = {}
        if json or (self.token and data is not None and not isinstance(data, str | bytes)):
            given["json"] = data
            sent["Accept"] = "application/json"
        elif data is not None:
            body = urlencode(data, doseq=True) if isinstance(data, Mapping) else data
            body = io.BytesIO(body.encode() if isinstance(body, str) else body)
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
            given["data"] = body
        async with self.http.request(
            method, self.address + path, headers=sent, allow_redirects=False, **given
        ) as answer:
            text = (await answer.read()).decode("utf-8", "replace")
            set_cookies = tuple(answer.headers.getall("Set-Cookie", []))
            for one in set_cookies:
                self._keep(one)
            return Got(status=answer.status, headers=answer.headers, text=text, set_cookies=set_cookies)

    def _keep(self, line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            if morsel["max-age"] == "0" or not morsel.value:
                self.kept.pop(name, None)
            else:
                self.kept[name] = morsel.value


@dataclass
class House:
    """The running page, and everybody who may come."""

    site: Site
    people: People
    server: WebServer
    http: aiohttp.ClientSession
    known: dict[str, Known] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.server.address

    def stranger(self) -> Visitor:
        return Visitor(self.http, self.address)

    async def visitor(self, who: str) -> Visitor:
        """Logged in anew, by the service that does it: the way over the page is tested in test_login.py."""
        found = self.stranger()
        if who == STRANGER:
            return found
        if who == MACHINE:
            found.token = await self.token(Role.SUPERVISOR)
            return found
        entered = await self.people.entered(await self.person(who))
        found.kept[cookies.SESSION] = entered.session
        return found

    async def person(self, who: str) -> Known:
        if who not in self.known:
            self.known[who] = await self.people.enrol(who)
            english = Person(name=who, full_name="Aino Example", language="en")
            await self.people.accounts.change(english, OPERATOR)
            if who in [role.value for role in Role]:
                await self.people.give(who, Role(who))
        return self.known[who]

    async def token(self, role: Role) -> str:
        if role.value not in self.tokens:
            terms = self.people.terms(f"machine-{role.value}", role)
            made = await self.people.rights.make_token(terms, OPERATOR)
            await self.people.rights.approve(made.right_id, OTHER_OPERATOR)
            self.tokens[role.value] = made.token
        return self.tokens[role.value]

    async def step_up(self, visitor: Visitor, who: str) -> None:
        self.people.watch.go(seconds=30)
        code = (await self.person(who)).code(self.people.watch.now())
        answer = await visitor.post("/step-up", {"code": code})
        assert answer.status == 303, answer.text


@asynccontextmanager
async def open_house(
    folder: Path, database: Database, changes: dict[str, str] | None = None, store: ObjectStore | None = None
) -> AsyncIterator[House]:
    config = prepare(folder, changes=changes)
    watch = Watch()
    passwords = Counting()
    usable = asyncio.Event()
    usable.set()
    site = sites.build(config, database, open_keyring(config), usable, watch, passwords, store=store)
    async with serving(site) as server, client() as http:
        people = People(database, config.storage.state, watch, passwords)
        await people.rights.set_unit("advice", frozenset({"advice"}), "the first unit", OPERATOR)
        yield House(site=site, people=people, server=server, http=http)


@asynccontextmanager
async def serving(site: Site, routes: tuple[Route, ...] = ROUTES) -> AsyncIterator[WebServer]:
    server = WebServer(site, routes)
    stop = asyncio.Event()
    running = asyncio.create_task(server.run(stop))
    started = asyncio.create_task(server.ready.wait())
    await asyncio.wait({running, started}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        running.result()
    try:
        yield server
    finally:
        stop.set()
        await running


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Cookies are kept by each visitor; the certificate was made by the host itself."""
    connector = aiohttp.TCPConnector(ssl=False, limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def away_site(folder: Path, database: Database, changes: dict[str, str] | None = None) -> tuple[Config, Site]:
    """A site whose database has not come yet."""
    config = prepare(folder, changes=changes)
    return config, sites.build(config, database, open_keyring(config), asyncio.Event())
