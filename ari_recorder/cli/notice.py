"""`notice`: the privacy notice as it is now and as it was, and whether what it promises is so."""

import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ari_recorder.cli.tools import DEFAULT_CONFIG, ConfigOption, Exit, JsonOption, load, troubles_told, wait_for

if TYPE_CHECKING:
    from ari_recorder.services.notice import Notices

T = TypeVar("T")


class Form(StrEnum):
    HTML = "html"
    PDF = "pdf"


app = typer.Typer(help="The privacy notice.", no_args_is_help=True)


@app.command()
def render(
    config: ConfigOption = DEFAULT_CONFIG,
    language: Annotated[str, typer.Option("--language", metavar="LANGUAGE", help="fi, sv or en.")] = "fi",
    on: Annotated[
        datetime | None,
        typer.Option(
            "--on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="What it said at the end of that day; else now."
        ),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="A page, or a PDF (PDF/UA-1), to be published.")] = Form.HTML,
    json: JsonOption = False,
) -> None:
    """Print the notice as an HTML page or a PDF, to be published as it is."""
    from ari_recorder.output import write_json

    if form is Form.PDF and (json or sys.stdout.isatty()):
        raise typer.BadParameter("a PDF is bytes: send it to a file with >, without --json", param_hint="--format")

    with troubles_told(json=json):
        from ari_recorder.domain.errors import NoticeUnknown
        from ari_recorder.domain.notice import Notice
        from ari_recorder.domain.notice_html import document
        from ari_recorder.domain.retention import midnight

        async def ask(notices: "Notices") -> Notice | bytes:
            if on is None:
                if form is Form.PDF:
                    return await notices.pdf(language, await notices.since())
                return await notices.notice(language)
            kept = await notices.in_force(midnight(on.date() + timedelta(days=1)) - timedelta(microseconds=1))
            found = [one for one in kept.notices if one.language == language] if kept is not None else []
            if not found:
                raise NoticeUnknown(day=on.date(), language=language)
            return await notices.pdf_of(found[0], on.date()) if form is Form.PDF else found[0]

        notice = _ask(config, ask)
        if isinstance(notice, bytes):
            sys.stdout.buffer.write(notice)
            return
        write_json(notice) if json else print(document(notice), end="")


@app.command()
def versions(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """The versions of the notice, the newest first: each was in force until the next one."""
    from ari_recorder.output import write_json
    from ari_recorder.output_notice import write_versions

    with troubles_told(json=json):
        found = _ask(config, lambda notices: notices.versions())
        write_json(found) if json else write_versions(found)


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Look at everything the notice promises, now: is it so? What only the service's own process can tell is as that
    saw it last."""
    from ari_recorder.output import working, write_json
    from ari_recorder.output_notice import write_promises

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.promises import Promise, PromiseState
        from ari_recorder.services import connect

        async def ask() -> tuple[Promise, ...]:
            async with connect.ready_database(settings) as database:
                return await connect.promises(settings, database).look(deep=True, keep=False)

        with working("looking", hidden=json):
            found = wait_for(ask())
        broken = any(one.state is PromiseState.BROKEN for one in found)
        write_json({"ok": not broken, "promises": found}) if json else write_promises(found)
        if broken:
            raise typer.Exit(Exit.FOUND)


@app.command()
def diff(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Compare the published copies of the notice with the one that is made here."""
    from ari_recorder.output import write_json
    from ari_recorder.output_notice import write_differences

    with troubles_told(json=json):
        found = _ask(config, lambda notices: notices.differences())
        write_json({"ok": not any(one.differs for one in found), "copies": found}) if json else write_differences(found)
        if any(one.differs for one in found):
            raise typer.Exit(Exit.FOUND)
        if any(one.trouble for one in found):
            raise typer.Exit(Exit.FAILED)


def _ask(config: Path, question: "Callable[[Notices], Awaitable[T]]") -> T:
    settings = load(config)
    from ari_recorder.services import connect

    async def ask() -> T:
        async with connect.ready_database(settings) as database:
            return await question(connect.notices(settings, database))

    return wait_for(ask())
