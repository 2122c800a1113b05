"""`restriction`: recordings that are stored, and opened only on a ground of the law. It wants the keyring unlocked."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ari_recorder.cli.holds import AllOption, DryOption, YesOption
from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    PassphraseOption,
    answer,
    identified,
    operator,
    whole_id,
)
from ari_recorder.domain.restriction import RestrictionGround, ToldHow

if TYPE_CHECKING:
    from ari_recorder.services.fates import Fate
    from ari_recorder.services.restrictions import Restrictions, RestrictionView
    from ari_recorder.storage.db import Database

T = TypeVar("T")

app = typer.Typer(help="Restriction of processing: stored, and opened only on a ground.", no_args_is_help=True)


@app.command("list")
def list_restrictions(
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    everything: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Restrictions in force, the oldest first, with what nothing else keeps though its time is up."""
    from ari_recorder.output_retention import write_restrictions

    _answer(config, passphrase_file, json, lambda service, _: service.listed(ended=everything), write_restrictions)


@app.command("set")
def set_restriction(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="ID...", help="Recordings: ids, or their beginnings. Their calls are restricted as a whole."
        ),
    ],
    ground: Annotated[
        RestrictionGround,
        typer.Option(
            "--ground", metavar="|".join(RestrictionGround), help="Why the person obtained it (GDPR, article 18(1))."
        ),
    ],
    case: Annotated[str, typer.Option("--case", metavar="NUMBER", help="The number of the case.")],
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Restrict the processing of recordings until it is lifted. Of those whose person opposes the erasure (unlawful,
    needed-for-claims) none is destroyed meanwhile; of the others the retention goes on."""
    from ari_recorder.output_retention import write_restrictions

    async def restrict(service: "Restrictions", database: "Database") -> "RestrictionView":
        from ari_recorder.domain.restriction import RestrictionTerms

        terms = RestrictionTerms(ground=ground, case_number=case)
        return await service.restrict(await identified(database, recordings), terms, operator())

    _answer(config, passphrase_file, json, restrict, lambda view: write_restrictions([view]))


@app.command("lift")
def lift_restriction(
    restriction: Annotated[
        UUID, typer.Argument(metavar="RESTRICTION", parser=whole_id, help="Its id, from `restriction list`.")
    ],
    told_on: Annotated[
        datetime,
        typer.Option(
            "--told-on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="When the person was told that it is lifted."
        ),
    ],
    told_how: Annotated[ToldHow, typer.Option("--told-how", metavar="|".join(ToldHow), help="How they were told.")],
    config: ConfigOption = DEFAULT_CONFIG,
    passphrase_file: PassphraseOption = None,
    dry_run: DryOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Lift a restriction; the person was told before (GDPR, article 18(3)). Shows what will be destroyed, and when."""
    from ari_recorder.output_retention import write_fates

    async def lift(service: "Restrictions", _: "Database") -> "tuple[Fate, ...]":
        from ari_recorder.domain.restriction import SubjectTold

        if dry_run:
            return (await service.one(restriction)).fates
        told = SubjectTold(on=told_on.date(), how=told_how)
        return await service.lift(restriction, told, operator(), yes=yes)

    _answer(config, passphrase_file, json, lift, lambda told: write_fates(told, done=not dry_run))


def _answer(
    config: Path,
    passphrase_file: Path | None,
    json: bool,
    ask: "Callable[[Restrictions, Database], Awaitable[T]]",
    write: Callable[[T], None],
) -> None:
    from ari_recorder.services import connect_subjects

    answer(config, passphrase_file, json, connect_subjects.restrictions, ask, write)
