"""Finnish, Swedish, English: everything that is said is said in all three, with the same values in it."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from babel.messages.catalog import Catalog, Message

from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.errors import GrantPeriodRefused, LogInPaused
from ari_recorder.web import languages
from ari_recorder.web.languages import wanted
from tests import catalogues


def catalogue(language: str) -> Catalog:
    found = catalogues.read(language)
    assert found is not None
    return found


def strings(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def ids(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogues_are_those_of_the_source(language: str) -> None:
    """Nothing is missing in them, and nothing is said no more."""
    made = catalogues.written(catalogues.updated(language, catalogues.read(language)))
    assert catalogues.path_of(language).read_bytes() == made, "run: make catalogues"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    for message in catalogue(language):
        if message.id:
            assert all(strings(message)), f"{language}: {message.id}"
            assert not message.fuzzy, f"{language}: {message.id}"
            assert len(strings(message)) == len(ids(message)), message.id
    assert not catalogue(language).obsolete


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_values_of_the_sentence(language: str) -> None:
    def places(text: str) -> set[str]:
        return set(re.findall(r"\{[^}]*\}", text))

    for message in catalogue(language):
        if message.id:
            allowed = set.union(*(places(text) for text in ids(message)))
            for text in strings(message):
                # One of a plural may do without the number.
                assert places(text) <= allowed, f"{language}: {text}"
            if isinstance(message.id, str):
                assert places(strings(message)[0]) == allowed, f"{language}: {message.id}"


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_a_translation_is_one(language: str) -> None:
    """Only words that are the same in both languages stay as they are."""
    same = {text for message in catalogue(language) for text in strings(message) if text and text in ids(message)}
    assert same <= catalogues.SAME, same - catalogues.SAME


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_end_as_sentences_do(language: str) -> None:
    for message in catalogue(language):
        for one, text in zip(ids(message), strings(message), strict=True):
            if one and one[-1] in ".:?":
                assert text[-1] == one[-1] or "{" in text[-12:], f"{language}: {text}"


def test_dates_numbers_and_lengths_are_written_as_in_each_language() -> None:
    words = languages.load()
    at = datetime(2027, 2, 24, 12, 5, 9, tzinfo=UTC)
    # 24 February, 14.05 in Helsinki
    assert words["fi"].moment(at) == "24.2.2027 14.05.09"
    assert words["sv"].moment(at) == "24 feb. 2027 14.05.09"
    assert words["en"].moment(at) == "24 Feb 2027, 14:05:09"
    assert words["fi"].date(date(2027, 2, 24)) == "24.2.2027"
    assert words["fi"].number(1234567.5) == "1\u00a0234\u00a0567,5"
    assert words["sv"].number(1234567.5) == "1\u00a0234\u00a0567,5"
    assert words["en"].number(1234567.5) == "1,234,567.5"
    assert [words[language].time(at) for language in LANGUAGES] == ["14.05", "14.05", "14:05"]
    assert [words[language].date(at) for language in LANGUAGES] == ["24.2.2027", "24 feb. 2027", "24 Feb 2027"]
    assert [words[language].period("P1Y6M") for language in LANGUAGES] == [
        "1 vuosi 6 kuukautta",
        "1 år 6 månader",
        "1 year 6 months",
    ]
    assert [words[language].percent(45) for language in LANGUAGES] == ["45\u00a0%", "45\u00a0%", "45%"]
    length = timedelta(hours=1, minutes=2, seconds=3)
    assert {one.duration(length) for one in words.values()} == {"1:02:03"}
    assert words["fi"].spoken(length) == "1 tunti 2 minuuttia 3 sekuntia"
    assert words["sv"].spoken(length) == "1 timme 2 minuter 3 sekunder"
    assert words["en"].spoken(timedelta(minutes=90)) == "1 hour 30 minutes"
    assert words["en"].spoken(timedelta()) == "0 seconds"


def test_a_day_in_helsinki_begins_before_the_one_in_utc() -> None:
    words = languages.load()["fi"]
    assert words.date(datetime(2026, 6, 30, 21, 30, tzinfo=UTC)) == "1.7.2026"


def test_errors_are_told_in_the_language_with_their_values() -> None:
    words = languages.load()
    paused = LogInPaused(seconds=30)
    assert words["fi"].error(paused) == "Yrityksiä oli liikaa. Odota 30 sekuntia ja yritä sitten uudelleen."
    assert "30 sekunder" in words["sv"].error(paused)
    day = date(2027, 2, 24)
    assert "1\u00a0234 sekuntia" in words["fi"].error(LogInPaused(seconds=1234))
    assert "1,234 seconds" in words["en"].error(LogInPaused(seconds=1234))
    refused = GrantPeriodRefused(valid_until=day, earliest=day, latest=day)
    assert "24.2.2027" in words["fi"].error(refused)


def test_values_in_sentences_are_escaped_and_never_templates() -> None:
    """A name from the PBX or the directory is text, whatever it says."""
    words = languages.load()["en"]
    name = "<script>alert(1)</script>{0.__class__}{{7*7}}{% raw %}"
    assert words.text("Hello, {name}", name=name) == f"Hello, {name}"
    html = str(words.html("Hello, {name}", name=name))
    assert "<script>" not in html
    assert "{0.__class__}{{7*7}}{% raw %}" in html


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("sv-FI,sv;q=0.9,en;q=0.5", "sv"),
        ("de-DE,de;q=0.9", "fi"),
        ("en;q=0.2, fi;q=0.8", "fi"),
        ("", "fi"),
        ("sv;q=0", "fi"),
        ("sv;q=x, en", "en"),
        ("*", "fi"),
        ("x" * 10_000, "fi"),
    ],
)
def test_the_browser_is_given_the_language_it_asks_for(asked: str, got: str) -> None:
    assert wanted(asked, "fi") == got
