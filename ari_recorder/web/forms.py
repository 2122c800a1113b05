"""Forms: from what a browser or a program sends to a pydantic model, or to words beside each field.

    class HoldForm(Form):
        reason: Annotated[str, Field(min_length=10, max_length=2000)]
        review_on: date | None = None

A field of text that was left empty is empty text; any other field that was left empty has its default. Names that the
form does not have are refused. Where the words for a mistake are missing, there is one for all.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ari_recorder.domain.errors import BodyRefused
from ari_recorder.web.asked import Problems
from ari_recorder.web.form import Form
from ari_recorder.web.languages import N_, Words

__all__ = ["Form", "FormProblems", "checked", "gathered", "read"]

_Model = TypeVar("_Model", bound=BaseModel)

# No form of ours has a tenth of it.
MOST_FIELDS = 500
CSRF_FIELD = "csrf"


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
    "int_parsing": N_("A whole number is wanted."),
    "int_type": N_("A whole number is wanted."),
    "float_parsing": N_("A number is wanted."),
    "date_from_datetime_parsing": N_("A date is wanted."),
    "date_parsing": N_("A date is wanted."),
    "date_type": N_("A date is wanted."),
    "datetime_from_date_parsing": N_("A date and a time are wanted."),
    "datetime_parsing": N_("A date and a time are wanted."),
    "enum": N_("Choose one of those that are offered."),
    "literal_error": N_("Choose one of those that are offered."),
    "greater_than_equal": N_("This is too little: at least {ge}."),
    "less_than_equal": N_("This is too much: at most {le}."),
    "no_text": N_("There are characters in it that are no text."),
    "too_long": N_("These are too many."),
    "too_short": N_("These are too few."),
}
_ANYTHING_ELSE = N_("This cannot be accepted.")


async def read(request: web.Request) -> tuple[Mapping[str, Any], bool]:
    """What was sent, and whether it was JSON."""
    try:
        raw = await request.read()  # aiohttp refuses what is longer than client_max_size
    except RuntimeError:
        if request.transport is None:  # aiohttp's word for a connection that went before anything was read
            raise ConnectionResetError from None
        raise
    kind = request.content_type
    if kind == "application/json":
        try:
            data = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            raise BodyRefused(wanted="JSON") from None
        if not isinstance(data, dict):
            raise BodyRefused(wanted="JSON object")
        return data, True
    if raw and kind != "application/x-www-form-urlencoded":
        raise BodyRefused(wanted="application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="utf-8", errors="strict"
        )
    except ValueError:  # of UTF-8 too
        raise BodyRefused(wanted="application/x-www-form-urlencoded") from None
    return gathered(pairs), False


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


def checked(model: type[_Model], data: Mapping[str, Any], words: Words, *, is_json: bool) -> _Model:
    """The model, or FormProblems with words for each field."""
    given = {name: value for name, value in data.items() if name != CSRF_FIELD}
    try:
        return model.model_validate(given if is_json else _as_typed(model, given))
    except ValidationError as refusal:
        errors: dict[str, str] = {}
        for error in refusal.errors():
            errors.setdefault(str(error["loc"][0]) if error["loc"] else "", _told(error, words))
        notice = errors.pop("", "")
        known = {name: text for name, text in errors.items() if name in model.model_fields}
        if len(known) < len(errors):
            notice = notice or words.text(_NO_FIELD)
        values = {name: value for name, value in given.items() if name in model.model_fields}
        raise FormProblems(Problems(values=values, errors=known, notice=notice)) from None


def _told(error: ErrorDetails, words: Words) -> str:
    values = {name: value for name, value in error.get("ctx", {}).items() if isinstance(value, int | float | str)}
    msgid = _WORDS.get(error["type"], _ANYTHING_ELSE)
    if error["type"] == "string_too_short" and values.get("min_length") == 1:
        msgid = _WORDS["missing"]
    return words.text(msgid, **values)


def _as_typed(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    """What a browser sends for fields that are lists, or were left empty."""
    values = dict(data)
    for name, field in model.model_fields.items():
        value = values.get(name)
        if value == "" and not _is_text(field):
            del values[name]
        elif value is not None and _is_list(field):
            many = value if isinstance(value, list) else [value]
            values[name] = [one for one in many if one != ""]
    return values


def _is_text(field: FieldInfo) -> bool:
    return field.annotation is str


def _is_list(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(get_origin(kind) in (list, tuple, set, frozenset) for kind in kinds)
