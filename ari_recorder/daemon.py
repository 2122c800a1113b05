"""The service: builds every part once, from the configuration, and runs their jobs in one event loop. Decides nothing.

    spool-watch ─┐
    ami ─► hear ─┼─► decide ─► effects (behind)          store ─► PostgreSQL
                 │                                        ▲
    heartbeat ───┘                       migrate ─────────┘          sweep

Order of starting: what must be there before an event comes is started before the AMI session. Stopping goes the other
way round: no new events, then what was ordered is carried out, then the database.
"""

import asyncio
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from ari_recorder.asterisk import sounds
from ari_recorder.asterisk.spool import Spool
from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.calls import Policy
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import FolderUnusable, KeyringMissing, RecorderError, Unavailable
from ari_recorder.domain.switchboard import Switchboard
from ari_recorder.services import connect, connect_service, object_store, quarantine, refusal_templates, site
from ari_recorder.services.adopt import Adoption
from ari_recorder.services.alarms import AlarmDesk
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.caller_index import CallerIndex
from ari_recorder.services.clock import refuse_behind
from ari_recorder.services.control import ControlSocket
from ari_recorder.services.figures import FigureDesk
from ari_recorder.services.health import HealthDesk
from ari_recorder.services.ids import Ids
from ari_recorder.services.key_control import KeyControl
from ari_recorder.services.keys import KeySupply
from ari_recorder.services.live import LiveSealer
from ari_recorder.services.mail import Mailer
from ari_recorder.services.meters import Meters
from ari_recorder.services.metrics import Metrics
from ari_recorder.services.presence import Presence
from ari_recorder.services.record import Recorder
from ari_recorder.services.restore import refuse_unfinished
from ari_recorder.services.rewrap import FallbackRescue
from ari_recorder.services.scrub import Scrub
from ari_recorder.services.store import RETRY
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.journal import Journal
from ari_recorder.storage.migrate import migrate
from ari_recorder.supervise import Job, Supervisor, until
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.passwords import Passwords
from ari_recorder.vault.recordings import Vault
from ari_recorder.web.monitor import MonitorServer
from ari_recorder.web.serve import WebServer

log = structlog.get_logger(__name__)


