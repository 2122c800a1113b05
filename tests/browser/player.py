"""A recorded conversation to listen to, and how somebody gets to its player."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from uuid import uuid4

from playwright.async_api import Page

from ari_recorder.domain.calls import MarkKind
from tests.browser.house import House
from tests.site import Recorded, record, tone

CALLER, AGENT = 440, 880  # Hz, each on one side only
LENGTH = 24.0  # s
THREAT, HOLD, BACK = 6.0, 10.0, 16.0
# Both are silent while the caller is on hold.
SILENT = (HOLD, BACK)


def _said(hertz: int, *spans: tuple[float, float]) -> bytes:
    samples = bytearray(2 * int(LENGTH * 8000))
    for begin, end in spans:
        sound = tone(hertz, timedelta(seconds=end - begin))
        samples[2 * int(begin * 8000) : 2 * int(begin * 8000) + len(sound)] = sound
    return bytes(samples)


async def conversation(house: House) -> Recorded:
    """Caller and agent at once for ten seconds, six of silence, and both again; a flag; a hold around the silence."""
    sides = (_said(CALLER, (0, HOLD), (BACK, LENGTH)), _said(AGENT, (0, HOLD), (BACK, LENGTH)))
    marks = ((MarkKind.THREAT, THREAT), (MarkKind.HOLD, HOLD), (MarkKind.UNHOLD, BACK))
    return await record(
        house.config,
        house.site.database,
        uniqueid=f"{uuid4().int % 10**10}.1",
        sides=sides,
        marks=tuple((kind, timedelta(seconds=at)) for kind, at in marks),
    )


async def until(page: Page, expression: str, seconds: float = 8) -> None:
    """Asked again and again from outside: the page's policy lets nobody evaluate anything inside."""
    end = asyncio.get_running_loop().time() + seconds
    while not await page.evaluate(expression):
        assert asyncio.get_running_loop().time() < end, expression
        await asyncio.sleep(0.03)


async def listen(page: Page, house: House, recorded: Recorded) -> None:
    """Says the purpose; the player is there afterwards, and silent."""
    await page.goto(f"{house.address}/recordings/{recorded.recording_id}")
    await page.select_option("select[name=purpose]", "quality")
    await page.fill("input[name=reference]", "VN-2026-7")
    await page.click("section:has(#listen) button")
    await page.wait_for_url(re.compile("/listenings/"))
