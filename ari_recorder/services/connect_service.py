"""What only the running service has, and commands that open audio or sweep: the PBX, the vault, alarms, the sweep, the
ledger. Their libraries take as long to load as most commands take in all; what those need: connect.py."""

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.config import Config, Role
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import TlsUnusable
from ari_recorder.domain.local_cache import CacheLimits
from ari_recorder.domain.retention import Period, Policy
from ari_recorder.services import activations, connect, object_store, receivers
from ari_recorder.services.alarms import AlarmDesk
from ari_recorder.services.audit_log import started
from ari_recorder.services.certify import Certifier
from ari_recorder.services.clock import Clocks
from ari_recorder.services.cross_check import CrossCheck
from ari_recorder.services.day_keys import DayKeys
from ari_recorder.services.erase import Eraser
from ari_recorder.services.ledger_keeper import LedgerKeeper
from ari_recorder.services.local_cache import LocalCache
from ari_recorder.services.mail import Post
from ari_recorder.services.queue_logs import QueueLogTail
from ari_recorder.services.record import Recorder
from ari_recorder.services.remind import Reminders
from ari_recorder.services.sessions import forget_old
from ari_recorder.services.sweep import Chore, Sweep
from ari_recorder.services.uploads import Uploader
from ari_recorder.services.witnesses import Witnesses
from ari_recorder.storage.db import Database
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.object_store import ObjectStore
from ari_recorder.vault.parts import Parts
from ari_recorder.vault.recordings import Vault


def ami_session(config: Config) -> AmiSession:
    """Reads both secrets. ConfigError when one cannot be read, TlsUnusable when the certificate cannot."""
    pbx = config.pbx
    return AmiSession(
        host=pbx.host,
        port=pbx.port,
        username=pbx.username,
        secret=config.ami_secret(),
        token_secret=config.dialplan_secret(),
        tls=_tls(config) if pbx.tls else None,
        server_hostname=(pbx.tls_server_name or pbx.host) if pbx.tls else None,
    )


def sweep(
    config: Config,
    opened: Database,
    keys: Keyring | None,
    in_journal: Callable[[], frozenset[str]] | None = None,
    unfenced: Database | None = None,
    store: ObjectStore | None = None,
) -> Sweep:
    """Without keys there are no certificates, and without knowing the journal no day key is destroyed: what was left
    out is done by the service's next sweep."""
    clocks = Clocks()
    chores: list[Chore] = []
    if keys is not None and in_journal is not None:
        parts = Parts(config.storage.vault, keys)
        by_day = DayKeys(database=opened, keyring=keys, parts=parts, clocks=clocks, in_journal=in_journal)
        chores.append(by_day.destroy_due)
    if keys is not None:
        kept = Period.parse(config.retention.backups_kept)
        chores.append(Certifier(database=opened, keyring=keys, clocks=clocks, backups_kept=kept).certify)
        chores.append(connect.request_freeze(opened, keys).release)
    chores.append(Reminders(opened, Post(config.mail, config.web.language), connect.pace(config)).remind)

    async def forget_sessions(_: Policy, now: datetime) -> None:
        await forget_old(opened, now)

    chores.append(forget_sessions)
    return Sweep(
        database=opened,
        copies=Copies(config.storage.vault, store or object_store.of(config)),
        policies=connect.policies(config, opened),
        clocks=clocks,
        every=timedelta(seconds=config.retention.sweep_every_seconds),
        at_most=config.retention.sweep_at_most_per_second,
        chores=chores,
        unfenced=unfenced,
    )


def eraser(config: Config, opened: Database) -> Eraser:
    """Of a host that has files no sweeper reaches."""
    return Eraser(
        database=opened,
        copies=Copies(config.storage.vault, object_store.of(config)),
        clocks=Clocks(),
        at_most=config.retention.sweep_at_most_per_second,
    )


def uploader(config: Config, opened: Database, files: VaultFiles) -> Uploader | None:
    """Without an S3 store there is nothing to send. Its connections are its own: calls that are to be stored never
    wait behind it."""
    if files.store is None:
        return None
    gib, days = config.s3.cache_gib, config.s3.cache_days
    limits = CacheLimits(max_bytes=int(gib * (1 << 30)) if gib is not None else None, max_days=days)
    cache = LocalCache(database=opened, files=files, store=files.store, limits=limits)
    late = timedelta(minutes=config.s3.alarm_after_minutes)
    return Uploader(database=opened, files=files, store=files.store, alarm_after=late, then=cache.due)


def alarms(config: Config) -> AlarmDesk:
    return AlarmDesk(config.storage.alarms, receivers.of(config))


def cross_check(config: Config, recorder: Recorder) -> CrossCheck:
    return CrossCheck(
        tail=QueueLogTail(config.pbx.queue_log),
        queues=frozenset(queue.name for queue in config.queues),
        calls=lambda: recorder.calls,
        is_over=recorder.is_over,
        caught_up=lambda: recorder.caught_up,
        ask=recorder.ask,
    )


def ledger_keeper(config: Config, opened: Database, recorder: Recorder) -> LedgerKeeper:
    queues = frozenset(queue.name for queue in config.queues)
    return LedgerKeeper(
        database=opened,
        witnesses=Witnesses(queue_log=config.pbx.queue_log, cel=config.pbx.cel, queues=queues),
        queues=queues,
        in_memory=lambda: recorder.calls,
        clocks=Clocks(),
        away=recorder.presence.newest,
        pbx=config.pbx.system_name,
    )


async def audit_start(config: Config, opened: Database, keyring: Keyring) -> None:
    """The first entries of a service that begins."""
    told = config.model_dump_json(by_alias=True).encode()  # places of secrets are in it, no secret is
    now = Clocks().now()
    await started(opened, config.host.name, sha256(told).hexdigest(), keyring.installation, now)
    if Role.CAPTURE in config.host.does:
        await activations.adopt(opened, config.pbx.system_name or "", connect.approvals_of(config), now)


def stops(config: Config) -> Entry:
    return Entry(action=Action.SERVICE_STOP, actor=Actor.service("daemon"), facts={"host": config.host.name})


def vault(config: Config, passphrase: str | None = None) -> Vault:
    return Vault(
        VaultFiles(config.storage.vault, object_store.of(config)), connect.keyring(config, passphrase), config.pbx.spool
    )


def _tls(config: Config) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=config.pbx.tls_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise TlsUnusable(path=config.pbx.tls_ca_file, reason=error.strerror or type(error).__name__) from None
