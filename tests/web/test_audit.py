"""The auditor's page and the page of the keys."""

import json
from urllib.parse import urlencode

import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.services.accounts import Person
from ari_recorder.storage import audit
from tests.services.people import OPERATOR
from tests.web.house import House

AUDITOR, ADMIN = Role.AUDITOR.value, Role.ADMINISTRATOR.value


async def test_the_log_is_searched_and_looking_is_an_entry(house: House) -> None:
    visitor = await house.visitor(AUDITOR)
    assert (await visitor.get("/audit")).status == 200
    view = (await visitor.get("/audit?action=audit%3Aread&format=json")).json()
    assert [one["action"] for one in view["entries"]] == ["audit:read"]
    assert view["entries"][0]["role"] == "auditor"
    assert view["tree"]["size"] > 3
    assert (await visitor.get("/audit?action=nothing&format=json")).status == 422
    none = (await visitor.get("/audit?until=2020-01-01&format=json")).json()
    assert (none["entries"], none["before"]) == ([], None)


async def test_who_did_something_is_found_by_account_by_name_and_by_person(house: House) -> None:
    visitor = await house.visitor(AUDITOR)
    await house.visitor(Role.SUPERVISOR.value)
    await visitor.get("/audit")  # what waits has its place from here on
    known = await house.person(AUDITOR)
    renamed = Person(name=known.name, full_name="Kerttu Kuulija", language="en")
    await house.people.accounts.change(renamed, OPERATOR)
    everything = (await visitor.get("/audit?action=session%3Alogin&outcome=ok&format=json")).json()["entries"]
    assert len(everything) >= 2
    for who in (str(known.account_id), known.name, f" {known.name.upper()} ", "kerttu kuulija"):
        query = urlencode({"action": "session:login", "outcome": "ok", "actor": who, "format": "json"})
        (found,) = (await visitor.get(f"/audit?{query}")).json()["entries"]
        assert found["actor"] == str(known.account_id), who
        query = urlencode({"action": "audit:read", "actor": who, "format": "json"})
        assert (await visitor.get(f"/audit?{query}")).json()["entries"][-1]["actor"] == known.name
    assert (await visitor.get("/audit?actor=somebody&format=json")).json()["entries"] == []


async def test_what_nobody_tried_is_shown(house: House) -> None:
    nobody = Entry(action=Action.SESSION_LOGIN, actor=Actor(kind=ActorKind.USER, id=""), outcome=Outcome.REFUSED)
    async with house.site.database.transaction() as conn:
        await audit.append(conn, nobody, house.site.now())
    visitor = await house.visitor(AUDITOR)
    await visitor.get("/audit")  # what waits has its place from here on
    assert (await visitor.get("/audit?outcome=refused")).status == 200
    view = (await visitor.get("/audit?outcome=refused&format=json")).json()
    assert [one["actor"] for one in view["entries"]] == [""]


@pytest.mark.parametrize("role", [ADMIN, Role.SUPERVISOR.value])
async def test_administrators_and_supervisors_do_not_read_it(house: House, role: str) -> None:
    visitor = await house.visitor(role)
    for path in ("/audit", "/audit/0/proof"):
        assert (await visitor.get(path)).status == 403


async def test_a_proof_and_an_export_are_given(house: House) -> None:
    visitor = await house.visitor(AUDITOR)
    await visitor.get("/audit")
    proof = await visitor.get("/audit/0/proof")
    assert proof.status == 200, proof.text
    assert proof.text.startswith("c2sp.org/tlog-proof@v1")
    for seq in ("x", "999999", "-1", "1" * 20):
        assert (await visitor.get(f"/audit/{seq}/proof")).status == 404, seq
    house.people.watch.go(seconds=360)
    assert (await visitor.post("/audit/export", {}, json=True)).json()["error"]["code"] == "step_up_needed"
    await house.step_up(visitor, AUDITOR)
    exported = await visitor.post("/audit/export", {})
    assert exported.status == 200
    assert exported.headers["Content-Disposition"].startswith("attachment")
    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert lines[0]["format"] == "ari-recorder/audit-export/1"
    assert any("audit:export" in line.get("leaf", "") for line in lines)


async def test_the_keyring_is_locked_and_unlocked(house: House) -> None:
    visitor = await house.visitor(ADMIN)
    await house.step_up(visitor, ADMIN)
    assert (await visitor.get("/keys?format=json")).json() == {"locked": False, "wants_passphrase": False}
    assert (await visitor.post("/keys/lock", {})).status == 303
    assert (await visitor.get("/keys?format=json")).json()["locked"]
    assert "Unlock" in (await visitor.get("/keys")).text
    assert (await visitor.post("/keys/unlock", {})).status == 303
    assert not (await visitor.get("/keys?format=json")).json()["locked"]
    count = await house.people.value("SELECT count(*) FROM audit_pending WHERE leaf LIKE '%keyring:%'")
    assert count == 2
    house.people.watch.go(seconds=360)
    assert (await visitor.post("/keys/lock", {}, json=True)).json()["error"]["code"] == "step_up_needed"
