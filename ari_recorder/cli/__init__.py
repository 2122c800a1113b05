"""The command line: reads arguments and the configuration, calls a service, shows its answer. No decisions about calls.

Exit codes: 0 fine, 1 refused or failed, 2 wrong usage (arguments, configuration), 3 a check found something.
Imports are where they are needed, so that `--help` answers at once. A family of commands has a file of its own here.
"""

import asyncio
import dataclasses
import gc
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ari_recorder.cli import (
    audit,
    backups,
    breach,
    certificates,
    deliveries,
    holds,
    hosts,
    importing,
    keys,
    notice,
    packages,
    records,
    requests,
    restriction,
    retention,
    users,
)
from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    DayOption,
    Exit,
    GroundOption,
    IdArgument,
    JsonOption,
    OnOption,
    PassphraseOption,
    date_of,
    load,
    operator,
    passphrase_of,
    troubles_told,
    wait_for,
)
from ari_recorder.cli.vault import vault

__all__ = ["Exit", "app", "main"]

app = typer.Typer(
    help="Call recording beside an Asterisk PBX: announced, sealed, destroyed when its time is up.",
    no_args_is_help=True,
    add_completion=False,
    # Its tracebacks show the values of variables, and with them secrets and numbers.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
recordings = typer.Typer(help="Find, show and export recordings.", no_args_is_help=True)
app.add_typer(vault, name="vault")
app.add_typer(recordings, name="recordings")
app.command("queues")(retention.queues)
recordings.command("package")(packages.package)
app.command("sweep")(retention.sweep)
app.command("import")(importing.import_archive)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.command("restore-drill")(backups.restore_drill)
app.command("hosts")(hosts.hosts)
app.add_typer(retention.policy, name="policy")
app.add_typer(keys.app, name="keys")
app.add_typer(holds.holds, name="holds")
app.add_typer(holds.freezes, name="freezes")
app.add_typer(restriction.app, name="restriction")
app.add_typer(audit.app, name="audit")
app.add_typer(certificates.certificates, name="certificates")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(users.user, name="user")
app.add_typer(notice.app, name="notice")
app.add_typer(requests.app, name="request")
app.add_typer(records.app, name="records")
app.add_typer(breach.app, name="breach")


def main() -> None:
    app()


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("ari-recorder"))
        raise typer.Exit(Exit.FINE)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Options of no command."""


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The service: records, seals and sweeps until it is told to stop (SIGTERM or SIGINT)."""
    with troubles_told(json=False):
        settings = load(config)
        # What is imported stays for good: looking through it for garbage costs a fifth of the start, and pauses later.
        gc.disable()
        from ari_recorder import daemon, logs
        from ari_recorder.services import connect_service

        gc.freeze()
        gc.enable()
        alarms = connect_service.alarms(settings)
        told = settings.log
        logs.set_up(level=told.level, file=told.file, json_lines=told.json_lines, heard=alarms.hear, behind=True)
        asyncio.run(daemon.run(settings, alarms))


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Look at everything the service stands on; say what is wrong and how to mend it. Changes nothing."""
    from ari_recorder.output import working, write_findings, write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services.check import check as look
        from ari_recorder.services.findings import Level

        with working("looking", hidden=json):
            findings = wait_for(look(settings))
        well = all(finding.level is Level.OK for finding in findings)
        if json:
            write_json({"ok": well, "findings": findings})
        else:
            write_findings(findings)
        if not well:
            raise typer.Exit(Exit.FOUND)


@app.command("example-config")
def example_config() -> None:
    """Print a configuration file with every setting, to begin with."""
    from ari_recorder.config import example

    sys.stdout.write(example())


@recordings.command("list")
def list_recordings(
    config: ConfigOption = DEFAULT_CONFIG,
    day: DayOption = None,
    queue: Annotated[str | None, typer.Option("--queue", metavar="NAME", help="Only of this queue.")] = None,
    flagged: Annotated[bool, typer.Option("--flagged", help="Only calls an agent flagged as a threat.")] = False,
    caller: Annotated[
        str | None,
        typer.Option(
            "--caller", metavar="NUMBER", help="Only of this caller; `-` reads the number from standard input."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 100,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Recordings, the newest first; without --day, of any day."""
    from ari_recorder.output import write_json, write_recordings, write_trouble

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import caller_index, connect, listen

        async def ask() -> list[listen.Line]:
            async with connect.ready_database(settings) as database:
                index = None
                if keyring is not None and caller is not None:
                    # Arguments can be seen by every user of the host, and stay in the shell's history.
                    number = sys.stdin.readline() if caller == "-" else caller
                    index, waiting = await caller_index.search_key(database, keyring, number)
                    if waiting:
                        write_trouble(f"{waiting} call(s) cannot be found by number yet; the service sees to it")
                wanted = listen.Wanted(
                    day=date_of(day), queue=queue, flagged=flagged or None, caller_index=index, limit=limit
                )
                return await listen.find(database, wanted, operator())

        keyring = None
        if caller is not None:
            keyring = connect.keyring(settings, passphrase_of(settings, passphrase_file))
        found = wait_for(ask())
        if json:
            write_json(found)
        else:
            write_recordings(found)


