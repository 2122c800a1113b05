"""Cases of data subjects, over HTTP: opened, identified, confirmed, decided, handed over and closed by the forms of
their page; who may not, what is out of order, and two officers at once.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import Kind
from ari_recorder.vault.aes_zip import new_passphrase
from tests.site import NUMBER, record
from tests.test_audit_events import entries
from tests.web.cases import PERSON, SIGNED, Office, open_office
from tests.web.house import Got, House, Visitor

WORDS = {"because": "Perusteltu."}
OPENED = {"fi": "Asia R2026-1: Pääsy omiin tietoihin", "sv": "Ärende R2026-1: Tillgång till egna uppgifter"}
OPENED["en"] = "Case R2026-1: Access to the own data"


@pytest.fixture
async def office(house: House) -> Office:
    return await open_office(house)


def form_of(page: Got, action: str) -> str:
    """What stands in it; empty when there is none."""
    return page.text.partition(f'action="{action}"')[2].partition("</form>")[0]


def steps(told: Any) -> list[str]:
    return [one["what"].partition(".")[0] for one in told["steps"]]


# --- from the letter to the end


async def test_a_case_is_opened_with_what_it_may_be_about_frozen(office: Office) -> None:
    case = await office.open()
    assert case == "/cases/R2026-1"
    told = await office.told(case)
    assert (told["name"], told["asked"]) == (PERSON["name"], PERSON["asked"])
    assert [one["is_theirs"] for one in told["calls"]] == [None, None]
    page = await office.aino.get(f"/recordings/{office.recorded.recording_id}")
    assert "Kept as long as the request R2026-1 is open." in page.text
    assert case in (await office.aino.get("/cases")).text


async def test_access_is_answered_with_a_package_that_a_colleague_makes(office: Office) -> None:
    case = await office.matched("access")
    told = await office.done(case, "decision", {"decision": "granted", **WORDS})
    assert told["choices"] == ["extend", "package", "hand-over"]
    own = await office.step(case, "package", {"mutes": "", "ground": ""})
    assert (own.status, "makes no package" in own.text) == (403, True)
    wrong = await office.step(case, "package", {"mutes": "2 0:00 0:01 toisen", "ground": ""}, office.olli)
    assert (wrong.status, "Line 1 of the parts" in wrong.text) == (400, True)
    assert "2 0:00 0:01 toisen" in form_of(wrong, f"{case}/package")  # nobody types it twice
    made = await office.step(case, "package", {"mutes": "1 0:01 0:01.5 toisen tietoja", "ground": ""}, office.olli)
    assert made.status == 200, made.text
    link, passphrase = (made.text.partition(f'id="{name}">')[2].partition("<")[0] for name in ("link", "passphrase"))
    assert len(passphrase) == len(new_passphrase())
    told = await office.told(case)
    assert [one["state"] for one in told["deliveries"]] == ["waiting"]
    for page in (case, f"{case}/package", "/deliveries"):
        text = (await office.olli.get(page)).text
        assert passphrase not in text
        assert urlsplit(link).path not in text
    fetched = await _fetched(office, urlsplit(link).path, passphrase)
    with zipfile.ZipFile(io.BytesIO(fetched)) as archive:
        assert sum(name.endswith(".wav") for name in archive.namelist()) == 1
    told = await office.done(case, "hand-over", {"way": "link", "note": ""}, office.olli)
    told = await office.done(case, "close")
    assert (told["case"]["state"], told["choices"]) == ("closed", [])
    assert steps(told)[-3:] == ["Decision made", "Carried out and handed over", "Case closed"]
    assert "/cases/R2026-1" not in (await office.aino.get("/cases")).text
    assert "/cases/R2026-1" in (await office.aino.get("/cases?closed=true")).text


async def _fetched(office: Office, path: str, passphrase: str) -> bytes:
    """By the person, who has no account here."""
    person = office.house.stranger()
    headers = {"Origin": person.address, "X-CSRF-Token": person.proof()}
    headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in person.kept.items())
    async with person.http.post(person.address + path, data={"passphrase": passphrase}, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_where_one_person_is_enough_the_same_one_makes_the_package(house: House) -> None:
    house.site.case_packages._two_persons = False
    office = await open_office(house)
    case = await office.matched("document")
    await office.done(case, "decision", {"decision": "granted", **WORDS})
    assert (await office.step(case, "package", {"mutes": "", "ground": ""})).status == 200


async def test_a_refusal_gives_the_certificate_in_the_persons_language(office: Office) -> None:
    case = await office.matched("erasure", language="sv")
    incomplete = await office.step(case, "refusal", {**SIGNED, "ground": "legal-claims", "signatory": ""})
    assert incomplete.status == 400
    assert SIGNED["reasons"] in form_of(incomplete, f"{case}/refusal")
    told = await office.done(case, "refusal", {**SIGNED, "ground": "legal-claims"})
    assert (told["case"]["state"], told["case"]["decision"], told["has_certificate"]) == ("answered", "refused", True)
    page = await office.aino.get(case)
    assert f"{case}/certificate?language=sv&amp;file=pdf" in page.text
    paper = await office.aino.get(f"{case}/certificate?language=sv&file=html")
    assert (paper.status, SIGNED["reasons"] in paper.text, PERSON["name"] in paper.text) == (200, True, True)
    pdf = await office.aino.get(f"{case}/certificate?language=sv&file=pdf")
    assert (pdf.status, pdf.headers["Content-Type"]) == (200, "application/pdf")
    assert (await office.aino.get(f"{case}/certificate?language=fi")).status == 404
    assert (await office.done(case, "close"))["case"]["state"] == "closed"


async def test_a_document_is_refused_by_the_number_of_a_decision(office: Office) -> None:
    case = await office.matched("document")
    page = await office.aino.get(case)
    form = form_of(page, f"{case}/refusal")
    assert ('name="paper_reference"' in form, 'name="ground"' in form) == (True, False)
    told = await office.done(case, "refusal", {"paper_reference": "KH-2026/77"})
    assert (told["paper_reference"], told["has_certificate"]) == ("KH-2026/77", False)
    assert "Decision KH-2026/77 of the authority" in (await office.aino.get(case)).text
    assert (await office.aino.get(f"{case}/certificate")).status == 409


async def test_in_part_means_some_calls_and_a_certificate_for_the_rest(office: Office) -> None:
    case = await office.open("restriction")
    await office.done(case, "identity", {"method": "suomi-fi", "proved": "true"})
    for one in (office.recorded, office.other):
        await office.done(case, "calls", {"theirs": str(one.recording_id)})
    form = {"decision": "partly", "only": str(office.recorded.recording_id), **WORDS}
    without = await office.step(case, "decision", form)
    assert (without.status, "say on which" in without.text) == (400, True)
    assert f'value="{office.recorded.recording_id}" checked' in without.text
    told = await office.done(case, "decision", {**form, "restricted_on": "unlawful"})
    granted = {one["recordings"][0]: one["is_granted"] for one in told["calls"]}
    assert granted == {str(office.recorded.recording_id): True, str(office.other.recording_id): False}
    assert told["choices"] == ["refuse", "extend"]
    early = await office.step(case, "hand-over", {"way": "letter"})
    assert (early.status, "has no certificate of refusal" in early.text) == (409, True)
    await office.done(case, "refusal", {**SIGNED, "ground": "no-restriction"})
    assert (await office.done(case, "hand-over", {"way": "letter"}))["case"]["state"] == "answered"


async def test_erasure_destroys_only_with_a_yes_and_a_fresh_code(office: Office) -> None:
    case = await office.matched("erasure")
    office.house.people.watch.go(minutes=6)
    form = {"decision": "granted", **WORDS}
    for refused in (await office.aino.get(f"{case}/decision"), await office.step(case, "decision", form)):
        assert (refused.status, 'name="code"' in refused.text) == (403, True)
    await office.house.step_up(office.aino, "aino")
    asked = await office.step(case, "decision", form)
    assert (asked.status, "destroys 1 recordings for good" in asked.text) == (409, True)
    assert WORDS["because"] in form_of(asked, f"{case}/decision")
    told = await office.done(case, "decision", {**form, "yes": "true"})
    assert told["steps"][-1]["what"] == "Decision made. Granted. 1 recording is destroyed."
    assert any(one["is_granted"] and not one["recordings"] for one in told["calls"])


async def test_a_correction_is_made_before_it_is_handed_over(office: Office) -> None:
    case = await office.matched("correction")
    await office.done(case, "decision", {"decision": "granted", **WORDS})
    early = await office.step(case, "hand-over", {"way": "letter"})
    assert (early.status, "Correct the recording first" in early.text) == (409, True)
    page = f"/recordings/{office.recorded.recording_id}"
    note = {"field": "note", "value": "Nimi on Aino.", "because": "Pyyntö", "seconds": ""}
    assert (await office.aino.post(f"{page}/corrections", note)).status == 303
    assert (await office.done(case, "hand-over", {"way": "letter"}))["case"]["state"] == "answered"


@pytest.mark.parametrize("kind", ["objection", "withdrawal"])
async def test_what_the_person_does_not_want_used_is_restricted(office: Office, kind: str) -> None:
    """Here no queue stands on consent."""
    case = await office.matched(kind)
    told = await office.done(case, "decision", {"decision": "granted", **WORDS})
    assert told["steps"][-1]["what"] == "Decision made. Granted. 1 recording is restricted."
    restricted = (await office.aino.get("/restrictions?format=json")).json()["restrictions"]
    assert [one["restriction"]["case_number"] for one in restricted] == ["R2026-1"]


async def test_a_person_takes_it_back(office: Office) -> None:
    case = await office.open()
    assert (await office.step(case, "take-back", {"because": ""})).status == 422
    told = await office.done(case, "take-back", {"because": "Soitti."})
    assert (told["case"]["state"], told["case"]["decision"]) == ("closed", "taken-back")
    assert told["steps"][-1]["words"] == ["Soitti."]


# --- days


async def test_open_cases_are_listed_by_the_day_they_are_due(office: Office) -> None:
    """A document after two weeks, a person's own data after 28 days; two months more, once."""
    access, document = await office.open(), await office.open("document")
    listed = (await office.aino.get("/cases?format=json")).json()["cases"]
    assert [f"/cases/{one['number']}" for one in listed] == [document, access]
    told = await office.done(access, "extension", {"told_on": office.today, "because": "Paljon puheluja."})
    assert (told["case"]["extended"], "extend" in told["choices"]) == (True, False)
    twice = await office.step(access, "extension", {"told_on": office.today, "because": "Vielä."})
    assert (twice.status, "one extension" in twice.text) == (409, True)


