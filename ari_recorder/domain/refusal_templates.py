"""The words of a certificate of refusal, as the house may edit them: a TOML file a language, no code in it. Pure.

    title = "Certificate {number}"                      # {field}: a value; {{ and }}: braces themselves
    [[blocks]]
    heading = "What you asked for"                      # or one of:
    [[blocks]]
    text = "{asked}"                                    # a paragraph; its line breaks are kept
    [[blocks]]
    facts = [["Number", "{number}"], …]                 # names with values
    [requests]      a name for each kind of request
    [extents]       a sentence for each extent
    [grounds]       a sentence for each ground
    [laws]          the law for each ground

A field that does not exist is refused by its name when the file is read: at the start and by `ari-recorder check`,
never when somebody has to be answered. So is a template that leaves out what the law wants told.
"""

import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from enum import StrEnum

from ari_recorder.domain.errors import TemplateRefused
from ari_recorder.domain.papers import Block, Facts, Heading, Paper, Paragraph

LANGUAGES = ("fi", "sv", "en")


class RequestKind(StrEnum):
    """The right that was used."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    WITHDRAWAL = "withdrawal"
    PORTABILITY = "portability"


class Extent(StrEnum):
    WHOLE = "whole"
    PART = "part"


class Ground(StrEnum):
    """On what a refusal can stand. Articles are those of the GDPR, sections those of Act 1050/2018."""

    NOT_IDENTIFIED = "not-identified"  # article 11 (2), article 12 (2) and (6)
    UNFOUNDED = "unfounded"  # manifestly unfounded or excessive: article 12 (5)
    RIGHTS_OF_OTHERS = "rights-of-others"  # article 15 (4), article 20 (4)
    SECURITY_OR_CRIME = "security-or-crime"  # section 34 (1) 1
    SERIOUS_DANGER = "serious-danger"  # section 34 (1) 2
    SUPERVISION = "supervision"  # section 34 (1) 3
    ACCURATE = "accurate"  # article 16: what is stored is not wrong
    PUBLIC_TASK = "public-task"  # article 17 (3) b
    LEGAL_CLAIMS = "legal-claims"  # article 17 (3) e, article 18 (2), article 21 (1)
    COMPELLING = "compelling"  # article 21 (1)
    NO_CONSENT = "no-consent"  # article 7 (3), article 6 (1) e: nothing here stands on consent
    NO_RESTRICTION = "no-restriction"  # article 18 (1)
    NOT_PORTABLE = "not-portable"  # article 20 (1) and (3)


# What the law, or a decision in writing, wants told: a template that leaves one out is none.
NEEDED = frozenset(
    {"number", "case_number", "addressee", "request", "asked", "extent", "reasons", "ground", "law", "issued_on"}
    | {"signatory", "controller", "ombudsman_contact"}
)
FIELDS = NEEDED | {"received_on", "signatory_title", "controller_contact"}
_TABLES: Mapping[str, type[StrEnum]] = {
    "requests": RequestKind,
    "extents": Extent,
    "grounds": Ground,
    "laws": Ground,
}
_KINDS = ("heading", "text", "facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Read and found whole: filling it cannot fail."""

    language: str
    title: str
    blocks: Sequence[Block]
    requests: Mapping[str, str]
    extents: Mapping[str, str]
    grounds: Mapping[str, str]
    laws: Mapping[str, str]

    def told(
        self, values: Mapping[str, str], kind: RequestKind, extent: Extent, ground: Ground, issued_on: date
    ) -> Paper:
        """`values`: all of FIELDS but those that are named here. They are text, whatever stands in them."""
        known = {
            **values,
            "request": self.requests[kind],
            "extent": self.extents[extent],
            "ground": self.grounds[ground],
            "law": self.laws[ground],
        }
        blocks = tuple(_filled(block, known) for block in self.blocks)
        title = _put(self.title, known)
        return Paper(language=self.language, title=title, author=values["controller"], dated=issued_on, blocks=blocks)


