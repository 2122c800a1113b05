"""What a person reads in a package: which calls, why, how long, who listened, what is silent, which rights. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ari_recorder.domain.package_words import WORDS, Words
from ari_recorder.domain.packages import Contents, PackageKind, Told, audio_name
from ari_recorder.domain.papers import Block, Bullets, Facts, Heading, Paper, Paragraph, Table, day_told
from ari_recorder.domain.retention import HELSINKI, Period, local_day

_UNITS = {
    "fi": (("kuukausi", "kuukautta"), ("päivä", "päivää")),
    "sv": (("månad", "månader"), ("dag", "dagar")),
    "en": (("month", "months"), ("day", "days")),
}


def page(contents: Contents, language: str, suffixes: tuple[str, ...]) -> Paper:
    """`suffixes`: of the smaller form of each recording."""
    words, register = WORDS[language], contents.registers[language]
    blocks: list[Block] = [
        Paragraph(text=words.intros[contents.kind]),
        Facts(
            rows=(
                (words.case, contents.case_number),
                (words.made, _time(contents.made_at, words, language)),
                (words.controller, f"{register.controller}\n{register.contact}".strip()),
            )
        ),
        Heading(text=words.about),
        Facts(
            rows=(
                (words.purpose, register.purpose),
                (words.legal_basis, register.legal_basis),
                (words.kept, register.kept),
            )
        ),
    ]
    for number, (one, suffix) in enumerate(zip(contents.recordings, suffixes, strict=True), 1):
        blocks += _recording(one, number, suffix, contents.kind, words, language)
    if contents.kind is PackageKind.CITIZEN:
        blocks += [Heading(text=words.rights), Bullets(items=words.rights_list), Paragraph(text=register.ombudsman)]
    blocks += [Heading(text=words.check), Paragraph(text=words.check_text)]
    return Paper(
        language=language,
        title=words.titles[contents.kind],
        author=register.controller,
        dated=local_day(contents.made_at),
        blocks=tuple(blocks),
    )


def period_told(period: Period, language: str) -> str:
    """3 months, 14 days; months and days where there are both."""
    of_months, of_days = _UNITS[language]
    parts = [(period.months, of_months), (period.days, of_days)]
    return " ".join(f"{count} {one if count == 1 else several}" for count, (one, several) in parts if count)


def length_told(length: timedelta) -> str:
    """1:02:03.5, as a player shows it; a fraction only where there is one."""
    whole, rest = divmod(length, timedelta(seconds=1))
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{rest.microseconds:06d}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02d}:{seconds:02d}{fraction}"


def _recording(one: Told, number: int, suffix: str, kind: PackageKind, words: Words, language: str) -> Iterator[Block]:
    yield Heading(text=words.recording.format(number=number))
    told = ", ".join(words.languages[spoken] for spoken in one.announced) or words.not_announced
    if one.announced_at is not None:
        told = f"{told}, {_time(one.announced_at, words, language)}"
    kept = words.held
    if one.destroyed_on is not None and not one.held:
        kept = day_told(one.destroyed_on, language)
    rows = [
        (words.began, _time(one.started_at, words, language)),
        (words.lasted, length_told(one.duration)),
        (words.queue, one.queue),
        (words.number, one.number),
        (words.announced, told),
        (words.destroyed_on, kept),
        (words.files, f"{audio_name(one, number, 'wav')}\n{audio_name(one, number, suffix)}"),
    ]
    if kind is PackageKind.POLICE:
        rows.append((words.sealed, one.sealed_sha256))
        if one.hold is not None:
            rows.append((words.hold, one.hold.reference))
            rows.append((words.intact, _time(one.hold.verified_at, words, language)))
    yield Facts(rows=tuple((name, value) for name, value in rows if value))
    if one.truncated:
        yield Paragraph(text=words.truncated)
    if one.mutes:
        yield Heading(text=words.muted, level=2)
        yield Paragraph(text=words.muted_intro)
        yield Table(
            caption=words.muted,
            header=(words.begin, words.end, words.side, words.reason),
            rows=tuple(
                (length_told(mute.since), length_told(mute.until), words.sides[mute.side], mute.reason)
                for mute in one.mutes
            ),
        )
    if kind is PackageKind.POLICE:
        yield Heading(text=words.custody, level=2)
        yield Table(
            caption=words.custody,
            header=(words.time, words.step, words.who),
            rows=tuple((_time(step.at, words, language), words.steps[step.step], step.who) for step in one.custody),
        )
        return
    yield Heading(text=words.listened, level=2)
    if one.listened:
        rows_heard = tuple((_time(heard.at, words, language), words.purposes[heard.purpose]) for heard in one.listened)
        yield Table(caption=words.listened, header=(words.time, words.why), rows=rows_heard)
    else:
        yield Paragraph(text=words.nobody_listened)
    yield Heading(text=words.given, level=2)
    if one.given:
        rows_given = tuple((_time(given.at, words, language), words.receivers[given.receiver]) for given in one.given)
        yield Table(caption=words.given, header=(words.time, words.receiver), rows=rows_given)
    else:
        yield Paragraph(text=words.nobody_given)


def _time(at: datetime, words: Words, language: str) -> str:
    local = at.astimezone(HELSINKI)
    separator = ":" if language == "en" else "."
    return words.at.format(day=day_told(local.date(), language), time=f"{local:%H}{separator}{local:%M}")
