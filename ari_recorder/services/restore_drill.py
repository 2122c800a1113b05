"""A backup is tried: restored into a folder of its own with a private PostgreSQL, played, verified, and removed again.

    restore ─► migrate ─► recordings of each kind: held, ordinary, without a key ─► audit log ─► all removed

What is held and what is ordinary has to be whole and to play to its end; what has lost its key must not open. Nobody
hears what is played: it is decoded in memory and thrown away, so no file with audio in clear is ever made.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from ari_recorder.config import Config, ConfigError
from ari_recorder.config.models import Database as NoDatabase
from ari_recorder.config.storage import Storage
from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.errors import KeyDestroyed, RecorderError, RestoreTargetRefused
from ari_recorder.services import audit_check, connect
from ari_recorder.services.restore import Restored, restore
from ari_recorder.services.verify import verify
from ari_recorder.storage import backups
from ari_recorder.storage.backups import Trial
from ari_recorder.storage.db import Database
from ari_recorder.storage.migrate import migrate
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.parts import SAMPLE_RATE
from ari_recorder.vault.recordings import Vault

# Decoding rounds to whole frames.
_NEAR = timedelta(seconds=1)
# Beyond this a list of troubles helps nobody.
_MOST_TOLD = 50
_HOLD = "hold-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """Of each kind, how many there are and how many were as they should be. `expired`: their key is not in the keyring;
    `unreadable`: of those, how many did not open. `problems` is empty when the drill succeeded."""

    made_at: str
    version: str
    schema: int
    calls: int
    recordings: int
    held: int
    held_played: int
    ordinary: int
    ordinary_played: int
    expired: int
    unreadable: int
    played_seconds: int
    audit_entries: int
    audit_signed: int
    restore_seconds: float
    seconds: float
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    held: int = 0
    held_played: int = 0
    ordinary: int = 0
    ordinary_played: int = 0
    expired: int = 0
    unreadable: int = 0
    played: timedelta = timedelta()
    problems: list[str] = field(default_factory=list)


async def drill(
    config: Config,
    source: Path,
    by: Actor,
    *,
    keys: Path | None = None,
    work: Path | None = None,
    root_key: Path | None = None,
    passphrase: str | None = None,
    at_most: int,
) -> Drilled:
    """`work`: where the temporary folder is made, which needs the room of the backup. `at_most`: how many recordings of
    each kind are tried."""
    began = time.monotonic()
    async with _private_site(config, work, root_key) as site:
        restored = await restore(site, source, by, keys)
        restoring = time.monotonic() - began
        keyring = await asyncio.to_thread(connect.keyring, site, passphrase, root_key)
        names = keyring.names()
        vault = Vault(VaultFiles(site.storage.vault), keyring, site.storage.state)
        tally = _Tally()
        async with connect.database(site) as database:
            await migrate(database)
            async for one in _each(database):
                await asyncio.to_thread(_try, vault, one, tally, there=one.key_name in names, at_most=at_most)
            signer = await asyncio.to_thread(connect.log_signer, site)
            audit = await audit_check.verify(database, signer, site.audit.anchor_file)
    await _note(config, restored, by, well=not (tally.problems or audit.found))
    problems = [*tally.problems, *(f"audit log: {one}" for one in audit.found)]
    if len(problems) > _MOST_TOLD:
        problems[_MOST_TOLD:] = [f"and {len(problems) - _MOST_TOLD} more like that"]
    return Drilled(
        made_at=restored.made_at,
        version=restored.version,
        schema=restored.schema,
        calls=restored.calls,
        recordings=restored.recordings,
        held=tally.held,
        held_played=tally.held_played,
        ordinary=tally.ordinary,
        ordinary_played=tally.ordinary_played,
        expired=tally.expired,
        unreadable=tally.unreadable,
        played_seconds=round(tally.played.total_seconds()),
        audit_entries=audit.size,
        audit_signed=audit.signed,
        restore_seconds=round(restoring, 1),
        seconds=round(time.monotonic() - began, 1),
        problems=tuple(problems),
    )


@asynccontextmanager
async def _private_site(config: Config, work: Path | None, root_key: Path | None) -> AsyncIterator[Config]:
    """The same site on an empty host: everything in one folder, which is gone afterwards."""
    try:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="ari-recorder-drill-", dir=work))
    except OSError as error:
        raise RestoreTargetRefused(path=work or tempfile.gettempdir(), reason=error.strerror) from None
    try:
        with contextlib.suppress(RecorderError, ConfigError):
            root_key = root_key or config.root_key()
        state = folder / "state"
        storage = Storage(state=state, root_key=str(root_key)) if root_key is not None else Storage(state=state)
        anchors = folder / "anchors.jsonl" if config.audit.anchor_file is not None else None
        yield config.model_copy(
            update={
                "storage": storage,
                "database": NoDatabase(),
                "audit": config.audit.model_copy(update={"anchor_file": anchors, "anchor_syslog": None}),
            }
        )
    finally:
        await asyncio.to_thread(shutil.rmtree, folder)


async def _each(database: Database) -> AsyncIterator[Trial]:
    after = UUID(int=0)
    while True:
        async with database.transaction() as conn:
            page = await backups.trials(conn, after)
        for one in page:
            yield one
        if not page:
            return
        after = page[-1].id


def _try(vault: Vault, one: Trial, tally: _Tally, *, there: bool, at_most: int) -> None:
    """Count it, and try it unless enough of its kind were tried."""
    if not there:
        tally.expired += 1
        if tally.expired <= at_most and _refused(vault, one, tally):
            tally.unreadable += 1
    elif one.key_name.startswith(_HOLD):
        tally.held += 1
        if tally.held <= at_most and _plays(vault, one, tally):
            tally.held_played += 1
    else:
        tally.ordinary += 1
        if tally.ordinary <= at_most and _plays(vault, one, tally):
            tally.ordinary_played += 1


def _refused(vault: Vault, one: Trial, tally: _Tally) -> bool:
    try:
        vault.open_recording(one.path, one.wrapped_key, one.id, one.label).close()
    except KeyDestroyed:
        return True
    except RecorderError as error:
        tally.problems.append(f"{one.id}: it does not open, but not because its key is gone: {error}")
    else:
        tally.problems.append(f"{one.id}: it opens, although its key {one.key_name} is gone")
    return False


def _plays(vault: Vault, one: Trial, tally: _Tally) -> bool:
    """From its first sample to its last, every byte compared with what was sealed."""
    try:
        verify(vault, one.path, one.wrapped_key, one.id, one.sha256, one.label)
        with vault.wav(one.path, one.wrapped_key, one.id, one.label) as wav:
            for _ in wav.blocks():
                pass
            length = timedelta(seconds=wav.samples / SAMPLE_RATE)
    except RecorderError as error:
        tally.problems.append(f"{one.id}: {error}")
        return False
    if abs(length - one.duration) > _NEAR:
        tally.problems.append(f"{one.id}: {length.total_seconds():.1f} s of {one.duration.total_seconds():.1f} s play")
        return False
    tally.played += length
    return True


async def _note(config: Config, restored: Restored, by: Actor, *, well: bool) -> None:
    """In the log of the installation, if there is one on this host."""
    if config.storage.keys.exists():
        facts: dict[str, JSON] = {"made_at": restored.made_at, "recordings": restored.recordings, "well": well}
        await connect.noted(config, Entry(action=Action.BACKUP_DRILL, actor=by, object="backup", facts=facts))
