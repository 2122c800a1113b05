"""An order that comes twice is one: whoever got no answer sends the same form, or the same key, again."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from aiohttp import ClientResponse

from ari_recorder.web.answer import ORDER_HEADER
from tests.web.test_recordings import SUPERVISOR, Browser, browser, site

__all__ = ["browser", "site"]

REVIEW = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


async def hold(browser: Browser, **more: str) -> ClientResponse:
    """Each time a request of its own."""
    browser.who = replace(SUPERVISOR, request_id=uuid4().hex[:16])
    return await browser.post(
        f"{browser.page}/holds", reason="why", reference="CASE-1", owner="Legal", review_on=REVIEW, **more
    )


async def held(browser: Browser) -> int:
    return len((await browser.json(browser.page))["recording"]["hold_ids"])


async def test_each_form_that_is_shown_is_an_order_of_its_own(browser: Browser) -> None:
    found = [re.findall(r'name="order" value="([0-9a-f-]{36})"', await (await browser.get(browser.page)).text())]
    found.append(re.findall(r'name="order" value="([0-9a-f-]{36})"', await (await browser.get(browser.page)).text()))
    orders = [order for page in found for order in page]
    assert orders
    assert len(set(orders)) == len(orders)


async def test_the_same_form_sent_again_is_carried_out_once_and_says_so(browser: Browser) -> None:
    order = str(uuid4())
    assert (await hold(browser, order=order)).status == 303
    again = await hold(browser, order=order)
    assert again.status == 409
    assert "Tämä tehtiin jo" in await again.text()
    assert await held(browser) == 1
    assert (await hold(browser, order=str(uuid4()))).status == 303
    assert await held(browser) == 2


async def test_an_order_that_was_refused_can_be_given_again(browser: Browser) -> None:
    order = str(uuid4())
    browser.who = replace(SUPERVISOR, request_id="first")
    refused = await browser.post(
        f"{browser.page}/holds", reason="why", reference="CASE-1", owner="Legal", review_on="2020-01-01", order=order
    )
    assert refused.status == 400
    assert (await hold(browser, order=order)).status == 303
    assert await held(browser) == 1


async def test_without_an_order_or_with_one_that_is_none(browser: Browser) -> None:
    assert (await hold(browser)).status == 303
    assert (await hold(browser, order="")).status == 303
    for wrong in ("1", "0" * 36, str(uuid4()).upper()):
        assert (await hold(browser, order=wrong)).status == 422
    assert await held(browser) == 2


async def test_programs_say_it_in_a_header(browser: Browser) -> None:
    key = str(uuid4())
    form = {"reason": "why", "reference": "CASE-1", "owner": "Legal", "review_on": REVIEW}
    origin = str(browser.client.make_url("/")).rstrip("/")
    statuses = []
    for _ in range(2):
        browser.who = replace(SUPERVISOR, request_id=uuid4().hex[:16])
        response = await browser.client.post(
            f"{browser.page}/holds", json=form, headers={**browser.proven(), "Origin": origin, ORDER_HEADER: key}
        )
        statuses.append(response.status)
        told = await response.json()
    assert statuses == [200, 409]
    assert told["error"]["code"] == "command_done"
    assert await held(browser) == 1
