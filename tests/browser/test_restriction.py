"""A privacy officer restricts a call in a browser, hears it on a ground only, and lifts it once the person knows."""

import pytest
from playwright.async_api import expect

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.web.routes import ROUTES
from tests.browser.contexts import Contexts
from tests.browser.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

LIFT = next(route for route in ROUTES if route.name == "restriction")


async def test_it_is_restricted_heard_on_a_ground_and_lifted(house: House, contexts: Contexts) -> None:
    made = await house.record(number="0407654323")
    address = f"{house.address}/recordings/{made.recording_id}"
    page = await (await house.signed_in(contexts, Role.PRIVACY_OFFICER)).new_page()
    await page.goto(address)
    await expect(page.get_by_label("On what ground is it opened?")).to_have_count(0)
    await page.get_by_text("Restrict the processing of this call").click()
    form = page.locator(f"form[action='/recordings/{made.recording_id}/restrictions']")
    await form.get_by_label("Ground").select_option("needed-for-claims")
    await form.get_by_label("Case number").fill("TP-2026/4")
    await form.get_by_role("button").click()
    await expect(page.get_by_text("because the person concerned needs it for a legal claim")).to_be_visible()
    await expect(page.get_by_text("Kept as long as its processing is restricted (TP-2026/4).").first).to_be_visible()

    listen = page.locator("section:has(#listen)")
    ground = listen.get_by_label("On what ground is it opened?")
    assert await ground.locator("option").evaluate_all("all => all.map(one => one.value)") == ["", *OpeningGround]
    await listen.get_by_label("What do you listen for?").select_option("subject-request")
    await listen.get_by_role("button", name="Listen").click()
    await expect(page.get_by_text("opened only on a ground of the law").first).to_be_visible()
    await expect(page.locator("audio")).to_have_count(0)

    await ground.select_option("consent")
    await listen.get_by_role("button", name="Listen").click()
    await page.wait_for_url("**/listenings/*")
    await expect(page.get_by_text("Opened on this ground: The consent of the person concerned.")).to_be_visible()
    heard = "async () => (await (await fetch(document.querySelector('audio').src)).arrayBuffer()).byteLength"
    assert await page.evaluate(heard) > 1000
    await page.goto(f"{house.address}/recordings")
    row = page.locator("tr", has=page.locator(f"a[href$='{made.recording_id}']"))
    await expect(row.get_by_text("Restricted")).to_be_visible()

    (listed,) = [one for one in await house.site.restrictions.listed() if made.recording_id in one.recordings]
    await house.visit(page, LIFT, Role.PRIVACY_OFFICER)  # a fresh code
    await page.goto(f"{house.address}/restrictions/{listed.restriction.id}")
    await page.get_by_label("The person was told on").fill(house.clocks.now().date().isoformat())
    await page.get_by_label("How").select_option("letter")
    await page.get_by_role("button", name="Lift the restriction").click()
    await expect(page.get_by_text("The restriction is lifted.")).to_be_visible()
    await page.goto(address)
    await expect(page.get_by_label("On what ground is it opened?")).to_have_count(0)
    await expect(page.get_by_text("The consent of the person concerned").first).to_be_visible()
