"""`queues`, `sweep` and `policy`: what is recorded, what is destroyed now and in the next nights, and by which rules.
Holds are in holds.py.
"""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Annotated

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

policy = typer.Typer(help="The retention rules in force, and those to be confirmed.", no_args_is_help=True)


def queues(config: ConfigOption = DEFAULT_CONFIG, day: DayOption = None, json: JsonOption = False) -> None:
    """Which queues are recorded, and by which decision; with --day, as it was at the end of that day."""
    from ari_recorder.output import local, write_json, write_table

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.retention import midnight
        from ari_recorder.services import activations, connect
        from ari_recorder.storage.activations import Activation

        on = date_of(day)
        moment = midnight(on + timedelta(days=1)) if on is not None else datetime.now(UTC)

        async def ask() -> tuple[Activation, ...]:
            async with connect.ready_database(settings) as database:
                return await activations.recorded_at(database, moment)

        found = wait_for(ask())
        if json:
            write_json({"moment": moment, "queues": found})
            return
        write_table(
            ("queue", "PBX", "decision", "of", "staff told", "recorded since", "until"),
            [
                (
                    one.queue,
                    one.service,
                    one.approval.approved_by,
                    one.approval.approved_on.isoformat(),
                    one.approval.staff_informed_on.isoformat(),
                    local(one.began_at),
                    local(one.ended_at),
                )
                for one in found
            ],
        )


def sweep(
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is due, and by which rule.")] = False,
    nights: Annotated[
        int | None,
        typer.Option("--nights", min=1, max=366, help="With --dry-run: how many become due in each of so many nights."),
    ] = None,
    confirm_time: Annotated[
        bool, typer.Option("--confirm-time", help="After clock_jumped: the clock of this host is right. Then sweep.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Destroy now what is due; the running service does it by itself every retention.sweep_every_seconds."""
    from ari_recorder.output import working, write_json
    from ari_recorder.output_retention import write_doomed, write_nights, write_swept

    if nights is not None and not dry_run:
        raise typer.BadParameter("--nights goes with --dry-run")
    if confirm_time and dry_run:
        raise typer.BadParameter("--confirm-time and --dry-run exclude each other")
    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, connect_service
        from ari_recorder.services.policy import Night
        from ari_recorder.services.sweep import Doomed, Progress, Swept

        async def preview() -> tuple[tuple[Doomed, ...], tuple[Night, ...], Progress]:
            async with connect.ready_database(settings) as database:
                sweeper = connect_service.sweep(settings, database, None)
                ahead = await sweeper.nights(nights) if nights is not None else ()
                return await sweeper.preview() if nights is None else (), ahead, await sweeper.progress()

        async def destroy() -> tuple[Swept, Progress]:
            async with connect.ready_database(settings) as database:
                sweeper = connect_service.sweep(settings, database, connect.keys_if_had(settings))
                if confirm_time:
                    await sweeper.confirm_time(operator())
                return await sweeper.run_once(), await sweeper.progress()

        with working("sweeping", hidden=json):
            if dry_run:
                doomed, ahead, progress = wait_for(preview())
            else:
                swept, progress = wait_for(destroy())
        if not dry_run:
            answer = {"dry_run": False, **dataclasses.asdict(swept), "last_success": progress.last_success}
            write_json(answer) if json else write_swept(swept)
            if swept.failed:
                raise typer.Exit(Exit.FAILED)
        elif json:
            due = {"nights": ahead} if nights is not None else {"due": doomed}
            write_json({"dry_run": True, **due, "newest_run": progress.newest, "last_success": progress.last_success})
        elif nights is not None:
            write_nights(ahead)
        else:
            write_doomed(doomed, progress)


@policy.command("show")
def show_policy(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """The rules in force, the older ones, and those that wait: with what confirming them would destroy at once."""
    from ari_recorder.output import write_json
    from ari_recorder.output_retention import write_standing

    with troubles_told(json=json):
        settings = load(config)
        from datetime import UTC, datetime

        from ari_recorder.services import connect
        from ari_recorder.services.policy import Standing

        async def ask() -> Standing:
            async with connect.ready_database(settings) as database:
                return await connect.policies(settings, database).show(datetime.now(UTC))

        standing = wait_for(ask())
        write_json(standing) if json else write_standing(standing)
        if standing.proposed is not None:
            raise typer.Exit(Exit.FOUND)


@policy.command("confirm")
def confirm_policy(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version that `policy show` calls proposed.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Put the proposed rules in force. The next sweep destroys what `policy show` has shown."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from datetime import UTC, datetime

        from ari_recorder.services import connect

        async def ask() -> None:
            async with connect.ready_database(settings) as database:
                await connect.policies(settings, database).confirm(version, operator(), datetime.now(UTC))

        wait_for(ask())
        write_json({"version": version, "state": "in-force"}) if json else print(f"version {version} is in force")
