"""Which certificate the page shows: the site's own, or one that this host makes. TLS itself: web/tls.py."""

import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ari_recorder.config import Config
from ari_recorder.vault import self_made


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Where certificate and key lie, in PEM."""

    certificate: Path
    key: Path


def web_certificate(config: Config, now: datetime) -> Certificate | None:
    """None: a proxy on this host speaks TLS."""
    web = config.web
    if not web.tls:
        return None
    if web.tls_certificate_file is not None and web.tls_key_file is not None:
        return Certificate(certificate=web.tls_certificate_file, key=web.tls_key_file)
    names = {socket.gethostname(), socket.getfqdn(), "localhost"}
    addresses = {"127.0.0.1", "::1"} | ({web.listen} if not web.address.is_unspecified else set())
    certificate, key = self_made.provide(config.storage.web, names, addresses, now)
    return Certificate(certificate=certificate, key=key)
