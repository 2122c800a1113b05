"""`ari-recorder keys …`: the keyring, by hand. Passphrases are typed, or read from a file: never an argument."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    typed,
    wait_for,
)

if TYPE_CHECKING:
    from ari_recorder.config import Config
    from ari_recorder.vault.key_rotation import NewRoot
    from ari_recorder.vault.keyring import Keyring


class Root(StrEnum):
    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 -- the name of a kind


app = typer.Typer(help="The keys that open recordings.", no_args_is_help=True)

RootOption = Annotated[
    Root | None,
    typer.Option("--root", metavar="file|passphrase", help="How the root key is had; without it, as it is now."),
]
NewPassphraseOption = Annotated[
    Path | None,
    typer.Option("--new-passphrase-file", metavar="FILE", help="The file of the new passphrase, instead of asking."),
]


@app.command()
def init(
    config: ConfigOption = DEFAULT_CONFIG,
    root: Annotated[
        Root,
        typer.Option("--root", metavar="file|passphrase", help="How the root key is had: storage.root_key, or typed."),
    ] = Root.FILE,
    passphrase_file: NewPassphraseOption = None,
    despite: Annotated[
        bool,
        typer.Option("--despite-recordings", help="Also where there are recordings; they can never be opened again."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make the keyring. The first start of the service does it by itself, with a root key in a file."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import key_admin

        passphrase = typed(passphrase_file, "--new-passphrase-file", new=True) if root is Root.PASSPHRASE else None
        keyring = key_admin.make(settings, passphrase, despite_recordings=despite)
        if json:
            write_json({"folder": keyring.folder, "installation": keyring.installation, "root_key": root})
        else:
            print(f"{keyring.folder}: made, opened by {_opener(settings, keyring)}")


@app.command()
def unlock(
    config: ConfigOption = DEFAULT_CONFIG, passphrase_file: PassphraseOption = None, json: JsonOption = False
) -> None:
    """Unlock the keyring of the running service: from then on recordings can be listened to."""
    with troubles_told(json=json):
        settings = load(config)
        _tell_service(settings, "keys-unlock", json=json, passphrase=passphrase_of(settings, passphrase_file))


@app.command()
def lock(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Lock the keyring of the running service. It goes on recording; nobody can listen."""
    with troubles_told(json=json):
        _tell_service(load(config), "keys-lock", json=json)


