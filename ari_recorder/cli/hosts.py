"""`ari-recorder hosts`: which hosts there are, what they do, and which of them nobody has heard of."""

from typing import Annotated

import typer

from ari_recorder.cli.tools import DEFAULT_CONFIG, ConfigOption, JsonOption, load, operator, troubles_told, wait_for


def hosts(
    config: ConfigOption = DEFAULT_CONFIG,
    forget: Annotated[
        str | None,
        typer.Option(
            "--forget",
            metavar="NAME",
            help="This host is gone for good, with its folders: what only its journal or its vault held is not waited "
            "for any more.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """The hosts of this installation: roles, version, PBX, when each was heard of last, calls that wait in its journal;
    and which of them does what only one may do at a time."""
    from ari_recorder.output import write_json
    from ari_recorder.output_hosts import write_hosts

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect
        from ari_recorder.services import hosts as desk

        async def ask() -> desk.Hosts:
            async with connect.ready_database(settings) as database:
                if forget is not None:
                    await desk.forget(database, forget, operator())
                return await desk.look(database)

        found = wait_for(ask())
        if json:
            write_json(found)
        else:
            write_hosts(found)
