"""`make screenshots`: a picture of every page in docs/screenshots, as whoever works with it sees it.

Those that the README shows (KEPT) are in git, the others are not. All of it is made up: tests/browser/scenery.py.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ari_recorder import logs
from ari_recorder.domain.accounts import Role
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from ari_recorder.web.asked import Route
from tests.browser.chromium import chromium
from tests.browser.contexts import Contexts
from tests.browser.house import House, open_house, pages, visitor
from tests.browser.scenery import QUEUES, set_scene

TARGET = Path(__file__).parents[2] / "docs" / "screenshots"
SIZE = {"width": 1200, "height": 800}
# Lists begin below their search: the window is higher, or begins where the list does.
HIGHER = {"recordings": 1250}
FROM = {"audit": "main table"}
LONG_AGO = timedelta(days=20)  # the two calls every house has are at the end of each list
# Name of the route, language: these show the page in the README, no higher than the window.
KEPT = (
    ("recordings", "en"),
    ("listening", "fi"),
    ("recording", "sv"),
    ("review", "en"),
    ("ledger", "en"),
    ("audit", "en"),
)


async def take(folder: Path, target: Path) -> None:
    server = EmbeddedPostgres(folder / "database", folder / "logs")
    dsn = await server.start()
    try:
        async with Database(dsn) as database:
            await migrate(database)
        (folder / "house").mkdir()
        async with (
            open_house(folder / "house", dsn, QUEUES, datetime.now(UTC) - LONG_AGO) as house,
            chromium(folder) as browser,
        ):
            scene = await set_scene(house)
            house = replace(house, recorded=scene.talk)
            contexts = Contexts(browser)
            for route in pages():
                await _picture(house, contexts, route, "en", target)
            for name, language in KEPT:
                if language != "en":
                    route = next(one for one in pages() if one.name == name)
                    await _picture(house, contexts, route, language, target)
            await contexts.close(None)
    finally:
        await server.stop()


async def _picture(house: House, contexts: Contexts, route: Route, language: str, target: Path) -> None:
    role = SEEN_BY.get(route.name, visitor(route))
    look = {
        "viewport": {**SIZE, "height": HIGHER.get(route.name, SIZE["height"])},
        "locale": "en-GB" if language == "en" else language,
    }
    context = await (contexts.open(**look) if role is None else house.signed_in(contexts, role, **look))
    page = await context.new_page()
    if language != "en":
        await page.goto(f"{house.address}/accessibility")
        await page.click(f"button[name=language][value={language}]")
    await house.visit(page, route, role)
    if route.name == "listening":
        await page.wait_for_selector(".made:not([hidden])")
        await page.wait_for_timeout(500)  # the peaks arrive and are drawn
    if route.name in FROM:
        await page.locator(FROM[route.name]).last.evaluate("element => element.scrollIntoView()")
    shown = (route.name, language) in KEPT
    name = f"{route.name}.png" if language == "en" else f"{route.name}-{language}.png"
    await page.screenshot(path=target / name, full_page=not shown)
    if language != "en":
        await page.click("button[name=language][value=en]")
    print(name)


# Whose page it is: the first who may see it, unless somebody else sees more there.
SEEN_BY = {"recordings": Role.SUPERVISOR, "recording": Role.SUPERVISOR, "listening": Role.SUPERVISOR}


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    logs.set_up(level="warning", json_lines=False)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ari-recorder-screenshots-") as folder:
        asyncio.run(take(Path(folder), target))


if __name__ == "__main__":
    main()
