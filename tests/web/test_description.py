"""The description of the API says of each route who may ask, with what, and what comes; each shape has one name."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ari_recorder.domain.accounts import Permission
from ari_recorder.web import openapi
from ari_recorder.web.asked import Access, Route
from ari_recorder.web.form import TEXT_PATTERN, Form
from ari_recorder.web.routes import ROUTES

DESCRIBED: dict[str, Any] = json.loads(openapi.describe(ROUTES))
SCHEMAS = DESCRIBED["components"]["schemas"]
Way = dict[str, list[str]]
SESSION: Way = {"session": []}
PROVED: Way = {"session": [], "proof": []}
VISIT: Way = {"visit": [], "proof": []}
TOKEN: Way = {"token": []}


def operation(name: str) -> dict[str, Any]:
    found = next(route for route in ROUTES if route.name == name)
    described: dict[str, Any] = DESCRIBED["paths"][found.path][found.method.lower()]
    return described


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("accessibility", []),
        ("login", []),
        ("login-begin", [PROVED, VISIT, TOKEN]),
        ("home", [SESSION, TOKEN]),
        ("recordings", [SESSION, TOKEN]),
        ("filter-save", [PROVED, TOKEN]),
        ("log-out", [PROVED]),
        ("step-up", [SESSION]),
        ("audit-export", [PROVED]),
        ("keys", [SESSION]),
    ],
)
def test_an_operation_says_who_may_ask(name: str, ways: list[Way]) -> None:
    assert operation(name).get("security", []) == ways
    assert all(scheme in DESCRIBED["components"]["securitySchemes"] for way in ways for scheme in way)


def test_an_operation_says_what_is_asked() -> None:
    body = operation("right-grant")["requestBody"]
    form = SCHEMAS[body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    assert (body["required"], form["additionalProperties"]) == (True, False)
    assert form["properties"]["valid_until"]["format"] == "date"
    assert form["properties"]["name"]["pattern"] == TEXT_PATTERN
    assert not operation("hold-released")["requestBody"]["required"]
    query = {one["name"]: one for one in operation("recordings")["parameters"]}
    least = {"type": "integer", "minimum": 0, "maximum": 86_400}
    assert query["at_least"]["schema"] == {"anyOf": [least, {"const": ""}]}
    assert query["flagged"]["schema"] == {"anyOf": [{"type": "boolean"}, {"const": ""}]}


def test_an_operation_says_what_comes() -> None:
    audio = operation("listening-audio")["responses"]
    assert set(audio["200"]["content"]) == {"audio/flac", "audio/ogg"}
    assert {"206", "416", "404", "401"} <= set(audio)
    assert "default" not in audio
    refused = DESCRIBED["components"]["responses"]
    assert refused["401"]["headers"]["WWW-Authenticate"]["required"]
    for path in DESCRIBED["paths"].values():
        for one in path.values():
            assert {"200", "400", "401", "403", "421", "503"} <= set(one["responses"])
            assert not {"500", "default"} & set(one["responses"])


def test_every_name_leads_to_one_shape() -> None:
    """Two pages may each have a form of that name."""
    text = json.dumps(DESCRIBED)
    for name in [one.split('"')[0] for one in text.split('"#/components/schemas/')[1:]]:
        assert name in SCHEMAS, name
    assert not [name for name in SCHEMAS if "__" in name]
    mine, other = SCHEMAS["rights.RightView"], SCHEMAS["account.RightView"]
    assert "granted_by" in mine["properties"]
    assert "granted_by" not in other["properties"]


def test_two_shapes_that_cannot_be_told_apart_stop_the_description() -> None:
    def made(module: str) -> type[Form]:
        return type("TwinForm", (Form,), {"__module__": module, "__annotations__": {module.replace(".", "_"): str}})

    like = Route(method="POST", path="/a", name="a", handler=_nothing, permission=Access.PUBLIC, form=made("one.twins"))
    with pytest.raises(ValueError, match="one name"):
        openapi.describe((*ROUTES, like, replace(like, path="/b", name="b", form=made("another.twins"))))


def test_shapes_of_every_kind_are_described() -> None:
    """A view that is shown by one route alone, too."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class LonelyView:
        name: str

    page = Route(
        method="GET",
        path="/lonely",
        name="lonely",
        handler=_nothing,
        permission=Permission.AUDIT_READ,
        template="lonely.html",
        view=LonelyView,
    )
    found = json.loads(openapi.describe((*ROUTES, page)))
    assert found["components"]["schemas"]["LonelyView"]["required"] == ["name"]


async def _nothing(asked: object) -> Any:
    raise NotImplementedError
