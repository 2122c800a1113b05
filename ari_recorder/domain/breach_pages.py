"""The report of a breach as a paper: the contents of GDPR, article 33 (3), letters a to d. Pure, nothing is looked up.

What the audit log and the history of rights tell is filled in; what only people know is a blank with a number, as in
the other papers of a controller: domain/records.py. The words are in breach_en.py, breach_fi.py and breach_sv.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ari_recorder.domain import breach_en, breach_fi, breach_sv
from ari_recorder.domain.breaches import Breach, BreachState, Opened, Reach, SubjectKind
from ari_recorder.domain.notice import MEASURES, NoticeFacts
from ari_recorder.domain.papers import Block, Bullets, Facts, Heading, Paper, Paragraph, Table, day_told
from ari_recorder.domain.retention import HELSINKI, local_day
from ari_recorder.domain.sheets import PAPER_WORDS, Sheet

_WORDS: Mapping[str, Mapping[str, str]] = {"fi": breach_fi.WORDS, "sv": breach_sv.WORDS, "en": breach_en.WORDS}
# Some ten pages; whoever wants all of them takes the JSON.
_MOST_LISTED = 300


def page(
    breach: Breach,
    opened: Sequence[Opened],
    names: Mapping[str, str],
    facts: NoticeFacts,
    language: str,
    now: datetime,
) -> Paper:
    """`opened`: what was opened, by the recordings' ids. `names`: of accounts, by their ids."""
    sheet = Sheet(facts, language, {**PAPER_WORDS[language], **_WORDS[language]})
    blocks = tuple(_blocks(sheet, breach, opened, names, now))
    intro = Paragraph(text=sheet.say("intro", moment=_moment(now, language)))
    return sheet.paper(sheet.say("title"), local_day(now), (intro,), blocks)


def _blocks(
    sheet: Sheet, breach: Breach, opened: Sequence[Opened], names: Mapping[str, str], now: datetime
) -> Iterator[Block]:
    yield Heading(text=sheet.say("h_case"))
    yield Facts(rows=tuple(_case(sheet, breach, names, now)))
    yield Heading(text=sheet.say("h_nature"))
    yield from _nature(sheet, breach, opened, names)
    register = sheet.facts.register
    yield Heading(text=sheet.say("h_contact"))
    yield Facts(
        rows=(
            sheet.fact("f_officer", sheet.told.own(register.data_protection_officer)),
            sheet.fact("f_contact", sheet.told.own(register.contact)),
        )
    )
    yield Heading(text=sheet.say("h_consequences"))
    yield Facts(rows=(sheet.fact("f_consequences", sheet.blank("b_consequences")),))
    yield Heading(text=sheet.say("h_measures"))
    yield Facts(rows=(sheet.fact("f_taken", sheet.blank("b_taken")),))
    yield Paragraph(text=sheet.say("before"))
    yield Bullets(items=sheet.told.several(MEASURES))
    log = breach.findings.log
    yield Paragraph(text=sheet.say("log", count=log.entries, sha256=log.sha256))
    yield Heading(text=sheet.say("h_subjects"))
    yield Facts(rows=(sheet.fact("f_high", sheet.blank("b_high")),))


def _case(sheet: Sheet, breach: Breach, names: Mapping[str, str], now: datetime) -> Iterator[tuple[str, str]]:
    wanted, language = breach.wanted, sheet.language
    yield sheet.fact("f_case", str(breach.id))
    yield sheet.fact(f"f_{wanted.kind}", wanted.subject)
    if wanted.kind is SubjectKind.HOST:
        used = ", ".join(names.get(one, one) for one in breach.findings.accounts)
        yield sheet.fact("f_accounts", used or sheet.say("none"))
    since, until = (_moment(one, language) for one in (wanted.since, wanted.until))
    yield sheet.fact("f_period", sheet.say("period", since=since, until=until))
    yield sheet.fact("f_aware", _moment(wanted.aware_at, language))
    yield sheet.fact("f_due", _moment(breach.due_at, language))
    yield sheet.fact("f_left", left_told(sheet, breach, now))
    if breach.notified_at is not None:
        told = sheet.say("notified", moment=_moment(breach.notified_at, language), reference=breach.reference)
        yield sheet.fact("f_reference", told)
    if breach.left(now) < timedelta():
        yield sheet.fact("f_delay", sheet.blank("b_delay"))


