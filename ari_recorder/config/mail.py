"""The shape of `[mail]`: the server that takes our mail, and who is written to about what. No mail is sent here."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ari_recorder.config.connections import is_this_host
from ari_recorder.config.problems import Problem
from ari_recorder.config.values import AbsolutePath, SecretFile, Section, refuse

# What every mail server takes: nothing quoted, no comment, no second line.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def _mail_address(value: str) -> str:
    if _ADDRESS.fullmatch(value) is None:
        raise refuse(f"{value!r} is not a mail address", "Write it like recorder@example.org, without a name")
    return value


MailAddress = Annotated[str, AfterValidator(_mail_address)]
MailAddresses = Annotated[tuple[MailAddress, ...], Field(strict=False)]


class Mail(Section):
    """Reminders by mail. In a mail are ids, days and links; nothing about callers."""

    host: str | None = Field(
        default=None,
        min_length=1,
        pattern=r"^[A-Za-z0-9.:_-]+$",
        description="The mail server (SMTP) of your organisation. Without it no mail is sent.",
        examples=["mail.example.org"],
    )
    port: int = Field(default=587, ge=1, le=65535, description="Its port; with security = tls usually 465.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is protected; a server that cannot is sent nothing. "
        "none is for a server on this host only.",
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="The certificate (authority) of the server to trust, in PEM; without it, those of the system.",
        examples=["/etc/ari-recorder/mail-ca.pem"],
    )
    user: str | None = Field(
        default=None, min_length=1, description="The user to log in with there, if it wants one.", examples=["recorder"]
    )
    password_file: SecretFile | None = Field(
        default=None,
        description="The file that holds that user's password, or the name of a systemd credential.",
        examples=["/etc/ari-recorder/mail.password"],
    )
    sender: MailAddress | None = Field(
        default=None, description="The address mail comes from.", examples=["recorder@example.org"]
    )
    flags_to: MailAddresses = Field(
        default=(),
        description="Who is reminded of flagged calls nobody decided on.",
        examples=[["supervisors@example.org"]],
    )
    holds_to: MailAddresses = Field(
        default=(), description="Who is reminded of holds to be reviewed.", examples=[["supervisors@example.org"]]
    )
    quarantine_to: MailAddresses = Field(
        default=(),
        description="Who is told of audio in quarantine: the privacy officer.",
        examples=[["privacy@example.org"]],
    )
    requests_to: MailAddresses = Field(
        default=(),
        description="Who is warned of requests of persons that are to be answered.",
        examples=[["privacy@example.org"]],
    )
    use_to: MailAddresses = Field(
        default=(),
        description="Who is told of each week's report of use, and reminded of listenings nobody has signed off.",
        examples=[["privacy@example.org"]],
    )
    deliveries_to: MailAddresses = Field(
        default=(),
        description="Who is told that a link of a delivery was closed after too many wrong passphrases.",
        examples=[["privacy@example.org"]],
    )
    audit_to: MailAddresses = Field(
        default=(),
        description="Who is sent the signed head of the audit log once a day, to be kept: an anchor outside this host.",
        examples=[["privacy@example.org"]],
    )

    breaches_to: MailAddresses = Field(
        default=(),
        description="Who is reminded that the authority is to be told of a breach within 72 hours: the privacy "
        "officer.",
        examples=[["privacy@example.org"]],
    )

    def contradictions(self) -> Iterator[Problem]:
        if self.host is None:
            return
        if self.sender is None:
            yield Problem(
                key="mail.sender", what="mail has to come from somebody", mend="Write the address mail comes from"
            )
        if (self.user is None) is not (self.password_file is None):
            missing = "password_file" if self.password_file is None else "user"
            yield Problem(key=f"mail.{missing}", what="one of the pair is missing", mend="Give user and password_file")
        if self.security == "none" and not is_this_host(self.host):
            yield Problem(
                key="mail.security",
                what=f"mail would go over the network to {self.host} in clear",
                mend='Set security = "starttls" or "tls"',
            )
