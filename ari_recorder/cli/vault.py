"""`ari-recorder vault …`: is what lies in the vault what the database says, and is it whole?"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    Exit,
    JsonOption,
    PassphraseOption,
    load,
    passphrase_of,
    troubles_told,
    wait_for,
)

vault = typer.Typer(help="Look after the sealed files.", no_args_is_help=True)


@vault.command("reconcile")
def reconcile_vault(
    config: ConfigOption = DEFAULT_CONFIG,
    mend: Annotated[
        bool, typer.Option("--mend", help="Remove what outlived its recording. Nothing else is ever removed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Hold the files of the vault against the database: missing, unknown, outlived. The service does it every day."""
    from ari_recorder.output import working, write_differences, write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.reconcile import Difference
        from ari_recorder.services import connect
        from ari_recorder.services.reconcile import reconcile

        async def ask() -> tuple[Difference, ...]:
            async with connect.ready_database(settings) as database:
                return await reconcile(database, settings.storage.vault, mend=mend)

        with working("comparing", hidden=json):
            found = wait_for(ask())
        if json:
            write_json({"differences": found})
        else:
            write_differences(found)
        if any(not one.mended for one in found):
            raise typer.Exit(Exit.FOUND)


@vault.command("scrub")
def scrub_vault(
    config: ConfigOption = DEFAULT_CONFIG,
    everything: Annotated[
        bool, typer.Option("--all", help="All of every file, not only what is due; may take hours.")
    ] = False,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Read sealed files again and say what is damaged. The service reads a part of each every week."""
    from ari_recorder.output import working, write_json, write_scrubbed

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, connect_service
        from ari_recorder.services.scrub import SCRUB_EVERY, VERIFY_EVERY, Scrub, Scrubbed

        async def ask() -> Scrubbed:
            async with connect.ready_database(settings) as database:
                scrub = Scrub(database=database, vault=opened)
                every, whole = (timedelta(), timedelta()) if everything else (SCRUB_EVERY, VERIFY_EVERY)
                return await scrub.run_once(datetime.now(UTC), asyncio.Event(), every=every, whole=whole)

        opened = connect_service.vault(settings, passphrase_of(settings, passphrase_file))
        with working("reading", hidden=json):
            scrubbed = wait_for(ask())
        if json:
            write_json(scrubbed)
        else:
            write_scrubbed(scrubbed)
        if scrubbed.damaged:
            raise typer.Exit(Exit.FOUND)
