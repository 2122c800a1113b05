"""Administrators make accounts and rights on the page, and two of them are needed for a right."""

from datetime import timedelta
from uuid import UUID

from ari_recorder.domain.accounts import Role
from tests.services.people import OTHER_OPERATOR
from tests.web.house import House, Visitor

ADMIN = Role.ADMINISTRATOR.value


async def administrator(house: House) -> Visitor:
    visitor = await house.visitor(ADMIN)
    await house.step_up(visitor, ADMIN)
    return visitor


async def made(house: House, visitor: Visitor, name: str = "uusi") -> tuple[UUID, str]:
    form = {"name": name, "full_name": "Uusi <b>Neuvoja</b>", "mail": "", "language": "fi"}
    answer = await visitor.post("/accounts", form, json=True)
    assert answer.status == 200, answer.text
    people = (await visitor.get("/accounts?format=json")).json()["people"]
    return UUID(next(one["id"] for one in people if one["name"] == name)), answer.json()["path"]


async def test_an_account_is_made_and_its_link_is_shown_once(house: House) -> None:
    visitor = await administrator(house)
    account_id, path = await made(house, visitor)
    assert (await house.stranger().get(path)).status == 200
    page = await visitor.get("/accounts")
    assert path.rpartition("/")[2] not in page.text
    person = await visitor.get(f"/accounts/{account_id}")
    assert "Uusi &lt;b&gt;Neuvoja&lt;/b&gt;" in person.text
    again = await visitor.post(f"/accounts/{account_id}/invite", {}, json=True)
    assert again.json()["path"] != path
    assert (await house.stranger().get(path)).status == 404


async def test_without_a_fresh_code_nothing_is_changed(house: House) -> None:
    visitor = await administrator(house)
    account_id, _ = await made(house, visitor)
    house.people.watch.go(seconds=360)
    for path in ("/accounts", f"/accounts/{account_id}/reset", f"/accounts/{account_id}/disable", "/rights", "/units"):
        answer = await visitor.post(path, {"why": "because"}, json=True)
        assert answer.json()["error"]["code"] == "step_up_needed", path


async def test_who_leaves_is_out_at_once(house: House) -> None:
    visitor = await administrator(house)
    leaver = await house.visitor(Role.SUPERVISOR.value)
    assert (await leaver.get("/account")).status == 200
    people = (await visitor.get("/accounts?format=json")).json()["people"]
    account_id = next(one["id"] for one in people if one["name"] == Role.SUPERVISOR.value)
    assert (await visitor.post(f"/accounts/{account_id}/disable", {"why": ""})).status == 422
    assert (await visitor.post(f"/accounts/{account_id}/disable", {"why": "has left"})).status == 303
    assert (await leaver.get("/account?format=json")).status == 401


async def test_own_numbers_are_counted_and_never_shown(house: House) -> None:
    visitor = await administrator(house)
    account_id, _ = await made(house, visitor)
    path = f"/accounts/{account_id}/numbers"
    assert (await visitor.post(path, {"numbers": "not a number"})).status == 400
    done = await visitor.post(path, {"numbers": "040 123 4567\n0501234567, 0401234567"})
    assert done.status == 303, done.text
    person = await visitor.get(f"/accounts/{account_id}?format=json")
    assert person.json()["person"]["numbers"] == 2
    assert "1234567" not in person.text
    found = await house.people.value(
        "SELECT count(*) FROM own_number WHERE position('1234567' in number_index::text) > 0"
    )
    assert found == 0


async def test_a_right_counts_when_another_one_approves_it(house: House) -> None:
    visitor = await administrator(house)
    account_id, _ = await made(house, visitor)
    assert account_id
    until = str((house.people.watch.now() + timedelta(days=100)).date())
    form = {"name": "uusi", "role": "supervisor", "unit": "advice", "valid_until": until, "why": "new in the team"}
    assert (await visitor.post("/rights", form)).status == 303
    (right,) = [one for one in (await visitor.get("/rights?format=json")).json()["rights"] if one["name"] == "uusi"]
    assert not right["is_approved"]
    alone = await visitor.post(f"/rights/{right['id']}/approve", {}, json=True)
    assert (alone.status, alone.json()["error"]["code"]) == (403, "two_persons_needed")
    await house.people.rights.approve(UUID(right["id"]), OTHER_OPERATOR)
    today = str(house.people.watch.now().date())
    on = (await visitor.get(f"/rights?on={today}&format=json")).json()
    assert "uusi" in {one["name"] for one in on["rights"]}
    assert (await visitor.get(f"/rights?on={today}")).status == 200
    ended = await visitor.post(f"/rights/{right['id']}/end", {"why": "moved"})
    assert ended.status == 303
    now = (await visitor.get("/rights?format=json")).json()
    assert "uusi" not in {one["name"] for one in now["rights"]}


async def test_a_unit_and_a_token_are_made(house: House) -> None:
    visitor = await administrator(house)
    assert (await visitor.post("/units", {"unit": "Front", "queues": ["advice"], "why": "new"})).status == 303
    assert {"name": "Front", "queues": ["advice"]} in (await visitor.get("/rights?format=json")).json()["units"]
    until = str((house.people.watch.now() + timedelta(days=30)).date())
    form = {"name": "robot", "role": "supervisor", "unit": "Front", "valid_until": until, "why": "figures"}
    token = (await visitor.post("/tokens", form, json=True)).json()["token"]
    robot = house.stranger()
    robot.token = token
    assert (await robot.get("/ledger")).status == 403  # nobody else has approved it
    page = await visitor.get("/rights")
    assert page.status == 200
    assert token not in page.text
