"""Forms: from what a browser or a program sends to a pydantic model, or to words beside each field.

    class HoldForm(Form):
        reason: Annotated[str, Field(min_length=10, max_length=2000)]
        review_on: date | None = None

A browser sends text alone: a field of text that was left empty is empty text; any other field that was left empty has
its default. JSON says what is a number and what is text, and is taken at its word. Names that the form does not have
are refused. Where the words for a mistake are missing, there is one for all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ari_recorder.domain.errors import BodyRefused
from ari_recorder.web.asked import Problems
from ari_recorder.web.form import Form, has_no_text
from ari_recorder.web.languages import N_, Words

__all__ = ["Form", "FormProblems", "Sent", "checked", "gathered", "nothing", "read"]

_Model = TypeVar("_Model", bound=BaseModel)

# No form of ours has a tenth of it.
MOST_FIELDS = 500
CSRF_FIELD = "csrf"
# Of each form that is shown another one: sent again, it is the same order (storage/commands.py).
ORDER_FIELD = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came with a POST. `proof` and `order`: in the form itself, where no script can send a header. `json`: as it
    came."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    proof: object = None
    order: object = None
    json: bytes | None = None


class FormProblems(Exception):
    """A form that cannot be accepted, with words for each field."""

    def __init__(self, problems: Problems) -> None:
        super().__init__("; ".join([problems.notice, *problems.errors]))
        self.problems = problems


_NO_FIELD = N_("There is no such field.")
_WORDS = {
    "missing": N_("This is needed."),
    "string_too_short": N_("This is too short: at least {min_length} characters."),
    "string_too_long": N_("This is too long: at most {max_length} characters."),
    "string_pattern_mismatch": N_("This is not written as it should be."),
    "extra_forbidden": _NO_FIELD,
    "int_type": N_("A whole number is wanted."),
    "date_type": N_("A date is wanted."),
    "clock": N_("A time of day is wanted."),
    "float_type": N_("A number is wanted."),
    "string_type": N_("Text is wanted."),
    "bool_type": N_("Choose one of those that are offered."),
    "id": N_("Choose one of those that are offered."),
    "enum": N_("Choose one of those that are offered."),
    "literal_error": N_("Choose one of those that are offered."),
    "greater_than_equal": N_("This is too little: at least {ge}."),
    "less_than_equal": N_("This is too much: at most {le}."),
    "too_long": N_("These are too many."),
    "too_short": N_("These are too few."),
}
_ANYTHING_ELSE = N_("This cannot be accepted.")
_NO_TEXT = N_("There are characters in it that are no text.")


async def read(request: web.Request) -> Sent:
    try:
        raw = await request.read()  # aiohttp refuses what is longer than client_max_size
    except RuntimeError:
        if request.transport is None:  # aiohttp's word for a connection that went before anything was read
            raise ConnectionResetError from None
        raise
    kind = request.content_type
    if kind == "application/json":
        return _json(raw or b"{}")
    if raw and kind != "application/x-www-form-urlencoded":
        raise BodyRefused(wanted="application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="utf-8", errors="strict"
        )
    except ValueError:  # of UTF-8 too
        raise BodyRefused(wanted="application/x-www-form-urlencoded") from None
    fields = gathered(pairs)
    return Sent(proof=fields.pop(CSRF_FIELD, None), order=fields.pop(ORDER_FIELD, None), fields=fields)


def _json(raw: bytes) -> Sent:
    """Of names that come twice, programs disagree which counts; NaN is none of JSON's; nor is anything but UTF-8."""
    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BodyRefused(wanted="JSON") from None
    if not isinstance(fields, dict):
        raise BodyRefused(wanted="JSON object")
    return Sent(fields=fields, json=raw)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name came twice")
    return named


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def gathered(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Names with their value, or with a list where one came more than once."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            before = values[name]
            values[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            values[name] = value
    return values


def checked(model: type[_Model], sent: Sent, words: Words) -> _Model:
    """The model, or FormProblems with words for each field."""
    values = {name: value for name, value in sent.fields.items() if name in model.model_fields}
    if has_no_text(sent.fields):
        raise FormProblems(Problems(values=values, notice=words.text(_NO_TEXT)))
    try:
        if sent.json is not None:
            return model.model_validate_json(sent.json, strict=True)
        return model.model_validate(_as_typed(model, sent.fields))
    except ValidationError as refusal:
        errors: dict[str, str] = {}
        for error in refusal.errors():
            errors.setdefault(str(error["loc"][0]) if error["loc"] else "", _told(error, words))
        notice = errors.pop("", "")
        known = {name: text for name, text in errors.items() if name in model.model_fields}
        if len(known) < len(errors):
            notice = notice or words.text(_NO_FIELD)
        raise FormProblems(Problems(values=values, errors=known, notice=notice)) from None


def nothing(sent: Sent, words: Words) -> None:
    """Where nothing is asked, JSON holds nothing. A browser may send its button's name."""
    if sent.json is not None and sent.fields:
        raise FormProblems(Problems(notice=words.text(_NO_FIELD)))


def _told(error: ErrorDetails, words: Words) -> str:
    values = {name: value for name, value in error.get("ctx", {}).items() if isinstance(value, int | float | str)}
    msgid = _WORDS.get(error["type"], _ANYTHING_ELSE)
    if error["type"] == "string_too_short" and values.get("min_length") == 1:
        msgid = _WORDS["missing"]
    return words.text(msgid, **values)


def _as_typed(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    """What a browser sends for fields that are lists, or were left empty."""
    values = dict(data)
    for name, known in model.model_fields.items():
        value = values.get(name)
        if value == "" and not _is_text(known):
            del values[name]
        elif value is not None and _is_list(known):
            many = value if isinstance(value, list) else [value]
            values[name] = [one for one in many if one != ""]
    return values


def _is_text(field: FieldInfo) -> bool:
    return field.annotation is str


def _is_list(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(get_origin(kind) in (list, tuple, set, frozenset) for kind in kinds)
