"""What all commands share: their common options, how trouble is told, exit codes. The commands are beside this file.

Imports are where they are needed, so that `--help` answers at once.
"""

import asyncio
import os
import pwd
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ari_recorder.domain.restriction import OpeningGround

if TYPE_CHECKING:
    from ari_recorder.config import Config
    from ari_recorder.domain.audit import Actor
    from ari_recorder.domain.errors import RecorderError
    from ari_recorder.storage.db import Database
    from ari_recorder.vault.keyring import Keyring

T = TypeVar("T")
Desk = TypeVar("Desk")

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


PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="The file of the keyring's passphrase, mode 0600, instead of asking."
    ),
]
GroundOption = Annotated[
    OpeningGround | None,
    typer.Option(
        "--ground",
        metavar="|".join(OpeningGround),
        help="On what ground of the law a restricted recording is opened (GDPR, article 18(2)).",
    ),
]
IdArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        parser=_id_beginning,
        help="The recording's id, or its beginning, as `recordings list` shows it.",
    ),
]


def moment(text: str) -> datetime:
    """The end of a day in Helsinki, or a time there unless it says where; of today, now."""
    from datetime import UTC

    from ari_recorder.domain.retention import HELSINKI, midnight

    try:
        if "T" in text:
            at = datetime.fromisoformat(text)
            at = at if at.tzinfo is not None else at.replace(tzinfo=HELSINKI)
            day = at.astimezone(HELSINKI).date()
        else:
            day = date.fromisoformat(text)
            at = midnight(day + timedelta(days=1)) - timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no day or time, like 2026-03-31 or 2026-03-31T14:30") from None
    now = datetime.now(UTC)
    if at > now and day != now.astimezone(HELSINKI).date():
        raise typer.BadParameter(f"{text!r} is still to come")
    return min(at.astimezone(UTC), now)


OnOption = Annotated[
    datetime | None,
    typer.Option(
        "--on",
        parser=moment,
        metavar="YYYY-MM-DD[THH:MM]",
        help="As it was at the end of that day in Helsinki, or at that time, and what has come since.",
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


def passphrase_of(settings: "Config", file: Path | None) -> str | None:
    """The keyring's passphrase, asked for if it has one; None when its root key is a file."""
    return typed(file, "--passphrase-file") if has_passphrase(settings.storage.keys) else None


def has_passphrase(keys: Path) -> bool:
    """Is the root key of the keyring in this folder a passphrase, that somebody has to say?"""
    from ari_recorder.vault.keyring import Keyring
    from ari_recorder.vault.root_key import RootKind

    return Keyring.open(keys).root_kind is RootKind.PASSPHRASE


def typed(file: Path | None, option: str, *, new: bool = False) -> str:
    """A passphrase: from a file that nobody else can read, or from the terminal, where a new one is asked for twice."""
    import getpass
    import sys

    from ari_recorder.config import secrets
    from ari_recorder.domain.errors import PassphraseFileUnusable, PassphraseNeeded

    if file is not None:
        try:
            return secrets.read(str(file.absolute()))
        except secrets.SecretUnusable as refusal:
            raise PassphraseFileUnusable(path=file, reason=refusal.what, mend=refusal.mend) from None
    if not sys.stdin.isatty():
        raise PassphraseNeeded(option=option)
    name = "new passphrase" if new else "passphrase"
    while True:
        passphrase = getpass.getpass(f"{name}: ")
        if not new or getpass.getpass(f"{name}, again: ") == passphrase:
            return passphrase
        sys.stderr.write("the two differ\n")


def wait_for(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


def answer(
    config: Path,
    passphrase_file: Path | None,
    json: bool,
    build: "Callable[[Config, Database, Keyring], Desk]",
    ask: "Callable[[Desk, Database], Awaitable[T]]",
    write: Callable[[T], None],
    as_json: Callable[[T], object] = lambda answer: answer,
) -> None:
    """Ask a desk that wants the keyring unlocked, and tell what it says."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect

        keyring = connect.keyring(settings, passphrase_of(settings, passphrase_file))

        async def asked() -> T:
            async with connect.ready_database(settings) as database:
                return await ask(build(settings, database, keyring), database)

        answer = wait_for(asked())
        write_json(as_json(answer)) if json else write(answer)


async def identified(database: "Database", wanted: Iterable[str] | None) -> list[UUID]:
    """Recordings, whose ids begin so."""
    from ari_recorder.services import listen

    return [await listen.identify(database, one.lower()) for one in wanted or ()]


def whole_id(text: str) -> UUID:
    """Of an argument."""
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.lower()) is None:
        raise typer.BadParameter(f"{text!r} is not a whole id")
    return UUID(text)


def text_in(path: Path, refused: "Callable[[str], RecorderError]") -> str:
    """What somebody wrote into a file, or - for standard input. `refused` makes the error of a reason."""
    import sys

    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refused(getattr(error, "strerror", None) or "it is not UTF-8 text") from None


def operator() -> "Actor":
    """Who types: the user of the process, not what the environment says."""
    from ari_recorder.domain.audit import Actor

    try:
        return Actor.operator(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return Actor.operator(f"user {os.getuid()}")


def date_of(at: datetime | None) -> date | None:
    return at.date() if at is not None else None
