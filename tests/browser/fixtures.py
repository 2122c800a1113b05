"""One browser for each worker, and a fresh context for each test; what a failed test saw is kept.

A folder's conftest.py says `from tests.browser.fixtures import browser, context, page`; its test modules say
`pytestmark = pytest.mark.asyncio(loop_scope="session")`, because a browser lives in one event loop.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from ari_recorder.storage.embedded import EmbeddedPostgres
from tests.browser.chromium import chromium
from tests.browser.contexts import Contexts
from tests.browser.house import House, open_house
from tests.database import fresh

FAILED = Path(__file__).parent / "failed"

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
