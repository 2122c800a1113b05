"""The first page: it leads everybody to the own work."""

from dataclasses import dataclass

from ari_recorder.web.account import NoticeView, RightView, notices, rights
from ari_recorder.web.asked import Access, Asked, Page, Route
from ari_recorder.web.house import HOUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkView:
    """A place to go, with what is done there."""

    name: str
    label: str
    about: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    full_name: str
    is_unconfirmed: bool
    work: tuple[WorkView, ...]
    rights: tuple[RightView, ...]
    notices: tuple[NoticeView, ...]


async def show_home(asked: Asked) -> Page:
    templates = asked.request.app[HOUSE].templates
    return Page(
        view=HomeView(
            full_name=asked.user.full_name,
            is_unconfirmed=asked.user.is_unconfirmed,
            work=tuple(
                WorkView(
                    name=place.route,
                    label=asked.text(place.label),
                    about=asked.text(place.about),
                    address=templates.url(place.route),
                )
                for place in templates.places(asked)
                if place.route != asked.route.name
            ),
            rights=rights(asked),
            notices=await notices(asked),
        )
    )


ROUTES = (
    Route(
        method="GET",
        path="/",
        name="home",
        handler=show_home,
        permission=Access.SIGNED_IN,
        template="home.html",
        view=HomeView,
        summary="Where to begin",
    ),
)
