"""Certificates of refusal: nothing the law wants told is left out, and a template is found wanting when it is read."""

import dataclasses
from collections.abc import Mapping
from datetime import date
from itertools import product
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.config.controller import Controller
from ari_recorder.domain.errors import CertificateIncomplete, TemplateRefused
from ari_recorder.domain.papers import Facts, Heading, Paper
from ari_recorder.domain.refusal_certificates import GROUNDS, Refusal, check, fields, number_told
from ari_recorder.domain.refusal_templates import FIELDS, NEEDED, Extent, Ground, RequestKind, Template, parse
from ari_recorder.services import refusal_templates
from ari_recorder.services.papers import as_html

SNAPSHOTS = Path(__file__).parent / "snapshots"
OWN = Path(refusal_templates.__file__).parent / "templates"
TODAY = date(2026, 11, 27)
REFUSAL = Refusal(
    case_id=UUID(int=1),
    case_number="PRV/123/2026",
    addressee="Aino Esimerkki",
    kind=RequestKind.RECTIFICATION,
    asked="Puhelussa 3.11.2026 sanottu osoite on vaihdettava.",
    received_on=date(2026, 11, 10),
    ground=Ground.ACCURATE,
    reasons="Tallenteella kuuluu se, mitä puhelussa sanottiin.\nSitä ei voi muuttaa, mutta siihen lisättiin huomautus.",
    signatory="Sari Virkanen",
    signatory_title="Yhteys- ja viestintäjohtaja",
    languages=("fi", "sv", "en"),
)


CONTROLLER = Controller.model_validate(
    {
        "name": {"fi": "Esimerkkilän kaupunki", "sv": "Exempelby stad", "en": "City of Exampleton"},
        "contact": "Torikatu 1, 00100 Esimerkkilä",
    }
)


def told(refusal: Refusal, language: str) -> Paper:
    office = refusal_templates.offices(CONTROLLER)[language]
    values = fields(refusal, office, number_told(2026, 7), TODAY, language)
    template = refusal_templates.load(None)[language]
    return template.told(values, refusal.kind, refusal.extent, refusal.ground, TODAY)


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_certificate_reads_as_it_did(language: str) -> None:
    """Read the difference before you take it over: these words are law to somebody."""
    path = SNAPSHOTS / f"refusal.{language}.html"
    made = as_html(told(check(REFUSAL, TODAY), language))
    assert made == path.read_text(), f"the words of {path.name} changed"


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_everything_the_law_wants_told_is_told(language: str) -> None:
    for kind, ground in product(RequestKind, Ground):
        if kind not in GROUNDS[ground]:
            continue
        refusal = check(dataclasses.replace(REFUSAL, kind=kind, ground=ground, extent=Extent.PART), TODAY)
        text = as_html(told(refusal, language))
        office = {"fi": "Lintulahdenkuja 4", "sv": "Fågelviksgränden 4", "en": "Lintulahdenkuja 4"}[language]
        day = "27 November 2026" if language == "en" else "27.11.2026"
        template = refusal_templates.load(None)[language]
        wanted = ["2026/7", REFUSAL.case_number, REFUSAL.addressee, REFUSAL.asked, "Sitä ei voi muuttaa", day, office]
        wanted += [REFUSAL.signatory, template.grounds[ground], template.laws[ground], template.requests[kind]]
        wanted += [template.extents[Extent.PART]]
        for one in wanted:
            assert one in text, one
        if ground in (Ground.SECURITY_OR_CRIME, Ground.SERIOUS_DANGER, Ground.SUPERVISION):
            assert "34" in template.laws[ground]  # and then the ombudsman is given the data, at the person's request
            assert {"fi": "tietosuojavaltuutetulle", "sv": "dataombudsmannen", "en": "Ombudsman"}[language] in text


@pytest.mark.parametrize("field", ["addressee", "asked", "reasons", "signatory", "signatory_title", "case_number"])
@pytest.mark.parametrize("blank", ["", "  \n ", "\u202e\x00\u2066"])
def test_nothing_is_left_blank(field: str, blank: str) -> None:
    with pytest.raises(CertificateIncomplete) as refused:
        check(dataclasses.replace(REFUSAL, **{field: blank}), TODAY)  # type: ignore[arg-type]
    assert refused.value.fields["field"] == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"languages": ()}, "languages"),
        ({"languages": ("en",)}, "languages"),
        ({"languages": ("en", "fi")}, "languages"),
        ({"languages": ("fi", "de")}, "languages"),
        ({"ground": Ground.SECURITY_OR_CRIME}, "ground"),  # of access alone
        ({"kind": RequestKind.PORTABILITY}, "ground"),
        ({"received_on": date(2026, 11, 28)}, "received_on"),
        ({"addressee": "Aino\nEsimerkki"}, "addressee"),
        ({"signatory": "x" * 201}, "signatory"),
        ({"reasons": "x" * 10_001}, "reasons"),
        ({"case_number": "010190-123A"}, "case_number"),
    ],
)
def test_what_would_not_stand_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(CertificateIncomplete) as refused:
        check(dataclasses.replace(REFUSAL, **changes), TODAY)  # type: ignore[arg-type]
    assert refused.value.fields["field"] == field


