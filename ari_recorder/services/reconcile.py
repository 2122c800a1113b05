"""The vault's folders held against the database: what should not be is told, and mended where that can harm nothing.

Decided in domain/reconcile.py. Nothing is removed that could be somebody's recording: only files of recordings that
were destroyed, and what was sealed during a call whose recording is stored and whole.
"""

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.reconcile import (
    BROKEN,
    MENDABLE,
    ON_ITS_WAY,
    Difference,
    DifferenceKind,
    FileFacts,
    compare,
    compare_parts,
    difference,
)
from ari_recorder.domain.retention import local_day
from ari_recorder.storage import health
from ari_recorder.storage.db import Database
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.files import VaultFiles, path_of

log = structlog.get_logger(__name__)

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SEALED = re.compile(rf"({_UUID})\.sealed")
_PART = re.compile(rf"({_UUID})\.[0-9]+\.(part|key)")
_DAY = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}")


async def reconcile(database: Database, vault: Path, *, mend: bool) -> tuple[Difference, ...]:
    """Every difference; with `mend`, those that may be mended are, and say so."""
    now = datetime.now(UTC)
    found: list[Difference] = []
    folders, strangers = await asyncio.to_thread(_days, vault)
    place = await asyncio.to_thread(VaultFiles(vault).identity)
    found += strangers
    for day in sorted(folders | await _recorded_days(database, now)):
        of_day, strangers = await asyncio.to_thread(_files, vault, f"{day:%Y/%m/%d}", _SEALED)
        found += strangers
        async with database.transaction() as conn:
            rows = await health.of_day(conn, day, place)
            # A file in the folder of another day than its row's is found by its id.
            rows |= await health.of_ids(conn, of_day.keys() - rows.keys())
        for one in compare(rows, of_day, now):
            found.append(await _mended(one, vault, path_of(UUID(one.subject), day)) if mend else one)
    found += await asyncio.to_thread(_leftovers, vault / ".new", now)
    parts, strangers = await asyncio.to_thread(_files, vault, ".parts", _PART)
    found += strangers
    async with database.transaction() as conn:
        rows = await health.of_ids(conn, parts.keys())
        broken = {str(one) for one in await health.damaged(conn)}
    broken |= {one.subject for one in found if one.kind in BROKEN}
    for one in compare_parts(rows, parts, {one for one in parts if str(one) in broken}, now):
        found.append(await _mended(one, vault, None) if mend else one)
    return tuple(found)


def tell(found: tuple[Difference, ...]) -> None:
    """One alarm for each; what was mended is a line of its own."""
    for one in found:
        if one.mended:
            log.warning("vault_mend", kind=one.kind.value, subject=one.subject)
        else:
            because = f"{one.kind.value}: {one.because}"
            log.error("alarm", alarm=AlarmCode.VAULT_DIFFERS.value, subject=one.subject, because=because)


async def _recorded_days(database: Database, now: datetime) -> set[date]:
    async with database.transaction() as conn:
        oldest = await health.oldest(conn)
    if oldest is None:
        return set()
    first = local_day(oldest)
    return {first + timedelta(days=n) for n in range((local_day(now) - first).days + 1)}


async def _mended(one: Difference, vault: Path, path: str | None) -> Difference:
    """All its files go, the sealed one and its parts. What cannot be removed stays open."""
    if one.kind not in MENDABLE:
        return one
    outcome = await asyncio.to_thread(Copies(vault).remove, {UUID(one.subject): path})
    return replace(one, mended=not outcome.failed)


# --- folders


def _days(vault: Path) -> tuple[set[date], list[Difference]]:
    """The days that have a folder, and what lies where no day is."""
    days: set[date] = set()
    strangers = []
    for folder in vault.glob("*/*/*"):
        relative = str(folder.relative_to(vault))
        try:
            if _DAY.fullmatch(relative) is None or folder.is_symlink():
                raise ValueError
            days.add(date.fromisoformat(relative.replace("/", "-")))
        except ValueError:
            strangers.append(difference(DifferenceKind.STRANGER, relative))
    return days, strangers


def _files(vault: Path, folder: str, ours: re.Pattern[str]) -> tuple[dict[UUID, FileFacts], list[Difference]]:
    found: dict[UUID, FileFacts] = {}
    strangers = []
    for name, facts in _entries(vault / folder):
        match = ours.fullmatch(name)
        if match is None or not stat.S_ISREG(facts.st_mode):
            strangers.append(difference(DifferenceKind.STRANGER, f"{folder}/{name}"))
            continue
        written_at = datetime.fromtimestamp(facts.st_mtime, UTC)
        # Of a call that goes on for hours, the first part is old and the last one is not.
        before = found.get(UUID(match[1]))
        if before is None or before.written_at < written_at:
            found[UUID(match[1])] = FileFacts(size=facts.st_size, written_at=written_at)
    return found, strangers


def _leftovers(folder: Path, now: datetime) -> list[Difference]:
    return [
        difference(DifferenceKind.LEFTOVER, f"{folder.name}/{name}")
        for name, facts in _entries(folder)
        if now - datetime.fromtimestamp(facts.st_mtime, UTC) > ON_ITS_WAY
    ]


def _entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """What is there. Files come and go while we look: parts end with their recording, fresh files get their place."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield entry.name, facts
