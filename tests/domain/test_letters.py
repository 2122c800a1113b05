"""What mails say: each in all languages, days and numbers as each writes them."""

import re

import pytest

from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.letters import LetterKind, Text, written

FACTS: dict[LetterKind, dict[str, str | int]] = {
    LetterKind.FLAG_UNDECIDED: {"days": 14, "destroyed_on": "2026-11-24"},
    LetterKind.HOLD_REVIEW: {"review_on": "2026-11-24"},
    LetterKind.QUARANTINE: {"destroyed_on": "2026-11-24"},
    LetterKind.REQUEST_DUE: {"case": "R2026-7", "answer_by": "2026-11-24", "law_by": "2026-11-27"},
    LetterKind.FLAG_ASKED: {},
    LetterKind.USE_REPORT: {"week": "48/2026", "findings": 1234, "samples": 5, "due_on": "2026-11-24"},
    LetterKind.SIGN_OVERDUE: {"count": 1234, "due_on": "2026-11-24"},
    LetterKind.DELIVERY_BLOCKED: {"tries": 10},
    LetterKind.ACCOUNT_NOTICE: {},
    LetterKind.BREACH_DUE: {"due_on": "2026-11-24", "due_at": "12:30", "hours": 1234},
    LetterKind.AUDIT_HEAD: {"day": "2026-11-24", "size": 1234, "note": "a signed note"},
}
DAY = {"fi": "24.11.2026", "sv": "24.11.2026", "en": "24 Nov 2026"}
NUMBER = {"fi": "1\u00a0234", "sv": "1\u00a0234", "en": "1,234"}


def mail(kind: LetterKind, language: str, **other: str | int) -> Text:
    return written(kind, {**FACTS[kind], **other}, language, "https://recorder.example.org/review")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", LetterKind)
def test_days_and_numbers_are_written_as_in_the_language(kind: LetterKind, language: str) -> None:
    text = mail(kind, language)
    said = f"{text.subject}\n{text.body}"
    assert not re.search(r"\d{4}-\d\d-\d\d|[{}]", said)
    assert (DAY[language] in said) == ("2026-11-24" in FACTS[kind].values())
    assert (NUMBER[language] in said) == (1234 in FACTS[kind].values())
    assert len({mail(kind, one).body for one in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("kind", "counted"), [(LetterKind.FLAG_UNDECIDED, "days"), (LetterKind.SIGN_OVERDUE, "count")])
def test_one_is_not_several(kind: LetterKind, counted: str, language: str) -> None:
    one, two = (mail(kind, language, **{counted: count}).subject for count in (1, 2))
    assert "2" in two
    assert one != two.replace("2", "1")
