"""The S3 store held against the database: what outlived its recording goes, what is not ours is told.

An upload that nobody waited for, a version that somebody else put there, an upload that was never ended: whatever
brought it there, once the recording is destroyed it should not be. What no row knows is told, and left to a person.
"""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

import structlog

from ari_recorder.domain.errors import RecorderError, Unavailable
from ari_recorder.domain.reconcile import ON_ITS_WAY, Difference, DifferenceKind, difference
from ari_recorder.domain.retention import StoredState
from ari_recorder.storage import health
from ari_recorder.storage.db import Database
from ari_recorder.vault.object_store import ObjectStore

log = structlog.get_logger(__name__)

_OURS = re.compile(r"\d{4}/\d{2}/\d{2}/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.sealed", re.ASCII)


async def reconcile(database: Database, store: ObjectStore, *, mend: bool) -> tuple[Difference, ...]:
    """Every difference; with `mend`, what outlived its recording is removed. Nothing when the store is away: the next
    day looks again."""
    now = datetime.now(UTC)
    try:
        months = await asyncio.to_thread(_by_month, store)
    except Unavailable as error:
        log.warning("reconcile_put_off", code=error.code, because=str(error))
        return ()
    found: list[Difference] = []
    for versions in months:
        ids = {path: UUID(match[1]) for path in versions if (match := _OURS.fullmatch(path))}
        async with database.transaction() as conn:
            rows = await health.of_ids(conn, set(ids.values()))
        for path, newest_at in versions.items():
            if path not in ids:
                found.append(difference(DifferenceKind.STRANGER, f"s3:{path}"))
            elif (row := rows.get(ids[path])) is None:
                if now - newest_at > ON_ITS_WAY:
                    found.append(difference(DifferenceKind.UNKNOWN, ids[path]))
            elif row.state is StoredState.ERASED:
                one = difference(DifferenceKind.OUTLIVED, ids[path])
                found.append(await _mended(one, store, path) if mend else one)
    return tuple(found)


async def _mended(one: Difference, store: ObjectStore, path: str) -> Difference:
    try:
        await asyncio.to_thread(store.remove, path)
    except RecorderError:
        return one
    return replace(one, mended=True)


def _by_month(store: ObjectStore) -> list[dict[str, datetime]]:
    """Each path with when its newest version was made, month by month."""
    paths: dict[str, datetime] = {}
    for one in store.everything(""):
        paths[one.path] = max(one.made_at, paths.get(one.path, one.made_at))
    return [{path: paths[path] for path in several} for _, several in groupby(sorted(paths), key=lambda path: path[:7])]
