"""Whom the service speaks to over a network, and that nothing goes there in clear. No connection is made here.

Within this host anything goes: who listens there can read the service's memory, too. Beyond it, TLS and a certificate
that is checked. Mail and the page have settings of their own for that: config/mail.py, config/web.py.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from ari_recorder.config.problems import Problem


def is_this_host(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def pbx_in_clear(host: str, *, tls: bool) -> Iterator[Problem]:
    if not tls and not is_this_host(host):
        yield Problem(
            key="pbx.tls",
            what=f"the secret, and who calls whom, would go over the network to {host} in clear",
            mend="Set tlsenable in the PBX's manager.conf, and pbx.tls = true and pbx.port here",
        )


def database_in_clear(key: str, dsn: str) -> Iterator[Problem]:
    """PostgreSQL's own default is to take TLS if there is some, from whoever answers."""
    query = parse_qs(urlsplit(dsn).query)
    beyond = [host for host, _ in places_of(dsn) if host and not host.startswith("/") and not is_this_host(host)]
    if beyond and query.get("sslmode", [""])[-1] != "verify-full":
        yield Problem(
            key=key,
            what=f"the database at {beyond[0]} would be spoken to without its certificate being checked",
            mend="Add sslmode=verify-full&sslrootcert=/etc/ari-recorder/database-ca.pem to the address",
        )


def syslog_in_clear(address: str | None) -> Iterator[Problem]:
    parts = urlsplit(address or "")
    if parts.scheme in ("udp", "tcp") and not is_this_host(parts.hostname or ""):
        yield Problem(
            key="audit.anchor_syslog",
            what=f"{parts.scheme} goes over the network in clear, and to whoever answers",
            mend=f"Write it like tls://{parts.hostname}:6514",
        )


def places_of(dsn: str) -> list[tuple[str, str]]:
    """Host and port of each server a PostgreSQL address names. The port may be empty, and a host the folder of a
    socket."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    return [_place(one) for one in parts.netloc.rpartition("@")[2].split(",") + query.get("host", [""])[-1].split(",")]


def _place(place: str) -> tuple[str, str]:
    place = unquote(place)
    if place.startswith("["):
        host, _, port = place.strip("[").partition("]")
        return host, port.removeprefix(":")
    if place.count(":") > 1:
        return place, ""
    host, _, port = place.partition(":")
    return host, port
