"""TLS 1.2 and newer, always; the certificate is read again while it serves; plain only for a proxy on this host."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from ari_recorder.config import Web
from ari_recorder.domain.errors import WebAddressTaken, WebCertificateUnusable
from ari_recorder.services.web_certificate import Certificate
from ari_recorder.storage.db import Database
from ari_recorder.vault import self_made
from ari_recorder.web.serve import WebServer
from ari_recorder.web.tls import Tls
from tests.services.people import BEGAN
from tests.web.house import away_site, serving


def made(folder: Path, name: str = "localhost") -> Certificate:
    certificate, key = self_made.provide(folder, [name], ["127.0.0.1"], BEGAN)
    return Certificate(certificate=certificate, key=key)


def serial(address: str) -> str:
    parts = urlsplit(address)
    return ssl.get_server_certificate((str(parts.hostname), int(parts.port or 443)))


async def test_a_new_certificate_is_served_without_a_restart_and_a_broken_one_is_not(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a"), made(tmp_path / "b", "other.example")
    wanted = f'tls_certificate_file = "{first.certificate}"\ntls_key_file = "{first.key}"'
    _, site = away_site(tmp_path, Database(f"postgresql:///nowhere?host={tmp_path}"), {"web.more": wanted})
    async with serving(site) as server:
        before = await asyncio.to_thread(serial, server.address)
        first.certificate.write_bytes(b"half of a certi")
        server.again.set()
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(serial, server.address) == before
        first.certificate.write_bytes(second.certificate.read_bytes())
        first.key.write_bytes(second.key.read_bytes())
        server.again.set()
        for _ in range(50):
            await asyncio.sleep(0.1)
            if await asyncio.to_thread(serial, server.address) != before:
                return
        pytest.fail("the new certificate was not served within five seconds")


def test_a_pair_that_changed_is_noticed_by_itself(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    tls = Tls(first)
    assert not tls.reload()
    second.key.replace(first.key)
    assert not tls.reload()  # the certificate is still the old one's: they do not belong together
    second.certificate.replace(first.certificate)
    assert tls.reload()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_not_spoken(version: ssl.TLSVersion, tmp_path: Path) -> None:
    assert Tls(made(tmp_path)).context.minimum_version == ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in Tls(made(tmp_path)).context.get_ciphers()}
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)
    assert version < ssl.TLSVersion.TLSv1_2


def spoken(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The cipher two sides agree on; ssl.SSLError when there is none."""
    there, here = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    sides = (server.wrap_bio(*there, server_side=True), client.wrap_bio(*here))
    for _ in range(6):
        for side, out, into in ((sides[1], here[1], there[0]), (sides[0], there[1], here[0])):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            into.write(out.read())
    agreed = sides[1].cipher()
    assert agreed is not None
    return agreed[0]


def asking(version: ssl.TLSVersion, ciphers: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1, "ALL"),
        (ssl.TLSVersion.TLSv1_1, "ALL"),
        *((ssl.TLSVersion.TLSv1_2, weak) for weak in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "AES256-SHA")),
    ],
)
def test_what_is_weak_is_not_agreed_on(version: ssl.TLSVersion, ciphers: str, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        spoken(Tls(made(tmp_path)).context, asking(version, ciphers))


def test_what_is_strong_goes_first_whatever_the_other_side_prefers(tmp_path: Path) -> None:
    server = Tls(made(tmp_path)).context
    assert spoken(server, asking(ssl.TLSVersion.MAXIMUM_SUPPORTED, "ALL")) == "TLS_AES_256_GCM_SHA384"
    weakest_first = "AES128-SHA:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE+AESGCM"
    agreed = spoken(server, asking(ssl.TLSVersion.TLSv1_2, weakest_first))
    assert agreed.startswith("ECDHE-")
    assert "AES256-GCM" in agreed


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    files = made(tmp_path)
    files.key.chmod(0o644)
    with pytest.raises(WebCertificateUnusable, match="everybody can read"):
        Tls(files)


def test_the_self_made_certificate_stays_until_names_or_time_want_another(tmp_path: Path) -> None:
    first = made(tmp_path).certificate.read_bytes()
    assert made(tmp_path).certificate.read_bytes() == first
    assert made(tmp_path).key.stat().st_mode & 0o777 == 0o600
    assert made(tmp_path, "recorder.example").certificate.read_bytes() != first
    late = self_made.provide(tmp_path, ["recorder.example"], ["127.0.0.1"], BEGAN + timedelta(days=380))
    assert late[0].read_bytes() != first


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    first = tmp_path / "first"
    second = tmp_path / "second"
    first.mkdir()
    second.mkdir()
    _, site = away_site(first, Database(f"postgresql:///nowhere?host={tmp_path}"))
    async with serving(site) as server:
        port = urlsplit(server.address).port
        _, other = away_site(second, Database(f"postgresql:///nowhere?host={tmp_path}"))
        config = other.config.model_copy(update={"web": Web(port=port or 0)})
        with pytest.raises(WebAddressTaken, match="in use"):
            await WebServer(replace(other, config=config)).run(asyncio.Event())


@pytest.mark.parametrize("listen", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104 -- what is refused
def test_plain_is_refused_beyond_this_host(listen: str) -> None:
    problems = list(Web(listen=listen, tls=False).contradictions())
    assert [problem.key for problem in problems] == ["web.tls"]
    assert not list(Web(listen=listen).contradictions())
    assert not list(Web(tls=False).contradictions())


@pytest.mark.parametrize(
    "origin",
    [
        "http://a.example",
        "https://",
        "https://a.example/path",
        "https://u@a.example",
        "https://a.example?x",
        "a.example",
    ],
)
def test_an_origin_is_scheme_and_host(origin: str) -> None:
    with pytest.raises(ValidationError):
        Web(origin=origin)


def test_an_origin_is_kept_in_one_form() -> None:
    assert Web(origin="https://A.Example:443/").origin == "https://a.example"
    assert Web(origin="https://[2001:db8::1]:8443").origin == "https://[2001:db8::1]:8443"
