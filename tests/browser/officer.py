"""A privacy officer's work with cases, in a browser: forms are found by where they are sent and filled in by the names
of their fields, so that it is the same in every language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page

from tests.people import Person

Values = Mapping[str, str | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """As it is shown once."""

    link: str
    passphrase: str


@dataclass(slots=True, kw_only=True)
class Officer:
    page: Page
    address: str
    person: Person

    async def log_in(self) -> None:
        await self.page.goto(f"{self.address}/login")
        await self.page.fill("main input[name=name]", self.person.name)
        await self.page.fill("main input[name=password]", self.person.password)
        await self._sent(self.page.locator("main form button").first)
        await self._code()

    async def _code(self) -> None:
        await self.page.fill("main input[name=code]", self.person.code())
        await self._sent(self.page.locator("main form:has(input[name=code]) button").first)

    async def look(self, path: str) -> None:
        """A page, with a fresh code where it wants one."""
        await self.page.goto(self.address + path)
        if await self.page.locator("main input[name=code]").count():
            await self._code()
            await self.page.goto(self.address + path)

    async def told(self, path: str) -> Any:
        """What the page says, as data."""
        answer = await self.page.request.get(f"{self.address}{path}?format=json")
        assert answer.ok, await answer.text()
        return await answer.json()

    async def fill(self, action: str, values: Values, *, button: str = "button", having: str = "") -> None:
        """The form that is sent to `action`, on the page that is shown; `having`: of several, the one with this in it;
        `button`: which one is pressed."""
        form = self.page.locator(f'main form[action="{action}"]' + (f":has({having})" if having else ""))
        for details in await form.locator("xpath=ancestor::details[not(@open)]").all():
            await details.locator("summary").first.click()
        for name, value in values.items():
            field = form.locator(f'[name="{name}"]').first
            if isinstance(value, bool):
                await field.set_checked(value)
            elif await field.evaluate("field => field.tagName") == "SELECT":
                await field.select_option(value)
            else:
                await field.fill(value)
        await self._sent(form.locator(button).last)

    async def _sent(self, button: Locator) -> None:
        """What was sent is answered: a page that refuses it says so."""
        async with self.page.expect_navigation():
            await button.click()
        refused = self.page.locator("main .notice.refused")
        assert not await refused.count(), await refused.first.inner_text()

    # --- a case

    async def open(self, values: Values) -> str:
        """The address of the case."""
        await self.look("/cases")
        await self.fill("/cases", values)
        return self.page.url.removeprefix(self.address).partition("?")[0]

    async def step(self, case: str, name: str, values: Values | None = None, *, button: str = "button") -> None:
        """On the page of the case."""
        await self.look(case)
        await self.fill(f"{case}/{name}", values or {}, button=button)

    async def matched(self, case: str, recording_id: str) -> None:
        """Who asks has proved who they are, and the one call is theirs."""
        await self.step(case, "identity", {"method": "in-person", "proved": "true"})
        await self.step(case, "calls", button=f'button[name="theirs"][value="{recording_id}"]')

    async def decide(self, case: str, values: Values) -> None:
        await self.look(f"{case}/decision")
        await self.fill(f"{case}/decision", values)

    async def pack(self, case: str) -> Delivered:
        await self.look(f"{case}/package")
        await self.fill(f"{case}/package", {})
        link, passphrase = [await self.page.inner_text(f"#{name}") for name in ("link", "passphrase")]
        return Delivered(link=link, passphrase=passphrase)


async def fetch(context: BrowserContext, address: str, delivered: Delivered, target: Path) -> None:
    """By the person, who has no account here."""
    page = await context.new_page()
    await page.goto(address + "/delivery/" + delivered.link.rpartition("/")[2])
    await page.fill("input[name=passphrase]", delivered.passphrase)
    async with page.expect_download() as coming:
        await page.press("input[name=passphrase]", "Enter")
    await (await coming.value).save_as(target)
