"""Who asks, from where, and whether it may have come from a page of ours. Sessions themselves: services/login.py.

Authorization: Bearer …   a machine; cookies count for nothing then, and no proof: no browser sends it by itself
__Host-session            a person
"""

import re
from ipaddress import ip_address

from aiohttp import HttpVersion10, HttpVersion11, web

from ari_recorder.config import Web
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.errors import FramingRefused, HostUnknown, RequestForged
from ari_recorder.web import cookies
from ari_recorder.web.asked import Asked
from ari_recorder.web.house import Names
from ari_recorder.web.languages import wanted

SAFE = frozenset({"GET", "HEAD"})
PROOF_HEADER = "X-CSRF-Token"
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/-]{16,512}=*)", re.IGNORECASE)


def address(request: web.BaseRequest, settings: Web) -> str:
    """Of the peer; behind a proxy we know, of the one it speaks for."""
    peer = request.remote or ""
    if peer not in settings.proxies:
        return peer
    told = request.headers.getall("X-Forwarded-For", [])
    if len(told) != 1:
        return peer
    try:
        return str(ip_address(told[0].rpartition(",")[2].strip()))
    except ValueError:
        return peer


def bearer(request: web.BaseRequest) -> str | None:
    """The token of a machine; "" when there is an Authorization header that holds none."""
    told = request.headers.getall("Authorization", [])
    if not told:
        return None
    found = _BEARER.fullmatch(told[0]) if len(told) == 1 else None
    return found[1] if found else ""


def language(request: web.BaseRequest, settings: Web) -> str:
    """Of somebody whose own choice is not known yet."""
    chosen = request.cookies.get(cookies.LANGUAGE)
    if chosen in LANGUAGES:
        return chosen
    return wanted(request.headers.get("Accept-Language", ""), settings.language)


def check_host(request: web.BaseRequest, names: Names) -> None:
    """A name that is not ours is somebody else's page that leads here (DNS rebinding)."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or hosts[0].lower() not in names.hosts:
        raise HostUnknown


def check_framing(request: web.BaseRequest) -> None:
    """What a proxy may read in another way is not read: another version, chunks in HTTP/1.0, a coding nobody undid; and
    a compressed body, which no browser sends, may be a thousand times what it looks like."""
    headers = request.headers
    codings = [coding.strip().lower() for coding in headers.getall("Transfer-Encoding", [])]
    is_chunked = codings == ["chunked"] and request.version == HttpVersion11
    if request.version not in (HttpVersion10, HttpVersion11) or (codings and not is_chunked):
        raise FramingRefused
    if "Content-Encoding" in headers:
        raise FramingRefused


def check_site(request: web.BaseRequest, names: Names) -> None:
    """What changes something comes from a page of ours. Browsers say where it comes from; with our Referrer-Policy some
    say `Origin: null` of our own forms, and then Sec-Fetch-Site tells."""
    site = request.headers.get("Sec-Fetch-Site")
    origins = request.headers.getall("Origin", [])
    if request.method in SAFE:
        # Pictures, scripts and frames of other sites get nothing; links of theirs may lead here.
        if site == "cross-site" and request.headers.get("Sec-Fetch-Mode") != "navigate":
            raise RequestForged
        return
    if site is not None and site != "same-origin":
        raise RequestForged
    if origins in ([], ["null"]):
        if site is None:
            raise RequestForged
    elif [one.lower() for one in origins] != [f"{names.scheme}://{request.headers['Host'].lower()}"]:
        raise RequestForged


def followed_a_link(request: web.BaseRequest) -> bool:
    """From another site's page, a mail in a browser for one. The session's cookie is strict and did not come along;
    asked for once more by the page that is shown, which is ours, it does. Not twice: the second time it is ours."""
    headers = request.headers
    from_elsewhere = headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    is_link = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return request.method in SAFE and from_elsewhere and is_link and cookies.SESSION not in request.cookies


def check_proof(given: object, asked: Asked) -> None:
    """The word in the form that only a page of ours can know."""
    if not cookies.is_proof(given, asked.session or asked.visit):
        raise RequestForged
