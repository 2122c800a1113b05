"""What all commands share: their common options, how trouble is told, exit codes. The commands are beside this file.

Imports are where they are needed, so that `--help` answers at once.
"""

import asyncio
import re
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from ari_recorder.config import Config

T = TypeVar("T")

DEFAULT_CONFIG = Path("/etc/ari-recorder/ari-recorder.toml")


class Exit(IntEnum):
    FINE = 0
    FAILED = 1
    USAGE = 2
    FOUND = 3


ConfigOption = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The configuration file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DayOption = Annotated[
    datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="A day in Europe/Helsinki.")
]


def _id_beginning(text: str) -> str:
    """At least four digits: fewer are a slip."""
    if re.fullmatch(r"[0-9a-f-]{4,36}", text.lower()) is None:
        raise typer.BadParameter(f"{text!r} is not the beginning of a recording's id")
    return text.lower()


IdArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        parser=_id_beginning,
        help="The recording's id, or its beginning, as `recordings list` shows it.",
    ),
]


@contextmanager
def troubles_told(*, json: bool) -> Iterator[None]:
    """What went wrong, in one clear sentence on standard error; with --json as a document on standard output too."""
    from ari_recorder.config import ConfigError
    from ari_recorder.domain.errors import RecorderError
    from ari_recorder.output import write_json, write_trouble

    try:
        yield
    except ConfigError as error:
        write_trouble(str(error))
        if json:
            write_json({"error": {"code": error.code, "message": str(error), "problems": error.problems}})
        raise typer.Exit(Exit.USAGE) from None
    except RecorderError as error:
        write_trouble(str(error))
        if json:
            write_json({"error": {"code": error.code, "message": str(error)}})
        raise typer.Exit(Exit.FAILED) from None
    except typer.Exit:
        raise
    except Exception as error:
        # The text of an error that nobody foresaw may hold anything: where it happened is what helps to mend it.
        from ari_recorder.supervise import where

        told = f"A fault in this program, {type(error).__name__}; please report it with these places:"
        write_trouble("\n".join([told, *(f"  {place}" for place in where(error))]))
        if json:
            write_json({"error": {"code": "fault", "message": f"{told} {', '.join(where(error))}"}})
        raise typer.Exit(Exit.FAILED) from None


def load(path: Path) -> "Config":
    """The configuration. Nothing but errors is logged from here on; `run` sets its own level."""
    from ari_recorder import config, logs

    logs.set_up(level="critical", json_lines=False)
    return config.load(path)


def wait_for(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


def date_of(at: datetime | None) -> date | None:
    return at.date() if at is not None else None
