"""What a form or a query is: a pydantic model without characters that are no text. Reading one: web/forms.py."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

_NO_TEXT = frozenset(map(chr, (*range(9), 11, 12, *range(14, 32), 127, *range(0xD800, 0xE000))))


class Form(BaseModel):
    """What a form or a query may hold. Characters that are no text are refused in all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _text_only(cls, data: Any) -> Any:
        if _has_no_text(data):
            raise PydanticCustomError("no_text", "there are characters that are no text")
        return data


def _has_no_text(value: object) -> bool:
    match value:
        case str():
            return not _NO_TEXT.isdisjoint(value)
        case dict():
            return any(_has_no_text(one) for one in value.values())
        case list() | tuple():
            return any(_has_no_text(one) for one in value)
        case _:
            return False
