"""What strangers send: too much, too slowly, half of it, two requests in one, other hosts; and what is never said."""

import asyncio
import gzip
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from ari_recorder.config import Web
from ari_recorder.domain.accounts import Permission
from ari_recorder.storage.db import Database
from ari_recorder.web import app as apps
from ari_recorder.web import cookies, door, middlewares
from ari_recorder.web.app import RouteRefused, check
from ari_recorder.web.asked import Access, Asked, Page, Route
from ari_recorder.web.headers import HEADERS
from ari_recorder.web.paths import own_path
from ari_recorder.web.routes import ROUTES
from ari_recorder.web.who import address
from tests.web.house import House, Visitor, away_site, client, serving

SLOW_CLIENTS = 500


@asynccontextmanager
async def raw(house: House) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = urlsplit(house.address).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(house: House, sent: bytes, within: float = 3) -> bytes:
    """Everything that comes back until the connection ends, or nothing more comes."""
    got = b""
    async with raw(house) as (reader, writer):
        writer.write(sent)
        try:
            async with asyncio.timeout(within):
                while chunk := await reader.read(65536):
                    got += chunk
        except TimeoutError:
            pass
    return got


def host(house: House) -> bytes:
    return house.address.removeprefix("https://").encode()


async def test_requests_that_hide_another_one_are_refused_and_the_connection_ends(house: House) -> None:
    hidden = b"GET /accessibility HTTP/1.1\r\nHost: " + host(house) + b"\r\n\r\n"
    size = str(len(hidden)).encode()
    begins = b"POST /language HTTP/1.1\r\nHost: " + host(house) + b"\r\n"
    corpus = {
        "length and chunks": begins + b"Content-Length: " + size + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": begins + b"Content-Length: 0\r\nContent-Length: " + size + b"\r\n\r\n",
        "list of lengths": begins + b"Content-Length: 0, " + size + b"\r\n\r\n",
        "negative": begins + b"Content-Length: -1\r\n\r\n",
        "plus sign": begins + b"Content-Length: +0\r\n\r\n",
        "hexadecimal": begins + b"Content-Length: 0x10\r\n\r\n",
        "blank before the colon": begins + b"Transfer-Encoding : chunked\r\n\r\n",
        "strange coding": begins + b"Transfer-Encoding: xchunked\r\n\r\n",
        "coding twice": begins + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        "folded line": begins + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n",
        "NUL in a value": begins + b"X: a\0b\r\n\r\n",
        "bad chunk size": begins + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\nA\r\n0\r\n\r\n",
        "no host": b"GET /accessibility HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /accessibility HTTP/1.1\r\nHost: evil.example\r\nHost: " + host(house) + b"\r\n\r\n",
        "other host": b"GET /accessibility HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "whole address": b"GET http://evil.example/accessibility HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "no HTTP": b"\x16\x03\x01\x00\xff" + b"\0" * 64,
        "long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: " + host(house) + b"\r\n\r\n",
        "long header": begins + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
        "many headers": begins + b"".join(b"X-%d: a\r\n" % number for number in range(2000)) + b"\r\n",
    }
    for name, sent in corpus.items():
        got = await said(house, sent + hidden if name not in ("long line", "no HTTP") else sent, within=1)
        first = got.split(b"\r\n", 1)[0]
        assert b" 4" in first[:13], f"{name}: {first!r}"
        refused = name in ("no host", "two hosts", "other host", "whole address")
        if not refused:
            assert got.count(b"HTTP/1.") == 1, f"{name}: the hidden request was answered"
        for header in HEADERS:
            assert header.lower().encode() + b":" in got.lower(), f"{name}: {header}"
        assert b"Traceback" not in got
        assert b"aiohttp" not in got


