"""The description of the API (OpenAPI 3.1), made from the table of routes: it cannot say what is not so.

What a program sends and gets is what the page's form and view are; errors have one shape everywhere.
"""

import json
import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ari_recorder.domain.accounts import Permission
from ari_recorder.web.answer import Moved, adapter
from ari_recorder.web.asked import Access, Redirect, Route, Stream
from ari_recorder.web.errors import ErrorView

_REF = "#/components/schemas/{model}"
_JSON = "application/json"
_ERROR = {"$ref": "#/components/responses/Error"}


def describe(routes: Iterable[Route]) -> bytes:
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    error = _schema(ErrorView, schemas)
    description = {
        "openapi": "3.1.0",
        "info": {
            "title": "ari-recorder",
            "version": version("ari-recorder"),
            "description": "Every page as JSON: send `Accept: application/json`, or add `?format=json`. Machines send "
            "a token and nothing else; `POST` takes JSON.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Error": {
                    "description": "What was refused and why, in the language that was asked for.",
                    "content": {
                        _JSON: {"schema": {"type": "object", "required": ["error"], "properties": {"error": error}}}
                    },
                }
            },
        },
    }
    return json.dumps(description, indent=1, sort_keys=True).encode()


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary or route.name,
        "description": _for_whom(route),
        "parameters": [*_path_parameters(route.path), *_query_parameters(route, schemas)],
        "responses": {"200": _success(route, schemas), "default": _ERROR},
    }
    if route.permission is not Access.PUBLIC:
        operation["security"] = [{"token": []}]
    if route.form is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": _model(route.form, schemas)}},
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


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"} if name.endswith("_id") else {"type": "string"},
        }
        for name in re.findall(r"\{(\w+)[^}]*\}", path)
    ]


def _query_parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    model = _model(route.query, schemas)
    shape = schemas[model["$ref"].rpartition("/")[2]]
    return [
        {"name": name, "in": "query", "required": name in shape.get("required", []), "schema": schema}
        for name, schema in shape.get("properties", {}).items()
    ]


def _success(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if route.view is not None and route.template:
        shape = _schema(route.view, schemas)
        if _may_send_on(route):
            shape = {"anyOf": [shape, _schema(Moved, schemas)]}
        return {"description": "The page.", "content": {_JSON: {"schema": shape}}}
    if route.method == "POST" and not _sends_bytes(route):
        return {
            "description": "Done; where a browser would be sent on to.",
            "content": {_JSON: {"schema": _schema(Moved, schemas)}},
        }
    return {"description": "The bytes.", "content": {"*/*": {}}}


def _sends_bytes(route: Route) -> bool:
    return get_type_hints(route.handler).get("return") is Stream


def _may_send_on(route: Route) -> bool:
    """A page that is not for everybody at every time: its handler says so."""
    answer = get_type_hints(route.handler).get("return")
    return Redirect in (answer, *get_args(answer))


def _model(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    _, found = models_json_schema([(model, "validation")], ref_template=_REF)
    schemas.update(found.get("$defs", {}))
    return {"$ref": _REF.format(model=model.__name__)}


def _schema(view: type, schemas: dict[str, Any]) -> dict[str, Any]:
    found = adapter(view).json_schema(mode="serialization", ref_template=_REF)
    schemas.update(found.pop("$defs", {}))
    schemas[view.__name__] = found
    return {"$ref": _REF.format(model=view.__name__)}
