"""Log-in and log-out, and the fresh code for what is sensitive. What is right is decided by services/login.py.

/login ── name, password ──► ticket in a cookie ──► /login/code ── code ──► session, device ──► where one wanted to go
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ari_recorder.domain.errors import LogInOver
from ari_recorder.web import cookies
from ari_recorder.web.asked import Access, Asked, Cookie, Page, Redirect, Route
from ari_recorder.web.forms import Form
from ari_recorder.web.paths import own_path

# As long as the ticket itself: services/login.py.
_TICKET_SECONDS = 300
# A browser that was not used for so long is new again: storage/sessions.py.
_DEVICE_SECONDS = 180 * 24 * 3600
Code = Annotated[str, Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """`next` is where to go on afterwards."""

    next: str


class NextQuery(Form):
    next: str = "/"


class LoginForm(Form):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    # The services refuse what is too long for a password, and take their time for it.
    password: Annotated[str, Field(min_length=1, max_length=4096)]
    next: str = "/"


class CodeForm(Form):
    code: Code
    next: str = "/"


async def show_login(asked: Asked) -> Page:
    return Page(view=LoginView(next=_next(asked)))


async def begin(asked: Asked) -> Redirect:
    form = asked.form_as(LoginForm)
    ticket = await asked.site.people.login.begin(form.name, form.password, asked.where)
    return Redirect(
        to="login-code",
        query={"next": own_path(form.next)},
        cookies=(Cookie(name=cookies.TICKET, value=ticket, age_seconds=_TICKET_SECONDS),),
    )


async def show_code(asked: Asked) -> Page | Redirect:
    if not asked.request.cookies.get(cookies.TICKET):
        return Redirect(to="login", query={"next": _next(asked)})
    return Page(view=LoginView(next=_next(asked)))


async def second_step(asked: Asked) -> Redirect:
    form = asked.form_as(CodeForm)
    try:
        ticket = asked.request.cookies.get(cookies.TICKET, "")
        entered = await asked.site.people.login.second_step(ticket, form.code.strip(), asked.where)
    except LogInOver as over:
        return Redirect(
            to="login",
            query={"next": own_path(form.next)},
            notice=asked.words.error(over),
            cookies=(Cookie(name=cookies.TICKET, age_seconds=0),),
        )
    before = asked.principal
    if before is not None and not before.is_machine:  # what this browser had is not left open behind it
        await asked.site.people.sessions.log_out(before)
    kept = [
        Cookie(name=cookies.SESSION, value=entered.session),
        Cookie(name=cookies.TICKET, age_seconds=0),
        Cookie(name=cookies.VISIT, age_seconds=0),
        Cookie(name=cookies.SEARCH, age_seconds=0),
    ]
    if entered.device is not None:
        kept.append(Cookie(name=cookies.DEVICE, value=entered.device, age_seconds=_DEVICE_SECONDS))
    left = entered.recovery_codes_left
    notice = ""
    if left is not None:
        notice = asked.words.plural(
            "You used a recovery code. {count} is left.", "You used a recovery code. {count} are left.", left
        )
    return Redirect(to="home", path=own_path(form.next), notice=notice, cookies=tuple(kept))


async def show_step_up(asked: Asked) -> Page:
    return Page(view=LoginView(next=_next(asked)))


async def step_up(asked: Asked) -> Redirect:
    form = asked.form_as(CodeForm)
    stepped = await asked.site.people.sessions.step_up(asked.user, asked.session, form.code.strip())
    return Redirect(to="home", path=own_path(form.next), cookies=(Cookie(name=cookies.SESSION, value=stepped.session),))


async def log_out(asked: Asked) -> Redirect:
    await asked.site.people.sessions.log_out(asked.user)
    return Redirect(
        to="login",
        notice=asked.text("You are logged out."),
        cookies=tuple(Cookie(name=name, age_seconds=0) for name in (cookies.SESSION, cookies.VISIT, cookies.SEARCH)),
        forget=True,
    )


def _next(asked: Asked) -> str:
    """Where to go on: of the form that is shown again, or of the address."""
    typed = asked.problems.values.get("next")
    return own_path(typed if isinstance(typed, str) else asked.query_as(NextQuery).next)


ROUTES = (
    Route(
        method="GET",
        path="/login",
        name="login",
        handler=show_login,
        permission=Access.PUBLIC,
        query=NextQuery,
        template="login/password.html",
        view=LoginView,
        summary="The log-in form",
    ),
    Route(
        method="POST",
        path="/login",
        name="login-begin",
        handler=begin,
        permission=Access.PUBLIC,
        form=LoginForm,
        shown_by="login",
        summary="Name and password; the second step follows",
    ),
    Route(
        method="GET",
        path="/login/code",
        name="login-code",
        handler=show_code,
        permission=Access.PUBLIC,
        query=NextQuery,
        template="login/code.html",
        view=LoginView,
        summary="The form of the second step",
    ),
    Route(
        method="POST",
        path="/login/code",
        name="login-finish",
        handler=second_step,
        permission=Access.PUBLIC,
        form=CodeForm,
        shown_by="login-code",
        summary="A code of the authenticator, or a recovery code",
    ),
    Route(
        method="GET",
        path="/step-up",
        name="step-up",
        handler=show_step_up,
        permission=Access.PERSON,
        query=NextQuery,
        template="login/step_up.html",
        view=LoginView,
        summary="The form for a fresh code",
    ),
    Route(
        method="POST",
        path="/step-up",
        name="step-up-code",
        handler=step_up,
        permission=Access.PERSON,
        form=CodeForm,
        shown_by="step-up",
        summary="A fresh code, for what is sensitive",
    ),
    Route(
        method="POST",
        path="/log-out",
        name="log-out",
        handler=log_out,
        permission=Access.PERSON,
        summary="End this session",
    ),
)
