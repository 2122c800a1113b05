"""Finnish, Swedish, English: the catalogues, and dates, numbers and durations as each language writes them. No HTML.

Sentences are kept in English in the source (`text("Log in")`), and found in locale/<language>/LC_MESSAGES/messages.po.
Values stand in braces: "{count} recordings". Catalogues are compiled at start; `make catalogues` writes them anew.
"""

import functools
import io
import re
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
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
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


# What errors say in a word or a few of what is refused, and why: a value of theirs, translated like they are.
FRAGMENTS = frozenset(
    (
        N_("it wants to be a case number of at most 64 characters"),
        N_("it names a person: an identity code belongs nowhere in here"),
        N_("it is empty"),
        N_("it has more than 2000 characters, or control characters"),
        N_("more than 500 characters, or control characters"),
        N_("say why"),
        N_("there is no number in it"),
        N_("the recording does not go there"),
        N_("there is no such note"),
        N_("this call had no such agent"),
        N_("there is only one"),
        N_("say in at least 10 characters what it is"),
        N_("it has more than 500 characters"),
        N_("it has control characters"),
        N_("is too long, or holds what is not printed"),
        N_("ends before it begins"),
        N_("wants its day, too"),
        N_("has digits 0 to 9 and letters a to f only"),
        N_("is not one that was given"),
        N_("its name wants to be 1 to 60 characters on one line"),
        N_("a filter that is kept holds no telephone number"),
        N_("there are 50 already; remove one first"),
        N_("the old one is not right"),
        N_("the key of its day is being destroyed"),
        N_("it has characters that no keyboard makes"),
        N_("it is on the list of passwords that are tried first"),
        N_("it is little more than names that everybody here knows"),
        N_("it is too easy to guess; take four or more random words"),
        N_("while it was exported"),
        N_("it does not answer a request of this kind"),
        N_("it is ahead of today"),
        N_("it ends before it begins"),
        N_("its reason wants to be one line of at most 500 characters"),
        N_("there are more than 500 parts"),
        N_("the first wants to be Finnish or Swedish"),
        N_("it has more than 10000 characters"),
        N_("it wants to be one line of at most 200 characters"),
        N_("the person is told after the request came, and not tomorrow"),
        N_("it is ahead of today, or more than a year ago"),
        N_("it wants to be fi, sv or en"),
        N_("another way of looking at it is said in words"),
        N_("it is not taken here: refuse it, or close it"),
        N_("calls were found, and are the person's"),
        N_("it names some of the person's calls, and not all"),
        N_("it is of all of the person's calls"),
        N_("there is none"),
        N_("its window ends before it begins"),
        N_("without a number it wants a window of time that is over"),
        N_("who asks was looked at already"),
        N_("what it is about was settled with the decision"),
        N_("it was decided on already"),
        N_("its certificate was given already"),
        N_("there is no decision to be carried out"),
        N_("there is no decision that grants a copy"),
        N_("it was answered already"),
        N_("it was decided on: it is carried out, not taken back"),
        N_("the person has no answer yet"),
        # fields
        N_("name"),
        N_("contact"),
        N_("proxy"),
        N_("because"),
        N_("taken_back"),
        N_("told_on"),
        N_("reason"),
        N_("receiver"),
        N_("reference"),
        N_("owner"),
        N_("time"),
        N_("length"),
        N_("id"),
        N_("page"),
        N_("queue"),
        N_("agent"),
        N_("number"),
        N_("caller-number"),
        N_("caller-name"),
        N_("queue-meaning"),
        N_("note"),
        N_("addressee"),
        N_("asked"),
        N_("case_number"),
        N_("ground"),
        N_("languages"),
        N_("reasons"),
        N_("received_on"),
        N_("paper_reference"),
        N_("signatory"),
        N_("signatory_title"),
        # states, and decisions
        N_("received"),
        N_("identified"),
        N_("matched"),
        N_("decided"),
        N_("answered"),
        N_("granted"),
        N_("partly"),
        N_("nothing-found"),
        N_("taken-back"),
        N_("closed"),
        N_("idle"),
        N_("right-ended"),
        N_("recording-gone"),
        N_("erasing"),
        N_("erased"),
        N_("invited"),
        N_("active"),
        N_("disabled"),
        N_("asked"),
        N_("approved"),
        N_("refused"),
        N_("spent"),
        N_("expired"),
    )
)

