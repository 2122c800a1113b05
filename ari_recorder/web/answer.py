"""The way of one request, from its route to the response.

    from a page of ours? ─► who asks ─► may they? ─► path, query, form have the wanted shape ─► handler ─► HTML | JSON
        └ 403                └ 503       └ 401, 403      └ 404, 400, 422

HTML and JSON come from the same handler and the same view. A form that is refused is shown again with what is wrong.
Errors leave here as they are: web/refusal.py.
"""

import asyncio
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import TypeAdapter

from ari_recorder.domain.accounts import STEP_UP, Permission, Principal, authorise, stepped_up
from ari_recorder.domain.errors import (
    DatabaseNotReady,
    NotFound,
    PageUnknown,
    PermissionMissing,
    PersonNeeded,
    RecorderError,
    SessionOver,
    StepUpNeeded,
    Unavailable,
)
from ari_recorder.services.listenings import Again
from ari_recorder.web import cookies, forms, who
from ari_recorder.web.asked import Access, Answer, Asked, Blob, Cookie, Page, Problems, Redirect, Route, Stream
from ari_recorder.web.errors import fault
from ari_recorder.web.form import ID_PATTERN
from ari_recorder.web.headers import CLEAR, FOR_EVER, secure
from ari_recorder.web.house import ASKED, HOUSE, LIMIT, REQUEST_ID, SECONDS, STARTED
from ari_recorder.web.languages import N_

# A browser asks for this with everything else; a program that wants JSON says so, or adds ?format=json.
_JSON = "application/json"
# draft-ietf-httpapi-idempotency-key-header; of forms it is a field.
ORDER_HEADER = "Idempotency-Key"
_ORDER = re.compile(ID_PATTERN)
_NO_ORDER = N_("The id of the order is not one of ours: 36 characters, as in a UUID.")
# What no other filling in of the form would mend.
_ELSEWHERE = (NotFound, PermissionMissing, SessionOver, StepUpNeeded, Unavailable)


async def respond(route: Route, request: web.Request) -> web.StreamResponse:
    is_machine = who.bearer(request) is not None
    if not is_machine:
        who.check_site(request, request.app[HOUSE].names)
    asked = await recognise(route, request)
    sent = forms.Sent()
    if request.method not in who.SAFE:
        sent = await forms.read(request)
        if not is_machine:
            who.check_proof(request.headers.get(who.PROOF_HEADER, sent.proof), asked)
        asked = _with_order(asked, request.headers.get(ORDER_HEADER, sent.order or None))
    asked = replace(_entitled(asked), params=_params(request))
    request[ASKED] = asked
    return await show(asked, await _handled(asked, sent))


async def recognise(route: Route, request: web.Request) -> Asked:
    """Who asks, and in which language. What is known is kept with the request: an error page needs it too."""
    house = request.app[HOUSE]
    site = house.site
    settings = site.config.web
    asked = Asked(
        site=site,
        route=route,
        request=request,
        words=house.words[who.language(request, settings)],
        now=site.now(),
        request_id=request[REQUEST_ID],
        address=who.address(request, settings),
        session=request.cookies.get(cookies.SESSION, ""),
        device=request.cookies.get(cookies.DEVICE, ""),
        visit=request.cookies.get(cookies.VISIT, ""),
    )
    request[ASKED] = asked
    is_open = route.permission is Access.PUBLIC and request.method in who.SAFE
    try:
        if not site.usable.is_set() and not is_open:
            raise DatabaseNotReady(database=site.database.name)
        principal = await _principal(asked) if site.usable.is_set() else None
    except Unavailable:
        if not is_open:
            raise
        principal = None  # what everybody may see is seen without the database too
    if principal is not None:
        asked = replace(asked, principal=principal, words=house.words[principal.language])
    request[ASKED] = asked
    return asked


def _with_order(asked: Asked, given: object) -> Asked:
    """Whoever gets no answer sends the same again; with the id of the order it is carried out once."""
    if given is None:
        return asked
    if not isinstance(given, str) or _ORDER.fullmatch(given) is None:
        raise forms.FormProblems(Problems(notice=asked.text(_NO_ORDER)))
    if asked.principal is None:
        return asked
    return replace(asked, principal=replace(asked.principal, command=UUID(given)))


def once_more(asked: Asked) -> Again:
    """The request is looked at anew: its session or token, and the rights of that moment."""

    async def again() -> Principal:
        return (await recognise(asked.route, asked.request)).user

    return again


