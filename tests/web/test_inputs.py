"""What comes in is decoded once, is only what was asked for, and is there once; what goes out into addresses and JSON
is still one value there."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from ari_recorder.web import render
from ari_recorder.web.forms import Form
from ari_recorder.web.routes import NAV, ROUTES
from ari_recorder.web.static import Assets
from tests.web.house import STRANGER, House
from tests.web.test_every_route import may, path_of

EVIL = "</script>\u2028\"'&<!--[{,}]%22+/?#\\ä"
# Nothing a browser would run: no script in the page, no handler in an attribute, no text that is taken as HTML.
UNSAFE = re.compile(r"\|\s*safe\b|<script(?![^>]* src=)|\son\w+=|autoescape\s+false|javascript:|<style|\sstyle=", re.I)
LINK = re.compile(r"""(?:href|src|action|formaction|data-peaks)="((?:\{\{.*?\}\}|[^"{])*)\"""")
# What is put into an address is made by these two, on the first page by web/home.py with the first of them, or it is
# where this page itself was asked for.
MADE = re.compile(
    r"\{\{ (?:url\(.*\)|static\(.*\)|one\.address|here_path) \}\}(?:#t=\{\{ view\.at or 0 \}\}|#[a-z-]+)?"
    r"|#field-\{\{ name \}\}"
)


async def test_what_was_typed_is_decoded_once(house: House) -> None:
    visitor = house.stranger()
    got = await visitor.ask(
        "POST",
        "/login",
        data=f"name=%2541%26lt%3B%2b+x&csrf={visitor.proof()}",
        headers={"Origin": house.address},
    )
    assert 'value="%41&amp;lt;+ x"' in got.text
    got = await visitor.get("/login?next=%2Faudit%3Faction%3D%2541")
    assert 'value="/audit?action=%41"' in got.text
    supervisor = await house.visitor("supervisor")
    assert (await supervisor.get("/%252e%252e/recordings")).status == 404
    assert (await supervisor.get("/recordings%252fx")).status == 404


async def test_only_the_fields_of_a_form_are_taken(house: House) -> None:
    """Somebody who may send it adds a field: it is refused, whatever else is right."""
    for route in ROUTES:
        if route.form is None:
            continue
        assert issubclass(route.form, Form)
        assert route.form.model_config["extra"] == "forbid", route.name
        who = next(who for who in ("privacy-officer", "administrator", "supervisor", STRANGER) if may(route, who))
        visitor = await house.visitor(who)
        if route.step_up:
            await house.step_up(visitor, who)
        got = await visitor.post(path_of(route), {"is_administrator": "true"}, json=True)
        assert got.status == 422, route.name
        error = got.json()["error"]
        assert error["code"] == "form_refused", route.name
        assert "There is no such field." in error["message"], route.name
    for route in ROUTES:
        assert route.query is None or route.query.model_config["extra"] == "forbid", route.name


async def test_a_parameter_given_twice_is_refused_and_none_of_them_taken(house: House) -> None:
    visitor = house.stranger()
    for body in (
        "name=aino&name=beda&password=x",
        "name=aino&password=x&password=y",
        "name=a&password=b&next=/&next=/",
    ):
        got = await visitor.ask(
            "POST", "/login", data=body, headers={"Origin": house.address, "X-CSRF-Token": visitor.proof()}
        )
        assert got.status == 422, body
        assert not got.set_cookies, body
    # What stands in the address is no field, and no field is a query.
    got = await visitor.post("/login?name=aino&password=x", {})
    assert got.status == 422
    assert set((await visitor.post("/login?name=aino", {}, json=True)).json()["error"]["fields"]) == {
        "name",
        "password",
    }
    got = await visitor.get("/login?next=/a&next=/b", Accept="application/json")
    assert got.status == 422
    proof = visitor.proof()
    got = await visitor.ask("POST", "/login", data=f"csrf={proof}&csrf={proof}", headers={"Origin": house.address})
    assert got.status == 403


async def test_what_needs_no_preflight_changes_nothing(house: House) -> None:
    """The kinds of requests that any page of the web may make a browser send without asking us first."""
    visitor = await house.visitor("supervisor")
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""):
        for body in (json.dumps({"csrf": visitor.proof()}), f"csrf={visitor.proof()}", ""):
            got = await visitor.ask(
                "POST",
                "/log-out",
                data=body,
                headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Content-Type": kind},
            )
            assert got.status == 403, kind
            # From a page of ours too, what is none of the two kinds that are read is not looked into.
            if kind in ("text/plain", "multipart/form-data; boundary=x") and body:
                headers = {"Origin": house.address, "Content-Type": kind, "X-CSRF-Token": visitor.proof()}
                assert (await visitor.ask("POST", "/language", data=body, headers=headers)).status == 415, kind
    assert (await visitor.ask("OPTIONS", "/log-out", headers={"Origin": "https://evil.example"})).status == 405
    assert (await visitor.get("/")).status == 200


async def test_json_and_html_hold_any_text_as_one_value(house: House) -> None:
    known = await house.person("aino")
    async with house.site.database.transaction() as conn:
        await conn.execute("UPDATE account SET full_name = $2 WHERE id = $1", known.account_id, EVIL)
    visitor = await house.visitor("aino")
    got = await visitor.get("/account?format=json")
    assert got.headers["Content-Type"].startswith("application/json")
    assert json.loads(got.text)["full_name"] == EVIL
    text = (await visitor.get("/account")).text
    assert "</script>\u2028" not in text
    assert "<!--" not in text


def test_templates_have_nothing_in_them_that_a_browser_would_run() -> None:
    for path in render.TEMPLATES.rglob("*.html"):
        assert not UNSAFE.findall(path.read_text()), path


def test_addresses_in_templates_are_made_by_one_function() -> None:
    seen = 0
    for path in render.TEMPLATES.rglob("*.html"):
        for address in LINK.findall(path.read_text()):
            if "{" in address:
                assert MADE.fullmatch(address), f"{path.name}: {address}"
                seen += 1
    assert seen > 50


@pytest.mark.parametrize("evil", [EVIL, "../../x", "//evil.example", "javascript:alert(1)", "a&b=c", "%2e%2e"])
def test_what_stands_in_an_address_is_one_part_of_it(evil: str) -> None:
    routes = {route.name: route for route in ROUTES}
    templates = render.Templates(routes, NAV, Assets())
    address = templates.url("ledger-day", {"next": evil}, day=evil)
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("", "")
    assert parts.path.count("/") == routes["ledger-day"].path.count("/")
    assert parse_qs(parts.query) == {"next": [evil]}
    assert not parts.fragment


async def test_neither_folders_nor_what_lies_beside_the_pages_is_served(house: House) -> None:
    visitor = await house.visitor("administrator")
    for path in (
        *("/static", "/static/", "/static/frame.css", "/static/%2f"),
        *("/.git", "/.git/HEAD", "/.git/config", "/.svn/entries", "/.hg/", "/.env", "/robots.txt", "/web/app.py"),
        *("/templates/frame.html", "/debug", "/server-status", "/.well-known/x"),
    ):
        got = await visitor.get(path, Accept="application/json")
        assert (got.status, got.json()["error"]["code"]) == (404, "page_unknown"), path
