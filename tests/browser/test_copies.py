"""An officer chooses in the player what is silent in a copy, hears and sees it so, and sends it to the package page."""

from __future__ import annotations

import io
import json
import re
import wave
import zipfile

import pytest
from playwright.async_api import Locator, Page, expect

from ari_recorder.domain.accounts import Role
from ari_recorder.web.routes import ROUTES
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.browser.player import until
from tests.browser.test_player import EARS, HEARD, READY, go, play
from tests.site import LENGTH

pytestmark = pytest.mark.asyncio(loop_scope="session")

PACKAGE = next(route for route in ROUTES if route.name == "case-package")
FROM, TO = 0.5, 1.25
LINE = "0:00.500 0:01.250 another person's address"


async def opened(house: House, contexts: Contexts) -> tuple[Page, Page]:
    """The page of a package, and the player of its recording in another tab."""
    package = await (await house.signed_in(contexts, Role.PRIVACY_OFFICER)).new_page()
    await house.visit(package, PACKAGE, Role.PRIVACY_OFFICER)
    await package.context.add_init_script(EARS)
    async with package.context.expect_page() as coming:
        await package.locator("#granted a").first.click()
    player = await coming.value
    listen = player.locator("section:has(#listen)")
    await expect(listen.get_by_label("What do you listen for?")).to_have_value("subject-request")
    await expect(listen.get_by_label("Case number")).to_have_value(package.url.split("/")[-2])
    await listen.get_by_role("button").click()
    await player.wait_for_url(re.compile("/listenings/"))
    await until(player, READY)
    return package, player


def parts(player: Page) -> Locator:
    return player.get_by_label("What is silent")


async def loop(player: Page, begin: float, end: float) -> None:
    await go(player, begin)
    await player.get_by_role("button", name="Loop from here").click()
    await go(player, end)
    await player.get_by_role("button", name="Loop to here").click()


async def heard_at(player: Page, second: float) -> list[int]:
    """What comes out of the loudspeakers there."""
    await go(player, second)
    await play(player)
    await player.wait_for_timeout(250)
    found = await player.evaluate(HEARD, [440, 880])
    await player.get_by_role("button", name="Pause", exact=True).click()
    return sorted({hertz for ear in found for hertz in ear})


async def test_what_is_chosen_in_the_player_is_silent_there_and_in_the_copy(house: House, contexts: Contexts) -> None:
    package, player = await opened(house, contexts)
    await player.get_by_role("button", name="The loop becomes a part").click()
    await expect(player.get_by_text("Say first where the loop begins")).to_be_visible()
    await loop(player, FROM, TO)
    await player.get_by_role("button", name="The loop becomes a part").click()
    await expect(parts(player)).to_be_focused()
    await player.keyboard.type("another person's address")
    await expect(parts(player)).to_have_value(LINE)

    await player.get_by_role("button", name="No loop").click()
    await player.select_option("[data-do=side]", "left")  # now the ears can be listened to
    await player.select_option("[data-do=side]", "both")
    assert await heard_at(player, FROM) == []
    assert await heard_at(player, TO + 0.1) == [440, 880]
    await player.get_by_label("Hear it as the copy will be").uncheck()
    assert await heard_at(player, FROM) == [440, 880]
    await player.get_by_label("Hear it as the copy will be").check()

    await player.get_by_role("button", name="Send to the page of the package").click()
    await expect(player.get_by_text("The page of the package has them.")).to_be_visible()
    typed = package.get_by_label("What is silent in the copies")
    await expect(typed).to_have_value(f"1 {LINE}")
    await package.get_by_role("button", name="Make the package").click()
    passphrase = (await package.locator("code").last.inner_text()).strip()
    address = await package.locator("main code").first.inner_text()
    muted, samples = await fetched(house, contexts, address, passphrase)
    assert muted == [{"first_sample": 4000, "end_sample": 10000, "side": "both", "reason": "another person's address"}]
    assert not any(samples[4 * 4000 : 4 * 10000])
    assert any(samples[4 * 3990 : 4 * 4000])
    assert any(samples[4 * 10000 : 4 * 10010])


async def fetched(
    house: House, contexts: Contexts, address: str, passphrase: str
) -> tuple[list[dict[str, object]], bytes]:
    """What the package says is silent, and its audio."""
    context = await contexts.open(accept_downloads=True)
    page = await context.new_page()
    await page.goto(house.address + "/" + address.split("/", 3)[3])
    await page.fill("input[name=passphrase]", passphrase)
    async with page.expect_download() as coming:
        await page.press("input[name=passphrase]", "Enter")
    path = await (await coming.value).path()
    with zipfile.ZipFile(path) as archive:
        facts = next(name for name in archive.namelist() if name.endswith("package.json"))
        audio = next(name for name in archive.namelist() if name.endswith(".wav"))
        with wave.open(io.BytesIO(archive.read(audio))) as file:
            samples = file.readframes(file.getnframes())
        return json.loads(archive.read(facts))["recordings"][0]["muted"], samples


async def test_what_is_no_part_is_not_sent_and_what_was_typed_there_is_fetched(
    house: House, contexts: Contexts
) -> None:
    package, player = await opened(house, contexts)
    send = player.get_by_role("button", name="Send to the page of the package")
    for wrong in ("0:00 0:01", "0:01 0:00.5 why", f"0:00 0:{LENGTH.total_seconds() + 1:g} why", "soon later why"):
        await parts(player).fill(f"0:00 0:00.5 a name\n{wrong}")
        await send.click()
        await expect(player.get_by_role("alert")).to_contain_text("Line 2")
    typed = package.get_by_label("What is silent in the copies")
    await expect(typed).to_have_value("")
    await typed.fill("1 0:00 0:00,5 a name")
    await player.reload()
    await expect(parts(player)).to_have_value("0:00 0:00,5 a name\n")
    await package.close()
    await send.click()
    await expect(player.get_by_text("No page of a package with this recording is open")).to_be_visible()


async def test_it_is_there_for_requests_of_persons_only(house: House, contexts: Contexts) -> None:
    page = await (await house.signed_in(contexts, Role.PRIVACY_OFFICER)).new_page()
    await page.goto(f"{house.address}/recordings/{house.recorded.recording_id}")
    await page.select_option("select[name=purpose]", "quality")
    await page.fill("input[name=reference]", "VN-2026-7")
    await page.click("section:has(#listen) button")
    await page.wait_for_url(re.compile("/listenings/"))
    await until(page, READY)
    await expect(page.locator("#copy")).to_have_count(0)
