"""The shape of `[web]`: where the page people work with is served, and how it is reached. No pages here."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ari_recorder.config.problems import Problem
from ari_recorder.config.values import AbsolutePath, Section, refuse


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        raise refuse(f"{value!r} is not an address", 'Write it like "127.0.0.1", "0.0.0.0" or "::1"') from None
    return value


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise refuse(f"{value!r} is not an address of a page", "Write it like https://recorder.example.org") from None
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise refuse(f"{value!r} is not https:// and a host", "Write it like https://recorder.example.org")
    if parts.username is not None or re.search(r"[^a-z0-9.:\[\]-]", parts.netloc.lower()):
        raise refuse(f"{value!r} has more in it than a host", "Write it like https://recorder.example.org")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}" + ("" if port in (None, 443) else f":{port}")


Address = Annotated[str, AfterValidator(_address)]


class Web(Section):
    """The page people work with."""

    enabled: bool = Field(default=True, description="Serve the page from this service.")
    listen: Address = Field(
        default="127.0.0.1",
        description="The address of this host it listens on; 0.0.0.0 and :: are all of them.",
    )
    port: int = Field(default=8443, ge=0, le=65535, description="Its port. 0 is any free one: the log names it.")
    origin: Annotated[str, AfterValidator(_origin)] | None = Field(
        default=None,
        description="How people reach it, scheme and host. Requests for another host are refused. "
        "Without it, it is reached by this host's name and `port`.",
        examples=["https://recorder.example.org"],
    )
    tls: bool = Field(
        default=True,
        description="Speak TLS. False is for a proxy on this host that does it: only with a loopback `listen`.",
    )
    tls_certificate_file: AbsolutePath | None = Field(
        default=None,
        description="Its certificate and those between it and the authority, in PEM. Read again when it changes and on "
        "SIGHUP. Without it, the service makes one that no browser knows.",
        examples=["/etc/ari-recorder/web.pem"],
    )
    tls_key_file: AbsolutePath | None = Field(
        default=None,
        description="The key of that certificate, in PEM, readable by the user of this service and not by everybody.",
        examples=["/etc/ari-recorder/web.key"],
    )
    proxies: Annotated[tuple[Address, ...], Field(strict=False)] = Field(
        default=(),
        description="The addresses of proxies in front of it: the last entry of their X-Forwarded-For is believed.",
        examples=[["127.0.0.1"]],
    )
    language: Literal["fi", "sv", "en"] = Field(
        default="fi", description="The language of somebody whose browser asks for none that there is."
    )
    organisation: str = Field(
        default="",
        max_length=120,
        description="Whose service it is, shown on every page.",
        examples=["City of Example"],
    )
    feedback: str = Field(
        default="",
        max_length=200,
        description="Where people tell that a page is hard to use: a mail address, in the accessibility statement.",
        examples=["feedback@example.org"],
    )

    @property
    def is_loopback(self) -> bool:
        return self.address.is_loopback

    @property
    def address(self) -> IPv4Address | IPv6Address:
        return ip_address(self.listen)

    def contradictions(self) -> Iterator[Problem]:
        if not self.tls and not self.is_loopback:
            yield Problem(
                key="web.tls",
                what=f"passwords and voices would go over the network in clear from {self.listen}",
                mend='Set web.tls = true, or web.listen = "127.0.0.1" with a proxy on this host that speaks TLS',
            )
        if not self.tls and self.origin is None and self.proxies:
            yield Problem(
                key="web.origin",
                what="behind a proxy the service cannot know how people reach it",
                mend='Write for example: origin = "https://recorder.example.org"',
            )
        if (self.tls_certificate_file is None) is not (self.tls_key_file is None):
            missing = "tls_key_file" if self.tls_key_file is None else "tls_certificate_file"
            yield Problem(
                key=f"web.{missing}", what="one of the pair is missing", mend="Give certificate and key, or neither"
            )