@app.command()
def status(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """How the keyring is: which keys, for how many days there are more, is it locked."""
    from ari_recorder.output import write_facts, write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import key_admin

        found = wait_for(key_admin.status(settings))
        write_json(found) if json else write_facts(found)


@app.command()
def verify(
    config: ConfigOption = DEFAULT_CONFIG, passphrase_file: PassphraseOption = None, json: JsonOption = False
) -> None:
    """Open every key, and see that its halves belong together and to this installation."""
    from ari_recorder.output import write_json, write_trouble

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect
        from ari_recorder.vault import key_check

        found = key_check.verify(connect.keyring(settings, passphrase_of(settings, passphrase_file)))
        if json:
            write_json(found)
        else:
            write_trouble("\n".join(found.problems))
            print(f"{found.keys} keys, {len(found.problems)} problem(s)")
        if found.problems:
            raise typer.Exit(Exit.FOUND)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The folder to write; it must not exist yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the keyring, and verify the copy. It is useless without the root key, which is not in it."""
    from ari_recorder.output import write_json, write_trouble

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect
        from ari_recorder.vault import key_check

        done = key_check.back_up(connect.keyring(settings, passphrase_of(settings, passphrase_file)), target)
        _note(settings, "keyring:backup")
        if json:
            write_json(done)
        else:
            write_trouble("\n".join(done.verified.problems))
            print(f"{done.target}: {done.keys} keys; keep it apart from the root key")
        if done.verified.problems:
            raise typer.Exit(Exit.FOUND)


@app.command()
def rotate(
    config: ConfigOption = DEFAULT_CONFIG,
    hold: Annotated[
        bool, typer.Option("--hold", help="The hold key instead: everything held is wrapped to a new one.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back a new root key whose making was interrupted.")
    ] = False,
    root: RootOption = None,
    passphrase_file: PassphraseOption = None,
    new_passphrase_file: NewPassphraseOption = None,
    root_key: Annotated[
        Path | None,
        typer.Option("--root-key", metavar="FILE", help="Where the root key is now, if not storage.root_key."),
    ] = None,
    new_root_key: Annotated[
        Path | None,
        typer.Option("--new-root-key", metavar="FILE", help="Where the new one shall be, if not in its place."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """A new root key for all keys. Listening goes on meanwhile; interrupted, the same command goes on with it."""
    from ari_recorder.output import progress, write_json, write_trouble

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, key_admin
        from ari_recorder.vault.files import VaultFiles

        if undo:
            undone = key_admin.take_back(settings, root_key)
            write_json({"undone": undone}) if json else print(
                "taken back" if undone else "there is nothing to take back"
            )
            return
        keyring = connect.keyring(settings, passphrase_of(settings, passphrase_file), root_key)
        if hold:

            async def work() -> key_admin.HoldRotated:
                async with connect.ready_database(settings) as database:
                    with progress("wrapping anew", hidden=json) as told:
                        return await key_admin.rotate_hold(
                            database, keyring, VaultFiles(settings.storage.vault), told, operator()
                        )

            done = wait_for(work())
            _note(settings, "keyring:rotate")
            if json:
                write_json(done)
            else:
                print(f"{done.key_name}: {done.rewrapped.recordings} recordings; destroyed {', '.join(done.destroyed)}")
            return
        new = _new_root(settings, keyring, root, new_passphrase_file, root_key, new_root_key)
        locked = wait_for(key_admin.rotate_root(settings, keyring, new))
        _note(settings, "keyring:rotate")
        if json:
            told = {"generation": keyring.root_generation, "root_key": keyring.root_kind, "service_locked": locked}
            write_json(told)
        else:
            print(f"root key {keyring.root_generation}: {len(keyring.names())} keys; make a backup of both now")
            if locked:
                write_trouble("the service is locked: set storage.root_key and restart it, or `keys unlock`")


@app.command("destroy-day")
def destroy_day(
    day: Annotated[
        datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="DAY", help="A day in Europe/Helsinki, YYYY-MM-DD.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what still needs the key.")] = False,
    json: JsonOption = False,
) -> None:
    """Destroy a day's key, if nothing needs it any more: whatever backups hold of that day is noise from then on."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, key_admin

        async def work() -> key_admin.DayKey:
            async with connect.ready_database(settings) as database:
                return await key_admin.destroy_day(settings, database, day.date(), operator(), dry_run=dry_run)

        found = wait_for(work())
        if json:
            write_json(found)
        elif dry_run:
            state = "" if found.there else " (it is not in the keyring)"
            print(f"{found.key_name}{state}: needed by {found.needed or 'nothing'}")
        else:
            print(f"{found.key_name}: destroyed")


def _tell_service(settings: "Config", do: str, *, json: bool, passphrase: str | None = None) -> None:
    from ari_recorder.output import write_json
    from ari_recorder.services import control

    question = {"passphrase": passphrase} if passphrase is not None else {}
    answer = wait_for(control.ask(settings.storage.control, do, by=operator().name, **question))
    write_json(answer) if json else print("locked" if answer["locked"] else "unlocked")


def _new_root(
    settings: "Config",
    keyring: "Keyring",
    root: Root | None,
    passphrase_file: Path | None,
    root_key: Path | None,
    new_root_key: Path | None,
) -> "NewRoot":
    from ari_recorder.domain.errors import RootKeyElsewhere
    from ari_recorder.vault.key_rotation import NewRoot

    if (root or Root(keyring.root_kind.value)) is Root.PASSPHRASE:
        return NewRoot.typed(typed(passphrase_file, "--new-passphrase-file", new=True))
    if new_root_key is not None:
        return NewRoot(file=new_root_key.absolute())
    if root_key is None and not settings.storage.root_key.startswith("/"):
        raise RootKeyElsewhere
    return NewRoot.in_place_of(root_key.absolute() if root_key is not None else settings.root_key())


def _note(settings: "Config", action: str) -> None:
    """Written down when there is a database; else it waits for the service, and that is said."""
    from ari_recorder.domain.audit import Action, Entry
    from ari_recorder.output import write_trouble
    from ari_recorder.services import connect

    entry = Entry(action=Action(action), actor=operator(), object="keyring")
    if trouble := wait_for(connect.noted(settings, entry)):
        write_trouble(f"this is not in the audit log yet; the service brings it there: {trouble}")


def _opener(settings: "Config", keyring: "Keyring") -> str:
    return "the passphrase" if keyring.root_kind.value == Root.PASSPHRASE else str(settings.root_key())
