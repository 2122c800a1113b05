"""The review list: flagged calls that wait for a supervisor's decision, and the decision on one of them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.services.fates import Fate
from ari_recorder.services.hold_desk import Flagged
from ari_recorder.services.holds import HoldTerms
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import Day, Form, Id, YesNo


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedView:
    """`flag_at`: where in the recording the agent pressed the code. Destroyed on that day unless somebody decides."""

    recording_id: UUID
    queue: str
    started_at: datetime
    flag_at: timedelta | None
    ordinary_end: date
    destroyed_on: date
    days_left: int
    in_grace: bool
    restricted: bool
    asked: tuple[str, ...]
    asks_me: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    waiting: tuple[FlaggedView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """`fates`: what becomes of its recordings when it is no threat; `at_once` of them with the next sweep."""

    call: FlaggedView
    fates: tuple[Fate, ...]
    at_once: int
    colleagues: tuple[tuple[UUID, str], ...]


class KeepForm(Form):
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    review_on: Day


class NoThreatForm(Form):
    yes: YesNo = False


class AskForm(Form):
    colleague: Id


async def show_review(asked: Asked) -> Page:
    found = await asked.site.hold_desk.review(asked.user)
    return Page(view=ReviewView(waiting=tuple(_view(one) for one in found)))


async def show_decision(asked: Asked) -> Page:
    found, fates = await asked.site.hold_desk.flagged(asked.user, asked.id("recording_id"))
    colleagues = await asked.site.hold_desk.colleagues(asked.user)
    return Page(
        view=DecisionView(
            call=_view(found),
            fates=fates,
            at_once=sum(fate.at_once for fate in fates),
            colleagues=tuple((one.id, one.full_name) for one in colleagues),
        )
    )


async def keep(asked: Asked) -> Redirect:
    form = asked.form_as(KeepForm)
    terms = HoldTerms(reason=form.reason, reference=form.reference, owner=form.owner, review_on=form.review_on)
    await asked.site.hold_desk.keep(asked.user, asked.id("recording_id"), terms)
    return Redirect(to="review", notice=asked.text("The call is held, with all its recordings in your units."))


async def no_threat(asked: Asked) -> Redirect:
    form = asked.form_as(NoThreatForm)
    await asked.site.hold_desk.no_threat(asked.user, asked.id("recording_id"), yes=form.yes)
    return Redirect(to="review", notice=asked.text("It is decided: no threat. The ordinary rule counts again."))


async def ask(asked: Asked) -> Redirect:
    form = asked.form_as(AskForm)
    colleague = await asked.site.hold_desk.ask(asked.user, asked.id("recording_id"), form.colleague)
    return Redirect(
        to="review-call",
        params=asked.params,
        notice=asked.text("{name} was asked. The call still waits for a decision.", name=colleague.full_name),
    )


def _view(one: Flagged) -> FlaggedView:
    return FlaggedView(
        recording_id=one.call.recording_id,
        queue=one.call.queue,
        started_at=one.call.started_at,
        flag_at=one.flag_at,
        ordinary_end=one.call.ordinary_end,
        destroyed_on=one.call.destroyed_on,
        days_left=one.days_left,
        in_grace=one.in_grace,
        restricted=one.restricted,
        asked=one.asked,
        asks_me=one.asks_me,
    )


ROUTES = (
    Route(
        method="GET",
        path="/review",
        name="review",
        handler=show_review,
        permission=Permission.FLAG_DECIDE,
        template="review/list.html",
        view=ReviewView,
        summary="Flagged calls that wait for a decision",
    ),
    Route(
        method="GET",
        path="/review/{recording_id}",
        name="review-call",
        handler=show_decision,
        permission=Permission.FLAG_DECIDE,
        template="review/call.html",
        view=DecisionView,
        summary="Decide on a flagged call",
    ),
    Route(
        method="POST",
        path="/review/{recording_id}/hold",
        name="review-hold",
        handler=keep,
        permission=Permission.FLAG_DECIDE,
        form=KeepForm,
        shown_by="review-call",
        summary="Hold a flagged call",
    ),
    Route(
        method="POST",
        path="/review/{recording_id}/no-threat",
        name="review-no-threat",
        handler=no_threat,
        permission=Permission.FLAG_DECIDE,
        form=NoThreatForm,
        shown_by="review-call",
        summary="Say that a flagged call is no threat",
    ),
    Route(
        method="POST",
        path="/review/{recording_id}/ask",
        name="review-ask",
        handler=ask,
        permission=Permission.FLAG_DECIDE,
        form=AskForm,
        shown_by="review-call",
        summary="Ask a colleague about a flagged call",
    ),
)