async def run(config: Config, alarms: AlarmDesk) -> None:
    """Until SIGTERM or SIGINT. `alarms` hears the log already.

    A RecorderError or ConfigError says why it cannot start.
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
        async with _service(config, alarms):
            log.info("service_start")
            await stop.wait()
            log.info("service_stop")


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
async def _service(config: Config, alarms: AlarmDesk) -> AsyncIterator[None]:
    """Everything built and running; leaving it stops everything in good order."""
    # A template that cannot be used stops the start, and not the day on which somebody has to be answered.
    refusal_templates.load(config.papers.templates)
    refuse_unfinished(config)
    refuse_behind(datetime.now(UTC))
    _make_folders(config.storage.state)
    spool = Spool(config.pbx.spool)
    for advice in spool.check().advice:
        log.warning("spool_advice", advice=advice)
    with spool.held():
        files = VaultFiles(config.storage.vault, object_store.of(config))
        files.prepare()
        if files.store is not None:
            await object_store.fit_or_away(files.store)
        # Whoever had a journal has been here before: the vault may just not be mounted.
        been_here = files.any_sealed() or config.storage.journal.exists()
        keyring = await asyncio.to_thread(_keyring, config, been_here)
        later = LaterEntries(config.storage.audit)
        supply = KeySupply(keyring, later)
        await supply.fill(datetime.now(UTC))
        async with AsyncExitStack() as stack:
            journal = stack.enter_context(Journal(config.storage.journal))
            jobs = Supervisor()
            database = await _database(config, stack, jobs)
            # However many wait at the page: they take no connection from calls that are to be stored.
            of_page = await stack.enter_async_context(database.another())
            usable = asyncio.Event()
            await _try_to_migrate(database, usable)
            meters = Meters()
            recorder = _recorder(config, spool, files, keyring, journal, database, meters)
            sweep = connect_service.sweep(config, database, keyring, recorder.key_names, files.store)
            freeze = connect.request_freeze(database, keyring)
            index = CallerIndex(database=database, keyring=keyring, then=freeze.catch_up)
            scrub = Scrub(database=database, vault=Vault(files, keyring, spool.folder))
            rescue = FallbackRescue(database, keyring)
            signer = await asyncio.to_thread(connect.log_signer, config)
            keeper = connect_service.ledger_keeper(config, database, recorder)
            log_of_audit = connect.audit_log(config, database, signer)

            told_start = False

            async def audited(stop: asyncio.Event) -> None:
                nonlocal told_start
                if not told_start:  # after a failure the job begins anew, the service does not
                    await connect_service.audit_start(config, database, keyring)
                    told_start = True
                await log_of_audit.run(stop, farewell=connect_service.STOPS)

            control = _control(config, keyring, database, recorder, supply, rescue, later)
            stack.push_async_callback(recorder.aclose)
            passwords = Passwords()
            stack.callback(passwords.close)
            figures = FigureDesk(config=config, database=of_page, usable=usable)
            stack.callback(figures.close)
            health = HealthDesk(recorder=recorder, keyring=keyring, sweep=sweep, figures=figures, jobs=jobs)
            built = site.build(config, of_page, keyring, usable, passwords=passwords, store=files.store)
            uploader = connect_service.uploader(config, of_page, files)
            metrics = Metrics(
                meters=meters,
                recorder=recorder,
                figures=figures,
                health=health,
                alarms=alarms,
                jobs=jobs,
                promises=built.promises,
                uploader=uploader,
            )
            await stack.enter_async_context(jobs)
            jobs.start("alarms", alarms.run)  # stopped last: it tells what the others say while they stop
            jobs.start("migrate", lambda stop: until(stop, _migrate_when_it_is_there(database, usable)))
            jobs.start("store", lambda stop: _once(usable, stop, recorder.store))
            jobs.start("audit-log", lambda stop: _once(usable, stop, audited))
            jobs.start("keys", supply.run)
            jobs.start("caller-index", lambda stop: _once(usable, stop, index.run))
            if uploader is not None:
                stack.callback(uploader.close)
                sending = uploader.run
                jobs.start("uploads", lambda stop: _once(usable, stop, sending))
            jobs.start("scrub", lambda stop: _once(usable, stop, scrub.run))
            mailer = Mailer(database=database, config=config, now=lambda: datetime.now(UTC))
            reports = connect.use_reports(config, database)
            jobs.start("use", lambda stop: _once(usable, stop, reports.run))
            jobs.start("mail", lambda stop: _once(usable, stop, mailer.run))
            jobs.start("fallback", lambda stop: _once(usable, stop, rescue.run))
            jobs.start("decide", recorder.decide)
            jobs.start("spool-watch", recorder.watch_spool)
            await recorder.load()
            jobs.start("catch-up", recorder.catch_up)
            jobs.start("live-seal", recorder.seal_live)
            jobs.start("control", control.run)  # from here on it knows what calls need
            # Not before the journal is known: its calls keep the keys of their days.
            jobs.start("sweep", lambda stop: _once(usable, stop, sweep.run))
            jobs.start("sweep-watch", sweep.watch)
            jobs.start("absences", lambda stop: _once(usable, stop, recorder.presence.store))
            # Not before the journal is known: its calls are accounted for.
            jobs.start("ledger", lambda stop: _once(usable, stop, keeper.run))
            jobs.start("hear", recorder.hear)
            jobs.start("ami", recorder.talk)
            jobs.start("cross-check", connect_service.cross_check(config, recorder).run)
            jobs.start("listenings", lambda stop: _once(usable, stop, built.listenings.run))
            jobs.start("exports", lambda stop: _once(usable, stop, built.export_sending.run))
            jobs.start("deliveries", lambda stop: _once(usable, stop, built.deliveries.run))
            jobs.start("connections", built.promises.watch)
            jobs.start("promises", lambda stop: _once(usable, stop, built.promises.run))
            _start_web(config, built, stack, jobs)
            jobs.start("figures", figures.run)
            if config.monitor.enabled:
                jobs.start("monitor", MonitorServer(config.monitor, health, metrics).run)
            jobs.start("heartbeat", recorder.beat)  # its last word needs the session
            jobs.start("health", health.watch)  # stopped first: systemd is told that the service stops
            yield


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
        return Keyring.make(config.storage.keys, root_key=config.root_key())
    try:
        connect.unlock(keyring, config)
    except (RecorderError, ConfigError) as error:
        log.error("alarm", alarm=AlarmCode.KEYRING_LOCKED.value, subject=error.code, because=str(error))
    return keyring


async def _database(config: Config, stack: AsyncExitStack, jobs: Supervisor) -> Database:
    """The site's database, or one of our own, kept running."""
    dsn = config.dsn()
    if dsn is None:
        embedded = EmbeddedPostgres(config.storage.database, config.storage.logs)
        stack.push_async_callback(embedded.stop)
        dsn = await embedded.start()
        jobs.start("postgresql", embedded.keep)
    return await stack.enter_async_context(Database(dsn, seen=config.storage.timelines))


