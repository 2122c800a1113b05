"""`ari-recorder recordings package`: copies for a person or the police, as a file with a passphrase."""

import dataclasses
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
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.muting import Mute


def package(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="[TARGET] ID...",
            help="The ZIP file to write, which must not exist yet (not with --deliver); then recordings, by the "
            "beginning of their ids.",
        ),
    ],
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
    deliver: Annotated[
        bool, typer.Option("--deliver", help="To be fetched by a link, once; --receiver and --reason go with it.")
    ] = False,
    receiver: Annotated[
        str | None, typer.Option("--receiver", metavar="NAME", help="Who gets it; it is sealed.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="By what law or request; it is sealed.")
    ] = None,
    kind: Annotated[
        ReceiverKind | None,
        typer.Option("--receiver-kind", help="The person concerned or, with --police, the police; or another one."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Write copies of recordings, with all that is told of them, as a file that only its passphrase opens."""
    from ari_recorder.output import local, progress, write_json

    parts = [_mute(one) for one in mute or ()]
    target, wanted = (None, named) if deliver else (Path(named[0]), named[1:])
    if not wanted:
        raise typer.BadParameter("name the file to write, then recordings", param_hint="[TARGET] ID...")
    if deliver and not (receiver and reason):
        raise typer.BadParameter("--deliver wants to know who gets it and why", param_hint="--receiver, --reason")
    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.packages import PackageKind
        from ari_recorder.services import connect, connect_subjects, listen
        from ari_recorder.services.delivery_making import Made, maker
        from ari_recorder.services.mail import link
        from ari_recorder.services.package_file import Packaged, write_package
        from ari_recorder.services.packages import Order

        async def ask() -> Packaged | Made:
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
                packages = connect_subjects.packages(settings, database, keyring)
                with progress(f"packing {len(ids)} recording(s)", hidden=json) as told:
                    if target is None:
                        default = ReceiverKind.POLICE if police else ReceiverKind.PERSON_CONCERNED
                        terms = Terms(
                            receiver_kind=kind or default, receiver=receiver or "", reference=case, reason=reason or ""
                        )
                        return await maker(settings, database, keyring).make(order, terms, told, operator())
                    return await write_package(database, packages, order, target, told, operator(), datetime.now(UTC))

        keyring = connect.keyring(settings, passphrase_of(settings, passphrase_file))
        made = wait_for(ask())
        if isinstance(made, Made):
            address = link(settings.web, made.path)
            if json:
                told = dataclasses.asdict(made)
                del told["path"]
                write_json({**told, "link": address})
            else:
                print(f"{len(made.recordings)} recording(s), {made.size_bytes:,} bytes: delivery {made.delivery_id}")
                print(f"Its link, shown once, good until {local(made.expires_at)}: {address}")
                print(f"Its passphrase, shown once: {made.passphrase}")
                print("Send the link, and tell the passphrase by another way: a letter, or the telephone.")
        elif json:
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
