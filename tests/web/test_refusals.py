"""services/refusals.py behind the page: what is refused to somebody logged in is on record, and fills nothing."""

from typing import Any
from uuid import UUID

from ari_recorder.domain.audit import Action
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.refusals import EACH
from ari_recorder.storage import audit
from ari_recorder.storage.audit import Wanted
from tests.web.house import House
from tests.web.samples import NOWHERE_ID

REFUSED = Wanted(actions=(Action.ACCESS_REFUSE,))


async def refusals(house: House) -> list[Any]:
    await sequence(house.site.database)
    async with house.site.database.transaction() as conn:
        return [one.fields for one in reversed(await audit.page(conn, REFUSED, limit=1000))]


async def test_what_is_refused_to_somebody_who_is_logged_in_is_on_record(house: House) -> None:
    stranger, supervisor = house.stranger(), await house.visitor("supervisor")
    machine, administrator = await house.visitor("machine"), await house.visitor("administrator")
    recording = f"/recordings/{NOWHERE_ID}"
    assert (await stranger.get(recording)).status == 401
    assert (await supervisor.get("/recordings")).status == 200
    assert (await supervisor.get("/no-such-page")).status == 404
    assert (await supervisor.get("/recordings/Aino-Example-0401234567")).status == 404
    assert await refusals(house) == []

    assert (await supervisor.get(recording)).status == 404
    assert (await administrator.get(recording)).status == 403
    assert (await administrator.post(f"{recording}/listenings", {"purpose": "quality"})).status == 403
    assert (await machine.get("/account/password")).status == 403
    told = await refusals(house)
    assert [(one["object"], one["because"], one["facts"]["route"], one["actor"]["kind"]) for one in told] == [
        (f"recording:{NOWHERE_ID}", "recording_unknown", "recording", "user"),
        (f"recording:{NOWHERE_ID}", "permission_missing", "recording", "user"),
        (f"recording:{NOWHERE_ID}", "permission_missing", "listening-begin", "user"),
        ("", "person_needed", "password", "machine"),
    ]
    assert {one["outcome"] for one in told} == {"refused"}
    assert told[0]["actor"]["role"] == "supervisor"
    assert [one["facts"]["within_hour"] for one in told] == [1, 1, 2, 1]


async def test_whoever_tries_ids_all_day_does_not_fill_the_log(house: House) -> None:
    supervisor = await house.visitor("supervisor")
    for number in range(140):
        answer = await supervisor.get(f"/recordings/{UUID(int=number, version=4)}")
        assert answer.status == 404
    counts = [one["facts"]["within_hour"] for one in await refusals(house)]
    assert counts == [*range(1, EACH + 1), 32, 64, 128]
    house.people.watch.go(hours=1)
    await (await house.visitor("supervisor")).get(f"/recordings/{NOWHERE_ID}")
    assert (await refusals(house))[-1]["facts"]["within_hour"] == 1
