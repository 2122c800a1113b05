"""What people do with the keys: how they are, replacing the root key or the hold key, destroying a day's key by hand.

A hold key is replaced in this order, and each step can be repeated: a new one is made and used from then on; everything
of an old one is wrapped anew, and once more if a hold was being placed with it just then; the old one, of which nothing
is left, is destroyed under a lock on its name. Called again after a kill, it goes on where it was.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from ari_recorder.config import Config
from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import KeyInUse, RecordingsNeedKeys, RewrapFailed, ServiceAway
from ari_recorder.services import control
from ari_recorder.services.clock import Clocks
from ari_recorder.services.day_keys import DayKeys, parts_of, unknown_files
from ari_recorder.services.keys import DAYS_AHEAD, days_left, key_names
from ari_recorder.services.rewrap import Rewrapped, rewrap
from ari_recorder.storage import audit, day_keys, keys
from ari_recorder.storage.db import Database
from ari_recorder.storage.journal import Journal
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.key_rotation import NewRoot
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import Parts
from ari_recorder.vault.root_key import RootKind
from ari_recorder.vault.wrapping import day_name

log = structlog.get_logger(__name__)

# Longer than it takes to place a hold, however many recordings it is about.
_HOLD_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """`service_locked` is None when the service does not run."""

    folder: str
    installation: UUID
    root_key: str
    root_key_generation: int
    rotation_begun: bool
    keys: int
    day_keys: int
    first_day: date | None
    last_day: date | None
    days_left: int
    hold_keys: tuple[str, ...]
    index_keys: tuple[str, ...]
    service_locked: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRotated:
    key_name: str
    rewrapped: Rewrapped
    destroyed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayKey:
    """A day's key and what still needs it. `unfinished`: calls of that day that are not in the database yet; `unknown`:
    sealed files of that day of which the database knows nothing."""

    day: date
    key_name: str
    there: bool
    recordings: int
    callers: int
    parts: int
    unknown: int
    unfinished: bool
    over: bool
    destroyed: bool

    @property
    def needed(self) -> str:
        """By what, in words; empty when by nothing."""
        reasons = [
            f"{count} {what}"
            for count, what in (
                (self.recordings, "recording(s)"),
                (self.callers, "caller(s)"),
                (self.parts, "part(s)"),
                (self.unknown, "sealed file(s) that are not in this database"),
            )
            if count
        ]
        reasons += ["calls that are not finished"] if self.unfinished else []
        reasons += ["the day is not over"] if not self.over else []
        return ", ".join(reasons)


def make(config: Config, passphrase: str | None, *, despite_recordings: bool) -> Keyring:
    """A new keyring, and the day keys to begin with. RecordingsNeedKeys where recordings would be closed for ever."""
    been_here = VaultFiles(config.storage.vault).any_sealed() or config.storage.journal.exists()
    if been_here and not despite_recordings:
        raise RecordingsNeedKeys(path=config.storage.keys)
    if passphrase is not None:
        keyring = Keyring.make(config.storage.keys, passphrase=passphrase)
    else:
        keyring = Keyring.make(config.storage.keys, root_key=config.root_key())
    today = day_of(datetime.now(UTC))
    keyring.publish(today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1))
    return keyring


def take_back(config: Config, root_key: Path | None) -> bool:
    """Back to before a rotation that was not committed; False when there is none. Needs no root key."""
    keyring = Keyring.open(config.storage.keys)
    if root_key is None and keyring.root_kind is RootKind.FILE and config.storage.root_key.startswith("/"):
        root_key = config.root_key()
    return keyring.abandon_rotation(root_key)


async def status(config: Config) -> Status:
    keyring = await asyncio.to_thread(Keyring.open, config.storage.keys)
    days = keyring.public.days()
    names = keyring.names()
    try:
        locked = bool((await control.ask(config.storage.control, "keys-status"))["locked"])
    except ServiceAway:
        locked = None
    return Status(
        folder=str(keyring.folder),
        installation=keyring.installation,
        root_key=keyring.root_kind.value,
        root_key_generation=keyring.root_generation,
        rotation_begun=keyring.rotating,
        keys=len(names),
        day_keys=len(days),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        days_left=days_left(keyring.public, datetime.now(UTC)),
        hold_keys=_numbered(names, "hold"),
        index_keys=_numbered(names, "index"),
        service_locked=locked,
    )


async def rotate_root(config: Config, keyring: Keyring, new: NewRoot) -> bool:
    """A new root key. The running service is told a new passphrase before the commit, so that nobody notices; what is
    given back: does it run locked now, because the new root key is not where it looks?"""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if new.passphrase is not None:
            asyncio.run_coroutine_threadsafe(_tell_passphrase(config, new.passphrase), loop).result()

    await asyncio.to_thread(keyring.rotate, new, ready=tell)
    log.info("root_key_rotate", generation=keyring.root_generation)
    try:
        return bool((await control.ask(config.storage.control, "keys-look"))["locked"])
    except ServiceAway:
        return False


async def _tell_passphrase(config: Config, passphrase: str) -> None:
    try:
        if not (await control.ask(config.storage.control, "keys-status"))["locked"]:
            await control.ask(config.storage.control, "keys-unlock", passphrase=passphrase)
    except ServiceAway:
        pass


async def rotate_hold(
    database: Database, keyring: Keyring, files: VaultFiles, progress: Callable[[float], None], actor: Actor
) -> HoldRotated:
    """A new hold key for everything that is held. RewrapFailed when something does not open: then the old one stays.

    KeyInUse when the vault has files this database does not know: held ones may be among them.
    """
    for day in await asyncio.to_thread(files.days):
        if unknown := await unknown_files(database, files, day):
            what = (
                f"{unknown} sealed file(s) of {day} are not in this database: is it the right one, and not an old copy?"
            )
            raise KeyInUse(name=keyring.public.hold_name, what=what)
    holds = _numbered(keyring.names(), "hold")
    if len(holds) < 2:
        await asyncio.to_thread(keyring.make_hold)
        holds = _numbered(keyring.names(), "hold")
    *old, newest = holds
    total = 0
    for name in old:
        async with database.transaction() as conn:
            total += (await keys.left(conn, name)).count

    def told(count: int) -> None:
        progress(min(count / max(total, 1), 1.0))

    done: list[Rewrapped] = []
    for name in old:
        done.append(await rewrap(database, keyring, name, lambda _: newest, told))
        if await _destroy_unused(database, keyring, name, actor):  # a hold was being placed with it just then
            done.append(await rewrap(database, keyring, name, lambda _: newest, told))
            if count := await _destroy_unused(database, keyring, name, actor):
                raise RewrapFailed(failed=count, name=name)
    rewrapped = Rewrapped(
        recordings=sum(one.recordings for one in done),
        callers=sum(one.callers for one in done),
        reasons=sum(one.reasons for one in done),
        texts=sum(one.texts for one in done),
        refusals=sum(one.refusals for one in done),
        requests=sum(one.requests for one in done),
        failed=0,
    )
    return HoldRotated(key_name=newest, rewrapped=rewrapped, destroyed=tuple(old))


async def _destroy_unused(database: Database, keyring: Keyring, name: str, actor: Actor) -> int:
    """Unless something needs it: how much. Whoever wraps to it right now is waited for, whoever comes later finds it
    gone."""
    async with database.transaction(within=_HOLD_SECONDS) as conn:
        await day_keys.alone(conn, name, seconds=_HOLD_SECONDS)
        if count := (await keys.left(conn, name)).count:
            return count
        await asyncio.to_thread(keyring.destroy, name)
        entry = Entry(action=Action.KEY_DESTROY, actor=actor, object=f"key:{name}")
        await audit.append(conn, entry, datetime.now(UTC))
    log.info("hold_key_destroy", key=name)
    return 0


async def destroy_day(config: Config, database: Database, day: date, actor: Actor, *, dry_run: bool) -> DayKey:
    """KeyInUse while anything needs the key. The keyring may be locked: destroying needs no root key."""
    keyring = await asyncio.to_thread(Keyring.open, config.storage.keys)
    name = day_name(day)
    in_journal = await _unfinished(config)
    parts = Parts(config.storage.vault, keyring)
    days = DayKeys(database=database, keyring=keyring, parts=parts, clocks=Clocks(), in_journal=lambda: in_journal)
    needing = await asyncio.to_thread(parts_of, parts, name)
    async with database.transaction() as conn:
        left = await keys.left(conn, name)
    found = DayKey(
        day=day,
        key_name=name,
        there=name in keyring.names() | keyring.public.names(),
        recordings=left.recordings,
        callers=left.callers,
        parts=needing,
        unknown=await unknown_files(database, parts.files, day),
        unfinished=name in in_journal,
        over=day < day_of(datetime.now(UTC)),
        destroyed=not dry_run,
    )
    if not dry_run and (found.needed or not await days.destroy(day, "a person had it destroyed", actor)):
        raise KeyInUse(name=name, what=found.needed or "something that came meanwhile")
    return found


async def _unfinished(config: Config) -> frozenset[str]:
    """From the running service; without one, from its journal."""
    try:
        return frozenset((await control.ask(config.storage.control, "keys-needed"))["names"])
    except ServiceAway:
        return await asyncio.to_thread(_in_journal, config)


def _in_journal(config: Config) -> frozenset[str]:
    if not config.storage.journal.exists():
        return frozenset()
    with Journal(config.storage.journal) as journal:
        found = journal.load()
    return key_names((call for call, _ in found), [personal for _, personal in found if personal is not None])


def _numbered(names: frozenset[str], kind: str) -> tuple[str, ...]:
    """hold-1, hold-2, …, hold-10."""
    return tuple(
        sorted((name for name in names if re.fullmatch(f"{kind}-[0-9]+", name)), key=lambda name: (len(name), name))
    )
