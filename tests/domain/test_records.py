"""The controller's papers: three kinds in three languages, as files say; made from what the notice is made from."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ari_recorder.domain import records_en, records_fi, records_sv
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.activations import Approval
from ari_recorder.domain.notice import Basis, Destination, Register, notice
from ari_recorder.domain.papers import Block, Bullets, Facts, Heading, Paper, Paragraph, Table
from ari_recorder.domain.promises import CHECKS, Promise, PromiseName, PromiseState
from ari_recorder.domain.records import RISKS, Record, RecordFacts, RecordKind, as_json, record
from ari_recorder.services.papers import as_html, pdf
from ari_recorder.web import languages
from ari_recorder.web.notice import promise_words
from tests.domain.test_notice import FACTS as NOTICE
from tests.reading_pdf import read

KEPT = Path(__file__).parent / "records"
AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
WORDS = {language: promise_words(words) for language, words in languages.load().items()}


def promise(name: PromiseName, state: PromiseState = PromiseState.KEPT) -> Promise:
    return Promise(
        name=name,
        sections=(6,),
        state=state,
        figure={PromiseState.KEPT: 0, PromiseState.BROKEN: 7}.get(state),
        names=(),
        since=AT,
        looked_at=AT,
        proved_at=AT if state is PromiseState.KEPT else None,
    )


FACTS = RecordFacts(
    notice=NOTICE,
    promises=tuple(
        promise(check.name, PromiseState.BROKEN if check.name is PromiseName.RULE else PromiseState.KEPT)
        for check in CHECKS
    ),
    approvals={
        "advice": Approval(approved_by="HR 14/2026", approved_on=date(2026, 1, 12), staff_informed_on=date(2026, 1, 26))
    },
    recordings=1234,
    dated=date(2026, 11, 27),
)


def made(kind: RecordKind, language: str, facts: RecordFacts = FACTS) -> Record:
    return record(kind, facts, language, WORDS[language])


def texts(one: Record) -> list[str]:
    """Everything that is read, in its order."""
    return texts_of(one.paper)


def texts_of(paper: Paper) -> list[str]:
    return [paper.title, *(text for block in paper.blocks for text in _texts(block))]


def _texts(block: Block) -> list[str]:
    match block:
        case Heading(text=text) | Paragraph(text=text):
            return [text]
        case Bullets(items=items):
            return list(items)
        case Facts(rows=rows):
            return [text for row in rows for text in row]
        case Table(caption=caption, header=header, rows=rows):
            return [caption, *header, *(cell for row in rows for cell in row)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", RecordKind)
def test_each_paper_is_what_its_file_says(kind: RecordKind, language: str) -> None:
    """When the words change on purpose: write as_html(made(kind, language).paper) into the file, and read it."""
    assert as_html(made(kind, language).paper) == (KEPT / f"{kind}.{language}.html").read_text()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", RecordKind)
def test_the_blanks_it_counts_are_the_blanks_it_has(kind: RecordKind, language: str) -> None:
    one = made(kind, language)
    said = texts(one)
    numbers = [int(number) for text in said for number in re.findall(r"\[[^\]\d]+ (\d+): [^\]]+\]", text)]
    assert numbers == list(range(1, one.blanks + 1))
    assert said[2].split(": ")[1].split(".")[0] == str(one.blanks)


def test_every_language_has_the_same_words_and_each_is_used() -> None:
    words = (records_en.WORDS, records_fi.WORDS, records_sv.WORDS)
    assert words[0].keys() == words[1].keys() == words[2].keys()
    outside = (Destination(kind="mail", host="h", country="US"),)
    bases = (Basis.LEGITIMATE_INTEREST, Basis.CONSENT, Basis.PUBLIC_TASK)
    lines = tuple(replace(NOTICE.lines[0], basis=basis) for basis in bases)
    nothing = replace(NOTICE, destinations=(), register=replace(NOTICE.register, contact={}))
    others = (
        replace(FACTS, notice=replace(NOTICE, lines=lines, destinations=outside), recordings=None),
        replace(FACTS, notice=nothing, promises=tuple(replace(one, proved_at=None) for one in FACTS.promises)),
    )
    said = " ".join(text for facts in others for kind in RecordKind for text in texts(made(kind, "en", facts)))
    unused = [name for name, text in words[0].items() if text.split("{")[0] not in said]
    assert not unused


def test_what_the_notice_says_is_said_in_the_same_words() -> None:
    """One source: a period that changes in the rules changes in all of them."""
    for language in LANGUAGES:
        sections = notice(NOTICE, language).sections
        said = texts(made(RecordKind.PROCESSING, language))
        for number in (6, 7, 8, 10, 11, 12):
            for block in sections[number - 1].blocks:
                assert block.text in said
                assert set(block.points) <= set(said)
    shorter = replace(FACTS, notice=replace(NOTICE, quarantine_days=3))
    for kind in RecordKind:
        told = " ".join(texts(made(kind, "en", shorter)))
        assert "destroyed after 3 days" in told, kind
        assert "destroyed after 14 days" not in told, kind


def test_the_record_has_all_that_article_30_wants() -> None:
    said = texts(made(RecordKind.PROCESSING, "en"))
    headings = [text[:3] for text in said if re.match(r"\([a-g]\) ", text)]
    assert headings == [f"({letter})" for letter in "abcdefg"]
    for words in ("City of Exampleton, Torikatu 1, 00100 Esimerkkilä", "tietosuoja@example.org", "Director of"):
        assert any(words in text for text in said), words


def test_a_transfer_beyond_the_eea_wants_its_safeguards() -> None:
    outside = replace(NOTICE, destinations=(Destination(kind="mail", host="h", country="US"),))
    one = made(RecordKind.PROCESSING, "en", replace(FACTS, notice=outside))
    assert one.blanks == made(RecordKind.PROCESSING, "en").blanks + 1
    assert "Safeguards of the transfer" in texts(one)


def test_every_risk_has_measures_and_every_promise_a_risk() -> None:
    assert all(risk.measures and risk.promises for risk in RISKS)
    assert {one for risk in RISKS for one in risk.promises} == set(PromiseName)


def test_the_assessment_tells_which_promise_is_broken() -> None:
    said = texts(made(RecordKind.DPIA, "en"))
    at = said.index("No recording is older than its rule")
    assert said[at + 1] == "Broken (7)"
    (table,) = [
        block
        for block in made(RecordKind.DPIA, "en").paper.blocks
        if isinstance(block, Table) and "Promises" in block.caption
    ]
    assert len(table.rows) == len(CHECKS)
    assert ("No recording is older than its rule", "Broken", "7", "never") in table.rows
    nobody = texts(made(RecordKind.DPIA, "en", replace(FACTS, promises=())))
    assert nobody[nobody.index("No recording is older than its rule") + 1] == "Cannot be told"


def test_each_basis_has_its_own_question() -> None:
    def asked(*bases: Basis | None) -> set[str]:
        lines = tuple(replace(NOTICE.lines[0], basis=basis) for basis in bases)
        said = texts(made(RecordKind.DPIA, "en", replace(FACTS, notice=replace(NOTICE, lines=lines))))
        return {"The task in law", "Balance of interests", "Consent"} & set(said)

    assert asked(Basis.PUBLIC_TASK) == {"The task in law"}
    assert asked(Basis.LEGITIMATE_INTEREST, Basis.CONSENT) == {"Balance of interests", "Consent"}
    assert asked(None) == set()


def test_what_is_not_set_is_named() -> None:
    nobody = Register(**{name: {} for name in Register.__dataclass_fields__})
    empty = replace(FACTS, notice=replace(NOTICE, register=nobody))
    for kind in RecordKind:
        assert "controller.contact" in " ".join(texts(made(kind, "fi", empty)))
        assert "controller.contact" in made(kind, "fi", empty).missing
        assert not made(kind, "fi").missing


def test_information_management_is_data_too() -> None:
    told = {language: json.loads(as_json(made(RecordKind.INFORMATION_MANAGEMENT, language))) for language in LANGUAGES}
    parts = ("processes", "pools", "datasets", "systems", "security")
    for language, one in told.items():
        assert (one["format"], one["language"]) == ("ari-recorder/information-management/1", language)
        assert set(parts) <= one.keys()
        for part in parts:
            assert [item.keys() for item in one[part]] == [item.keys() for item in told["en"][part]]
    assert [one["kept"] for one in told["sv"]["datasets"]][:2] == ["3 månader", "1 månad och 14 dagar"]
    assert told["fi"]["systems"][0]["connections"] == ["sähköpostipalvelin: FI"]
    other = json.loads(as_json(made(RecordKind.PROCESSING, "en")))
    assert other["blocks"][0]["kind"] == "paragraph"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", RecordKind)
def test_a_screen_reader_reads_it_in_its_order(kind: RecordKind, language: str) -> None:
    one = made(kind, language)
    found = read(pdf(one.paper))
    assert (found.language, found.title, found.part_of_ua) == (f"{language}-FI", one.paper.title, 1)
    assert found.author == NOTICE.register.name[language]
    assert found.marked
    assert found.shows_title
    assert found.fonts_inside
    assert found.untagged == ""
    assert {"Title", "H1", "H2", "P", "L"} <= {element.tag for element in found.elements} | {
        "H2" if kind is RecordKind.PROCESSING else ""
    }
    text, at = re.sub(r"\s", "", found.text()), 0
    for said in texts(one):
        for line in said.split("\n"):
            at = text.index(re.sub(r"\s", "", line), at)
