"""The service: builds every part once, from the configuration, and runs their jobs in one event loop. Decides nothing.

    spool-watch ─┐
    ami ─► hear ─┼─► decide ─► effects (behind)          store ─► PostgreSQL
                 │                                        ▲
    heartbeat ───┘                       migrate ─────────┘          sweep

Which jobs a host does, and how many hosts may do one at once, says domain/roles.py.

Order of starting: what must be there before an event comes is started before the AMI session. Stopping goes the other
way round: no new events, then what was ordered is carried out, then the database.
"""

import asyncio
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.config import Config, ConfigError, Role
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import (
    FolderUnusable,
    HostNameTaken,
    HostPbxTaken,
    KeyringExists,
    KeyringMissing,
    RecorderError,
    Unavailable,
)
from ari_recorder.domain.roles import TASKS, AtOnce, does
from ari_recorder.services import (
    connect,
    connect_capture,
    connect_service,
    key_copies,
    object_store,
    refusal_templates,
    site,
)
from ari_recorder.services.alarms import AlarmDesk
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.audit_log import AuditFeed
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.clock import Clocks, refuse_behind
from ari_recorder.services.connections import Connections
from ari_recorder.services.control import ControlSocket
from ari_recorder.services.figures import FigureDesk
from ari_recorder.services.health import HealthDesk
from ari_recorder.services.hosts import HostDesk
from ari_recorder.services.key_control import KeyControl
from ari_recorder.services.key_copies import KeyCopies
from ari_recorder.services.keys import KeySupply
from ari_recorder.services.leases import LeaseDesk
from ari_recorder.services.mail import Mailer
from ari_recorder.services.meters import Meters
from ari_recorder.services.metrics import Metrics
from ari_recorder.services.record import Recorder
from ari_recorder.services.restore import refuse_unfinished
from ari_recorder.services.rewrap import FallbackRescue
from ari_recorder.services.scrub import Scrub
from ari_recorder.services.store import RETRY
from ari_recorder.storage import instance
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.journal import Journal
from ari_recorder.storage.migrate import migrate
from ari_recorder.supervise import Job, Supervisor, either, until
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.passwords import Passwords
from ari_recorder.vault.recordings import Vault
from ari_recorder.web.monitor import MonitorServer
from ari_recorder.web.serve import WebServer

log = structlog.get_logger(__name__)


async def run(config: Config, alarms: AlarmDesk) -> None:
    """Until SIGTERM or SIGINT. `alarms` hears the log already.

    A RecorderError or ConfigError says why it cannot start, or why it must not go on.
    """
    # There are keys and voices in this memory: no core dump of it, whatever the unit says.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Connections to the page may be many; spool and vault must not run out of files because of them.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # The event loop gets its turn within this time when a thread that seals has the interpreter's lock; an order to the
    # PBX takes several turns, and the caller talks already.
    sys.setswitchinterval(0.001)
    stop = asyncio.Event()
    with _stopped_by_signals(stop):
        async with _service(config, alarms) as hosts:
            log.info("service_start", host=config.host.name, roles=[role.value for role in config.host.roles])
            await either(stop, hosts.lost)
            log.info("service_stop")
        if hosts.trouble is not None:
            raise hosts.trouble


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    try:
        yield
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)


