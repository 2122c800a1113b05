"""A day's work with a keyboard and no mouse: enrol, log in, find, listen, hold, and the auditor who sees it all.

Everything is asked of the page alone, in any language, so it can be any running service: tests/browser/house.py has
one, tests/lab/service.py another.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from playwright.async_api import Page

from tests.browser.contexts import PATIENCE
from tests.browser.keyboard import Keyboard
from tests.people import ClocksAhead, Person

REFERENCE = "VN-2026-17"
REASON = "The caller threatened an adviser."
SLACK = 0.3  # s between a mark and where the audio went for it

LOOK_EVERY = 20  # ms

AUDIO = "document.querySelector('audio')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What somebody who listened was shown and heard. Times in seconds of the audio."""

    played: float
    half: float
    length: float
    flag_at: float
    flag_said: str
    at_flag: float


class Work:
    def __init__(self, page: Page, address: str, text: Callable[[str], str]) -> None:
        self.page = page
        self.keys = Keyboard(page, text)
        self._address = address
        self._text = text

    async def enrol(self, name: str, token: str, clocks: ClocksAhead) -> Person:
        """From the link of the invitation to the log-in form."""
        await self.page.goto(f"{self._address}/invitation/{token}")
        secret = (await self.page.inner_text("main code")).replace(" ", "")
        person = Person(name=name, password=secrets.token_hex(10), secret=secret, clocks=clocks)
        await self.keys.write("The code it shows now", person.code())
        await self.keys.write("Password", person.password)
        await self.keys.write("The same password again", person.password)
        await self.keys.press("Begin", kind="button")
        assert await self.page.locator(".codes li").count() == 10
        await self.keys.press("I have them; log in")
        return person

    async def log_in(self, person: Person) -> None:
        if "/login" not in self.page.url:
            await self.page.goto(f"{self._address}/login")
        await self.keys.write("User name", person.name)
        await self.keys.write("Password", person.password)
        await self.keys.press("Next")
        await self.keys.write("Code", person.code())
        await self.keys.press("Log in", kind="button")

    async def find(self, number: str, *, within: float = 0) -> None:
        """By the exact number of the caller; the first that is found is opened. `within`: s a call of just now takes
        until it can be found."""
        until = time.monotonic() + within
        found = self.page.locator(".table tbody a").first
        await self.keys.press("Recordings", kind="a")
        while True:
            await self.keys.write("Caller's number", number)
            await self.keys.press("Search", kind="button")
            if await found.count() or time.monotonic() > until:
                break
            await asyncio.sleep(1)
        await self.keys.press(await found.inner_text(), kind="a")

    async def listen(self) -> Heard:
        """From the purpose to the flag: play, pause, half of it, the mark before."""
        keys = self.keys
        await keys.choose("What do you listen for?", "The safety of an adviser")
        await keys.write("Case number", REFERENCE)
        await keys.press("Listen", kind="button")
        assert await self.page.evaluate(f"{AUDIO}.paused"), "it begins by itself"
        await keys.go_to("Play", kind="button")
        await self.page.keyboard.press("Enter")
        await self._until(f"{AUDIO}.currentTime > 0.5")
        await keys.go_to("Pause", kind="button")
        await self.page.keyboard.press("Enter")
        played = await self._at()
        await keys.go_to("Place in the audio")
        await self.page.keyboard.press("5")
        half = await self._at()
        mark = self.page.locator('.marks [data-kind="threat"]')
        said = await mark.inner_text()
        await keys.go_to(said, kind="button")
        await self.page.keyboard.press("Enter")
        return Heard(
            played=played,
            half=half,
            length=await self.page.evaluate(f"{AUDIO}.duration"),
            flag_at=float(await mark.get_attribute("data-at") or "-1"),
            flag_said=said,
            at_flag=await self._at(),
        )

    async def _at(self) -> float:
        await self._until(f"!{AUDIO}.seeking")
        return float(await self.page.evaluate(f"{AUDIO}.currentTime"))

    async def _until(self, expression: str) -> None:
        """Asked from outside: the page's policy lets no text become script."""
        for _ in range(PATIENCE // LOOK_EVERY):
            if await self.page.evaluate(expression):
                return
            await asyncio.sleep(LOOK_EVERY / 1000)
        raise TimeoutError(expression)

    async def hold(self, review_on: date) -> None:
        """The call whose player is shown."""
        keys = self.keys
        await keys.press("I have done", kind="button")
        await keys.open("Hold this call")
        await keys.write("Reason", REASON)
        await keys.write("Case number", REFERENCE)
        await keys.write("Who looks after it", "Sten Supervisor")
        await keys.write_day("To be looked at again on", review_on)
        await keys.press("Hold this call", kind="button")
        assert await self.page.locator(".badge", has_text=self._text("Held")).count(), await self.page.inner_text(
            "main"
        )

    async def read_log(self, field: str, asked: str) -> list[str]:
        """What the log says when one of its fields is filled in, the oldest first; for an auditor."""
        await self.keys.press("Audit log", kind="a")
        await self.keys.write(field, asked)
        await self.keys.press("Search", kind="button")
        said = await self.page.locator(".table:has(code) tbody tr").all_inner_texts()
        return said[::-1]


def assert_logged(entries: list[str], *actions: str) -> None:
    """In that order."""
    left = iter(entries)
    for action in actions:
        assert any(action in entry for entry in left), (action, entries)


def assert_heard(heard: Heard) -> None:
    assert heard.played > 0.5
    assert abs(heard.half - heard.length / 2) < SLACK
    assert abs(heard.at_flag - heard.flag_at) < SLACK