@pytest.mark.parametrize(
    ("days", "standing", "badge"),
    [
        (20, "calm", ""),
        (21, "warned", "Due soon"),
        (29, "late", "Late: the house&#39;s own day is over"),
        (32, "overdue", "Overdue: the law&#39;s day is over"),
    ],
)
async def test_what_is_due_is_shown_clearly(office: Office, days: int, standing: str, badge: str) -> None:
    received = local_day(office.house.people.watch.now()) - timedelta(days=days)
    case = await office.open(received_on=str(received))
    assert (await office.told(case))["case"]["standing"] == standing
    for path in ("/cases", case):
        page = (await office.aino.get(path)).text
        assert bool(badge) == ('class="badge careful">Due' in page or 'class="badge bad">' in page)
        assert badge in page
    assert bool(badge) == ("asked about recordings is to be answered" in (await office.aino.get("/")).text)


# --- what is refused


async def test_of_two_officers_at_once_the_second_sees_it_anew(office: Office) -> None:
    case = await office.matched("access")
    seen = {"version": (await office.told(case))["case"]["version"], "decision": "granted", **WORDS}
    both = await asyncio.gather(*(one.post(f"{case}/decision", seen) for one in (office.aino, office.olli)))
    first, second = sorted(both, key=lambda got: got.status)
    assert (first.status, second.status) == (303, 409)
    assert "Case R2026-1 was changed meanwhile" in second.text
    assert "There is nothing to decide on this case now: Decided" in second.text
    assert steps(await office.told(case)).count("Decision made") == 1


