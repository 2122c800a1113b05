"""On the pages of a case in Finnish or Swedish nothing is English, whatever its kind, and at every step."""

from __future__ import annotations

import pytest

from ari_recorder.domain.subject_requests import Kind
from tests.site import NUMBER
from tests.web.cases import PERSON, SIGNED, Office, open_office
from tests.web.house import House
from tests.web.test_words import assert_in

GROUNDS = {
    Kind.ACCESS: "serious-danger",
    Kind.CORRECTION: "accurate",
    Kind.ERASURE: "public-task",
    Kind.RESTRICTION: "no-restriction",
    Kind.OBJECTION: "compelling",
    Kind.WITHDRAWAL: "no-consent",
    Kind.DOCUMENT: "",
}
PLACES = ("", "/decision", "/package")


@pytest.fixture
async def office(house: House) -> Office:
    return await open_office(house)


async def speak(office: Office, language: str) -> None:
    office.aino.language = language
    await office.aino.post("/language", {"language": language})


async def look(office: Office, case: str, language: str) -> None:
    for place in PLACES:
        got = await office.aino.get(case + place)
        assert_in(language, got.text, f"{case}{place}")


@pytest.mark.parametrize("language", ["fi", "sv"])
async def test_every_kind_is_told_in_the_language_at_every_step(office: Office, language: str) -> None:
    await speak(office, language)
    for kind in Kind:
        case = await office.open(kind.value)
        await office.done(case, "identity", {"method": "suomi-fi", "proved": "false"})
        await look(office, case, language)
        await office.done(case, "identity", {"method": "other", "proved": "true", "note": "Tuttu."})
        await look(office, case, language)
        for one in (office.recorded, office.other):
            await office.done(case, "calls", {"theirs": str(one.recording_id)})
        await look(office, case, language)
        refused = {**SIGNED, "ground": GROUNDS[kind]} if kind is not Kind.DOCUMENT else {"paper_reference": "KH-1"}
        await office.done(case, "refusal", refused)
        await look(office, case, language)
        await office.done(case, "close")
        await look(office, case, language)
    assert_in(language, (await office.aino.get("/cases?closed=true")).text, "the list")


@pytest.mark.parametrize("language", ["fi", "sv"])
async def test_what_is_refused_is_told_in_the_language(office: Office, language: str) -> None:
    await speak(office, language)
    case = await office.open()
    form = {**PERSON, "kind": "access", "channel": "paper", "received_on": office.today, "language": "fi"}
    for wrong in (
        {"number": "ei numeroa"},
        {"received_on": "2027-01-01"},
        {"asked": ""},
        {"name": "\n"},
        {"since": office.today},
        {"since": office.today, "until": "2026-01-01", "number": NUMBER},
    ):
        got = await office.aino.post("/cases", {**form, **wrong})
        assert got.status >= 400
        assert_in(language, got.text, f"{wrong}")
    for name, step in (
        ("calls", {"theirs": str(office.recorded.recording_id)}),
        ("decision", {"decision": "granted", "because": "Syy."}),
        ("decision", {"decision": "refused", "because": "Syy."}),
        ("identity", {"method": "other", "proved": "true"}),
        ("package", {"mutes": "1"}),
        ("refusal", {**SIGNED, "ground": "accurate"}),
        ("extension", {"told_on": "2027-01-01", "because": "Syy."}),
        ("hand-over", {"way": "letter"}),
        ("close", {}),
        ("take-back", {"because": "\n"}),
    ):
        got = await office.step(case, name, step)
        assert got.status >= 400, name
        assert_in(language, got.text, f"{name} {step}")
    seen = await office.aino.post(f"{case}/close", {"version": 77})
    assert seen.status == 409
    assert_in(language, seen.text, "another version")
