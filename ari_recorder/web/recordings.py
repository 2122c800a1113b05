"""Finding recordings, and the page of one: facts, corrections, holds. Listening: web/listening.py."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.corrections import Correctable, Proposed
from ari_recorder.domain.errors import HoldUnknown, RecordingUnknown
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services.fates import Fate
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.recording_page import RecordingPage
from ari_recorder.services.search import Results, Search
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import DECIMAL, WHOLE, Clock, Day, Form, YesNo
from ari_recorder.web.told import destruction, ending

_Text = Annotated[str, Field(max_length=200)]
_Seconds = Annotated[int, Field(ge=0, le=86_400), WHOLE]


class SearchQuery(Form):
    """What is asked for, as it stands in an address. A telephone number does not: addresses are kept in many places."""

    since: Day | None = None
    since_time: Clock | None = None
    until: Day | None = None
    until_time: Clock | None = None
    queue: _Text = ""
    agent: _Text = ""
    flagged: YesNo | None = None
    held: YesNo | None = None
    at_least: _Seconds | None = None
    at_most: _Seconds | None = None
    ledger: LedgerState | None = None
    begins: Annotated[str, Field(max_length=40)] = ""
    destroyed: YesNo = False
    place: Annotated[str, Field(max_length=120)] = ""


class NumberForm(SearchQuery):
    number: Annotated[str, Field(min_length=1, max_length=40)]


class FilterForm(SearchQuery):
    name: Annotated[str, Field(min_length=1, max_length=60)]


class CorrectionForm(Form):
    field: Correctable
    subject: Annotated[str, Field(max_length=80)] = ""
    version: Annotated[int, Field(ge=0, le=100_000), WHOLE] = 0
    value: Annotated[str, Field(max_length=500)] = ""
    because: Annotated[str, Field(max_length=500)] = ""
    seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), DECIMAL] | None = None


class HoldForm(Form):
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    reference: Annotated[str, Field(min_length=1, max_length=64)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    review_on: Day


class ReleaseForm(Form):
    yes: YesNo = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    id: UUID
    name: str
    query: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """`asked`: what was asked for, as in an address. `number`: that was looked for, to be sent again with each page."""

    results: Results
    asked: dict[str, str]
    number: str
    queues: tuple[str, ...]
    filters: tuple[SavedView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingView:
    """`destruction`, `ending`: sentences about the retention and the end, in the user's language."""

    recording: RecordingPage
    destruction: str
    ending: str
    hold: Fate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView:
    hold_id: UUID
    fates: tuple[Fate, ...]
    at_once: int


# --- finding


async def show_list(asked: Asked) -> Page:
    query = asked.query_as(SearchQuery)
    return Page(view=await _listed(asked, query, ""))


async def find_number(asked: Asked) -> Page:
    """By POST, so that the number stands in no address."""
    form = asked.form_as(NumberForm)
    return Page(view=await _listed(asked, form, form.number))


async def _listed(asked: Asked, query: SearchQuery, number: str) -> ListView:
    searches = asked.site.searches
    results = await searches.find(asked.user, _search(query, number), query.place)
    saved = await searches.saved(asked.user)
    return ListView(
        results=results,
        asked=_as_query(query),
        number=number,
        queues=await searches.queues(asked.user),
        filters=tuple(SavedView(id=one.id, name=one.name, query=_of_search(search)) for one, search in saved),
    )


async def save_filter(asked: Asked) -> Redirect:
    form = asked.form_as(FilterForm)
    await asked.site.searches.save(asked.user, form.name, _search(form, ""))
    return Redirect(to="recordings", query=_as_query(form), notice=asked.text("The filter is saved."))


async def remove_filter(asked: Asked) -> Redirect:
    await asked.site.searches.remove(asked.user, asked.id("filter_id"))
    return Redirect(to="recordings", notice=asked.text("The filter is removed."))


def _search(query: SearchQuery, number: str) -> Search:
    return Search(
        started_from=_moment(query.since, query.since_time, timedelta()),
        # A day that is named last is meant to its end.
        started_before=_moment(query.until, query.until_time, timedelta(days=1)),
        queue=query.queue,
        agent=query.agent.strip(),
        number=number,
        flagged=query.flagged,
        held=query.held,
        at_least=timedelta(seconds=query.at_least) if query.at_least is not None else None,
        at_most=timedelta(seconds=query.at_most) if query.at_most is not None else None,
        ledger=query.ledger,
        begins=query.begins.strip(),
        destroyed=query.destroyed,
    )


def _moment(day: date | None, clock: time | None, whole_day: timedelta) -> datetime | None:
    if day is None:
        return None
    if clock is None:
        return datetime.combine(day + whole_day, time(), HELSINKI)
    # A minute that is named last is meant to its end, too.
    return datetime.combine(day, clock.replace(tzinfo=None), HELSINKI) + timedelta(minutes=bool(whole_day))


def _as_query(query: SearchQuery) -> dict[str, str]:
    """For an address: what was given, and no place."""
    given = SearchQuery.model_validate({name: getattr(query, name) for name in SearchQuery.model_fields})
    dumped = given.model_dump(mode="json", exclude_defaults=True, exclude={"place"})
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in dumped.items()}


