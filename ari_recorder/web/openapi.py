"""The description of the API (OpenAPI 3.1), made from the table of routes: it cannot say what is not so.

What a program sends and gets is what the page's form and view are; errors have one shape everywhere. Shapes of one name
that are not the same carry the name of their module.
"""

import json
import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from ari_recorder.domain.accounts import Permission
from ari_recorder.web import cookies, who
from ari_recorder.web.answer import ORDER_HEADER, Moved, adapter
from ari_recorder.web.asked import Access, Redirect, Route
from ari_recorder.web.errors import TITLES, ErrorView
from ari_recorder.web.form import DAY_PATTERN, ID_PATTERN, TEXT_PATTERN

_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_ABOUT = (
    "Every page as JSON: send `Accept: application/json`, or add `?format=json`. `POST` takes JSON: text, numbers and "
    "answers as the schemas have them, no other names, in UTF-8. Machines send a token and nothing else. Whoever asks "
    "with a cookie also says, to change something, where the request comes from (`Origin`, or `Sec-Fetch-Site: "
    "same-origin`), and proves it with `X-CSRF-Token`. Every answer has an `X-Request-ID` to quote."
)
_SCHEMES: dict[str, dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "Of a machine. It has one role in one unit."},
    "session": {"type": "apiKey", "in": "cookie", "name": cookies.SESSION, "description": "Of a person, from log-in."},
    "visit": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookies.VISIT,
        "description": "A secret that any page gives to whoever has no session, and that its forms want back.",
    },
    "proof": {
        "type": "apiKey",
        "in": "header",
        "name": who.PROOF_HEADER,
        "description": "Of the session, or of the visit: `csrf` in the forms of every page.",
    },
}
# What a path may hold beside ids, which are named so.
_IN_PATHS: dict[str, dict[str, Any]] = {
    "day": {"type": "string", "format": "date", "pattern": f"^{DAY_PATTERN}$"},
    "week": {"type": "string", "format": "date", "pattern": f"^{DAY_PATTERN}$"},
    "case": {"type": "string", "pattern": "^R[0-9]{4}-[0-9]{1,9}$"},
    "seq": {"type": "string", "pattern": "^[0-9]{1,15}$"},
}
_ID = {"type": "string", "format": "uuid", "pattern": f"^{ID_PATTERN}$"}

# What is refused, by status: everywhere (what is said badly, a token or a session that is none, what somebody may not,
# a host that is not ours, a part of the service away), and then where it can be.
_EVERYWHERE = (400, 401, 403, 421, 503)
_OF_POST = (404, 409, 413, 415, 422)
_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer: machines may come with a token."},
    503: {"Retry-After": "Seconds."},
}


