"""What belongs to another unit, or to another person, is changed by nobody else: every route that changes something."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from ari_recorder.domain.accounts import Permission, Role
from ari_recorder.storage.db import Database
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.routes import ROUTES
from tests.services.people import OPERATOR, PASSWORD
from tests.site import record
from tests.web.house import MACHINE, House, Visitor
from tests.web.samples import NOWHERE_ID

WHO = Role.SUPERVISOR.value
# Of these a supervisor has none, or their owner is asked for below.
NOT_OF_A_UNIT = {"account_id", "right_id", "wanted_id", "sample_id", "device_id"}
# What changes by asking alone.
OWN_BOOKS = ("session", "throttle", "credential", "known_device", "log_in", "machine_token")


def form_of(route: Route, house: House) -> dict[str, Any]:
    """Something that would be accepted."""
    review_on = str(house.people.watch.now().date() + timedelta(days=40))
    samples = {
        "reason": "a crime",
        "reference": "CASE-9",
        "owner": "Legal",
        "review_on": review_on,
        "purpose": "quality",
        "yes": "true",
        "why": "it is over",
        "field": "note",
        "value": "a note",
        "verdict": "justified",
        "colleague": NOWHERE_ID,
    }
    fields = route.form.model_fields if route.form is not None else {}
    return {name: samples[name] for name in fields if name in samples}


async def everything(database: Database) -> dict[str, str]:
    """What all tables hold, but for who was there and what is on record."""
    async with database.transaction() as conn:
        names = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        return {
            name: await conn.fetchval(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t")  # noqa: S608
            for (name,) in names
            if not name.startswith("audit") and name not in OWN_BOOKS
        }


async def of_unit(house: House) -> tuple[Visitor, dict[str, str]]:
    """A supervisor with a recording, a hold, a listening, a filter, something asked for and a session."""
    recorded = await record(house.site.config, house.site.database)
    own = await house.visitor(WHO)
    page = f"/recordings/{recorded.recording_id}"
    review_on = str(house.people.watch.now().date() + timedelta(days=30))
    hold = {"reason": "a crime", "reference": "CASE-1", "owner": "Legal", "review_on": review_on}
    assert (await own.post(f"{page}/holds", hold)).status == 303
    (hold_id,) = (await own.get(f"{page}?format=json")).json()["recording"]["hold_ids"]
    listening = (await own.post(f"{page}/listenings", {"purpose": "quality"})).headers["Location"]
    assert (await own.post("/filters", {"name": "Mine", "flagged": "true"})).status == 303
    (saved,) = (await own.get("/recordings?format=json")).json()["filters"]
    assert (await own.post(f"/holds/{hold_id}/ask-release", {"why": "it is over"})).status == 303
    approval = (await own.get(f"/holds/{hold_id}?format=json")).json()["hold"]["approval"]
    (session,) = (one for one in (await own.get("/account?format=json")).json()["sessions"] if one["is_this"])
    return own, {
        "recording_id": str(recorded.recording_id),
        "hold_id": hold_id,
        "listening_id": listening.rpartition("/")[2],
        "filter_id": saved["id"],
        "approval_id": approval["id"],
        "session_id": session["id"],
    }


async def supervisor(house: House, name: str, unit: str) -> Visitor:
    await house.person(name)
    await house.people.give(name, Role.SUPERVISOR, unit)
    return await house.visitor(name)  # the code of the log-in is fresh


# Of those who have these, none is held to a unit.
OF_THE_HOUSE = (Permission.RECORDING_CORRECT, Permission.RECORDING_EXPORT, Permission.RECORDING_RESTRICT)


def changes() -> list[tuple[Route, str]]:
    """Routes that change something that has an id, and the name of the id."""
    named = ((route, re.findall(r"\{(\w+_id)", route.path)) for route in ROUTES if route.method == "POST")
    return [(route, ids[0]) for route, ids in named if ids and ids[0] not in NOT_OF_A_UNIT]


async def test_nothing_of_another_unit_or_person_is_changed(house: House) -> None:
    """With valid forms and a fresh code: as if it were not there. Of the own unit, but not one's own, neither."""
    await house.people.rights.set_unit("elsewhere", frozenset({"elsewhere"}), "another unit", OPERATOR)
    own, ids = await of_unit(house)
    other = await supervisor(house, "of-elsewhere", "elsewhere")
    colleague = await supervisor(house, "of-the-same", "advice")
    personal = ("filter_id", "listening_id", "session_id")
    before = await everything(house.site.database)
    tried = 0
    for route, name in changes():
        if route.permission in OF_THE_HOUSE:
            continue
        form = form_of(route, house)
        for who, visitor in (("other", other), ("colleague", colleague)):
            if who == "colleague" and name not in personal:
                continue
            got = await visitor.post(route.path.replace(f"{{{name}}}", ids[name]), form)
            nowhere = await visitor.post(route.path.replace(f"{{{name}}}", NOWHERE_ID), form)
            wanted = 303 if route.permission is Access.PERSON else 404  # to end what is over already is no error
            assert (got.status, nowhere.status) == (wanted, wanted), f"{route.name} by {who}: {got.text[-600:]}"
            tried += 1
    assert tried >= 14
    assert await everything(house.site.database) == before
    assert (await own.get(f"/listenings/{ids['listening_id']}/audio")).status == 200


async def test_a_listening_serves_its_own_session_alone(house: House) -> None:
    """Neither the same person in another browser, nor a machine with the same right."""
    _, ids = await of_unit(house)
    for who in (WHO, MACHINE):
        visitor = await house.visitor(who)
        for path in ("", "/audio", "/peaks"):
            assert (await visitor.get(f"/listenings/{ids['listening_id']}{path}")).status == 404, f"{who} {path}"


async def test_who_asked_for_a_second_person_is_none(house: House) -> None:
    own, ids = await of_unit(house)
    got = await own.post(f"/approvals/{ids['approval_id']}/approve")
    assert got.status in (403, 409)
    assert (await own.post(f"/holds/{ids['hold_id']}/release", {"yes": "true"})).status in (403, 409)
    second = await supervisor(house, "second", "advice")
    assert (await second.post(f"/approvals/{ids['approval_id']}/approve")).status == 303
    assert (await second.post(f"/holds/{ids['hold_id']}/release", {"yes": "true"})).status in (403, 409)
    assert (await own.post(f"/holds/{ids['hold_id']}/release", {"yes": "true"})).status == 303


@pytest.mark.parametrize("same_ticket", [True, False])
async def test_of_many_uses_of_a_code_at_once_one_is_let_in(house: House, same_ticket: bool) -> None:
    """Fifty with one ticket; with tickets of their own, as many as are let in at all."""
    known = await house.person("aino")
    visitors = [house.stranger() for _ in range(50 if same_ticket else 4)]
    for visitor in visitors[:1] if same_ticket else visitors:
        got = await visitor.post("/login", {"name": "aino", "password": PASSWORD})
        assert got.status == 303
    for visitor in visitors:
        visitor.kept |= visitors[0].kept if same_ticket else {}
    house.people.watch.go(seconds=30)
    code = known.code(house.people.watch.now())
    before = await house.people.value("SELECT count(*) FROM session")
    answers = await asyncio.gather(*(visitor.post("/login/code", {"code": code}) for visitor in visitors))
    let_in = [got for got in answers if any(line.startswith("__Host-session=") for line in got.set_cookies)]
    assert len(let_in) == 1, [got.status for got in answers]
    assert not [got.status for got in answers if got.status >= 500]
    assert await house.people.value("SELECT count(*) FROM session") == int(str(before)) + 1
