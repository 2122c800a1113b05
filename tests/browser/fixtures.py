"""One browser for each worker, and a fresh context for each test; what a failed test saw is kept.

    failed/<test>/page-1.png, page-1.html, trace.zip      .venv/bin/playwright show-trace trace.zip

A folder's conftest.py says `from tests.browser.fixtures import browser, context, page`; its test modules say
`pytestmark = pytest.mark.asyncio(loop_scope="session")`, because a browser lives in one event loop.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page
from playwright.async_api import Error as BrowserError

from ari_recorder.storage.embedded import EmbeddedPostgres
from tests.browser.chromium import chromium
from tests.browser.house import House, open_house
from tests.database import fresh

FAILED = Path(__file__).parent / "failed"
PATIENCE = 10_000  # ms; a page of ours takes 50, a machine that does other things at the same time is slow
LOOPBACK = {"127.0.0.1", "localhost"}
WITHOUT_A_HOST = {"data", "blob", "about"}

outcome = pytest.StashKey[bool]()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium(tmp_path_factory.mktemp("browser-home")) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async for dsn in fresh(postgres):
        async with open_house(tmp_path_factory.mktemp("house"), dsn) as house:
            yield house


class Contexts:
    """Contexts of one test, each a person's browser of its own: no cookie is shared."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open: list[BrowserContext] = []
        self._asked: list[str] = []

    async def open(self, **settings: object) -> BrowserContext:
        # The certificate of a test is self-made; that it is the service's own is another test's question.
        wanted = {"ignore_https_errors": True, "reduced_motion": "reduce", **settings}
        context = await self._browser.new_context(**wanted)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self._asked.append(request.url))
        await context.tracing.start(snapshots=True)
        self._open.append(context)
        return context

    @property
    def asked_beyond(self) -> list[str]:
        """Addresses beyond this machine that pages asked for."""
        addresses = map(urlsplit, self._asked)
        return [a.geturl() for a in addresses if a.scheme not in WITHOUT_A_HOST and a.hostname not in LOOPBACK]

    async def close(self, keep_in: Path | None) -> None:
        for number, context in enumerate(self._open, 1):
            if keep_in is None:
                await context.tracing.stop()
            else:
                await _keep(context, keep_in, number)
            await context.close()


async def _keep(context: BrowserContext, folder: Path, number: int) -> None:
    for at, page in enumerate(context.pages, 1):
        with contextlib.suppress(BrowserError):  # a page that hangs has no picture; the trace tells
            await page.screenshot(path=folder / f"page-{number}-{at}.png", full_page=True, timeout=5_000)
            (folder / f"page-{number}-{at}.html").write_text(await page.content())
    await context.tracing.stop(path=folder / f"trace-{number}.zip")


@pytest_asyncio.fixture(loop_scope="session")
async def contexts(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Contexts]:
    folder = FAILED / re.sub(r"\W+", "-", request.node.name).strip("-")
    shutil.rmtree(folder, ignore_errors=True)
    contexts = Contexts(browser)
    yield contexts
    await contexts.close(None if request.node.stash.get(outcome, False) else folder)
    assert not contexts.asked_beyond


@pytest_asyncio.fixture(loop_scope="session")
async def context(contexts: Contexts) -> BrowserContext:
    return await contexts.open()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()
