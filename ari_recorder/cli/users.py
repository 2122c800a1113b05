"""`user`: accounts, rights and units from the command line. Who types is a person like any other: grants made here are
approved by somebody else."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ari_recorder.cli.tools import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    load,
    operator,
    troubles_told,
    wait_for,
)
from ari_recorder.domain.accounts import LANGUAGES, Role

if TYPE_CHECKING:
    from ari_recorder.domain.audit import Actor
    from ari_recorder.services.connect import People
    from ari_recorder.services.rights import Terms

T = TypeVar("T")

user = typer.Typer(help="Who may log in, and what they may do.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The log-in name.")]
RightArgument = Annotated[
    UUID, typer.Argument(metavar="RIGHT", parser=UUID, help="The right's id, from `user rights --json`.")
]
WantedArgument = Annotated[
    UUID, typer.Argument(metavar="ID", parser=UUID, help="What waits, from `user wanted-units --json`.")
]
WhyOption = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it is kept.")]
FullNameOption = Annotated[str, typer.Option("--full-name", metavar="TEXT", help="First and last name.")]
MailOption = Annotated[str, typer.Option("--mail", metavar="ADDRESS", help="Where notices go.")]
LanguageOption = Annotated[str, typer.Option("--language", metavar="LANGUAGE", help=f"One of {', '.join(LANGUAGES)}.")]
UnitOption = Annotated[str, typer.Option("--unit", metavar="UNIT", help="The unit; * is all queues.")]
RoleOption = Annotated[Role, typer.Option("--role", metavar="ROLE", help=f"One of {', '.join(Role)}.")]
PhoneOption = Annotated[
    list[str] | None,
    typer.Option("--phone", metavar="INTERFACE", help="Of an adviser: whose calls are the own ones (PJSIP/1001)."),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(
        "--until", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The last day; without it, in twelve months."
    ),
]


@user.command("first-administrator")
def first_administrator(
    name: NameArgument,
    full_name: FullNameOption,
    config: ConfigOption = DEFAULT_CONFIG,
    mail: MailOption = "",
    language: LanguageOption = LANGUAGES[0],
    json: JsonOption = False,
) -> None:
    """Make the first administrator, and a link for one use within 24 hours. Refused once there is one."""
    from ari_recorder.output_users import write_invited
    from ari_recorder.services.accounts import Person

    person = Person(name=name, full_name=full_name, mail=mail, language=language)
    _answer(config, json, lambda people, actor: people.accounts.first_administrator(person, actor), write_invited)


@user.command("create")
def create(
    name: NameArgument,
    full_name: FullNameOption,
    config: ConfigOption = DEFAULT_CONFIG,
    mail: MailOption = "",
    language: LanguageOption = LANGUAGES[0],
    json: JsonOption = False,
) -> None:
    """Make an account without rights, and a link for its owner."""
    from ari_recorder.output_users import write_invited
    from ari_recorder.services.accounts import Person

    person = Person(name=name, full_name=full_name, mail=mail, language=language)
    _answer(config, json, lambda people, actor: people.accounts.create(person, actor), write_invited)


@user.command("invite")
def invite(name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Make a new link for somebody who has not used the last one, or who comes back."""
    from ari_recorder.output_users import write_invited

    _answer(config, json, lambda people, actor: people.accounts.invite(name, actor), write_invited)


