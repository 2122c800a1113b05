"""The places beyond this host that the configuration tells the service to speak to. Whether it keeps to them:
services/connections.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from ari_recorder.config import Config
from ari_recorder.config.connections import is_this_host, places_of
from ari_recorder.domain.notice import Destination

# PostgreSQL's own, where an address names none.
_POSTGRESQL = 5432
_OF_SCHEME = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A host and a port that is spoken to, and what for."""

    kind: str
    host: str
    port: int


def targets(config: Config) -> tuple[Target, ...]:
    """All of them, on this host too. ConfigError when the file with the database's address cannot be read."""
    return tuple(_targets(config))


def beyond(config: Config) -> tuple[Destination, ...]:
    """Those beyond this host, each with the country that was declared for it."""
    countries = {str(kind): country for kind, country in config.notice.countries.items()}
    countries["s3"] = config.s3.country or ""
    found = (
        Destination(kind=one.kind, host=one.host, country=countries.get(one.kind, ""))
        for one in _targets(config)
        if not is_this_host(one.host)
    )
    return tuple(dict.fromkeys(found))


def _targets(config: Config) -> Iterator[Target]:
    yield Target(kind="pbx", host=config.pbx.host, port=config.pbx.port)
    yield from _database(config.dsn() or "")
    if config.mail.host is not None:
        yield Target(kind="mail", host=config.mail.host, port=config.mail.port)
    store = config.s3.endpoint if config.s3.bucket is not None else None
    for kind, address in (
        ("webhook", config.alarms.webhook),
        ("syslog", config.audit.anchor_syslog),
        ("s3", store),
    ):
        yield from _of_address(kind, address or "")
    for place in config.notice.published.values():
        yield from _of_address("published", place)


def _database(dsn: str) -> Iterator[Target]:
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    usual = query.get("port", [str(_POSTGRESQL)])[-1]
    for host, port in places_of(dsn):
        if host and not host.startswith("/"):  # else a socket of this host
            yield Target(kind="database", host=unquote(host), port=int(port or usual))


def _of_address(kind: str, address: str) -> Iterator[Target]:
    parts = urlsplit(address)
    if parts.hostname:
        yield Target(kind=kind, host=parts.hostname, port=parts.port or _OF_SCHEME.get(parts.scheme, 0))
