"""web/recordings.py, web/listening.py: a recording is found, heard in ranges, corrected and held, by the same right on
every page. Who is logged in is said by the test: sessions have tests of their own.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Principal, Role
from ari_recorder.services import site as sites
from ari_recorder.storage.db import Database
from ari_recorder.vault.login_key import LoginKey
from ari_recorder.web import answer, cookies
from ari_recorder.web.app import make_app
from ari_recorder.web.asked import Access, Asked, Page, Route
from ari_recorder.web.house import HOUSE
from ari_recorder.web.routes import NAV, ROUTES
from tests.services.listeners import person
from tests.site import IDLE, NAME, NUMBER, Recorded, open_keyring, prepare, record, spoilt
from tests.web.guarded import assert_guarded

SECRET = "insecure-session-secret-of-a-test"
SUPERVISOR = person()
OFFICER = person(Role.PRIVACY_OFFICER)


@dataclass
class Browser:
    """`who`: logged in this moment."""

    client: "TestClient[Any, Any]"
    recorded: Recorded
    database: Database
    who: Principal | None

    @property
    def page(self) -> str:
        return f"/recordings/{self.recorded.recording_id}"

    async def get(self, path: str, **headers: str) -> ClientResponse:
        cookie = {"Cookie": f"{cookies.SESSION}={SECRET}"}
        return await self.client.get(path, headers={**cookie, **headers}, allow_redirects=False)

    async def post(self, path: str, **form: str) -> ClientResponse:
        origin = str(self.client.make_url("/")).rstrip("/")
        headers = {"Cookie": f"{cookies.SESSION}={SECRET}", "Origin": origin}
        data = {"csrf": cookies.proof(SECRET), **form}
        return await self.client.post(path, data=data, headers=headers, allow_redirects=False)

    def proven(self) -> dict[str, str]:
        """The headers of a script of ours."""
        return {"Cookie": f"{cookies.SESSION}={SECRET}", "X-CSRF-Token": cookies.proof(SECRET)}

    async def json(self, path: str) -> Any:
        response = await self.get(path, Accept="application/json")
        assert response.status == 200, await response.text()
        return await response.json()

    async def listen(self) -> str:
        """The address of a listening."""
        response = await self.post(f"{self.page}/listenings", purpose="quality", reference="CASE-7")
        assert response.status == 303, await response.text()
        return response.headers["Location"]


@pytest.fixture
def site(tmp_path: Path, dsn: str) -> Config:
    return prepare(tmp_path, changes={"database": f'dsn = "{dsn}"\n[use]\ntwo_persons = false'})


def elsewhere() -> tuple[Route, ...]:
    """What the frame of every page leads to, where it is not served yet."""

    async def show(asked: Asked) -> Page:
        return Page(view=asked.language)

    known = {route.name for route in ROUTES}
    return tuple(
        Route(method="GET", path=f"/elsewhere/{name}", name=name, handler=show, permission=Access.PUBLIC)
        for name in ("account", "log-out", "language")
        if name not in known
    )


@pytest.fixture
async def browser(site: Config, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Browser]:
    recorded = await record(site, database)
    usable = asyncio.Event()
    usable.set()
    LoginKey(site.storage.login_key).make()
    built = sites.build(site, database, open_keyring(site), usable)
    app = make_app(built, (*ROUTES, *elsewhere()), NAV)
    server = TestServer(app)
    client: TestClient[Any, Any] = TestClient(server)
    async with client:
        names = app[HOUSE].names
        names.scheme, names.hosts = "http", frozenset({f"{server.host}:{server.port}"})
        made = Browser(client=client, recorded=recorded, database=database, who=SUPERVISOR)

        async def principal(_: Asked) -> Principal | None:
            return made.who

        monkeypatch.setattr(answer, "_principal", principal)
        yield made


async def test_a_recording_is_found_and_shown(browser: Browser) -> None:
    listed = await (await browser.get("/recordings")).text()
    assert browser.page in listed
    shown = await (await browser.get(browser.page)).text()
    assert NUMBER in shown
    assert NAME in shown
    page = await browser.json(browser.page)
    assert page["recording"]["integrity"] == "intact"
    assert [one["kind"] for one in page["recording"]["moments"]] == ["threat"]
    assert "wrapped_key" not in json.dumps(page)


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
async def test_every_page_speaks_every_language(browser: Browser, language: str) -> None:
    browser.who = replace(OFFICER, language=language)
    await browser.post(f"{browser.page}/corrections", field="note", value="Hello", seconds="1")
    await browser.post(f"{browser.page}/corrections", field="caller-name", value="Aino", because="so")
    listening = await browser.listen()
    for path in ("/recordings?flagged=true", browser.page, listening):
        response = await browser.get(path)
        assert response.status == 200, await response.text()
        assert f'<html lang="{language}">' in await response.text()


async def test_what_is_asked_for_is_found(browser: Browser) -> None:
    today = datetime.now(UTC).date()
    for query, count in (
        (f"since={today - timedelta(days=1)}&until={today + timedelta(days=1)}", 1),
        (f"since={today + timedelta(days=2)}", 0),
        ("queue=advice&flagged=true&held=false&at_least=1&at_most=10&ledger=recorded", 1),
        ("agent=adviser+1001", 1),
        ("agent=nobody", 0),
        (f"begins={str(browser.recorded.recording_id)[:9]}", 1),
        ("at_least=3600", 0),
        ("at_least=0:02&at_most=0:02", 1),
        ("at_least=0:03", 0),
        ("at_least=1:00:00", 0),
    ):
        found = await browser.json(f"/recordings?{query}")
        assert found["results"]["count"] == count, query
    assert (await browser.get("/recordings?at_least=-1")).status == 200  # told beside the field
    browser.who = replace(SUPERVISOR, language="en")
    for query, told in (
        ("begins=xyz", "letters a to f only"),
        ("since=2026-11-20&until=2026-11-10", "ends before it begins"),
        ("since_time=08:00", "wants its day"),
    ):
        wrong = await browser.get(f"/recordings?agent=adviser&{query}")
        page = await wrong.text()
        assert (wrong.status, told in page, 'value="adviser"' in page) == (400, True, True), query


async def test_a_call_of_the_night_the_clocks_go_back_is_found_by_either_time(browser: Browser, site: Config) -> None:
    """Half past three comes twice on 25 October 2026; half past three never comes on 29 March."""
    for at in (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)):
        await record(site, browser.database, started_at=at, uniqueid=f"{at.timestamp()}")
    await record(site, browser.database, started_at=datetime(2026, 3, 29, 1, 10, tzinfo=UTC), uniqueid="3.29")
    for query, count in (
        ("since=2026-10-25&since_time=03:30&until=2026-10-25&until_time=03:30", 2),
        ("since=2026-10-25&until=2026-10-25", 2),
        ("since=2026-10-25&since_time=03:31&until=2026-10-25", 1),
        ("since=2026-03-29&since_time=03:30&until=2026-03-29&until_time=05:00", 1),
    ):
        assert (await browser.json(f"/recordings?{query}"))["results"]["count"] == count, query


async def test_what_is_wrong_with_the_sound_is_told(browser: Browser, site: Config) -> None:
    recorded = await record(site, browser.database, uniqueid="1700000000.9", sides=(spoilt(), IDLE))
    page = await (await browser.get(f"/recordings/{recorded.recording_id}")).text()
    assert re.findall(r"<div>((?:Soittaja|Neuvoja): [^<]+)</div>", page) == [
        "Soittaja: ääni katkeili kesken puheen, 0,5 s",
        "Soittaja: ääni oli liian kova linjalle, 75\xa0%",
        "Neuvoja: ketään ei kuulu",
    ]
    assert "<dt>Ääni</dt>" in page
    assert "<dt>Ääni</dt>" not in await (await browser.get(browser.page)).text()


async def test_a_number_stands_in_no_address(browser: Browser) -> None:
    response = await browser.post("/find/by-number", number=NUMBER, queue="advice")
    assert response.status == 303, await response.text()
    address = response.headers["Location"]
    assert address.startswith("/recordings?queue=advice&caller=")
    assert NUMBER.lstrip("0") not in address
    assert NUMBER in await (await browser.get(address)).text()
    browser.who = replace(SUPERVISOR, user_id=uuid4(), language="en")
    foreign = await browser.get(address)
    assert (foreign.status, "somebody else" in await foreign.text()) == (400, True)
    assert (await browser.get(f"/recordings?number={NUMBER}&format=json")).status == 422
    assert (await browser.post("/find/by-number", number="anonymous")).status == 400


async def test_filters_are_saved_and_removed(browser: Browser) -> None:
    saved = await browser.post("/filters", name="Threats", flagged="true", since="2026-11-01")
    assert saved.headers["Location"] == "/recordings?since=2026-11-01&flagged=true"
    (one,) = (await browser.json("/recordings"))["filters"]
    assert (one["name"], one["query"]) == ("Threats", {"since": "2026-11-01", "flagged": "true"})
    assert (await browser.post(f"/filters/{one['id']}/remove")).status == 303
    assert (await browser.json("/recordings"))["filters"] == []


async def test_the_purpose_comes_before_the_audio(browser: Browser) -> None:
    for form in ({"purpose": "other"}, {"purpose": "other", "text": "short"}, {"purpose": "curiosity"}, {}):
        response = await browser.post(f"{browser.page}/listenings", **form)
        assert response.status in (400, 422), form
    listening = await browser.listen()
    player = await (await browser.get(listening)).text()
    assert f'src="{listening}/audio#t=0"' in player
    assert "autoplay" not in player
    assert 'controlslist="nodownload"' in player


async def test_the_audio_comes_in_ranges_and_is_kept_nowhere(browser: Browser) -> None:
    audio = f"{await browser.listen()}/audio"
    whole = await browser.get(audio)
    body = await whole.read()
    assert (whole.status, whole.headers["Content-Type"], whole.headers["Accept-Ranges"]) == (200, "audio/flac", "bytes")
    assert body.startswith(b"fLaC")
    assert len(body) == int(whole.headers["Content-Length"])
    for wanted, expected in (("bytes=0-9", body[:10]), ("bytes=-7", body[-7:]), ("bytes=1000-", body[1000:])):
        part = await browser.get(audio, Range=wanted)
        assert part.status == 206
        assert await part.read() == expected
        assert re.fullmatch(rf"bytes \d+-\d+/{len(body)}", part.headers["Content-Range"])
        assert part.headers["ETag"] == whole.headers["ETag"]
    beyond = await browser.get(audio, Range=f"bytes={len(body)}-")
    assert (beyond.status, beyond.headers["Content-Range"], await beyond.read()) == (416, f"bytes */{len(body)}", b"")
    far = await browser.get(audio, Range="bytes=" + "9" * 40 + "-")
    assert (far.status, await far.read()) == (416, b"")
    for nonsense in ("bytes=5-2", "bytes=0-1,3-4", "bytes=a-b", "bytes=-", "lines=0-9", "bytes=0x0-9", "9" * 5000):
        got = await browser.get(audio, Range=nonsense)
        assert (got.status, await got.read() == body) == (200, True), nonsense
    other = await browser.get(audio, **{"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status, await other.read()) == (200, body)
    same = await browser.get(audio, **{"Range": "bytes=0-9", "If-Range": whole.headers["ETag"]})
    assert same.status == 206
    for response in (whole, beyond, same):
        assert response.headers["Cache-Control"] == "no-store"
        assert_guarded(response.headers)
    head = await browser.client.head(audio, headers={"Cookie": f"{cookies.SESSION}={SECRET}"})
    assert (head.status, int(head.headers["Content-Length"]), await head.read()) == (200, len(body), b"")
    peaks = await browser.get(audio.replace("/audio", "/peaks"))
    assert len(await peaks.read()) == 80


async def test_a_listening_that_was_ended_gives_nothing(browser: Browser) -> None:
    listening = await browser.listen()
    ended = await browser.post(f"{listening}/end")
    assert ended.headers["Location"] == browser.page
    for path in (listening, f"{listening}/audio", f"{listening}/peaks"):
        assert (await browser.get(path)).status == 409


async def test_another_unit_finds_nothing_anywhere(browser: Browser) -> None:
    listening = await browser.listen()
    held = await browser.post(
        f"{browser.page}/holds",
        reason="a crime",
        reference="CASE-1",
        owner="Legal",
        review_on=str(datetime.now(UTC).date() + timedelta(days=30)),
    )
    assert held.status == 303, await held.text()
    (hold_id,) = (await browser.json(browser.page))["recording"]["hold_ids"]
    browser.who = replace(SUPERVISOR, units={"service": frozenset({"dental"})}, stepped_up_at=datetime.now(UTC))
    assert (await browser.json("/recordings"))["results"]["found"] == []
    for path in (browser.page, listening, f"{listening}/audio", f"{listening}/peaks", f"/holds/{hold_id}/release"):
        assert (await browser.get(path)).status == 404, path
    assert (await browser.post(f"{browser.page}/listenings", purpose="quality")).status == 404
    assert (await browser.post(f"/holds/{hold_id}/release", yes="true")).status == 404


async def test_a_hold_is_released_after_a_look_at_what_it_destroys(browser: Browser) -> None:
    review = str(datetime.now(UTC).date() + timedelta(days=30))
    await browser.post(f"{browser.page}/holds", reason="why", reference="CASE-1", owner="Legal", review_on=review)
    page = await (await browser.get(browser.page)).text()
    assert "CASE-1" in page
    (hold_id,) = re.findall(r'href="/holds/([0-9a-f-]+)/release"', page)
    assert (await browser.get(f"/holds/{hold_id}/release")).status == 403  # a fresh code is wanted
    browser.who = replace(SUPERVISOR, stepped_up_at=datetime.now(UTC))
    preview = await browser.get(f"/holds/{hold_id}/release")
    assert preview.status == 200, await preview.text()
    released = await browser.post(f"/holds/{hold_id}/release")
    assert released.headers["Location"] == browser.page
    assert (await browser.json(browser.page))["recording"]["hold_ids"] == []


async def test_corrections_are_for_those_who_may(browser: Browser) -> None:
    form = {"field": "caller-name", "value": "<b>Aino</b>", "because": "she said so"}
    assert (await browser.post(f"{browser.page}/corrections", **form)).status == 403
    browser.who = OFFICER
    assert (await browser.post(f"{browser.page}/corrections", **form)).status == 303
    shown = await (await browser.get(browser.page)).text()
    assert "&lt;b&gt;Aino&lt;/b&gt;" in shown
    assert NAME in shown
    assert (await browser.post(f"{browser.page}/corrections", **form)).status == 409


async def test_names_of_the_pbx_are_only_text(browser: Browser, database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute(
            """UPDATE call SET members = jsonb_set(members, '{0,name}', '"{{ 7*7 }}<script>x</script>"')"""
        )
    for path in ("/recordings", browser.page):
        text = await (await browser.get(path)).text()
        assert "<script>x" not in text
        assert "{{ 7*7 }}&lt;script&gt;" in text


async def test_only_the_form_that_was_refused_is_marked(browser: Browser) -> None:
    refused = await browser.post(f"{browser.page}/holds", reason="", reference="CASE-9", owner="Aino", review_on="")
    page = await refused.text()
    assert refused.status == 422
    assert page.count('aria-invalid="true"') == 2
    assert page.count('value="CASE-9"') == 1
    assert page.count('id="field-reference"') == 1, "where the words about it lead"
    assert page.count("<details open>") == 1


async def test_whoever_listens_looks_at_no_second_page(browser: Browser, database: Database) -> None:
    listening = await browser.listen()
    async with database.transaction() as conn:
        before = await conn.fetchval("SELECT count(*) FROM audit_pending")
    assert (await browser.get(listening)).status == 200
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT count(*) FROM audit_pending") == before


async def test_asking_how_long_the_audio_is_sends_none(browser: Browser, database: Database) -> None:
    listening = await browser.listen()
    whole = await browser.get(f"{listening}/audio")
    async with database.transaction() as conn:
        await conn.execute("UPDATE listening SET sent = '{}', untold = '{}', sent_bytes = 0, untold_bytes = 0")
    asked = await browser.client.head(f"{listening}/audio")
    assert (asked.status, asked.headers["Content-Length"]) == (200, whole.headers["Content-Length"])
    async with database.transaction() as conn:
        assert await conn.fetchval("SELECT sum(sent_bytes + untold_bytes) FROM listening") == 0


@pytest.mark.parametrize(("language", "wanted"), [("fi", "se on tyhjä"), ("sv", "det är tomt"), ("en", "it is empty")])
async def test_why_something_is_refused_is_said_in_the_language(browser: Browser, language: str, wanted: str) -> None:
    browser.who = replace(OFFICER, language=language)
    refused = await browser.post(f"{browser.page}/corrections", field="note", value=" ", seconds="1")
    assert wanted in await refused.text()


@pytest.mark.parametrize(("language", "wanted"), [("fi", "3 kuukautta"), ("sv", "3 månader"), ("en", "3 months")])
async def test_how_long_it_is_kept_is_said_in_words(browser: Browser, language: str, wanted: str) -> None:
    browser.who = replace(OFFICER, language=language)
    page = await (await browser.get(browser.page)).text()
    assert wanted in page
    assert "P3M" not in page
