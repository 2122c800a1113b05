"""A supervisor at work: what was looked for is there again afterwards, and a flag leads to its second."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Page

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.retention import HELSINKI
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.browser.player import THREAT, conversation, listen, until
from tests.site import record

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROWS = ".table tbody tr"
# Calls of a day that is nobody else's, more than a page.
LONG_AGO = datetime(2026, 6, 1, 9, tzinfo=UTC)
CALLS = 53


@pytest_asyncio.fixture(loop_scope="session")
async def page(house: House, contexts: Contexts) -> AsyncIterator[Page]:
    page = await (await house.signed_in(contexts, Role.SUPERVISOR)).new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    assert not broken


async def count(page: Page) -> str:
    return await page.inner_text(".count")


async def test_what_was_found_by_number_is_there_again_after_a_look_at_one_of_it(page: Page, house: House) -> None:
    for _ in range(2):
        made = await house.record(number="0451112223")
    await page.goto(f"{house.address}/recordings")
    await page.fill("#field-number", "+358 45-111 2223")
    await page.select_option("#field-queue", "advice")
    await page.click(".search button.main")
    assert await count(page) == "2 recordings"
    assert "1112223" not in page.url
    found = page.url
    await page.click(f"a[href$='{made.recording_id}']")
    await page.go_back()
    assert (page.url, await count(page)) == (found, "2 recordings")
    # After a purpose, a player and its end, too.
    await listen(page, house, made)
    await page.get_by_role("button", name="I have done").click()
    await page.get_by_role("link", name="Back to the search").click()
    assert (page.url, await count(page)) == (found, "2 recordings")
    assert await page.input_value("#field-number") == "+358 45-111 2223"
    assert await page.input_value("#field-queue") == "advice"


async def test_pages_are_turned_forth_and_back_with_the_same_search(page: Page, house: House) -> None:
    for number in range(CALLS):
        await record(
            house.config,
            house.site.database,
            started_at=LONG_AGO + timedelta(minutes=number),
            uniqueid=f"6{number:09}.1",
            sides=(bytes(1600), bytes(1600)),
            marks=(),
        )
    await page.goto(f"{house.address}/recordings?since=2026-06-01&until=2026-06-01&ledger=recorded")
    first, seen = page.url, [await page.locator(ROWS).all_inner_texts()]
    assert await count(page) == f"{CALLS} recordings"
    await page.get_by_role("link", name="Older", exact=True).click()
    seen.append(await page.locator(ROWS).all_inner_texts())
    assert len({row for rows in seen for row in rows}) == CALLS
    assert await page.get_by_role("link", name="Older", exact=True).count() == 0
    assert await page.input_value("#field-ledger") == "recorded"
    await page.get_by_role("link", name="Newer", exact=True).click()
    assert await page.locator(ROWS).all_inner_texts() == seen[0]
    await page.get_by_role("link", name="Older", exact=True).click()
    await page.get_by_role("link", name="The newest", exact=True).click()
    assert page.url == first


async def test_who_finds_nothing_is_led_on(page: Page, house: House) -> None:
    await page.goto(f"{house.address}/recordings?agent=nobody&flagged=true")
    empty = page.locator(".empty")
    assert "No recording is like that." in await empty.inner_text()
    await empty.get_by_role("link", name="Look among the destroyed ones, too").click()
    assert await page.input_value("#field-agent") == "nobody"
    assert await page.input_value("#field-destroyed") == "true"
    await page.locator(".empty").get_by_role("link", name="Show all recordings").click()
    assert await page.locator(ROWS).count() > 0


async def test_the_days_asked_for_most_are_one_click_away_and_keep_the_rest(page: Page, house: House) -> None:
    await page.goto(f"{house.address}/recordings?flagged=true&since=2026-06-01&since_time=08:00")
    assert await count(page) != "0 recordings"
    await page.get_by_role("link", name="Yesterday", exact=True).click()
    today, yesterday = ((house.clocks.now() - timedelta(days=back)).astimezone(HELSINKI).date() for back in (0, 1))
    assert page.url.endswith(f"?since={yesterday}&until={yesterday}&flagged=true")
    assert await count(page) == "0 recordings"
    await page.get_by_role("link", name="The last 7 days").click()
    assert await page.input_value("#field-until") == today.isoformat()
    assert await page.input_value("#field-flagged") == "true"
    assert await page.locator(ROWS).count() > 0


async def test_days_that_are_turned_round_are_told_beside_what_was_typed(page: Page, house: House) -> None:
    await page.goto(f"{house.address}/recordings")
    await page.fill("#field-since", "2026-11-20")
    await page.fill("#field-until", "2026-11-10")
    await page.fill("#field-agent", "Adviser 1001")
    await page.click(".search button.main")
    assert "ends before it begins" in await page.inner_text(".notice.refused")
    assert await page.input_value("#field-until") == "2026-11-10"
    assert await page.input_value("#field-agent") == "Adviser 1001"


async def test_a_flag_is_heard_at_its_second_and_decided_on(page: Page, house: House) -> None:
    recorded = await conversation(house)
    await page.goto(f"{house.address}/")
    waits = page.locator("main li", has_text="for a decision")
    await waits.get_by_role("link").click()
    row = page.locator(ROWS, has=page.locator(f"a[href*='{recorded.recording_id}']"))
    await row.get_by_role("link", name=re.compile("Listen from")).click()
    assert "It begins at 0:06" in await page.inner_text("section:has(#listen)")
    await page.click("section:has(#listen) button")
    await page.wait_for_url("**/listenings/*")
    await until(page, "document.querySelector('audio').readyState >= 1")
    assert await page.evaluate("document.querySelector('audio').currentTime") == pytest.approx(THREAT, abs=0.1)
    assert await page.evaluate("document.querySelector('audio').paused")
    await page.get_by_role("link", name="Decide on the flag").click()
    await page.get_by_role("button", name="Not a threat").click()
    assert "no threat" in await page.inner_text(".notice.done")
    assert await row.count() == 0
    await page.goto(f"{house.address}/recordings/{recorded.recording_id}")
    assert await page.get_by_role("link", name="Decide on the flag").count() == 0


async def test_a_refused_purpose_keeps_the_second(page: Page, house: House) -> None:
    recorded = await conversation(house)
    await page.goto(f"{house.address}/recordings/{recorded.recording_id}")
    await page.locator(f"{ROWS} a").first.click()
    await page.select_option("select[name=purpose]", "other")
    await page.fill("textarea[name=text]", "too short")
    await page.click("section:has(#listen) button")
    assert "at least 10" in await page.inner_text(".notice.refused")
    await page.fill("textarea[name=text]", "the caller asked for it by letter")
    await page.click("section:has(#listen) button")
    await page.wait_for_url(f"**/listenings/*?at={THREAT:g}")


async def test_a_day_of_the_ledger_leads_to_its_calls_by_what_became_of_them(page: Page, house: House) -> None:
    await page.goto(f"{house.address}/ledger")
    await page.locator(f"{ROWS} a").first.click()
    await page.get_by_role("link", name=re.compile("^Recorded: ")).click()
    assert page.url.endswith("?state=recorded")
    await page.get_by_role("link", name="recording 1").first.click()
    assert "/recordings/" in page.url
