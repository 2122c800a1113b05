"""The controller's papers in a real browser: everybody can read them, on the page and as a file, in each language."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.domain.records import RecordKind
from ari_recorder.services.papers import as_html
from tests.browser.axe import assert_usable, ways_of_seeing
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.domain import test_breaches
from tests.domain.test_records import made

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", RecordKind)
async def test_everybody_can_read_the_file(page: Page, kind: RecordKind, language: str) -> None:
    await page.set_content(as_html(made(kind, language).paper))
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_everybody_can_read_the_report_of_a_breach(page: Page, language: str) -> None:
    await page.set_content(as_html(test_breaches.made(language)))
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_everybody_can_read_the_pages(house: House, contexts: Contexts, language: str) -> None:
    page = await (await house.signed_in(contexts, Role.PRIVACY_OFFICER)).new_page()
    for kind in RecordKind:
        await page.goto(f"{house.address}/records/paper?kind={kind}&language={language}")
        assert await page.get_attribute("article", "lang") == language
        async for way in ways_of_seeing(page):
            await assert_usable(page, way)
