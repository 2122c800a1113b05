"""`make screenshots`: a picture of every page in docs/screenshots, as whoever works with it sees it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from ari_recorder import logs
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from tests.browser.chromium import chromium
from tests.browser.contexts import Contexts
from tests.browser.house import open_house, pages, visitor

TARGET = Path(__file__).parents[2] / "docs" / "screenshots"
SIZE = {"width": 1200, "height": 750}


async def take(folder: Path, target: Path) -> None:
    server = EmbeddedPostgres(folder / "database", folder / "logs")
    dsn = await server.start()
    try:
        async with Database(dsn) as database:
            await migrate(database)
        (folder / "house").mkdir()
        async with open_house(folder / "house", dsn) as house, chromium(folder) as browser:
            contexts = Contexts(browser)
            for route in pages():
                role = visitor(route)
                look = {"viewport": SIZE, "locale": "en-GB"}
                context = await (contexts.open(**look) if role is None else house.signed_in(contexts, role, **look))
                page = await context.new_page()
                await house.visit(page, route)
                await page.screenshot(path=target / f"{route.name}.png", full_page=True)
                print(f"{route.name}.png")
            await contexts.close(None)
    finally:
        await server.stop()


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    logs.set_up(level="warning", json_lines=False)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ari-recorder-screenshots-") as folder:
        asyncio.run(take(Path(folder), target))


if __name__ == "__main__":
    main()
