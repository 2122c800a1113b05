"""Somebody with a keyboard and no mouse does a day's work, in each language."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.web import languages
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.browser.work import Work, assert_heard, assert_logged
from tests.people import APPROVER, invite

pytestmark = pytest.mark.asyncio(loop_scope="session")


NUMBERS = {"fi": "0407770001", "sv": "0407770002", "en": "0407770003"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_flagged_call_is_found_heard_held_and_audited_without_a_mouse(
    house: House, contexts: Contexts, language: str
) -> None:
    number = NUMBERS[language]
    recorded = await house.record(number=number, length=timedelta(seconds=6))
    text = languages.load()[language].text
    page = await (await contexts.open(locale=language)).new_page()
    work = Work(page, house.address, text)
    walker = f"walker-{language}"
    token = await invite(house.site.people, Role.SUPERVISOR, walker, language)
    person = await work.enrol(walker, token, house.clocks)
    await house.site.people.accounts.confirm(person.name, "came in person", APPROVER)
    await work.log_in(person)
    assert await page.get_attribute("html", "lang") == language
    await work.find(number)
    assert str(recorded.recording_id) in page.url
    heard = await work.listen()
    assert_heard(heard)
    assert heard.flag_at == 3
    assert text("Flagged as a threat") in heard.flag_said
    await work.hold((house.clocks.now() + timedelta(days=90)).date())
    await work.keys.press("Log out")
    assert "/login" in page.url

    auditor = await house.enrol(Role.AUDITOR, f"reader-{language}", language)
    await work.log_in(auditor)
    about_it = await work.read_log("To what", f"recording:{recorded.recording_id}")
    assert_logged(about_it, "recording:view", "recording:play", "recording:played")
    by_them = await work.read_log("Who", walker)
    assert_logged(by_them, "account:enrol", "recording:search", "recording:play", "hold:place", "session:logout")