async def test_a_step_of_a_case_that_went_on_is_shown_with_the_version_of_now(office: Office) -> None:
    case = await office.open()
    seen = (await office.told(case))["case"]["version"]
    await office.done(case, "identity", {"method": "in-person", "proved": "false"}, office.olli)
    form = {"version": seen, "method": "in-person", "proved": "true", "note": "Passi."}
    late = await office.aino.post(f"{case}/identity", form)
    assert late.status == 409
    again = form_of(late, f"{case}/identity")
    assert ("Passi." in again, f'name="version" value="{seen + 1}"' in again) == (True, True)


async def test_nothing_is_done_out_of_order(office: Office) -> None:
    case = await office.open()
    early = await office.step(case, "calls", {"theirs": str(office.recorded.recording_id)})
    assert (early.status, "is not proved" in early.text) == (409, True)
    early = await office.step(case, "close")
    assert (early.status, "the person has no answer yet" in early.text) == (409, True)
    early = await office.step(case, "package", {"mutes": ""})
    assert (early.status, "no decision that grants a copy" in early.text) == (409, True)
    for name in ("decision", "package"):
        assert f'action="{case}/{name}"' not in (await office.aino.get(f"{case}/{name}")).text
    assert steps(await office.told(case)) == ["Case opened", "Calls were found and frozen"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"received_on": "2027-01-01"}, 400),
        ({"kind": "portability"}, 422),
        ({"name": ""}, 422),
        ({"number": "not a number"}, 400),
        ({"number": "", "since": "2026-11-01", "until": "2027-11-24"}, 400),
        ({"until": "2026-11-01", "since": "2026-11-02"}, 400),
    ],
)
async def test_a_letter_that_is_not_as_it_should_be_opens_nothing(
    office: Office, wrong: dict[str, str], status: int
) -> None:
    form = {**PERSON, "kind": "access", "channel": "paper", "received_on": office.today, "language": "fi"}
    got = await office.aino.post("/cases", {**form, "number": NUMBER, **wrong})
    assert got.status == status, got.text
    assert PERSON["asked"] in form_of(got, "/cases")
    assert (await office.aino.get("/cases?format=json")).json()["cases"] == []