async def test_what_a_proxy_may_read_in_another_way_is_refused(house: House) -> None:
    """Each is a good request but for one thing: the same without it is done."""
    secret = cookies.new_secret()
    head = b"POST /language HTTP/1.1\r\nHost: " + host(house) + b"\r\nOrigin: " + house.address.encode() + b"\r\n"
    head += f"Cookie: __Host-visit={secret}\r\nX-CSRF-Token: {cookies.proof(secret)}\r\n".encode()
    head += b"Content-Type: application/json\r\nConnection: close\r\n"
    body = b'{"language":"sv"}'
    sized = b"Content-Length: %d\r\n\r\n" % len(body) + body
    packed = gzip.compress(b"a" * 5_000_000)
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    for good in (head + sized, head + chunked):
        assert (await said(house, good)).startswith(b"HTTP/1.1 200")
    corpus = {
        "bare line feeds": (head + sized).replace(b"\r\n", b"\n"),
        "a bare line feed": head + b"X: a\nTransfer-Encoding: chunked\r\n" + sized,
        "a bare carriage return": head + b"X: a\rTransfer-Encoding: chunked\r\n" + sized,
        "the same length twice": head + b"Content-Length: %d\r\n" % len(body) + sized,
        "chunks with bare line feeds": head + chunked.replace(b"\r\n%x\r\n" % len(body), b"\r\n%x\n" % len(body)),
        "a chunk that is longer than it says": head + chunked.replace(b"}\r\n", b"}}\r\n"),
        "chunks in HTTP/1.0": head.replace(b"HTTP/1.1", b"HTTP/1.0") + chunked,
        "a coding that is not undone": head + chunked.replace(b": chunked", b": gzip, chunked"),
        "chunked twice": head + chunked.replace(b": chunked", b": chunked, chunked"),
        "another version": head.replace(b"HTTP/1.1", b"HTTP/2.0") + sized,
        "no version": b"GET /accessibility\r\n\r\n",
        "compressed": head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        "not compressed as it says": head + b"Content-Encoding: gzip\r\n" + sized,
        "two origins": head + b"Origin: https://evil.example\r\n" + sized,
        "two kinds": head + b"Content-Type: text/plain\r\n" + sized,
        "two tokens": head + b"Authorization: Bearer %s\r\n" % (b"a" * 40) * 2 + sized,
        "an expectation nobody has": head + b"Expect: wonders\r\n" + sized,
        "of a page that is none": b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: wonders\r\n\r\n",
    }
    for name, sent in corpus.items():
        got = await said(house, sent)
        assert got.split(b" ")[1][:1] == b"4", f"{name}: {got[:40]!r}"
        for header, value in HEADERS.items():
            assert f"{header}: {value}".encode() in got, f"{name}: {header}"


async def test_five_hundred_slow_clients_do_not_keep_others_waiting(tmp_path: Path) -> None:
    """Without TLS, as behind a proxy: the handshakes of both sides would be all that is measured here."""
    _, site = away_site(tmp_path, Database(f"postgresql:///nowhere?host={tmp_path}"), {"web.more": "tls = false"})
    async with serving(site) as server, client() as http:
        visitor = Visitor(http, server.address)
        name = server.address.removeprefix("http://")
        slow = []
        for _ in range(SLOW_CLIENTS):
            _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.address).port)
            writer.write(f"POST /login HTTP/1.1\r\nHost: {name}\r\nX-Slow: ".encode())
            slow.append(writer)
        for _ in range(5):
            began = time.monotonic()
            assert (await visitor.get("/accessibility")).status == 200
            assert time.monotonic() - began <= 1
            for writer in slow[::10]:
                writer.write(b"a")
        for writer in slow:
            writer.close()


async def test_when_there_are_too_many_the_one_idle_for_longest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_CONNECTIONS", 20)
    _, site = away_site(tmp_path, Database(f"postgresql:///nowhere?host={tmp_path}"), {"web.more": "tls = false"})
    async with serving(site) as server, client() as http:
        opened = [await asyncio.open_connection("127.0.0.1", urlsplit(server.address).port) for _ in range(20)]
        assert (await Visitor(http, server.address).get("/accessibility")).status == 200
        assert await asyncio.wait_for(opened[0][0].read(), 5) == b""
        for _, writer in opened:
            writer.close()


