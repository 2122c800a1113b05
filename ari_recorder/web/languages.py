"""Finnish, Swedish, English: the catalogues, and dates, numbers and durations as each language writes them. No HTML.

Sentences are kept in English in the source (`text("Log in")`), and found in locale/<language>/LC_MESSAGES/messages.po.
Values stand in braces: "{count} recordings". Catalogues are compiled at start; `make catalogues` writes them anew.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from gettext import GNUTranslations
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from markupsafe import Markup, escape

from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.retention import HELSINKI

LOCALE = Path(__file__).parent / "locale"
# Each in its own language: who looks for it does not read the others.
NAMES = {"fi": "Suomi", "sv": "Svenska", "en": "English"}
# Finnish and Swedish as in Finland; English with the day before the month, as here.
_LOCALES = {"fi": "fi_FI", "sv": "sv_FI", "en": "en_GB"}


def N_(msgid: str) -> str:
    """Marks a sentence that is translated where it is shown."""
    return msgid


def template_of(error: type[RecorderError]) -> str:
    """The sentence of an error, with its places for values."""
    return " ".join((error.__doc__ or "").split())


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    language: str
    catalogue: GNUTranslations
    locale: Locale

    def text(self, msgid: str, **values: object) -> str:
        return self.catalogue.gettext(msgid).format_map(values)

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        told = {"count": self.number(count), **values}
        return self.catalogue.ngettext(one, many, count).format_map(told)

    def html(self, msgid: str, **values: object) -> Markup:
        """The same for templates: values are escaped, unless they are markup already."""
        return escape(self.catalogue.gettext(msgid)).format(**values)

    def html_plural(self, one: str, many: str, count: int, **values: object) -> Markup:
        told = {"count": self.number(count), **values}
        return escape(self.catalogue.ngettext(one, many, count)).format(**told)

    def error(self, error: RecorderError) -> str:
        """What an error says. One that was raised with words of its own keeps them."""
        template = template_of(type(error))
        try:
            return self.catalogue.gettext(template).format_map(
                {name: self._told(value) for name, value in error.fields.items()}
            )
        except (KeyError, IndexError, AttributeError):
            return str(error)

    def _told(self, value: object) -> object:
        match value:
            case datetime():
                return self.moment(value)
            case date():
                return self.date(value)
            case timedelta():
                return self.spoken(value)
            case _:
                return value

    def date(self, at: date | datetime) -> str:
        day = at.astimezone(HELSINKI).date() if isinstance(at, datetime) else at
        return str(format_date(day, "medium", self.locale))

    def time(self, at: datetime) -> str:
        return str(format_time(at, "short", HELSINKI, self.locale))

    def moment(self, at: datetime) -> str:
        return str(format_datetime(at, "medium", HELSINKI, self.locale))

    def number(self, value: float) -> str:
        return str(format_decimal(value, locale=self.locale))

    def duration(self, length: timedelta) -> str:
        """As a clock: 3:07, 1:02:03."""
        seconds = int(length.total_seconds())
        hours, minutes = divmod(seconds // 60, 60)
        return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"

    def spoken(self, length: timedelta) -> str:
        """In words, for who hears the page: 3 minutes 7 seconds."""
        seconds = int(length.total_seconds())
        told: list[str] = []
        for unit, granularity in _UNITS:
            count, seconds = divmod(seconds, unit)
            if count or (unit == 1 and not told):
                span = timedelta(seconds=count * unit)
                # Without a threshold 60 minutes would be told as an hour, and 90 as two.
                told.append(format_timedelta(span, granularity=granularity, threshold=10**9, locale=self.locale))
        return " ".join(told)


_UNITS: tuple[tuple[int, Literal["hour", "minute", "second"]], ...] = ((3600, "hour"), (60, "minute"), (1, "second"))


def load() -> Mapping[str, Words]:
    """Every language there is."""
    return {language: _words(language) for language in LANGUAGES}


def _words(language: str) -> Words:
    compiled = io.BytesIO()
    with (LOCALE / language / "LC_MESSAGES" / "messages.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Words(language, GNUTranslations(compiled), Locale.parse(_LOCALES[language]))


def wanted(accept_language: str, default: str) -> str:
    """The language a browser asks for most, of those there are."""
    asked: list[tuple[float, str]] = []
    for part in accept_language[:500].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and weight > 0:
            asked.append((-weight, language))
    return min(asked, key=lambda one: one[0])[1] if asked else default
