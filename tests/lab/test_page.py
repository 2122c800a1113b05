"""Calls of the real PBX on the page of the real service, in a real browser: nothing between them is played."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ari_recorder import config
from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.services import connect
from ari_recorder.web import languages
from tests.browser.contexts import Contexts
from tests.browser.work import Work, assert_heard, assert_logged
from tests.lab.asterisk import free_port
from tests.lab.demo import STORIES, place
from tests.lab.lab import Lab
from tests.lab.service import RECORDED, Service, running_service
from tests.people import APPROVER, STEP, ClocksAhead, enrol, invite, open_desk

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

# Who called, for whom, and by which number: three calls at once, each with an agent.
CALLS = {"fi": ("0401000042", "0195202000"), "sv": ("0401000043", "0195202000"), "en": ("0401000044", "0195202001")}
INDEXED_WITHIN = 35  # s; the service looks for calls of just now every 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A running service with a flagged call for each language: its recording as the command line shows it."""

    service: Service
    recordings: dict[str, dict[str, Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def flagged(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The demo's own story, played by a caller for each language."""
    port = free_port(socket.SOCK_STREAM)
    folder = tmp_path_factory.mktemp("page") / "service"
    # A code of the steps beside counts, too: whoever enrolled with the one before logs in at once with that of now.
    async with running_service(lab, folder, web_port=port, **{"accounts.code_steps": "1"}) as service:
        story = next(story for story in STORIES if story.flagged)
        uniqueids = await asyncio.gather(
            *(place(lab, replace(story, number=number), caller) for caller, number in CALLS.values())
        )
        await service.settled(uniqueids)
        shown = [await service.command("recordings", "show", one["id"]) for one in await service.recordings()]
        yield Place(
            service=service,
            recordings={
                language: next(one for one in shown if one["uniqueid"] == uniqueid)
                for language, uniqueid in zip(CALLS, uniqueids, strict=True)
            },
        )


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_flagged_call_of_the_demo_is_heard_and_held_without_a_mouse(
    flagged: Place, contexts: Contexts, language: str
) -> None:
    recording = flagged.recordings[language]
    flag = next(mark for mark in recording["marks"] if mark["kind"] == "threat")
    settings = config.load(flagged.service.config)
    walker = f"walker-{language}"
    earlier = ClocksAhead(timedelta(minutes=-1))
    async with connect.database(settings) as database:
        await open_desk(connect.people(settings, database, ClocksAhead()), RECORDED)
        token = await invite(connect.people(settings, database, ClocksAhead()), Role.SUPERVISOR, walker, language)
        desk = connect.people(settings, database, earlier)
        auditor = await enrol(desk, Role.AUDITOR, earlier, f"reader-{language}", language)

    page = await (await contexts.open(locale=language)).new_page()
    work = Work(page, flagged.service.address, languages.load()[language].text)
    supervisor = await work.enrol(walker, token, ClocksAhead(timedelta(seconds=-STEP)))
    async with connect.database(settings) as database:
        await connect.people(settings, database).accounts.confirm(walker, "came in person", APPROVER)
    await work.log_in(replace(supervisor, clocks=ClocksAhead()))
    assert await page.get_attribute("html", "lang") == language
    await work.find(CALLS[language][0], within=INDEXED_WITHIN)
    assert recording["id"] in page.url
    heard = await work.listen()
    assert_heard(heard)
    assert abs(heard.flag_at - flag["offset"]) < 0.01
    assert heard.length > 4
    await work.hold(date.today() + timedelta(days=90))  # noqa: DTZ011
    await work.keys.press("Log out")
    await work.log_in(replace(auditor, clocks=ClocksAhead()))
    about_it = await work.read_log("To what", f"recording:{recording['id']}")
    assert_logged(about_it, "recording:view", "recording:play", "recording:played")
    by_them = await work.read_log("Who", walker)
    assert_logged(by_them, "account:enrol", "recording:search", "recording:play", "hold:place", "session:logout")


async def test_the_service_keeps_what_its_privacy_notice_promises(flagged: Place) -> None:
    """Beside a real PBX, with calls recorded, and for all that people did above."""
    checked = await flagged.service.command("notice", "check")
    states = {one["name"]: one["state"] for one in checked["promises"]}
    assert states.pop("published-copy") == "unknown", "nothing is published"
    assert set(states.values()) == {"kept"}, checked
