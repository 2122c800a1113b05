"""What a handler is given and what it may answer; no request is read and no answer written here.

Route ──► Asked ──► handler ──► Page       shown by the route's template, or the same view as JSON
                                Redirect   on to another page, after something was done
                                Stream     bytes, as they come
                                Blob       bytes that are there: a picture, a style sheet
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from ari_recorder.domain.accounts import Permission, Principal, Scope
from ari_recorder.domain.errors import SessionOver
from ari_recorder.services.login import Where
from ari_recorder.services.site import Site
from ari_recorder.web.form import Form
from ari_recorder.web.languages import Words

_Model = TypeVar("_Model", bound=BaseModel)


class Access(StrEnum):
    """For whom a page is that wants no permission."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    # Signed in, and no machine: what has to do with a session, a password, a phone.
    PERSON = "a person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """`age_seconds`: None lasts as long as the browser is open, 0 removes it."""

    name: str
    value: str = ""
    age_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A view to be shown. `view` is a frozen dataclass: what the template shows is what JSON has."""

    view: object
    status: int = 200
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """On to the page of that name, where `notice` is shown, in the user's language. JSON has both, and `view`."""

    to: str
    params: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    view: object = None
    cookies: tuple[Cookie, ...] = ()
    # Instead of `to`: a path of this service that somebody wanted before logging in.
    path: str = ""
    # The browser forgets what it was shown, pages to go back to as well.
    forget: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Bytes, sent as they come. Without `size_bytes` the length is not known before."""

    chunks: AsyncGenerator[bytes, None]
    content_type: str
    status: int = 200
    size_bytes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes that are there already. With `etag` they never change under their address, and browsers keep them."""

    body: bytes
    content_type: str
    etag: str = ""


Answer: TypeAlias = Page | Redirect | Stream | Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Problems:
    """What is wrong with a form: shown beside what was typed, so that nobody types it twice."""

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    # The route of the form: a page may have several with fields of one name.
    form: str = ""

    def __bool__(self) -> bool:
        return bool(self.errors or self.notice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page or an act. How to add one is told in web/routes.py."""

    method: str
    path: str
    name: str
    handler: Callable[["Asked"], Awaitable[Answer]]
    permission: Permission | Access | None = None
    step_up: bool = False
    form: type[Form] | None = None
    query: type[Form] | None = None
    template: str = ""
    view: type | None = None
    # The page whose form this is (a GET with the same parameters): it is shown again with what is wrong.
    shown_by: str = ""
    # What kind of bytes it sends, where it is neither a page nor sends on to one.
    media: tuple[str, ...] = ()
    # Statuses that are neither 200 nor a refusal, with a word for each.
    also: Mapping[int, str] = field(default_factory=dict)
    # A word for people who read the OpenAPI description.
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, checked: who asks may ask it, and what was typed has the wanted shape."""

    site: Site
    route: Route
    request: web.Request
    words: Words
    now: datetime
    request_id: str
    address: str
    principal: Principal | None = None
    scope: Scope | None = None
    params: Mapping[str, UUID | str] = field(default_factory=dict)
    form: Any = None
    query: Any = None
    problems: Problems = Problems()
    # The secrets of the cookies, when they came: of a session, of a known device, of this visit.
    session: str = ""
    device: str = ""
    visit: str = ""

    @property
    def user(self) -> Principal:
        if self.principal is None:
            raise SessionOver
        return self.principal

    @property
    def reach(self) -> Scope:
        """What the permission of this route reaches: it goes into every query."""
        if self.scope is None:
            raise SessionOver
        return self.scope

    @property
    def where(self) -> Where:
        """For the services of log-in."""
        return Where(address=self.address, request_id=self.request_id, device=self.device)

    @property
    def language(self) -> str:
        return self.words.language

    def id(self, name: str) -> UUID:
        """A parameter of the path whose name ends with _id."""
        value = self.params[name]
        if not isinstance(value, UUID):
            raise TypeError(f"{name} is not an id")
        return value

    def text(self, msgid: str, **values: object) -> str:
        """A sentence in the user's language."""
        return self.words.text(msgid, **values)

    def form_as(self, model: type[_Model]) -> _Model:
        """The form, typed. `form` is None while a page is only shown."""
        if not isinstance(self.form, model):
            raise TypeError(f"{self.route.name} has no {model.__name__}")
        return self.form

    def query_as(self, model: type[_Model]) -> _Model:
        if not isinstance(self.query, model):
            raise TypeError(f"{self.route.name} has no {model.__name__}")
        return self.query
