"""Browsers of people: each context is one, with cookies of its own. What a failed test saw is kept.

failed/<test>/page-1-1.png, page-1-1.html, trace-1.zip      .venv/bin/playwright show-trace trace-1.zip
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext
from playwright.async_api import Error as BrowserError

PATIENCE = 10_000  # ms; a page of ours takes 50, a machine that does other things at the same time is slow
LOOPBACK = {"127.0.0.1", "localhost"}
WITHOUT_A_HOST = {"data", "blob", "about"}


class Contexts:
    """Contexts of one test, each a person's browser of its own: no cookie is shared."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open: list[BrowserContext] = []
        self._asked: list[str] = []

    async def open(self, **settings: object) -> BrowserContext:
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
