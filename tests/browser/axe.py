"""Whether everybody can use a page: axe-core's rules, and that nothing is lost when the page is narrow or large.

async for way in ways_of_seeing(page):       # light, dark, 320 px, 200 % zoom, text of twice the size
    await assert_usable(page)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]

RUN = """rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(found => found.violations.map(
    rule => ({rule: rule.id, help: rule.help, impact: rule.impact,
              where: rule.nodes.map(node => node.target.join(' ') + ': ' + node.failureSummary)})))"""

# What can be pressed or typed into, and begins or ends where nobody can scroll to.
OUT_OF_REACH = """() => {
    // A table may be wider than the window in a box of its own that scrolls (WCAG 1.4.10 lets tables do so).
    const scrolls = box => box && box !== document.documentElement && (
        (box.scrollWidth > box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX))
        || scrolls(box.parentElement))
    return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter(element => element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}))
    .filter(element => {
        const box = element.getBoundingClientRect()
        // 1 px: what is hidden from eyes only, for screen readers
        return box.width > 1 && (box.left < -1 || box.right > document.documentElement.clientWidth + 1)
            && !scrolls(element.parentElement)
    }).map(element => element.outerHTML.slice(0, 120))
}"""

# Two things of one id: a label leads to the first of them, whichever it stands beside.
TWICE = """() => { const ids = [...document.querySelectorAll('[id]')].map(element => element.id)
    return ids.filter((id, at) => ids.indexOf(id) !== at) }"""

WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

WIDEST = """() => [...document.querySelectorAll('body *')]
    .filter(element => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(element => element.outerHTML.slice(0, 100)).slice(-3)"""


class Way(StrEnum):
    """How somebody looks at a page. WCAG 2.1: 1.4.3 contrast, 1.4.4 text of 200 %, 1.4.10 reflow at 320 px."""

    LIGHT = "light"
    DARK = "dark"
    NARROW = "320 px"
    ZOOMED = "200 % zoom"
    LARGE_TEXT = "200 % text"


async def ways_of_seeing(page: Page) -> AsyncIterator[Way]:
    """The page in each way, one after the other; as it was at the end."""
    before = page.viewport_size or {"width": 1280, "height": 720}
    yield Way.LIGHT
    await page.emulate_media(color_scheme="dark")
    yield Way.DARK
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 320, "height": 640})
    yield Way.NARROW
    await page.set_viewport_size({"width": before["width"] // 2, "height": before["height"] // 2})
    yield Way.ZOOMED  # what a browser does at 200 %: half as many CSS pixels
    await page.set_viewport_size(before)
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    yield Way.LARGE_TEXT
    await page.evaluate("document.documentElement.style.fontSize = ''")


# What can differ from the page in light: the rest is the same document, and would be told twice. On a narrow page
# tables are cards and things lie below each other, so all rules are tried there too.
RULES_OF = {
    Way.DARK: {"type": "rule", "values": ["color-contrast"]},
    Way.ZOOMED: None,
    Way.LARGE_TEXT: None,
}


async def violations(page: Page, way: Way = Way.LIGHT) -> list[dict[str, Any]]:
    """What axe-core finds wrong in the page as it is now."""
    rules = RULES_OF.get(way, {"type": "tag", "values": RULES})
    if rules is None:
        return []
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = await page.evaluate(RUN, rules)
    return found


async def assert_usable(page: Page, way: Way = Way.LIGHT) -> None:
    """No rule of axe-core is broken, nothing scrolls sideways, every control can be reached."""
    found = await violations(page, way)
    told = "\n".join(
        f"{rule['rule']} ({rule['impact']}): {rule['help']}\n  " + "\n  ".join(rule["where"]) for rule in found
    )
    assert not found, f"{way} {page.url}\n{told}"
    twice = await page.evaluate(TWICE)
    assert not twice, f"{page.url}: ids that are there twice: {twice}"
    too_wide = await page.evaluate(WIDE)
    assert too_wide <= 0, f"{way} {page.url} is {too_wide} px too wide: {await page.evaluate(WIDEST)}"
    lost = await page.evaluate(OUT_OF_REACH)
    assert not lost, f"{way} {page.url}: out of reach: {lost}"
