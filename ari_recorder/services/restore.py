"""A backup is brought back to where nothing is. Nothing has its name before everything is there and was compared.

    looked at ──► staged in .restore of vault, keys and state ──(plan written)──► database ──► renamed, the keys last

The plan is in <state>/.restore and makes the rest repeatable: killed after it, the same call goes on, and the service
does not start meanwhile. Before it, nothing was changed, and the next call begins anew. A database of our own is staged
as files like everything else; another one gets everything in one transaction.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain import backups as backup
from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.backups import ANCHORS, DUMP, FORMAT, KEYS, MANIFEST, STATE, SUMS, VAULT, Manifest, NoManifest
from ari_recorder.domain.errors import (
    BackupDamaged,
    BackupNewer,
    BackupUnreadable,
    BackupWithoutKeys,
    KeyNameRefused,
    RestoreKeysForeign,
    RestoreKeysMissing,
    RestoreNotEmpty,
    RestoreTargetRefused,
    RestoreUnfinished,
)
from ari_recorder.domain.retention import Policy, whole_day_due
from ari_recorder.services import connect, copied
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.storage import backups, dump, migrate
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.vault.key_files import FACTS, PRIVATE, PUBLIC
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.wrapping import day_of_name

_STAGING, _PLAN, _LOGS = ".restore", "plan.json", "logs"
# What a folder may hold and be called empty: what a file system makes, and ourselves.
_NOTHING = frozenset({_STAGING, "lost+found"})
# The root key is put back first, and logs tell of tries before this one.
_MAY_BE_THERE = frozenset({"root.key", "logs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`over`: days whose keys are not there, as it should be: their retention is over. `missing`, `damaged`: what was
    so already when the backup was made."""

    made_at: str
    version: str
    schema: int
    calls: int
    recordings: int
    files: int
    size_bytes: int
    over: tuple[str, ...]
    missing: tuple[str, ...]
    damaged: tuple[str, ...]


def refuse_unfinished(config: Config) -> None:
    """RestoreUnfinished when a restore was killed in the middle: what is here is not whole."""
    plan = _plan_of(config)
    if plan.exists():
        raise RestoreUnfinished(source=json.loads(plan.read_text())["source"])


async def restore(config: Config, source: Path, by: Actor, keys: Path | None = None) -> Restored:
    """Everything of `source`, an absolute path, with the keyring in `keys` instead of its own if there is one. Every
    error says that nothing was restored, but RestoreUnfinished."""
    text, manifest = await asyncio.to_thread(_manifest, source)
    with _failing(config):
        over = await asyncio.to_thread(_over, config, manifest)
        if await asyncio.to_thread(_goes_on, config, source, text):
            await _load_foreign(config, source, manifest)
        else:
            with _staging(config):
                lost = await _staged(config, source, manifest, keys, over)
                await asyncio.to_thread(_write_plan, config, source, text, lost.over)
                await _load_foreign(config, source, manifest)  # all or nothing: when it fails, nothing was changed
        plan = json.loads(await asyncio.to_thread(_plan_of(config).read_text))
        await asyncio.to_thread(_carry_out, config, plan["moves"])
        await LaterEntries(config.storage.later).put(_entry(manifest, by), datetime.now(UTC))
        await asyncio.to_thread(_finish, config)
    return Restored(
        made_at=manifest.made_at,
        version=manifest.version,
        schema=manifest.schema,
        calls=manifest.counts.calls,
        recordings=manifest.counts.sealed,
        files=manifest.files,
        size_bytes=manifest.size_bytes,
        over=tuple(plan["over"]),
        missing=manifest.missing,
        damaged=manifest.damaged,
    )


def _entry(manifest: Manifest, by: Actor) -> Entry:
    facts: dict[str, JSON] = {
        "made_at": manifest.made_at,
        "recordings": manifest.counts.sealed,
        "schema": manifest.schema,
    }
    return Entry(action=Action.BACKUP_RESTORE, actor=by, object="backup", facts=facts)


# --- what is looked at first


def _manifest(source: Path) -> tuple[str, Manifest]:
    try:
        text = (source / MANIFEST).read_text(encoding="utf-8")
        if backup.format_of(text) > FORMAT:
            raise BackupUnreadable(path=source, reason="it is of a later format, and wants a newer ari-recorder")
        manifest = Manifest.read(text)
    except OSError as error:
        raise BackupUnreadable(path=source / MANIFEST, reason=error.strerror) from None
    except (NoManifest, UnicodeDecodeError):
        raise BackupDamaged(path=source, what=f"{MANIFEST} is not as it was written") from None
    here, known = version("ari-recorder"), len(migrate.shipped())
    if manifest.schema > known or backup.is_newer(manifest.version, here):
        raise BackupNewer(version=manifest.version, schema=manifest.schema, known=here, known_schema=known)
    return text, manifest


