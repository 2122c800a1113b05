"""The privacy notice as it is published: everybody can read it, in each of its languages."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.domain.notice import notice
from ari_recorder.domain.notice_html import document
from tests.browser.axe import assert_usable, ways_of_seeing
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.domain.test_notice import FACTS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_to_be_published_can_be_used_by_everybody(page: Page, language: str) -> None:
    await page.set_content(document(notice(FACTS, language)))
    assert await page.locator("h2").count() == 20
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_notice_of_the_service_can_be_used_in_each_language(
    house: House, contexts: Contexts, language: str
) -> None:
    page = await (await contexts.open(locale=language)).new_page()
    await page.goto(f"{house.address}/privacy-notice")
    assert await page.get_attribute("html", "lang") == language
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


async def test_a_promise_that_is_broken_can_be_seen_by_everybody(house: House, contexts: Contexts) -> None:
    """The hold of the house was placed at the command line: no supervisor did it."""
    await house.site.promises.look(deep=False)
    page = await (await house.signed_in(contexts, Role.AUDITOR)).new_page()
    await page.goto(f"{house.address}/promises")
    row = page.locator("tr", has_text="Each hold was placed by a supervisor")
    assert await row.locator(".badge.bad").inner_text() == "Broken"
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
