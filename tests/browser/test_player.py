"""The player in a real browser, with a real recording: what is pressed is heard, and what may not be heard is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.calls import MarkKind
from tests.browser.contexts import Contexts
from tests.browser.house import House
from tests.browser.player import AGENT, BACK, CALLER, HOLD, LENGTH, THREAT, conversation, listen, until
from tests.site import Recorded, record, tone

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = "document.querySelector('audio').currentTime"
PAUSED = "document.querySelector('audio').paused"
READY = "document.querySelector('audio').readyState >= 1 && !document.querySelector('.made').hidden"

# What goes to the ears is listened to: whatever is connected to the destination goes through here, too.
EARS = """(() => {
    const connect = AudioNode.prototype.connect
    AudioNode.prototype.connect = function (to, ...rest) {
        if (to === this.context.destination && !window.ears) {
            const splitter = this.context.createChannelSplitter(2)
            connect.call(this, splitter)
            window.ears = [0, 1].map(ear => {
                const analyser = this.context.createAnalyser()
                analyser.fftSize = 8192
                connect.call(splitter, analyser, ear)
                return analyser
            })
        }
        return connect.call(this, to, ...rest)
    }
})()"""
HEARD = """tones => window.ears.map(ear => {
    const levels = new Float32Array(ear.frequencyBinCount)
    ear.getFloatFrequencyData(levels)
    const at = hertz => Math.round(hertz * ear.fftSize / ear.context.sampleRate)
    return tones.filter(hertz => Math.max(...levels.slice(at(hertz) - 2, at(hertz) + 3)) > -60)
})"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def recorded(house: House) -> Recorded:
    return await conversation(house)


@pytest_asyncio.fixture(loop_scope="session")
async def page(house: House, contexts: Contexts) -> AsyncIterator[Page]:
    page = await (await house.signed_in(contexts, Role.SUPERVISOR)).new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    await page.add_init_script(EARS)
    yield page
    assert not broken


@pytest_asyncio.fixture(loop_scope="session")
async def player(page: Page, house: House, recorded: Recorded) -> Page:
    await listen(page, house, recorded)
    await until(page, READY)
    return page


async def at(player: Page) -> float:
    return float(await player.evaluate(NOW))


async def go(player: Page, second: float) -> None:
    """Somewhere, without any control, once the audio is there."""
    await player.evaluate("second => document.querySelector('audio').currentTime = second", second)
    await until(player, "!document.querySelector('audio').seeking")


async def play(player: Page) -> None:
    await player.click("[data-do=play]")
    begun = await at(player)
    await until(player, f"{NOW} !== {begun}")


async def test_it_plays_after_the_purpose_and_never_by_itself(player: Page) -> None:
    await asyncio.sleep(0.5)
    assert await player.evaluate(PAUSED)
    assert await at(player) == 0
    assert await player.inner_text("[data-clock]") == "0:00 of 0:24"
    await play(player)
    assert await player.inner_text("[data-do=play]") == "Pause"
    await player.click("[data-do=play]")
    assert await player.evaluate(PAUSED)
    assert await player.inner_text("[data-do=play]") == "Play"


async def test_a_click_into_the_waveform_goes_there(player: Page) -> None:
    box = await player.locator(".wave").bounding_box()
    assert box is not None
    for share in (0.75, 0.25):
        await player.mouse.click(box["x"] + share * box["width"], box["y"] + 20)
        assert await at(player) == pytest.approx(share * LENGTH, abs=0.1)


async def test_the_waveform_shows_who_speaks_when(player: Page) -> None:
    drawn = """share => { const c = document.querySelector('.wave canvas'), pen = c.getContext('2d')
        const line = height => pen.getImageData(share * c.width, height * c.height, 4, 1).data.join()
        const some = height => line(height) !== line(0.2)
        return [some(0.4), some(0.6)] }"""
    await until(player, f"({drawn})(0.2)[0]")
    assert await player.evaluate(drawn, 0.2) == [True, True]
    assert await player.evaluate(drawn, (HOLD + BACK) / 2 / LENGTH) == [False, False]


