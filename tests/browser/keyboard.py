"""Somebody who has a keyboard and no mouse, and reads the page in their own language.

    keys = Keyboard(page, words.text)                  # names are the English sentences; the page is in any language
    await keys.write("Password", person.password)      # Tab until there, then type
    await keys.press("Log in")                         # Tab until there, then Enter; waits for the next page

Each stop on the way must be seen: it has a focus ring and lies in the window. Whoever cannot get somewhere is told
where they could.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from playwright.async_api import Page

MOST_STOPS = 150  # a page with more would take its user a minute

# The name a screen reader would say, what kind of control it is, and whether somebody sees that it has the focus.
STOP = """() => {
    const element = document.activeElement
    if (!element || element === document.body || element === document.documentElement) return null
    const words = id => document.getElementById(id)?.innerText ?? ''
    const labelled = element.getAttribute('aria-labelledby')
    const name = (labelled && labelled.split(/\\s+/).map(words).join(' '))
        || element.getAttribute('aria-label')
        || (element.labels?.length && [...element.labels].map(label => label.innerText).join(' '))
        || element.innerText || element.value || element.title || ''
    const style = getComputedStyle(element), box = element.getBoundingClientRect()
    return {
        name: name.replace(/\\s+/g, ' ').trim(),
        kind: element.getAttribute('role') || element.localName,
        ringed: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none',
        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    }
}"""


class Lost(AssertionError):
    """A control cannot be reached or its focus cannot be seen."""


class Keyboard:
    def __init__(self, page: Page, text: Callable[[str], str] = str) -> None:
        self.page = page
        self._text = text

    async def go_to(self, name: str, *, kind: str = "") -> None:
        """Tab until the control of that name has the focus; from where one is, round once."""
        wanted = " ".join(self._text(name).split())
        stop = await self.page.evaluate(STOP)
        passed: list[str] = []
        for _ in range(MOST_STOPS):
            if stop is not None:
                if stop["name"].startswith(wanted) and kind in ("", stop["kind"]):
                    return
                passed.append(f"{stop['kind']} {stop['name']!r}")
            await self.page.keyboard.press("Tab")
            stop = await self.page.evaluate(STOP)
            if stop is not None and not (stop["ringed"] and stop["inside"]):
                raise Lost(f"{self.page.url}: {stop['name']!r} has the focus, and nobody sees it: {stop}")
        told = "\n  ".join(dict.fromkeys(passed))
        raise Lost(f"{self.page.url}: no way by keyboard to {wanted!r} {kind}. One passes:\n  {told}")

    async def write(self, label: str, text: str) -> None:
        await self.go_to(label)
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.type(text)

    async def write_day(self, label: str, day: date) -> None:
        """A date is typed in the order its field shows; that depends on the browser's language."""
        await self.go_to(label)
        for order in ("%d%m%Y", "%m%d%Y", "%Y%m%d"):
            for _ in range(3):
                await self.page.keyboard.press("ArrowLeft")
            await self.page.keyboard.type(day.strftime(order))
            if await self.page.evaluate("document.activeElement.value") == day.isoformat():
                return
        raise Lost(f"{self.page.url}: {label!r} does not take {day}")

    async def open(self, name: str) -> None:
        """What is folded up, with Enter on its name."""
        await self.go_to(name, kind="summary")
        if not await self.page.evaluate("document.activeElement.parentElement.open"):
            await self.page.keyboard.press("Enter")

    async def press(self, name: str, *, kind: str = "", key: str = "Enter") -> None:
        """Enter on a link or button that leads to a page; the page is there afterwards."""
        await self.go_to(name, kind=kind)
        async with self.page.expect_navigation(wait_until="load"):
            await self.page.keyboard.press(key)

    async def choose(self, label: str, option: str) -> None:
        """An option of a list: its first letters are typed, as in every list of a browser."""
        await self.go_to(label)
        await self.page.keyboard.type(self._text(option))
        chosen = await self.page.evaluate("document.activeElement.selectedOptions?.[0]?.innerText.trim()")
        if chosen != self._text(option):
            raise Lost(f"{self.page.url}: {label!r} says {chosen!r}, not {self._text(option)!r}")

    async def pick(self, name: str) -> None:
        """A radio button or check box, by Space; the arrows lead through a group of radio buttons."""
        wanted = self._text(name)
        for _ in range(MOST_STOPS):
            stop = await self.page.evaluate(STOP)
            if stop is not None and stop["name"].startswith(wanted):
                if not await self.page.evaluate("document.activeElement.checked"):
                    await self.page.keyboard.press("Space")
                return
            is_radio = await self.page.evaluate("document.activeElement.type === 'radio'")
            last = is_radio and await self.page.evaluate(
                "(() => { const e = document.activeElement, all = [...e.form.elements].filter(o => o.name === e.name);"
                " return all.at(-1) === e })()"
            )
            await self.page.keyboard.press("ArrowDown" if is_radio and not last else "Tab")
        raise Lost(f"{self.page.url}: no way by keyboard to {wanted!r}")
