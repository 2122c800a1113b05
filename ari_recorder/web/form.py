"""What a form or a query is: a pydantic model without characters that are no text. Reading one: web/forms.py."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_NO_TEXT = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 127, *range(0xD800, 0xE000))))

# Nobody asks for days of other centuries, and times of theirs do not fit everywhere.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
# Of audio: no call lasts longer than a day.
Second = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class Form(BaseModel):
    """What a form or a query may hold. Characters that are no text are refused in all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _text_only(cls, data: Any) -> Any:
        if _has_no_text(data):
            raise PydanticCustomError("no_text", "there are characters that are no text")
        return data


def _has_no_text(data: object) -> bool:
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
