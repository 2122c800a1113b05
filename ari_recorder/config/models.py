"""The shape of the configuration file: a model for each section, every setting described.

The example file and README's table are made from these descriptions. What a setting means for calls and recordings is
not here, and neither is what a person is told about a mistake: config/messages.py.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, PrivateAttr
from pydantic.fields import FieldInfo

from ari_recorder.config import secrets
from ari_recorder.config.accounts import Accounts
from ari_recorder.config.connections import database_in_clear, pbx_in_clear, syslog_in_clear
from ari_recorder.config.controller import Controller, Notice
from ari_recorder.config.delivery import Delivery
from ari_recorder.config.host import Host
from ari_recorder.config.mail import Mail
from ari_recorder.config.monitor import Alarms, Monitor
from ari_recorder.config.papers import Papers
from ari_recorder.config.pbx import Capture, Pbx
from ari_recorder.config.problems import ConfigError, Problem
from ari_recorder.config.quarantine import Quarantine
from ari_recorder.config.requests import Requests
from ari_recorder.config.roles import EVERY_ROLE, Role
from ari_recorder.config.s3 import S3
from ari_recorder.config.storage import Storage
from ari_recorder.config.use import Use
from ari_recorder.config.values import (
    AbsolutePath,
    Number,
    SecretFile,
    Section,
    Told,
    day,
    dsn_without_password,
    period,
    syslog_address,
)
from ari_recorder.config.web import Web


class Database(Section):
    """PostgreSQL. Without either, the service starts a private one in `storage.state`."""

    dsn: Annotated[str, AfterValidator(dsn_without_password)] | None = Field(
        default=None,
        description="The address of the database, without a password. On another host it wants `sslmode=verify-full`.",
        examples=["postgresql:///ari_recorder"],
    )
    dsn_file: SecretFile | None = Field(
        default=None,
        description="The file that holds the address with its password, or the name of a systemd credential.",
        examples=["/etc/ari-recorder/database.dsn"],
    )


class Queue(Section):
    """A queue whose calls are recorded. Calls to a queue without such a section are not. Recording those who work in it
    is decided first, and they are told: which decision, and when, stands here and is kept with its history."""

    name: str = Field(
        pattern=r"^[^\x00-\x1f|]{1,128}$", description="Its name in Asterisk's queues.conf.", examples=["advice"]
    )
    retention: Annotated[str, AfterValidator(period)] = Field(
        description="How long its recordings are kept: an ISO 8601 period, counted on the calendar of Europe/Helsinki.",
        examples=["P3M"],
    )
    approved_by: str = Field(
        min_length=1,
        max_length=200,
        description="The decision by which it is recorded: number and paragraph of the document.",
        examples=["HR 14/2026, 8 §"],
    )
    approved_on: Annotated[str, AfterValidator(day)] = Field(
        description="The day of that decision.", examples=["2026-10-12"]
    )
    staff_informed_on: Annotated[str, AfterValidator(day)] = Field(
        description="The day by which everybody who works in the queue was told.", examples=["2026-10-26"]
    )
    codec: Literal["flac", "opus"] = Field(
        default="flac",
        description="What its recordings are kept as: flac loses nothing; opus takes a third of the room.",
    )
    numbers: Annotated[tuple[Number, ...], Field(strict=False)] = Field(
        default=(),
        description="The numbers that lead to it; `check` looks for them in the dialplan.",
        examples=[["0800123456"]],
    )
    called: Told = Field(
        default_factory=dict,
        description="What people call it, for the privacy notice: the same in all languages, or each.",
        examples=[{"fi": "Neuvonta", "sv": "Rådgivning", "en": "Advice"}],
    )
    basis: Literal["public-task", "legitimate-interest", "consent"] | None = Field(
        default=None,
        description="On what its calls may be recorded, for the privacy notice: `public-task`, `legitimate-interest` "
        "or `consent` (GDPR, article 6(1) e, f and a).",
        examples=["public-task"],
    )


class Retention(Section):
    """When recordings that are due are destroyed."""

    sweep_every_seconds: float = Field(
        default=600, ge=1, le=3600, description="How often the service looks for recordings that are due."
    )
    sweep_at_most_per_second: float = Field(
        default=2000,
        ge=1,
        le=100_000,
        description="How many recordings a second it destroys at most, so that live calls do not notice.",
    )
    undecided_grace: Annotated[str, AfterValidator(period)] = Field(
        default="P14D",
        description="How much longer a call is kept that an agent flagged and no supervisor decided on. "
        "Then it is destroyed.",
    )
    backups_kept: Annotated[str, AfterValidator(period)] = Field(
        default="P30D",
        description="How long your backups of vault and database are kept. Certificates of destruction say so.",
    )


class Audit(Section):
    """Where the signed heads of the audit log go, so that nobody can change it unseen. Use both, on other hosts."""

    checkpoint_every_seconds: float = Field(
        default=60, ge=1, le=3600, description="How often the log is signed when there is something new in it."
    )
    anchor_file: AbsolutePath | None = Field(
        default=None,
        description="A file outside the database that signed heads are appended to, best on storage that only appends.",
        examples=["/mnt/worm/ari-recorder/audit-anchors.jsonl"],
    )
    anchor_syslog: Annotated[str, AfterValidator(syslog_address)] | None = Field(
        default=None,
        description="The syslog that signed heads are sent to: `unix:/dev/log` or `tls://host:6514`; on this host also "
        "`udp://localhost:514` and `tcp://localhost:601`.",
        examples=["tls://siem.example.org:6514"],
    )


class Log(Section):
    """What the service says about itself. Neither numbers nor names of people, nor secrets, are in it."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is written."
    )
    file: AbsolutePath | None = Field(
        default=None,
        description="Where to write; without it, to standard error.",
        examples=["/var/log/ari-recorder/service.log"],
    )
    # `json` is taken by pydantic.
    json_lines: bool = Field(default=True, alias="json", description="One JSON object a line; false: coloured text.")


