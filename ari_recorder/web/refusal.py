"""What somebody sees who is refused, or finds us broken: the error as a page or as JSON, and no more than that.

Who must log in, or give a code first, is shown that form in place of the page; afterwards the page comes.
"""

import contextlib
from dataclasses import dataclass, replace

import structlog
from aiohttp import web

from ari_recorder.domain.errors import RecorderError, SessionOver, StepUpNeeded
from ari_recorder.supervise import where
from ari_recorder.web import answer, forms, who
from ari_recorder.web.asked import Access, Answer, Asked, Page, Route
from ari_recorder.web.errors import TITLES, ErrorView, Fault, fault, form_fault
from ari_recorder.web.house import ASKED, HOUSE

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    title: str
    status: int
    error: ErrorView


async def _nothing(asked: Asked) -> Answer:
    raise NotImplementedError(asked.route.name)


ERROR = Route(method="GET", path="/", name="error", handler=_nothing, permission=Access.PUBLIC, template="error.html")


async def refuse(request: web.Request, error: Exception) -> web.StreamResponse:
    asked = request.get(ASKED)
    if asked is None:
        asked = await _stranger(request)
    is_known = asked.principal is not None
    if isinstance(error, forms.FormProblems):
        problems = error.problems
        found = form_fault(problems.notice, problems.errors, asked.words, asked.request_id)
    else:
        found = fault(error, asked.words, asked.request_id, is_known=is_known)
    if found.status >= 500:
        _tell(asked, error, found)
    if answer.wants_json(request):
        return _json(found)
    if isinstance(error, SessionOver | StepUpNeeded):
        with contextlib.suppress(RecorderError):
            page = await _in_place(asked, "login" if isinstance(error, SessionOver) else "step-up", found.status)
            if isinstance(error, SessionOver) and who.followed_a_link(request):
                page.headers["Refresh"] = "0"
            return page
    return await _page(asked, found)


async def _in_place(asked: Asked, name: str, status: int) -> web.StreamResponse:
    """The form that is wanted first. It knows where to go on afterwards."""
    route = asked.request.app[HOUSE].routes[name]
    query = route.query.model_validate({"next": _back_to(asked)}) if route.query is not None else None
    asked = replace(asked, route=route, query=query, form=None)
    asked.request[ASKED] = asked
    page = await route.handler(asked)
    return await answer.show(asked, replace(page, status=status) if isinstance(page, Page) else page)


def _back_to(asked: Asked) -> str:
    """What was asked for, or the page whose form it was: a form is not sent a second time unseen."""
    if asked.request.method in who.SAFE:
        return asked.request.path_qs
    if asked.route.shown_by:
        return asked.request.app[HOUSE].templates.url(asked.route.shown_by, **asked.request.match_info)
    return "/"


def _tell(asked: Asked, error: Exception, found: Fault) -> None:
    """Never the text of an unknown error: it may hold anything."""
    log.error(
        "web_fail",
        request_id=asked.request_id,
        route=asked.route.name,
        status=found.status,
        code=found.view.code,
        error=type(error).__name__,
        where=where(error)[-6:] if not isinstance(error, RecorderError) else [],
    )


async def _stranger(request: web.Request) -> Asked:
    """Nothing is known yet: the address leads nowhere, or the name is not ours."""
    with contextlib.suppress(RecorderError):
        return await answer.recognise(ERROR, request)
    return request[ASKED]


def _json(found: Fault) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if found.status == 401 else {}
    body = b'{"error":' + answer.as_json(found.view) + b"}"
    return web.Response(body=body, status=found.status, headers=headers, content_type="application/json")


async def _page(asked: Asked, found: Fault) -> web.StreamResponse:
    asked = replace(asked, route=ERROR)
    asked.request[ASKED] = asked
    view = ErrorPage(title=asked.text(TITLES[found.status]), status=found.status, error=found.view)
    return await answer.show(asked, Page(view=view, status=found.status))