def test_every_request_can_be_refused_on_some_ground_and_every_ground_answers_one() -> None:
    assert set(GROUNDS) == set(Ground)
    assert all(GROUNDS.values())
    assert set().union(*GROUNDS.values()) == set(RequestKind)


def test_an_identity_code_is_cut_out() -> None:
    assert "010190" not in check(dataclasses.replace(REFUSAL, reasons="Tunnus 010190-123A."), TODAY).reasons


# --- templates


def own(language: str = "fi") -> str:
    return (OWN / f"refusal.{language}.toml").read_text()


def refused(text: str) -> str:
    with pytest.raises(TemplateRefused) as error:
        parse(text, "fi", "refusal.fi.toml")
    assert "refusal.fi.toml" in str(error.value)
    return str(error.value)


def test_an_unknown_field_is_refused_by_its_name() -> None:
    assert "there is no field {reason}; is reasons meant?" in refused(own().replace("{reasons}", "{reason}"))
    assert "{numbr}" in refused(own().replace('title = "', 'title = "{numbr} '))


@pytest.mark.parametrize(
    "field",
    ["{reasons.__class__}", "{reasons[0]}", "{reasons!r}", "{reasons:>999999999}", "{0}", "{}", "{reasons:{number}}"],
)
def test_a_field_is_a_name_and_nothing_else(field: str) -> None:
    assert "there is no field" in refused(own().replace("{reasons}", field))


@pytest.mark.parametrize("field", sorted(NEEDED))
def test_a_template_that_leaves_out_what_the_law_wants_is_refused(field: str) -> None:
    assert f"does not tell {{{field}}}" in refused(own().replace(f"{{{field}}}", "x"))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("[grounds]", "[grounds]\nwhim = 'x'", "there is no 'whim' in [grounds]"),
        ("whole = ", "hole = ", "there is no 'hole' in [extents]; is whole meant?"),
        ("accurate = ", "# accurate = ", "'accurate' is missing in [grounds]"),
        ("[[blocks]]", "[[blocks]", "it is not TOML"),
        ('text = "{law}"', 'text = "{law}"\nheading = "two"', "each of [[blocks]] has one of"),
        ('text = "{law}"', 'script = "{law}"', "each of [[blocks]] has one of"),
        ('text = "{law}"', 'text = ""', "a text is empty"),
        ('text = "{law}"', 'text = "{law"', "a brace has no other"),
        ("facts = [", "facts = 1\nmore = [", "each of [[blocks]] has one of"),
        ("title = ", "titel = ", "there is no 'titel'"),
    ],
)
def test_what_else_is_wrong_is_named(before: str, after: str, told: str) -> None:
    assert before in own()
    assert told in refused(own().replace(before, after, 1))


def test_what_stands_in_a_value_is_no_field_and_braces_can_be_written() -> None:
    template = parse(own().replace('heading = "Syyt"', 'heading = "{{Syyt}}"'), "fi", "x")
    values = dict.fromkeys(FIELDS, "{number} {x.__class__}")
    paper = template.told(values, RequestKind.ACCESS, Extent.WHOLE, Ground.UNFOUNDED, TODAY)
    assert Heading(text="{Syyt}") in paper.blocks
    facts = next(block for block in paper.blocks if isinstance(block, Facts))
    assert facts.rows[0] == ("Todistuksen numero", "{number} {x.__class__}")


def test_the_house_s_own_template_is_used_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "refusal.fi.toml").write_text(own().replace("Mitä pyysit", "Pyyntönne"))
    loaded: Mapping[str, Template] = refusal_templates.load(tmp_path)
    assert Heading(text="Pyyntönne") in loaded["fi"].blocks
    assert loaded["sv"] == refusal_templates.load(None)["sv"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("refusal.fin.toml", b"", "no paper has this name"),
        ("refusal.fi.toml", b"\xff", "it is not UTF-8"),
        ("refusal.fi.toml", b"#" * 300_000, "more than"),
        ("refusal.sv.toml", b"title = 'x'", "[[blocks]]"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TemplateRefused, match=name) as error:
        refusal_templates.load(tmp_path)
    assert told in str(error.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateRefused, match="the folder cannot be read"):
        refusal_templates.load(tmp_path / "nowhere")


def test_offices_speak_their_language() -> None:
    made = refusal_templates.offices(CONTROLLER)
    assert made["sv"].controller == "Exempelby stad"
    assert made["sv"].ombudsman.startswith("Dataombudsmannens byrå")
    assert made["en"].contact == "Torikatu 1, 00100 Esimerkkilä"


def test_whoever_is_not_named_has_no_name() -> None:
    assert {office.controller for office in refusal_templates.offices(Controller()).values()} == {""}
