"""`ari-recorder import`: the recordings of an old PBX come into the vault. docs/import.md."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    Exit,
    JsonOption,
    PassphraseOption,
    load,
    operator,
    passphrase_of,
    troubles_told,
    wait_for,
)

# Who is on the phone now comes first.
_NICE = 10


def import_archive(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The old PBX's folder of recordings.")],
    config: ConfigOption = DEFAULT_CONFIG,
    cdr: Annotated[Path | None, typer.Option("--cdr", metavar="FILE", help="Its table cdr, exported as CSV.")] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Of the times in its names and its CDR.")
    ] = "Europe/Helsinki",
    queue: Annotated[
        str, typer.Option("--queue", metavar="NAME", help="The queue of files that name none; without it, refused.")
    ] = "",
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="What the old PBX calls OLD is queue NEW here; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each file.")] = False,
    accept_truncated: Annotated[
        bool, typer.Option("--accept-truncated", help="Take what there is of a file that ends before it should.")
    ] = False,
    remove_originals: Annotated[
        bool,
        typer.Option("--remove-originals", help="Remove a file when its sealed copy is compared and committed."),
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=0, max=64, help="Files at once; 0: four for each core.")] = 0,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Seal the recordings of an old PBX, each dated by its name, its CDR or its file; destroy those that are overdue.

    Killed, it goes on where it stopped when it is called again. Exit code 3: something was refused or is left to do.
    """
    from ari_recorder.output import progress, write_json
    from ari_recorder.output_import import write_imported

    if dry_run and remove_originals:
        raise typer.BadParameter("--dry-run and --remove-originals exclude each other")
    with troubles_told(json=json):
        settings = load(config)
        from contextlib import ExitStack

        from ari_recorder.services import connect, connect_import
        from ari_recorder.services.importing_cdr import Cdr
        from ari_recorder.services.importing_files import Archive
        from ari_recorder.services.importing_report import Report
        from ari_recorder.vault.keyring import Keyring

        asked = connect_import.Asked(
            zone=connect_import.zone(timezone),
            queue=connect_import.checked_queue(settings, queue),
            mapped=connect_import.mapped(settings, mapped or ()),
            accept_truncated=accept_truncated,
            remove_originals=remove_originals,
            dry_run=dry_run,
            jobs=jobs,
        )
        connect_import.check_apart(settings, folder)
        os.nice(_NICE)

        async def bring() -> Report:
            with ExitStack() as stack:
                archive = stack.enter_context(Archive(folder))
                rows = stack.enter_context(Cdr(cdr)) if cdr is not None else None
                # Day keys of old days are made, which wants the keyring unlocked.
                keys = (
                    Keyring.open(settings.storage.keys)
                    if dry_run
                    else connect.keyring(settings, passphrase_of(settings, passphrase_file))
                )
                async with connect.ready_database(settings) as database:
                    importer = await connect_import.importer(settings, database, keys, archive, rows, asked, operator())
                    with progress("importing", hidden=json) as told:
                        return await importer.run(told)

        report = wait_for(bring())
        write_json(report) if json else write_imported(report)
        if not report.clean:
            raise typer.Exit(Exit.FOUND)
