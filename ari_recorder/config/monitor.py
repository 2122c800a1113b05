"""The shape of `[monitor]` and `[alarms]`: where figures and health are read, and who hears of alarms. Nothing is sent
here."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ari_recorder.config.mail import MailAddresses
from ari_recorder.config.problems import Problem
from ari_recorder.config.values import SecretFile, Section, refuse


def _loopback(value: str) -> str:
    try:
        is_loopback = ip_address(value).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise refuse(
            f"{value!r} is not a loopback address: figures and health are served without TLS",
            'Write "127.0.0.1" or "::1"; a monitoring agent or a proxy on this host carries them further',
        )
    return value


def _receiver(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if host is None or parts.username is not None or parts.fragment or parts.scheme not in ("https", "http"):
        raise refuse(f"{value!r} is not the address of a receiver", "Write it like https://alarms.example.org/hook")
    if parts.scheme == "http" and not _is_this_host(host):
        raise refuse(f"alarms would go over the network to {host} in clear", "Write it with https://")
    return value


def _is_this_host(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Monitor(Section):
    """Figures (Prometheus) and health, for monitoring systems on this host. Nothing about callers is in them."""

    enabled: bool = Field(default=True, description="Serve `/metrics`, `/health` and `/live`.")
    listen: Annotated[str, AfterValidator(_loopback)] = Field(
        default="127.0.0.1", description="The loopback address they are served on, by plain HTTP."
    )
    port: int = Field(default=9469, ge=0, le=65535, description="Its port. 0 is any free one: the log names it.")


class Alarms(Section):
    """Who hears of alarms besides the log. Each is told once an hour at most while it goes on."""

    mail_to: MailAddresses = Field(
        default=(),
        description="Who is written to, over the server of `[mail]`; it works while the database is away.",
        examples=[["oncall@example.org"]],
    )
    webhook: Annotated[str, AfterValidator(_receiver)] | None = Field(
        default=None,
        description="An address that each alarm is sent to as JSON by POST; it answers 2xx when it has it.",
        examples=["https://alarms.example.org/hook"],
    )
    webhook_secret_file: SecretFile | None = Field(
        default=None,
        description="The file of a secret, or the name of a systemd credential: with it each POST has an "
        "`X-Signature: sha256=…`, the HMAC of its body.",
        examples=["/etc/ari-recorder/webhook.secret"],
    )

    def contradictions(self, has_mail_server: bool) -> Iterator[Problem]:
        if self.mail_to and not has_mail_server:
            yield Problem(key="alarms.mail_to", what="there is no mail server", mend="Set mail.host and mail.sender")
        if self.webhook_secret_file is not None and self.webhook is None:
            yield Problem(
                key="alarms.webhook_secret_file", what="there is no webhook", mend="Set alarms.webhook, or remove it"
            )
