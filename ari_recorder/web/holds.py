"""Holds: what is kept longer and until when somebody looks again; extended, and ended with a second person."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.approvals import Approval, ApprovalState
from ari_recorder.domain.retention import local_day
from ari_recorder.services.hold_desk import HoldState
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import Day, Form


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """`is_mine`: asked for by who looks, who then cannot approve it."""

    id: UUID
    state: ApprovalState
    why: str
    asked_at: datetime
    expires_at: datetime
    is_mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    id: UUID
    reference: str
    owner: str
    reason: str
    placed_at: datetime
    placed_by: str
    review_on: date
    is_overdue: bool
    needs_second: bool
    recordings: tuple[UUID, ...]
    approval: ApprovalView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsView:
    holds: tuple[HoldView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHoldView:
    hold: HoldView


class ExtendForm(Form):
    review_on: Day


class AskForm(Form):
    why: Annotated[str, Field(min_length=1, max_length=200)]


async def show_holds(asked: Asked) -> Page:
    found = await asked.site.hold_desk.holds(asked.user)
    return Page(view=HoldsView(holds=tuple(_view(asked, one) for one in found)))


async def show_hold(asked: Asked) -> Page:
    found = await asked.site.hold_desk.hold(asked.user, asked.id("hold_id"))
    return Page(view=OneHoldView(hold=_view(asked, found)))


async def extend(asked: Asked) -> Redirect:
    form = asked.form_as(ExtendForm)
    await asked.site.hold_desk.extend(asked.user, asked.id("hold_id"), form.review_on)
    return Redirect(to="hold", params=asked.params, notice=asked.text("The hold has a new review day."))


async def ask_release(asked: Asked) -> Redirect:
    form = asked.form_as(AskForm)
    await asked.site.hold_desk.ask_release(asked.user, asked.id("hold_id"), form.why)
    return Redirect(
        to="hold", params=asked.params, notice=asked.text("Somebody else has to agree. It shows on the page of holds.")
    )


async def approve(asked: Asked) -> Redirect:
    await asked.site.approvals.decide(asked.user, asked.id("approval_id"), approve=True)
    return Redirect(to="holds", notice=asked.text("You agreed. Who asked can do it now, within a week of asking."))


async def refuse(asked: Asked) -> Redirect:
    await asked.site.approvals.decide(asked.user, asked.id("approval_id"), approve=False)
    return Redirect(to="holds", notice=asked.text("You did not agree. Nothing happens."))


def _view(asked: Asked, one: HoldState) -> HoldView:
    hold = one.view.hold
    return HoldView(
        id=hold.id,
        reference=hold.reference,
        owner=hold.owner,
        reason=one.view.reason or "",
        placed_at=hold.placed_at,
        placed_by=hold.placed_by,
        review_on=hold.review_on,
        is_overdue=hold.review_on <= local_day(asked.now),
        needs_second=one.needs_second,
        recordings=one.view.recordings,
        approval=_approval(asked, one.approval) if one.approval is not None else None,
    )


def _approval(asked: Asked, one: Approval) -> ApprovalView:
    return ApprovalView(
        id=one.id,
        state=one.state,
        why=one.why,
        asked_at=one.asked_at,
        expires_at=one.expires_at,
        is_mine=one.asked_by == asked.user.user_id,
    )


ROUTES = (
    Route(
        method="GET",
        path="/holds",
        name="holds",
        handler=show_holds,
        permission=Permission.HOLD_PLACE,
        template="holds/list.html",
        view=HoldsView,
        summary="Holds, the next to be reviewed first",
    ),
    Route(
        method="GET",
        path="/holds/{hold_id}",
        name="hold",
        handler=show_hold,
        permission=Permission.HOLD_PLACE,
        template="holds/hold.html",
        view=OneHoldView,
        summary="A hold, and what can be done about it",
    ),
    Route(
        method="POST",
        path="/holds/{hold_id}/extend",
        name="hold-extend",
        handler=extend,
        permission=Permission.HOLD_PLACE,
        form=ExtendForm,
        shown_by="hold",
        summary="Give a hold a later review day",
    ),
    Route(
        method="POST",
        path="/holds/{hold_id}/ask-release",
        name="hold-ask-release",
        handler=ask_release,
        permission=Permission.HOLD_RELEASE,
        form=AskForm,
        shown_by="hold",
        summary="Ask a second person to agree to the end of a hold",
    ),
    Route(
        method="POST",
        path="/approvals/{approval_id}/approve",
        name="approval-approve",
        handler=approve,
        permission=Permission.HOLD_RELEASE,
        step_up=True,
        shown_by="holds",
        summary="Agree to what somebody else asked for",
    ),
    Route(
        method="POST",
        path="/approvals/{approval_id}/refuse",
        name="approval-refuse",
        handler=refuse,
        permission=Permission.HOLD_RELEASE,
        step_up=True,
        shown_by="holds",
        summary="Do not agree to what somebody else asked for",
    ),
)
