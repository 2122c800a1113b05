"""The cookies of the page, and the word that proves a form came from it. What a session is: services/login.py.

    __Host-session   the secret of a session, until log-out
    __Host-device    this browser has logged in before; keeps the door open while somebody else is guessing
    __Host-login     between password and code, five minutes
    __Host-visit     a random secret before log-in, so that the log-in form has its proof too
    __Host-delivery  a random secret of the browser that fetched a package, for an hour: it may try again
    __Host-language  fi, sv, en
    __Host-notice    one sentence, shown on the next page
    __Host-search    the last search of recordings, as in its address: the way back to it from a recording

The proof is HMAC-SHA256 of the session's secret, or the visit's: whoever does not know the cookie cannot make it, and a
new session has another one.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ari_recorder.web.asked import Cookie

SESSION = "__Host-session"
DEVICE = "__Host-device"
VISIT = "__Host-visit"
TICKET = "__Host-login"
DELIVERY = "__Host-delivery"
LANGUAGE = "__Host-language"
NOTICE = "__Host-notice"
SEARCH = "__Host-search"
# A notice is a sentence, a search a few fields; what is longer was not made here.
_MOST = 2000


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def proof(secret: str) -> str:
    return hmac.digest(_bytes(secret), b"ari-recorder form", "sha256").hex() if secret else ""


def is_proof(given: object, secret: str) -> bool:
    if not secret or not isinstance(given, str):
        return False
    return hmac.compare_digest(_bytes(given), _bytes(proof(secret)))


def _bytes(text: str) -> bytes:
    """Whatever a stranger sends: bytes that are no UTF-8 come as lone surrogates, and JSON may hold them too."""
    return text.encode("utf-8", "surrogatepass")


def set_on(response: web.StreamResponse, cookie: Cookie) -> None:
    """__Host-: Secure, this host only, all of it (Path=/). Strict: no other site's link or form brings it along."""
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.age_seconds,
        path="/",
        secure=True,
        httponly=True,
        samesite="Strict",
    )


def notice(text: str) -> Cookie:
    return Cookie(name=NOTICE, value=_packed(text), age_seconds=60)


def read_notice(value: str) -> str:
    text = _unpacked(value)
    return text if isinstance(text, str) and _can_be_shown(text) else ""


def search(query: Mapping[str, str]) -> Cookie:
    return Cookie(name=SEARCH, value=_packed(dict(query)))


def read_search(value: str) -> dict[str, str] | None:
    """None: nothing was looked for yet."""
    query = _unpacked(value)
    if not isinstance(query, dict):
        return None
    texts = [*query, *query.values()]
    return query if all(isinstance(text, str) and _can_be_shown(text) for text in texts) else None


def _packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _unpacked(value: str) -> Any:
    if not value or len(value) > _MOST:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(value))
    except (ValueError, RecursionError):
        return None


def _can_be_shown(text: str) -> bool:
    """Lone surrogates cannot."""
    try:
        text.encode()
    except ValueError:
        return False
    return True
