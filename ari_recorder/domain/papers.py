"""Papers for people outside: what stands in one, whatever it is shown as. Made into HTML and PDF by services/papers.py.

    title
    heading, paragraph, list, facts (name and value), table with its columns named     in the order of reading

All of it is text: nothing in it is ever read as code or markup. Two kinds of signs are taken out, because what is shown
must be what is stored: those that cannot be shown, and those that turn the direction of what follows them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

# Bidirectional embeddings, overrides, isolates and marks (Unicode Standard Annex 9).
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Controls, halves of characters, and what is not assigned.
_NOT_SHOWN = frozenset(("Cc", "Cs", "Cn", "Co"))
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """`level`: 1 under the title, 2 under that one. None is left out on the way down."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Its line breaks are kept."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names with their values."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`caption` says what it shows: who hears it read hears that first."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


Block: TypeAlias = Heading | Paragraph | Bullets | Facts | Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """`language`: fi, sv or en; `author`: the controller; `dated`: the day that stands on it."""

    language: str
    title: str
    author: str
    dated: date
    blocks: Sequence[Block]


def shown(text: str) -> str:
    """What of a text is shown: composed (NFC), without what has no shape or turns what follows it."""
    kept = (sign for sign in unicodedata.normalize("NFC", text.replace("\r\n", "\n")) if sign not in _TURNS)
    return "".join(
        sign if sign == "\n" or unicodedata.category(sign) not in _NOT_SHOWN else " " for sign in kept
    ).strip()


def day_told(day: date, language: str) -> str:
    """A day as each language writes it: 27.11.2026, 27 November 2026."""
    return f"{day.day}.{day.month}.{day.year}" if language != "en" else f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
