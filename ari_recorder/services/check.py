"""`ari-recorder check`: everything this service stands on, looked at from outside, each fault with its mend.

Nothing is changed. What the PBX tells is in check_pbx.py, what its files tell in check_files.py;
what concerns this host is here.
"""

import asyncio
import os
import zoneinfo
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ari_recorder.asterisk import sounds
from ari_recorder.asterisk.spool import Spool
from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.activations import too_early
from ari_recorder.domain.errors import (
    KeyringLocked,
    KeyringMissing,
    PeriodRefused,
    RecorderError,
    TemplateRefused,
)
from ari_recorder.domain.events import Code, Language
from ari_recorder.domain.evidence import Sound
from ari_recorder.domain.retention import local_day
from ari_recorder.services import (
    check_cel,
    check_files,
    check_memory,
    check_object_store,
    check_pbx,
    check_retention,
    check_spool,
    connect,
    refusal_templates,
)
from ari_recorder.services.check_spool import user
from ari_recorder.services.findings import Area, Finding, fail, ok, room, warn
from ari_recorder.services.keys import FEW_DAYS, days_left
from ari_recorder.storage import migrate
from ari_recorder.vault import key_check
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring

MIB = 1 << 20
GIB = 1 << 30
# A sealed hour is some 60 MB at most.
VAULT_FULL_BYTES = 100 * MIB
VAULT_LITTLE_BYTES = 5 * GIB


async def check(config: Config) -> list[Finding]:
    """All findings, in the order of the areas."""
    local = await asyncio.to_thread(check_host, config)
    pbx = await check_pbx.check(config)
    files = await asyncio.to_thread(check_files.check, config, pbx.facts, pbx.announced)
    database = [finding async for finding in _database(config)]
    store = await asyncio.to_thread(check_object_store.check, config)
    return sorted(
        [*local, *store, *pbx.findings, *files, *database], key=lambda finding: list(Area).index(finding.area)
    )


def check_host(config: Config) -> list[Finding]:
    """What can be seen without asking anybody."""
    return [
        *_configuration(config),
        *_papers(config),
        *_time(),
        *_sounds(config.pbx.sounds),
        *check_spool.check(Spool(config.pbx.spool)),
        *check_memory.check(Spool(config.pbx.spool)),
        *_keys(config),
        *_vault(config.storage.vault),
        *_queue_log(config.pbx.queue_log),
        *check_cel.check(config),
    ]


async def _database(config: Config) -> AsyncIterator[Finding]:
    if not (config.database.dsn or config.database.dsn_file) and not config.storage.database.exists():
        yield ok(Area.DATABASE, "there is no database yet; the first start makes one in storage.state")
        return
    sweeping: list[Finding] = []
    try:
        async with connect.database(config) as database:
            await database.check()
            alone = database.servers.several and not await database.commits_wait()
            missing = await migrate.missing(database)
            if not missing:
                sweeping = await check_retention.check(database, datetime.now(UTC))
    except (RecorderError, ConfigError) as error:
        yield fail(Area.DATABASE, str(error), "Recording goes on without it, listening and the ledger do not")
        return
    if missing:
        yield ok(Area.DATABASE, f"{database.name}: reachable; the next start brings it up to date ({missing} step(s))")
    else:
        yield ok(Area.DATABASE, f"{database.name}: reachable and up to date")
    if alone:
        yield warn(
            Area.DATABASE,
            f"{database.name}: no commit waits for a standby; with the primary its last moments would be lost",
            "Set synchronous_standby_names on each of the servers, and synchronous_commit = on",
        )
    for finding in sweeping:
        yield finding


def _configuration(config: Config) -> Iterator[Finding]:
    yield ok(Area.CONFIGURATION, f"{config.source} is well-formed; {len(config.queues)} queue(s) are recorded")
    for queue in too_early(connect.approvals_of(config).items(), local_day(datetime.now(UTC))):
        yield fail(
            Area.CONFIGURATION,
            f"{queue} is recorded, though the day of the decision or of the word to the staff is still to come",
            "Take its section in when that day has come",
        )
    try:
        connect.rules(config)
    except PeriodRefused as error:
        yield fail(Area.CONFIGURATION, str(error), 'Write for example retention = "P3M" there')
    for read in (config.ami_secret, config.dialplan_secret, config.dsn, config.s3_keys):
        try:
            read()
        except ConfigError as refusal:
            for problem in refusal.problems:
                yield fail(Area.CONFIGURATION, f"{problem.key}: {problem.what}", problem.mend)


def _papers(config: Config) -> Iterator[Finding]:
    """Before somebody has to be answered, and not then."""
    try:
        refusal_templates.load(config.papers.templates)
    except TemplateRefused as error:
        yield fail(Area.CONFIGURATION, str(error), "The service does not start with it")
        return
    if not config.controller.name:
        yield warn(
            Area.CONFIGURATION,
            "nothing says in whose name papers are given",
            "Set controller.name: without it no request can be refused in writing",
        )
    else:
        yield ok(Area.CONFIGURATION, "the templates of papers are whole, and the controller is named")