@asynccontextmanager
async def _service(config: Config, alarms: AlarmDesk) -> AsyncIterator[HostDesk]:
    """Everything built and running; leaving it stops everything in good order."""
    # A template that cannot be used stops the start, and not the day on which somebody has to be answered.
    refusal_templates.load(config.papers.templates)
    refuse_unfinished(config)
    refuse_behind(datetime.now(UTC))
    _make_folders(config.storage.state, config.storage.shared)
    async with AsyncExitStack() as stack:
        spool = Spool(config.pbx.spool)
        captures = Role.CAPTURE in config.host.does
        if captures:
            for advice in spool.check().advice:
                log.warning("spool_advice", advice=advice)
            stack.enter_context(spool.held())
        mine = stack.enter_context(instance.held(config.storage.state))
        files = VaultFiles(config.storage.vault, object_store.of(config))
        files.prepare()
        if files.store is not None:
            await object_store.fit_or_away(files.store)
        vault = files.known()
        # Whoever had a journal has been here before: the vault may just not be mounted.
        been_here = files.any_sealed() or config.storage.journal.exists()
        jobs = Supervisor()
        database = await _database(config, stack, jobs)
        makes_keys = does(config.host.does, "keys")
        keyring = (
            await asyncio.to_thread(_keyring, config, been_here)
            if makes_keys
            else await _public_halves(config.storage.keys, database)
        )
        copies = KeyCopies(database=database, keyring=keyring, makes=makes_keys)
        later = LaterEntries(config.storage.later)
        supply = KeySupply(keyring, later, copies.wake)
        if makes_keys:
            await supply.fill(datetime.now(UTC))
        journal = stack.enter_context(Journal(config.storage.journal)) if captures else None
        # However many wait at the page: they take no connection from calls that are to be stored.
        of_page = await stack.enter_async_context(database.another())
        usable = asyncio.Event()
        hosts = HostDesk(
            host=config.host,
            version=version("ari-recorder"),
            instance=mine,
            vault=vault,
            system_name=config.pbx.system_name,
            database=of_page,
        )
        await _try_to_migrate(database, hosts, usable)
        leases = LeaseDesk(database=of_page, host=hosts.name, incarnation=hosts.incarnation, heard=lambda: hosts.heard)

        def lease_of(name: str) -> str:
            return f"{name}:{vault}" if TASKS[name].at_once is AtOnce.VAULT else name

        meters = Meters()
        recorder: Recorder | None = None
        if journal is not None:
            recorder = connect_capture.recorder(config, spool, files, keyring, journal, database, meters)
        in_journal = recorder.key_names if recorder is not None else frozenset[str]
        sweep = connect_service.sweep(config, leases.database("sweep"), keyring, in_journal, of_page, files.store)
        freeze = connect.request_freeze(database, keyring)
        index = CallerIndex(database=database, keyring=keyring, then=freeze.catch_up)
        scrub = Scrub(database=leases.database(lease_of("scrub")), vault=Vault(files, keyring, spool.folder))
        rescue = FallbackRescue(database, keyring)
        told_start = False

        async def audited(stop: asyncio.Event) -> None:
            nonlocal told_start
            if not told_start:  # after a failure the job begins anew, the service does not
                await connect_service.audit_start(config, database, keyring)
                told_start = True
            await feed.run(stop, farewell=connect_service.stops(config))

        feed = AuditFeed(database=database, later=later, clocks=Clocks())
        control = _control(config, keyring, database, in_journal, supply, rescue, later)
        if recorder is not None:
            stack.push_async_callback(recorder.aclose)
        passwords = Passwords()
        stack.callback(passwords.close)
        figures = FigureDesk(config=config, database=of_page, usable=usable)
        stack.callback(figures.close)
        connections = Connections(config)
        built = site.build(
            config, of_page, keyring, usable, passwords=passwords, connections=connections, store=files.store
        )
        uploader = connect_service.uploader(config, of_page, files)
        promises = connect.promises(config, leases.database("promises"), connections=connections)
        health = HealthDesk(
            roles=config.host.does, recorder=recorder, keyring=keyring, sweep=sweep, figures=figures, jobs=jobs
        )
        metrics = Metrics(
            meters=meters,
            recorder=recorder,
            figures=figures,
            health=health,
            alarms=alarms,
            jobs=jobs,
            promises=promises,
            hosts=hosts,
            uploader=uploader,
        )

        def start(name: str, job: Job, *, waits: bool = True) -> None:
            """If this host does it. `waits` for the database and its tables."""
            if not does(config.host.does, name):
                return
            if TASKS[name].at_once in (AtOnce.LEASE, AtOnce.VAULT):
                job = leases.led(lease_of(name), job)
            jobs.start(name, (lambda stop: _once(usable, stop, job)) if waits else job)

        await stack.enter_async_context(jobs)
        start("alarms", alarms.run, waits=False)  # stopped last: it tells what the others say while they stop
        start("migrate", lambda stop: until(stop, _migrate_when_it_is_there(database, hosts, usable)), waits=False)
        start("hosts", lambda stop: hosts.run(stop, health.word, lambda: recorder.system_name if recorder else None))
        if recorder is not None:
            start("store", recorder.store)
        if does(config.host.does, "audit-sign"):
            signer = await asyncio.to_thread(connect.log_signer, config)
            start("audit-sign", connect.audit_log(config, leases.database("audit-sign"), signer).run)
        start("audit-log", audited)
        start("keys", supply.run, waits=False)
        start("key-copies", copies.run)
        start("caller-index", index.run)
        if uploader is not None:
            stack.callback(uploader.close)
            start("uploads", uploader.run)
        start("scrub", scrub.run)
        mailer = Mailer(database=database, config=config, now=lambda: datetime.now(UTC))
        start("use", connect.use_reports(config, leases.database("use")).run)
        start("mail", mailer.run)
        start("fallback", rescue.run)
        if recorder is not None:
            start("decide", recorder.decide, waits=False)
            start("spool-watch", recorder.watch_spool, waits=False)
            await recorder.load()
            start("catch-up", recorder.catch_up, waits=False)
            start("live-seal", recorder.seal_live, waits=False)
        start("control", control.run, waits=False)  # from here on it knows what calls need
        # Not before the journal is known: its calls keep the keys of their days.
        start("sweep", sweep.run)
        every = timedelta(seconds=config.retention.sweep_every_seconds)
        eraser = connect_service.eraser(config, leases.database(lease_of("erase")))
        start("erase", lambda stop: eraser.run(stop, every))
        start("sweep-watch", sweep.watch, waits=False)
        if recorder is not None:
            start("absences", recorder.presence.store)
            # Not before the journal is known: its calls are accounted for.
            start("ledger", connect_service.ledger_keeper(config, database, recorder).run)
            start("hear", recorder.hear, waits=False)
            start("ami", recorder.talk, waits=False)
            start("cross-check", connect_service.cross_check(config, recorder).run, waits=False)
        start("listenings", built.listenings.run)
        start("exports", built.export_sending.run)
        start("deliveries", built.deliveries.run)
        start("connections", promises.watch, waits=False)
        start("promises", promises.run)
        if config.web.enabled and does(config.host.does, "web"):
            start("web", _web(built, stack).run, waits=False)
        start("figures", figures.run, waits=False)
        if config.monitor.enabled:
            start("monitor", MonitorServer(config.monitor, health, metrics).run, waits=False)
        if recorder is not None:
            start("heartbeat", recorder.beat, waits=False)  # its last word needs the session
        start("health", health.watch, waits=False)  # stopped first: systemd is told that the service stops
        yield hosts


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise FolderUnusable(path=folder, reason=error.strerror) from error