def _over(config: Config, manifest: Manifest) -> frozenset[str]:
    """Days of which every recording is due by now, by the rules of the configuration."""
    policy, now = Policy(rules=connect.rules(config)), datetime.now(UTC)
    return frozenset(name for name in manifest.needs if (day := _day(name)) and whole_day_due(day, policy, now))


def _day(name: str) -> date | None:
    try:
        return day_of_name(name)
    except (ValueError, KeyNameRefused):
        return None


def _refuse_what_is_there(config: Config) -> None:
    storage = config.storage
    within = {place.name for place in (storage.vault, storage.keys) if place.parent == storage.state}
    for place, allowed in (
        (storage.state, _NOTHING | _MAY_BE_THERE | within),
        (storage.vault, _NOTHING),
        (storage.keys, _NOTHING),
    ):
        names = sorted(set(os.listdir(place)) - allowed) if place.exists() else []
        if names:
            raise RestoreNotEmpty(what=str(place / names[0]))


def _goes_on(config: Config, source: Path, text: str) -> bool:
    """Was a restore of this very backup interrupted behind its plan?"""
    plan = _plan_of(config)
    if not plan.exists():
        return False
    told = json.loads(plan.read_text())
    if told["manifest"] != sha256(text.encode()).hexdigest():
        raise RestoreUnfinished(source=told["source"])
    return True


# --- staging


def _places(config: Config) -> Mapping[str, Path]:
    storage = config.storage
    return {VAULT: storage.vault, STATE: storage.state, KEYS: storage.keys}  # the keys last


def _plan_of(config: Config) -> Path:
    return config.storage.state / _STAGING / _PLAN


@contextmanager
def _staging(config: Config) -> Iterator[None]:
    """Folders for what is on its way; removed when something fails."""
    _refuse_what_is_there(config)
    stagings = [place / _STAGING for place in _places(config).values()]
    try:
        for staging in stagings:
            shutil.rmtree(staging, ignore_errors=True)
            copied.make_folder(staging)
            staging.parent.chmod(0o700)  # a folder that somebody made for it, or a file system
        yield
    except BaseException:
        _plan_of(config).unlink(missing_ok=True)
        for staging in stagings:
            shutil.rmtree(staging, ignore_errors=True)
        raise


async def _staged(
    config: Config, source: Path, manifest: Manifest, keys: Path | None, over: frozenset[str]
) -> backup.Lost:
    await asyncio.to_thread(_stage_files, config, source, manifest, own_keys=keys is None)
    if keys is None and not manifest.keys:
        raise BackupWithoutKeys
    if keys is not None:
        await asyncio.to_thread(_stage_keys, keys, config.storage.keys / _STAGING)
    lost = await asyncio.to_thread(_lost, keys or source / KEYS, config, manifest, over)
    dsn = config.dsn()
    if dsn is None:
        await _stage_database(config, source, manifest)
    else:
        async with Database(dsn) as database, database.transaction() as conn:
            if not await backups.is_empty(conn):
                raise RestoreNotEmpty(what=f"tables in the database {database.name}")
    await asyncio.to_thread(_give, config)
    return lost


def _stage_files(config: Config, source: Path, manifest: Manifest, *, own_keys: bool) -> None:
    """Every file the list names is read and compared; those that have a place here are copied."""
    try:
        if copied.sum_of(source / SUMS)[0] != manifest.sums:
            raise BackupDamaged(path=source, what=f"{SUMS} is not as it was written")
        files = 0
        for digest, path in copied.lines(source / SUMS):
            target = _target(config, path, own_keys=own_keys)
            found, _ = copied.copy(source / path, target) if target else copied.sum_of(source / path)
            if found != digest:
                raise BackupDamaged(path=source, what=f"{path} is not as it was written")
            files += 1
    except FileNotFoundError as error:
        raise BackupDamaged(path=source, what=f"{error.filename} is missing") from None
    except ValueError:
        raise BackupDamaged(path=source, what=f"{SUMS} is not as it was written") from None
    if files != manifest.files:
        raise BackupDamaged(path=source, what=f"{SUMS} names {files} files of {manifest.files}")