def describe(routes: Iterable[Route]) -> bytes:
    table = tuple(routes)
    shapes = _Shapes(table)
    paths: dict[str, Any] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    description = {
        "openapi": "3.1.0",
        "info": {"title": "ari-recorder", "version": version("ari-recorder"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "securitySchemes": _SCHEMES,
            "responses": {str(status): _refusal(status, shapes) for status in TITLES},
        },
    }
    return json.dumps(description, indent=1, sort_keys=True).encode()


class _Shapes:
    """Every form, query and view of the table, each under one name."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        asked: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = []
        for kind in dict.fromkeys(one for route in routes for one in (route.form, route.query) if one is not None):
            asked.append((kind, "validation", TypeAdapter(kind)))
        for kind in dict.fromkeys((ErrorView, Moved, *(route.view for route in routes if route.view is not None))):
            asked.append((kind, "serialization", adapter(kind)))
        found, told = TypeAdapter.json_schemas(asked, ref_template=_REF)
        self._of = {kind: schema for (kind, _), schema in found.items()}
        self.components: dict[str, Any] = {}
        names = {name: _short(name) for name in told["$defs"]}
        if len(set(names.values())) < len(names):
            raise ValueError("two shapes of the API have one name")
        self._rename(told["$defs"], names)
        self._rename(self._of, names)
        for name, schema in told["$defs"].items():
            self.components[names[name]] = schema
        for kind in self._of:
            if issubclass(kind, BaseModel):
                _text_only(self.of(kind))

    def ref(self, kind: type) -> dict[str, Any]:
        return self._of[kind]

    def of(self, kind: type) -> dict[str, Any]:
        """Itself, not its name."""
        return self._followed(self._of[kind])

    def _followed(self, schema: dict[str, Any]) -> dict[str, Any]:
        ref = schema.get("$ref")
        return self.components[ref.rpartition("/")[2]] if ref else schema

    def _rename(self, schema: Any, names: dict[str, str]) -> None:
        """In place."""
        if isinstance(schema, dict):
            ref = schema.get("$ref")
            if isinstance(ref, str):
                schema["$ref"] = _REF.format(model=names[ref.rpartition("/")[2]])
            for one in schema.values():
                self._rename(one, names)
        elif isinstance(schema, list):
            for one in schema:
                self._rename(one, names)


def _short(name: str) -> str:
    """pydantic tells shapes of one name apart by the whole path of their module: its last part is enough."""
    return ".".join(name.split("__")[-2:])


def _text_only(schema: Any) -> None:
    """What web/forms.py asks of every text."""
    if isinstance(schema, dict):
        if schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const"}:
            schema["pattern"] = TEXT_PATTERN
        for one in schema.values():
            _text_only(one)
    elif isinstance(schema, list):
        for one in schema:
            _text_only(one)


def _operation(route: Route, shapes: _Shapes) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary or route.name,
        "description": _for_whom(route),
        "parameters": [*_path_parameters(route.path), *_query_parameters(route, shapes), *_order_parameter(route)],
        "responses": {
            "200": _success(route, shapes),
            **{str(status): {"description": told} for status, told in route.also.items()},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in _refused(route)},
        },
    }
    security = _security(route)
    if security:
        operation["security"] = security
    if route.form is not None:
        operation["requestBody"] = {
            "required": any(field.is_required() for field in route.form.model_fields.values()),
            "content": {_JSON: {"schema": shapes.ref(route.form)}},
        }
    return operation


def _for_whom(route: Route) -> str:
    match route.permission:
        case Permission() as permission:
            code = " A code given within the last minutes is wanted, so no token will do." if route.step_up else ""
            return f"Permission `{permission.value}`.{code}"
        case Access.SIGNED_IN:
            return "For everybody who is logged in."
        case Access.PERSON:
            return "For people who are logged in: not for machines."
        case _:
            return "For everybody."


def _security(route: Route) -> list[dict[str, list[str]]]:
    """Each of them will do; none is wanted where there is none."""
    proof = ["proof"] if route.method not in who.SAFE else []
    ways = [["session", *proof]]
    if route.permission is Access.PUBLIC:
        if not proof:
            return []
        ways.append(["visit", *proof])
    if route.permission is not Access.PERSON and not route.step_up:
        ways.append(["token"])
    return [{scheme: [] for scheme in way} for way in ways]


def _refused(route: Route) -> list[int]:
    statuses = {*_EVERYWHERE}
    if "{" in route.path:
        statuses |= {404, 409}
    if route.query is not None:
        statuses.add(422)
    if route.method not in who.SAFE:
        statuses |= {*_OF_POST}
        if route.permission in (Access.PUBLIC, Access.PERSON):
            statuses.add(429)
    return sorted(statuses)


def _refusal(status: int, shapes: _Shapes) -> dict[str, Any]:
    """What was refused and why, in the language that was asked for."""
    error = {"type": "object", "required": ["error"], "properties": {"error": shapes.ref(ErrorView)}}
    told: dict[str, Any] = {"description": f"{TITLES[status]}.", "content": {_JSON: {"schema": error}}}
    if status in _HEADERS:
        told["headers"] = {
            name: {"required": True, "description": description, "schema": {"type": "string"}}
            for name, description in _HEADERS[status].items()
        }
    return told


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _ID if name.endswith("_id") else _IN_PATHS.get(name, {"type": "string"}),
        }
        for name in re.findall(r"\{(\w+)[^}]*\}", path)
    ]


def _order_parameter(route: Route) -> list[dict[str, Any]]:
    if route.method in who.SAFE:
        return []
    told = "The same for each try of one order: it is carried out once, and a later try is told so (409)."
    return [{"name": ORDER_HEADER, "in": "header", "required": False, "description": told, "schema": _ID}]


def _query_parameters(route: Route, shapes: _Shapes) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    shape = shapes.of(route.query)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in shape.get("required", []),
            "schema": _in_address(schema),
        }
        for name, schema in shape.get("properties", {}).items()
    ]


def _in_address(schema: dict[str, Any]) -> dict[str, Any]:
    """An address holds text: what is nothing in JSON is left out of it, or left empty."""
    if schema.get("type") == "string":
        return schema
    ways = [way for way in schema.get("anyOf", [schema]) if way != {"type": "null"}]
    return {"anyOf": [*ways, {"const": ""}]}


def _success(route: Route, shapes: _Shapes) -> dict[str, Any]:
    if route.view is not None and route.template:
        shape = shapes.ref(route.view)
        if _may_send_on(route):
            shape = {"anyOf": [shape, shapes.ref(Moved)]}
        return {"description": "The page.", "content": {_JSON: {"schema": shape}}}
    if route.media or route.method in who.SAFE:
        return {"description": "The bytes.", "content": {kind: {} for kind in route.media or ("*/*",)}}
    return {
        "description": "Done; where a browser would be sent on to.",
        "content": {_JSON: {"schema": shapes.ref(Moved)}},
    }


def _may_send_on(route: Route) -> bool:
    """A page that is not for everybody at every time: its handler says so."""
    answer = get_type_hints(route.handler).get("return")
    return Redirect in (answer, *get_args(answer))
