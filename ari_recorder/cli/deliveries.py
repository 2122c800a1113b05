"""`deliveries`: packages that wait to be fetched by a link, and what was handed over on the premises."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    PassphraseOption,
    load,
    operator,
    passphrase_of,
    troubles_told,
    wait_for,
    whole_id,
)
from ari_recorder.domain.disclosures import ReceiverKind

if TYPE_CHECKING:
    from ari_recorder.services.deliveries import Shown
    from ari_recorder.services.delivery_making import HandedOver

app = typer.Typer(help="Packages that somebody outside fetches by a link, or is handed over.", no_args_is_help=True)

KindOption = Annotated[ReceiverKind, typer.Option("--receiver-kind", help="What kind of receiver it is.")]
ReceiverOption = Annotated[str, typer.Option("--receiver", metavar="NAME", help="Who gets it; it is sealed.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="By what law or request; it is sealed.")]


@app.command("list")
def list_deliveries(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """What waits to be fetched, and what became of the newest others. Without the keyring no receiver is told."""
    from ari_recorder.output import write_json
    from ari_recorder.output_deliveries import write_deliveries

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, deliveries
        from ari_recorder.vault.keyring import Keyring

        async def ask() -> "tuple[Shown, ...]":
            keys = connect.keys_if_had(settings) or Keyring.open(settings.storage.keys)
            async with connect.ready_database(settings) as database:
                return await deliveries.of(settings, database, keys).listed_all()

        found = wait_for(ask())
        write_json({"deliveries": found}) if json else write_deliveries(found)


@app.command()
def withdraw(
    delivery: Annotated[UUID, typer.Argument(metavar="DELIVERY", parser=whole_id, help="Its id, from the list.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Close a link at once; its package is removed. What is being sent this moment breaks off."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, deliveries
        from ari_recorder.vault.keyring import Keyring

        async def ask() -> None:
            async with connect.ready_database(settings) as database:
                desk = deliveries.of(settings, database, Keyring.open(settings.storage.keys))
                await desk.withdraw_by(operator(), delivery)

        wait_for(ask())
        write_json({"withdrawn": delivery}) if json else print(f"{delivery}: withdrawn")


@app.command("hand-over")
def hand_over(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The package, as `recordings package` wrote it here.")],
    case: Annotated[str, typer.Option("--case", metavar="NUMBER", help="The number of the case.")],
    kind: KindOption,
    receiver: ReceiverOption,
    reason: ReasonOption,
    signature: Annotated[
        str,
        typer.Option(
            "--signature", metavar="TEXT", help="What was signed, and where that paper is; no copy of an identity card."
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Write into the log of disclosures that a package was handed over on the premises, against a signature."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.disclosures import Terms
        from ari_recorder.services import connect
        from ari_recorder.services.delivery_making import maker

        async def ask() -> "HandedOver":
            async with connect.ready_database(settings) as database:
                terms = Terms(receiver_kind=kind, receiver=receiver, reference=case, reason=reason)
                return await maker(settings, database, keyring).hand_over(file, terms, signature, operator())

        keyring = connect.keyring(settings, passphrase_of(settings, passphrase_file))
        done = wait_for(ask())
        if json:
            write_json(done)
        else:
            print(f"{len(done.recordings)} recording(s) handed over, {done.size_bytes:,} bytes, SHA-256 {done.sha256}")
            print(f"It is in the log of disclosures. {file} is still there: remove it when it is not needed any more.")
