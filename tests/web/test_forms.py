"""Forms of browsers are text; JSON says what is a number and what is text. Either way a thing has one spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ari_recorder.web import languages
from ari_recorder.web.account import SeenForm
from ari_recorder.web.accounts import WhyForm
from ari_recorder.web.finding import SearchQuery
from ari_recorder.web.form import Form
from ari_recorder.web.forms import FormProblems, Sent, checked
from ari_recorder.web.recordings import CorrectionForm, HoldForm, ReleaseForm
from ari_recorder.web.review import AskForm
from ari_recorder.web.rights import UnitForm
from tests.web.house import House
from tests.web.test_hostile import JSON, send

WORDS = languages.load()["en"]
ID = "0b5d2f3e-8a53-4f0b-9d55-6a1a3f3f1c11"
HOLD = {"reason": "a threat to an adviser", "reference": "VN-1", "owner": "Sten"}
UNIT = {"unit": "advice", "why": "as it is"}
# The form, what is in it beside the field, the field, its values as text, as JSON, and what is neither.
FIELDS: tuple[tuple[type[Form], dict[str, Any], str, tuple[str, ...], tuple[object, ...], tuple[object, ...]], ...] = (
    (
        SearchQuery,
        {},
        "since",
        ("2026-11-16",),
        ("2026-11-16",),
        ("0", "1700006400", "2026-1-1", "2026-02-30", 0, True),
    ),
    (
        SearchQuery,
        {},
        "since_time",
        ("07:00", "07:00:30"),
        ("07:00", "07:00:30"),
        ("7", "25200", "07:00Z", "24:00", "7:00", 7),
    ),
    (SearchQuery, {}, "flagged", ("true", "false"), (True, False), ("yes", "on", "1", "True", "t", 2)),
    (SearchQuery, {}, "at_least", ("0", "12"), (0, 12), ("1_0", "+1", " 1", "1.0", "1e1", "-1", "٣", 1.5, -1)),
    (SearchQuery, {}, "ledger", ("recorded",), ("recorded",), ("RECORDED", "Recorded", 1)),
    (SeenForm, {}, "up_to", ("7",), (7,), ("7.0", "", None, "0x7", True)),
    (ReleaseForm, {}, "yes", ("true",), (True,), ("on", "yes", 1)),
    (CorrectionForm, {"field": "note"}, "seconds", ("1", "1.5"), (1, 1.5), ("1,5", "1e1", "nan", "inf", ".5", True)),
    (HoldForm, HOLD, "review_on", ("2027-01-31",), ("2027-01-31",), ("31.1.2027", "", "2300-01-01", "1999-12-31", 1)),
    (AskForm, {}, "colleague", (ID,), (ID,), (ID.upper(), f"urn:uuid:{ID}", f"{{{ID}}}", ID.replace("-", ""), 1)),
    (UnitForm, UNIT, "queues", ("a",), (["a"], []), ([1], [[]], {"a": 1})),
    (WhyForm, {}, "why", ("because",), ("because",), ("", "a" * 201, "a\0", 1, ["a"], None, True)),
)
CASES = [(form, beside, name, *values) for form, beside, name, *values in FIELDS]


def is_taken(form: type[Form], sent: Sent) -> bool:
    try:
        checked(form, sent, WORDS)
    except FormProblems:
        return False
    return True


def as_json(fields: dict[str, Any]) -> Sent:
    return Sent(fields=fields, json=json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("form", "beside", "name", "texts", "values", "wrong"), CASES, ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_field_has_one_spelling(
    form: type[Form],
    beside: dict[str, Any],
    name: str,
    texts: tuple[str, ...],
    values: tuple[object, ...],
    wrong: tuple[object, ...],
) -> None:
    for text in texts:
        assert is_taken(form, Sent(fields={**beside, name: text})), text
        as_text = as_json({**beside, name: text})
        assert is_taken(form, as_text) == (text in values), f"{text!r} as JSON"
    for value in values:
        assert is_taken(form, as_json({**beside, name: value})), value
    for value in wrong:
        assert not is_taken(form, as_json({**beside, name: value})), value
        optional = value == "" and not form.model_fields[name].is_required()
        if isinstance(value, str) and not optional:
            assert not is_taken(form, Sent(fields={**beside, name: value})), value


def test_what_a_browser_left_empty_is_not_there_and_in_json_it_is_wrong() -> None:
    empty = dict.fromkeys(SearchQuery.model_fields, "")
    assert checked(SearchQuery, Sent(fields=empty), WORDS) == SearchQuery()
    assert not is_taken(SearchQuery, as_json(empty))


async def test_json_is_taken_at_its_word(house: House) -> None:
    visitor = house.stranger()
    good = '{"language":"sv"}'
    assert (await send(house, visitor, "/language", good, JSON)).status == 200
    assert (await send(house, visitor, "/language", good, f"{JSON}; charset=utf-16")).status == 200  # JSON is UTF-8
    for body, status in (
        ('{"language":"sv","language":"fi"}', 415),
        ('{"language":NaN}', 415),
        ('{"language":"sv","next":Infinity}', 415),
        (good.encode("utf-16"), 415),
        (b"\xef\xbb\xbf" + good.encode(), 415),
        (b'{"language":"sv\xff"}', 415),
        (good + good, 415),
        ('{"language":"sv",}', 415),
        ('{"language":["sv"]}', 422),
        ('{"language":"sv","next":1}', 422),
        ('{"language":"sv","next":null}', 422),
        ('{"language":"sv","Language":"fi"}', 422),
        ('{"language":"sv","next":' + "[" * 500 + "]" * 500 + "}", 422),
        ('{"language":"sv","next":{"a":' + "9" * 400 + "}}", 422),
        ("{}", 422),
        ("", 422),
    ):
        got = await send(house, visitor, "/language", body, JSON)
        assert got.status == status, f"{body!r}: {got.status}"


async def test_in_json_the_proof_is_a_header(house: House) -> None:
    """A field that the description does not know is none, and proves nothing."""
    visitor = house.stranger()
    proof = visitor.proof()
    got = await send(house, visitor, "/language", json.dumps({"language": "sv", "csrf": proof}), JSON, proof=False)
    assert (got.status, got.json()["error"]["code"]) == (403, "request_forged")
    got = await send(house, visitor, "/language", json.dumps({"language": "sv", "csrf": proof}), JSON)
    assert got.status == 422


async def test_where_nothing_is_asked_json_holds_nothing(house: House) -> None:
    visitor = await house.visitor("aino")
    assert (await send(house, visitor, "/log-out", '{"everywhere":true}', JSON)).status == 422
    assert (await visitor.get("/")).status == 200
    assert (await send(house, visitor, "/log-out", "{}", JSON)).status == 200
    assert (await visitor.get("/")).status == 401