@user.command("reset")
def reset(name: NameArgument, why: WhyOption, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Take password and authenticator away, and make a link for new ones. First make sure who asks. Rights count again
    when somebody else has confirmed that the owner is back; the last administrator needs nobody."""
    from ari_recorder.output_users import write_invited

    _answer(config, json, lambda people, actor: people.accounts.reset(name, why, actor), write_invited)


@user.command("confirm")
def confirm(
    name: NameArgument, why: WhyOption, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Say that the owner of an account came by a link somebody else made: from then on its rights count."""
    _answer(
        config,
        json,
        lambda people, actor: people.accounts.confirm(name, why, actor),
        lambda account: print(f"{account.name} is confirmed: the rights of the account count"),
    )


@user.command("disable")
def disable(
    name: NameArgument, why: WhyOption, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Somebody leaves, or a machine: sessions, factors, tokens and rights end at once."""
    _answer(
        config,
        json,
        lambda people, actor: people.accounts.disable(name, why, actor),
        lambda account: print(f"{account.name} is disabled"),
    )


@user.command("list")
def list_users(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Everybody there ever was, with state and when they were last here."""
    from ari_recorder.output_users import write_accounts

    _answer(config, json, lambda people, _: people.accounts.list_all(), write_accounts)


@user.command("rights")
def list_rights(
    config: ConfigOption = DEFAULT_CONFIG,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Only of this account.")] = None,
    on: Annotated[
        datetime | None,
        typer.Option("--on", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="As it was on that day of the past."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Who has which right, given and approved by whom, until when; with --on, computed from the history alone."""
    from ari_recorder.output_users import write_day, write_rights

    if on is not None:
        day = on.date()
        _answer(config, json, lambda people, _: people.rights.rights_on(day), write_day)
    else:
        _answer(config, json, lambda people, _: people.rights.list_rights(name), write_rights)


@user.command("grant")
def grant(
    name: NameArgument,
    role: RoleOption,
    why: WhyOption,
    unit: UnitOption = "*",
    phone: PhoneOption = None,
    until: UntilOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Give a right. It waits for another person: an administrator or a privacy officer on the page."""
    _answer(
        config,
        json,
        lambda people, actor: people.rights.grant(_terms(name, role, unit, phone, until, why), actor),
        lambda given: print(f"right {given.id} waits to be approved by somebody else"),
    )


@user.command("approve")
def approve(right: RightArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Approve a right that somebody else has granted."""
    from ari_recorder.output_users import write_right

    _answer(config, json, lambda people, actor: people.rights.approve(right, actor), write_right)


@user.command("attest")
def attest(
    right: RightArgument,
    why: WhyOption,
    until: UntilOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """It is still needed: move the last day of a right somebody else granted, by twelve months at most."""
    from ari_recorder.output_users import write_right

    _answer(config, json, lambda people, actor: people.rights.attest(right, _last(until), why, actor), write_right)


@user.command("end")
def end(right: RightArgument, why: WhyOption, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Take a right away, from the next request on."""
    from ari_recorder.output_users import write_right

    _answer(config, json, lambda people, actor: people.rights.end(right, why, actor), write_right)


@user.command("token")
def token(
    name: NameArgument,
    role: RoleOption,
    why: WhyOption,
    unit: UnitOption = "*",
    phone: PhoneOption = None,
    until: UntilOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Make a token for a machine, bound to one role in one unit. It is shown once; its right waits to be approved."""
    from ari_recorder.output_users import write_token

    _answer(
        config,
        json,
        lambda people, actor: people.rights.make_token(_terms(name, role, unit, phone, until, why), actor),
        write_token,
    )


@user.command("units")
def units(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """The units, and which queues each of them is."""
    from ari_recorder.output_users import write_units

    _answer(config, json, lambda people, _: people.rights.units(), write_units)


@user.command("wanted-units")
def wanted_units(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Queues somebody asked for, for units in which somebody has a right: they wait for a second person."""
    from ari_recorder.output_users import write_wanted

    _answer(config, json, lambda people, _: people.rights.wanted_units(), write_wanted)


@user.command("approve-unit")
def approve_unit(wanted: WantedArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Approve queues that somebody else asked for: from then on the unit is these."""
    _answer(
        config,
        json,
        lambda people, actor: people.rights.approve_unit(wanted, actor),
        lambda change: print(f"{change.unit} is now {', '.join(sorted(change.queues))}"),
    )


@user.command("refuse-unit")
def refuse_unit(wanted: WantedArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Leave the unit as it is."""
    _answer(
        config,
        json,
        lambda people, actor: people.rights.refuse_unit(wanted, actor),
        lambda refused: print(f"{refused.unit} stays as it is"),
    )


@user.command("set-unit")
def set_unit(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="Its name.")],
    why: WhyOption,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="NAME", help="A queue of it; without any, it is removed.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Say which queues a unit is. More queues wait for a second person if anybody has a right there."""
    from ari_recorder.output_users import write_unit

    _answer(
        config,
        json,
        lambda people, actor: people.rights.set_unit(unit, frozenset(queue or ()), why, actor),
        write_unit,
    )


def _terms(name: str, role: Role, unit: str, phones: list[str] | None, until: datetime | None, why: str) -> "Terms":
    from ari_recorder.services.rights import Terms

    return Terms(name=name, role=role, unit=unit, valid_until=_last(until), why=why, interfaces=frozenset(phones or ()))


def _last(until: datetime | None) -> date:
    from ari_recorder.domain.accounts import latest_end
    from ari_recorder.domain.retention import local_day

    return until.date() if until is not None else latest_end(local_day(datetime.now(UTC)))


def _answer(
    config: Path,
    json: bool,
    ask: "Callable[[People, Actor], Awaitable[T]]",
    write: Callable[[T], None],
) -> None:
    from ari_recorder.output import write_json

    with troubles_told(json=json):
        settings = load(config)
        from ari_recorder.services import connect

        async def asked() -> T:
            async with connect.ready_database(settings) as database:
                return await ask(connect.people(settings, database), operator())

        answer = wait_for(asked())
        write_json(answer) if json else write(answer)
