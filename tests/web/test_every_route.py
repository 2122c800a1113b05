"""Every route, asked by everybody in every way that is not meant. New routes are here by themselves.

route × who (stranger, nobody's rights, each role, machine) × how (as meant, without proof, from elsewhere, other verbs)
"""

import re
from dataclasses import fields

import pytest

from ari_recorder.domain.accounts import PERMISSIONS, Permission, Role
from ari_recorder.web.asked import Access, Asked, Blob, Route
from ari_recorder.web.headers import HEADERS
from ari_recorder.web.routes import ROUTES
from tests.services.people import OPERATOR
from tests.site import record
from tests.web.guarded import assert_guarded
from tests.web.house import MACHINE, NOBODY, STRANGER, VISITORS, Got, House, Visitor, serving
from tests.web.samples import NOWHERE_ID, TEXTS

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
# Requests a route and visitor: enough to see each refusal once.
CSRF_WAYS: tuple[dict[str, str], ...] = (
    {},  # no word about where it comes from
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
)


def path_of(route: Route, id: str = NOWHERE_ID) -> str:
    def sample(found: re.Match[str]) -> str:
        name = found[1]
        return id if name.endswith("_id") else TEXTS[name]

    return re.sub(r"\{(\w+)[^}]*\}", sample, route.path)


def may(route: Route, who: str) -> bool:
    match route.permission:
        case Access.PUBLIC:
            return True
        case Access.SIGNED_IN:
            return who != STRANGER
        case Access.PERSON:
            return who not in (STRANGER, MACHINE)
        case Permission() as permission:
            role = Role.SUPERVISOR.value if who == MACHINE else who
            return role in [one.value for one in Role] and permission in PERMISSIONS[Role(role)]
    return False


def assert_secured(got: Got, what: str) -> None:
    for name, value in HEADERS.items():
        assert got.headers.get(name) == value, f"{what}: {name}"
    assert_guarded(got.headers, what)
    assert re.fullmatch(r"[0-9a-f]{16}", got.headers["X-Request-ID"]), what
    kept = got.headers["Cache-Control"]
    assert kept == "no-store" or "immutable" in kept, what
    kind = got.headers.get("Content-Type", "")
    assert not kind.startswith("text/") or kind.endswith("; charset=utf-8"), what
    assert bool(kind) == bool(got.text), what
    assert "Traceback" not in got.text, what
    assert 'File "' not in got.text, what
    for cookie in got.set_cookies:
        assert cookie.startswith("__Host-"), what
        assert "HttpOnly" in cookie, what
        assert "SameSite=Strict" in cookie, what


async def test_who_may_and_who_may_not(house: House) -> None:
    """A stranger is asked to log in; whoever has no right is told so; the others are let through to the page."""
    for who in VISITORS:
        for route in ROUTES:
            what = f"{route.method} {route.name} as {who}"
            visitor = await house.visitor(who)  # anew: some routes end the session
            got = await _as_meant(visitor, route)
            assert_secured(got, what)
            if may(route, who):
                if who == MACHINE and route.step_up:
                    assert _code(got) == "step_up_needed", what
                else:
                    assert got.status != 500, what
                    assert _code(got) not in ("session_over", "permission_missing", "request_forged"), what
            elif who == STRANGER:
                assert (got.status, _code(got)) == (401, "session_over"), what
            else:
                refused = "person_needed" if route.permission is Access.PERSON else "permission_missing"
                assert (got.status, _code(got)) == (403, refused), what


async def test_each_permission_lets_in_whom_the_table_says(house: House) -> None:
    """Whatever pages there are today: one for each permission, and one that wants a fresh code too."""
    probes = tuple(
        Route(
            method="GET",
            path=f"/probe/{'fresh' if step_up else 'plain'}/{permission.name}",
            name=f"probe-{permission.name}-{step_up}",
            handler=_reach,
            permission=permission,
            step_up=step_up,
        )
        for permission in Permission
        for step_up in (False, True)
    )
    async with serving(house.site, (*ROUTES, *probes)) as server:
        for who in VISITORS:
            visitor = await house.visitor(who)
            visitor.address = server.address
            house.people.watch.go(minutes=6)  # the code of the log-in is not fresh any more
            for probe in probes:
                got = await visitor.get(probe.path, Accept="application/json")
                what = f"{probe.name} as {who}"
                if who == STRANGER:
                    assert got.status == 401, what
                elif not may(probe, who):
                    assert (got.status, _code(got)) == (403, "permission_missing"), what
                elif probe.step_up:
                    assert (got.status, _code(got)) == (403, "step_up_needed"), what
                else:
                    assert got.status == 200, what
                    unit = "advice" if who in ("supervisor", "adviser", MACHINE) else "all"
                    assert got.text.startswith(unit), what


async def _reach(asked: Asked) -> Blob:
    queues = asked.reach.queues
    return Blob(body=(", ".join(sorted(queues)) if queues is not None else "all").encode(), content_type="text/plain")


async def test_what_lies_elsewhere_is_not_there(house: House) -> None:
    """An id nobody has, and words that are no id."""
    for who in VISITORS:
        visitor = await house.visitor(who)
        for route in ROUTES:
            if route.method != "GET" or "_id}" not in route.path or not may(route, who):
                continue
            for id in (NOWHERE_ID, "1", "..%2f..%2fetc%2fpasswd", "%00", NOWHERE_ID.upper() + "x", f"{{{NOWHERE_ID}}}"):
                got = await visitor.get(path_of(route, id), Accept="application/json")
                assert got.status in (403, 404) if route.step_up else got.status == 404, f"{route.name} {id}"


