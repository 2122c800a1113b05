"""Restriction of processing: set on a recording's page, listed with what is late, lifted once the person knows."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.restriction import RestrictionGround, RestrictionTerms, SubjectTold, ToldHow
from ari_recorder.services.restrictions import RestrictionView
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import Day, Form, YesNo


class RestrictForm(Form):
    ground: RestrictionGround
    case_number: Annotated[str, Field(min_length=1, max_length=64)]


class LiftForm(Form):
    """When and how the person was told that it will be lifted."""

    told_on: Day
    told_how: ToldHow
    yes: YesNo = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionsView:
    """Those in force, the oldest first."""

    restrictions: tuple[RestrictionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRestrictionView:
    """`at_once`: of its recordings, those that the next sweep destroys when it is lifted."""

    restriction: RestrictionView
    at_once: int


async def show_restrictions(asked: Asked) -> Page:
    return Page(view=RestrictionsView(restrictions=await asked.site.restrictions.listed()))


async def show_restriction(asked: Asked) -> Page:
    found = await asked.site.restrictions.one(asked.id("restriction_id"))
    return Page(view=OneRestrictionView(restriction=found, at_once=sum(fate.at_once for fate in found.fates)))


async def restrict(asked: Asked) -> Redirect:
    form = asked.form_as(RestrictForm)
    recording_id: UUID = asked.id("recording_id")
    await asked.site.pages.inside(asked.reach, [recording_id])
    terms = RestrictionTerms(ground=form.ground, case_number=form.case_number)
    actor = asked.user.actor(Permission.RECORDING_RESTRICT)
    await asked.site.restrictions.restrict([recording_id], terms, actor)
    return Redirect(
        to="recording",
        params=asked.params,
        notice=asked.text("The processing of the call is restricted, with all its recordings."),
    )


async def lift(asked: Asked) -> Redirect:
    form = asked.form_as(LiftForm)
    told = SubjectTold(on=form.told_on, how=form.told_how)
    actor = asked.user.actor(Permission.RECORDING_RESTRICT)
    await asked.site.restrictions.lift(asked.id("restriction_id"), told, actor, yes=form.yes)
    return Redirect(to="restrictions", notice=asked.text("The restriction is lifted."))


ROUTES = (
    Route(
        method="GET",
        path="/restrictions",
        name="restrictions",
        handler=show_restrictions,
        permission=Permission.RECORDING_RESTRICT,
        template="restrictions/list.html",
        view=RestrictionsView,
        summary="Restrictions of processing in force, with what is past its period",
    ),
    Route(
        method="GET",
        path="/restrictions/{restriction_id}",
        name="restriction",
        handler=show_restriction,
        permission=Permission.RECORDING_RESTRICT,
        step_up=True,
        template="restrictions/restriction.html",
        view=OneRestrictionView,
        summary="A restriction of processing, and what becomes of its recordings when it is lifted",
    ),
    Route(
        method="POST",
        path="/recordings/{recording_id}/restrictions",
        name="recording-restrict",
        handler=restrict,
        permission=Permission.RECORDING_RESTRICT,
        form=RestrictForm,
        shown_by="recording",
        summary="Restrict the processing of a call",
    ),
    Route(
        method="POST",
        path="/restrictions/{restriction_id}/lift",
        name="restriction-lift",
        handler=lift,
        permission=Permission.RECORDING_RESTRICT,
        step_up=True,
        form=LiftForm,
        shown_by="restriction",
        summary="Lift a restriction of processing; the person was told before",
    ),
)
