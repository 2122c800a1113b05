"""Everybody can use every page: with eyes or ears, narrow or large, light or dark. New pages are here by themselves."""

from __future__ import annotations

import pytest

from ari_recorder.web.asked import Route
from tests.browser.axe import assert_usable, ways_of_seeing
from tests.browser.fixtures import Contexts
from tests.browser.house import House, pages, visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("route", [route for route in pages() if visitor(route) is None], ids=lambda route: route.name)
async def test_a_page_can_be_used_by_everybody(house: House, contexts: Contexts, route: Route) -> None:
    page = await (await contexts.open(locale="en-GB")).new_page()
    answer = await page.goto(house.url(route))
    assert answer is not None
    assert answer.ok
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
