"""The privacy notice: twenty sections in three languages, as files say; what it is made from is what it says."""

from dataclasses import replace
from pathlib import Path

import pytest

from ari_recorder.domain import notice_en, notice_fi, notice_sv
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.notice import (
    SECTIONS,
    Basis,
    Destination,
    Line,
    NoticeFacts,
    Register,
    digest,
    in_all_languages,
    notice,
)
from ari_recorder.domain.notice_html import NOTICE_ID, article, document, published_texts
from ari_recorder.domain.retention import USUAL_GRACE, Period

KEPT = Path(__file__).parent / "notices"


def told(fi: str, sv: str, en: str) -> dict[str, str]:
    return {"fi": fi, "sv": sv, "en": en}


FACTS = NoticeFacts(
    register=Register(
        register_name=told("Esimerkkilän puhelut", "Exempelbys samtal", "Calls of Exampleton"),
        name=told("Esimerkkilän kaupunki", "Exempelby stad", "City of Exampleton"),
        address=dict.fromkeys(LANGUAGES, "Torikatu 1, 00100 Esimerkkilä"),
        person_in_charge=told("Viestintäjohtaja", "Kommunikationsdirektör", "Director of communications"),
        contact=dict.fromkeys(LANGUAGES, "kirjaamo@example.org"),
        data_protection_officer=dict.fromkeys(LANGUAGES, "tietosuoja@example.org"),
        supervisory_authority=told("Tietosuojavaltuutettu", "Dataombudsmannen", "Data Protection Ombudsman"),
    ),
    lines=(
        Line(
            queue="advice",
            called=told("Neuvonta", "Rådgivning", "Advice line"),
            basis=Basis.PUBLIC_TASK,
            kept=Period.parse("P3M"),
            numbers=("0800123456",),
        ),
        Line(
            queue="dental",
            called=told("Hammashoito", "Tandvård", "Dental care"),
            basis=Basis.CONSENT,
            kept=Period.parse("P1M14D"),
        ),
    ),
    undecided_grace=USUAL_GRACE,
    backups_kept=Period.parse("P30D"),
    quarantine_days=14,
    destinations=(Destination(kind="mail", host="mail.example.org", country="FI"),),
    two_persons=True,
    sample_percent=5,
    published=("https://www.example.org/notice",),
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_is_what_the_file_says(language: str) -> None:
    """When the words change on purpose: write document(notice(FACTS, language)) into the file, and read it."""
    assert document(notice(FACTS, language)) == (KEPT / f"{language}.html").read_text()


def test_every_language_has_the_same_twenty_sections_and_sentences() -> None:
    words = (notice_en.WORDS, notice_fi.WORDS, notice_sv.WORDS)
    assert [len(one.headings) for one in words] == [SECTIONS] * 3
    assert words[0].sentences.keys() == words[1].sentences.keys() == words[2].sentences.keys()
    made = in_all_languages(FACTS)
    shapes = {tuple(tuple(len(block.points) for block in one.blocks) for one in each.sections) for each in made}
    assert len(shapes) == 1
    assert len(set(digest([one]) for one in made)) == 3


def test_every_sentence_is_used_somewhere() -> None:
    nothing = replace(FACTS, destinations=(), two_persons=False)
    outside = replace(FACTS, destinations=tuple(Destination(kind=kind, host="h", country="US") for kind in _KINDS))
    bases = (Basis.LEGITIMATE_INTEREST, None)
    others = replace(FACTS, lines=tuple(replace(FACTS.lines[0], basis=basis) for basis in bases))
    said = " ".join(text for facts in (FACTS, nothing, outside, others) for text in notice(facts, "en").texts)
    unused = [name for name, text in notice_en.WORDS.sentences.items() if text.split("{")[0] not in said]
    assert not unused


_KINDS = ("pbx", "database", "mail", "webhook", "syslog", "s3", "published")


def test_what_the_service_does_is_what_it_says() -> None:
    """Each fact that changes changes the sentence about it, and the version."""
    before = digest(in_all_languages(FACTS))
    shorter = replace(FACTS, lines=(replace(FACTS.lines[0], kept=Period.parse("P14D")),))
    changes: dict[str, NoticeFacts] = {
        "Advice line (0800123456): 14 days": shorter,
        "any more than": replace(FACTS, quarantine_days=7),
        "Data are transferred outside": replace(
            FACTS, destinations=(Destination(kind="mail", host="h", country="US"),)
        ),
        "The service works on one host": replace(FACTS, destinations=()),
        "looks at 20 per cent": replace(FACTS, sample_percent=20),
    }
    changes["destroyed after 7 days"] = changes.pop("any more than")
    for words, facts in changes.items():
        assert any(words in text for text in notice(facts, "en").texts), words
        assert digest(in_all_languages(facts)) != before, words
    alone = notice(replace(FACTS, two_persons=False), "en")
    assert not any("a second person has to agree" in text for text in alone.texts)


def test_consent_is_spoken_of_where_it_is_the_basis() -> None:
    def section(number: int, *bases: Basis) -> str:
        facts = replace(FACTS, lines=tuple(replace(FACTS.lines[0], basis=basis) for basis in bases))
        blocks = notice(facts, "en").sections[number - 1].blocks
        return " ".join([text for block in blocks for text in (block.text, *block.points)])

    assert "withdraw your consent at any time" in section(16, Basis.CONSENT)
    assert "not based on consent" not in section(16, Basis.CONSENT)
    assert "withdraw your consent at any time" not in section(16, Basis.PUBLIC_TASK)
    assert "(Article 21)" in section(17, Basis.PUBLIC_TASK)
    assert "(Article 20)" not in section(17, Basis.PUBLIC_TASK)
    assert "(Article 21)" not in section(17, Basis.CONSENT)


def test_what_is_not_filled_in_is_named() -> None:
    nobody = Register(**{name: {} for name in Register.__dataclass_fields__})
    empty = replace(FACTS, register=nobody, lines=(replace(FACTS.lines[0], called={}, basis=None),))
    assert empty.missing == (
        *(f"controller.{name}" for name in Register.__dataclass_fields__),
        'queues["advice"].called',
        'queues["advice"].basis',
    )
    assert not FACTS.missing
    for language, words in {"fi": "ei vielä ilmoitettu", "sv": "har inte angetts ännu", "en": "not given yet"}.items():
        assert notice(empty, language).sections[0].blocks[0].text == words


def test_markup_in_a_setting_is_text() -> None:
    strange = replace(FACTS.register, name=dict.fromkeys(LANGUAGES, "<b>A & B</b>"))
    html = document(notice(replace(FACTS, register=strange), "fi"))
    assert "<b>" not in html
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in html


# --- a published copy


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_published_copy_says_the_same(language: str) -> None:
    made = notice(FACTS, language)
    assert published_texts(document(made)) == made.texts


def test_a_copy_within_a_page_of_the_site_says_the_same() -> None:
    made = notice(FACTS, "fi")
    inner = article(made).replace("Esimerkkilän kaupunki", "<strong>Esimerkkilän</strong>\n   kaupunki")
    page = (
        f"<html><body><nav><p>Etusivu</nav><main><p>Murupolku</p>{inner}<p>Jaa<br>sivu</p></main><p>Ala</body></html>"
    )
    assert published_texts(page) == made.texts
    assert published_texts(page.replace(NOTICE_ID, "else")) == ("Murupolku", *made.texts, "Jaa", "sivu")
    assert published_texts("<p>Sivua ei löydy") == ()


def test_a_word_that_differs_is_seen() -> None:
    made = notice(FACTS, "fi")
    there = published_texts(document(made).replace("3 kuukautta", "6 kuukautta"))
    assert there != made.texts
    assert sum(one != other for one, other in zip(there, made.texts, strict=True)) == 1
