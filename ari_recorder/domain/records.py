"""What a controller has to keep in writing, made from the facts of the privacy notice. Pure, nothing is looked up.

    NoticeFacts, promises ─► RecordFacts ─► record(kind, facts, language) ─► Record ─► HTML and PDF: services/papers.py

    processing               record of processing activities        GDPR, article 30 (1), letters a to g
    dpia                     data protection impact assessment      GDPR, article 35 (7), letters a to d
    information-management   a part of the model of section 5       Act 906/2019; as data, too

What the notice says already is said in the same sentences: domain/notice.py. What only the controller can know is a
blank with a number, and the paper says how many there are. The words of its own are in records_en.py, _fi.py, _sv.py.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum

from ari_recorder.domain.activations import Approval
from ari_recorder.domain.notice import LOOKED_AT, MEASURES, Basis, NoticeFacts
from ari_recorder.domain.papers import Block, Bullets, Facts, Heading, Paper, Paragraph, Table, day_told
from ari_recorder.domain.promises import Promise, PromiseName, PromiseState
from ari_recorder.domain.retention import Period, local_day
from ari_recorder.domain.sheets import PAPER_WORDS, Sheet

FORMAT = "ari-recorder/information-management/1"

# What a field of the data says: a text, or several.
Value = str | tuple[str, ...]
Item = Mapping[str, Value]


class RecordKind(StrEnum):
    PROCESSING = "processing"
    DPIA = "dpia"
    INFORMATION_MANAGEMENT = "information-management"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseWords:
    """How promises and their states are called in one language."""

    promises: Mapping[PromiseName, str]
    states: Mapping[PromiseState, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """`approvals`: by queue. `recordings`: how many are kept; None when that is not known."""

    notice: NoticeFacts
    promises: tuple[Promise, ...]
    approvals: Mapping[str, Approval]
    recordings: int | None
    dated: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`blanks`: how many places are left to be filled in. `missing`: settings that are not. `data`: of the information
    management alone, by part, what the paper says."""

    kind: RecordKind
    paper: Paper
    blanks: int
    missing: tuple[str, ...]
    data: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk with the sentences of the notice that are measures against it, and the promises that show them to work."""

    name: str
    measures: tuple[str, ...]
    promises: tuple[PromiseName, ...]


RISKS = (
    Risk(
        "r_theft",
        ("sealed", "two_steps", "encrypted"),
        (PromiseName.TWO_STEPS, PromiseName.LISTENERS, PromiseName.DESTINATIONS),
    ),
    Risk(
        "r_curiosity",
        ("listeners", "rights", "logged", LOOKED_AT),
        (PromiseName.ENTITLED, PromiseName.PURPOSES, PromiseName.SAMPLES, PromiseName.RIGHTS),
    ),
    Risk(
        "r_too_long",
        ("destroyed", "held"),
        (PromiseName.RULE, PromiseName.BYTES, PromiseName.HOLDS, PromiseName.HOLDERS),
    ),
    Risk("r_unaware", ("announced", "quarantine"), (PromiseName.QUEUES,)),
    Risk("r_disclosed", ("disclosures", "disclosed"), (PromiseName.EXPORTS,)),
    Risk("r_purpose", ("derived", "decisions", "listeners"), (PromiseName.DERIVED, PromiseName.PURPOSES)),
    Risk("r_lost", ("frozen", "corrected"), (PromiseName.MATCHES, PromiseName.CORRECTIONS)),
    Risk(
        "r_unheard",
        ("answer", "refused"),
        (PromiseName.ON_TIME, PromiseName.WITHDRAWALS, PromiseName.REFUSALS),
    ),
    Risk("r_log", ("logged",), (PromiseName.AUDIT,)),
    Risk("r_notice", ("made",), (PromiseName.FIELDS, PromiseName.PUBLISHED)),
)


def record(kind: RecordKind, facts: RecordFacts, language: str, words: PromiseWords) -> Record:
    """In one of LANGUAGES. `words` are of that language."""
    sheet = Sheet(facts.notice, language, PAPER_WORDS[language])
    data: Mapping[str, tuple[Item, ...]] = {}
    match kind:
        case RecordKind.PROCESSING:
            blocks = tuple(_processing(sheet))
        case RecordKind.DPIA:
            blocks = tuple(_assessment(sheet, facts, words))
        case RecordKind.INFORMATION_MANAGEMENT:
            data = _management(sheet)
            blocks = tuple(_listed(sheet, data))
    intro = Paragraph(text=sheet.say(f"intro_{kind}", day=day_told(facts.dated, language)))
    paper = sheet.paper(sheet.say(f"title_{kind}"), facts.dated, (intro,), blocks)
    return Record(kind=kind, paper=paper, blanks=sheet.blanks, missing=facts.notice.missing, data=data)


def as_json(made: Record) -> str:
    """A document. The names are the same in every language, and of the information management the fields, too."""
    told: dict[str, object] = {
        "kind": made.kind,
        "language": made.paper.language,
        "title": made.paper.title,
        "dated": made.paper.dated.isoformat(),
        "blanks": made.blanks,
        "missing": made.missing,
    }
    if made.kind is RecordKind.INFORMATION_MANAGEMENT:
        told = {"format": FORMAT, "law": "906/2019, 5 §", **told, **made.data}
    else:
        told["blocks"] = [{"kind": type(block).__name__.lower(), **asdict(block)} for block in made.paper.blocks]
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


# --- record of processing activities


def _processing(sheet: Sheet) -> Iterator[Block]:
    yield Heading(text=sheet.say("h_controller"))
    yield Facts(rows=(*_who(sheet), sheet.fact("f_joint", sheet.blank("b_joint"))))
    yield Heading(text=sheet.say("h_purposes"))
    yield from sheet.section(7)
    yield Heading(text=sheet.say("h_categories"))
    people = ("subject_callers", "subject_spoken", "subject_staff", "subject_users")
    yield Paragraph(text=sheet.say("subjects"))
    yield Bullets(items=tuple(map(sheet.say, people)))
    yield from sheet.section(8)
    yield Paragraph(text=sheet.say("data_users"))
    yield Heading(text=sheet.say("h_recipients"))
    yield from sheet.section(10)
    yield Facts(rows=(sheet.fact("f_processors", sheet.blank("b_processors")),))
    yield Heading(text=sheet.say("h_transfers"))
    yield from sheet.section(11)
    if any(not one.is_within and one.country for one in sheet.facts.destinations):
        yield Facts(rows=(sheet.fact("f_safeguards", sheet.blank("b_safeguards")),))
    yield Heading(text=sheet.say("h_limits"))
    yield from sheet.section(6)
    yield Facts(rows=(sheet.fact("f_log", sheet.blank("b_log")),))
    yield Heading(text=sheet.say("h_measures"))
    yield from sheet.section(12)


def _who(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    register = sheet.facts.register
    return (
        sheet.fact("f_controller", sheet.told.address(register.name, register.address)),
        sheet.fact("f_person", sheet.told.own(register.person_in_charge)),
        sheet.fact("f_contact", sheet.told.own(register.contact)),
        sheet.fact("f_officer", sheet.told.own(register.data_protection_officer)),
    )


# --- impact assessment


def _assessment(sheet: Sheet, facts: RecordFacts, words: PromiseWords) -> Iterator[Block]:
    yield Heading(text=sheet.say("d_about"))
    yield Facts(rows=(*_who(sheet), sheet.fact("f_assessor", sheet.blank("b_assessor"))))
    yield from _description(sheet, facts)
    yield from _necessity(sheet, facts)
    known = {one.name: one for one in facts.promises}
    yield Heading(text=sheet.say("d_c"))
    yield Paragraph(text=sheet.say("risks"))
    for risk in RISKS:
        yield Heading(text=sheet.say(risk.name), level=2)
        yield Paragraph(text=sheet.say("measures"))
        yield Bullets(items=tuple(_measure(sheet, name) for name in risk.measures))
        yield Facts(
            rows=(
                *((words.promises[one], _state(sheet, known.get(one), words)) for one in risk.promises),
                sheet.fact("f_likelihood", sheet.blank("b_likelihood")),
                sheet.fact("f_severity", sheet.blank("b_severity")),
                sheet.fact("f_residual", sheet.blank("b_residual")),
            )
        )
    yield Heading(text=sheet.say("d_d"))
    yield from sheet.section(12)
    yield Table(
        caption=sheet.say("promises"),
        header=tuple(map(sheet.say, ("c_promise", "c_state", "c_found", "c_proved"))),
        rows=tuple(_row(sheet, one, words) for one in facts.promises),
    )
    yield Heading(text=sheet.say("d_views"))
    views = (("f_advice", "b_advice"), ("f_subjects", "b_subjects"), ("f_staff", "b_staff"))
    yield Facts(rows=tuple(sheet.fact(name, sheet.blank(what)) for name, what in views))
    yield Heading(text=sheet.say("d_end"))
    ends = (("f_prior", "b_prior"), ("f_decision", "b_decision"), ("f_review", "b_review"))
    yield Facts(rows=tuple(sheet.fact(name, sheet.blank(what)) for name, what in ends))


def _description(sheet: Sheet, facts: RecordFacts) -> Iterator[Block]:
    yield Heading(text=sheet.say("d_a"))
    for number in (7, 8, 9):
        yield from sheet.titled(number)
    yield Heading(text=sheet.say("d_extent"), level=2)
    lines = "\n".join(map(sheet.told.line, sheet.facts.lines))
    kept = sheet.say("unknown") if facts.recordings is None else str(facts.recordings)
    yield Facts(
        rows=(
            sheet.fact("f_lines", lines),
            sheet.fact("f_recordings", kept),
            sheet.fact("f_calls", sheet.blank("b_calls")),
            sheet.fact("f_vulnerable", sheet.blank("b_vulnerable")),
            sheet.fact("f_processors", sheet.blank("b_processors")),
        )
    )
    for number in (6, 10, 11):
        yield from sheet.titled(number)


def _necessity(sheet: Sheet, facts: RecordFacts) -> Iterator[Block]:
    yield Heading(text=sheet.say("d_b"))
    yield Paragraph(text=sheet.say("limits"))
    limits = sheet.told.several(("announced", "derived", "listeners"))
    yield Bullets(items=(sheet.say("only_lines"), *limits, _measure(sheet, "destroyed")))
    yield Paragraph(text=sheet.say("by_right"))
    if facts.approvals:
        yield Table(
            caption=sheet.say("decisions"),
            header=tuple(map(sheet.say, ("c_line", "c_decision", "c_decided", "c_told"))),
            rows=tuple(_decision(sheet, line.queue, facts.approvals) for line in sheet.facts.lines),
        )
    bases = {line.basis for line in sheet.facts.lines}
    rows = [("f_less", "b_less")]
    rows += [("f_law", "b_law")] if Basis.PUBLIC_TASK in bases else []
    rows += [("f_balance", "b_balance")] if Basis.LEGITIMATE_INTEREST in bases else []
    rows += [("f_consent", "b_consent")] if Basis.CONSENT in bases else []
    yield Facts(rows=tuple(sheet.fact(name, sheet.blank(what)) for name, what in rows))


def _decision(sheet: Sheet, queue: str, approvals: Mapping[str, Approval]) -> tuple[str, ...]:
    line = next(sheet.told.line(line) for line in sheet.facts.lines if line.queue == queue)
    one = approvals.get(queue)
    if one is None:
        return (line, sheet.told.text("missing"), "–", "–")
    days = (day_told(day, sheet.language) for day in (one.approved_on, one.staff_informed_on))
    return (line, one.approved_by, *days)


def _measure(sheet: Sheet, name: str) -> str:
    """A sentence of the notice, with the values of this site."""
    facts = sheet.facts
    if name == "disclosed" and facts.two_persons:
        name = "disclosed_by_two"
    values = {
        "backups": sheet.told.period(facts.backups_kept),
        "days": sheet.told.period(Period(text="", months=0, days=facts.quarantine_days)),
        "percent": facts.sample_percent,
    }
    return sheet.told.text(name, **values)


def _row(sheet: Sheet, one: Promise, words: PromiseWords) -> tuple[str, ...]:
    found = "–" if one.figure is None else str(one.figure)
    proved = sheet.say("never") if one.proved_at is None else day_told(local_day(one.proved_at), sheet.language)
    return words.promises[one.name], words.states[one.state], found, proved


def _state(sheet: Sheet, one: Promise | None, words: PromiseWords) -> str:
    """In a line: the state, and what was found where it is broken."""
    if one is None:
        return words.states[PromiseState.UNKNOWN]
    state = words.states[one.state]
    return f"{state} ({one.figure})" if one.state is PromiseState.BROKEN else state


# --- information management


def _management(sheet: Sheet) -> dict[str, tuple[Item, ...]]:
    facts, told = sheet.facts, sheet.told
    responsible = told.own(facts.register.name)
    purposes = told.several(("safety", "quality"))
    lines = tuple(map(told.line, facts.lines))
    bases = tuple(dict.fromkeys(told.text(one.basis.value if one.basis else "missing") for one in facts.lines))
    process: Item = {
        "name": sheet.say("process"),
        "responsible": responsible,
        "purpose": purposes,
        "lines": lines,
        "basis": bases,
        "related": sheet.blank("b_related"),
    }
    pool: Item = {
        "name": told.own(facts.register.register_name),
        "responsible": responsible,
        "purpose": purposes,
        "content": told.several(("content", "caller", "call", "agents", "marks")),
        "sources": told.text("sources"),
        "disclosures": (told.text("disclosures"), _measure(sheet, "disclosed")),
    }
    datasets = tuple(_datasets(sheet))  # before the systems: blanks are numbered as they are read
    system: Item = {
        "name": sheet.say("system"),
        "responsible": responsible,
        "purpose": sheet.say("system_purpose"),
        "connections": told.places() or sheet.say("no_connections"),
        "supplier": sheet.blank("b_supplier"),
    }
    return {
        "processes": (process,),
        "pools": (pool,),
        "datasets": datasets,
        "systems": (system,),
        "security": ({"measures": tuple(_measure(sheet, name) for name in (*MEASURES, LOOKED_AT))},),
    }


def _datasets(sheet: Sheet) -> Iterator[Item]:
    told = sheet.told
    destroyed = _measure(sheet, "destroyed")
    for line in sheet.facts.lines:
        yield {
            "name": sheet.say("dataset_recordings", line=told.line(line)),
            "kept": told.period(line.kept),
            "archived": sheet.say("not_archived"),
            "destroyed": destroyed,
        }
    yield {
        "name": sheet.say("dataset_quarantine"),
        "kept": told.period(Period(text="", months=0, days=sheet.facts.quarantine_days)),
        "archived": sheet.say("not_archived"),
        "destroyed": _measure(sheet, "quarantine"),
    }
    yield {
        "name": sheet.say("dataset_log"),
        "kept": sheet.blank("b_log"),
        "archived": sheet.blank("b_archived"),
    }


def _listed(sheet: Sheet, data: Mapping[str, tuple[Item, ...]]) -> Iterator[Block]:
    for part, items in data.items():
        yield Heading(text=sheet.say(f"i_{part}"))
        for item in items:
            if "name" in item:
                yield Heading(text=_text(item["name"]), level=2)
            rows = [(sheet.say(f"i_{name}"), _text(value)) for name, value in item.items() if name != "name"]
            yield Facts(rows=tuple(rows))


def _text(value: Value) -> str:
    return value if isinstance(value, str) else "\n".join(value)
