"""A package as a file on this host that only its passphrase opens, for whoever unlocks the keyring here.

    prepared ─► entry of the audit log for each recording ─► written under another name ─► known, and named in one step

The passphrase is made here, shown once and kept nowhere. The file is known like any copy, and goes when a recording in
it goes. On the page a package is given out by two persons, like a recording: services/export_desk.py.
"""

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import RecordingErased
from ari_recorder.domain.packages import PackageKind, package_name
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services import kept
from ari_recorder.services.new_files import copy_of, create, fresh_name, give_name, refused
from ari_recorder.services.packages import Order, Packages, Prepared
from ari_recorder.storage import audit, exports
from ari_recorder.storage.db import Database
from ari_recorder.storage.exports import Export
from ari_recorder.vault.aes_zip import AesZip, new_passphrase
from ari_recorder.vault.stream import write_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    package_id: UUID
    kind: PackageKind
    target: Path
    recordings: tuple[UUID, ...]
    size_bytes: int
    passphrase: str = dataclasses.field(repr=False)


async def write_package(
    database: Database,
    packages: Packages,
    order: Order,
    target: Path,
    progress: Callable[[float], None],
    actor: Actor,
    now: datetime,
) -> Packaged:
    """`target` appears when it is complete, or not at all."""
    prepared = await packages.prepare(order, kept.EVERYWHERE, actor)
    recordings = tuple(one.id for one in prepared.contents.recordings)
    passphrase = new_passphrase()
    fresh = fresh_name(target)
    async with database.transaction() as conn:
        await audit.append_many(conn, [_entry(prepared, one, actor) for one in recordings], now)
    try:
        size, copies = await asyncio.to_thread(_write, packages, prepared, target, fresh, passphrase, progress)
        async with database.transaction() as conn:
            # Nobody begins to erase one of them before the file has its name, and is found by it.
            for copy in copies:
                if not await exports.insert(conn, copy, now):
                    raise RecordingErased(recording_id=copy.recording_id, because="while it was exported")
            await asyncio.to_thread(give_name, fresh, target)
    finally:
        await asyncio.to_thread(fresh.unlink, missing_ok=True)
    return Packaged(
        package_id=prepared.contents.id,
        kind=order.kind,
        target=target,
        recordings=recordings,
        size_bytes=size,
        passphrase=passphrase,
    )


def _entry(prepared: Prepared, recording_id: UUID, actor: Actor) -> Entry:
    contents = prepared.contents
    facts = {
        "format": "package",
        "package": str(contents.id),
        "kind": contents.kind.value,
        "reference": contents.case_number,
        "muted": sum(len(one.mutes) for one in contents.recordings if one.id == recording_id),
        **kept.as_fact(prepared.grounds.get(recording_id)),
    }
    return Entry(action=Action.RECORDING_EXPORT, actor=actor, object=f"recording:{recording_id}", facts=facts)


def _write(
    packages: Packages,
    prepared: Prepared,
    target: Path,
    fresh: Path,
    passphrase: str,
    progress: Callable[[float], None],
) -> tuple[int, list[Export]]:
    """How many bytes, and what the file will be known as: a copy of each of its recordings."""
    with contextlib.closing(packages.open(prepared)) as package, refused(target):
        local = prepared.contents.made_at.astimezone(HELSINKI)
        locked = AesZip(package_name(prepared.contents), package.size, package.blocks(), passphrase, local)
        written = 0
        with FileIO(create(fresh, target), "wb") as file:
            for block in locked.blocks():
                write_all(file, memoryview(block))
                written += len(block)
                progress(written / locked.size)
            os.fsync(file.fileno())
            there = os.fstat(file.fileno())
    copies = [
        dataclasses.replace(copy_of(one.id, target, there), ground=prepared.grounds.get(one.id))
        for one in prepared.contents.recordings
    ]
    return written, copies
