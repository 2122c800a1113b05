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
    _, path = await made(house, visitor)
    await house.people.enrol(token=path.rpartition("/")[2])
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


async def test_after_a_reset_the_page_says_why_there_is_nothing_and_another_one_confirms(house: House) -> None:
    supervisor, officer = Role.SUPERVISOR.value, Role.PRIVACY_OFFICER.value
    visitor = await administrator(house)
    await house.person(supervisor)
    await house.person(officer)
    people = (await visitor.get("/accounts?format=json")).json()["people"]
    account_id = next(one["id"] for one in people if one["name"] == supervisor)
    reset = await visitor.post(f"/accounts/{account_id}/reset", {"why": "came in person"}, json=True)
    token = reset.json()["path"].rpartition("/")[2]
    house.known[supervisor] = await house.people.enrol(token=token, confirmed=False)
    owner = await house.visitor(supervisor)
    home = await owner.get("/")
    assert "Your rights do not count yet" in home.text
    assert "Your rights do not count yet" in (await owner.get("/account")).text
    assert f"The log-in of {supervisor} was reset" in (await owner.get("/account")).text
    assert (await owner.get("/recordings?format=json")).status == 403
    mine = await visitor.get("/rights")
    assert "Who waits to be confirmed" in mine.text
    assert "owner not confirmed" in mine.text
    assert f"/accounts/{account_id}/confirm" not in mine.text, "who made the link does not confirm"
    assert "to be confirmed" in (await visitor.get("/accounts")).text
    assert "No right of this account counts yet" in (await visitor.get(f"/accounts/{account_id}")).text
    (waits,) = (await visitor.get("/rights?format=json")).json()["owners"]
    form = {"why": "she is here", "came_at": waits["came_at"]}
    alone = await visitor.post(f"/accounts/{account_id}/confirm", form, json=True)
    assert (alone.status, alone.json()["error"]["code"]) == (403, "confirmed_by_another")
    other = await house.visitor(officer)
    page = await other.get("/rights")
    assert f"/accounts/{account_id}/confirm" in page.text
    late = await other.post(f"/accounts/{account_id}/confirm", {**form, "came_at": "2026-01-01T00:00:00Z"}, json=True)
    assert (late.status, late.json()["error"]["code"]) == (409, "owner_not_here")
    shown = page.text.partition('name="came_at" value="')[2].partition('"')[0]
    assert (await other.post(f"/accounts/{account_id}/confirm", {**form, "came_at": shown})).status == 303
    assert (await owner.get("/recordings?format=json")).status == 200
    assert "Your rights do not count yet" not in (await owner.get("/")).text


async def test_more_queues_wait_on_the_page_for_another_one(house: House) -> None:
    visitor = await administrator(house)
    await house.person(Role.SUPERVISOR.value)
    await house.person(Role.PRIVACY_OFFICER.value)
    form = {"unit": "advice", "queues": ["advice", "dental"], "why": "a new task"}
    assert (await visitor.post("/units", form)).status == 303
    view = (await visitor.get("/rights?format=json")).json()
    (wanted,) = view["wanted"]
    assert (wanted["queues"], wanted["is_mine"]) == (["advice", "dental"], True)
    assert {"name": "advice", "queues": ["advice"]} in view["units"]
    assert f"/units/{wanted['id']}/approve" not in (await visitor.get("/rights")).text
    alone = await visitor.post(f"/units/{wanted['id']}/approve", {}, json=True)
    assert (alone.status, alone.json()["error"]["code"]) == (403, "two_persons_needed")
    other = await house.visitor(Role.PRIVACY_OFFICER.value)
    assert f"/units/{wanted['id']}/approve" in (await other.get("/rights")).text
    assert (await other.post(f"/units/{wanted['id']}/approve", {})).status == 303
    assert {"name": "advice", "queues": ["advice", "dental"]} in (await other.get("/rights?format=json")).json()[
        "units"
    ]
    await visitor.post("/units", {"unit": "advice", "queues": ["advice", "crisis"], "why": "another"})
    (wanted,) = (await other.get("/rights?format=json")).json()["wanted"]
    assert (await visitor.post(f"/units/{wanted['id']}/refuse", {})).status == 303
    assert {"name": "advice", "queues": ["advice"]} in (await other.get("/rights?format=json")).json()["units"]


async def test_who_granted_a_right_does_not_attest_it(house: House) -> None:
    visitor = await administrator(house)
    await house.person(Role.SUPERVISOR.value)
    await house.person(Role.PRIVACY_OFFICER.value)
    until = str((house.people.watch.now() + timedelta(days=100)).date())
    form = {"name": Role.SUPERVISOR.value, "role": "adviser", "unit": "advice", "interfaces": "PJSIP/9"}
    assert (await visitor.post("/rights", {**form, "valid_until": until, "why": "calls, too"})).status == 303
    (right,) = [one for one in (await visitor.get("/rights?format=json")).json()["rights"] if one["role"] == "adviser"]
    assert not right["may_attest"]
    await house.people.rights.approve(UUID(right["id"]), OTHER_OPERATOR)
    later = {"until": str((house.people.watch.now() + timedelta(days=200)).date()), "why": "still needed"}
    alone = await visitor.post(f"/rights/{right['id']}/attest", later, json=True)
    assert (alone.status, alone.json()["error"]["code"]) == (403, "two_persons_needed")
    other = await house.visitor(Role.PRIVACY_OFFICER.value)
    assert (await other.post(f"/rights/{right['id']}/attest", later)).status == 303
