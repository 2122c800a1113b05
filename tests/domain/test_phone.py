"""One number has one form, whoever wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.phone import e164


@pytest.mark.parametrize(
    "text",
    [
        "0401234567",
        "040 123 4567",
        "040-1234567",
        "+358401234567",
        "+358 (0)40 1234567",
        "00358401234567",
        "358401234567",
        "\u202a+358\u00a040\u00a0123\u00a04567\u202c",  # out of an address book
        "tel:+358-40-1234567",
        "040.123.4567",
    ],
)
def test_a_finnish_number_is_one_number_however_it_is_written(text: str) -> None:
    assert e164(text) == "+358401234567"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+46 8 123 456 78", "+46812345678"),
        ("0046 812345678", "+46812345678"),
        ("019 520 2000", "+358195202000"),
        ("+1 202 456 1111", "+12024561111"),
    ],
)
def test_numbers_of_other_countries_and_of_the_land_line(text: str, number: str) -> None:
    assert e164(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("1001", "1001"), ("116117", "116117"), ("112", "112"), ("anonymous", ""), ("", "")]
)
def test_what_is_no_telephone_number_stays_its_digits(text: str, number: str) -> None:
    assert e164(text) == number


@given(st.text(max_size=30))
def test_the_form_of_a_form_is_itself_and_nothing_raises(text: str) -> None:
    once = e164(text)
    assert e164(once) == once
    assert set(once) <= set("+0123456789")