class Config(Section):
    """The whole file."""

    host: Host = Host()
    pbx: Pbx
    capture: Capture = Capture()
    storage: Storage
    s3: S3 = S3()
    database: Database = Database()
    queues: Annotated[tuple[Queue, ...], Field(strict=False, min_length=1)]
    retention: Retention = Retention()
    quarantine: Quarantine = Quarantine()
    audit: Audit = Audit()
    web: Web = Web()
    mail: Mail = Mail()
    use: Use = Use()
    controller: Controller = Controller()
    notice: Notice = Notice()
    accounts: Accounts = Accounts()
    papers: Papers = Papers()
    requests: Requests = Requests()
    delivery: Delivery = Delivery()
    monitor: Monitor = Monitor()
    alarms: Alarms = Alarms()
    log: Log = Log.model_validate({})
    _source: Path = PrivateAttr(default=Path())

    @property
    def source(self) -> Path:
        return self._source

    def ami_secret(self) -> str:
        return self._secret("pbx.secret_file", self.pbx.secret_file)

    def dialplan_secret(self) -> str:
        secret = self._secret("pbx.dialplan_secret_file", self.pbx.dialplan_secret_file)
        if not re.fullmatch(r"[0-9a-f]{64}", secret):
            raise ConfigError(
                self.source,
                Problem(
                    key="pbx.dialplan_secret_file",
                    what="the file does not hold 64 hexadecimal digits in lower case",
                    mend="Make a secret with `openssl rand -hex 32` and set ARI_RECORDER_SECRET in the dialplan to it",
                ),
            )
        return secret

    def mail_password(self) -> str | None:
        if self.mail.password_file is None:
            return None
        return self._secret("mail.password_file", self.mail.password_file)

    def s3_keys(self) -> tuple[str, str] | None:
        """The access key and the secret key of the S3 store, if there is one."""
        if self.s3.bucket is None or self.s3.access_key_file is None or self.s3.secret_key_file is None:
            return None
        return (
            self._secret("s3.access_key_file", self.s3.access_key_file),
            self._secret("s3.secret_key_file", self.s3.secret_key_file),
        )

    def webhook_secret(self) -> bytes | None:
        if self.alarms.webhook_secret_file is None:
            return None
        return self._secret("alarms.webhook_secret_file", self.alarms.webhook_secret_file).encode()

    def root_key(self) -> Path:
        """Where the root key lies, unless it is a passphrase."""
        with self._told("storage.root_key"):
            return secrets.path_of(self.storage.root_key)

    def dsn(self) -> str | None:
        """The database's address, or None for the embedded one."""
        if self.database.dsn_file is None:
            return self.database.dsn
        dsn = self._secret("database.dsn_file", self.database.dsn_file)
        for problem in database_in_clear("database.dsn_file", dsn):
            raise ConfigError(self.source, problem)
        return dsn

    def _secret(self, key: str, reference: str) -> str:
        with self._told(key):
            return secrets.read(reference)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except secrets.SecretUnusable as refusal:
            raise ConfigError(self.source, Problem(key=key, what=refusal.what, mend=refusal.mend)) from None

    def contradictions(self) -> Iterator[Problem]:
        """What no single setting shows."""
        if self.database.dsn and self.database.dsn_file:
            yield Problem(key="database.dsn", what="dsn_file is set too", mend="Keep one of the two")
        if self.pbx.tls_ca_file and not self.pbx.tls:
            yield Problem(key="pbx.tls_ca_file", what="tls is off", mend="Set pbx.tls = true, or remove tls_ca_file")
        for key, folder in (("storage.vault", self.storage.vault), ("storage.keys", self.storage.keys)):
            if _within(folder, self.pbx.spool) or _within(self.pbx.spool, folder):
                yield Problem(
                    key=key,
                    what="it and pbx.spool lie one in the other; the spool is emptied and may be lost with the power",
                    mend="Give each a folder of its own",
                )
        root_key = Path(os.path.normpath(self.storage.root_key))
        if root_key.is_absolute() and _within(root_key, self.storage.keys):
            yield Problem(
                key="storage.root_key",
                what="it lies in storage.keys: whoever has a backup of the keys could open them",
                mend="Give it a place of its own",
            )
        if self.host.does != EVERY_ROLE and not (self.database.dsn or self.database.dsn_file):
            yield Problem(
                key="host.roles",
                what="it does not do everything, and the database of its own is nobody else's",
                mend="Set database.dsn to the database that all hosts share, or give it all roles",
            )
        if self.host.does != EVERY_ROLE and Role.CAPTURE in self.host.does and self.pbx.system_name is None:
            yield Problem(
                key="pbx.system_name",
                what="there are several hosts, and calls are told apart by it",
                mend="Give the PBX a systemname in asterisk.conf, and write it here",
            )
        if len(self.host.roles) != len(self.host.does):
            yield Problem(key="host.roles", what="a role is there twice", mend="Keep one of the two")
        yield from pbx_in_clear(self.pbx.host, tls=self.pbx.tls)
        yield from database_in_clear("database.dsn", self.database.dsn or "")
        yield from syslog_in_clear(self.audit.anchor_syslog)
        yield from self.web.contradictions()
        yield from self.s3.contradictions()
        yield from self.mail.contradictions()
        yield from self.requests.contradictions()
        yield from self.alarms.contradictions(self.mail.host is not None)
        names = [queue.name for queue in self.queues]
        numbers = [number for queue in self.queues for number in queue.numbers]
        for key, what in (("name", names), ("numbers", numbers)):
            for twice in sorted({one for one in what if what.count(one) > 1}):
                yield Problem(key=f"queues.{key}", what=f"{twice!r} is there twice", mend="Keep one of the two")


def _within(inner: Path, outer: Path) -> bool:
    return inner.is_relative_to(outer)


def section_of(field: FieldInfo) -> type[Section] | None:
    """The model behind a field that is a section, or a list of sections."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def fields_of(model: type[Section]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def sections() -> dict[str, type[Section]]:
    """The name of each section with its model."""
    found = ((name, section_of(field)) for name, field in fields_of(Config).items())
    return {name: model for name, model in found if model is not None}
