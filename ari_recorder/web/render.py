"""From a view to HTML: templates with everything escaped, and what every template may use.

view                       what the handler gave
_("…"), _n("…", "…", n)    a sentence in the user's language; values are escaped
url("name", key=…)         the address of a page; static("file.css") of a file
user, may("…"), nav        who asks, what they may, where they can go
searched                   the last search of recordings, as its address has it; None when there was none
problems                   what is wrong with the form that is shown again
told, told_cases           what enums of recordings, and of cases, are called
words                      dates, numbers, durations (parts.html has macros for them)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import uuid4

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from ari_recorder.domain.accounts import Permission
from ari_recorder.web import cookies, told, told_cases
from ari_recorder.web.asked import Access, Asked, Route
from ari_recorder.web.languages import NAMES
from ari_recorder.web.static import Assets

TEMPLATES = Path(__file__).parent / "templates"
# What turns the direction of writing round: a number or a name from the PBX with one of them reads as another one, and
# no language of ours is written so.
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody can go from every page."""

    route: str
    label: str
    # A sentence for the first page: what is done there.
    about: str
    # The place it belongs to: it is shown once somebody is there, so that the first row stays short.
    within: str = ""


class _Compiled(BytecodeCache):
    """In memory, by name and content: whoever makes one application after the other compiles no template twice."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (code := self._code.get(bucket.key)) is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class Templates:
    """The templates, compiled once."""

    def __init__(self, routes: Mapping[str, Route], nav: tuple[Place, ...], assets: Assets) -> None:
        self._routes = routes
        self._nav = nav
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            bytecode_cache=_COMPILED,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            static=assets.url,
            url=self.url,
            language_names=NAMES,
            told=told,
            told_cases=told_cases,
            order=lambda: str(uuid4()),
        )

    def names(self) -> list[str]:
        return self._environment.list_templates()

    def url(self, name: str, query: Mapping[str, object] | None = None, /, **params: object) -> str:
        path = self._routes[name].path.format_map({key: quote(str(value), safe="") for key, value in params.items()})
        return f"{path}?{urlencode(dict(query))}" if query else path

    def html(self, asked: Asked, template: str, view: object, *, csrf: str, notice: str = "") -> str:
        """`csrf` goes into every form of the page."""
        words = asked.words
        principal = asked.principal

        def may(permission: str) -> bool:
            return principal is not None and principal.may(Permission(permission))

        page = self._environment.get_template(template).render(
            _=words.html,
            _n=words.html_plural,
            words=words,
            language=words.language,
            view=view,
            user=principal,
            may=may,
            nav=self.rows(asked),
            here=asked.route.name,
            here_path=self._here(asked),
            problems=asked.problems,
            csrf=csrf,
            notice=notice,
            searched=cookies.read_search(asked.request.cookies.get(cookies.SEARCH, "")) if principal else None,
            organisation=asked.site.config.web.organisation,
            feedback=asked.site.config.web.feedback,
            request_id=asked.request_id,
            now=asked.now,
        )
        return page.translate(_DIRECTIONS)

    def places(self, asked: Asked) -> list[Place]:
        """Where who asks can go."""
        return [place for place in self._nav if reachable(self._routes[place.route], asked)]

    def rows(self, asked: Asked) -> tuple[list[Place], list[Place]]:
        """The places as they are shown: a first row, and one of those within the place where somebody is. What is
        within one that is out of reach stands in the first."""
        places = self.places(asked)
        there = {place.route for place in places}
        first = [place for place in places if place.within not in there]
        here = next((place for place in places if place.route == asked.route.name), None)
        head = here.within or here.route if here is not None else ""
        return first, [place for place in places if head and place.within == head and place not in first]

    @staticmethod
    def _here(asked: Asked) -> str:
        """Where this page can be had again; `//name` would be another house's."""
        path, resource = asked.request.path_qs, asked.request.match_info.route.resource
        # A form that is sent to the address of its own page is shown again there.
        is_here = asked.request.method in ("GET", "HEAD") or (resource and resource.canonical == asked.route.path)
        return path if is_here and not path.startswith("//") else "/"


def reachable(route: Route, asked: Asked) -> bool:
    """May who asks go there?"""
    match route.permission:
        case Access.PUBLIC:
            return True
        case Access.SIGNED_IN | Access.PERSON:
            return asked.principal is not None
        case Permission() as permission:
            return asked.principal is not None and asked.principal.may(permission)
        case None:
            return False
