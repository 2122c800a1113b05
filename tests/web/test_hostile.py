"""What somebody sends who means ill, or whose program is broken: never an answer of 500, and nothing given away."""

import base64

import pytest

from ari_recorder.web import cookies
from tests.services.people import PASSWORD
from tests.site import record
from tests.web.house import MACHINE, Got, House, Visitor
from tests.web.test_hardening import host, said

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
FIELD_OF_TEXT = '{"name":%s,"password":"x"}'
BODIES: dict[str, tuple[str | bytes, str]] = {
    **{f"lists, {depth} deep": (FIELD_OF_TEXT % ("[" * depth + "]" * depth), JSON) for depth in (10, 400, 900, 990)},
    **{f"names, {depth} deep": (FIELD_OF_TEXT % ('{"a":' * depth + "1" + "}" * depth), JSON) for depth in (400, 900)},
    "half a letter": ('{"csrf":"\\ud800","name":"a","password":"b"}', JSON),
    "half a letter as a name": ('{"\\ud800":"x"}', JSON),
    "a proof that is no text": ('{"csrf":{"a":["b"]},"name":"a","password":"b"}', JSON),
    "numbers without end": (FIELD_OF_TEXT % ("1" + "0" * 9000), JSON),
    "no number": (FIELD_OF_TEXT % "NaN", JSON),
    "a name twice": ('{"name":"a","name":"\\u0000","password":"b"}', JSON),
    "another charset": ('{"name":"a"}'.encode("utf-16"), f"{JSON}; charset=utf-16"),
    "overlong UTF-8": (b"name=%c0%af&password=x", FORM),
    "overlong UTF-8 as it is": (b"name=\xc0\xaf&password=x", FORM),
    "a charset nobody knows": (b"name=a&password=b", f'{FORM}; charset=";;'),
    "NUL": (b"name=a%00b&password=x", FORM),
}


async def send(house: House, visitor: Visitor, path: str, body: str | bytes, kind: str, *, proof: bool = True) -> Got:
    headers = {"Origin": house.address, "Content-Type": kind}
    if proof:
        headers["X-CSRF-Token"] = visitor.proof()
    return await visitor.ask("POST", path, data=body, headers=headers)


async def test_no_form_breaks_the_page(house: House) -> None:
    visitor = house.stranger()
    visitor.proof()
    for name, (body, kind) in BODIES.items():
        for proof in (True, False):
            got = await send(house, visitor, "/login", body, kind, proof=proof)
            assert got.status in ((200, 303, 415, 422, 429) if proof else (403, 415)), f"{name}: {got.status}"


async def test_bytes_that_are_no_text_break_no_page(house: House) -> None:
    begins = b"\r\nHost: " + host(house) + b"\r\nConnection: close\r\n"
    origin = b"Origin: " + house.address.encode() + b"\r\nContent-Length: 0\r\n"
    for name, head, status in (
        ("session", b"GET / HTTP/1.1" + begins + b"Cookie: __Host-session=\xff\xfe\r\n", b"401"),
        ("session", b"GET /login HTTP/1.1" + begins + b"Cookie: __Host-session=\xff\xfe\r\n", b"200"),
        ("visit", b"GET /login HTTP/1.1" + begins + b"Cookie: __Host-visit=\xff\xfe\r\n", b"200"),
        ("notice", b"GET /login HTTP/1.1" + begins + b"Cookie: __Host-notice=\xff\xfe\r\n", b"200"),
        ("language", b"GET /login HTTP/1.1" + begins + b"Accept-Language: \xff;q=x,\xfe\r\n", b"200"),
        (
            "proof",
            b"POST /login HTTP/1.1" + begins + origin + b"X-CSRF-Token: \xff\r\nCookie: __Host-visit=a\r\n",
            b"403",
        ),
        ("origin", b"POST /login HTTP/1.1" + begins + b"Origin: \xff\r\nContent-Length: 0\r\n", b"403"),
        ("token", b"GET / HTTP/1.1" + begins + b"Authorization: Bearer " + b"\xff" * 30 + b"\r\n", b"401"),
        ("path", b"GET /\xff\xfe HTTP/1.1" + begins, b"400"),
    ):
        got = await said(house, head + b"\r\n", within=2)
        assert got.split(b" ")[1] == status, f"{name}: {got[:80]!r}"