KEYS = (
    (("ArrowRight",), 5),
    (("PageUp",), LENGTH),
    (("l", "ArrowLeft"), 5),
    (("End", "j"), LENGTH - 10),
    (("5",), LENGTH / 2),
    (("9", "Home"), 0),
    (("ArrowUp", "ArrowDown"), 0),
    (("5", "PageDown"), 0),
    ((".",), THREAT),
    ((".", "."), HOLD),
    (("End", ",", ","), THREAT),
)


async def test_every_place_is_reached_by_keys(player: Page) -> None:
    await player.focus(".wave")
    for keys, second in KEYS:
        await player.keyboard.press("Home")
        for key in keys:
            await player.keyboard.press(key)
        assert await at(player) == pytest.approx(second, abs=0.1), keys
    assert await player.evaluate(PAUSED)


async def test_keys_play_and_pause(player: Page) -> None:
    await player.focus(".wave")
    for key in ("k", "Space", "Enter"):
        begun = await at(player)
        await player.keyboard.press(key)
        await until(player, f"{NOW} > {begun}")
        await player.keyboard.press(key)
        assert await player.evaluate(PAUSED)


async def test_a_letter_in_a_list_stays_there(player: Page) -> None:
    await player.focus("[data-do=side]")
    await player.keyboard.press("k")
    assert await player.evaluate(PAUSED)


async def test_the_focus_is_seen(player: Page) -> None:
    await player.focus("[data-do=play]")
    await player.keyboard.press("Shift+Tab")
    await player.keyboard.press("Shift+Tab")
    focused = "document.activeElement.className"
    assert await player.evaluate(focused) == "wave"
    assert float(str(await player.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)"))) >= 2


async def test_the_speed_is_the_one_chosen(player: Page) -> None:
    await play(player)
    clocks = f"[{NOW}, performance.now() / 1000]"
    for speed in ("0.75", "2"):
        await player.select_option("[data-do=speed]", speed)
        begin = await player.evaluate(clocks)
        await asyncio.sleep(1)
        end = await player.evaluate(clocks)
        assert (end[0] - begin[0]) / (end[1] - begin[1]) == pytest.approx(float(speed), rel=0.3)


async def test_keys_change_the_speed(player: Page) -> None:
    rate = "document.querySelector('audio').playbackRate"
    await player.focus(".wave")
    for key, told in ((">", 1.25), ("<", 1), ("<", 0.75), ("<", 0.75)):
        await player.keyboard.press(key)
        assert await player.evaluate(rate) == told
    assert await player.input_value("[data-do=speed]") == "0.75"


async def test_silence_is_skipped_when_that_is_wanted(player: Page) -> None:
    await until(player, "!document.querySelector('[data-do=skip]').disabled")
    await player.check("[data-do=skip]")
    await go(player, HOLD - 0.5)
    await play(player)
    await until(player, f"{NOW} > {BACK - 0.5}", 3)


async def test_a_mark_is_a_button_that_leads_to_its_second(player: Page) -> None:
    flag = player.get_by_role("button", name="6 seconds Flagged as a threat")
    await flag.focus()
    await player.keyboard.press("Enter")
    assert await at(player) == pytest.approx(THREAT, abs=0.05)
    assert await player.locator(".marks li.passed").inner_text() == await flag.inner_text()


async def test_each_side_is_heard_alone_and_both_apart(player: Page) -> None:
    await play(player)
    for side, ears in (
        ("left", [[CALLER], [CALLER]]),
        ("right", [[AGENT], [AGENT]]),
        ("both", [[CALLER], [AGENT]]),
    ):
        await player.select_option("[data-do=side]", side)
        await until(player, f"JSON.stringify(({HEARD})([{CALLER}, {AGENT}])) === '{ears}'.replaceAll(' ', '')")


async def test_a_span_is_heard_again_and_again(player: Page) -> None:
    await player.focus(".wave")
    await go(player, 2)
    await player.keyboard.press("[")
    await go(player, 3)
    await player.keyboard.press("]")
    assert await player.inner_text("[data-told]") == "Loop from 0:02 to 0:03"
    await go(player, 2.7)
    await play(player)
    await until(player, f"{NOW} < 2.6", 3)
    assert await at(player) == pytest.approx(2, abs=0.6)
    await player.click("[data-do=unloop]")
    assert await player.evaluate("document.activeElement.dataset.do") == "from"
    await until(player, f"{NOW} > 3.2", 5)


async def test_a_long_recording_is_seen_closer_where_one_is(page: Page, house: House) -> None:
    """Three quarters of an hour, a word in the middle of it: in the whole it is nothing, closer it is a bar."""
    length, word = 2700, 1350.0
    quiet = bytearray(2 * 8000 * length)
    quiet[2 * int(word * 8000) : 2 * int((word + 0.5) * 8000)] = tone(CALLER, timedelta(seconds=0.5))
    made = await record(
        house.config,
        house.site.database,
        uniqueid=f"{uuid4().int % 10**10}.1",
        sides=(bytes(quiet), bytes(2 * 8000 * length)),
        marks=((MarkKind.THREAT, timedelta(seconds=word)),),
    )
    await listen(page, house, made)
    await until(page, "document.querySelector('[data-told]').textContent !== ''")
    assert await page.inner_text("[data-told]") == "The agent's side is silent."
    assert await page.get_attribute("[data-do=wider]", "aria-disabled") == "true"
    await page.focus(".wave")
    await page.keyboard.press(".")
    for _ in range(20):
        await page.keyboard.press("+")
    assert await page.inner_text("[data-told]") == "You see 22:24 to 22:35"
    assert await page.get_attribute("[data-do=closer]", "aria-disabled") == "true"
    columns = """(() => { const c = document.querySelector('.wave canvas'), pen = c.getContext('2d')
        const row = pen.getImageData(0, Math.round(0.45 * c.height), c.width, 1).data
        let seen = 0
        for (let x = 0; x < c.width; x += 1) if (row[4 * x + 3] > 0) seen += 1
        return seen / c.width })()"""
    assert 0.02 < float(await page.evaluate(columns)) < 0.06
    # A click goes to what is seen there, and one who goes out of sight takes the sight along.
    box = await page.locator(".wave").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 20)
    assert await at(page) == pytest.approx(word - 2.6, abs=0.2)
    await page.keyboard.press("Home")
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert await at(page) == pytest.approx(5.3, abs=0.2)
    for _ in range(20):
        await page.keyboard.press("-")
    assert await page.inner_text("[data-told]") == "You see the whole recording"


