"""The first page: it leads everybody to the own work."""

from dataclasses import dataclass

from ari_recorder.web.asked import Access, Asked, Page, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    full_name: str


async def show_home(asked: Asked) -> Page:
    return Page(view=HomeView(full_name=asked.user.full_name))


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
