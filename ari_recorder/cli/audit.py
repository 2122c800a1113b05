"""`audit`: what was done, by whom and why; and that nobody changed it. The same without this program: tools."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    DayOption,
    Exit,
    JsonOption,
    date_of,
    load,
    operator,
    troubles_told,
    wait_for,
)

if TYPE_CHECKING:
    from ari_recorder.services.audit_access import AuditAccess

T = TypeVar("T")

app = typer.Typer(help="The audit log.", no_args_is_help=True)


def _action(text: str) -> str:
    from ari_recorder.domain.audit import Action

    if text not in list(Action):
        raise typer.BadParameter(f"{text!r} is no action. There are: {', '.join(Action)}")
    return text


SeqArgument = Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The entry's number, as `audit list` shows it.")]
TargetArgument = Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; it must not exist yet.")]


@app.command()
def verify(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Check every entry against the tree, the checkpoints, the signer's memory and the file of anchors."""
    from ari_recorder.output import working, write_json
    from ari_recorder.output_audit import write_verified

    with troubles_told(json=json):
        with working("verifying", hidden=json):
            verified = _ask(config, lambda log: log.verify())
        write_json({"ok": not verified.found, **dataclasses.asdict(verified)}) if json else write_verified(verified)
        if verified.found:
            raise typer.Exit(Exit.FOUND)


@app.command("list")
def list_entries(
    config: ConfigOption = DEFAULT_CONFIG,
    day: DayOption = None,
    action: Annotated[
        list[str] | None,
        typer.Option("--action", metavar="ACTION", parser=_action, help="Only this, as `hold:place`; may be repeated."),
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="WHO", help="Only of this name, person or id.")
    ] = None,
    object: Annotated[
        str | None, typer.Option("--object", metavar="WHAT", help="Only about this, as `recording:<id>`.")
    ] = None,
    before: Annotated[int | None, typer.Option("--before", metavar="SEQ", help="Only older than this entry.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 100,
    json: JsonOption = False,
) -> None:
    """Entries, the newest first. That they were read is an entry too."""
    from ari_recorder.output import write_json
    from ari_recorder.output_audit import as_fields, write_entries

    with troubles_told(json=json):
        from ari_recorder.domain.audit import Action
        from ari_recorder.domain.retention import midnight
        from ari_recorder.storage.audit import Wanted

        on = date_of(day)
        wanted = Wanted(
            since=midnight(on) if on is not None else None,
            until=midnight(on + timedelta(days=1)) if on is not None else None,
            actions=tuple(map(Action, action)) if action else None,
            actor=actor,
            object=object,
        )
        entries = _ask(config, lambda log: log.read(wanted, before=before, limit=limit))
        write_json([as_fields(entry) for entry in entries]) if json else write_entries(entries)


@app.command()
def show(seq: SeqArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """One entry, with names and texts as far as they were not erased."""
    from ari_recorder.output import write_json
    from ari_recorder.output_audit import as_fields, write_entry

    with troubles_told(json=json):
        entry = _ask(config, lambda log: log.show(seq))
        write_json(as_fields(entry)) if json else write_entry(entry)


@app.command()
def checkpoint(
    config: ConfigOption = DEFAULT_CONFIG,
    new_log: Annotated[
        bool,
        typer.Option("--new-log", help="Begin a new log with a key of its own, after a backup was brought back."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Sign the log as it is now, carry the signature to the anchors, and print it."""
    from ari_recorder.output import write_json, write_trouble

    with troubles_told(json=json):
        done = _ask(config, lambda log: log.checkpoint(), new_log=new_log)
        if json:
            write_json(done)
        else:
            print(done.note.text, end="")
            for trouble in done.troubles:
                write_trouble(f"not anchored: {trouble}")
        if done.troubles:
            raise typer.Exit(Exit.FOUND)


@app.command()
def proof(
    seq: SeqArgument, target: TargetArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Write the proof that an entry is in the log (C2SP tlog-proof), to be given away and verified anywhere."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        _ask(config, lambda log: log.prove(seq, target))
        write_json({"seq": seq, "target": target}) if json else print(target)


@app.command()
def export(target: TargetArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Write the whole log, signed as it is now, for tools/verify_audit.py. Names and texts are in it, in clear."""
    from ari_recorder.output import working, write_json

    with troubles_told(json=json):
        with working("exporting", hidden=json):
            exported = _ask(config, lambda log: log.export(target))
        if json:
            write_json(exported)
        else:
            print(f"{target}: {exported.entries:,} entries\nthe log's key: {exported.key}")


def _ask(config: Path, question: "Callable[[AuditAccess], Awaitable[T]]", *, new_log: bool = False) -> T:
    settings = load(config)
    from ari_recorder.services import connect

    async def ask() -> T:
        async with connect.ready_database(settings) as database:
            log = connect.audit_access(settings, database, operator(), new_log=new_log)
            return await question(log)

    return wait_for(ask())
