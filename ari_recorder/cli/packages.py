"""`ari-recorder recordings package`: copies for a person or the police, as a file with a passphrase."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    GroundOption,
    JsonOption,
    PassphraseOption,
    load,
    operator,
    passphrase_of,
    troubles_told,
    wait_for,
)
from ari_recorder.domain.muting import Mute


def package(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The ZIP file to write; it must not exist yet.")],
    wanted: Annotated[list[str], typer.Argument(metavar="ID...", help="Recordings, by the beginning of their ids.")],
    case: Annotated[str, typer.Option("--case", metavar="NUMBER", help="The number of the case.")],
    config: ConfigOption = DEFAULT_CONFIG,
    police: Annotated[
        bool, typer.Option("--police", help="For the police: only what is under a hold, with who had it when.")
    ] = False,
    mute: Annotated[
        list[str] | None,
        typer.Option("--mute", metavar="ID:FROM:TO:REASON", help="Silent in the copy, in seconds; may be repeated."),
    ] = None,
    ground: GroundOption = None,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Write copies of recordings, with all that is told of them, as a file that only its passphrase opens."""
    from ari_recorder.output import progress, write_json

    parts = [_mute(one) for one in mute or ()]
    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.packages import PackageKind
        from ari_recorder.services import connect, listen
        from ari_recorder.services.package_file import Packaged, write_package
        from ari_recorder.services.packages import Order

        async def ask() -> Packaged:
            async with connect.ready_database(settings) as database:
                ids = [await listen.identify(database, one) for one in wanted]
                mutes: dict[UUID, list[Mute]] = {one: [] for one in ids}
                for beginning, part in parts:
                    mutes.setdefault(await listen.identify(database, beginning), []).append(part)
                order = Order(
                    kind=PackageKind.POLICE if police else PackageKind.CITIZEN,
                    case_number=case,
                    recordings=ids,
                    mutes=mutes,
                    ground=ground,
                )
                packages = connect.packages(settings, database, keyring)
                with progress(f"packing {len(ids)} recording(s)", hidden=json) as told:
                    return await write_package(database, packages, order, target, told, operator(), datetime.now(UTC))

        keyring = connect.keyring(settings, passphrase_of(settings, passphrase_file))
        made = wait_for(ask())
        if json:
            write_json(made)
        else:
            print(f"{made.target}: {len(made.recordings)} recording(s), {made.size_bytes:,} bytes")
            print(f"Its passphrase, shown once: {made.passphrase}")
            print("Tell it by another way than the file goes.")


def _mute(text: str) -> tuple[str, Mute]:
    """Seconds may have a fraction; a sample is 0.000125 of one."""
    beginning, since, until, reason = (*text.split(":", 3), "", "", "")[:4]
    try:
        times = [timedelta(microseconds=int(Decimal(one) * 1_000_000)) for one in (since, until)]
    except (InvalidOperation, OverflowError, ValueError):
        raise typer.BadParameter(f"{text!r}: write it like 3f2a81c0:10.5:12:REASON", param_hint="--mute") from None
    return beginning, Mute(since=times[0], until=times[1], reason=reason)
