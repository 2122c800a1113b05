"""Everybody can use every page: with eyes or ears, narrow or large, light or dark. New pages are here by themselves."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.web.asked import Route
from tests.browser.axe import assert_usable, ways_of_seeing
from tests.browser.contexts import Contexts
from tests.browser.house import House, pages, visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def browser_of(house: House, contexts: Contexts, route: Route) -> BrowserContext:
    role = visitor(route)
    return await contexts.open() if role is None else await house.signed_in(contexts, role)


@pytest.mark.parametrize("route", pages(), ids=lambda route: route.name)
async def test_a_page_can_be_used_by_everybody(house: House, contexts: Contexts, route: Route) -> None:
    page = await (await browser_of(house, contexts, route)).new_page()
    answer = await house.visit(page, route)
    assert answer.ok, f"{answer.status} {answer.url}"
    assert page.url == answer.url  # not somewhere else
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_page_says_its_language(house: House, contexts: Contexts, language: str) -> None:
    page = await (await contexts.open(locale=language)).new_page()
    await page.goto(f"{house.address}/login")
    assert await page.get_attribute("html", "lang") == language


async def test_a_page_that_is_not_there_can_be_used_too(house: House, contexts: Contexts) -> None:
    page = await (await house.signed_in(contexts, Role.SUPERVISOR)).new_page()
    answer = await page.goto(f"{house.address}/nowhere")
    assert answer is not None
    assert answer.status == 404
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


async def test_a_form_that_is_shown_again_can_be_used_too(house: House, contexts: Contexts) -> None:
    page = await (await contexts.open()).new_page()
    await page.goto(f"{house.address}/login")
    await page.press("input[name=name]", "Enter")
    assert await page.get_attribute("input[name=name]", "aria-invalid") == "true"
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
