"""What every request needs of the web itself: routes, templates, files, languages. Built once by web/app.py."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from ari_recorder.services.site import Site
from ari_recorder.web.asked import Asked, Route
from ari_recorder.web.languages import Words
from ari_recorder.web.render import Templates
from ari_recorder.web.static import Assets

# One form, one page of JSON: far less, and a thousand strangers may send one at once. Recordings are never sent.
MOST_BYTES = 128 * 1024
# For an answer, and for each piece of a stream.
SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class Names:
    """How people reach the page. Which port it is, is known for sure when the socket is bound."""

    scheme: str = "https"
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    site: Site
    routes: Mapping[str, Route]
    words: Mapping[str, Words]
    templates: Templates
    assets: Assets
    names: Names = field(default_factory=Names)


HOUSE = web.AppKey("house", House)
# What is known of a request so far: an error page needs it too.
ASKED = web.RequestKey("asked", Asked)
REQUEST_ID = web.RequestKey("request_id", str)
# Set when bytes of the answer have left: an error can then only end the connection.
STARTED = web.RequestKey("started", bool)
LIMIT = web.RequestKey("limit", asyncio.Timeout)
