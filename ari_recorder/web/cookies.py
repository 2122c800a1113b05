"""The cookies of the page, and the word that proves a form came from it. What a session is: services/login.py.

    __Host-session   the secret of a session, until log-out
    __Host-device    this browser has logged in before; keeps the door open while somebody else is guessing
    __Host-login     between password and code, five minutes
    __Host-visit     a random secret before log-in, so that the log-in form has its proof too
    __Host-language  fi, sv, en
    __Host-notice    one sentence, shown on the next page

The proof is HMAC-SHA256 of the session's secret, or the visit's: whoever does not know the cookie cannot make it, and a
new session has another one.
"""

import base64
import hmac
import json
import secrets

from aiohttp import web

from ari_recorder.web.asked import Cookie

SESSION = "__Host-session"
DEVICE = "__Host-device"
VISIT = "__Host-visit"
TICKET = "__Host-login"
LANGUAGE = "__Host-language"
NOTICE = "__Host-notice"
# A notice is a sentence; what is longer was not made here.
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
    packed = base64.urlsafe_b64encode(json.dumps(text).encode()).decode()
    return Cookie(name=NOTICE, value=packed, age_seconds=60)


def read_notice(value: str) -> str:
    if not value or len(value) > _MOST:
        return ""
    try:
        text = json.loads(base64.urlsafe_b64decode(value))
        if not isinstance(text, str):
            return ""
        text.encode()  # lone surrogates cannot be shown
    except (ValueError, RecursionError):
        return ""
    return text
