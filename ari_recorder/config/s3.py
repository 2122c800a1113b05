"""The shape of `[s3]`: the store that keeps sealed recordings beside the vault. It is not spoken to here."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from ari_recorder.config.connections import is_this_host
from ari_recorder.config.problems import Problem
from ari_recorder.config.values import AbsolutePath, SecretFile, Section, refuse

GIB = 1 << 30


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        fit = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.path in ("", "/")
        fit = fit and not (parts.username or parts.query or parts.fragment) and parts.port != 0
    except ValueError:
        fit = False
    if not fit:
        raise refuse(f"{value!r} is not the address of an S3 store", "Write it like https://s3.example.org")
    return value.rstrip("/")


class S3(Section):
    """A store that speaks S3, to which each sealed recording is copied. The vault's own file is then a cache. Without
    `bucket` there is none, and recordings are in the vault only."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        default=None, description="The address of the store, without a bucket.", examples=["https://s3.example.org"]
    )
    bucket: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="The bucket; it has to be there. One with Object Lock is refused: nothing in it could be "
        "destroyed.",
        examples=["call-recordings"],
    )
    region: str = Field(
        default="us-east-1",
        pattern=r"^[a-z0-9-]{1,64}$",
        description="The region that requests are signed for. Many stores have one only, and call it us-east-1.",
        examples=["eu-north-1"],
    )
    country: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}$",
        description="In which country the store keeps its data, as ISO 3166 has it. One outside the EU and the EEA is "
        "refused.",
        examples=["FI"],
    )
    prefix: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,62}/){0,4}$",
        description="What the names of all objects begin with; it ends in a slash. For this service alone.",
        examples=["ari-recorder/"],
    )
    access_key_file: SecretFile | None = Field(
        default=None,
        description="The file that holds the access key, or the name of a systemd credential.",
        examples=["/etc/ari-recorder/s3.access"],
    )
    secret_key_file: SecretFile | None = Field(
        default=None,
        description="The file that holds the secret key, or the name of a systemd credential.",
        examples=["/etc/ari-recorder/s3.secret"],
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="The certificate (authority) of the store to trust, in PEM; without it, those of the system.",
        examples=["/etc/ari-recorder/s3-ca.pem"],
    )
    cache_gib: float | None = Field(
        default=None,
        ge=0,
        description="How much of what the store has is kept in the vault, too, in GiB; what is more goes, the oldest "
        "first. Without it, all that `cache_days` leaves.",
        examples=[200],
    )
    cache_days: int | None = Field(
        default=None,
        ge=0,
        le=36_500,
        description="For how many days what the store has is kept in the vault, too. Without it, for as long as the "
        "recording is kept.",
        examples=[14],
    )
    alarm_after_minutes: float = Field(
        default=60,
        ge=1,
        le=10_080,
        description="After how long a recording that the store has not got raises an alarm.",
    )

    def contradictions(self) -> Iterator[Problem]:
        if self.bucket is None:
            return
        needed = {
            "endpoint": (self.endpoint, "Write the address of the store, for example https://s3.example.org"),
            "country": (self.country, "Write in which country the store keeps its data, for example FI"),
            "access_key_file": (self.access_key_file, "Put the access key alone into a file, mode 0600, and name it"),
            "secret_key_file": (self.secret_key_file, "Put the secret key alone into a file, mode 0600, and name it"),
        }
        for key, (value, mend) in needed.items():
            if value is None:
                yield Problem(key=f"s3.{key}", what="a bucket needs it", mend=mend)
        parts = urlsplit(self.endpoint or "")
        if parts.scheme == "http" and not is_this_host(parts.hostname or ""):
            yield Problem(
                key="s3.endpoint",
                what=f"requests would go over the network to {parts.hostname} in clear",
                mend=f"Write it like https://{parts.hostname}",
            )