async def test_a_link_to_a_second_asks_for_a_purpose_and_leads_there(player: Page, recorded: Recorded) -> None:
    await player.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await player.focus(".wave")
    await go(player, 13.4)
    await player.click("[data-do=link]")
    told = "The link to 0:13 is copied. Whoever follows it says a purpose first."
    await until(player, f"document.querySelector('[data-told]').textContent === '{told}'")
    address = str(await player.evaluate("navigator.clipboard.readText()"))
    assert address.endswith(f"/recordings/{recorded.recording_id}?at=13#listen")
    await player.goto(address)
    assert await player.locator("audio").count() == 0
    await player.click("section:has(#listen) button")
    await until(player, READY)
    assert await at(player) == pytest.approx(13, abs=0.1)
    assert await player.evaluate(PAUSED)


async def test_how_one_likes_to_listen_is_kept_for_the_next_recording(player: Page, house: House) -> None:
    await until(player, "!document.querySelector('[data-do=skip]').disabled")
    await player.select_option("[data-do=speed]", "1.5")
    await player.check("[data-do=skip]")
    await listen(player, house, await house.record(number="0457654321"))
    await until(player, READY)
    assert await player.input_value("[data-do=speed]") == "1.5"
    assert await player.evaluate("document.querySelector('audio').playbackRate") == 1.5
    assert await player.is_checked("[data-do=skip]")


async def test_the_first_key_plays_and_keys_count_after_a_click_beside_the_controls(player: Page) -> None:
    assert await player.evaluate("document.activeElement.dataset.do") == "play"
    await player.keyboard.press("Space")
    await until(player, f"!{PAUSED}")
    await player.click("#player h2")
    await player.keyboard.press("Space")
    assert await player.evaluate(PAUSED)
    await player.keyboard.press("5")
    assert await at(player) == pytest.approx(LENGTH / 2, abs=0.1)


