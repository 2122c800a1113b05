"""Run in the network of a host (host.py): somebody at the page of its service, with a browser and an authenticator.

python -m tests.hosts.first_listener FOLDER enrol NAME TOKEN     prints what they have now, as JSON
python -m tests.hosts.first_listener FOLDER listen NUMBER        reads that, and prints what they heard
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ari_recorder.web import languages
from tests.browser.chromium import chromium
from tests.browser.contexts import Contexts
from tests.browser.work import Work
from tests.people import MARGIN, STEP, ClocksAhead, Person

ADDRESS = "https://localhost:8443"
INDEXED_WITHIN = 40  # s; the service looks for calls of just now every 30


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[Work]:
    async with chromium(folder / "browser") as browser:
        contexts = Contexts(browser)
        page = await (await contexts.open(locale="en")).new_page()
        try:
            yield Work(page, ADDRESS, languages.load()["en"].text)
        finally:
            await contexts.close(folder)


async def enrol(folder: Path, name: str, token: str) -> dict[str, Any]:
    # The service's clock is nobody's to set: begin where a code is good for long enough to be typed.
    if time.time() % STEP > STEP - 2 * MARGIN:
        await asyncio.sleep(STEP - time.time() % STEP)
    async with at_work(folder) as work:
        person = await work.enrol(name, token, ClocksAhead())
    return {"name": name, "password": person.password, "secret": person.secret, "last_step": person.last_step}


async def listen(folder: Path, number: str) -> dict[str, Any]:
    has = json.loads(sys.stdin.read())
    # A code counts once.
    await asyncio.sleep(max(0.0, (has["last_step"] + 1) * STEP + 1 - time.time()))
    async with at_work(folder) as work:
        await work.log_in(Person(**has, clocks=ClocksAhead()))
        await work.find(number, within=INDEXED_WITHIN)
        return asdict(await work.listen())


if __name__ == "__main__":
    place, what, *words = sys.argv[1:]
    done = enrol(Path(place), *words) if what == "enrol" else listen(Path(place), *words)
    print(json.dumps(asyncio.run(done)))
