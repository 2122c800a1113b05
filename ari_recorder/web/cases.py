"""Cases of data subjects, for the privacy officer: listed by the day they are to be answered, opened, and a page for
each with its history and what may be done next. Answers, from the decision to the end: web/case_answers.py.

Each form names the version of the case that was seen: of two officers at once the second sees it anew, and is told so.
"""

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.case_steps import Choice
from ari_recorder.domain.errors import PageUnknown
from ari_recorder.domain.refusal_certificates import GROUNDS
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.retention import local_day
from ari_recorder.domain.subject_requests import CERTIFIED, Channel, IdentityCheck, Kind, Method, Received
from ari_recorder.services.deliveries import Shown
from ari_recorder.services.request_list import Listed
from ari_recorder.services.subject_requests import Wanted, wanted_of
from ari_recorder.web import told_cases
from ari_recorder.web.asked import Asked, Blob, Page, Redirect, Route
from ari_recorder.web.form import WHOLE, Day, Form, Id, YesNo

Line = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Note = Annotated[str, Field(max_length=10_000)]


class StepForm(Form):
    """Of every step: the version that was seen."""

    version: Annotated[int, Field(ge=1, le=1_000_000), WHOLE]


class CasesQuery(Form):
    closed: YesNo = False


class WindowForm(Form):
    """Which calls it may be about; days are whole, both included."""

    number: Annotated[str, Field(max_length=40)] = ""
    queue: Annotated[str, Field(max_length=80)] = ""
    since: Day | None = None
    until: Day | None = None

    @property
    def wanted(self) -> Wanted | None:
        return wanted_of(self.number, self.queue, self.since, self.until)


class OpenForm(WindowForm):
    kind: Kind
    channel: Channel
    received_on: Day
    language: Literal["fi", "sv", "en"]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    contact: Text
    asked: Text
    proxy: Line = ""


class SearchForm(StepForm, WindowForm):
    pass


class IdentityForm(StepForm):
    method: Method
    proved: YesNo
    authorised: YesNo = False
    note: Note = ""


class ConfirmForm(StepForm):
    """Recordings of calls; a button of the page sends one of them."""

    theirs: list[Id] = Field(default_factory=list, max_length=500)
    not_theirs: list[Id] = Field(default_factory=list, max_length=500)


class PaperForm(StrEnum):
    HTML = "html"
    PDF = "pdf"


class CertificateQuery(Form):
    language: Literal["fi", "sv", "en"] = "fi"
    file: PaperForm = PaperForm.PDF


@dataclass(frozen=True, slots=True, kw_only=True)
class CasesView:
    """The next that is due first. `locked`: none can be opened or looked at now."""

    closed: bool
    locked: bool
    cases: tuple[Listed, ...]
    queues: tuple[str, ...]
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """`what`: in the language of who looks; `words`: what was typed."""

    version: int
    at: datetime
    by: str
    what: str
    words: tuple[str, ...] = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """A call that was found. `is_theirs` is None while nobody has said whose it is. `is_of_number`: it came from a
    number of the case. `recordings`: those that are there."""

    began_at: datetime
    recordings: tuple[UUID, ...]
    queues: tuple[str, ...]
    is_of_number: bool
    is_theirs: bool | None
    is_granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """`choices`: what may be done now. `waiting`: so many calls that may belong to it are not searched yet. `grounds`:
    on which a request of its kind is refused; none for a document. `two_persons`: who decided makes no package."""

    case: Listed
    choices: tuple[Choice, ...]
    channel: Channel
    language: str
    name: str = dataclasses.field(repr=False)
    contact: str = dataclasses.field(repr=False)
    asked: str = dataclasses.field(repr=False)
    proxy: str = dataclasses.field(repr=False)
    steps: tuple[StepView, ...]
    calls: tuple[CallView, ...]
    waiting: int
    has_certificate: bool
    paper_reference: str
    deliveries: tuple[Shown, ...]
    grounds: tuple[Ground, ...]
    two_persons: bool
    queues: tuple[str, ...]
    today: date


def actor_of(asked: Asked) -> Actor:
    return asked.user.actor(Permission.REQUEST_ANSWER)


def number_of(asked: Asked) -> str:
    """The case's, as the address has it."""
    return str(asked.params["case"])


def back(asked: Asked, notice: str) -> Redirect:
    return Redirect(to="case", params=asked.params, notice=notice)


async def show_cases(asked: Asked) -> Page:
    closed = asked.query_as(CasesQuery).closed
    view = CasesView(
        closed=closed,
        locked=asked.site.keyring.locked,
        cases=await asked.site.requests.list.cases(closed=closed),
        queues=_queues(asked),
        today=local_day(asked.now),
    )
    return Page(view=view)


