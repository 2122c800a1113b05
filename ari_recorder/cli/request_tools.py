"""What the commands of `ari-recorder request` share: their options, reading what names a person, asking the desk."""

import re
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ari_recorder.cli import tools

if TYPE_CHECKING:
    from ari_recorder.services.request_list import Done
    from ari_recorder.services.subject_requests import SubjectRequests, Wanted
    from ari_recorder.storage.db import Database

T = TypeVar("T")

_FIELDS = ("name", "contact", "asked", "proxy", "number")


def case_number(text: str) -> str:
    if re.fullmatch(r"R[0-9]{4}-[0-9]+", text.upper()) is None:
        raise typer.BadParameter(f"{text!r} is no number of a case, like R2026-7")
    return text.upper()


CaseArgument = Annotated[
    str, typer.Argument(metavar="CASE", parser=case_number, help="The case's number, from `request list`.")
]
VersionOption = Annotated[
    int,
    typer.Option(
        "--version", min=1, metavar="N", help="The version you saw in `request show`; another one is refused."
    ),
]
QueueOption = Annotated[str, typer.Option("--queue", metavar="NAME", help="Only calls to this queue.")]
SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Only calls from this day on."),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Only calls to the end of this day."),
]
BecauseOption = Annotated[
    Path, typer.Option("--because-file", metavar="FILE", help="A text file with the reasons; sealed. - reads it.")
]
NoteOption = Annotated[
    Path | None, typer.Option("--note-file", metavar="FILE", help="A text file with a note; sealed. - reads it.")
]
IdsOption = list[str] | None


def step(
    config: Path,
    passphrase_file: Path | None,
    json: bool,
    ask: "Callable[[SubjectRequests, Database], Awaitable[Done]]",
) -> None:
    from ari_recorder.output_requests import write_step

    def told(done: "Done") -> dict[str, object]:
        certificate = done.certificate.number if done.certificate is not None else None
        return {"case": asdict(done.case), "calls": done.calls, "certificate": certificate}

    answer(config, passphrase_file, json, ask, write_step, told)


def answer(
    config: Path,
    passphrase_file: Path | None,
    json: bool,
    ask: "Callable[[SubjectRequests, Database], Awaitable[T]]",
    write: Callable[[T], None],
    as_json: Callable[[T], object] = lambda answer: answer,
) -> None:
    from ari_recorder.services import connect_subjects

    tools.answer(config, passphrase_file, json, connect_subjects.subject_requests, ask, write, as_json)


def wanted_of(number: str, queue: str, since: datetime | None, until: datetime | None) -> "Wanted | None":
    from ari_recorder.services import subject_requests

    days = [one.date() if one is not None else None for one in (since, until)]
    return subject_requests.wanted_of(number, queue, *days)


def text_of(path: Path | None) -> str:
    from ari_recorder.domain.errors import RequestTextRefused

    if path is None:
        return ""
    return tools.text_in(path, lambda reason: RequestTextRefused(field=str(path), reason=reason))


def typed_of(path: Path) -> Mapping[str, str]:
    """What names a person, field by field."""
    from ari_recorder.domain.errors import RequestTextRefused

    try:
        found: dict[str, Any] = tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise RequestTextRefused(field=str(path), reason=f"it is not TOML: {error}") from None
    for name, value in found.items():
        if name not in _FIELDS or not isinstance(value, str):
            raise RequestTextRefused(field=name, reason=f"a text is one of {', '.join(_FIELDS)}")
    return found
