"""The controller's papers on the page: for who watches over the register, in each language, and as files."""

import json

import pytest

from ari_recorder.domain.accounts import LANGUAGES, Role
from ari_recorder.domain.records import RecordKind
from tests.web.house import House

TITLES = {"fi": "Seloste käsittelytoimista", "sv": "Register över behandling", "en": "Record of processing activities"}


async def test_who_watches_sees_each_paper_and_what_is_left_to_fill_in(house: House) -> None:
    for role in (Role.PRIVACY_OFFICER, Role.AUDITOR):
        visitor = await house.visitor(role.value)
        got = await visitor.get("/records")
        assert got.status == 200
        assert "Record of processing activities" in got.text
        view = (await visitor.get("/records?format=json")).json()
        assert [one["kind"] for one in view["records"]] == list(RecordKind)
        for one in view["records"]:
            assert one["blanks"] > 0
            paper = (await visitor.get(f"/records/paper?kind={one['kind']}&format=json")).json()
            assert paper["blanks"] == one["blanks"]
            assert str(paper["blocks"]).count("[To be filled in") == one["blanks"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_is_read_in_the_language_that_is_asked_for(house: House, language: str) -> None:
    officer = await house.visitor("privacy-officer")
    got = await officer.get(f"/records/paper?kind=processing&language={language}")
    assert f'<article lang="{language}">' in got.text
    assert f"<h1>{TITLES[language]}" in got.text


async def test_it_is_taken_along_as_a_file(house: House) -> None:
    officer = await house.visitor("privacy-officer")
    for file, kind, begins in (("pdf", "application/pdf", "%PDF-1.7"), ("html", "text/html", "<!doctype html>")):
        got = await officer.get(f"/records/file?kind=dpia&language=sv&file={file}")
        assert got.status == 200
        assert got.headers["Content-Type"].startswith(kind)
        assert got.text.startswith(begins)
    got = await officer.get("/records/file?kind=information-management&language=fi&file=json")
    assert json.loads(got.text)["law"] == "906/2019, 5 §"


async def test_others_see_none_of_it(house: House) -> None:
    for role in (Role.ADVISER, Role.SUPERVISOR, Role.ADMINISTRATOR):
        visitor = await house.visitor(role.value)
        for path in ("/records", "/records/paper?kind=dpia", "/records/file?kind=dpia&file=pdf"):
            assert (await visitor.get(path)).status == 403, path
