"""The sections of the PBX: where it is, what it shares with this service, how recordings begin there."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ari_recorder.config.values import AbsolutePath, SecretFile, Section, Texts, spool_path


class Pbx(Section):
    """The Asterisk this service runs beside."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="Where Asterisk's manager interface (AMI) listens."
    )
    port: int = Field(default=5038, ge=1, le=65535, description="Its port; with TLS usually 5039.")
    username: str = Field(
        min_length=1, max_length=80, pattern=r"^[^\s:]+$", description="The manager user.", examples=["ari-recorder"]
    )
    secret_file: SecretFile = Field(
        description="The file that holds that user's secret and nothing else, or the name of a systemd credential.",
        examples=["/etc/ari-recorder/ami.secret"],
    )
    tls: bool = Field(
        default=False, description="Speak TLS to the manager interface; must be, unless that is on this host."
    )
    tls_ca_file: AbsolutePath | None = Field(
        default=None,
        description="The certificate (authority) to trust, in PEM; without it, those of the system.",
        examples=["/etc/ari-recorder/pbx-ca.pem"],
    )
    tls_server_name: str | None = Field(
        default=None,
        description="The name in the PBX's certificate, when it is not `host`.",
        examples=["pbx.example.org"],
    )
    system_name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]{1,80}$",
        description="`systemname` in asterisk.conf. When set, another PBX at this address is refused.",
        examples=["pbx1"],
    )
    spool: Annotated[AbsolutePath, AfterValidator(spool_path)] = Field(
        description="The folder both Asterisk and this service write to, best on tmpfs: ARI_RECORDER_SPOOL.",
        examples=["/run/ari-recorder/spool"],
    )
    sounds: Annotated[AbsolutePath, AfterValidator(spool_path)] = Field(
        description="The folder of the announcements (fi/ sv/ en/); ARI_RECORDER_SOUNDS in the dialplan.",
        examples=["/usr/local/share/ari-recorder/sounds"],
    )
    queue_log: AbsolutePath = Field(
        default=Path("/var/log/asterisk/queue_log"),
        description="Asterisk's own log of queue events: the ledger's other source.",
    )
    cel: AbsolutePath | None = Field(
        default=None,
        description="The file that Asterisk's cel_custom writes with `cel_custom_ari_recorder.conf`: another source of "
        "the ledger, for what queue_log does not have. Without it, queue_log is all there is.",
        examples=["/var/log/asterisk/cel-custom/ari-recorder.csv"],
    )
    config: AbsolutePath = Field(
        default=Path("/etc/asterisk"),
        description="The folder of Asterisk's configuration files, or a copy of it, which `check` reads (and nothing "
        "else does).",
    )
    dialplan_secret_file: SecretFile = Field(
        description="The file that holds ARI_RECORDER_SECRET: 64 hexadecimal digits, the same as in the dialplan.",
        examples=["/etc/ari-recorder/dialplan.secret"],
    )
    outside: Texts = Field(
        default=(),
        description="How names of channels begin that lead out of the organisation (trunks). "
        "When only such are left with the caller, recording ends.",
        examples=[["PJSIP/operator-"]],
    )


class Capture(Section):
    """How recordings begin."""

    start: Literal["ami", "dialplan"] = Field(
        default="ami",
        description="Who starts MixMonitor: this service over AMI (needs write=system there), or always the dialplan.",
    )
    resume_guard_seconds: float = Field(
        default=0.5, ge=0, le=5, description="How long after an agent's resume code the recording stays silent."
    )
    growth_deadline_seconds: float = Field(
        default=3, ge=0.5, le=30, description="Both files of a recording must have grown by then, or there is an alarm."
    )
    heartbeat_seconds: float = Field(
        default=10,
        ge=1,
        le=14,
        description="How often the dialplan is told that this service lives; after 30 s without, it records.",
    )
