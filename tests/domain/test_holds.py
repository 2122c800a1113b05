from datetime import date

import pytest

from ari_recorder.domain.errors import HoldTextRefused, ReviewDateRefused
from ari_recorder.domain.holds import check_reference, check_review, check_text


@pytest.mark.parametrize(
    "text", ["5530/R/1234/26", "A", "2026-77", "DPO 12 (appeal)", "åäö_1", "202612-123A", "1311521-308T"]
)
def test_case_numbers_are_references(text: str) -> None:
    assert check_reference(text) == text


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "a\nb", "x" * 65, "<b>", "ends with ", "131152-308T", "case 010199+8148", "131152A308t."]
)
def test_what_is_no_case_number_is_refused(text: str) -> None:
    with pytest.raises(HoldTextRefused, match="reference"):
        check_reference(text)


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2001, "bell \a"])
def test_a_reason_is_text_and_not_a_novel(text: str) -> None:
    with pytest.raises(HoldTextRefused, match="reason"):
        check_text("reason", text)


def test_a_review_day_is_ahead_and_not_more_than_twelve_months() -> None:
    today = date(2027, 2, 28)
    assert check_review(date(2027, 3, 1), today)
    assert check_review(date(2028, 2, 28), today)
    for refused in (today, date(2027, 2, 27), date(2028, 2, 29)):
        with pytest.raises(ReviewDateRefused, match="twelve months"):
            check_review(refused, today)
    assert check_review(date(2029, 2, 28), date(2028, 2, 29))
    with pytest.raises(ReviewDateRefused):
        check_review(date(2029, 3, 1), date(2028, 2, 29))
