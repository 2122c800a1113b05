"""Whoever has no mouse: what cannot be reached, or reached without being seen, is found."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.browser.keyboard import Keyboard, Lost

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = """<!doctype html><html lang="sv"><title>Samtal</title><style>{style}</style><main>
<a href="#x">Hem</a>
<form action="about:blank"><label>Kö <input name="queue"></label>
<label for="why">Syfte</label> <select id="why"><option>Välj<option>Kvalitet<option>Annat</select>
<fieldset><legend>Sida</legend><label><input type="radio" name="side" value="1">Båda</label>
<label><input type="radio" name="side" value="2">Vänster</label></fieldset>
<span onclick="location = '#y'">Sök</span></form></main></html>"""
SWEDISH = {"Queue": "Kö", "Purpose": "Syfte", "Other": "Annat", "Left": "Vänster", "Find": "Sök"}


@pytest.fixture
def keys(page: Page) -> Keyboard:
    return Keyboard(page, lambda name: SWEDISH[name])


async def test_a_form_is_filled_without_a_mouse_in_the_language_of_the_page(page: Page, keys: Keyboard) -> None:
    await page.set_content(FORM.format(style=""))
    await keys.write("Queue", "päivystys")
    await keys.choose("Purpose", "Other")
    await keys.pick("Left")
    values = """() => [...document.querySelectorAll('input, select')]
        .map(one => one.type === 'radio' ? one.checked : one.value)"""
    assert await page.evaluate(values) == ["päivystys", "Annat", False, True]


async def test_what_only_a_mouse_reaches_is_found(page: Page, keys: Keyboard) -> None:
    await page.set_content(FORM.format(style=""))
    with pytest.raises(Lost, match="no way by keyboard to 'Sök'"):
        await keys.go_to("Find")


@pytest.mark.parametrize("style", ["input { outline: none }", "input { position: fixed; top: -400px }"])
async def test_a_focus_nobody_sees_is_found(page: Page, keys: Keyboard, style: str) -> None:
    await page.set_content(FORM.format(style=style))
    with pytest.raises(Lost, match="nobody sees it"):
        await keys.go_to("Purpose")
