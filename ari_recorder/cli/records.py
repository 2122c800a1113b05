"""`records`: what a controller has to keep in writing, made from how the service works now."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ari_recorder.cli.tools import DEFAULT_CONFIG, ConfigOption, JsonOption, load, troubles_told, wait_for

if TYPE_CHECKING:
    from ari_recorder.domain.promises import Promise
    from ari_recorder.domain.records import Record, RecordKind


class Format(StrEnum):
    HTML = "html"
    PDF = "pdf"


app = typer.Typer(help="The controller's papers, made from how the service works.", no_args_is_help=True)

LanguageOption = Annotated[str, typer.Option("--language", metavar="LANGUAGE", help="fi, sv or en.")]
FormatOption = Annotated[Format, typer.Option("--format", metavar="FORMAT", help="html or pdf, on standard output.")]


@app.command()
def processing(
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "fi",
    format: FormatOption = Format.HTML,
    json: JsonOption = False,
) -> None:
    """Print the record of processing activities (GDPR, article 30)."""
    from ari_recorder.domain.records import RecordKind

    _write(RecordKind.PROCESSING, config, language, format, json)


@app.command()
def dpia(
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "fi",
    format: FormatOption = Format.HTML,
    json: JsonOption = False,
) -> None:
    """Print the data protection impact assessment (GDPR, article 35), with all that the service knows; what only you
    know is left blank."""
    from ari_recorder.domain.records import RecordKind

    _write(RecordKind.DPIA, config, language, format, json)


@app.command("information-management")
def information_management(
    config: ConfigOption = DEFAULT_CONFIG,
    language: LanguageOption = "fi",
    format: FormatOption = Format.HTML,
    json: JsonOption = False,
) -> None:
    """Print what belongs into the information management model (Finnish Act 906/2019, section 5)."""
    from ari_recorder.domain.records import RecordKind

    _write(RecordKind.INFORMATION_MANAGEMENT, config, language, format, json)


def _write(kind: "RecordKind", config: Path, language: str, format: Format, json: bool) -> None:
    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.accounts import LANGUAGES
        from ari_recorder.domain.errors import LanguageRefused
        from ari_recorder.domain.records import RecordKind, as_json
        from ari_recorder.output import write_paper
        from ari_recorder.services import connect, connect_subjects
        from ari_recorder.web import languages
        from ari_recorder.web.notice import promise_words

        if language not in LANGUAGES:
            raise LanguageRefused(language=language, known=", ".join(LANGUAGES))
        words = promise_words(languages.load()[language])

        async def ask() -> "Record":
            async with connect.ready_database(settings) as database:
                promises: tuple[Promise, ...] = ()
                if kind is RecordKind.DPIA:
                    promises = await connect.promises(settings, database).look(deep=False, keep=False)
                return await connect_subjects.records(settings, database).made(kind, language, words, promises)

        made = wait_for(ask())
        if json:
            print(as_json(made), end="")
        else:
            write_paper(made.paper, pdf=format is Format.PDF)
