"""The catalogues of the page, brought up to date with the source. `make catalogues` writes them anew.

Sentences come from the templates (`_`, `_n`), from web/ (`text`, `plural`, `N_`) and from the docstrings of the errors.
What is no longer said is dropped; what is new stands there empty until somebody writes it: tests/web/test_languages.py
tells which. English says what the source says.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from ari_recorder.domain import errors
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.web.languages import LOCALE, template_of
from ari_recorder.web.operators import OPERATORS
from tests.docs_parts import subclasses

WEB = LOCALE.parent
_KEYWORDS = {"_": None, "_n": (1, 2), "text": None, "plural": (1, 2), "N_": None}
# Words that are the same in two languages.
SAME = frozenset({"Start", "Status", "Version", "Audit", "Administrator", "Session"})
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def said() -> Iterator[tuple[str, str] | str]:
    """Every sentence of the source; those that count things are pairs."""
    for kind, pattern in (("python", "*.py"), ("jinja2.ext.babel_extract", "templates/**/*.html")):
        for path in sorted(WEB.glob(pattern)):
            options = {"silent": "false"} if kind != "python" else {}
            with path.open("rb") as source:
                for _line, message, _comments, _context in extract(kind, source, keywords=_KEYWORDS, options=options):
                    yield (message[0], message[1]) if isinstance(message, tuple) else message
    for error in subclasses(errors.RecorderError):
        if error.code not in OPERATORS:
            yield template_of(error)


def updated(language: str, before: Catalog | None) -> Catalog:
    catalogue = Catalog(
        locale=language,
        project="ari-recorder",
        version="",
        creation_date=_EPOCH,
        revision_date=_EPOCH,
        fuzzy=False,
        last_translator="",
        language_team="",
        copyright_holder="",
        header_comment=f"# ari-recorder, {language}",
    )
    for message in sorted(set(said()), key=lambda one: one if isinstance(one, str) else one[0]):
        known = before.get(message[0] if isinstance(message, tuple) else message) if before is not None else None
        if language == "en":
            catalogue.add(message, message)
        else:
            catalogue.add(message, known.string if known is not None and not known.fuzzy else None)
    return catalogue


def path_of(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog | None:
    path = path_of(language)
    if not path.exists():
        return None
    with path.open("rb") as source:
        return read_po(source, locale=language)


def written(catalogue: Catalog) -> bytes:
    text = io.BytesIO()
    write_po(text, catalogue, width=120, no_location=True, ignore_obsolete=True, sort_output=False)
    return text.getvalue()


if __name__ == "__main__":
    for language in LANGUAGES:
        path_of(language).parent.mkdir(parents=True, exist_ok=True)
        path_of(language).write_bytes(written(updated(language, read(language))))
