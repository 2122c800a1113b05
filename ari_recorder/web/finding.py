"""Finding recordings: what was asked for stands in the address, but for a telephone number, which is sealed there. The
page of one recording: web/recordings.py.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.errors import SearchRefused
from ari_recorder.domain.ledger import LedgerState
from ari_recorder.domain.retention import HELSINKI, local_day
from ari_recorder.services.search import Results, Search
from ari_recorder.web import answer, cookies
from ari_recorder.web.asked import Asked, Page, Redirect, Route
from ari_recorder.web.form import WHOLE, Clock, Day, Form, YesNo
from ari_recorder.web.languages import N_

# Each with its first and its last day, so many days ago.
_SPANS = ((N_("Today"), 0, 0), (N_("Yesterday"), 1, 1), (N_("The last 7 days"), 6, 0))

_Text = Annotated[str, Field(max_length=200)]


def _as_seconds(value: object) -> object:
    """A length as the list shows it, 2:30, or in seconds."""
    if not isinstance(value, str) or (clock := _CLOCK.fullmatch(value.strip())) is None:
        return value
    hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return 3600 * hours + 60 * minutes + seconds


_CLOCK = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5][0-9])", re.ASCII)
_Seconds = Annotated[int, Field(ge=0, le=86_400), WHOLE, BeforeValidator(_as_seconds)]


class SearchQuery(Form):
    """What is asked for, as it stands in an address. A telephone number does not: addresses are kept in many places.
    `caller`: what it was sealed to, for who looks for it alone."""

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
    caller: _Text = ""
    place: Annotated[str, Field(max_length=120)] = ""


class NumberForm(SearchQuery):
    """The form of the page. Without a number it is a search like any other."""

    number: Annotated[str, Field(max_length=40)] = ""


class FilterForm(SearchQuery):
    name: Annotated[str, Field(min_length=1, max_length=60)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    id: UUID
    name: str
    query: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanView:
    """Days people ask for most; the rest of the search stays."""

    name: str
    query: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """`asked`: what was asked for, as in an address. `number`: that was looked for."""

    results: Results
    asked: dict[str, str]
    number: str
    queues: tuple[str, ...]
    spans: tuple[SpanView, ...]
    filters: tuple[SavedView, ...]


async def show_list(asked: Asked) -> Page:
    query = asked.query_as(SearchQuery)
    number = asked.site.searches.open_number(asked.user, query.caller) if query.caller else ""
    view = await _listed(asked, query, number)
    return Page(
        view=view, cookies=(cookies.search(_as_query(query) | ({"place": query.place} if query.place else {})),)
    )


async def find_number(asked: Asked) -> Page | Redirect:
    """By POST, so that the number stands in no address. A browser is sent on, to an address it can come back to."""
    form = asked.form_as(NumberForm)
    if answer.wants_json(asked.request):
        return Page(view=await _listed(asked, form, form.number))
    query = {name: value for name, value in _as_query(form).items() if name != "caller"}
    if form.number:
        query["caller"] = asked.site.searches.seal_number(asked.user, form.number)
    return Redirect(to="recordings", query=query)


async def _listed(asked: Asked, query: SearchQuery, number: str) -> ListView:
    searches = asked.site.searches
    results = await searches.find(asked.user, _search(query, number), query.place)
    saved = await searches.saved(asked.user)
    return ListView(
        results=results,
        asked=_as_query(query),
        number=number,
        queues=await searches.queues(asked.user),
        spans=_spans(asked, _as_query(query)),
        filters=tuple(SavedView(id=one.id, name=one.name, query=_of_search(search)) for one, search in saved),
    )


def _spans(asked: Asked, query: dict[str, str]) -> tuple[SpanView, ...]:
    today = local_day(asked.now)
    rest = {name: value for name, value in query.items() if not name.startswith(("since", "until"))}
    return tuple(
        SpanView(
            name=asked.text(name),
            query={
                "since": (today - timedelta(days=first)).isoformat(),
                "until": (today - timedelta(days=last)).isoformat(),
                **rest,
            },
        )
        for name, first, last in _SPANS
    )


async def save_filter(asked: Asked) -> Redirect:
    form = asked.form_as(FilterForm)
    await asked.site.searches.save(asked.user, form.name, _search(form, ""))
    return Redirect(to="recordings", query=_as_query(form), notice=asked.text("The filter is saved."))


async def remove_filter(asked: Asked) -> Redirect:
    await asked.site.searches.remove(asked.user, asked.id("filter_id"))
    return Redirect(to="recordings", notice=asked.text("The filter is removed."))


def _search(query: SearchQuery, number: str) -> Search:
    # A day that is named last is meant to its end, and so is a minute.
    until = _moment(query.until, query.until_time or time(23, 59), last=True)
    for day, clock in ((query.since, query.since_time), (query.until, query.until_time)):
        if day is None and clock is not None:
            raise SearchRefused(field="time", reason="wants its day, too")
    return Search(
        started_from=_moment(query.since, query.since_time or time(), last=False),
        started_before=until + timedelta(minutes=1) if until is not None else None,
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


def _moment(day: date | None, clock: time, *, last: bool) -> datetime | None:
    """In the night the clocks are changed a time comes twice, or never: no call falls out because of that."""
    if day is None:
        return None
    both = [datetime.combine(day, clock.replace(tzinfo=None, fold=fold), HELSINKI).astimezone(UTC) for fold in (0, 1)]
    return max(both) if last else min(both)


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
        shown_by="recordings",
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
)
