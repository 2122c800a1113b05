"""The kinds of values a setting can have, and how each is checked: paths, periods, secrets, addresses.

Which settings there are is not here: config/models.py.
"""

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def refuse(what: str, mend: str, key: str = "") -> PydanticCustomError:
    return PydanticCustomError("refused", "{what}", {"what": what, "mend": mend, "key": key})


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.startswith("/"):
        raise refuse(f"{value!r} is not an absolute path", "Write the whole path, beginning with /")
    return Path(os.path.normpath(value))


def _secret_reference(value: str) -> str:
    # The value is not repeated: it may be the secret itself, written here by mistake.
    if not re.fullmatch(r"/.+|[A-Za-z0-9_.-]{1,255}", value):
        raise refuse(
            "this is neither an absolute path nor the name of a systemd credential",
            "Put the secret alone into a file, mode 0600, and write the file's path here",
        )
    return value


def spool_path(path: Path) -> Path:
    # The dialplan and MixMonitor's argument list give a meaning to blanks, commas, brackets and quotes.
    if not re.fullmatch(r"[A-Za-z0-9_./-]+", str(path)):
        raise refuse(
            f"{str(path)!r} has a character that Asterisk's dialplan would read as something else",
            "Use letters, digits, and _ . / - only",
        )
    return path


def period(value: str) -> str:
    match = re.fullmatch(r"P(?=[0-9])(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?", value)
    if match is None:
        raise refuse(f"{value!r} is not a period", 'Write it like "P3M" (3 months), "P14D" (14 days), "P1Y" (1 year)')
    if not any(int(part) for part in match.groups() if part):
        raise refuse(f"{value!r} keeps nothing: a recording would be destroyed at once", 'Write for example "P3M"')
    return value


def day(value: str) -> str:
    try:
        # Python reads other forms of ISO 8601 too, which nobody else would take for a day.
        if len(value) != len("2026-10-12"):
            raise ValueError
        date.fromisoformat(value)
    except ValueError:
        raise refuse(f"{value!r} is not a day", 'Write it like "2026-10-12"') from None
    return value


def dsn_without_password(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("postgresql", "postgres"):
        raise refuse(
            "this is not an address of a PostgreSQL database", "Write it like postgresql://user@host:5432/database"
        )
    if parts.password or "password" in parse_qs(parts.query):
        raise refuse(
            "there is a password in it", "Put the whole address into a file, mode 0600, and set database.dsn_file"
        )
    return value


Languages = Literal["fi", "sv", "en"]


def _told(value: object) -> object:
    """A text that is the same in all languages may be written once."""
    return dict.fromkeys(("fi", "sv", "en"), value) if isinstance(value, str) and value.strip() else value


def _in_all(value: Mapping[Languages, str]) -> Mapping[Languages, str]:
    lacking = [language for language in ("fi", "sv", "en") if language not in value]
    if value and lacking:
        raise refuse(f"it is not there in {' and '.join(lacking)}", "Write it in fi, sv and en, or once for all three")
    return value


Told = Annotated[
    Mapping[Languages, Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,300}$")]],
    BeforeValidator(_told),
    AfterValidator(_in_all),
]
AbsolutePath = Annotated[Path, BeforeValidator(_path)]
SecretFile = Annotated[str, AfterValidator(_secret_reference)]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]
Number = Annotated[str, Field(pattern=r"^\+?[0-9]{1,20}$")]


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", validate_default=False)


def syslog_address(value: str) -> str:
    parts = urlsplit(value)
    try:
        reachable = bool(parts.hostname and parts.port) if parts.scheme in ("udp", "tcp", "tls") else False
    except ValueError:
        reachable = False
    if not reachable and not (parts.scheme == "unix" and parts.path.startswith("/")):
        raise refuse(f"{value!r} is not the address of a syslog", "Write it like tls://siem.example.org:6514")
    return value