def _sounds(folder: Path) -> Iterator[Finding]:
    read = {language: sounds.read_one(sounds.path_of(folder, language), language) for language in Language}
    playable = [sound for sound in read.values() if isinstance(sound, Sound)]
    for language, sound in read.items():
        path = sounds.path_of(folder, language)
        if isinstance(sound, Sound):
            seconds = sound.duration.total_seconds()
            yield ok(Area.SOUNDS, f"{path}: {seconds:.1f} s, SHA-256 {sound.sha256[:16]}…")
        elif path.exists() or not playable:
            yield fail(
                Area.SOUNDS,
                f"{path}: {sound}",
                "Without it callers are not told, and their calls not recorded: put a WAV file there "
                "(8000 Hz, mono, 16 bit)",
            )
        else:
            yield warn(
                Area.SOUNDS,
                f"{path}: {sound}",
                f"Calls announced in {language.value} would not be recorded: add the file, or use no {language.value}",
            )
    for code in Code:
        path = folder / f"confirm-{code.value}.wav"
        if not os.access(path, os.R_OK):
            yield warn(
                Area.SOUNDS,
                f"{path} cannot be read: agents hear nothing after the code",
                "Copy it from asterisk_conf/sounds of this program",
            )


def _keys(config: Config) -> Iterator[Finding]:
    folder = config.storage.keys
    try:
        keyring = Keyring.open(folder)
    except KeyringMissing as error:
        if config.storage.journal.exists():
            yield fail(Area.KEYS, str(error), "The service does not start without it")
        else:
            yield ok(Area.KEYS, f"{folder} holds no keyring yet; the first start makes it")
        return
    except RecorderError as error:
        mend = f"{user(os.geteuid())} wants to be its owner, and the only one who can use it"
        yield fail(Area.KEYS, str(error), mend)
        return
    try:
        connect.unlock(keyring, config)
    except KeyringLocked:
        yield ok(Area.KEYS, f"{folder}: opened by a passphrase; `ari-recorder keys status` says whether it is unlocked")
    except RecorderError as error:
        yield fail(Area.KEYS, str(error), "Until then calls are recorded, and nobody can listen")
        return
    except ConfigError as refusal:
        for problem in refusal.problems:
            yield fail(Area.KEYS, f"{problem.key}: {problem.what}", problem.mend)
        return
    found = key_check.verify(keyring)
    for told in found.problems:
        yield fail(Area.KEYS, told, "Bring the keyring back from its backup; `ari-recorder keys verify` looks again")
    if found.opened and not found.problems:
        yield ok(Area.KEYS, f"{folder}: {found.keys} key(s), each opened by the root key and fitting its public half")
    left = days_left(keyring.public, datetime.now(UTC))
    if left < FEW_DAYS:
        yield warn(
            Area.KEYS,
            f"there are day keys for {left} day(s); after that recordings are sealed to the fallback key",
            "Start the service, and unlock it: it makes them by itself",
        )


def _vault(folder: Path) -> Iterator[Finding]:
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
        yield fail(
            Area.VAULT,
            f"{folder} is not writable for {user(os.geteuid())}",
            f"mkdir -p {folder}; chown {user(os.geteuid())} {folder}; chmod 700 {folder}",
        )
        return
    if nearest == folder:
        yield ok(Area.VAULT, f"{folder} is writable")
    else:
        yield ok(Area.VAULT, f"{folder} does not exist yet; the first start makes it")
    free = VaultFiles(nearest).free_bytes()
    yield room(Area.VAULT, nearest, free, VAULT_FULL_BYTES, VAULT_LITTLE_BYTES, "a sealed hour takes up to 60 MB")


def _queue_log(path: Path) -> Iterator[Finding]:
    try:
        with path.open("rb") as log:
            log.read(1)
    except FileNotFoundError:
        yield fail(
            Area.QUEUE_LOG,
            f"{path} does not exist: nothing can be counted against it",
            "Set queue_log = yes in the PBX's logger.conf, reload, and compare pbx.queue_log with astlogdir",
        )
    except OSError as error:
        yield fail(
            Area.QUEUE_LOG,
            f"{path} cannot be read: {error.strerror}",
            f"Let {user(os.geteuid())} read it, for example by the group of Asterisk",
        )
    else:
        yield ok(Area.QUEUE_LOG, f"{path} can be read")


def _time() -> Iterator[Finding]:
    try:
        zoneinfo.ZoneInfo("Europe/Helsinki")
    except zoneinfo.ZoneInfoNotFoundError:
        yield fail(Area.TIME, "there are no time zone data: periods cannot be counted", "apt-get install tzdata")
    else:
        yield ok(Area.TIME, "the calendar of Europe/Helsinki is known")
