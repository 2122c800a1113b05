"""People and machines: who has an account, links to set one up, and who leaves. Their rights: web/rights.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import AccountKind, AccountState, Permission
from ari_recorder.domain.errors import AccountUnknown
from ari_recorder.services.accounts import Invited, Person
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import Form, Moment
from ari_recorder.web.languages import N_

STATES = {
    AccountState.INVITED: N_("invited"),
    AccountState.ACTIVE: N_("active"),
    AccountState.DISABLED: N_("disabled"),
}
_Why = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """`numbers`: how many own numbers are known; not the numbers."""

    id: UUID
    kind: AccountKind
    state: AccountState
    state_name: str
    name: str
    full_name: str
    mail: str
    language: str
    last_seen_at: datetime | None
    owner_confirmed: bool
    numbers: int
    numbers_found: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsView:
    people: tuple[PersonView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPageView:
    person: PersonView


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedView:
    """`path` of the link: it is shown once, and opens once."""

    name: str
    path: str
    expires_at: datetime


class CreateForm(Form):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    full_name: Annotated[str, Field(min_length=1, max_length=200)]
    mail: Annotated[str, Field(max_length=254)] = ""
    language: Literal["fi", "sv", "en"]


class WhyForm(Form):
    why: _Why


class ConfirmForm(Form):
    """`came_at`: as the page of rights said, so that nobody comes in between."""

    why: _Why
    came_at: Moment


class NumbersForm(Form):
    """One a line, or with commas between."""

    numbers: Annotated[str, Field(max_length=1000)] = ""


async def show_accounts(asked: Asked) -> Page:
    return Page(view=AccountsView(people=await _people(asked)))


async def show_person(asked: Asked) -> Page:
    return Page(view=PersonPageView(person=await _person(asked)))


async def create(asked: Asked) -> Page:
    form = asked.form_as(CreateForm)
    person = Person(name=form.name, full_name=form.full_name, mail=form.mail, language=form.language)
    return _invited(await asked.site.people.accounts.create(person, asked.user.actor(Permission.ACCOUNT_MANAGE)))


async def invite(asked: Asked) -> Page:
    person = await _person(asked)
    return _invited(await asked.site.people.accounts.invite(person.name, asked.user.actor(Permission.ACCOUNT_MANAGE)))


async def reset(asked: Asked) -> Page:
    person = await _person(asked)
    why = asked.form_as(WhyForm).why
    actor = asked.user.actor(Permission.ACCOUNT_MANAGE)
    return _invited(await asked.site.people.accounts.reset(person.name, why, actor))


async def confirm(asked: Asked) -> Redirect:
    person = await _person(asked)
    actor = asked.user.actor(Permission.RIGHT_APPROVE)
    form = asked.form_as(ConfirmForm)
    await asked.site.people.accounts.confirm(person.name, form.why, actor, form.came_at)
    notice = asked.text("{name} is confirmed. The rights of the account count from now on.", name=person.name)
    return Redirect(to="rights", notice=notice)


async def disable(asked: Asked) -> Redirect:
    person = await _person(asked)
    actor = asked.user.actor(Permission.ACCOUNT_MANAGE)
    await asked.site.people.accounts.disable(person.name, asked.form_as(WhyForm).why, actor)
    return Redirect(to="accounts", notice=asked.text("The account {name} is disabled.", name=person.name))


async def set_numbers(asked: Asked) -> Redirect:
    person = await _person(asked)
    numbers = tuple(asked.form_as(NumbersForm).numbers.replace(",", "\n").splitlines())
    given = tuple(number.strip() for number in numbers if number.strip())
    count = await asked.site.own_numbers.set(asked.user, person.id, given)
    return Redirect(
        to="account-of", params=asked.params, notice=asked.text("Own numbers that are known: {count}.", count=count)
    )


async def _people(asked: Asked) -> tuple[PersonView, ...]:
    numbers = await asked.site.own_numbers.known()
    found = []
    for listed in await asked.site.people.accounts.list_all():
        one = listed.account
        count, fresh = numbers.get(one.id, (0, True))
        found.append(
            PersonView(
                id=one.id,
                kind=one.kind,
                state=one.state,
                state_name=asked.text(STATES[one.state]),
                name=one.name,
                full_name=one.full_name,
                mail=one.mail,
                language=one.language,
                last_seen_at=listed.last_seen_at,
                owner_confirmed=one.owner_confirmed,
                numbers=count,
                numbers_found=fresh,
            )
        )
    return tuple(found)


async def _person(asked: Asked) -> PersonView:
    account_id = asked.id("account_id")
    found = next((one for one in await _people(asked) if one.id == account_id), None)
    if found is None:
        raise AccountUnknown(name=str(account_id))
    return found


def _invited(invited: Invited) -> Page:
    return Page(view=InvitedView(name=invited.name, path=f"/invitation/{invited.token}", expires_at=invited.expires_at))


ROUTES = (
    Route(
        method="GET",
        path="/accounts",
        name="accounts",
        handler=show_accounts,
        permission=Permission.ACCOUNT_MANAGE,
        template="accounts/list.html",
        view=AccountsView,
        summary="Everybody who has an account",
    ),
    Route(
        method="POST",
        path="/accounts",
        name="account-create",
        handler=create,
        permission=Permission.ACCOUNT_MANAGE,
        step_up=True,
        form=CreateForm,
        shown_by="accounts",
        template="accounts/invited.html",
        view=InvitedView,
        summary="Make an account, and the link that sets it up",
    ),
    Route(
        method="GET",
        path="/accounts/{account_id}",
        name="account-of",
        handler=show_person,
        permission=Permission.ACCOUNT_MANAGE,
        template="accounts/person.html",
        view=PersonPageView,
        summary="An account, and what can be done about it",
    ),
    Route(
        method="POST",
        path="/accounts/{account_id}/invite",
        name="account-invite",
        handler=invite,
        permission=Permission.ACCOUNT_MANAGE,
        step_up=True,
        shown_by="account-of",
        template="accounts/invited.html",
        view=InvitedView,
        summary="A new link for somebody who did not use the last one, or comes back",
    ),
    Route(
        method="POST",
        path="/accounts/{account_id}/reset",
        name="account-reset",
        handler=reset,
        permission=Permission.ACCOUNT_MANAGE,
        step_up=True,
        form=WhyForm,
        shown_by="account-of",
        template="accounts/invited.html",
        view=InvitedView,
        summary="Take both factors away, and make a link to set new ones",
    ),
    Route(
        method="POST",
        path="/accounts/{account_id}/confirm",
        name="account-confirm",
        handler=confirm,
        permission=Permission.RIGHT_APPROVE,
        step_up=True,
        form=ConfirmForm,
        shown_by="rights",
        summary="Say that the owner of an account came by a link somebody else made",
    ),
    Route(
        method="POST",
        path="/accounts/{account_id}/disable",
        name="account-disable",
        handler=disable,
        permission=Permission.ACCOUNT_MANAGE,
        step_up=True,
        form=WhyForm,
        shown_by="account-of",
        summary="Disable an account: sessions and rights end",
    ),
    Route(
        method="POST",
        path="/accounts/{account_id}/numbers",
        name="account-numbers",
        handler=set_numbers,
        permission=Permission.ACCOUNT_MANAGE,
        step_up=True,
        form=NumbersForm,
        shown_by="account-of",
        summary="Say which numbers are somebody's own",
    ),
)
