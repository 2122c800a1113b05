"""Flagged calls are decided on, and holds ended by two, on the page."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.web import cookies
from tests.services.people import OPERATOR
from tests.site import Recorded, record
from tests.web.house import House, Visitor


@dataclass
class Desk:
    house: House
    recorded: Recorded
    aino: Visitor
    olli: Visitor

    @property
    def call(self) -> str:
        return f"/review/{self.recorded.recording_id}"

    @property
    def day(self) -> str:
        return str((self.house.people.watch.now() + timedelta(days=30)).date())

    @property
    def terms(self) -> dict[str, str]:
        return {"reason": "he said he would come", "reference": "CASE-1", "owner": "Legal", "review_on": self.day}

    async def held(self) -> UUID:
        done = await self.aino.post(f"{self.call}/hold", self.terms)
        assert done.status == 303, done.text
        holds = (await self.aino.get("/holds?format=json")).json()["holds"]
        return UUID(holds[0]["id"])

    async def outsider(self, queue: str = "dental") -> Visitor:
        """A supervisor of another unit."""
        people = self.house.people
        await people.rights.set_unit(queue, frozenset({queue}), "another unit", OPERATOR)
        outsider = await self.entered("outsider")
        await people.give("outsider", Role.SUPERVISOR, queue)
        return outsider

    async def entered(self, name: str) -> Visitor:
        found = self.house.stranger()
        known = self.house.known.get(name) or await self.house.people.enrol(name)
        self.house.known[name] = known
        found.kept[cookies.SESSION] = (await self.house.people.entered(known)).session
        return found


@pytest.fixture
async def desk(house: House) -> Desk:
    recorded = await record(house.site.config, house.site.database, started_at=house.people.watch.now() - timedelta(1))
    aino = await house.visitor(Role.SUPERVISOR.value)
    desk = Desk(house=house, recorded=recorded, aino=aino, olli=aino)
    desk.olli = await desk.entered("olli")
    await house.people.give("olli", Role.SUPERVISOR)
    return desk


async def test_a_flagged_call_is_listed_with_its_second_and_its_days(desk: Desk) -> None:
    (call,) = (await desk.aino.get("/review?format=json")).json()["waiting"]
    assert call["recording_id"] == str(desk.recorded.recording_id)
    assert (call["queue"], call["flag_at"], call["in_grace"]) == ("advice", "PT1S", False)
    assert call["days_left"] > 90
    page = await desk.aino.get("/review")
    assert page.status == 200
    assert f'href="{desk.call}"' in page.text
    assert "Not a threat" in (await desk.aino.get(desk.call)).text


async def test_a_call_of_several_recordings_is_decided_on_from_each(desk: Desk) -> None:
    second = await record(desk.house.site.config, desk.house.site.database, uniqueid="1700000002.1")
    async with desk.house.site.database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET call_id = $1, segment = 2 WHERE id = $2", desk.recorded.call.id, second.recording_id
        )
    assert len((await desk.aino.get("/review?format=json")).json()["waiting"]) == 1
    first, other = (f"/recordings/{one.recording_id}" for one in (desk.recorded, second))
    page = (await desk.aino.get(first)).text
    assert (f'href="{other}"' in page, f'href="{desk.call}"' in page) == (True, True)
    assert f'href="{first}"' in (await desk.aino.get(other)).text
    decision = f"/review/{second.recording_id}"
    assert (await desk.aino.get(decision)).status == 200
    assert (await desk.aino.post(f"{decision}/no-threat", {})).status == 303
    assert (await desk.aino.get(desk.call)).status == 404


async def test_a_decision_takes_it_off_the_list(desk: Desk) -> None:
    missing = await desk.aino.post(f"{desk.call}/hold", {**desk.terms, "reason": ""})
    assert missing.status == 422
    assert 'id="error-reason"' in missing.text
    hold_id = await desk.held()
    assert (await desk.aino.get("/review?format=json")).json()["waiting"] == []
    assert (await desk.aino.get(desk.call)).status == 404
    page = await desk.aino.get(f"/holds/{hold_id}")
    assert "he said he would come" in page.text


async def test_no_threat_is_said_and_the_ordinary_rule_counts(desk: Desk) -> None:
    done = await desk.aino.post(f"{desk.call}/no-threat", {})
    assert (done.status, done.headers["Location"]) == (303, "/review")
    assert (await desk.aino.get("/review?format=json")).json()["waiting"] == []


async def test_a_colleague_is_asked(desk: Desk) -> None:
    view = (await desk.aino.get(f"{desk.call}?format=json")).json()
    assert len(view["colleagues"]) == 1
    done = await desk.aino.post(f"{desk.call}/ask", {"colleague": view["colleagues"][0][0]})
    assert done.status == 303, done.text
    again = (await desk.aino.get(f"{desk.call}?format=json")).json()
    assert len(again["call"]["asked"]) == 1
    # Who was asked is told where the day begins, and in the list.
    home = (await desk.olli.get("/?format=json")).json()["duties"]
    assert [one["text"].partition(".")[0] for one in home] == [
        "1 merkitty puhelu odottaa päätöstä",
        "Kollega kysyy sinulta 1 merkitystä puhelusta",
    ]
    assert [one["asks_me"] for one in (await desk.olli.get("/review?format=json")).json()["waiting"]] == [True]
    assert [one["asks_me"] for one in (await desk.aino.get("/review?format=json")).json()["waiting"]] == [False]
    nobody = await desk.aino.post(f"{desk.call}/ask", {"colleague": str(UUID(int=1))}, json=True)
    assert nobody.status == 404


async def test_a_hold_ends_early_only_by_two(desk: Desk) -> None:
    hold_id = await desk.held()
    await desk.house.step_up(desk.aino, Role.SUPERVISOR.value)
    alone = await desk.aino.post(f"/holds/{hold_id}/release", {}, json=True)
    assert (alone.status, alone.json()["error"]["code"]) == (403, "second_person_needed")
    assert (await desk.aino.post(f"/holds/{hold_id}/ask-release", {"why": "The police have it"})).status == 303
    view = (await desk.aino.get(f"/holds/{hold_id}?format=json")).json()["hold"]
    approval = view["approval"]["id"]
    assert view["approval"]["is_mine"]
    own = await desk.aino.post(f"/approvals/{approval}/approve", {}, json=True)
    assert (own.status, own.json()["error"]["code"]) == (403, "second_person_needed")
    desk.house.people.watch.go(seconds=360)
    stale = await desk.olli.post(f"/approvals/{approval}/approve", {}, json=True)
    assert (stale.status, stale.json()["error"]["code"]) == (403, "step_up_needed")
    assert "The police have it" in (await desk.olli.get(f"/holds/{hold_id}")).text
    await desk.house.step_up(desk.olli, "olli")
    assert (await desk.olli.post(f"/approvals/{approval}/approve", {})).status == 303
    await desk.house.step_up(desk.aino, Role.SUPERVISOR.value)
    done = await desk.aino.post(f"/holds/{hold_id}/release", {})
    assert done.status == 303, done.text
    assert (await desk.aino.get("/holds?format=json")).json()["holds"] == []


async def test_a_hold_is_extended(desk: Desk) -> None:
    hold_id = await desk.held()
    later = str((desk.house.people.watch.now() + timedelta(days=90)).date())
    assert (await desk.aino.post(f"/holds/{hold_id}/extend", {"review_on": later})).status == 303
    assert (await desk.aino.get(f"/holds/{hold_id}?format=json")).json()["hold"]["review_on"] == later
    assert (await desk.aino.post(f"/holds/{hold_id}/extend", {"review_on": "2020-01-01"})).status == 400


async def test_another_unit_sees_and_does_nothing(desk: Desk) -> None:
    outsider = await desk.outsider()
    assert (await outsider.get("/review?format=json")).json()["waiting"] == []
    for path in (desk.call,):
        assert (await outsider.get(path)).status == 404
    assert (await outsider.post(f"{desk.call}/hold", desk.terms, json=True)).status == 404
    assert (await outsider.post(f"{desk.call}/no-threat", {}, json=True)).status == 404
    hold_id = await desk.held()
    await desk.aino.post(f"/holds/{hold_id}/ask-release", {"why": "The police have it"})
    approval = (await desk.aino.get(f"/holds/{hold_id}?format=json")).json()["hold"]["approval"]["id"]
    assert (await outsider.get("/holds?format=json")).json()["holds"] == []
    assert (await outsider.get(f"/holds/{hold_id}")).status == 404
    assert (await outsider.post(f"/holds/{hold_id}/extend", {"review_on": desk.day}, json=True)).status == 404
    await desk.house.step_up(outsider, "outsider")
    assert (await outsider.post(f"/holds/{hold_id}/release", {}, json=True)).status == 404
    assert (await outsider.post(f"/approvals/{approval}/approve", {}, json=True)).status == 404