async def show_case(asked: Asked) -> Page:
    """Looking at it is on record."""
    found = await asked.site.requests.list.show(number_of(asked), actor_of(asked))
    person = found.steps[0].words
    delivered = await asked.site.deliveries.listed(asked.user)
    view = CaseView(
        case=found.case,
        choices=tuple(found.choices),
        channel=Channel(found.channel),
        language=found.language,
        name=person["name"],
        contact=person["contact"],
        asked=person["asked"],
        proxy=person["proxy"],
        steps=tuple(
            StepView(
                version=one.step.version,
                at=one.step.made_at,
                by=one.step.made_by_name,
                what=told_cases.step(asked.words, one.step.step, one.step.facts),
                words=tuple(text for text in one.words.values() if text) if one is not found.steps[0] else (),
            )
            for one in found.steps
        ),
        calls=tuple(
            CallView(
                began_at=one.began_at,
                recordings=tuple(one.recordings),
                queues=tuple(one.queues),
                is_of_number=one.is_of_number,
                is_theirs=one.is_theirs,
                is_granted=one.is_granted,
            )
            for one in found.matches
        ),
        waiting=found.waiting,
        has_certificate=found.has_certificate,
        paper_reference=found.paper_reference,
        deliveries=tuple(one for one in delivered if one.reference == found.case.number),
        grounds=tuple(ground for ground, kinds in GROUNDS.items() if CERTIFIED.get(found.case.kind) in kinds),
        two_persons=asked.site.config.use.two_persons,
        queues=_queues(asked),
        today=local_day(asked.now),
    )
    return Page(view=view)


async def open_case(asked: Asked) -> Redirect:
    form = asked.form_as(OpenForm)
    request = Received(
        kind=form.kind,
        channel=form.channel,
        received_on=form.received_on,
        language=form.language,
        name=form.name,
        contact=form.contact,
        asked=form.asked,
        proxy=form.proxy,
    )
    wanted = form.wanted
    done = await asked.site.requests.open(request, [wanted] if wanted is not None else [], actor_of(asked))
    notice = asked.words.plural(
        "The case is opened. {count} call that it may be about is frozen.",
        "The case is opened. {count} calls that it may be about are frozen.",
        done.calls,
    )
    return Redirect(to="case", params={"case": done.case.number}, notice=notice)


async def identity(asked: Asked) -> Redirect:
    form = asked.form_as(IdentityForm)
    check = IdentityCheck(method=form.method, proved=form.proved, authorised=form.authorised, note=form.note)
    await asked.site.requests.identity(number_of(asked), form.version, check, actor_of(asked))
    return back(asked, asked.text("How it was looked at who asks is on record."))


async def search(asked: Asked) -> Redirect:
    form = asked.form_as(SearchForm)
    wanted = form.wanted or Wanted()
    done = await asked.site.requests.search(number_of(asked), form.version, wanted, actor_of(asked))
    notice = asked.words.plural(
        "{count} call belongs to the case now.", "{count} calls belong to the case now.", done.calls
    )
    return back(asked, notice)


async def confirm(asked: Asked) -> Redirect:
    form = asked.form_as(ConfirmForm)
    number = number_of(asked)
    await asked.site.requests.confirm(number, form.version, form.theirs, form.not_theirs, actor_of(asked))
    return back(asked, asked.text("Whose call it is, is on record."))


async def certificate(asked: Asked) -> Blob:
    """As it was given out; looking at it is on record."""
    query = asked.query_as(CertificateQuery)
    issued = await asked.site.requests.certificate(number_of(asked), actor_of(asked))
    one = next((document for document in issued.documents if document.language == query.language), None)
    if one is None:
        raise PageUnknown
    if query.file is PaperForm.HTML:
        return Blob(body=one.html.encode(), content_type="text/html")
    return Blob(body=one.pdf, content_type="application/pdf")


def _queues(asked: Asked) -> tuple[str, ...]:
    return tuple(queue.name for queue in asked.site.config.queues)


ROUTES = (
    Route(
        method="GET",
        path="/cases",
        name="cases",
        handler=show_cases,
        permission=Permission.REQUEST_ANSWER,
        query=CasesQuery,
        template="cases/list.html",
        view=CasesView,
        summary="Cases of data subjects, by the day they are to be answered",
    ),
    Route(
        method="POST",
        path="/cases",
        name="case-open",
        handler=open_case,
        permission=Permission.REQUEST_ANSWER,
        form=OpenForm,
        shown_by="cases",
        summary="Open a case: a request came, and what it may be about is frozen",
    ),
    Route(
        method="GET",
        path="/cases/{case}",
        name="case",
        handler=show_case,
        permission=Permission.REQUEST_ANSWER,
        template="cases/case.html",
        view=CaseView,
        summary="A case: what was asked, every step, its calls, and what may be done next",
    ),
    Route(
        method="POST",
        path="/cases/{case}/identity",
        name="case-identity",
        handler=identity,
        permission=Permission.REQUEST_ANSWER,
        form=IdentityForm,
        shown_by="case",
        summary="Record how it was looked at who asks",
    ),
    Route(
        method="POST",
        path="/cases/{case}/searches",
        name="case-search",
        handler=search,
        permission=Permission.REQUEST_ANSWER,
        form=SearchForm,
        shown_by="case",
        summary="Search for more calls that a case may be about, and freeze them",
    ),
    Route(
        method="POST",
        path="/cases/{case}/calls",
        name="case-confirm",
        handler=confirm,
        permission=Permission.REQUEST_ANSWER,
        form=ConfirmForm,
        shown_by="case",
        summary="Say of calls that were found whose they are",
    ),
    Route(
        method="GET",
        path="/cases/{case}/certificate",
        name="case-certificate",
        handler=certificate,
        permission=Permission.REQUEST_ANSWER,
        query=CertificateQuery,
        media=("application/pdf", "text/html"),
        summary="The certificate of refusal of a case, as it was given out",
    ),
)
