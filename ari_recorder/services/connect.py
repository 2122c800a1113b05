"""The database, the keys and the desks as the configuration describes them: for the service and for commands alike.
What only the service has: connect_service.py. Cases of data subjects: connect_subjects.py."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.activations import Approval
from ari_recorder.domain.audit import Actor, Entry
from ari_recorder.domain.due_dates import Pace
from ari_recorder.domain.errors import DatabaseNotReady, RecorderError, Unavailable
from ari_recorder.domain.notice import Basis
from ari_recorder.domain.retention import Period, Rules
from ari_recorder.services import anchors
from ari_recorder.services.accounts import Accounts
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.audit_access import AuditAccess
from ari_recorder.services.audit_check import Verified
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.audit_log import AuditLog, sequence, written
from ari_recorder.services.clock import Clocks
from ari_recorder.services.connections import Connections
from ari_recorder.services.enrol import Enrolment
from ari_recorder.services.holds import Holds
from ari_recorder.services.login import Login
from ari_recorder.services.mail import Post
from ari_recorder.services.notice import Notices
from ari_recorder.services.policy import Policies
from ari_recorder.services.promises import PromiseDesk
from ari_recorder.services.request_freeze import RequestFreeze
from ari_recorder.services.rights import Rights
from ari_recorder.services.sessions import Sessions
from ari_recorder.services.use import UseReports
from ari_recorder.storage import migrate
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.log_signer import LogSigner
from ari_recorder.vault.login_key import LoginKey
from ari_recorder.vault.passwords import Passwords
from ari_recorder.vault.root_key import RootKind
from ari_recorder.vault.weak_passwords import WeakPasswords


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everything about who logs in and what they may do."""

    login: Login
    sessions: Sessions
    enrolment: Enrolment
    accounts: Accounts
    rights: Rights


@asynccontextmanager
async def address(config: Config) -> AsyncIterator[str]:
    """The database's, for one command. A PostgreSQL of our own is used when it runs, and else started for as long."""
    dsn = config.dsn()
    if dsn is not None:
        yield dsn
        return
    if not config.storage.database.exists():
        raise DatabaseNotReady(database=str(config.storage.database))
    embedded = EmbeddedPostgres(config.storage.database, config.storage.logs)
    try:
        yield await embedded.start()
    finally:
        await embedded.stop()


@asynccontextmanager
async def database(config: Config) -> AsyncIterator[Database]:
    """The database for one command."""
    async with address(config) as dsn, Database(dsn, seen=config.storage.timelines) as opened:
        yield opened


@asynccontextmanager
async def ready_database(config: Config) -> AsyncIterator[Database]:
    """The same, refused when its tables are not those this program knows."""
    async with database(config) as opened:
        if await migrate.missing(opened):
            raise DatabaseNotReady(database=opened.name)
        try:
            yield opened
        finally:
            # No service may be running. Entries of this command that stay behind are sequenced by whoever comes next.
            with contextlib.suppress(Unavailable):
                await sequence(opened)


def rules(config: Config) -> Rules:
    """The retention of each queue. PeriodRefused names the period that is none."""
    return Rules(
        queues={queue.name: Period.parse(queue.retention) for queue in config.queues},
        undecided_grace=Period.parse(config.retention.undecided_grace),
    )


def bases(config: Config) -> Mapping[str, Basis]:
    """On what each queue stands."""
    return {queue.name: Basis(queue.basis) for queue in config.queues if queue.basis is not None}


def pace(config: Config) -> Pace:
    return Pace(answer_days=config.requests.answer_days, warn_days=config.requests.warn_days)


def request_freeze(opened: Database, keys: Keyring, clocks: Clocks | None = None) -> RequestFreeze:
    return RequestFreeze(database=opened, keyring=keys, clocks=clocks or Clocks())


def policies(config: Config, opened: Database) -> Policies:
    return Policies(opened, rules(config))


async def noted(config: Config, entry: Entry) -> str:
    """An entry about what needs no database. Why it is not in the log yet; empty when it is."""
    now = Clocks().now()
    try:
        async with ready_database(config) as opened:
            await written(opened, entry, now)
    except (Unavailable, ConfigError) as error:
        await LaterEntries(config.storage.later).put(entry, now)
        return str(error)
    return ""


def log_signer(config: Config, *, new_log: bool = False) -> LogSigner:
    """The key of the audit log, made at the first use. It is had while the keyring is locked."""
    origin = f"ari-recorder/{Keyring.open(config.storage.keys).installation}"
    signer = LogSigner.open(config.storage.audit, origin)
    return LogSigner.begin_new(config.storage.audit, origin) if new_log else signer