async def _principal(asked: Asked) -> Principal | None:
    """None: nobody. A token that is none is refused: its program would not notice otherwise."""
    sessions = asked.site.people.sessions
    token = who.bearer(asked.request)
    if token is not None:
        return await sessions.machine(token, asked.where)
    if not asked.session:
        return None
    try:
        return await sessions.principal(asked.session, asked.where)
    except SessionOver:
        return None


def _entitled(asked: Asked) -> Asked:
    """With the scope of the permission. A route without permission is not served at all: web/app.py."""
    permission = asked.route.permission
    if permission is Access.PUBLIC:
        return asked
    if asked.principal is None:
        raise SessionOver
    if isinstance(permission, Permission):
        scope = authorise(asked.principal, permission, now=asked.now, step_up=asked.route.step_up)
        return replace(asked, scope=scope)
    if permission is Access.PERSON and asked.principal.is_machine:
        raise PersonNeeded
    if asked.route.step_up and not stepped_up(asked.principal, asked.now):
        raise StepUpNeeded(minutes=STEP_UP // timedelta(minutes=1))
    return asked


def _params(request: web.Request) -> Mapping[str, UUID | str]:
    """Names that end with _id are UUIDs; what is none is not there."""
    params: dict[str, UUID | str] = {}
    for name, value in request.match_info.items():
        if name.endswith("_id"):
            try:
                params[name] = UUID(value)
            except ValueError:
                raise PageUnknown from None
            if str(params[name]) != value:  # {…}, urn:uuid:… and capitals are not addresses of ours
                raise PageUnknown
        else:
            params[name] = value
    return params


async def _handled(asked: Asked, sent: forms.Sent) -> Answer:
    route = asked.route
    is_json = sent.json is not None
    if asked.request.method in who.SAFE:
        sent = replace(sent, fields=_query(asked))
    try:
        if route.query is not None:
            asked = _with_query(asked, route.query)
        if route.form is not None:
            asked = replace(asked, form=forms.checked(route.form, sent, asked.words))
        else:
            forms.nothing(sent, asked.words)
        return await route.handler(asked)
    except forms.FormProblems as refusal:
        if is_json or not shows_form_again(asked):
            raise
        return await _again(asked, replace(refusal.problems, values=_typed(route, sent.fields)), 422)
    except _ELSEWHERE:
        raise
    except RecorderError as refusal:
        error = await asked.site.told(asked.user.command if asked.principal is not None else None, refusal)
        if is_json or not shows_form_again(asked):
            raise error from None
        told = fault(error, asked.words, asked.request_id, is_known=asked.principal is not None)
        return await _again(asked, Problems(values=_typed(route, sent.fields), notice=told.view.message), told.status)


def _typed(route: Route, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the form; of a search, that which stands behind the question mark."""
    model = route.form or route.query
    known = model.model_fields if model is not None else {}
    return {name: value for name, value in data.items() if name in known}


def _with_query(asked: Asked, model: type[forms.Form]) -> Asked:
    """What stands behind the question mark. On a page, a mistake in it is shown beside the field."""
    try:
        return replace(asked, query=forms.checked(model, forms.Sent(fields=_query(asked)), asked.words))
    except forms.FormProblems as refusal:
        if wants_json(asked.request) or any(field.is_required() for field in model.model_fields.values()):
            raise
        return replace(asked, query=model(), problems=refusal.problems)


def _query(asked: Asked) -> dict[str, Any]:
    given = forms.gathered(list(asked.request.query.items()))
    return {name: value for name, value in given.items() if name != "format"}


def shows_form_again(asked: Asked) -> bool:
    return bool(asked.route.shown_by) and not wants_json(asked.request)


async def _again(asked: Asked, problems: Problems, status: int) -> Answer:
    """The page of the form, with what was typed and what is wrong with it."""
    page = asked.request.app[HOUSE].routes[asked.route.shown_by]
    query = page.query() if page.query is not None else None
    problems = replace(problems, form=asked.route.name)
    again = replace(asked, route=page, form=None, query=query, problems=problems)
    asked.request[ASKED] = again
    answer = await page.handler(again)
    return replace(answer, status=status) if isinstance(answer, Page) else answer


def wants_json(request: web.Request) -> bool:
    if request.query.get("format") == "json" or request.content_type == _JSON or who.bearer(request) is not None:
        return True
    accepted = request.headers.get("Accept", "")
    return _JSON in accepted and "text/html" not in accepted


async def show(asked: Asked, answer: Answer) -> web.StreamResponse:
    # The page of a form that is shown again is another one than was asked for.
    asked = asked.request[ASKED]
    match answer:
        case Page():
            response = _page(asked, answer)
        case Redirect():
            response = _redirect(asked, answer)
        case Blob():
            return _blob(asked, answer)
        case Stream():
            return await _stream(asked, answer)
    _set_cookies(asked, answer, response)
    return response


def _set_cookies(asked: Asked, answer: Page | Redirect | Stream, response: web.StreamResponse) -> None:
    if who.bearer(asked.request) is None:  # a machine has its token, and no cookie
        for cookie in answer.cookies:
            cookies.set_on(response, cookie)


def _page(asked: Asked, page: Page) -> web.Response:
    if wants_json(asked.request):
        return web.Response(body=as_json(page.view), status=page.status, content_type=_JSON)
    given = {cookie.name: cookie.value for cookie in page.cookies}
    secret = given.get(cookies.SESSION) or asked.session or asked.visit
    fresh = "" if secret else cookies.new_secret()
    noticed = asked.request.cookies.get(cookies.NOTICE, "")
    html = asked.request.app[HOUSE].templates.html(
        asked,
        asked.route.template,
        page.view,
        csrf=cookies.proof(secret or fresh),
        notice=cookies.read_notice(noticed),
    )
    response = web.Response(text=html, status=page.status, content_type="text/html")
    if fresh:
        cookies.set_on(response, Cookie(name=cookies.VISIT, value=fresh))
    if noticed:
        cookies.set_on(response, Cookie(name=cookies.NOTICE, age_seconds=0))
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a program is told where a browser is sent on."""

    location: str
    notice: str
    result: Any = None


def _redirect(asked: Asked, redirect: Redirect) -> web.Response:
    house = asked.request.app[HOUSE]
    location = redirect.path or house.templates.url(redirect.to, redirect.query, **redirect.params)
    if wants_json(asked.request):
        moved = Moved(location=location, notice=redirect.notice, result=redirect.view)
        response = web.Response(body=as_json(moved), content_type=_JSON)
    else:
        response = web.Response(status=303, headers={"Location": location})
        if redirect.notice:
            cookies.set_on(response, cookies.notice(redirect.notice))
    if redirect.forget:
        response.headers["Clear-Site-Data"] = CLEAR
    return response


def _blob(asked: Asked, blob: Blob) -> web.Response:
    headers = {"Content-Type": blob.content_type}
    if blob.content_type.startswith("text/"):
        headers["Content-Type"] += "; charset=utf-8"
    if blob.etag:
        headers |= {"ETag": f'"{blob.etag}"', "Cache-Control": FOR_EVER}
        known = asked.request.if_none_match or ()
        if any(tag.value in (blob.etag, "*") for tag in known):
            return web.Response(status=304, headers=headers)
    return web.Response(body=blob.body, headers=headers)


async def _stream(asked: Asked, stream: Stream) -> web.StreamResponse:
    """Each piece has the time of an answer: one who reads slowly is not waited for longer."""
    request = asked.request
    response = web.StreamResponse(status=stream.status, headers={**stream.headers, "Content-Type": stream.content_type})
    if stream.size_bytes is not None:
        response.content_length = stream.size_bytes
    secure(response, asked.request_id)
    _set_cookies(asked, stream, response)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    # Who goes away in the middle leaves a generator behind: it is closed here, not when somebody collects it.
    async with contextlib.aclosing(stream.chunks) as chunks:
        # What refuses at the first piece can still say so.
        first = await anext(chunks, b"")
        request[STARTED] = True
        await response.prepare(request)
        clock = asyncio.get_running_loop().time
        await response.write(first)
        async for chunk in chunks:
            await response.write(chunk)
            request[LIMIT].reschedule(clock() + SECONDS)
    await response.write_eof()
    return response


def as_json(view: object) -> bytes:
    return adapter(type(view)).dump_json(view)


def adapter(kind: type) -> TypeAdapter[Any]:
    """How a view becomes JSON. Making one takes milliseconds, so each is made once."""
    return _adapter(kind)


@lru_cache(maxsize=500)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
