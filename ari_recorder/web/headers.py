"""The headers that every answer has, errors and style sheets included. Nothing here depends on the request."""

from collections.abc import Mapping

from aiohttp import web

# Everything is our own and in files: no inline script or style, nothing of others, no frame around or inside.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    # Two years: what the lists of browsers ask for.
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Server": "ari-recorder",
}
NO_STORE = "no-store"
# What has the hash of its content in its name is never another thing.
FOR_EVER = "public, max-age=31536000, immutable"
# At log-out. Not "cookies": the language and the known device stay.
CLEAR = '"cache", "storage"'


def secure(response: web.StreamResponse, request_id: str) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", NO_STORE)
    response.headers["X-Request-ID"] = request_id
