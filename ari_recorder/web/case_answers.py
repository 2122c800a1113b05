"""A case from the decision to its end: granted or refused, the package made, handed over, closed. Its page: cases.py.

What destroys, and what is given out, want a fresh code: they have pages of their own, so that nothing that was typed is
lost when the code is asked for.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.restriction import OpeningGround, RestrictionGround
from ari_recorder.domain.subject_requests import Decision, Handover
from ari_recorder.services.mail import link
from ari_recorder.services.request_answers import RefusalTerms
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.cases import CaseView, Line, Note, StepForm, Text, actor_of, back, number_of, show_case
from ari_recorder.web.form import Day, Id, YesNo


class DecideForm(StepForm):
    """`only`: recordings of the calls for which it is granted, where that is not all. `restricted_on`: of a
    restriction. `yes`: even if it destroys."""

    decision: Decision
    because: Text
    only: list[Id] = Field(default_factory=list, max_length=500)
    restricted_on: RestrictionGround | None = None
    yes: YesNo = False


class RefuseForm(StepForm):
    """Of a document the number of the decision; of anything else all but that."""

    ground: Ground | None = None
    reasons: Note = ""
    signatory: Line = ""
    signatory_title: Line = ""
    paper_reference: Annotated[str, Field(max_length=64)] = ""


class ExtendForm(StepForm):
    told_on: Day
    because: Text


class PackageForm(StepForm):
    """`mutes`: one part a line, "1 0:10 0:12.5 why". `ground`: of what is restricted."""

    mutes: Note = ""
    ground: OpeningGround | None = None


class HandOverForm(StepForm):
    way: Handover
    note: Note = ""


class TakeBackForm(StepForm):
    because: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageView:
    """Shown once, and kept nowhere. `megabytes`: how large the package is."""

    case: str
    link: str
    passphrase: str
    expires_at: datetime
    recordings: int
    megabytes: float


async def decide(asked: Asked) -> Redirect:
    form = asked.form_as(DecideForm)
    await asked.site.requests.decide(
        number_of(asked),
        form.version,
        form.decision,
        form.because,
        actor_of(asked),
        only=form.only or None,
        restricted_on=form.restricted_on,
        yes=form.yes,
    )
    return back(asked, asked.text("The decision is made. Now it is carried out."))


async def refuse(asked: Asked) -> Redirect:
    form = asked.form_as(RefuseForm)
    terms = RefusalTerms(
        ground=form.ground,
        reasons=form.reasons,
        signatory=form.signatory,
        signatory_title=form.signatory_title,
        paper_reference=form.paper_reference,
    )
    await asked.site.requests.refuse(number_of(asked), form.version, terms, actor_of(asked))
    return back(asked, asked.text("It is refused in writing. Give the person the paper."))


async def extend(asked: Asked) -> Redirect:
    form = asked.form_as(ExtendForm)
    await asked.site.requests.extend(number_of(asked), form.version, form.told_on, form.because, actor_of(asked))
    return back(asked, asked.text("The time to answer is extended."))


async def make_package(asked: Asked) -> Page:
    form = asked.form_as(PackageForm)
    number = number_of(asked)
    made = await asked.site.case_packages.make(asked.user, number, form.version, form.mutes, form.ground)
    view = PackageView(
        case=number,
        link=link(asked.site.config.web, made.path),
        passphrase=made.passphrase,
        expires_at=made.expires_at,
        recordings=len(made.recordings),
        megabytes=max(round(made.size_bytes / 1_000_000, 1), 0.1),
    )
    return Page(view=view)


async def hand_over(asked: Asked) -> Redirect:
    form = asked.form_as(HandOverForm)
    await asked.site.requests.hand_over(number_of(asked), form.version, form.way, form.note, actor_of(asked))
    return back(asked, asked.text("It is on record that the person has the answer."))


async def close(asked: Asked) -> Redirect:
    form = asked.form_as(StepForm)
    await asked.site.requests.close(number_of(asked), form.version, actor_of(asked))
    return back(asked, asked.text("The case is closed. Its recordings stay frozen until the time to appeal is over."))


async def take_back(asked: Asked) -> Redirect:
    form = asked.form_as(TakeBackForm)
    number = number_of(asked)
    await asked.site.requests.close(number, form.version, actor_of(asked), taken_back=form.because)
    return back(asked, asked.text("The case is closed: the person took the request back."))


ROUTES = (
    Route(
        method="GET",
        path="/cases/{case}/decision",
        name="case-decision",
        handler=show_case,
        permission=Permission.REQUEST_ANSWER,
        step_up=True,
        template="cases/decision.html",
        view=CaseView,
        summary="A case that waits for a decision, and what a decision does",
    ),
    Route(
        method="POST",
        path="/cases/{case}/decision",
        name="case-decide",
        handler=decide,
        permission=Permission.REQUEST_ANSWER,
        step_up=True,
        form=DecideForm,
        shown_by="case-decision",
        summary="Grant a request, all of it or in part, or answer that nothing was found",
    ),
    Route(
        method="POST",
        path="/cases/{case}/refusal",
        name="case-refuse",
        handler=refuse,
        permission=Permission.REQUEST_ANSWER,
        form=RefuseForm,
        shown_by="case",
        summary="Refuse a request, or the rest of one, with a certificate",
    ),
    Route(
        method="POST",
        path="/cases/{case}/extension",
        name="case-extend",
        handler=extend,
        permission=Permission.REQUEST_ANSWER,
        form=ExtendForm,
        shown_by="case",
        summary="Take longer to answer, once; the person was told why",
    ),
    Route(
        method="GET",
        path="/cases/{case}/package",
        name="case-package",
        handler=show_case,
        permission=Permission.RECORDING_EXPORT,
        step_up=True,
        template="cases/package.html",
        view=CaseView,
        summary="A case of which a copy was granted, and the recordings that belong into its package",
    ),
    Route(
        method="POST",
        path="/cases/{case}/package",
        name="case-package-make",
        handler=make_package,
        permission=Permission.RECORDING_EXPORT,
        step_up=True,
        form=PackageForm,
        shown_by="case-package",
        template="cases/made.html",
        view=PackageView,
        summary="Make the package of a case, to be fetched by a link, once",
    ),
    Route(
        method="POST",
        path="/cases/{case}/hand-over",
        name="case-hand-over",
        handler=hand_over,
        permission=Permission.REQUEST_ANSWER,
        form=HandOverForm,
        shown_by="case",
        summary="Record that the person has the answer, and that what was granted is done",
    ),
    Route(
        method="POST",
        path="/cases/{case}/close",
        name="case-close",
        handler=close,
        permission=Permission.REQUEST_ANSWER,
        form=StepForm,
        shown_by="case",
        summary="Close a case that was answered",
    ),
    Route(
        method="POST",
        path="/cases/{case}/take-back",
        name="case-take-back",
        handler=take_back,
        permission=Permission.REQUEST_ANSWER,
        form=TakeBackForm,
        shown_by="case",
        summary="Close a case whose person wants it no more",
    ),
)