def _of_search(search: Search) -> dict[str, str]:
    since = search.started_from.astimezone(HELSINKI) if search.started_from else None
    until = (search.started_before - timedelta(minutes=1)).astimezone(HELSINKI) if search.started_before else None
    query = SearchQuery(
        since=since.date() if since else None,
        since_time=since.time() if since and since.time() != time() else None,
        until=until.date() if until else None,
        until_time=until.time() if until and until.time() != time(23, 59) else None,
        queue=search.queue,
        agent=search.agent,
        flagged=search.flagged,
        held=search.held,
        at_least=int(search.at_least.total_seconds()) if search.at_least is not None else None,
        at_most=int(search.at_most.total_seconds()) if search.at_most is not None else None,
        ledger=search.ledger,
        begins=search.begins,
        destroyed=search.destroyed,
    )
    return _as_query(query)


# --- one recording


async def show_recording(asked: Asked) -> Page:
    found = await asked.site.pages.show(asked.user, asked.id("recording_id"))
    return Page(
        view=RecordingView(
            recording=found, destruction=destruction(asked.words, found.retention), ending=ending(asked, found)
        )
    )


async def correct(asked: Asked) -> Redirect:
    form = asked.form_as(CorrectionForm)
    proposed = Proposed(
        field=form.field,
        subject=form.subject,
        version=form.version,
        value=form.value,
        because=form.because,
        audio_offset=timedelta(seconds=form.seconds) if form.seconds is not None else None,
    )
    await asked.site.corrections.correct(asked.user, asked.id("recording_id"), proposed)
    return Redirect(
        to="recording", params=asked.params, notice=asked.text("The correction is kept beside the original.")
    )


async def place_hold(asked: Asked) -> Redirect:
    form = asked.form_as(HoldForm)
    recording_id = asked.id("recording_id")
    await asked.site.pages.inside(asked.reach, [recording_id])
    terms = HoldTerms(reason=form.reason, reference=form.reference, owner=form.owner, review_on=form.review_on)
    actor = asked.user.actor(Permission.HOLD_PLACE)
    await asked.site.holds.place([recording_id], terms, actor, asked.reach.queues)
    return Redirect(
        to="recording",
        params=asked.params,
        notice=asked.text("The call is held, with all its recordings in your units."),
    )


async def show_release(asked: Asked) -> Page:
    """What would become of its recordings, before anybody releases it."""
    fates = await _fates(asked)
    return Page(view=ReleaseView(hold_id=asked.id("hold_id"), fates=fates, at_once=sum(fate.at_once for fate in fates)))


async def release_hold(asked: Asked) -> Redirect:
    fates = await _fates(asked)
    yes = asked.form_as(ReleaseForm).yes
    await asked.site.hold_desk.release(asked.user, asked.id("hold_id"), yes=yes)
    return Redirect(
        to="recording",
        params={"recording_id": fates[0].recording_id},
        notice=asked.text("The hold is released."),
    )


async def _fates(asked: Asked) -> tuple[Fate, ...]:
    """Of the recordings of a hold, all of which lie within reach; another hold does not exist."""
    hold_id = asked.id("hold_id")
    fates = await asked.site.holds.preview_release(hold_id)
    try:
        await asked.site.pages.inside(asked.reach, [fate.recording_id for fate in fates])
    except RecordingUnknown:
        raise HoldUnknown(hold_id=hold_id) from None
    if not fates:
        raise HoldUnknown(hold_id=hold_id)
    return fates


ROUTES = (
    Route(
        method="GET",
        path="/recordings",
        name="recordings",
        handler=show_list,
        permission=Permission.RECORDING_LIST,
        query=SearchQuery,
        template="recordings/list.html",
        view=ListView,
        summary="Recordings, the newest first",
    ),
    Route(
        method="POST",
        path="/find/by-number",
        name="recordings-by-number",
        handler=find_number,
        permission=Permission.RECORDING_LIST,
        form=NumberForm,
        template="recordings/list.html",
        view=ListView,
        shown_by="recordings",
        summary="Recordings of one caller",
    ),
    Route(
        method="POST",
        path="/filters",
        name="filter-save",
        handler=save_filter,
        permission=Permission.RECORDING_LIST,
        form=FilterForm,
        shown_by="recordings",
        summary="Save a filter",
    ),
    Route(
        method="POST",
        path="/filters/{filter_id}/remove",
        name="filter-remove",
        handler=remove_filter,
        permission=Permission.RECORDING_LIST,
        summary="Remove a saved filter",
    ),
    Route(
        method="GET",
        path="/recordings/{recording_id}",
        name="recording",
        handler=show_recording,
        permission=Permission.RECORDING_VIEW,
        template="recordings/page.html",
        view=RecordingView,
        summary="All that is known of a recording",
    ),
    Route(
        method="POST",
        path="/recordings/{recording_id}/corrections",
        name="recording-correct",
        handler=correct,
        permission=Permission.RECORDING_CORRECT,
        form=CorrectionForm,
        shown_by="recording",
        summary="Correct what is kept of a call, or add a note",
    ),
    Route(
        method="POST",
        path="/recordings/{recording_id}/holds",
        name="hold-place",
        handler=place_hold,
        permission=Permission.HOLD_PLACE,
        form=HoldForm,
        shown_by="recording",
        summary="Hold a call",
    ),
    Route(
        method="GET",
        path="/holds/{hold_id}/release",
        name="hold-release",
        handler=show_release,
        permission=Permission.HOLD_RELEASE,
        step_up=True,
        template="recordings/release.html",
        view=ReleaseView,
        summary="What releasing a hold would destroy, and when",
    ),
    Route(
        method="POST",
        path="/holds/{hold_id}/release",
        name="hold-released",
        handler=release_hold,
        permission=Permission.HOLD_RELEASE,
        step_up=True,
        form=ReleaseForm,
        shown_by="hold-release",
        summary="Release a hold",
    ),
)
