"""Around every request: a name for it, a limit of time, errors as answers, the headers that are always there.

guarded ─► answered in time, or refused ─► router ─► web/answer.py
"""

import asyncio
import contextlib
import secrets
from uuid import UUID

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from ari_recorder.domain.accounts import Permission
from ari_recorder.domain.errors import (
    AnswerLate,
    BodyTooLong,
    FramingRefused,
    MethodRefused,
    NotFound,
    PageUnknown,
    PermissionMissing,
    PersonNeeded,
    RecorderError,
)
from ari_recorder.web import who
from ari_recorder.web.forms import FormProblems
from ari_recorder.web.headers import secure
from ari_recorder.web.house import ASKED, HOUSE, LIMIT, MOST_BYTES, REQUEST_ID, SECONDS, STARTED
from ari_recorder.web.refusal import refuse

log = structlog.get_logger(__name__)


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[REQUEST_ID] = secrets.token_hex(8)
    began = asyncio.get_running_loop().time()
    response = await _answered(request, handler)
    if not response.prepared:
        secure(response, request[REQUEST_ID])
    asked = request.get(ASKED)
    log.info(
        "web_answer",
        request_id=request[REQUEST_ID],
        method=request.method if request.method.isalpha() else "?",
        route=asked.route.name if asked is not None else "",
        status=response.status,
        user=str(asked.principal.user_id) if asked is not None and asked.principal is not None else "",
        milliseconds=round((asyncio.get_running_loop().time() - began) * 1000),
    )
    return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(SECONDS) as limit:
            request[LIMIT] = limit
            who.check_framing(request)
            who.check_host(request, request.app[HOUSE].names)
            return await handler(request)
    except web.HTTPException as told:
        error, allowed = _ours(told)
    except (RecorderError, FormProblems) as refusal:
        error, allowed = refusal, ""
        await _noted(request, refusal)
    except TimeoutError:
        error, allowed = AnswerLate(seconds=int(SECONDS)), ""
    except ConnectionError:
        raise  # the other side has gone
    except Exception as failure:
        error, allowed = failure, ""
    if request.get(STARTED):
        # It cannot be taken back: who reads sees the connection end before the length it was told.
        log.warning("web_cut", request_id=request[REQUEST_ID], error=type(error).__name__)
        raise ConnectionResetError from error
    response = await refuse(request, error)
    if allowed:
        response.headers["Allow"] = allowed
    if isinstance(error, AnswerLate | BodyTooLong | FramingRefused):
        response.force_close()  # more of it may still be on its way
    if response.status == 503:
        response.headers["Retry-After"] = "5"
    return response


async def _noted(request: web.Request, refusal: RecorderError | FormProblems) -> None:
    """Somebody who is logged in wanted what is not theirs."""
    asked = request.get(ASKED)
    if asked is None or asked.principal is None:
        return
    of_route = asked.route.permission
    about = _about(request)
    # What is gone for everybody is no secret, and a page that is none nobody's.
    is_unknown = isinstance(refusal, NotFound) and refusal.code.endswith("_unknown") and about
    if isinstance(refusal, RecorderError) and (is_unknown or isinstance(refusal, PermissionMissing | PersonNeeded)):
        await request.app[HOUSE].site.refusals.note(
            asked.principal,
            of_route if isinstance(of_route, Permission) else None,
            about,
            refusal.code,
            asked.route.name,
        )


def _about(request: web.Request) -> str:
    """The object in the path, when there is one. What else stands there is typed text, and personal maybe."""
    for name, value in reversed(request.match_info.items()):
        if name.endswith("_id"):
            with contextlib.suppress(ValueError):
                return f"{name.removesuffix('_id')}:{UUID(value)}"
    return ""


def _ours(told: web.HTTPException) -> tuple[Exception, str]:
    """aiohttp's own refusals as ours, and which methods are allowed."""
    match told:
        case web.HTTPMethodNotAllowed():
            return MethodRefused(), ",".join(sorted(told.allowed_methods))
        case web.HTTPRequestEntityTooLarge():
            return BodyTooLong(limit_bytes=MOST_BYTES), ""
        case web.HTTPNotFound():
            return PageUnknown(), ""
        case _:
            return told, ""
