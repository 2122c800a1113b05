"""Somebody with a keyboard and no mouse does a day's work, in each language."""

from __future__ import annotations

import secrets

import pytest

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.web import languages
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.browser.keyboard import Keyboard
from tests.people import Person, invite

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def enrol(house: House, keys: Keyboard, token: str) -> Person:
    """From the link of the invitation to the log-in form."""
    await keys.page.goto(f"{house.address}/invitation/{token}")
    secret = (await keys.page.inner_text("main code")).replace(" ", "")
    shown = await house.site.people.enrolment.set_up(token)
    assert secret == shown.secret
    person = Person(name=shown.name, password=secrets.token_hex(10), secret=secret, clocks=house.clocks)
    await keys.write("The code it shows now", person.code())
    await keys.write("Password", person.password)
    await keys.write("The same password again", person.password)
    await keys.press("Begin", kind="button")
    assert await keys.page.locator(".codes li").count() == 10
    await keys.press("I have them; log in")
    return person


async def log_in(keys: Keyboard, person: Person) -> None:
    await keys.write("User name", person.name)
    await keys.write("Password", person.password)
    await keys.press("Next")
    await keys.write("Code", person.code())
    await keys.press("Log in", kind="button")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_supervisor_needs_no_mouse(house: House, contexts: Contexts, language: str) -> None:
    page = await (await contexts.open(locale=language)).new_page()
    keys = Keyboard(page, languages.load()[language].text)
    token = await invite(house.site.people, Role.SUPERVISOR, f"walker-{language}", language)
    person = await enrol(house, keys, token)
    await log_in(keys, person)
    assert await page.get_attribute("html", "lang") == language
    await keys.press("Log out")
    assert "/login" in page.url