@recordings.command("show")
def show_recording(
    wanted: IdArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    with_caller: Annotated[
        bool,
        typer.Option(
            "--with-caller",
            help="Open the caller's number and name too, and with --on what was corrected; else they stay sealed.",
        ),
    ] = False,
    on: OnOption = None,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """One recording and its call: times, agents, codes pressed, announcement evidence, retention. With --on what stood
    in its fields then, whether it was restricted, to whom it was given, and the requests about it."""
    from ari_recorder.output import write_details, write_json
    from ari_recorder.output_past import write_past

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, connect_subjects, listen
        from ari_recorder.services.past import Past
        from ari_recorder.vault.keyring import Keyring

        async def ask() -> listen.Details | Past:
            async with connect.ready_database(settings) as database:
                recording_id = await listen.identify(database, wanted)
                if on is not None:
                    keys = keyring or Keyring.open(settings.storage.keys)
                    return await connect_subjects.past(settings, database, keys).of_recording(
                        recording_id, on, operator()
                    )
                policy = await connect.policies(settings, database).in_force()
                return await listen.show(database, recording_id, policy, keyring, operator())

        passphrase = passphrase_of(settings, passphrase_file) if with_caller else None
        keyring = connect.keyring(settings, passphrase) if with_caller else None
        found = wait_for(ask())
        if json:
            write_json(found)
        elif isinstance(found, Past):
            write_past(found)
        else:
            write_details(found)


@recordings.command("export")
def export_recording(
    wanted: IdArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The WAV file to write; it must not exist yet.")],
    config: ConfigOption = DEFAULT_CONFIG,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check first that it is what was sealed, and say what was checked.")
    ] = False,
    ground: GroundOption = None,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Write a recording in clear as a WAV file (caller left, agent right), readable for you alone."""
    from ari_recorder.output import clock, progress, write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect, connect_service, listen

        async def ask() -> tuple[listen.Exported, tuple[str, ...]]:
            async with connect.ready_database(settings) as database:
                recording_id = await listen.identify(database, wanted)
                checked = await listen.verify_sealed(database, opened, recording_id, operator()) if verify else ()
                with progress(f"exporting {recording_id}", hidden=json) as told:
                    made = await listen.export_wav(database, opened, recording_id, target, told, operator(), ground)
                return made, checked

        opened = connect_service.vault(settings, passphrase_of(settings, passphrase_file))
        exported, checked = wait_for(ask())
        if json:
            write_json({**dataclasses.asdict(exported), "checked": checked})
        else:
            for line in checked:
                print(f"checked: {line}")
            print(f"{exported.target}: {clock(exported.duration)}, {exported.size_bytes:,} bytes, in clear")


@app.command()
def ledger(config: ConfigOption = DEFAULT_CONFIG, day: DayOption = None, json: JsonOption = False) -> None:
    """Account for every call of a day (without --day, today): recorded, not recorded and why, in quarantine,
    or unexplained."""
    from ari_recorder.output import write_json, write_ledger

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.ledger import LedgerState
        from ari_recorder.domain.retention import HELSINKI
        from ari_recorder.services import connect
        from ari_recorder.services.ledger import DayLedger, day_ledger

        async def ask() -> DayLedger:
            async with connect.ready_database(settings) as database:
                return await day_ledger(
                    database,
                    queue_log=settings.pbx.queue_log,
                    cel=settings.pbx.cel,
                    queues=frozenset(queue.name for queue in settings.queues),
                    day=date_of(day) or datetime.now(HELSINKI).date(),
                    now=datetime.now(UTC),
                    reader=operator(),
                    host=settings.host,
                    pbx=settings.pbx.system_name,
                )

        found = wait_for(ask())
        if json:
            totals = {state.value: found.count(state) for state in LedgerState}
            answer = {"day": found.day, "totals": totals, "balanced": found.balanced}
            doubts = {"unread": found.unread, "contradicted": found.contradicted}
            of_pbx = {"pbxs": {name: dict(counts) for name, counts in found.by_pbx.items()}}
            write_json({**answer, "reaches_back": found.reaches_back, **doubts, **of_pbx, "calls": found.rows})
        else:
            write_ledger(found)
        if found.count(LedgerState.UNEXPLAINED):
            raise typer.Exit(Exit.FOUND)


@app.command()
def explain(
    uniqueid: Annotated[str, typer.Argument(metavar="UNIQUEID", help="The call, as the ledger names it.")],
    because: Annotated[
        str, typer.Option("--because", metavar="WORDS", help="What happened; nothing about the caller.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Close a call that the ledger calls unexplained, with words that stay."""
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.domain.accounts import Scope
        from ari_recorder.services import connect, ledger

        async def ask() -> None:
            everything = Scope(queues=None, interfaces=None)
            async with connect.ready_database(settings) as database:
                await ledger.explain(database, uniqueid, because, operator(), datetime.now(UTC), everything)

        wait_for(ask())
        if json:
            write_json({"uniqueid": uniqueid, "explained": True})
        else:
            print(f"{uniqueid}: explained")
