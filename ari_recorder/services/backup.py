"""A backup is made, while the service runs or not: domain/backups.py draws it, and says why it is in this order.

    .<target>.partial ── audit, then the database at one moment, then vault, keys and the rest ── synced ──► <target>

It has its name when it is whole; what fails on the way leaves nothing behind. No recording and no caller is opened for
it, and no root key is needed.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Self
from uuid import UUID

from ari_recorder.config import Config
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.backups import (
    ANCHORS,
    CONFIG,
    DUMP,
    KEYS,
    MANIFEST,
    STATE,
    SUMS,
    VAULT,
    Counts,
    Manifest,
    Needs,
)
from ari_recorder.domain.errors import BackupKeysMoved, BackupTargetRefused, BackupVaultAway, DatabaseNotReady
from ari_recorder.services import connect, copied, object_store
from ari_recorder.services.audit_check import private
from ari_recorder.storage import backups, dump, migrate
from ari_recorder.storage.db import Database
from ari_recorder.vault import key_check
from ari_recorder.vault.files import FRESH
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.object_store import ObjectStore

# A dump of ten million recordings takes minutes, on a slow disk an hour.
_DUMP_SECONDS = 6 * 3600.0
_WANTED = ".wanted"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the backup holds. `gone`: recordings destroyed while it was made, so not in it. `missing`, `damaged`: paths
    in the vault that are not what was sealed, here as in the backup; `unreadable`: keys that the database names and
    the keyring has not."""

    target: Path
    version: str
    schema: int
    calls: int
    recordings: int
    keys: int
    files: int
    size_bytes: int
    gone: int
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def well(self) -> bool:
        return not (self.missing or self.damaged or self.unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What the database said, all at one moment."""

    schema: int
    counts: Counts
    needs: Mapping[str, Needs]


@dataclass(slots=True, kw_only=True)
class _Vault:
    """What was found there."""

    absent: dict[UUID, str]
    damaged: list[str]


async def make(config: Config, target: Path, by: Actor, *, with_keys: bool = True) -> Made:
    """A new folder `target`. BackupTargetRefused, BackupVaultAway, BackupKeysMoved; errors of database and keyring."""
    if not (config.storage.vault / FRESH).is_dir():
        raise BackupVaultAway(path=config.storage.vault)
    keyring = Keyring.open(config.storage.keys)
    before = keyring.names()
    made_at = datetime.now(UTC)
    with _partial(target) as work, _Sums(work) as sums:
        await asyncio.to_thread(_copy_audit, config, sums)
        async with connect.address(config) as dsn, Database(dsn, seen=config.storage.timelines) as database:
            if await migrate.missing(database):
                raise DatabaseNotReady(database=database.name)
            moment = await _dumped(database, dsn, work)
            await asyncio.to_thread(sums.add, DUMP)
            found = await asyncio.to_thread(_copy_vault, config.storage.vault, sums, object_store.of(config))
            missing = await _still_wanted(database, found.absent)
        keys = key_check.back_up(keyring, work / KEYS).keys if with_keys else 0
        there = await asyncio.to_thread(keyring.names)
        unreadable = tuple(name for name in moment.needs if name not in before and name not in there)
        if moved := [name for name in moment.needs if name in before and name not in there]:
            raise BackupKeysMoved(names=", ".join(moved))
        await asyncio.to_thread(_copy_rest, config, sums)
        manifest = Manifest(
            version=version("ari-recorder"),
            schema=moment.schema,
            made_at=made_at.isoformat(timespec="seconds"),
            installation=str(keyring.installation),
            keys=with_keys,
            needs={name: one for name, one in moment.needs.items() if name not in unreadable},
            counts=moment.counts,
            files=sums.files,
            size_bytes=sums.size_bytes,
            gone=len(found.absent) - len(missing),
            missing=missing,
            damaged=tuple(found.damaged),
            sums=sums.finish(),
        )
        await asyncio.to_thread(_write, work / MANIFEST, manifest.write())
    facts = {"files": manifest.files, "recordings": manifest.counts.sealed, "keys": with_keys}
    await connect.noted(config, Entry(action=Action.BACKUP_MAKE, actor=by, object="backup", facts=facts))
    return Made(
        target=target,
        version=manifest.version,
        schema=manifest.schema,
        calls=manifest.counts.calls,
        recordings=manifest.counts.sealed,
        keys=keys,
        files=manifest.files,
        size_bytes=manifest.size_bytes,
        gone=manifest.gone,
        missing=manifest.missing,
        damaged=manifest.damaged,
        unreadable=unreadable,
    )


class _Sums:
    """SHA256SUMS while it grows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._file = open(folder / SUMS, "xb", opener=private)  # noqa: SIM115 -- closed with this

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def copy(self, source: Path, path: str) -> str:
        """A file of this host to that path of the backup; its SHA-256."""
        digest, size = copied.copy(source, self.folder / path)
        self._note(digest, size, path)
        return digest

    def fetch(self, store: ObjectStore, source: str, path: str) -> str | None:
        """The same of an object; None when there is none."""
        target = self.folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(target, "xb", buffering=0, opener=private) as file:
            digest = store.digest(source, file)
        if digest is None:
            target.unlink()
            return None
        self._note(digest.hex(), target.stat().st_size, path)
        return digest.hex()

    def copy_all(self, source: Path, path: str) -> None:
        """The files of a folder; what goes away meanwhile is not worth a backup."""
        for name in copied.ordinary_files(source):
            try:
                self.copy(source / name, f"{path}/{name}")
            except FileNotFoundError:
                continue

    def add(self, path: str) -> None:
        """What lies there already."""
        digest, size = copied.sum_of(self.folder / path)
        self._note(digest, size, path)

    def finish(self) -> str:
        """All is in it. The SHA-256 of the list itself."""
        self._file.close()
        return self._digest.hexdigest()

    def _note(self, digest: str, size: int, path: str) -> None:
        text = copied.line(digest, path).encode()
        self._digest.update(text)
        self._file.write(text)
        self.files += 1
        self.size_bytes += size


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """A folder beside the target, that becomes it when nothing has failed."""
    work = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    made = False
    try:
        if os.path.lexists(target):
            raise BackupTargetRefused(path=target, reason="it is there already")
        work.mkdir(mode=0o700)
        made = True
        yield work
        (work / _WANTED).unlink()
        os.sync()  # a million files at once; each for itself would take an hour
        if os.path.lexists(target):  # rename would take an empty folder's place
            raise BackupTargetRefused(path=target, reason="it is there already")
        work.rename(target)
        os.sync()
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise BackupTargetRefused(path=target, reason=reason) from None
    finally:
        if made:
            shutil.rmtree(work, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with open(path, "x", encoding="utf-8", opener=private) as file:
        file.write(text)


def _copy_audit(config: Config, sums: _Sums) -> None:
    sums.copy_all(config.storage.audit, f"{STATE}/{config.storage.audit.name}")
    if config.audit.anchor_file is not None and config.audit.anchor_file.exists():
        sums.copy(config.audit.anchor_file, ANCHORS)


async def _dumped(database: Database, dsn: str, work: Path) -> _Moment:
    async with database.transaction(within=_DUMP_SECONDS) as conn:
        snapshot = await backups.one_moment(conn)
        moment = _Moment(
            schema=await backups.schema(conn), counts=await backups.counts(conn), needs=await backups.needs(conn)
        )
        with await asyncio.to_thread((work / _WANTED).open, "x") as wanted:
            async for page in backups.sealed_paths(conn):
                wanted.writelines(copied.line(one.sha256, one.path) for one in page)
        await dump.save(dsn, await backups.server_version(conn), work / DUMP, snapshot)
    return moment


def _copy_vault(vault: Path, sums: _Sums, store: ObjectStore | None) -> _Vault:
    """What is not in the vault any more comes from the S3 store."""
    found = _Vault(absent={}, damaged=[])
    for digest, path in copied.lines(sums.folder / _WANTED):
        copied_as: str | None
        try:
            copied_as = sums.copy(vault / path, f"{VAULT}/{path}")
        except FileNotFoundError:
            copied_as = sums.fetch(store, path, f"{VAULT}/{path}") if store is not None else None
        if copied_as is None:
            found.absent[UUID(PurePosixPath(path).stem)] = path
        elif copied_as != digest:
            found.damaged.append(path)
    return found


async def _still_wanted(database: Database, absent: Mapping[UUID, str]) -> tuple[str, ...]:
    """Of recordings whose files were not there, those that nobody destroyed."""
    ids, missing = iter(absent), list[str]()
    while several := list(islice(ids, _AT_ONCE)):
        async with database.transaction() as conn:
            missing += [absent[one] for one in await backups.still_sealed(conn, several)]
    return tuple(sorted(missing))


def _copy_rest(config: Config, sums: _Sums) -> None:
    storage = config.storage
    for name in copied.ordinary_files(sums.folder / KEYS):
        sums.add(f"{KEYS}/{name}")
    if storage.login_key.exists():
        sums.copy(storage.login_key, f"{STATE}/{storage.login_key.name}")
    sums.copy_all(storage.deliveries, f"{STATE}/{storage.deliveries.name}")
    sums.copy(config.source, f"{CONFIG}/ari-recorder.toml")