async def test_who_takes_too_long_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middlewares, "SECONDS", 0.3)
    sent = (
        b"POST /language HTTP/1.1\r\nHost: "
        + host(house)
        + b"\r\nContent-Length: 1000\r\nSec-Fetch-Site: same-origin\r\n"
    )
    got = await said(house, sent + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nlanguage=", within=5)
    assert got.startswith(b"HTTP/1.1 503")
    assert b"answer_late" in got
    assert b"Connection: close" in got


async def test_huge_forms_are_refused_before_they_are_read_to_the_end(house: House) -> None:
    visitor = house.stranger()
    got = await visitor.ask("POST", "/login", data="name=" + "a" * 2_000_000, headers={"Origin": house.address})
    assert (got.status, "body_too_long" in got.text) == (413, True)
    many = "&".join(f"f{number}=1" for number in range(5000))
    got = await visitor.ask(
        "POST", "/login", data=many, headers={"Origin": house.address, "X-CSRF-Token": visitor.proof()}
    )
    assert got.status == 415
    for body, kind in (
        ("[" * 100_000, "application/json"),
        ("[1,2]", "application/json"),
        ("{", "application/json"),
        ("a=%ff%fe", "application/x-www-form-urlencoded"),
        ("--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        ("<a/>", "text/xml"),
    ):
        got = await visitor.ask(
            "POST",
            "/login",
            data=body,
            headers={"Origin": house.address, "X-CSRF-Token": visitor.proof(), "Content-Type": kind},
        )
        assert (got.status, "body_refused" in got.text) == (415, True), kind


async def test_a_form_says_what_is_wrong_beside_each_field_and_keeps_what_was_typed(house: House) -> None:
    visitor = house.stranger()
    got = await visitor.post("/login", {"name": "", "password": "", "extra": "1"})
    assert got.status == 422
    assert got.text.count("This is needed.") >= 2
    assert 'aria-invalid="true"' in got.text
    got = await visitor.post("/login", {"name": "<b>x", "password": ""})
    assert 'value="&lt;b&gt;x"' in got.text
    got = await visitor.post("/login", {"name": "a\0b", "password": "x"})
    assert (got.status, "no text" in got.text) == (422, True)
    data = (await visitor.post("/login", {"name": ""}, json=True)).json()["error"]
    assert data["code"] == "form_refused"
    assert set(data["fields"]) == {"name", "password"}


async def test_names_from_elsewhere_are_text_and_nothing_else(house: House) -> None:
    evil = '{{7*7}}<script>alert(1)</script>{% include "x" %}{0.__class__}"onmouseover="x'
    known = await house.person("aino")
    async with house.site.database.transaction() as conn:
        await conn.execute("UPDATE account SET full_name = $2 WHERE id = $1", known.account_id, evil)
    visitor = await house.visitor("aino")
    for path in ("/", "/account"):
        text = (await visitor.get(path)).text
        assert "{{7*7}}" in text
        assert "<script>alert" not in text
        assert '"onmouseover' not in text
    assert (await visitor.get("/?format=json")).json()["full_name"] == evil


async def test_files_are_known_by_their_content(house: House) -> None:
    visitor = house.stranger()
    page = (await visitor.get("/accessibility")).text
    path = page.split('rel="stylesheet" href="')[1].split('"')[0]
    got = await visitor.get(path)
    assert got.status == 200
    assert got.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in got.headers["Cache-Control"]
    again = await visitor.get(path, If_None_Match=got.headers["ETag"])
    assert (again.status, again.text) == (304, "")
    for wrong in ("/static/frame.css", "/static/frame.0000000000000000.css", "/static/..%2fweb.py"):
        assert (await visitor.get(wrong)).status == 404, wrong


async def test_other_sites_get_no_piece_of_a_page(house: House) -> None:
    visitor = await house.visitor("aino")
    got = await visitor.get("/account", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")
    assert got.status == 403
    got = await visitor.get("/account", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert got.status == 200


async def test_an_unknown_error_tells_strangers_its_number_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("0401234567 secret")

    monkeypatch.setattr(type(house.site.people.login), "begin", broken)
    got = await house.stranger().post("/login", {"name": "aino", "password": "x"})
    assert got.status == 500
    assert "secret" not in got.text
    assert "KeyError" not in got.text
    assert got.headers["X-Request-ID"] in got.text


async def test_without_a_database_public_pages_are_there_and_the_rest_says_so(tmp_path: Path) -> None:
    async with Database(f"postgresql:///nowhere?host={tmp_path}") as database:
        _, site = away_site(tmp_path, database)
        async with serving(site) as server, client() as http:
            visitor = Visitor(http, server.address)
            assert (await visitor.get("/accessibility")).status == 200
            assert (await visitor.get("/login")).status == 200
            got = await visitor.get("/")
            assert (got.status, got.headers["Retry-After"]) == (503, "5")
            assert "Calls are recorded all the same" in got.text
            site.usable.set()  # it was there, and has gone
            visitor.kept["__Host-session"] = "x" * 43
            for path in ("/", "/account", "/recordings?agent=a&amp;flagged=true"):
                got = await visitor.get(path.replace("&amp;", "&"))
                assert got.status == 503
                assert f'href="{path}"' in got.text  # one tries again where one was
                assert str(tmp_path) not in got.text
            assert (await visitor.get("/accessibility")).status == 200
            got = await visitor.post("/login", {"name": "aino", "password": "x"})
            assert got.status == 503


async def _page(asked: Asked) -> Page:
    return Page(view=None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"permission": None}, "declares no permission"),
        ({"method": "DELETE"}, "forms know nothing else"),
        ({"template": "error.html"}, "has a view"),
        ({"shown_by": "nowhere"}, "there is no page nowhere"),
        ({"step_up": True}, "somebody who is logged in"),
        ({"name": "login"}, "two routes have one name"),
    ],
)
def test_a_route_that_is_not_declared_well_stops_the_start(
    change: dict[str, object], told: str, tmp_path: Path
) -> None:
    fields: dict[str, object] = {
        "method": "GET",
        "path": "/new",
        "name": "new",
        "handler": _page,
        "permission": Access.PUBLIC,
        **change,
    }
    route = Route(**fields)  # type: ignore[arg-type]
    database = Database(f"postgresql:///nowhere?host={tmp_path}")
    _, site = away_site(tmp_path, database)
    with pytest.raises(RouteRefused, match=told):
        apps.make_app(site, (*ROUTES, route))


async def test_a_route_past_the_table_stops_the_start(tmp_path: Path) -> None:
    async def sneaked(request: web.Request) -> web.Response:
        return web.Response()

    _, site = away_site(tmp_path, Database(f"postgresql:///nowhere?host={tmp_path}"))
    app = apps.make_app(site, ROUTES)
    app.router.add_get("/sneaked", sneaked)
    runner = web.AppRunner(app)
    with pytest.raises(RouteRefused, match="past the table"):
        await runner.setup()
    await runner.cleanup()


def test_the_table_is_well_declared() -> None:
    check(ROUTES)
    assert {route.permission for route in ROUTES} <= {*Access, *Permission}


@pytest.mark.parametrize(
    "path", ["//evil", "/\\evil", "\\/evil", "https://evil", "/a\nb", "/ä", "", "a", "/" + "a" * 3000, "/a\\b"]
)
def test_paths_of_others_become_the_first_page(path: str) -> None:
    assert own_path(path) == "/"


def test_paths_of_ours_stay() -> None:
    for path in ("/", "/recordings?day=2027-02-24&queue=a%20b", "/a/b#c", "/a?next=//evil"):
        assert own_path(path) == path


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_only_a_proxy_we_know_speaks_for_others(peer: str) -> None:
    settings = Web(proxies=("127.0.0.1",))
    for told, known, stranger in (
        ("192.0.2.7", "192.0.2.7", peer),
        ("10.0.0.1, 192.0.2.7", "192.0.2.7", peer),
        ("not an address", "127.0.0.1", peer),
        ("", "127.0.0.1", peer),
    ):
        request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": told}).clone(remote=peer)
        assert address(request, settings) == (known if peer == "127.0.0.1" else stranger), told
