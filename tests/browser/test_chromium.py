"""The browser of the tests itself: it is the unpacked one, it shows pages, and it asks nobody else anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page
from playwright.async_api import Error as BrowserError

from tests import debian
from tests.browser.chromium import starter
from tests.browser.contexts import Contexts
from tests.browser.fixtures import FAILED

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = """<!doctype html><html lang="fi"><title>Puhelut</title>
<main><h1>Äänitetyt puhelut</h1><form><label>Jono <input name="queue"></label> <button>Hae</button></form></main>"""


@pytest_asyncio.fixture(loop_scope="session")
async def address() -> AsyncIterator[str]:
    async def show(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", show)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/"))


async def test_it_is_the_unpacked_one(browser: Browser) -> None:
    tree = debian.ensure_tree(debian.CHROMIUM)
    assert tree.version.startswith(browser.version)
    assert starter(tree).is_relative_to(debian.cache_folder())


async def test_a_page_is_filled_and_sent_with_the_keyboard_only(page: Page, address: str) -> None:
    await page.goto(address)
    await page.keyboard.press("Tab")
    await page.keyboard.type("päivystys")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?queue=p%C3%A4ivystys")


async def test_letters_come_from_a_font_and_not_from_boxes(page: Page, address: str) -> None:
    await page.goto(address)
    width = """text => {
        const canvas = document.createElement('canvas').getContext('2d')
        canvas.font = '40px sans-serif'
        return canvas.measureText(text).width
    }"""
    assert await page.evaluate(width, "i") < await page.evaluate(width, "Ä")


async def test_nobody_beyond_this_machine_can_be_asked(browser: Browser, address: str) -> None:
    contexts = Contexts(browser)
    page = await (await contexts.open()).new_page()
    await page.goto(address)
    for beyond in ("http://example.org/", "http://192.0.2.1/"):
        with pytest.raises(BrowserError, match="ERR_NAME_NOT_RESOLVED"):
            await page.goto(beyond, timeout=3_000)
    assert contexts.asked_beyond == ["http://example.org/", "http://192.0.2.1/"]
    await contexts.close(None)


async def test_what_a_failed_test_saw_is_kept(browser: Browser, address: str, tmp_path: Path) -> None:
    contexts = Contexts(browser)
    page = await (await contexts.open()).new_page()
    await page.goto(address)
    await contexts.close(tmp_path / "failed")
    assert {file.name for file in (tmp_path / "failed").iterdir()} == {"page-1-1.png", "page-1-1.html", "trace-1.zip"}
    assert "Äänitetyt" in (tmp_path / "failed" / "page-1-1.html").read_text()


async def test_nothing_of_it_goes_to_git() -> None:
    assert "/tests/browser/failed/" in (FAILED.parents[2] / ".gitignore").read_text().splitlines()
