"""What a form or a query is: a pydantic model, and how days, times, numbers and answers are written in it.

One spelling each, in a form, behind a question mark and in JSON: what the description of the API says is all there is.
Reading a form: web/forms.py.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

_T = TypeVar("_T")

_NO_TEXT = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 127, *range(0xD800, 0xE000))))
# The same for the description of the API; half a letter cannot be sent in UTF-8 at all.
TEXT_PATTERN = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]*$"

# Nobody asks for days of other centuries, and times of theirs do not fit everywhere.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
DAY_PATTERN = "2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
ID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MOMENT_PATTERN = (
    rf"{DAY_PATTERN}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,6}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})"
)
_CLOCK_PATTERN = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"


def _read(kind: type[_T], pattern: str, read: Callable[[str], _T], told: Callable[[], Exception]) -> BeforeValidator:
    """What is written like the pattern. pydantic alone would take seconds for a day, and four spellings of an id."""
    spelling = re.compile(pattern)

    def validate(value: object) -> object:
        if isinstance(value, kind):
            return value
        if not isinstance(value, str) or spelling.fullmatch(value) is None:
            raise told()
        try:
            return read(value)
        except ValueError:  # the 31st of February
            raise told() from None

    return BeforeValidator(validate)


def _spelled(pattern: str, told: Callable[[], Exception]) -> BeforeValidator:
    """Of text, only what is written like the pattern; JSON has no text there. pydantic alone would take 1_0 and yes."""
    spelling = re.compile(pattern)

    def validate(value: object) -> object:
        if isinstance(value, str) and spelling.fullmatch(value) is None:
            raise told()
        return value

    return BeforeValidator(validate)


def _schema(pattern: str, kind: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", **({"format": kind} if kind else {})})


Day = Annotated[
    date,
    Field(ge=FIRST_DAY, le=LAST_DAY),
    _read(date, "[0-9]{4}-[0-9]{2}-[0-9]{2}", date.fromisoformat, lambda: PydanticKnownError("date_type")),
    _schema(DAY_PATTERN, "date"),
]
Clock = Annotated[
    time,
    _read(time, _CLOCK_PATTERN, time.fromisoformat, lambda: PydanticCustomError("clock", "a time of day is wanted")),
    _schema(_CLOCK_PATTERN, ""),
]
Moment = Annotated[
    datetime,
    _read(datetime, _MOMENT_PATTERN, datetime.fromisoformat, lambda: PydanticKnownError("datetime_type")),
    _schema(_MOMENT_PATTERN, "date-time"),
]
Id = Annotated[
    UUID,
    _read(UUID, ID_PATTERN, UUID, lambda: PydanticCustomError("id", "an id is wanted")),
    _schema(ID_PATTERN, "uuid"),
]
# Behind the limits of a number, or the description would not know them: Annotated[int, Field(ge=0), WHOLE].
WHOLE = _spelled("-?[0-9]{1,19}", lambda: PydanticKnownError("int_type"))
DECIMAL = _spelled(r"-?[0-9]{1,19}(\.[0-9]{1,19})?", lambda: PydanticKnownError("float_type"))
YesNo = Annotated[bool, _spelled("true|false", lambda: PydanticKnownError("bool_type"))]
# Of audio: no call lasts longer than a day.
Second = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), DECIMAL]


class Form(BaseModel):
    """What a form or a query may hold. Another name, or characters that are no text, and all of it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def has_no_text(data: Any) -> bool:
    """Not by recursion: JSON may be nested deeper than Python calls itself."""
    left = [data]
    while left:
        match left.pop():
            case str() as text if not _NO_TEXT.isdisjoint(text):
                return True
            case dict() as named:
                left += [*named, *named.values()]
            case list() | tuple() as many:
                left += many
    return False
