"""The description of the API (OpenAPI 3.1), made from the table of routes: it cannot say what is not so.

What a program sends and gets is what the page's form and view are; errors have one shape everywhere.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ari_recorder import __version__
from ari_recorder.domain.accounts import Permission
from ari_recorder.web.answer import Moved, adapter
from ari_recorder.web.asked import Access, Route
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
            "version": __version__,
            "description": "Every page as JSON: send `Accept: application/json`, or add `?format=json`. Machines send a "
            "token and nothing else; `POST` takes JSON.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Error": {
                    "description": "What was refused and why, in the language that was asked for.",
                    "content": {
                        _JSON: {
                            "schema": {"type": "object", "required": ["error"], "properties": {"error": error}}
                        }
                    },
                }
            },
        },
    }
    return json.dumps(description, indent=1, sort_keys=True).encode()