@pytest.mark.parametrize("text", [b"[" * 1400, b'"\\ud800"', b"{", b"1"])
async def test_a_notice_nobody_wrote_is_not_shown(house: House, text: bytes) -> None:
    visitor = house.stranger()
    visitor.kept[cookies.NOTICE] = base64.urlsafe_b64encode(text).decode()
    assert (await visitor.get("/login")).status == 200
    assert cookies.NOTICE not in visitor.kept


@pytest.mark.parametrize("text", [b"[" * 1400, b'"\\ud800"', b'{"a":1}', b'{"a":"\\ud800"}', b"1", b'{"":""}', b"{"])
async def test_a_search_nobody_made_breaks_no_page(house: House, text: bytes) -> None:
    recorded = await record(house.site.config, house.site.database)
    visitor = await house.visitor("supervisor")
    visitor.kept[cookies.SEARCH] = base64.urlsafe_b64encode(text).decode()
    assert (await visitor.get(f"/recordings/{recorded.recording_id}")).status == 200


async def test_a_name_that_turns_writing_round_does_not(house: House) -> None:
    number = "\u202e1110<b>\u2066{{7*7}}"
    recorded = await record(house.site.config, house.site.database, number=number)
    visitor = await house.visitor("supervisor")
    page = await visitor.get(f"/recordings/{recorded.recording_id}")
    assert "\ufffd1110&lt;b&gt;\ufffd{{7*7}}" in page.text
    assert not {"\u202e", "\u2066"} & set(page.text)


async def test_days_at_the_ends_of_time_are_no_pages(house: House) -> None:
    visitor = await house.visitor("supervisor")
    for day in ("0001-01-01", "9999-12-31", "20261116", "2026-W47-1"):
        for page in ("/ledger", "/use"):
            assert (await visitor.get(f"{page}/{day}")).status == 404, f"{page}/{day}"
        assert (await visitor.get(f"/ledger?until={day}")).status == 200  # told beside the field
        assert (await visitor.get(f"/ledger?until={day}", Accept=JSON)).status in (200, 422)
    administrator = await house.visitor("administrator")
    for day in ("0001-01-01", "9999-12-31"):
        assert (await administrator.get(f"/rights?on={day}")).status == 200
    auditor = await house.visitor("auditor")
    for day in ("0001-01-01", "9999-12-31"):
        assert (await auditor.get(f"/audit?since={day}&until={day}")).status == 200


async def test_a_new_log_in_ends_the_session_this_browser_had(house: House) -> None:
    visitor = await house.visitor("aino")
    known = await house.person("aino")
    before = visitor.kept[cookies.SESSION]
    await visitor.post("/login", {"name": "aino", "password": PASSWORD})
    house.people.watch.go(seconds=30)
    got = await visitor.post("/login/code", {"code": known.code(house.people.watch.now())})
    assert got.status == 303
    assert visitor.kept[cookies.SESSION] != before
    assert (await visitor.get("/")).status == 200
    visitor.kept[cookies.SESSION] = before
    assert (await visitor.get("/")).status == 401


async def test_a_machine_is_given_no_cookie_whatever_it_sends(house: House) -> None:
    machine = await house.visitor(MACHINE)
    known = await house.person("aino")
    ways: tuple[tuple[str, dict[str, str]], ...] = (
        ("/login", {"name": "aino", "password": PASSWORD}),
        ("/login/code", {"code": known.code(house.people.watch.now())}),
        ("/language", {"language": "sv"}),
    )
    for path, form in ways:
        got = await machine.post(path, form)
        assert got.set_cookies == (), path


async def test_who_is_half_in_with_the_old_password_does_not_come_in(house: House) -> None:
    """Between password and code there are five minutes: a new password ends them."""
    thief, known = house.stranger(), await house.person("aino")
    assert (await thief.post("/login", {"name": "aino", "password": PASSWORD})).status == 303
    owner = await house.visitor("aino")
    form = {"old": PASSWORD, "password": "another row of words 93", "again": "another row of words 93"}
    assert (await owner.post("/account/password", form)).status == 303
    house.people.watch.go(seconds=30)
    got = await thief.post("/login/code", {"code": known.code(house.people.watch.now())})
    assert got.headers.get("Location", "").startswith("/login")
    assert cookies.SESSION not in thief.kept
