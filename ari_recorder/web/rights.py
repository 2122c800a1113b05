"""Rights: who may do what, today and on any day before; granted by one, approved by another. Units and tokens, too."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import EVERYTHING, Permission, Role
from ari_recorder.domain.retention import local_day
from ari_recorder.services.rights import Held, Terms
from ari_recorder.services.tokens import named
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import Day, Form
from ari_recorder.web.told import ROLES

_Why = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RightView:
    """`is_approved`: until then it gives nothing. `is_suspended`: nor before its owner is confirmed. `may_attest`: who
    asks is neither who granted it nor its owner."""

    id: UUID
    name: str
    full_name: str
    role: Role
    role_name: str
    unit: str
    interfaces: tuple[str, ...]
    valid_from: date
    valid_until: date
    why: str
    granted_by: str
    granted_at: datetime
    approved_by: str
    is_approved: bool
    is_suspended: bool
    has_ended: bool
    may_attest: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerView:
    """Who came by a link and waits to be confirmed. `may_confirm`: by who asks, who did not make it."""

    account_id: UUID
    name: str
    full_name: str
    came_at: datetime
    may_confirm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitView:
    name: str
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedView:
    """Queues somebody asked for, that wait for somebody else."""

    id: UUID
    unit: str
    queues: tuple[str, ...]
    why: str
    is_mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsView:
    """`on`: the day that was asked for; without one they are all that are, and none is past."""

    on: date | None
    today: date
    rights: tuple[RightView, ...]
    owners: tuple[OwnerView, ...]
    units: tuple[UnitView, ...]
    wanted: tuple[WantedView, ...]
    queues: tuple[str, ...]
    roles: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """The token is shown once."""

    name: str
    token: str
    expires_at: datetime


class DayQuery(Form):
    on: Day | None = None


class GrantForm(Form):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Role
    unit: Annotated[str, Field(max_length=64)] = ""
    valid_until: Day
    why: _Why
    interfaces: Annotated[str, Field(max_length=1000)] = ""


class WhyForm(Form):
    why: _Why


class AttestForm(Form):
    until: Day
    why: _Why


class UnitForm(Form):
    unit: Annotated[str, Field(min_length=1, max_length=64)]
    queues: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = ()
    why: _Why


async def show_rights(asked: Asked) -> Page:
    on = asked.query_as(DayQuery).on
    rights = asked.site.people.rights
    if on is not None:
        past = await rights.rights_on(on)
        found, units = past.rights, past.units
    else:
        found, units = await rights.list_rights(), await rights.units()
    today = local_day(asked.now)
    return Page(
        view=RightsView(
            on=on,
            today=today,
            rights=tuple(
                _view(asked, one)
                for one in found
                if on is not None or (one.right.ended_at is None and one.right.grant.valid_until >= today)
            ),
            owners=() if on is not None else await _owners(asked),
            units=tuple(UnitView(name=name, queues=tuple(sorted(queues))) for name, queues in sorted(units.items())),
            wanted=() if on is not None else await _wanted(asked),
            queues=tuple(queue.name for queue in asked.site.config.queues),
            roles=tuple((role.value, asked.text(text)) for role, text in ROLES.items()),
        )
    )


async def grant(asked: Asked) -> Redirect:
    await asked.site.people.rights.grant(_terms(asked), asked.user.actor(Permission.RIGHT_GRANT))
    return Redirect(to="rights", notice=asked.text("The right is granted. It counts when somebody else approves it."))


async def approve(asked: Asked) -> Redirect:
    await asked.site.people.rights.approve(asked.id("right_id"), asked.user.actor(Permission.RIGHT_APPROVE))
    return Redirect(to="rights", notice=asked.text("The right is approved and counts from now on."))


async def attest(asked: Asked) -> Redirect:
    form = asked.form_as(AttestForm)
    actor = asked.user.actor(Permission.RIGHT_APPROVE)
    await asked.site.people.rights.attest(asked.id("right_id"), form.until, form.why, actor)
    return Redirect(to="rights", notice=asked.text("The right is attested."))


async def end(asked: Asked) -> Redirect:
    actor = asked.user.actor(Permission.RIGHT_GRANT)
    await asked.site.people.rights.end(asked.id("right_id"), asked.form_as(WhyForm).why, actor)
    return Redirect(to="rights", notice=asked.text("The right has ended."))


async def set_unit(asked: Asked) -> Redirect:
    form = asked.form_as(UnitForm)
    actor = asked.user.actor(Permission.RIGHT_GRANT)
    done = await asked.site.people.rights.set_unit(form.unit, frozenset(form.queues), form.why, actor)
    if done.waits:
        notice = asked.text("More queues for {name} count when somebody else approves them.", name=form.unit)
    else:
        notice = asked.text("The unit {name} has other queues now.", name=form.unit)
    return Redirect(to="rights", notice=notice)


async def approve_unit(asked: Asked) -> Redirect:
    actor = asked.user.actor(Permission.RIGHT_APPROVE)
    change = await asked.site.people.rights.approve_unit(asked.id("wanted_id"), actor)
    return Redirect(to="rights", notice=asked.text("The unit {name} has other queues now.", name=change.unit))


async def refuse_unit(asked: Asked) -> Redirect:
    actor = asked.user.actor(Permission.RIGHT_APPROVE)
    wanted = await asked.site.people.rights.refuse_unit(asked.id("wanted_id"), actor)
    return Redirect(to="rights", notice=asked.text("The unit {name} stays as it is.", name=wanted.unit))


async def make_token(asked: Asked) -> Page:
    made = await asked.site.people.rights.make_token(_terms(asked), asked.user.actor(Permission.TOKEN_MANAGE))
    return Page(view=TokenView(name=made.name, token=made.token, expires_at=made.expires_at))


def _terms(asked: Asked) -> Terms:
    form = asked.form_as(GrantForm)
    interfaces = form.interfaces.replace(",", " ").split()
    return Terms(
        name=form.name,
        role=form.role,
        unit=form.unit or EVERYTHING,
        valid_until=form.valid_until,
        why=form.why,
        interfaces=frozenset(interfaces),
    )


async def _owners(asked: Asked) -> tuple[OwnerView, ...]:
    user = asked.user
    return tuple(
        OwnerView(
            account_id=one.id,
            name=one.name,
            full_name=one.full_name,
            came_at=one.came_at or one.created_at,
            may_confirm=one.link_by != named(user.actor()) and one.id != user.user_id,
        )
        for one in await asked.site.people.accounts.waiting()
    )


async def _wanted(asked: Asked) -> tuple[WantedView, ...]:
    me = named(asked.user.actor())
    return tuple(
        WantedView(id=one.id, unit=one.unit, queues=tuple(sorted(one.queues)), why=one.why, is_mine=one.by == me)
        for one in await asked.site.people.rights.wanted_units()
    )


def _view(asked: Asked, held: Held) -> RightView:
    right = held.right
    return RightView(
        id=right.grant.id,
        name=held.account.name,
        full_name=held.account.full_name,
        role=right.grant.role,
        role_name=asked.text(ROLES[right.grant.role]),
        unit=right.grant.unit,
        interfaces=tuple(sorted(right.grant.interfaces)),
        valid_from=right.grant.valid_from,
        valid_until=right.grant.valid_until,
        why=right.why,
        granted_by=right.granted_by,
        granted_at=right.granted_at,
        approved_by=right.approved_by or "",
        is_approved=right.approved_at is not None,
        is_suspended=right.is_suspended,
        has_ended=right.ended_at is not None,
        may_attest=right.granted_by != named(asked.user.actor()) and right.account_id != asked.user.user_id,
    )


ROUTES = (
    Route(
        method="GET",
        path="/rights",
        name="rights",
        handler=show_rights,
        permission=Permission.RIGHT_APPROVE,
        query=DayQuery,
        template="rights/list.html",
        view=RightsView,
        summary="Who may do what, today or on a day before",
    ),
    Route(
        method="POST",
        path="/rights",
        name="right-grant",
        handler=grant,
        permission=Permission.RIGHT_GRANT,
        step_up=True,
        form=GrantForm,
        shown_by="rights",
        summary="Grant a right",
    ),
    Route(
        method="POST",
        path="/rights/{right_id}/approve",
        name="right-approve",
        handler=approve,
        permission=Permission.RIGHT_APPROVE,
        step_up=True,
        shown_by="rights",
        summary="Approve a right somebody else granted",
    ),
    Route(
        method="POST",
        path="/rights/{right_id}/attest",
        name="right-attest",
        handler=attest,
        permission=Permission.RIGHT_APPROVE,
        step_up=True,
        form=AttestForm,
        shown_by="rights",
        summary="Say that a right is still needed, and until when",
    ),
    Route(
        method="POST",
        path="/rights/{right_id}/end",
        name="right-end",
        handler=end,
        permission=Permission.RIGHT_GRANT,
        step_up=True,
        form=WhyForm,
        shown_by="rights",
        summary="End a right",
    ),
    Route(
        method="POST",
        path="/units",
        name="unit-set",
        handler=set_unit,
        permission=Permission.RIGHT_GRANT,
        step_up=True,
        form=UnitForm,
        shown_by="rights",
        summary="Say which queues a unit is",
    ),
    Route(
        method="POST",
        path="/units/{wanted_id}/approve",
        name="unit-approve",
        handler=approve_unit,
        permission=Permission.RIGHT_APPROVE,
        step_up=True,
        shown_by="rights",
        summary="Approve more queues for a unit, that somebody else asked for",
    ),
    Route(
        method="POST",
        path="/units/{wanted_id}/refuse",
        name="unit-refuse",
        handler=refuse_unit,
        permission=Permission.RIGHT_APPROVE,
        step_up=True,
        shown_by="rights",
        summary="Leave a unit as it is",
    ),
    Route(
        method="POST",
        path="/tokens",
        name="token-make",
        handler=make_token,
        permission=Permission.TOKEN_MANAGE,
        step_up=True,
        form=GrantForm,
        shown_by="rights",
        template="rights/token.html",
        view=TokenView,
        summary="Make a token for a machine",
    ),
)