def parse(text: str, language: str, name: str) -> Template:
    """TemplateRefused names the file (`name`), and what is wrong in it."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TemplateRefused(name=name, reason=f"it is not TOML: {error}") from None
    for key in found:
        if key not in ("title", "blocks", *_TABLES):
            raise TemplateRefused(name=name, reason=f"there is no {key!r} in a template")
    title, blocks = found.get("title"), found.get("blocks")
    if not isinstance(title, str) or not title.strip() or not isinstance(blocks, list):
        raise TemplateRefused(name=name, reason="it wants a title and [[blocks]]")
    used = set(_fields(title, name))
    made = []
    for block in blocks:
        made.append(_block(block, name))
        used |= {field for one in _texts(made[-1]) for field in _fields(one, name)}
    if missing := sorted(NEEDED - used):
        raise TemplateRefused(name=name, reason=f"it does not tell {', '.join(f'{{{one}}}' for one in missing)}")
    tables = {table: _table(found.get(table), table, kinds, name) for table, kinds in _TABLES.items()}
    return Template(language=language, title=title, blocks=tuple(made), **tables)


def _table(found: object, table: str, kinds: type[StrEnum], name: str) -> Mapping[str, str]:
    """Every kind has its words, and nothing else has."""
    given = found if isinstance(found, dict) else {}
    for key in given:
        if key not in list(kinds):
            raise TemplateRefused(name=name, reason=f"there is no {key!r} in [{table}]{_nearest(key, list(kinds))}")
    for kind in kinds:
        words = given.get(kind.value)
        if not isinstance(words, str) or not words.strip():
            raise TemplateRefused(name=name, reason=f"{kind.value!r} is missing in [{table}]")
    return dict(given)


def _block(found: object, name: str) -> Block:
    if not isinstance(found, dict) or len(found) != 1 or next(iter(found)) not in _KINDS:
        raise TemplateRefused(name=name, reason="each of [[blocks]] has one of heading, text and facts")
    kind, value = next(iter(found.items()))
    if kind == "facts":
        rows = value if isinstance(value, list) else []
        if not rows or not all(isinstance(row, list) and [type(one) for one in row] == [str, str] for row in rows):
            raise TemplateRefused(name=name, reason='facts are written [["name", "value"], …]')
        return Facts(rows=tuple((row[0], row[1]) for row in rows))
    if not isinstance(value, str) or not value.strip():
        raise TemplateRefused(name=name, reason=f"a {kind} is empty")
    return Heading(text=value) if kind == "heading" else Paragraph(text=value.strip("\n"))


def _texts(block: Block) -> Iterator[str]:
    match block:
        case Heading(text=text) | Paragraph(text=text):
            yield text
        case Facts(rows=rows):
            yield from (one for row in rows for one in row)


def _fields(text: str, name: str) -> Iterator[str]:
    """The fields a text names. Only a name can stand in braces: nothing is called or looked into."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise TemplateRefused(name=name, reason=f"a brace has no other in {text!r}; write {{{{ for one") from None
    for _, field, form, conversion in parts:
        if field is None:
            continue
        if field not in FIELDS or form or conversion:
            told = "{" + field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "") + "}"
            raise TemplateRefused(name=name, reason=f"there is no field {told}{_nearest(field, sorted(FIELDS))}")
        yield field


def _nearest(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; is {near[0]} meant?" if near else ""


def _filled(block: Block, values: Mapping[str, str]) -> Block:
    match block:
        case Heading(text=text, level=level):
            return Heading(text=_put(text, values), level=level)
        case Paragraph(text=text):
            return Paragraph(text=_put(text, values))
        case Facts(rows=rows):
            return Facts(rows=tuple((_put(name, values), _put(value, values)) for name, value in rows))
    return block


def _put(text: str, values: Mapping[str, str]) -> str:
    parts = string.Formatter().parse(text)
    return "".join(literal + (values[field] if field is not None else "") for literal, field, _, _ in parts)
