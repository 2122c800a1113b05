"""The privacy notice on the page, for strangers; and its promises, for those who watch over them."""

import pytest

from ari_recorder.domain.accounts import Role
from ari_recorder.domain.promises import CHECKS
from tests.reading_pdf import read
from tests.web.house import House

WORDS = {"fi": "Neuvonta: 3 kuukautta", "sv": "Rådgivning: 3 månader", "en": "Advice line: 3 months"}


@pytest.mark.parametrize("language", WORDS)
async def test_everybody_reads_the_notice_in_the_own_language(house: House, language: str) -> None:
    stranger = house.stranger()
    stranger.language = language
    got = await stranger.get("/privacy-notice")
    assert got.status == 200
    assert WORDS[language] in got.text
    other = next(one for one in WORDS if one != language)
    asked = await stranger.get(f"/privacy-notice?language={other}")
    assert f'<article lang="{other}">' in asked.text
    assert WORDS[other] in asked.text
    view = (await stranger.get("/privacy-notice?format=json")).json()
    assert (view["language"], view["since"]) == (language, None)
    assert [one["number"] for one in view["sections"]] == list(range(1, 21))


@pytest.mark.parametrize("language", WORDS)
async def test_the_same_is_there_as_pdf(house: House, language: str) -> None:
    """Tagged, in its language, in the order of the page: what a screen reader finds, by another program."""
    version = await house.site.notices.adopt()
    stranger = house.stranger()
    stranger.language = language
    page = await stranger.get("/privacy-notice")
    address = f"/privacy-notice.pdf?language={language}"
    assert f'href="{address}"' in page.text
    async with house.http.get(house.address + address) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/pdf")
        found = read(await answer.read())
    made = await house.site.notices.notice(language)
    assert (found.language, found.title) == (f"{language}-FI", made.title)
    assert found.author == house.site.config.controller.name[language]  # type: ignore[index]
    assert found.shows_title
    assert found.marked
    assert found.part_of_ua == 1
    assert found.fonts_inside
    assert found.untagged == ""
    assert found.of("H1") == [f"{one.number} {one.heading}" for one in made.sections]
    assert [_plain(one) for one in found.of("P")] == [
        _plain(one.text) for section in made.sections for one in section.blocks
    ]
    text, at = _plain(found.text()), 0
    for one in made.texts:
        at = text.index(_plain(one), at) + len(_plain(one))
    assert await house.site.notices.pdf(language, version.since) is await house.site.notices.pdf(
        language, version.since
    )


def _plain(text: str) -> str:
    """Without blanks: a line that is broken has none at its end, and a word that is divided a hyphen."""
    return "".join(text.split()).replace("\u00ad", "")


async def test_it_says_since_when(house: House) -> None:
    version = await house.site.notices.adopt()
    view = (await house.stranger().get("/privacy-notice?format=json")).json()
    assert view["since"] == version.since.isoformat().replace("+00:00", "Z")


async def test_the_notice_is_there_while_the_database_is_away(house: House) -> None:
    house.site.usable.clear()
    got = await house.stranger().get("/privacy-notice?language=sv")
    assert got.status == 200
    assert WORDS["sv"] in got.text
    assert (await house.stranger().get("/privacy-notice.pdf?language=sv")).text.startswith("%PDF-1.7")


async def test_each_promise_has_a_line_with_its_evidence(house: House) -> None:
    await house.site.notices.adopt()
    for role in (Role.AUDITOR, Role.PRIVACY_OFFICER):
        visitor = await house.visitor(role.value)
        got = await visitor.get("/promises")
        assert got.status == 200
        assert "Whoever listened had the right to it then" in got.text
        view = (await visitor.get("/promises?format=json")).json()
        assert [one["name"] for one in view["promises"]] == [check.name.value for check in CHECKS]
        for one in view["promises"]:
            if one["address"]:
                assert (await visitor.get(one["address"])).status == 200, one["name"]
        assert len(view["versions"]) == 1
    assert sum(bool(one["address"]) for one in view["promises"]) == len(CHECKS) - 1, "holds are the supervisors'"


async def test_a_broken_promise_is_red_on_the_page(house: House) -> None:
    async with house.site.database.transaction() as conn:
        await conn.execute("CREATE TABLE transcript (words text)")
    await house.site.promises.look(deep=False)
    visitor = await house.visitor(Role.AUDITOR.value)
    got = await visitor.get("/promises")
    assert "1 promise is broken." in got.text
    assert "<code>transcript</code>" in got.text
    assert (await visitor.get("/promises?format=json")).json()["broken"] == 1
