"""The pages of the use of recordings, and the ledger, as people and programs see them."""

from datetime import date, timedelta

import pytest

from ari_recorder.config import Use
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Action
from tests.services.use_house import UseHouse
from tests.web.house import House, Visitor


async def used(house: House) -> tuple[UseHouse, date]:
    """Somebody of the unit has listened to two calls last week, and one nobody of it may see."""
    watch = house.people.watch
    week = (watch.now() - timedelta(days=7)).date()
    week -= timedelta(days=week.weekday())
    use = UseHouse(database=house.site.database, settings=Use(sample_percent=100))
    use.clocks = watch  # type: ignore[assignment]
    other = await house.people.enrol("olli")
    at = watch.now() - timedelta(days=7)
    for queue in ("advice", "advice", "dental"):
        unit = "advice" if queue == "advice" else "dental"
        await use.did(
            other.account_id, Action.RECORDING_PLAY, await use.recording(queue), at=at, unit=unit, because="quality"
        )
    await use.run()
    return use, week


async def supervisor(house: House) -> Visitor:
    return await house.visitor(Role.SUPERVISOR.value)


async def test_a_listening_is_signed_off_on_the_page(house: House) -> None:
    await used(house)
    visitor = await supervisor(house)
    page = await visitor.get("/use")
    assert page.status == 200
    assert "In order" in page.text
    view = (await visitor.get("/use?format=json")).json()
    assert len(view["to_sign"]) == 2
    sample = view["to_sign"][0]
    assert (sample["queue"], sample["because"], sample["verdict"]) == ("advice", "quality", None)
    path = f"/use/samples/{sample['id']}/sign"
    refused = await visitor.post(path, {"verdict": "to-be-clarified", "note": ""})
    assert refused.status == 400
    assert "needs words" in refused.text
    done = await visitor.post(path, {"verdict": "in-order", "note": "<b>fine</b>"})
    assert (done.status, done.headers["Location"]) == (303, "/use")
    assert (await visitor.post(path, {"verdict": "in-order"}, json=True)).status == 409
    report = await visitor.get(f"/use/{sample['week']}")
    assert "&lt;b&gt;fine&lt;/b&gt;" in report.text


async def test_a_report_shows_the_own_unit_only(house: House) -> None:
    _, week = await used(house)
    mine = (await (await supervisor(house)).get(f"/use/{week}?format=json")).json()
    assert [(row["unit"], row["listenings"]) for row in mine["rows"]] == [("advice", 2)]
    assert {sample["queue"] for sample in mine["samples"]} <= {"advice"}
    officer = await house.visitor(Role.PRIVACY_OFFICER.value)
    everything = (await officer.get(f"/use/{week}?format=json")).json()
    assert {row["unit"] for row in everything["rows"]} == {"advice", "dental"}
    assert len(everything["seed"]) == 64


@pytest.mark.parametrize("path", ["/use/2020-01-06", "/use/yesterday", "/use/2026-13-01", "/ledger/yesterday"])
async def test_what_is_no_week_is_not_there(house: House, path: str) -> None:
    assert (await (await supervisor(house)).get(path)).status == 404


async def test_the_ledger_shows_days_and_who_looked_is_on_record(house: House) -> None:
    visitor = await supervisor(house)
    page = await visitor.get("/ledger")
    assert page.status == 200
    view = (await visitor.get("/ledger?until=2026-11-16&format=json")).json()
    assert [day["day"] for day in view["days"]][:2] == ["2026-11-16", "2026-11-15"]
    assert not any(day["is_balanced"] for day in view["days"])
    assert (await visitor.get("/ledger/2026-11-16")).status == 200
    count = await house.people.value("SELECT count(*) FROM audit_pending WHERE leaf LIKE '%ledger:view%'")
    count = int(str(count)) + int(
        str(await house.people.value("SELECT count(*) FROM audit_entry WHERE action = 'ledger:view'"))
    )
    assert count == 3
