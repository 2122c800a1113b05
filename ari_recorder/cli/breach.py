"""`breach`: what an account or a host could reach, and the 72 hours to tell the authority of it (GDPR, article 33)."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ari_recorder.cli.records import Format, FormatOption, LanguageOption
from ari_recorder.cli.tools import DEFAULT_CONFIG, ConfigOption, JsonOption, load, operator, troubles_told, wait_for

if TYPE_CHECKING:
    from ari_recorder.domain.papers import Paper
    from ari_recorder.services.breaches import Breaches, Report

T = TypeVar("T")

app = typer.Typer(help="Personal data breaches: reports, and the clock to tell of them.", no_args_is_help=True)

_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"]


def _moment(option: str, help: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(option, formats=_FORMATS, metavar="YYYY-MM-DDTHH:MM", help=help)
    return found


def _uuid(text: str) -> UUID:
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.lower()) is None:
        raise typer.BadParameter(f"{text!r} is not a whole id")
    return UUID(text)


BreachArgument = Annotated[UUID, typer.Argument(metavar="ID", parser=_uuid, help="The case, from `breach list`.")]


@app.command()
def report(
    since: Annotated[datetime, _moment("--from", "When it began, in Europe/Helsinki.")],
    until: Annotated[datetime, _moment("--to", "When it was over; at most now.")],
    aware_at: Annotated[datetime, _moment("--aware-at", "When you became aware of it: the 72 hours begin.")],
    account: Annotated[str | None, typer.Option("--account", metavar="NAME", help="Of this account.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="Of this host.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "fi",
    format: FormatOption = Format.HTML,
    json: JsonOption = False,
) -> None:
    """Open a case and print its report: which recordings could be listened to in that time by the rights of then, which
    were opened, how many people that concerns. The audit log of that time is kept whole until the case is closed."""
    from ari_recorder.domain.breaches import SubjectKind, Wanted
    from ari_recorder.domain.retention import HELSINKI

    if (account is None) == (host is None):
        raise typer.BadParameter("give one of --account and --host")
    wanted = Wanted(
        kind=SubjectKind.ACCOUNT if account is not None else SubjectKind.HOST,
        subject=account or host or "",
        since=since.replace(tzinfo=HELSINKI),
        until=until.replace(tzinfo=HELSINKI),
        aware_at=aware_at.replace(tzinfo=HELSINKI),
    )
    _print(config, language, format, json, lambda cases: cases.report(wanted, operator()))


@app.command()
def show(
    wanted: BreachArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "fi",
    format: FormatOption = Format.HTML,
    json: JsonOption = False,
) -> None:
    """Print the report of a case again: what was found then, and the clock as it is now."""
    _print(config, language, format, json, lambda cases: cases.show(wanted, operator()))


@app.command("list")
def list_breaches(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """All cases, the newest first, with the time that is left to tell the authority."""
    from datetime import UTC

    from ari_recorder.output import write_json
    from ari_recorder.output_breaches import as_line, write_breaches

    with troubles_told(json=json):
        found = _ask(config, lambda cases: cases.all_cases(operator()))
        now = datetime.now(UTC)
        write_json([as_line(one, now) for one in found]) if json else write_breaches(found, now)


@app.command()
def notified(
    wanted: BreachArgument,
    reference: Annotated[str, typer.Option("--reference", metavar="NUMBER", help="The authority's number of it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Write down that the supervisory authority has been told: the clock stops."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        breach = _ask(config, lambda cases: cases.notified(wanted, reference, operator()))
        write_json({"id": breach.id, "state": breach.state}) if json else print(f"{breach.id}: {breach.state}")


@app.command()
def close(
    wanted: BreachArgument,
    because: Annotated[str, typer.Option("--because", metavar="WORDS", help="Why nothing more is to be done.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Close a case: the audit log of its time is kept for it no longer. Nothing else of it is removed."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        breach = _ask(config, lambda cases: cases.close(wanted, because, operator()))
        write_json({"id": breach.id, "state": breach.state}) if json else print(f"{breach.id}: {breach.state}")


def _print(
    config: Path, language: str, format: Format, json: bool, question: "Callable[[Breaches], Awaitable[Report]]"
) -> None:
    from ari_recorder.output import write_json, write_paper

    with troubles_told(json=json):
        from ari_recorder.domain.accounts import LANGUAGES
        from ari_recorder.domain.errors import LanguageRefused

        if language not in LANGUAGES:
            raise LanguageRefused(language=language, known=", ".join(LANGUAGES))

        async def ask(cases: "Breaches") -> "tuple[Report, Paper, bool]":
            found = await question(cases)
            return found, await cases.paper(found, language), await cases.log_is_whole(found.breach)

        found, paper, whole = _ask(config, ask)
        if json:
            write_json({"report": found, "log_is_whole": whole})
        else:
            write_paper(paper, pdf=format is Format.PDF)


def _ask(config: Path, question: "Callable[[Breaches], Awaitable[T]]") -> T:
    settings = load(config)
    from ari_recorder.services import connect, connect_subjects

    async def ask() -> T:
        async with connect.ready_database(settings) as database:
            return await question(connect_subjects.breaches(settings, database))

    return wait_for(ask())
