"""`holds` and `freezes`: what keeps recordings longer. Placing and ending them wants the keyring unlocked."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    IdArgument,
    JsonOption,
    PassphraseOption,
    answer,
    identified,
    operator,
    text_in,
    whole_id,
)

if TYPE_CHECKING:
    from ari_recorder.services.fates import Fate
    from ari_recorder.services.holds import FreezeView, Holds, HoldView
    from ari_recorder.storage.db import Database

T = TypeVar("T")

holds = typer.Typer(help="Holds: recordings kept longer because a supervisor said so.", no_args_is_help=True)
freezes = typer.Typer(help="Freezes: recordings kept while a subject request is open.", no_args_is_help=True)


IdArguments = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Recordings: ids, or their beginnings. Their calls are kept as a whole."),
]
HoldArgument = Annotated[
    UUID, typer.Argument(metavar="HOLD", parser=whole_id, help="The hold's id, from `holds list`.")
]
FreezeArgument = Annotated[
    UUID, typer.Argument(metavar="FREEZE", parser=whole_id, help="The freeze's id, from `freezes list`.")
]
ReferenceOption = Annotated[
    str, typer.Option("--reference", metavar="TEXT", help="A case number; nothing about people, it is not sealed.")
]
ReasonOption = Annotated[
    Path, typer.Option("--reason-file", metavar="FILE", help="A text file with the reason; it is sealed. - reads it.")
]
OwnerOption = Annotated[str, typer.Option("--owner", metavar="NAME", help="Who looks after it.")]
ReviewOption = Annotated[
    datetime,
    typer.Option(
        "--review-on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="When it is looked at again, within 12 months."
    ),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only show what will be destroyed, and when.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Even if the next sweep destroys some of it at once.")]
AllOption = Annotated[bool, typer.Option("--all", help="Those that have ended, too.")]


@holds.command("list")
def list_holds(
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Holds with reason, owner and review day; the next to be reviewed first."""
    from ari_recorder.output_retention import write_holds

    _answer(config, passphrase_file, json, lambda service, _: service.list_holds(ended=everything), write_holds)


