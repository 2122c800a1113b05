"""The web application, put together from the table of routes. What is not declared in it is not served.

A route without a permission, or one that is added past the table, keeps the page from starting.
"""

import secrets
from collections.abc import Iterable
from functools import partial

from aiohttp import web

from ari_recorder.domain.accounts import Permission
from ari_recorder.services.site import Site
from ari_recorder.web import languages, who
from ari_recorder.web.answer import respond
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.headers import secure
from ari_recorder.web.house import HOUSE, MOST_BYTES, REQUEST_ID, House
from ari_recorder.web.middlewares import guarded
from ari_recorder.web.render import Place, Templates
from ari_recorder.web.static import Assets


class RouteRefused(Exception):
    """A route is not declared as it must be. A mistake in the program, told before anybody is served."""


def make_app(site: Site, routes: Iterable[Route], nav: tuple[Place, ...] = ()) -> web.Application:
    table = tuple(routes)
    check(table)
    by_name = {route.name: route for route in table}
    assets = Assets()
    app = web.Application(middlewares=[guarded], client_max_size=MOST_BYTES)
    app[HOUSE] = House(
        site=site, routes=by_name, words=languages.load(), templates=Templates(by_name, nav, assets), assets=assets
    )
    add_routes(app, table)
    app.on_response_prepare.append(_secured)
    app.on_startup.append(_nothing_undeclared)
    return app


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    for route in routes:
        if not isinstance(route.permission, Permission | Access):
            raise RouteRefused(f"{route.name} declares no permission: who may ask it?")
        # GET is HEAD too, with the same handler.
        add = app.router.add_get if route.method == "GET" else partial(app.router.add_route, route.method)
        add(route.path, partial(respond, route))


async def _secured(request: web.Request, response: web.StreamResponse) -> None:
    """What aiohttp answers by itself, before any of our own looks at it (417), has the headers too."""
    if REQUEST_ID not in request:
        secure(response, secrets.token_hex(8))


async def _nothing_undeclared(app: web.Application) -> None:
    for known in app.router.routes():
        if not isinstance(known.handler, partial) or known.handler.func is not respond:
            raise RouteRefused(f"{known.method} {known.resource} was added past the table of routes")


def check(routes: tuple[Route, ...]) -> None:
    names = {route.name: route for route in routes}
    if len(names) < len(routes):
        raise RouteRefused("two routes have one name")
    for route in routes:
        for problem in _problems(route, names):
            raise RouteRefused(f"{route.name}: {problem}")


def _problems(route: Route, names: dict[str, Route]) -> Iterable[str]:
    if route.method not in ("GET", "POST"):
        yield "pages are asked by GET, and changed by POST: forms know nothing else"
    if route.method in who.SAFE and route.form is not None:
        yield "a GET changes nothing, so it has no form"
    if route.template and route.view is None:
        yield "a page has a view, so that its JSON has a shape"
    if route.step_up and route.permission is Access.PUBLIC:
        yield "a code is asked of somebody who is logged in"
    page = names.get(route.shown_by)
    if route.shown_by and (page is None or page.method != "GET"):
        yield f"there is no page {route.shown_by} to show its form again"
