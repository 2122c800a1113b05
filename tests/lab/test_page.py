"""A call of the real PBX on the page of the real service, in a real browser: nothing between them is played."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ari_recorder.domain.accounts import Role
from tests.browser.contexts import Contexts
from tests.browser.work import Work, assert_heard, assert_logged
from tests.lab.asterisk import free_port
from tests.lab.demo import STORIES, enrol_everybody, place
from tests.lab.lab import Lab
from tests.lab.service import running_service
from tests.people import STEP, ClocksAhead

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

NUMBER = "0401000042"
INDEXED_WITHIN = 35  # s; the service looks for calls of just now every 30


async def early_in_a_step() -> None:
    """The service has no clock of the test: a code has to be of its time."""
    if time.time() % STEP > STEP / 2:
        await asyncio.sleep(STEP - time.time() % STEP)


async def test_the_flagged_call_of_the_demo_is_heard_and_held_without_a_mouse(
    lab: Lab, contexts: Contexts, tmp_path: Path
) -> None:
    port = free_port(socket.SOCK_STREAM)
    async with running_service(lab, tmp_path / "service", web_port=port) as service:
        story = next(story for story in STORIES if story.flagged)
        uniqueid = await place(lab, story, NUMBER)
        people = await enrol_everybody(service)
        supervisor, auditor = (replace(people[role], clocks=ClocksAhead()) for role in (Role.SUPERVISOR, Role.AUDITOR))
        await service.settled([uniqueid])
        recording = (await service.recordings())[0]
        flag = next(mark for mark in (await service.command("recordings", "show", recording["id"]))["marks"])

        page = await (await contexts.open(locale="en")).new_page()
        work = Work(page, service.address, str)
        await early_in_a_step()
        await work.log_in(supervisor)
        await work.find(NUMBER, within=INDEXED_WITHIN)
        assert recording["id"] in page.url
        heard = await work.listen()
        assert_heard(heard)
        assert abs(heard.flag_at - flag["offset"]) < 0.01
        assert heard.length > 4
        await work.hold(date.today() + timedelta(days=90))  # noqa: DTZ011
        await work.keys.press("Log out")
        await early_in_a_step()
        await work.log_in(auditor)
        about_it = await work.read_log("To what", f"recording:{recording['id']}")
        assert_logged(about_it, "recording:view", "recording:play", "recording:played")
        assert_logged(await work.read_log("Who", supervisor.name), "recording:search", "recording:play", "hold:place")
