"""Entries that cannot wait for the database: on disk now, in the log as soon as it is there, with the time they have.

    put ─► a line in storage.audit, synced ──drain, with the job of the log──► pending ─► …          (audit_log.py)

What is put here needs no database to happen: keys are made, locked and unlocked without one. A crash between storing
and removing the line stores it again, and once is once. Names are in that file in clear, for its owner alone.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database

log = structlog.get_logger(__name__)

_NAME = "waiting.jsonl"


class LaterEntries:
    """Of one installation. Several processes may put, one drains at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    async def put(self, entry: Entry, at: datetime) -> None:
        """It is on disk when this returns. A disk that takes nothing is told in the service's own log."""
        told = replace(entry, actor=replace(entry.actor, command=None))  # its own id is what makes it once
        fields = {"id": str(uuid4()), "at": at.astimezone(UTC).isoformat(), **asdict(told)}
        try:
            await asyncio.to_thread(self._append, json.dumps(fields, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            log.error("audit_write_fail", entry=entry.action.value, code=error.strerror)

    async def drain(self, database: Database) -> int:
        """All that waits is in the database when this returns. How many."""
        if not await asyncio.to_thread(self._any):
            return 0
        with self._open() as fd:
            if not _taken(fd):  # somebody is putting something there; the next look finds it
                return 0
            found = list(_entries(await asyncio.to_thread(self._path.read_bytes)))
            async with database.transaction() as conn:
                for key, at, entry in found:
                    await audit.append_once(conn, entry, at, f"later {key}")
            os.ftruncate(fd, 0)
        log.info("audit_late", entries=len(found))
        return len(found)

    def _any(self) -> bool:
        return self._path.exists() and self._path.stat().st_size > 0

    def _append(self, line: bytes) -> None:
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._open() as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":  # a crash left half a line
                line = b"\n" + line
            os.write(fd, line)
            os.fsync(fd)

    @contextmanager
    def _open(self) -> Iterator[int]:
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            owner = self._path.parent.stat()
            if os.geteuid() == 0 and os.fstat(fd).st_uid != owner.st_uid:
                os.fchown(fd, owner.st_uid, owner.st_gid)  # the service has to read what root put here
            yield fd
        finally:
            os.close(fd)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _entries(data: bytes) -> Iterator[tuple[str, datetime, Entry]]:
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            fields: dict[str, Any] = json.loads(line)
            actor = fields.pop("actor")
            key, at = fields.pop("id"), datetime.fromisoformat(fields.pop("at"))
            fields |= {"action": Action(fields["action"]), "outcome": Outcome(fields["outcome"])}
            yield key, at, Entry(actor=Actor(**{**actor, "kind": ActorKind(actor["kind"])}), **fields)
        except (ValueError, TypeError, KeyError):
            log.error("audit_late_torn")  # half a line: what it told of was not done yet
