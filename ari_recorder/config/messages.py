"""What a person is told about a mistake in the file: where, what is wrong, how to mend it. Never repeats a secret."""

import re
from difflib import get_close_matches
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ari_recorder.config.documented import sample, toml
from ari_recorder.config.models import Config, fields_of, section_of, sections
from ari_recorder.config.problems import Problem
from ari_recorder.config.values import Section


def problem(error: ErrorDetails, data: dict[str, Any]) -> Problem:
    location = error["loc"]
    key = _key(location, data)
    context = error.get("ctx", {})
    if error["type"] == "refused":
        return Problem(key=key, what=context["what"], mend=context["mend"])
    if error["type"] == "extra_forbidden":
        return Problem(key=key, what="there is no such setting", mend=_nearest(location))
    found = _field(location)
    if found is None:
        return Problem(key=key, what=_in_words(error), mend=f"Write it as a section: [{key}]")
    if found[1].annotation is not None and section_of(found[1]) is not None:
        brackets = f"[[{key}]]" if key == "queues" else f"[{key}]"
        what = "there is no such section" if error["type"] in ("missing", "too_short") else _in_words(error)
        return Problem(key=key, what=what, mend=f"Add the section {brackets}; `ari-recorder example-config` prints one")
    name, field = found
    written = f"{name} = {toml(sample(field))}"
    if error["type"] == "missing":
        return Problem(key=key, what="it is missing", mend=f"Add for example: {written}  ({field.description})")
    return Problem(key=key, what=_in_words(error), mend=f"Write for example: {written}  ({field.description})")


_WORDS = {
    "string_type": "text in quotes is wanted",
    "int_type": "a whole number without quotes is wanted",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number without quotes is wanted",
    "bool_type": "true or false, without quotes, is wanted",
    "tuple_type": "a list in [ ] is wanted",
    "dict_type": "text in quotes, or a table in { }, is wanted",
    "mapping_type": "text in quotes, or a table in { }, is wanted",
    "is_instance_of": "an absolute path in quotes is wanted",
    "path_type": "an absolute path in quotes is wanted",
    "string_too_short": "it is empty",
    "string_too_long": "it is too long",
    "string_pattern_mismatch": "it has a character that cannot be there, or is too long or too short",
    "model_type": "a section is wanted here",
}


def _in_words(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "greater_than_equal":
            return f"{error['input']} is too little: at least {context['ge']:g}"
        case "less_than_equal":
            return f"{error['input']} is too much: at most {context['le']:g}"
        case "literal_error":
            return f"{error['input']!r} is not one of {context['expected']}"
        case kind:
            return _WORDS.get(kind, error["msg"])


def _key(location: tuple[int | str, ...], data: dict[str, Any]) -> str:
    """`pbx.port`, and `queues["advice"].retention` (or `queues[1]`, the first one, when it has no name)."""
    key = ""
    at: Any = data
    for part in location:
        if part == "[key]":  # that a key is meant and not its value, pydantic says so
            continue
        # What a validator adds to the location names no key of the file.
        try:
            at = at[part]
        except (KeyError, IndexError, TypeError):
            at = None
        if isinstance(part, int):
            name = at.get("name") if isinstance(at, dict) else None
            key += f'["{name}"]' if isinstance(name, str) else f"[{part + 1}]"
        else:
            key += f".{part}" if key else part
    return key


def _field(location: tuple[int | str, ...]) -> tuple[str, FieldInfo] | None:
    model: type[Section] = Config
    found = None
    for part in location:
        if isinstance(part, int):
            continue
        fields = fields_of(model)
        if part not in fields:
            return found
        found = part, fields[part]
        inner = section_of(fields[part])
        if inner is None:
            return found
        model = inner
    return found


def _nearest(location: tuple[int | str, ...]) -> str:
    """The known key that was probably meant: of this section, else of any."""
    unknown = str(location[-1])
    known = sections()
    if len(location) == 1:
        if close := get_close_matches(unknown, known, 1, 0.5):
            return f"Did you mean the section [{close[0]}]?"
        for name, model in known.items():
            if unknown in fields_of(model):
                return f"Did you mean {unknown} in the section [{name}]?"
        return f"There are the sections {', '.join(known)}"
    section = str(location[0])
    if re.search("secret|passw|passphrase", unknown) and section in ("pbx", "database"):
        wanted = "pbx.secret_file" if section == "pbx" else "database.dsn_file"
        return f"A secret is never written here: put it into a file, mode 0600, and set {wanted}"
    here = fields_of(known[section])
    if close := get_close_matches(unknown, here, 1, 0.6):
        return f"Did you mean {section}.{close[0]}?"
    everywhere = {key: f"{name}.{key}" for name, model in known.items() for key in fields_of(model)}
    if close := get_close_matches(unknown, everywhere, 1, 0.75):
        return f"Did you mean {everywhere[close[0]]}?"
    return f"In [{section}] there are {', '.join(here)}"