def _target(config: Config, path: str, *, own_keys: bool) -> Path | None:
    top, _, below = path.partition("/")
    if path == ANCHORS:
        return config.storage.state / _STAGING / ANCHORS
    if not below or top not in _places(config) or (top == KEYS and not own_keys):
        return None
    return _places(config)[top] / _STAGING / below


def _stage_keys(keys: Path, staging: Path) -> None:
    try:
        for folder in (PUBLIC, PRIVATE):
            for name in copied.ordinary_files(keys / folder):
                copied.copy(keys / folder / name, staging / folder / name)
        copied.copy(keys / FACTS, staging / FACTS)
    except FileNotFoundError as error:
        raise BackupUnreadable(path=keys, reason=f"{error.filename} is missing") from None


def _lost(keys: Path, config: Config, manifest: Manifest, over: frozenset[str]) -> backup.Lost:
    keyring = Keyring.open(config.storage.keys / _STAGING)
    if keyring.installation != UUID(manifest.installation):
        raise RestoreKeysForeign(path=keys)
    lost = backup.lost(manifest.needs, keyring.names(), over)
    if lost.missing:
        names = ", ".join(lost.missing)
        raise RestoreKeysMissing(path=keys, names=names, recordings=lost.recordings, texts=lost.texts)
    return lost


async def _stage_database(config: Config, source: Path, manifest: Manifest) -> None:
    folder = config.storage.state / _STAGING / config.storage.database.name
    await asyncio.to_thread(folder.mkdir, 0o700)
    await asyncio.to_thread(_give, config)
    server = EmbeddedPostgres(folder, config.storage.state / _STAGING / _LOGS)
    try:
        await _load(await server.start(), source, manifest)
    finally:
        await server.stop()


async def _load(dsn: str, source: Path, manifest: Manifest) -> None:
    async with Database(dsn) as database:
        async with database.transaction() as conn:
            server = await backups.server_version(conn)
        await dump.load(dsn, server, source / DUMP)
        if await backups.counts_of(database) != manifest.counts:
            raise BackupDamaged(path=source, what=f"{DUMP} holds other numbers of rows than {MANIFEST} says")


def _give(config: Config) -> None:
    """Root's command makes the service's files, and they are to be the service's own."""
    if os.geteuid() != 0:
        return
    owner = config.storage.state.stat()
    for place in _places(config).values():
        for path in (place, place / _STAGING, *(place / _STAGING).rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


# --- from the plan on: every step can be repeated


def _write_plan(config: Config, source: Path, text: str, over: tuple[str, ...]) -> None:
    moves = []
    for place in _places(config).values():
        names = sorted(os.listdir(place / _STAGING), key=lambda name: (name == FACTS, name))
        moves += [(str(place / _STAGING / name), str(place / name)) for name in names if name not in (ANCHORS, _LOGS)]
    anchors = config.storage.state / _STAGING / ANCHORS
    if config.audit.anchor_file is not None and anchors.exists():
        moves.append((str(anchors), str(config.audit.anchor_file)))
    digest = sha256(text.encode()).hexdigest()
    plan = {"source": str(source), "manifest": digest, "over": over, "moves": moves}
    fresh = _plan_of(config).with_suffix(".new")
    fresh.write_text(json.dumps(plan))
    os.sync()
    fresh.replace(_plan_of(config))
    os.sync()


async def _load_foreign(config: Config, source: Path, manifest: Manifest) -> None:
    """Into the site's database, unless the call before this one did it."""
    dsn = config.dsn()
    if dsn is None:
        return
    async with Database(dsn) as database:
        async with database.transaction() as conn:
            empty = await backups.is_empty(conn)
        if empty:
            await _load(dsn, source, manifest)
        elif await backups.counts_of(database) != manifest.counts:
            raise RestoreNotEmpty(what=f"tables in the database {database.name}")


def _carry_out(config: Config, moves: list[tuple[str, str]]) -> None:
    for staged, place in moves:
        if not os.path.lexists(staged):
            continue  # the call before this one did it
        if Path(place) == config.audit.anchor_file:
            if not os.path.lexists(place):  # what is there may know more: it is left as it is
                Path(place).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(staged, place)
            continue
        os.rename(staged, place)


def _finish(config: Config) -> None:
    os.sync()
    _plan_of(config).unlink()
    for place in _places(config).values():
        shutil.rmtree(place / _STAGING, ignore_errors=True)


@contextmanager
def _failing(config: Config) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        path, reason = error.filename or config.storage.state, error.strerror or str(error)
        raise RestoreTargetRefused(path=path, reason=reason) from None
