"""The privacy notice (GDPR, articles 12 to 14; Finnish Act 1050/2018), made from what the service does.

    settings, rules in force ─► NoticeFacts ─► notice(facts, language) ─► Notice ─► HTML: domain/notice_html.py

Twenty sections, the same in every language, in the order in which Finnish authorities write them. The words are in
domain/notice_fi.py, notice_sv.py and notice_en.py: sentences by name, with places for values; which sentence belongs
where is here, once. What is promised is checked while the service runs: domain/promises.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256

from ari_recorder.domain import notice_en, notice_fi, notice_sv
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.retention import Period

SECTIONS = 20
# The sentences about how data are protected; LOOKED_AT has a figure in it.
MEASURES = ("sealed", "rights", "two_steps", "encrypted", "logged")
LOOKED_AT = "looked_at"
# In one language each.
Text = Mapping[str, str]

# The countries of the European Economic Area: the European Union, and Iceland, Liechtenstein and Norway.
EEA = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO".split()  # noqa: SIM905
)


class Basis(StrEnum):
    """On what recording rests: GDPR, article 6(1) e, f, a."""

    PUBLIC_TASK = "public-task"
    LEGITIMATE_INTEREST = "legitimate-interest"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Who answers for it. A text that nobody has filled in is empty."""

    register_name: Text
    name: Text
    address: Text
    person_in_charge: Text
    contact: Text
    data_protection_officer: Text
    supervisory_authority: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A queue whose calls are recorded, as people know it."""

    queue: str
    called: Text
    basis: Basis | None
    kept: Period
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A place beyond this host that the service is told to speak to. `country`: empty when nobody said it."""

    kind: str
    host: str
    country: str

    @property
    def is_within(self) -> bool:
        return self.country in EEA


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """What the notice is made from: the settings, and the rules of retention in force."""

    register: Register
    lines: tuple[Line, ...]
    undecided_grace: Period
    backups_kept: Period
    quarantine_days: int
    destinations: tuple[Destination, ...]
    two_persons: bool
    sample_percent: int
    published: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """What is wanted and not filled in, as the settings are called."""
        fields = {name: getattr(self.register, name) for name in self.register.__dataclass_fields__}
        found = [f"controller.{name}" for name, text in fields.items() if not text]
        for line in self.lines:
            found += [f'queues["{line.queue}"].called'] if not line.called else []
            found += [f'queues["{line.queue}"].basis'] if line.basis is None else []
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A paragraph, and the list it leads to, if there is one."""

    text: str
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSection:
    number: int
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    language: str
    title: str
    sections: tuple[NoticeSection, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is read, in its order."""
        found = [self.title]
        for section in self.sections:
            found.append(f"{section.number} {section.heading}")
            for block in section.blocks:
                found += [block.text, *block.points]
        return tuple(found)


_WORDS: Mapping[str, notice_en.Words] = {"fi": notice_fi.WORDS, "sv": notice_sv.WORDS, "en": notice_en.WORDS}


def notice(facts: NoticeFacts, language: str) -> Notice:
    """The notice in one of LANGUAGES."""
    writer = Writer(facts, language)
    words = _WORDS[language]
    sections = tuple(
        NoticeSection(number=number, heading=heading, blocks=tuple(write(writer)))
        for number, (heading, write) in enumerate(zip(words.headings, _SECTIONS, strict=True), start=1)
    )
    return Notice(language=language, title=words.title, sections=sections)


def in_all_languages(facts: NoticeFacts) -> tuple[Notice, ...]:
    return tuple(notice(facts, language) for language in LANGUAGES)


def purposes_told(language: str) -> str:
    """What calls are recorded for, in a line."""
    sentences = _WORDS[language].sentences
    return f"{sentences['safety']}, {sentences['quality']}".rstrip(".")


def basis_told(basis: Basis | None, language: str) -> str:
    """On what recording rests; None: nobody said."""
    return _WORDS[language].sentences[basis.value if basis is not None else "missing"]