@holds.command("place")
def place_hold(
    recordings: IdArguments,
    reason: ReasonOption,
    reference: ReferenceOption,
    owner: OwnerOption,
    review_on: ReviewOption,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Keep recordings until the hold is released, whatever their retention says."""
    from ari_recorder.output_retention import write_holds

    async def place(service: "Holds", database: "Database") -> "HoldView":
        from ari_recorder.services.holds import HoldTerms

        terms = HoldTerms(reason=_read(reason), reference=reference, owner=owner, review_on=review_on.date())
        return await service.place(await identified(database, recordings), terms, operator())

    _answer(config, passphrase_file, json, place, lambda view: write_holds([view]))


@holds.command("extend")
def extend_hold(
    hold: HoldArgument,
    review_on: ReviewOption,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """It was reviewed, and is still needed: set the next review day."""
    _answer(
        config,
        passphrase_file,
        json,
        lambda service, _: service.extend(hold, review_on.date(), operator()),
        lambda extended: print(f"hold {extended.id} is to be reviewed on {extended.review_on}"),
    )


@holds.command("release")
def release_hold(
    hold: HoldArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    dry_run: DryOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """End a hold: its recordings go by the ordinary rule again. Shows what will be destroyed, and when."""
    from ari_recorder.output_retention import write_fates

    async def release(service: "Holds", _: "Database") -> "tuple[Fate, ...]":
        if dry_run:
            return await service.preview_release(hold)
        return await service.release(hold, operator(), yes=yes)

    _answer(config, passphrase_file, json, release, lambda told: write_fates(told, done=not dry_run))


@holds.command("review")
def review(
    config: ConfigOption = DEFAULT_CONFIG, passphrase_file: PassphraseOption = None, json: JsonOption = False
) -> None:
    """The flagged calls nobody decided on, those that are destroyed first first."""
    from ari_recorder.output_retention import write_to_decide

    _answer(config, passphrase_file, json, lambda service, _: service.review(), write_to_decide)


@holds.command("decide")
def decide(
    recording: IdArgument,
    hold: Annotated[bool, typer.Option("--hold", help="It is kept; wants all below.")] = False,
    no_threat: Annotated[bool, typer.Option("--not-a-threat", help="It goes by the ordinary rule.")] = False,
    reason: Annotated[Path | None, typer.Option("--reason-file", metavar="FILE", help="As in `holds place`.")] = None,
    reference: Annotated[str | None, typer.Option("--reference", metavar="TEXT", help="As in `holds place`.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="NAME", help="As in `holds place`.")] = None,
    review_on: Annotated[
        datetime | None,
        typer.Option("--review-on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="As in `holds place`."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    dry_run: DryOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Decide on a flagged call: hold it, or say that it is no threat. --dry-run and --yes go with --not-a-threat."""
    from ari_recorder.output_retention import write_fates, write_holds

    if hold == no_threat:
        raise typer.BadParameter("say either --hold or --not-a-threat")
    if not hold:

        async def not_a_threat(service: "Holds", database: "Database") -> "tuple[Fate, ...]":
            (recording_id,) = await identified(database, [recording])
            if dry_run:
                return await service.preview_no_threat(recording_id)
            return await service.decide_no_threat(recording_id, operator(), yes=yes)

        _answer(config, passphrase_file, json, not_a_threat, lambda told: write_fates(told, done=not dry_run))
        return
    if dry_run or yes:
        raise typer.BadParameter("--dry-run and --yes go with --not-a-threat")
    if reason is None or reference is None or owner is None or review_on is None:
        raise typer.BadParameter("--hold wants --reason-file, --reference, --owner and --review-on")
    told_reason, told_reference, told_owner, told_day = reason, reference, owner, review_on.date()

    async def keep(service: "Holds", database: "Database") -> "HoldView":
        from ari_recorder.services.holds import HoldTerms

        terms = HoldTerms(reason=_read(told_reason), reference=told_reference, owner=told_owner, review_on=told_day)
        (recording_id,) = await identified(database, [recording])
        return await service.decide_hold(recording_id, terms, operator())

    _answer(config, passphrase_file, json, keep, lambda view: write_holds([view]))


@freezes.command("list")
def list_freezes(
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Freezes with their reference, the oldest first."""
    from ari_recorder.output_retention import write_freezes

    _answer(config, passphrase_file, json, lambda service, _: service.list_freezes(ended=everything), write_freezes)


@freezes.command("open")
def open_freeze(
    recordings: IdArguments,
    reference: ReferenceOption,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Keep recordings while a subject request about them is open."""
    from ari_recorder.output_retention import write_freezes

    async def freeze(service: "Holds", database: "Database") -> "FreezeView":
        return await service.open_freeze(await identified(database, recordings), reference, operator())

    _answer(config, passphrase_file, json, freeze, lambda view: write_freezes([view]))


@freezes.command("close")
def close_freeze(
    freeze: FreezeArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    dry_run: DryOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """The request is closed: its recordings go by the ordinary rule again. Shows what will be destroyed, and when."""
    from ari_recorder.output_retention import write_fates

    async def close(service: "Holds", _: "Database") -> "tuple[Fate, ...]":
        if dry_run:
            return await service.preview_close(freeze)
        return await service.close_freeze(freeze, operator(), yes=yes)

    _answer(config, passphrase_file, json, close, lambda told: write_fates(told, done=not dry_run))


def _answer(
    config: Path,
    passphrase_file: Path | None,
    json: bool,
    ask: "Callable[[Holds, Database], Awaitable[T]]",
    write: Callable[[T], None],
) -> None:
    from ari_recorder.services import connect

    answer(config, passphrase_file, json, connect.holds, ask, write)


def _read(path: Path) -> str:
    from ari_recorder.domain.errors import HoldTextRefused

    return text_in(path, lambda reason: HoldTextRefused(field="reason", reason=f"{path}: {reason}"))
