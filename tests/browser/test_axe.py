"""The tests' own eyes: what is wrong with a page is found, on pages that allow no script but their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from tests.browser.axe import Way, assert_usable, violations, ways_of_seeing

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'"
FRAME = '<!doctype html><html {}><head><title>Calls</title><link rel="stylesheet" href="/style.css"></head>{}</html>'
GOOD = FRAME.format(
    'lang="en"',
    '<body><main><h1>Calls</h1><form><label for="q">Queue</label> <input id="q"> <button>Find</button></form></main>',
)
STYLES = {
    "plain": "body { color: #111; background: #fff }",
    "pale-when-dark": "@media (prefers-color-scheme: dark) { body { color: #444; background: #222 } }",
    "fixed-width": "main { width: 700px }",
    "fixed-in-pixels": "form { display: flex; width: 600px } button { font-size: 12rem }",
    "cut-off": "html { overflow-x: clip } button { position: relative; left: 2000px }",
}

Show = Callable[[str, str], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def show(page: Page) -> AsyncIterator[Show]:
    """Shows a page of a body and a style, with the headers of a careful site."""
    shown = {"page": GOOD, "style": "plain"}

    async def answer(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": STRICT}
        if request.path == "/style.css":
            return web.Response(text=STYLES[shown["style"]], content_type="text/css", headers=headers)
        return web.Response(text=shown["page"], content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:

        async def show(html: str, style: str = "plain") -> None:
            shown.update(page=html, style=style)
            await page.goto(str(server.make_url("/")))

        yield show


async def test_a_good_page_is_good_in_every_way(page: Page, show: Show) -> None:
    await show(GOOD, "plain")
    seen = []
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
        seen.append(way)
    assert seen == list(Way)


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        (FRAME.format("", "<body><main><h1>Calls</h1></main>"), "html-has-lang"),
        (FRAME.format('lang="en"', "<body><main><h1>Calls</h1><input></main>"), "label"),
        (FRAME.format('lang="en"', "<body><h1>Calls</h1><p>Text</p>"), "landmark-one-main"),
        (FRAME.format('lang="en"', "<body><main><h1>Calls</h1><button></button></main>"), "button-name"),
    ],
)
async def test_what_a_screen_reader_misses_is_found(page: Page, show: Show, html: str, rule: str) -> None:
    await show(html, "plain")
    assert rule in {found["rule"] for found in await violations(page)}


async def test_a_label_that_leads_to_another_field_is_found(page: Page, show: Show) -> None:
    field = '<label for="q">Queue</label> <input id="q">'
    await show(GOOD.replace(field, 2 * field), "plain")
    with pytest.raises(AssertionError, match=r"twice: \['q'\]"):
        await assert_usable(page)


@pytest.mark.parametrize(
    ("style", "way"),
    [
        ("pale-when-dark", Way.DARK),
        ("fixed-width", Way.NARROW),
        ("fixed-in-pixels", Way.ZOOMED),
        ("cut-off", Way.LIGHT),
    ],
)
async def test_what_is_lost_in_one_way_of_seeing_is_found(page: Page, show: Show, style: str, way: Way) -> None:
    await show(GOOD, style)
    lost = []
    async for seen in ways_of_seeing(page):
        try:
            await assert_usable(page, seen)
        except AssertionError:
            lost.append(seen)
    assert way in lost