async def test_what_has_no_waveform_is_heard_all_the_same(page: Page, house: House) -> None:
    made = await house.record(number="0457654322", length=timedelta(seconds=6))

    async def damaged(route: Route) -> None:
        await route.fulfill(status=409, json={"error": {"code": "sealed_damaged", "message": "It is damaged."}})

    await page.route("**/peaks", damaged)
    await listen(page, house, made)
    await until(page, READY)
    await until(page, "document.querySelector('[data-told]').textContent.startsWith('There is no waveform')")
    assert await page.locator("[data-do=skip]").is_disabled()
    assert await page.locator("p[data-failed]").is_hidden()
    await play(page)


@pytest.mark.parametrize("seconds", [0.2, 0.5])
async def test_a_recording_of_a_moment_is_played_to_its_end(page: Page, house: House, seconds: float) -> None:
    await listen(page, house, await house.record(number="0457654323", length=timedelta(seconds=seconds)))
    await until(page, READY)
    await page.keyboard.press("Space")
    await until(page, "document.querySelector('audio').ended")
    assert await page.locator("p[data-failed]").is_hidden()


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "5 seconds of 24 seconds"),
        ("fi", "5 sekuntia / 24 sekuntia"),
        ("sv", "5 sekunder av 24 sekunder"),
    ],
)
async def test_the_time_is_read_out_in_words_of_the_language(
    house: House, contexts: Contexts, recorded: Recorded, language: str, told: str
) -> None:
    page = await (await contexts.open()).new_page()
    await house.log_in(page, await house.enrol(Role.SUPERVISOR, f"listener-{language}", language))
    await listen(page, house, recorded)
    await until(page, READY)
    assert await page.get_attribute("html", "lang") == language
    assert str(await page.get_attribute(".wave", "aria-valuetext")).startswith("0 ")
    await page.focus(".wave")
    await page.keyboard.press("ArrowRight")
    assert await page.get_attribute(".wave", "aria-valuetext") == told


async def test_without_scripts_the_browser_plays_it(house: House, contexts: Contexts, recorded: Recorded) -> None:
    page = await (await house.signed_in(contexts, Role.SUPERVISOR, java_script_enabled=False)).new_page()
    await listen(page, house, recorded)
    assert await page.locator("audio[controls]").is_visible()
    assert not await page.locator(".made").is_visible()
    assert await page.locator(".marks li").count() == 2


async def test_a_session_that_ended_stops_what_is_heard(page: Page, house: House, recorded: Recorded) -> None:
    await page.clock.install()
    await listen(page, house, recorded)
    await until(page, READY)
    await play(page)
    await page.context.clear_cookies()
    await page.clock.fast_forward(20_000)
    failed = page.locator("p[data-failed]")
    await failed.wait_for()
    assert "log in" in (await failed.inner_text()).lower()
    assert await page.evaluate(PAUSED)
    assert not await page.evaluate("document.querySelector('audio').hasAttribute('src')")
    assert await page.locator("[data-do=play]").is_disabled()


async def test_a_locked_keyring_is_told(player: Page, house: House) -> None:
    house.site.keyring.lock()
    try:
        await player.reload()
        failed = player.locator("p[data-failed]")
        await failed.wait_for()
        assert "keyring" in await failed.inner_text()
        assert await player.locator("[data-do=play]").is_disabled()
    finally:
        house.site.keyring.unlock(root_key=house.config.root_key())


async def test_a_link_in_a_mail_leads_to_the_page_when_one_is_logged_in(page: Page, house: House) -> None:
    wanted = f"{house.address}/recordings"

    # Another site: not the name that the page is served under.
    async def mail(route: Route) -> None:
        await route.fulfill(content_type="text/html", body=f'<!doctype html><a href="{wanted}">Look</a>')

    await page.route("https://127.0.0.1:1/**", mail)
    await page.goto("https://127.0.0.1:1/")
    await page.click("a")
    await page.wait_for_selector("h1:has-text('Recordings')")
    assert page.url == wanted
