"""Log-in: name and password, then the code. What is right is decided by services/login.py."""

from dataclasses import dataclass

from ari_recorder.web.asked import Access, Asked, Page, Route
from ari_recorder.web.forms import Form
from ari_recorder.web.paths import own_path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """`next` is where to go on afterwards."""

    next: str


class LoginQuery(Form):
    next: str = "/"


async def show_login(asked: Asked) -> Page:
    return Page(view=LoginView(next=own_path(asked.query_as(LoginQuery).next)))


ROUTES = (
    Route(
        method="GET",
        path="/login",
        name="login",
        handler=show_login,
        permission=Access.PUBLIC,
        query=LoginQuery,
        template="login.html",
        view=LoginView,
        summary="The log-in form",
    ),
)
