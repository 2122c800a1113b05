"""What everybody may see: the accessibility statement, the choice of language, files, the description of the API."""

from dataclasses import dataclass
from typing import Literal

from ari_recorder.domain.errors import PageUnknown
from ari_recorder.web import cookies, openapi
from ari_recorder.web.asked import Access, Asked, Blob, Cookie, Page, Redirect, Route
from ari_recorder.web.forms import Form
from ari_recorder.web.house import HOUSE
from ari_recorder.web.paths import own_path
from ari_recorder.web.static import KINDS

# A browser forgets the language after a year of not being here.
_YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    """The accessibility statement is text alone; a program learns where to tell what is wrong."""

    feedback: str


class LanguageForm(Form):
    language: Literal["fi", "sv", "en"]
    next: str = "/"


async def show_statement(asked: Asked) -> Page:
    return Page(view=StatementView(feedback=asked.site.config.web.feedback))


async def choose_language(asked: Asked) -> Redirect:
    form = asked.form_as(LanguageForm)
    if asked.principal is not None and not asked.principal.is_machine:
        await asked.site.people.sessions.set_language(asked.principal, form.language)
    cookie = Cookie(name=cookies.LANGUAGE, value=form.language, age_seconds=_YEAR_SECONDS)
    return Redirect(to="home", path=own_path(form.next), cookies=(cookie,))


async def send_file(asked: Asked) -> Blob:
    found = asked.request.app[HOUSE].assets.find(str(asked.params["file"]))
    if found is None:
        raise PageUnknown
    return found


async def describe_api(asked: Asked) -> Blob:
    return Blob(body=openapi.describe(asked.request.app[HOUSE].routes.values()), content_type="application/json")


ROUTES = (
    Route(
        method="GET",
        path="/accessibility",
        name="accessibility",
        handler=show_statement,
        permission=Access.PUBLIC,
        template="accessibility.html",
        view=StatementView,
        summary="The accessibility statement",
    ),
    Route(
        method="POST",
        path="/language",
        name="language",
        handler=choose_language,
        permission=Access.PUBLIC,
        form=LanguageForm,
        summary="Choose a language",
    ),
    Route(
        method="GET",
        path="/static/{file}",
        name="static",
        handler=send_file,
        permission=Access.PUBLIC,
        media=tuple(KINDS.values()),
        also={304: "It is the one that is known."},
        summary="A style sheet, script or picture",
    ),
    Route(
        method="GET",
        path="/openapi.json",
        name="openapi",
        handler=describe_api,
        permission=Access.PUBLIC,
        media=("application/json",),
        summary="This description",
    ),
)
