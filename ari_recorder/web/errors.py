"""From an error to an HTTP status and to what a person or a program is told. No page is written here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ari_recorder.domain.errors import (
    AnswerLate,
    BodyRefused,
    BodyTooLong,
    Conflict,
    Forbidden,
    FormRefused,
    HostUnknown,
    Invalid,
    LogInPaused,
    MethodRefused,
    NotFound,
    RecorderError,
    Unauthenticated,
    Unavailable,
)
from ari_recorder.web.languages import N_, Words, template_of
from ari_recorder.web.operators import OPERATORS

# The most special first: the first that fits counts.
_STATUSES: tuple[tuple[type[RecorderError], int], ...] = (
    (LogInPaused, 429),
    (Unauthenticated, 401),
    (MethodRefused, 405),
    (BodyTooLong, 413),
    (BodyRefused, 415),
    (HostUnknown, 421),
    (FormRefused, 422),
    (AnswerLate, 503),
    (Invalid, 400),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
)

TITLES = {
    400: N_("This cannot be accepted"),
    401: N_("Log in first"),
    403: N_("This is not allowed"),
    404: N_("There is no such page"),
    405: N_("This cannot be done here"),
    409: N_("This cannot be done now"),
    413: N_("This is too long"),
    415: N_("This is not a form"),
    421: N_("Nothing is served under this name"),
    422: N_("Something is missing or wrong"),
    429: N_("Too many attempts"),
    500: N_("Something went wrong here"),
    503: N_("The service cannot answer now"),
}
# Of what is away, strangers learn no more than that.
_AWAY = N_("A part of the service is away. Calls are recorded all the same. Try again in a moment.")
_BROKEN = N_("This is our fault, and it has been written down. Try again; if it stays, tell the request id below.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    """What is told of an error. `fields` are those of a form."""

    code: str
    message: str
    request_id: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    status: int
    view: ErrorView


def status_of(error: RecorderError) -> int:
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def fault(error: Exception, words: Words, request_id: str, *, is_known: bool) -> Fault:
    """`is_known`: somebody who logged in, and may be told what is away."""
    if not isinstance(error, RecorderError):
        view = ErrorView(code="internal_error", message=words.text(_BROKEN), request_id=request_id)
        return Fault(status=500, view=view)
    status = status_of(error)
    if isinstance(error, AnswerLate) or (is_known and error.code not in OPERATORS):
        message = words.error(error)
    elif isinstance(error, Unavailable):
        message = words.text(_AWAY)
    elif error.code in OPERATORS:
        message = words.text(TITLES[status])
    else:
        message = words.error(error)
    return Fault(status=status, view=ErrorView(code=error.code, message=message, request_id=request_id))


def form_fault(notice: str, fields: Mapping[str, str], words: Words, request_id: str) -> Fault:
    message = notice or words.text(template_of(FormRefused))
    return Fault(
        status=422, view=ErrorView(code=FormRefused.code, message=message, request_id=request_id, fields=fields)
    )