# What is written down of why, with values in it: by domain/retention.py, vault/captured.py, vault/weak_passwords.py.
# The names are those of the places in the sentence that is translated.
SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?P<rule>.+), and (?P<grace>P\w+) for a flag nobody decided on"),
        N_("{rule}, and {grace} for a flag nobody decided on"),
    ),
    (re.compile(r"(?P<period>P\w+) of queue (?P<queue>.+)"), N_("{period} of queue {queue}")),
    (
        re.compile(r"(?P<period>P\w+), the longest period, for queue (?P<queue>.+) is not configured"),
        N_("{period}, the longest period, for queue {queue} is not configured"),
    ),
    (re.compile(r"it has fewer than (?P<count>\d+) characters"), N_("it has fewer than {count} characters")),
    (re.compile(r"it has more than (?P<count>\d+) characters"), N_("it has more than {count} characters")),
    (
        re.compile(r"(?P<lost>.+); (?P<seconds>[\d.]+) s could not be read back and are silent here"),
        N_("{lost}; {seconds} s could not be read back and are silent here"),
    ),
    (
        re.compile(r"(?P<seconds>[\d.]+) s could not be read back and are silent here"),
        N_("{seconds} s could not be read back and are silent here"),
    ),
    (
        re.compile(r"the spool was lost in mid-call; what was sealed by then is here, (?P<seconds>[\d.]+) s"),
        N_("the spool was lost in mid-call; what was sealed by then is here, {seconds} s"),
    ),
)
# Codes of the calls' own machine that stand as the reason of a destruction (EndReason); others have other meanings.
DESTROYED: Mapping[str, str] = {
    "refused": N_("the caller said no"),
    "no-evidence": N_("there was no evidence of the announcement"),
    "queue-not-recorded": N_("the call came to a queue that is not recorded"),
    "hangup": N_("the call was over"),
    "transferred": N_("the call was transferred"),
    "left-organisation": N_("the call left the organisation"),
    "stopped-by-others": N_("somebody else stopped the recording"),
    "ended-unseen": N_("it ended while the service was away"),
    "destroyed": N_("somebody wanted it"),
    "the end of its quarantine": N_("the end of its quarantine"),
}
# Roles where an error names them; elsewhere the same word is somebody's user name.
_ROLES: Mapping[str, str] = {
    "adviser": N_("adviser"),
    "supervisor": N_("supervisor"),
    "privacy-officer": N_("privacy officer"),
    "administrator": N_("administrator"),
    "auditor": N_("auditor"),
}


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
                {name: self._told(name, value) for name, value in error.fields.items()}
            )
        except (KeyError, IndexError, AttributeError):
            return str(error)

    def why(self, text: str) -> str:
        """A reason that was written down in English, or as a code, in this language. What is not known stays."""
        if text in FRAGMENTS:
            return self.catalogue.gettext(text)
        for pattern, msgid in SENTENCES:
            if found := pattern.fullmatch(text):
                return self.text(msgid, **{name: self._value(name, one) for name, one in found.groupdict().items()})
        return text

    def destroyed(self, because: str) -> str:
        """Why a recording was destroyed."""
        return self.catalogue.gettext(DESTROYED[because]) if because in DESTROYED else self.why(because)

    def _value(self, name: str, text: str) -> str:
        match name:
            case "period" | "grace":
                return self.period(text)
            case "count":
                return self.number(int(text))
            case "seconds":
                return self.number(float(text))
            case _:
                return self.why(text)

    def _told(self, name: str, value: object) -> object:
        match value:
            case datetime():
                return self.moment(value)
            case date():
                return self.date(value)
            case timedelta():
                return self.spoken(value)
            case int() if not isinstance(value, bool):
                return self.number(value)
            case str() if name in ("role", "others"):
                return ", ".join(self.catalogue.gettext(_ROLES.get(one, one)) for one in value.split(", "))
            case str() if name == "because":
                return self.destroyed(value)
            case str() if name in ("reason", "state", "field", "decision"):
                return self.why(value)
            case _:
                return value

    def date(self, at: date | datetime) -> str:
        day = at.astimezone(HELSINKI).date() if isinstance(at, datetime) else at
        return str(format_date(day, "medium", self.locale))

    def day_of(self, at: datetime) -> str:
        """For an address."""
        return at.astimezone(HELSINKI).date().isoformat()

    def time(self, at: datetime) -> str:
        return str(format_time(at, "short", HELSINKI, self.locale))

    def moment(self, at: datetime) -> str:
        return str(format_datetime(at, "medium", HELSINKI, self.locale))

    def number(self, value: float) -> str:
        return str(format_decimal(value, locale=self.locale))

    def percent(self, of_hundred: int) -> str:
        return str(format_percent(of_hundred / 100, locale=self.locale))

    def period(self, text: str) -> str:
        """How long something is kept, as rules write it (ISO 8601), in words: P3M is 3 months."""
        found = _PERIOD.findall(text)
        if not found or "P" + "".join(count + letter for count, letter in found) != text:
            return text
        units = {"Y": "year", "M": "month", "W": "week", "D": "day"}
        return " ".join(format_unit(int(count), units[letter], locale=self.locale) for count, letter in found)

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


_PERIOD = re.compile(r"([0-9]+)([YMWD])")
_UNITS: tuple[tuple[int, Literal["hour", "minute", "second"]], ...] = ((3600, "hour"), (60, "minute"), (1, "second"))


@functools.cache
def load() -> Mapping[str, Words]:
    """Every language there is; read once, for nothing in it changes."""
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
