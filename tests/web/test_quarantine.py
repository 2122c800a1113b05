"""On the page, what is in quarantine is shown with why and until when, and nothing is offered to be done with it."""

from datetime import timedelta

import pytest

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.domain.retention import local_day
from tests.site import record
from tests.web.house import House, Visitor

SENTENCE = {
    "fi": "Kukaan ei saa kuunnella",
    "sv": "Ingen får lyssna",
    "en": "Nobody may listen to it, give it out, hold it or flag it.",
}
DUTY = {"fi": "1 tallenne on eristyksessä", "sv": "1 inspelning är i karantän", "en": "1 recording is in quarantine"}


@pytest.fixture
async def path(house: House) -> str:
    """In a queue of the supervisor's, which it would never be: so that it is not the unit that hides it."""
    now = house.people.watch.now()
    recorded = await record(house.site.config, house.site.database, started_at=now - timedelta(hours=1), marks=())
    async with house.site.database.transaction() as conn:
        await conn.execute(
            "UPDATE recording SET quarantined_until = $2, ledger_state = 'quarantined' WHERE id = $1",
            recorded.recording_id,
            now + timedelta(days=3),
        )
        await conn.execute(
            "UPDATE call SET ledger_state = 'quarantined', ledger_reason = 'unknown-call', proved_uniqueid = 'pbx-1.7'"
        )
    return f"/recordings/{recorded.recording_id}"


async def speaking(house: House, role: Role, language: str) -> Visitor:
    visitor = await house.visitor(role.value)
    visitor.language = language
    await visitor.post("/language", {"language": language})
    return visitor


@pytest.mark.parametrize("language", LANGUAGES)
async def test_its_page_says_why_and_until_when_and_offers_nothing(house: House, path: str, language: str) -> None:
    for role in (Role.SUPERVISOR, Role.PRIVACY_OFFICER):
        visitor = await speaking(house, role, language)
        page = await visitor.get(path)
        assert page.status == 200
        assert SENTENCE[language] in page.text
        assert "pbx-1.7" in page.text
        for form in ("listenings", "holds", "exports"):
            assert f'action="{path}/{form}"' not in page.text
    day = local_day(house.people.watch.now() + timedelta(days=3))
    told = (await visitor.get(f"{path}?format=json")).json()
    assert told["recording"]["retention"]["destroyed_on"] == str(day)
    assert (told["recording"]["quarantined"], told["recording"]["verdict"]["state"]) == (True, "quarantined")


async def refusal(visitor: Visitor, address: str, form: dict[str, str]) -> tuple[int, str]:
    answer = await visitor.post(address, form, json=True)
    return answer.status, answer.json()["error"]["code"]


async def test_whoever_asks_all_the_same_is_refused_by_the_same_code(house: House, path: str) -> None:
    supervisor = await house.visitor(Role.SUPERVISOR.value)
    officer = await house.visitor(Role.PRIVACY_OFFICER.value)
    review_on = str(local_day(house.people.watch.now() + timedelta(days=30)))
    expected = (403, "recording_quarantined")
    assert await refusal(supervisor, f"{path}/listenings", {"purpose": "quality"}) == expected
    assert await refusal(officer, f"{path}/listenings", {"purpose": "quality"}) == expected
    hold = {"reason": "x", "reference": "1/26", "owner": "x", "review_on": review_on}
    assert await refusal(supervisor, f"{path}/holds", hold) == expected
    export = {"receiver_kind": "police", "receiver": "x", "reference": "1/26", "reason": "asked"}
    assert await refusal(officer, f"{path}/exports", export) == expected


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_privacy_officer_finds_it_on_the_first_page_and_behind_it_the_list(
    house: House, path: str, language: str
) -> None:
    officer, supervisor = [await speaking(house, role, language) for role in (Role.PRIVACY_OFFICER, Role.SUPERVISOR)]
    (duty,) = [one for one in (await officer.get("/?format=json")).json()["duties"] if DUTY[language] in one["text"]]
    assert DUTY[language] not in (await supervisor.get("/")).text
    listed = await officer.get(duty["address"])
    assert f'href="{path}"' in listed.text


async def test_the_ledger_counts_it_as_its_own_kind(house: House, path: str) -> None:
    officer = await house.visitor(Role.PRIVACY_OFFICER.value)
    house.site.config.pbx.queue_log.write_text("")
    day = local_day(house.people.watch.now() - timedelta(hours=1))
    told = (await officer.get(f"/ledger/{day}?format=json&state=quarantined")).json()
    assert (told["day"]["quarantined"], told["day"]["unexplained"], told["count"]) == (1, 0, 1)
    assert "In quarantine" in (await officer.get(f"/ledger/{day}")).text
