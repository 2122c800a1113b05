"""What a browser has left of somebody's work: nothing is kept, and after the log-out nobody goes back to it."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from ari_recorder.domain.accounts import Role
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.browser.player import conversation, listen, until
from tests.browser.test_player import READY, play

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEPT = """async () => ({
    local: {...localStorage},
    session: sessionStorage.length,
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    cookies: document.cookie,
    polluted: Object.keys(Object.prototype).length,
})"""
NOTHING = {"local": {}, "session": 0, "databases": 0, "caches": 0, "workers": 0, "cookies": "", "polluted": 0}


async def kept(page: Page) -> object:
    return await page.evaluate(KEPT)


async def test_nothing_but_how_one_listens_is_kept(house: House, contexts: Contexts) -> None:
    page = await (await house.signed_in(contexts, Role.SUPERVISOR)).new_page()
    await listen(page, house, await conversation(house))
    await until(page, READY)
    await play(page)
    # How fast one listens, and whether over silences: for the next recording.
    assert await kept(page) == {**NOTHING, "local": {"player": '{"speed":"1","skip":false}'}}


async def test_after_the_log_out_nobody_goes_back(house: House, contexts: Contexts) -> None:
    person = await house.enrol(Role.SUPERVISOR, "goes-home")
    page = await (await contexts.open()).new_page()
    await house.log_in(page, person)
    number = "0401239871"
    made = await house.record(number=number)
    await page.goto(f"{house.address}/recordings/{made.recording_id}")
    shown = str(made.recording_id)[:8]
    assert shown in await page.content()
    await page.evaluate("localStorage.setItem('left', 'behind')")
    await page.click("form[action='/log-out'] button")
    await page.wait_for_url("**/login*")
    assert await kept(page) == NOTHING
    await page.go_back()
    await page.wait_for_load_state()
    assert await page.locator("input[name=password]").count() == 1
    assert shown not in await page.inner_text("body")
    names = {cookie["name"] for cookie in await page.context.cookies()}
    assert "__Host-session" not in names
    assert "__Host-device" in names  # the next log-in is none with a new device