def audit_log(config: Config, opened: Database, signer: LogSigner) -> AuditLog:
    every = timedelta(seconds=config.audit.checkpoint_every_seconds)
    post = Post(config.mail, config.web.language)
    return AuditLog(database=opened, signer=signer, anchors=anchors.of(config), post=post, clocks=Clocks(), every=every)


def approvals_of(config: Config) -> Mapping[str, Approval]:
    """By which decision each queue is recorded."""
    return {
        queue.name: Approval(
            approved_by=queue.approved_by,
            approved_on=date.fromisoformat(queue.approved_on),
            staff_informed_on=date.fromisoformat(queue.staff_informed_on),
        )
        for queue in config.queues
    }


def audit_access(config: Config, opened: Database, actor: Actor, *, new_log: bool = False) -> AuditAccess:
    signer = log_signer(config, new_log=new_log)
    return AuditAccess(
        database=opened,
        signer=signer,
        log=audit_log(config, opened, signer),
        clocks=Clocks(),
        anchor_file=config.audit.anchor_file,
        actor=actor,
    )


def holds(config: Config, opened: Database, keys: Keyring) -> Holds:
    return Holds(database=opened, keyring=keys, policies=policies(config, opened), clocks=Clocks())


def use_reports(config: Config, opened: Database, clocks: Clocks | None = None) -> UseReports:
    post = Post(config.mail, config.web.language)
    return UseReports(database=opened, settings=config.use, post=post, clocks=clocks or Clocks())


def notices(config: Config, opened: Database, clocks: Clocks | None = None) -> Notices:
    return Notices(config=config, database=opened, policies=policies(config, opened), clocks=clocks or Clocks())


def promises(
    config: Config, opened: Database, clocks: Clocks | None = None, connections: Connections | None = None
) -> PromiseDesk:
    async def verify() -> Verified:
        access = await asyncio.to_thread(audit_access, config, opened, Actor.service("notice"))
        return await access.verify()

    return PromiseDesk(
        config=config,
        database=opened,
        notices=notices(config, opened, clocks),
        policies=policies(config, opened),
        clocks=clocks or Clocks(),
        verify=verify,
        pace=pace(config),
        connections=connections,
    )


def approvals(config: Config, opened: Database, clocks: Clocks | None = None) -> Approvals:
    return Approvals(database=opened, clocks=clocks or Clocks(), needed=config.use.two_persons)


def people(
    config: Config, opened: Database, clocks: Clocks | None = None, passwords: Passwords | None = None
) -> People:
    """Once for a service: at most four passwords are compared at a time. No file is needed before somebody enrols."""
    settings = config.accounts
    clocks, passwords = clocks or Clocks(), passwords or Passwords()
    login_key, window = LoginKey(config.storage.login_key), settings.code_steps
    weak = WeakPasswords(
        least=settings.password_characters,
        words=settings.password_words,
        refused_file=settings.refused_passwords_file,
    )
    accounts = Accounts(database=opened, clocks=clocks)
    return People(
        login=Login(database=opened, passwords=passwords, login_key=login_key, clocks=clocks, window=window),
        sessions=Sessions(database=opened, login_key=login_key, clocks=clocks, window=window),
        enrolment=Enrolment(
            database=opened, passwords=passwords, weak=weak, login_key=login_key, clocks=clocks, window=window
        ),
        accounts=accounts,
        rights=Rights(database=opened, clocks=clocks, accounts=accounts),
    )


def keyring(config: Config, passphrase: str | None = None, root_key: Path | None = None) -> Keyring:
    """The keys, unlocked; it never makes new ones, the service's first start does."""
    opened = Keyring.open(config.storage.keys)
    unlock(opened, config, passphrase, root_key)
    return opened


def keys_if_had(config: Config) -> Keyring | None:
    """For who can do something without them. They may be locked."""
    try:
        return keyring(config)
    except (RecorderError, ConfigError):
        return None


def unlock(locked: Keyring, config: Config, passphrase: str | None = None, root_key: Path | None = None) -> None:
    """By the root key of the configuration, unless it is elsewhere; or the passphrase if the keyring was made so."""
    try:
        root_key = root_key or config.root_key()
    except ConfigError:
        if locked.root_kind is RootKind.FILE:
            raise
        root_key = None
    locked.unlock(root_key=root_key, passphrase=passphrase)