def _keyring(config: Config, been_here: bool) -> Keyring:
    """The keys; the first start makes them. Without its root key a service cannot listen, but it can record."""
    try:
        keyring = Keyring.open(config.storage.keys)
    except KeyringMissing:
        if been_here:
            raise
        try:
            return Keyring.make(config.storage.keys, root_key=config.root_key())
        except KeyringExists:  # another host made it just now
            keyring = Keyring.open(config.storage.keys)
    try:
        connect.unlock(keyring, config)
    except (RecorderError, ConfigError) as error:
        log.error("alarm", alarm=AlarmCode.KEYRING_LOCKED.value, subject=error.code, because=str(error))
    return keyring


async def _public_halves(folder: Path, database: Database) -> Keyring:
    """Of a host that only records. At its first start the database has to be there, and not later."""
    try:
        return Keyring.open(folder)
    except KeyringMissing:
        await migrate(database)
        await key_copies.fetch(database, folder)
        return Keyring.open(folder)


async def _database(config: Config, stack: AsyncExitStack, jobs: Supervisor) -> Database:
    """The site's database, or one of our own, kept running."""
    dsn = config.dsn()
    if dsn is None:
        embedded = EmbeddedPostgres(config.storage.database, config.storage.logs)
        stack.push_async_callback(embedded.stop)
        dsn = await embedded.start()
        jobs.start("postgresql", embedded.keep)
    return await stack.enter_async_context(Database(dsn, seen=config.storage.timelines))


async def _try_to_migrate(database: Database, hosts: HostDesk, usable: asyncio.Event) -> None:
    """A database that is away is no reason not to record; one that is wrong is a reason not to start, and so is
    another host of this name."""
    try:
        await migrate(database)
        await hosts.claim()
    except Unavailable as error:
        log.error("alarm", alarm=AlarmCode.DATABASE_AWAY.value, subject=error.code, because=str(error))
    else:
        usable.set()


async def _migrate_when_it_is_there(database: Database, hosts: HostDesk, usable: asyncio.Event) -> None:
    while not usable.is_set():
        await asyncio.sleep(RETRY.total_seconds())
        try:
            await _try_to_migrate(database, hosts, usable)
        except (HostNameTaken, HostPbxTaken) as error:
            hosts.end(error)
            break
    await asyncio.Event().wait()  # done; a job that ends would be started again


async def _once(usable: asyncio.Event, stop: asyncio.Event, job: Job) -> None:
    await until(stop, _true(usable))
    if not stop.is_set():
        await job(stop)


async def _true(event: asyncio.Event) -> None:
    await event.wait()


def _web(built: site.Site, stack: AsyncExitStack) -> WebServer:
    """One more job: what fails in it is told and tried again, and recording goes on."""
    server = WebServer(built)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, server.again.set)
    stack.callback(loop.remove_signal_handler, signal.SIGHUP)
    return server


def _control(
    config: Config,
    keyring: Keyring,
    database: Database,
    in_journal: Callable[[], frozenset[str]],
    supply: KeySupply,
    rescue: FallbackRescue,
    later: LaterEntries,
) -> ControlSocket:
    def unlocked() -> None:
        supply.wake()
        rescue.wake()

    keys = KeyControl(
        config=config,
        keyring=keyring,
        database=database,
        unlocked=unlocked,
        needed=in_journal,
        later=later,
    )
    return ControlSocket(config.storage.control, keys.answers)
