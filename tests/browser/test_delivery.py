"""The page of a link, in a real browser: anybody can use it, without script, and the file is what was packed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from ari_recorder.domain.accounts import LANGUAGES, Role
from tests.browser.axe import assert_usable, ways_of_seeing
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.deliveries import deliver
from tests.people import GRANTER

pytestmark = pytest.mark.asyncio(loop_scope="session")

TITLES = {"fi": "Sinulle toimitettavat tallenteet", "sv": "Inspelningar till dig", "en": "Recordings for you"}
SENDERS = {"fi": "Esimerkkilän kaupunki", "sv": "Exempelby stad", "en": "City of Exampleton"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_somebody_without_script_fetches_a_package(
    house: House, contexts: Contexts, tmp_path: Path, language: str
) -> None:
    recorded = await house.record(number="0409876543")
    made = await deliver(house.config, house.site.database, recorded.recording_id, now=house.clocks.now)
    context = await contexts.open(locale=language, java_script_enabled=False, accept_downloads=True)
    page = await context.new_page()
    await page.goto(house.address + made.path)
    assert await page.get_attribute("html", "lang") == language
    assert await page.inner_text("h1") == TITLES[language]
    assert SENDERS[language] in await page.inner_text("main")
    assert await page.locator("header a[href='/login']").count() == 0  # nothing to log in to
    await page.fill("input[name=passphrase]", "00000-00000-00000-00000-00000")
    await page.press("input[name=passphrase]", "Enter")
    assert await page.locator(".notice.refused").count() == 1
    await page.fill("input[name=passphrase]", made.passphrase)
    async with page.expect_download() as coming:
        await page.press("input[name=passphrase]", "Enter")
    download = await coming.value
    assert download.suggested_filename.startswith("recordings-")
    await download.save_as(tmp_path / "package.zip")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "package.zip").read_bytes())) as archive:
        assert archive.testzip() is None
        assert f"index.{language}.html" in archive.namelist()
    await page.goto(house.address + made.path)
    assert await page.locator("input[name=passphrase]").count() == 0
    await house.forget_tries()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_everybody_can_use_the_page_whatever_became_of_the_link(
    house: House, contexts: Contexts, language: str
) -> None:
    recorded = await house.record(number="0409876543")
    made = await deliver(house.config, house.site.database, recorded.recording_id, now=house.clocks.now)
    page = await (await contexts.open(locale=language)).new_page()
    await page.goto(house.address + made.path)
    await page.press("input[name=passphrase]", "Enter")
    assert await page.get_attribute("input[name=passphrase]", "aria-invalid") == "true"
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
    await house.site.deliveries.withdraw_by(GRANTER, made.delivery_id)
    await page.goto(house.address + made.path)
    assert await page.locator("input[name=passphrase]").count() == 0
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)


async def test_an_officer_withdraws_a_link(house: House, contexts: Contexts) -> None:
    recorded = await house.record(number="0409876543")
    made = await deliver(house.config, house.site.database, recorded.recording_id, now=house.clocks.now)
    page = await (await house.signed_in(contexts, Role.PRIVACY_OFFICER)).new_page()
    await page.goto(f"{house.address}/deliveries")
    await page.locator(f"form[action='/deliveries/{made.delivery_id}/withdraw'] button").click()
    await page.wait_for_url("**/deliveries")
    assert await page.locator(".notice.done").count() == 1
    assert await page.locator(f"form[action='/deliveries/{made.delivery_id}/withdraw']").count() == 0
    async for way in ways_of_seeing(page):
        await assert_usable(page, way)
