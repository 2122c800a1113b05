"""`ari-recorder backup`, `restore`, `restore-drill`: another host can be made from it, and that is tried."""

from pathlib import Path
from typing import Annotated

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    Exit,
    JsonOption,
    PassphraseOption,
    has_passphrase,
    load,
    operator,
    troubles_told,
    typed,
    wait_for,
)

SourceArgument = Annotated[Path, typer.Argument(metavar="SOURCE", help="The folder that `backup` wrote.")]
KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FOLDER", help="A newer copy of the keyring, instead of the one in the backup."),
]


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The folder to write; it must not exist yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
    without_keys: Annotated[
        bool,
        typer.Option(
            "--without-keys", help="Leave the keyring out: for what is kept longer than copies of keys may be."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Copy the database, the vault, the keyring and what else another host needs, while the service goes on. The root
    key is not in it."""
    from ari_recorder.output import working, write_facts, write_json, write_trouble

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services.backup import make

        with working("copying", hidden=json):
            made = wait_for(make(settings, target.absolute(), operator(), with_keys=not without_keys))
        write_json(made) if json else write_facts(made)
        if not made.well:
            if not json:
                write_trouble("it is as whole as the vault and the keyring are; see missing, damaged, unreadable")
            raise typer.Exit(Exit.FOUND)


def restore(
    source: SourceArgument, config: ConfigOption = DEFAULT_CONFIG, keys: KeysOption = None, json: JsonOption = False
) -> None:
    """Bring a backup back to where nothing is: all of it, or nothing. The service must not run."""
    from ari_recorder.output import working, write_facts, write_json, write_trouble

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services.restore import restore as bring_back

        with working("restoring", hidden=json):
            restored = wait_for(bring_back(settings, source.absolute(), operator(), keys))
        if json:
            write_json(restored)
        else:
            write_facts(restored)
            write_trouble("now put the root key back, start the service, and call `check` and `keys verify`")


def restore_drill(
    source: SourceArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    keys: KeysOption = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="FOLDER", help="Where to try it; it takes the room of the backup, for a while."),
    ] = None,
    root_key: Annotated[
        Path | None,
        typer.Option("--root-key", metavar="FILE", help="Where the root key is, if not storage.root_key."),
    ] = None,
    at_most: Annotated[
        int, typer.Option("--at-most", min=1, help="Play at most so many recordings of each kind.")
    ] = 1000,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Try a backup: restore it into a temporary folder with a PostgreSQL of its own, play what is in it, verify the
    audit log, and remove everything."""
    from ari_recorder.output import working, write_facts, write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services.restore_drill import drill

        passphrase = typed(passphrase_file, "--passphrase-file") if _is_typed(source, keys) else None
        with working("trying", hidden=json):
            done = wait_for(
                drill(
                    settings,
                    source.absolute(),
                    operator(),
                    keys=keys,
                    work=work,
                    root_key=root_key.absolute() if root_key is not None else None,
                    passphrase=passphrase,
                    at_most=at_most,
                )
            )
        write_json(done) if json else write_facts(done)
        if done.problems:
            raise typer.Exit(Exit.FOUND)


def _is_typed(source: Path, keys: Path | None) -> bool:
    """Does somebody have to say the passphrase? What cannot be read is told by the drill itself."""
    from ari_recorder.domain.backups import KEYS
    from ari_recorder.domain.errors import RecorderError

    try:
        return has_passphrase(keys or source / KEYS)
    except RecorderError:
        return False
