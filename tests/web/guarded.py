"""The headers every answer must have, as a browser and the standard want them, not as web/headers.py has them."""

import re
from collections.abc import Mapping

YEAR = 365 * 24 * 3600
# Where anything may come from. Whatever else the policy says comes under default-src.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def assert_guarded(headers: Mapping[str, str], what: str = "") -> None:
    age = re.fullmatch(r"max-age=(\d+); includeSubDomains", headers["Strict-Transport-Security"])
    assert age is not None, what
    assert int(age[1]) >= YEAR, what
    policy = dict(one.strip().split(" ", 1) for one in headers["Content-Security-Policy"].split(";"))
    assert POLICY.items() <= policy.items(), what
    assert set(policy.values()) <= {"'none'", "'self'"}, what  # no inline, no eval, no other host
    assert headers["X-Content-Type-Options"] == "nosniff", what
    assert headers["Referrer-Policy"] == "no-referrer", what
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin", what
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin", what
    assert not [name for name in headers if name.lower().startswith("access-control-")], what
