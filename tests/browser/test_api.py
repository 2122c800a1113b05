"""The tests' own probe of an API: what is wrong is found, and an operation that was left out is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.browser.api import Report, try_every_operation

ANSWER = {"type": "object", "required": ["length"], "properties": {"length": {"type": "integer"}}}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "calls", "version": "1"},
    "paths": {
        "/calls": {
            "get": {
                "operationId": "calls",
                "responses": {"200": {"description": "all", "content": {"application/json": {"schema": ANSWER}}}},
            }
        }
    },
}


async def tried(folder: Path, answer: dict[str, Any], status: int = 200) -> Report:
    async def describe(request: web.Request) -> web.Response:
        return web.json_response(DESCRIPTION)

    async def calls(request: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_get("/openapi.json", describe, allow_head=False)
    app.router.add_get("/calls", calls, allow_head=False)
    async with TestServer(app, host="127.0.0.1") as server:
        return await try_every_operation(str(server.make_url("")).rstrip("/"), folder, {}, examples=3)


@pytest.mark.parametrize(
    ("answer", "status", "failure"),
    [
        ({"length": 1}, 200, ""),
        ({"length": "long"}, 200, "Response violates schema: GET /calls"),
        ({"length": 1}, 500, "Server error: GET /calls"),
    ],
)
async def test_an_answer_that_is_not_as_described_is_found(
    tmp_path: Path, answer: dict[str, Any], status: int, failure: str
) -> None:
    report = await tried(tmp_path, answer, status)
    assert (report.selected, report.tested) == (1, 1)
    assert (failure in report.failures) if failure else not report.failures, report.failures


def test_an_operation_that_was_left_out_is_noticed() -> None:
    Report(selected=3, tested=3, failures=(), log="").assert_good()
    for selected, tested in ((3, 2), (0, 0)):
        with pytest.raises(AssertionError):
            Report(selected=selected, tested=tested, failures=(), log="").assert_good()