async def test_a_recording_of_another_unit_is_not_there(house: House) -> None:
    """The same answer as for one that nobody has, and another one for the unit's own supervisor."""
    recorded = await record(house.site.config, house.site.database)
    await house.people.rights.set_unit("elsewhere", frozenset({"elsewhere"}), "another unit", OPERATOR)
    await house.person("stranger-to-it")
    await house.people.give("stranger-to-it", Role.SUPERVISOR, "elsewhere")
    own, other = await house.visitor(Role.SUPERVISOR.value), await house.visitor("stranger-to-it")
    for route in ROUTES:
        if route.method != "GET" or "{recording_id}" not in route.path or not may(route, Role.SUPERVISOR.value):
            continue
        path = path_of(route, str(recorded.recording_id))
        if "_id}" in route.path.replace("{recording_id}", ""):
            continue  # of things in it, which nobody has made here
        refused, nowhere = await other.get(path), await other.get(path_of(route))
        assert refused.status == nowhere.status == 404, route.name
        assert _without_ids(refused) == _without_ids(nowhere), route.name
        assert (await own.get(path)).status != 404, route.name


def _without_ids(got: Got) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,64}", "", got.text)


async def test_nothing_is_changed_without_the_proof_of_a_page_of_ours(house: House) -> None:
    for who in (STRANGER, NOBODY, Role.SUPERVISOR.value):
        visitor = await house.visitor(who)
        for route in ROUTES:
            if route.method == "GET":
                continue
            for headers in CSRF_WAYS:
                got = await visitor.ask("POST", path_of(route), data={"csrf": visitor.proof()}, headers=headers)
                assert (got.status, "request_forged" in got.text) == (403, True), f"{route.name} as {who} {headers}"
            for proof in ("", "0" * 64, visitor.proof()[:-1]):
                headers = {"Origin": house.address, "Sec-Fetch-Site": "same-origin"}
                got = await visitor.ask("POST", path_of(route), data={"csrf": proof}, headers=headers)
                assert (got.status, "request_forged" in got.text) == (403, True), f"{route.name} as {who} {proof!r}"
        if who != STRANGER:
            assert (await visitor.get("/")).status == 200  # nothing of it ended the session


async def test_other_verbs_are_refused_with_those_that_are_meant(house: House) -> None:
    visitor = house.stranger()
    for path in sorted({path_of(route) for route in ROUTES}):
        meant = {verb for verb in VERBS if any(path_of(one) == path and one.method == verb for one in ROUTES)}
        for verb in VERBS:
            if verb in meant:
                continue
            got = await visitor.ask(verb, path)
            assert_secured(got, f"{verb} {path}")
            if verb == "TRACE":
                assert got.status in (400, 405)
            else:
                assert got.status == 405, f"{verb} {path}"
                assert meant <= set(got.headers["Allow"].replace(" ", "").split(",")), path


async def test_html_and_json_are_the_same_page(house: House) -> None:
    """With the same status, whoever asks; and JSON is what the view says."""
    for who in (NOBODY, Role.SUPERVISOR.value, Role.ADMINISTRATOR.value):
        visitor = await house.visitor(who)
        for route in ROUTES:
            if route.method != "GET" or not route.template:
                continue
            html = await visitor.get(path_of(route))
            data = await visitor.get(path_of(route), Accept="application/json")
            also = await visitor.get(path_of(route) + "?format=json")
            if html.status == 303:  # a program is told where, and goes there itself
                assert data.json()["location"] == html.headers["Location"], route.name
                continue
            assert html.status == data.status == also.status, route.name
            assert set(data.json()) == set(also.json()), route.name
            if html.status == 200:
                assert route.view is not None
                assert set(data.json()) == {one.name for one in fields(route.view)}, route.name
                assert f'lang="{visitor.language}"' in html.text
                assert 'action="/log-out"' in html.text


async def test_a_token_that_is_none_is_refused_everywhere(house: House) -> None:
    visitor = house.stranger()
    for token in ("ari_recorder_" + "x" * 43, "short", "ari_recorder_with blanks in it and more"):
        visitor.token = token
        for route in ROUTES:
            got = await _as_meant(visitor, route)
            assert got.status == 401, f"{route.name} {token}"
            assert got.headers["WWW-Authenticate"] == "Bearer"


async def test_a_machine_needs_no_proof_and_gets_no_cookie(house: House) -> None:
    visitor = await house.visitor(MACHINE)
    visitor.kept["__Host-session"] = "what a machine keeps is not looked at"
    for route in ROUTES:
        got = await _as_meant(visitor, route)
        assert not [one for one in got.set_cookies if "session" in one], route.name
        assert _code(got) != "request_forged", route.name


async def _as_meant(visitor: Visitor, route: Route) -> Got:
    """As JSON, so that refusals have their codes; a form is sent empty."""
    if route.method == "GET":
        return await visitor.get(path_of(route), Accept="application/json")
    return await visitor.post(path_of(route), {}, json=True)


def _code(got: Got) -> str:
    if not got.headers.get("Content-Type", "").startswith("application/json"):
        return ""
    told = got.json()
    return str(told["error"]["code"]) if isinstance(told, dict) and "error" in told else ""


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_route_tells_what_it_is(route: Route) -> None:
    assert route.permission is not None
    assert route.summary
    assert all(name.endswith("_id") or name in TEXTS for name in re.findall(r"\{(\w+)", route.path))