def digest(notices: Sequence[Notice]) -> str:
    """SHA-256 over the words of all languages: the name of a version."""
    told = json.dumps([asdict(one) for one in notices], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(told.encode()).hexdigest()


# --- how


class Writer:
    """Sentences of one language, filled in."""

    def __init__(self, facts: NoticeFacts, language: str) -> None:
        self.facts = facts
        self._language = language
        self._words = _WORDS[language]

    def say(self, sentence: str, *points: str, **values: object) -> Block:
        return Block(text=self.text(sentence, **values), points=points)

    def text(self, sentence: str, **values: object) -> str:
        return self._words.sentences[sentence].format_map(values)

    def own(self, text: Text) -> str:
        """What the settings say; where they say nothing, that."""
        return text.get(self._language) or self.text("missing")

    def address(self, *texts: Text) -> str:
        return ", ".join(text[self._language] for text in texts if text) or self.text("missing")

    def period(self, period: Period) -> str:
        """Calendar months, then days."""
        counted = ((period.months, self._words.months), (period.days, self._words.days))
        told = [one if count == 1 else many.format(count=count) for count, (one, many) in counted if count]
        return self._words.together.join(told)

    def line(self, line: Line) -> str:
        called = line.called.get(self._language) or line.queue
        return f"{called} ({', '.join(line.numbers)})" if line.numbers else called

    def places(self) -> tuple[str, ...]:
        """What the service is connected to beyond its host, each with its country."""
        told = (
            f"{self.text(f'to_{one.kind}')}: {one.country or self.text('missing')}" for one in self.facts.destinations
        )
        return tuple(dict.fromkeys(told))

    def several(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.text(name) for name in names)


def _name(writer: Writer) -> Iterator[Block]:
    yield Block(text=writer.own(writer.facts.register.register_name))


def _controller(writer: Writer) -> Iterator[Block]:
    register = writer.facts.register
    yield Block(text=writer.address(register.name, register.address))


def _person(writer: Writer) -> Iterator[Block]:
    yield Block(text=writer.own(writer.facts.register.person_in_charge))


def _contact(writer: Writer) -> Iterator[Block]:
    yield Block(text=writer.own(writer.facts.register.contact))


def _officer(writer: Writer) -> Iterator[Block]:
    yield Block(text=writer.own(writer.facts.register.data_protection_officer))


def _kept(writer: Writer) -> Iterator[Block]:
    facts = writer.facts
    lines = [f"{writer.line(line)}: {writer.period(line.kept)}" for line in facts.lines]
    yield writer.say("kept", *lines)
    yield writer.say("destroyed", backups=writer.period(facts.backups_kept))
    yield writer.say("held")
    yield writer.say("undecided", grace=writer.period(facts.undecided_grace))
    yield writer.say("frozen")
    yield writer.say("quarantine", days=writer.period(Period(text="", months=0, days=facts.quarantine_days)))


def _purpose(writer: Writer) -> Iterator[Block]:
    yield writer.say("purpose", *writer.several(("safety", "quality")))
    yield writer.say("announced")
    bases = [
        f"{writer.line(line)}: {writer.text(line.basis.value if line.basis is not None else 'missing')}"
        for line in writer.facts.lines
    ]
    yield writer.say("bases", *bases)
    yield writer.say("listeners")


def _content(writer: Writer) -> Iterator[Block]:
    yield writer.say("content")
    yield writer.say("beside", *writer.several(("caller", "call", "agents", "marks")))
    yield writer.say("derived")


def _sources(writer: Writer) -> Iterator[Block]:
    yield writer.say("sources")


def _disclosures(writer: Writer) -> Iterator[Block]:
    yield writer.say("disclosures")
    yield writer.say("disclosed_by_two" if writer.facts.two_persons else "disclosed")


def _transfers(writer: Writer) -> Iterator[Block]:
    places = writer.facts.destinations
    yield writer.say("transfers" if all(one.is_within or not one.country for one in places) else "transfers_outside")
    if not places:
        yield writer.say("nowhere")
        return
    yield writer.say("speaks_to", *writer.places())


def _protection(writer: Writer) -> Iterator[Block]:
    points = writer.several(MEASURES)
    yield writer.say("protection", *points, writer.text(LOOKED_AT, percent=writer.facts.sample_percent))


def _decisions(writer: Writer) -> Iterator[Block]:
    yield writer.say("decisions")


def _access(writer: Writer) -> Iterator[Block]:
    yield writer.say("access", contact=writer.own(writer.facts.register.contact))
    yield writer.say("identity")
    yield writer.say("answer")


def _correction(writer: Writer) -> Iterator[Block]:
    yield writer.say("correction")
    yield writer.say("corrected")


def _consent(writer: Writer) -> Iterator[Block]:
    bases = {line.basis for line in writer.facts.lines}
    if Basis.CONSENT in bases:
        yield writer.say("withdraw", contact=writer.own(writer.facts.register.contact))
    if bases != {Basis.CONSENT}:
        yield writer.say("no_consent")


def _rights(writer: Writer) -> Iterator[Block]:
    bases = {line.basis for line in writer.facts.lines}
    names = ["erasure", "restriction"]
    names += ["objection"] if bases != {Basis.CONSENT} else []
    names += ["portability"] if Basis.CONSENT in bases else []
    yield writer.say("other_rights", *writer.several(names))


def _complaint(writer: Writer) -> Iterator[Block]:
    yield writer.say("refused")
    yield writer.say("complaint", authority=writer.own(writer.facts.register.supervisory_authority))


def _more(writer: Writer) -> Iterator[Block]:
    yield writer.say("made")
    if writer.facts.published:
        yield writer.say("published", *writer.facts.published)


def _administration(writer: Writer) -> Iterator[Block]:
    register = writer.facts.register
    duties = writer.several(("duty_content", "duty_rights", "duty_people", "duty_data", "duty_notice"))
    told = {"name": writer.own(register.name), "person": writer.own(register.person_in_charge)}
    yield writer.say("administration", *duties, **told)


_SECTIONS = (
    *(_name, _controller, _person, _contact, _officer, _kept, _purpose, _content, _sources, _disclosures),
    *(_transfers, _protection, _decisions, _access, _correction, _consent, _rights, _complaint, _more),
    _administration,
)
