"""The parts of the documents that are made from the program. `python -m tests.docs_parts` writes them anew."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from ari_recorder import config
from ari_recorder.asterisk import spool
from ari_recorder.cli import app
from ari_recorder.config import EVERY_ROLE, Role
from ari_recorder.domain import audit, backups, certificates, checkpoints, errors, merkle, packages
from ari_recorder.domain.roles import TASKS
from ari_recorder.services import anchors, caller_index
from ari_recorder.storage import journal
from ari_recorder.vault import (
    aes_zip,
    delivered,
    files,
    key_files,
    key_pairs,
    log_signer,
    opened,
    parts,
    root_key,
    stream,
    wrapping,
)
from benchmarks import report
from tests import security_parts

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
FORMATS = ROOT / "docs" / "formats.md"
HOSTS = ROOT / "docs" / "hosts.md"
WEB_SECURITY = ROOT / "docs" / "web_security.md"

# The modules whose first lines draw a format, in the order of reading.
DRAWN = {
    "Folders of the vault": files,
    "Sealed container": stream,
    "What is inside a sealed recording": opened,
    "Parts: what is sealed while the call goes on": parts,
    "Wrapped data keys and sealed texts": wrapping,
    "Folder of the keys": key_files,
    "Halves of keys": key_pairs,
    "Root key and keyring.json": root_key,
    "Index of callers": caller_index,
    "Journal": journal,
    "Files in the spool": spool,
    "Certificates of destruction": certificates,
    "Packages of recordings": packages,
    "Packages that a passphrase opens": aes_zip,
    "Packages that wait to be fetched": delivered,
    "Entries of the audit log": audit,
    "Tree of the audit log": merkle,
    "Checkpoints, proofs and exports of the audit log": checkpoints,
    "Key of the audit log": log_signer,
    "Anchors of the audit log": anchors,
    "Backups": backups,
}


def subclasses(kind: type[errors.RecorderError]) -> Iterator[type[errors.RecorderError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def coded_errors() -> list[type[errors.RecorderError]]:
    """Errors with a code of their own, in the order of the source."""
    return [error for error in subclasses(errors.RecorderError) if "code" in vars(error)]


def measured_table() -> str:
    """Of the last `make bench` that was written down."""
    return report.table(json.loads(report.DATA.read_text())["usual"])


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """`recordings list` and its like, with what they are."""
    yield from _walk("", typer.main.get_command(app))


def _walk(name: str, command: object) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for child_name, child in command.commands.items():
            yield from _walk(f"{name} {child_name}".strip(), child)
    elif isinstance(command, TyperCommand):
        yield name, command


def settings_table() -> str:
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for setting in config.settings():
        default = "must be given" if setting.default is None else f"`{setting.default}`" if setting.default else ""
        section, _, key = setting.key.partition(".")
        name = f"`[[{section}]]` {key}" if section == "queues" else f"`{setting.key}`"
        sample = "" if setting.sample == setting.default else f" For example `{setting.sample}`"
        lines.append(f"| {name} | {default} | {_cell(setting.description)}{sample} |")
    return "\n".join(lines)


def commands_table() -> str:
    lines = ["| command | what it does |", "|---|---|"]
    for name, command in commands():
        arguments = [param for param in command.params if isinstance(param, TyperArgument)]
        options = [
            param for param in command.params if isinstance(param, TyperOption) and param.name not in ("config", "json")
        ]
        usage = " ".join([name, *(str(argument.metavar) for argument in arguments)])
        told = " ".join(f"`{_option(option)}`: {option.help}" for option in options)
        lines.append(f"| `ari-recorder {usage}` | {_cell(f'{command.help} {told}'.strip())} |")
    return "\n".join(lines)


def jobs_table() -> str:
    lines = ["| job | roles | at once | what it does |", "|---|---|---|---|"]
    for name, task in TASKS.items():
        roles = "every" if task.roles == EVERY_ROLE else ", ".join(role for role in Role if role in task.roles)
        lines.append(f"| `{name}` | {roles} | {task.at_once} | {_cell(task.what)} |")
    return "\n".join(lines)


def errors_table() -> str:
    lines = ["| code | what is said |", "|---|---|"]
    for error in sorted(coded_errors(), key=lambda error: error.code):
        told = re.sub(r"\{(\w+)[^}]*\}", r"‹\1›", " ".join((error.__doc__ or "").split()))
        lines.append(f"| `{error.code}` | {_cell(told)} |")
    return "\n".join(lines)


def formats() -> str:
    """The first lines of the modules as they are: what draws a format stands beside the code that follows it."""
    drawn = [f"## {title}\n\n```\n{inspect.getdoc(module)}\n```" for title, module in DRAWN.items()]
    return "\n" + "\n\n".join(drawn) + "\n"


PARTS = {
    (FORMATS, "formats"): formats,
    (HOSTS, "jobs"): jobs_table,
    (README, "measured"): measured_table,
    (README, "settings"): settings_table,
    (README, "commands"): commands_table,
    (OPERATIONS, "errors"): errors_table,
    (WEB_SECURITY, "permissions"): security_parts.permissions_table,
    (WEB_SECURITY, "fields"): security_parts.fields_table,
    (WEB_SECURITY, "rules"): security_parts.rules_table,
    (WEB_SECURITY, "agreements"): security_parts.agreements_table,
    (WEB_SECURITY, "guessing"): security_parts.guessing_table,
    (WEB_SECURITY, "ways in"): security_parts.ways_in_table,
    (WEB_SECURITY, "sessions"): security_parts.sessions_table,
    (WEB_SECURITY, "limits"): security_parts.work_table,
    (WEB_SECURITY, "words"): security_parts.words,
    (WEB_SECURITY, "events"): security_parts.events_table,
    (WEB_SECURITY, "actions"): security_parts.audit_actions,
    (WEB_SECURITY, "classes"): security_parts.classes_table,
    (WEB_SECURITY, "spoken"): security_parts.spoken_table,
}


def with_part(text: str, name: str, part: str) -> str:
    """`text` with what is between the markers of `name` replaced."""
    begin = f"<!-- {name}: made by `python -m tests.docs_parts` -->\n"
    end = f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there are no markers of {name}")
    return f"{before}{begin}{part}\n{end}{after}"


def _option(option: TyperOption) -> str:
    return option.opts[0] + (f" {option.metavar}" if option.metavar else "" if option.is_flag else " N")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for (path, name), make in PARTS.items():
        path.write_text(with_part(path.read_text(), name, make()))
