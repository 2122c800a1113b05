"""What is older than the rule and still there: in the vault, the spool, among copies in clear. Nothing is removed."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ari_recorder.config import Config
from ari_recorder.domain.promises import OldBytes
from ari_recorder.domain.retention import Policy, due_before, local_day
from ari_recorder.services.promise_counts import SWEPT_WITHIN
from ari_recorder.storage import past_rule
from ari_recorder.storage.db import Database
from ari_recorder.storage.past_rule import ClearCopy, Overdue
from ari_recorder.vault.files import VaultFiles, path_of
from ari_recorder.vault.parts import FOLDER

_SECONDS = 60.0


async def old_bytes(config: Config, database: Database, policy: Policy, late: Overdue, now: datetime) -> OldBytes:
    """`late`: what the database has that is past its rule. Of the vault's folders those are looked at whose day is past
    the shortest rule: a file there wants a row that says it is kept."""
    by = now - SWEPT_WITHIN
    bound = max(due_before(queue, policy, by) for rules in policy.all_rules for queue in rules.queues)
    files = VaultFiles(config.storage.vault)
    stray = 0
    for day in await asyncio.to_thread(files.days):
        if day >= local_day(bound):
            break
        ids = await asyncio.to_thread(files.of_day, day)
        async with database.transaction() as conn:
            ids -= await past_rule.sealed_of(conn, ids)
        stray += sum([await asyncio.to_thread(_size, files.folder / path_of(one, day)) for one in ids])
    parts = await asyncio.to_thread(_older, config.storage.vault / FOLDER, "", bound)
    async with database.transaction(within=_SECONDS) as conn:
        copies = await past_rule.clear_copies(conn, late.ids)
    host = socket.gethostname()
    here = [one for one in copies if one.host == host]
    return OldBytes(
        places={
            "database": late.row_bytes,
            "vault": late.sealed_bytes + stray + parts,
            "spool": await asyncio.to_thread(_older, config.pbx.spool, ".sln", bound),
            "exports": sum([await asyncio.to_thread(_size_of_copy, one) for one in here]),
        },
        elsewhere=tuple(sorted({f"exports: {one.host}" for one in copies if one.host != host})),
    )


def _older(folder: Path, ending: str, bound: datetime) -> int:
    """Bytes of files that nobody has written to since."""
    return sum(size for size, written in _files(folder, ending) if written < bound.timestamp())


def _files(folder: Path, ending: str) -> Iterator[tuple[int, float]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(ending):
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    yield facts.st_size, facts.st_mtime


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _size_of_copy(copy: ClearCopy) -> int:
    """Another file may have its name by now."""
    with contextlib.suppress(OSError):
        facts = Path(copy.path).stat()
        return facts.st_size if facts.st_ino == copy.inode else 0
    return 0
