"""The shape of `[use]`: when people work, and how the use of recordings is looked at. Nothing is counted here."""

from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ari_recorder.config.values import Section, refuse

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _clock(value: str) -> str:
    try:
        parsed = time.fromisoformat(value)
    except ValueError:
        parsed = None
    if parsed is None or len(value) != 5 or parsed.tzinfo is not None:
        raise refuse(f"{value!r} is not a time of day", 'Write it like "07:00"')
    return value


def _day(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise refuse(f"{value!r} is not a day", 'Write it like "2026-12-24"') from None
    return value


Clock = Annotated[str, AfterValidator(_clock)]
Day = Annotated[str, AfterValidator(_day)]


class Use(Section):
    """The use of recordings is looked at every week, and what is grave takes two persons."""

    two_persons: bool = Field(
        default=True,
        description="Ending a hold before its review day, and giving a recording out of the house, "
        "take a second person who agrees.",
    )
    opens: Clock = Field(default="07:00", description="When office hours begin, Europe/Helsinki.")
    closes: Clock = Field(default="18:00", description="When they end; what is used before or after is in the report.")
    days: Annotated[tuple[Weekday, ...], Field(strict=False)] = Field(
        default=("mon", "tue", "wed", "thu", "fri"), description="The days of the week on which people work."
    )
    closed_days: Annotated[tuple[Day, ...], Field(strict=False)] = Field(
        default=(), description="Days on which nobody works.", examples=[["2026-12-24", "2026-12-25"]]
    )
    sample_percent: int = Field(
        default=5, ge=1, le=100, description="How many of a week's listenings a supervisor signs off, drawn at random."
    )
    sign_within_days: int = Field(default=14, ge=1, le=90, description="How many days there are for that.")

    @property
    def weekdays(self) -> frozenset[int]:
        """0 is Monday."""
        return frozenset(_WEEKDAYS.index(day) for day in self.days)