def left_told(sheet: Sheet, breach: Breach, now: datetime) -> str:
    """What the clock shows; when it has stopped, what it showed then."""
    if breach.state is BreachState.CLOSED and breach.notified_at is None:
        return sheet.say("closed")
    left = breach.left(now)
    minutes = abs(left) // timedelta(minutes=1)
    return sheet.say("over" if left < timedelta() else "left", hours=minutes // 60, minutes=minutes % 60)


def _nature(sheet: Sheet, breach: Breach, opened: Sequence[Opened], names: Mapping[str, str]) -> Iterator[Block]:
    found = breach.findings
    counts = (
        ("f_reachable", found.reachable),
        ("f_viewed", found.viewed),
        ("f_played", found.played),
        ("f_exported", found.exported),
        ("f_without", found.without_right),
        ("f_lists", found.lists),
        ("f_calls", found.people.calls),
        ("f_callers", found.people.callers),
        ("f_staff", found.people.staff),
    )
    yield Facts(
        rows=(
            sheet.fact("f_happened", sheet.blank("b_happened")),
            *(sheet.fact(name, str(count)) for name, count in counts),
        )
    )
    yield Paragraph(text=sheet.say("not_counted"))
    people = {"no_number": found.people.no_number, "forgotten": found.people.forgotten, "waiting": found.people.waiting}
    yield Bullets(items=(*(sheet.say(name, count=count) for name, count in people.items()), sheet.say("spoken")))
    if breach.wanted.kind is SubjectKind.HOST:
        yield Paragraph(text=sheet.say("erased"))
    yield Paragraph(text=sheet.say("data"))
    yield Bullets(items=sheet.told.several(("content", "caller", "call", "agents", "marks")))
    if found.reach:
        yield Table(
            caption=sheet.say("reach"),
            header=tuple(map(sheet.say, ("c_account", "c_since", "c_until", "c_queues", "c_calls"))),
            rows=tuple(_reach(sheet, one, names) for one in found.reach),
        )
    if opened:
        yield Table(
            caption=sheet.say("opened"),
            header=tuple(map(sheet.say, ("c_recording", "c_how", "c_right"))),
            rows=tuple(_opened(sheet, one) for one in opened[:_MOST_LISTED]),
        )
    if len(opened) > _MOST_LISTED:
        yield Paragraph(text=sheet.say("more", count=len(opened) - _MOST_LISTED))
    else:
        yield Paragraph(text=sheet.say("all_in_json"))


def _reach(sheet: Sheet, one: Reach, names: Mapping[str, str]) -> tuple[str, ...]:
    return (
        names.get(one.account_id, one.account_id),
        _moment(one.since, sheet.language),
        _moment(one.until, sheet.language),
        sheet.say("all_queues") if one.queues is None else ", ".join(one.queues),
        sheet.say("all_calls") if one.interfaces is None else sheet.say("own_calls"),
    )


def _opened(sheet: Sheet, one: Opened) -> tuple[str, ...]:
    how = ", ".join(sheet.say(f"how_{action.partition(':')[2]}") for action in one.opened)
    return str(one.recording_id), how, sheet.say("yes" if one.by_right else "no")


def _moment(at: datetime, language: str) -> str:
    local = at.astimezone(HELSINKI)
    return (
        f"{day_told(local.date(), language)} {local:%H:%M}"
        if language == "en"
        else (f"{day_told(local.date(), language)} {local:%H.%M}")
    )
