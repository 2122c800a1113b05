"""What of a page is read or heard, and which of it is English: words of the source, and codes of the program.

English is what the catalogue says in another way, a word of English grammar that neither Finnish nor Swedish has, and
the value of an enum. What stands in <code> is shown as it is, and what says another language is meant so.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from html.parser import HTMLParser

import ari_recorder
from ari_recorder.domain.audit import Action
from ari_recorder.web.languages import Words
from tests import catalogues

# Words of every second English sentence, that are no words of Finnish or Swedish.
_GRAMMAR = re.compile(
    r"\b(the|of|was|were|which|with|been|has|have|not|this|that|their|whose|because|nobody|somebody|its|it|is|and)\b"
)
# Of three words: two may be a name and a place.
_SENTENCE = re.compile(r"\w+\W+\w+\W+\w+")
# A day as programs write it, and a time as Americans do.
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}:\d\d(?::\d\d)?\s?[AaPp]\.?[Mm]\b")
_COMMAND = re.compile("`[^`]*`")
# Stable codes: the same in every language, as in exports of the log.
ACTIONS = frozenset({"recording:", *(action.value for action in Action)})
_CODE = re.compile(r"[a-z]{3,}(?:[-_][a-z]+)*")
_READ = ("aria-label", "title", "alt", "placeholder", "content")
_EMPTY = frozenset({"meta", "link", "input", "br", "img", "hr", "source", "path", "circle", "rect"})
# Marks for the page's own script.
_UNHEARD = ("data-kind", "data-do")
_UNREAD = frozenset({"code", "script", "style"})


class _Reader(HTMLParser):
    def __init__(self, language: str) -> None:
        super().__init__()
        self.read: list[str] = []
        self._language = language
        self._open: list[bool] = []  # is it read?

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        other = given.get("lang") or self._language
        reads = (not self._open or self._open[-1]) and tag not in _UNREAD and other == self._language
        if reads and tag != "meta":
            heard = [value for name, value in attrs if name not in _UNHEARD and name.startswith((*_READ, "data-"))]
            self.read += [value for value in heard if value]
        if tag not in _EMPTY:
            self._open.append(reads)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if (not self._open or self._open[-1]) and data.strip():
            self.read.append(" ".join(data.split()))


def read(html: str, language: str) -> list[str]:
    """Every text of the page, as it is read."""
    reader = _Reader(language)
    reader.feed(html)
    return reader.read


def _enums() -> Iterator[type[StrEnum]]:
    for module in pkgutil.walk_packages(ari_recorder.__path__, "ari_recorder."):
        if module.name.rpartition(".")[2] != "__main__":
            importlib.import_module(module.name)
    for kind in StrEnum.__subclasses__():
        if kind.__module__.startswith("ari_recorder."):
            yield kind


def _several(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


class English:
    """English as it could be left on a page of another language."""

    def __init__(self, words: Words) -> None:
        catalogue = catalogues.read(words.language)
        assert catalogue is not None
        pairs = [
            (one, other)
            for message in catalogue
            if message.id
            for one, other in zip(_several(message.id), _several(message.string), strict=True)
        ]
        own = {other.casefold() for _, other in pairs}
        self._texts = {one for one, other in pairs if one != other and one.casefold() not in own}
        pieces = (piece.strip(" .:,;()") for one, _ in pairs for piece in re.split(r"\{[^}]*\}", one))
        self._sentences = {piece for piece in pieces if _SENTENCE.search(piece)}
        values = {one.value for kind in _enums() if kind is not Action for one in kind}
        spoken = {word for text in own for word in re.findall(r"[\w-]+", text)}
        self._codes = {value for value in values if _CODE.fullmatch(value)} - spoken

    def found(self, text: str, names: frozenset[str]) -> list[str]:
        """What of it is English. `names`: what people of the test are called, and what they wrote."""
        for name in sorted({*names, *ACTIONS}, key=len, reverse=True):
            text = text.replace(name, "")
        text = _COMMAND.sub("", text)
        found = [text] if text.strip(" :") in self._texts else []
        found += [sentence for sentence in self._sentences if sentence in text]
        found += _GRAMMAR.findall(text) + _DAY.findall(text)
        return found + [word for word in re.findall(r"[\w-]+", text) if word in self._codes]