async def _try_to_migrate(database: Database, usable: asyncio.Event) -> None:
    """A database that is away is no reason not to record; one that is wrong is a reason not to start."""
    try:
        await migrate(database)
    except Unavailable as error:
        log.error("alarm", alarm=AlarmCode.DATABASE_AWAY.value, subject=error.code, because=str(error))
    else:
        usable.set()


async def _migrate_when_it_is_there(database: Database, usable: asyncio.Event) -> None:
    while not usable.is_set():
        await asyncio.sleep(RETRY.total_seconds())
        await _try_to_migrate(database, usable)
    await asyncio.Event().wait()  # done; a job that ends would be started again


async def _once(usable: asyncio.Event, stop: asyncio.Event, job: Job) -> None:
    await until(stop, _true(usable))
    if not stop.is_set():
        await job(stop)


async def _true(event: asyncio.Event) -> None:
    await event.wait()


def _recorder(
    config: Config,
    spool: Spool,
    files: VaultFiles,
    keyring: Keyring,
    journal: Journal,
    database: Database,
    meters: Meters,
) -> Recorder:
    secret = config.dialplan_secret()
    policy = Policy(
        queues=frozenset(queue.name for queue in config.queues),
        sounds=sounds.read(config.pbx.sounds),
        outside=config.pbx.outside,
        may_start=config.capture.start == "ami",
        resume_guard=timedelta(seconds=config.capture.resume_guard_seconds),
        quarantine_days=config.quarantine.days,
    )
    switchboard = Switchboard(policy=policy, secret=secret, system_name=config.pbx.system_name or "", new_id=Ids().new)
    vault = Vault(files, keyring, spool.folder)
    ami = connect_service.ami_session(config)
    presence = Presence(
        ami=ami,
        database=database,
        folder=config.storage.state,
        heartbeat_seconds=config.capture.heartbeat_seconds,
    )
    presence.load()
    return Recorder(
        ami=ami,
        spool=spool,
        vault=vault,
        live=LiveSealer(vault=vault, spool=spool),
        kept_as={queue.name: Codec(queue.codec) for queue in config.queues},
        public=keyring.public,
        journal=journal,
        database=database,
        switchboard=switchboard,
        adoption=Adoption(
            spool=spool,
            queue_log=config.pbx.queue_log,
            secret=secret,
            over=lambda uniqueid: switchboard.is_over(uniqueid),
            stored=lambda ids: quarantine.stored(database, ids),
        ),
        sounds_folder=config.pbx.sounds,
        pbx_name=config.pbx.system_name,
        presence=presence,
        growth_deadline_seconds=config.capture.growth_deadline_seconds,
        meters=meters,
    )


def _start_web(config: Config, built: site.Site, stack: AsyncExitStack, jobs: Supervisor) -> None:
    """One more job: what fails in it is told and tried again, and recording goes on."""
    if not config.web.enabled:
        return
    server = WebServer(built)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, server.again.set)
    stack.callback(loop.remove_signal_handler, signal.SIGHUP)
    jobs.start("web", server.run)


def _control(
    config: Config,
    keyring: Keyring,
    database: Database,
    recorder: Recorder,
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
        needed=recorder.key_names,
        later=later,
    )
    return ControlSocket(config.storage.control, keys.answers)
