"""Codes of authenticators (RFC 6238): SHA-1, six digits, thirty seconds, for that is what every app understands.

A code is good for its own thirty seconds, and once: the caller stores the time step it was of. Every step that may
count is computed before anything is compared, so that the time taken tells nothing.
"""

import base64
import hmac
import secrets
import unicodedata
from datetime import datetime

import pyotp

SECRET_BYTES = 20  # as long as SHA-1's output: RFC 4226, section 4
ISSUER = "ari-recorder"


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def written(secret: bytes) -> str:
    """As a person types it into an app that sees no QR code."""
    return base64.b32encode(secret).decode()


def uri(secret: bytes, name: str, issuer: str = ISSUER) -> str:
    """What the QR code says."""
    return _totp(secret).provisioning_uri(name=name, issuer_name=issuer)


def step_of(secret: bytes, code: str, now: datetime, window: int = 0) -> int | None:
    """The time step this is the code of, `window` steps around now; None: of none of them."""
    totp = _totp(secret)
    current = totp.timecode(now)
    given = _digits(code)
    steps = range(current - window, current + window + 1)
    expected = [totp.generate_otp(step).encode() for step in steps]
    matches = [hmac.compare_digest(one, given) for one in expected]
    found = None
    for step, matched in zip(steps, matches, strict=True):
        found = step if matched else found
    return found


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(written(secret))


def _digits(code: str) -> bytes:
    """As it was read out: with blanks between, or in another script's digits."""
    return "".join(unicodedata.normalize("NFKC", code).split()).encode("utf-8", "replace")