async def test_without_a_number_a_window_that_is_over_is_searched(office: Office) -> None:
    yesterday = str(local_day(office.house.people.watch.now()) - timedelta(days=1))
    case = await office.open(number="", since=yesterday, until=yesterday, queue="advice")
    assert len((await office.told(case))["calls"]) == 2
    empty = await office.open(number="", since="", until="")
    assert (await office.told(empty))["calls"] == []
    assert len((await office.done(empty, "searches", {"number": NUMBER}))["calls"]) == 2


async def test_only_who_answers_requests_sees_them(office: Office) -> None:
    case = await office.open()
    for role in (Role.SUPERVISOR, Role.ADVISER, Role.AUDITOR, Role.ADMINISTRATOR):
        visitor = await office.house.visitor(role.value)
        for path in ("/cases", case, f"{case}/decision", f"{case}/package", f"{case}/certificate"):
            assert (await visitor.get(path)).status == 403, (role, path)
        assert "/cases" not in (await visitor.get("/")).text
        assert (await visitor.post(f"{case}/close", {"version": 1})).status == 403
    assert (await office.aino.get("/cases/R2026-99")).status == 404
    assert (await office.aino.get("/cases/something")).status == 404


async def test_with_the_keyring_locked_nothing_is_opened_and_the_list_is_there(office: Office) -> None:
    case = await office.open()
    office.house.site.keyring.lock()
    listed = await office.aino.get("/cases")
    assert (listed.status, "The keyring is locked" in listed.text, case in listed.text) == (200, True, True)
    assert 'action="/cases"' not in listed.text
    assert (await office.aino.get(case)).status == 503


async def test_what_cannot_be_searched_yet_is_told_before_the_decision(office: Office) -> None:
    """A call of a moment ago, whose number has no index yet."""
    case = await office.matched()
    site = office.house.site
    await record(site.config, site.database, started_at=office.house.people.watch.now(), uniqueid="1700000009.1")
    page = await office.aino.get(f"{case}/decision")
    assert "is not searched yet" in page.text
    assert f'action="{case}/decision"' not in page.text


# --- the page


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_speaks_the_language_of_who_looks(office: Office, language: str) -> None:
    case = await office.open()
    await office.aino.post("/language", {"language": language})
    page = await office.aino.get(case)
    assert OPENED[language] in page.text
    assert f'lang="{language}"' in page.text


async def test_looking_at_a_case_and_each_step_is_on_record(office: Office) -> None:
    case = await office.open()
    await office.aino.get(case)
    await office.done(case, "identity", {"method": "in-person", "proved": "true"})
    told = [dict(one) for one in await entries(office.house.site.database)]
    actions = [one["action"] for one in told]
    assert [one for one in actions if one.startswith("request:")][:3] == [
        "request:open",
        "request:match",
        "request:read",
    ]
    assert actions[-2:] == ["request:identity", "request:read"]
    assert PERSON["name"] not in str(told)


async def test_an_answer_that_got_lost_is_no_second_case(office: Office) -> None:
    form = {**PERSON, "kind": "access", "channel": "paper", "received_on": office.today, "language": "fi"}
    order = {"order": "11111111-1111-4111-8111-111111111111"}
    got = [await office.aino.post("/cases", {**form, **order}) for _ in range(2)]
    assert [one.status for one in got] == [303, 409]
    assert len((await office.aino.get("/cases?format=json")).json()["cases"]) == 1


async def test_every_kind_can_be_opened(office: Office) -> None:
    for kind in Kind:
        told = await office.told(await office.open(kind.value))
        assert told["case"]["kind"] == kind.value


async def test_places_that_belong_together_stand_together(office: Office) -> None:
    """The first row of the menu is short; what is within a place is beside it once somebody is there."""
    home, cases = [(await office.aino.get(path)).text for path in ("/", "/cases")]
    menu = home.partition("<nav")[2].partition("</nav>")[0]
    assert ('href="/cases"' in menu, 'href="/deliveries"' in menu) == (True, False)
    assert 'href="/deliveries"' in home  # among the work
    menu = cases.partition("<nav")[2].partition("</nav>")[0]
    assert all(f'href="/{one}"' in menu for one in ("cases", "exports", "restrictions", "deliveries"))
    within: Visitor = await office.house.visitor(Role.AUDITOR.value)
    menu = (await within.get("/")).text.partition("<nav")[2].partition("</nav>")[0]
    assert 'href="/audit"' in menu
