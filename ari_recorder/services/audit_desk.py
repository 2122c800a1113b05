"""The audit log for people: searched, its tree looked at, single entries proven, all of it exported. What that takes:
services/audit_access.py, which writes down each reading before it answers.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.audit import Action, Outcome
from ari_recorder.domain.retention import midnight
from ari_recorder.services import connect
from ari_recorder.services.audit_access import AuditAccess
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit_tree
from ari_recorder.storage.audit import Wanted, Written
from ari_recorder.storage.db import Database

_CHUNK_BYTES = 64 << 10
_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What somebody looks for. `until` is the last day. `before`: older than that entry."""

    since: date | None = None
    until: date | None = None
    action: Action | None = None
    outcome: Outcome | None = None
    actor: str = ""
    object: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRead:
    """`personal`: what of it was not erased."""

    seq: int
    at: datetime
    fields: Mapping[str, Any]
    personal: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorRead:
    target: str
    size: int
    anchored_at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRead:
    """`signed`: how many entries the newest checkpoint covers."""

    size: int
    root: str
    signed: int
    signed_at: datetime | None
    anchors: tuple[AnchorRead, ...]


class AuditDesk:
    def __init__(self, *, config: Config, database: Database, clocks: Clocks) -> None:
        self._config = config
        self._database = database
        self._clocks = clocks

    async def read(self, principal: Principal, sought: Sought) -> tuple[EntryRead, ...]:
        """The newest first, a page of them."""
        access = await self._access(principal)
        wanted = Wanted(
            since=midnight(sought.since) if sought.since is not None else None,
            until=midnight(sought.until + timedelta(days=1)) if sought.until is not None else None,
            actions=(sought.action,) if sought.action is not None else None,
            outcome=sought.outcome,
            actor=sought.actor.strip() or None,
            object=sought.object or None,
        )
        return tuple(_read(one) for one in await access.read(wanted, before=sought.before, limit=_PAGE))

    async def tree(self, principal: Principal) -> TreeRead:
        authorise(principal, Permission.AUDIT_READ, now=self._clocks.now())
        async with self._database.transaction() as conn:
            head = await audit_tree.head(conn)
            newest = await audit_tree.last_signed(conn)
            anchors = await audit_tree.anchors(conn)
        return TreeRead(
            size=head.size,
            root=head.root.hex(),
            signed=newest.size if newest is not None else 0,
            signed_at=newest.signed_at if newest is not None else None,
            anchors=tuple(
                AnchorRead(target=one.target, size=one.size, anchored_at=one.anchored_at, trouble=one.trouble)
                for one in anchors
            ),
        )

    async def proof(self, principal: Principal, seq: int) -> str:
        return await (await self._access(principal)).proof(seq)

    async def export(self, principal: Principal) -> AsyncGenerator[bytes, None]:
        """All of it, as tools/verify_audit.py reads it. The file is made first, so that what is sent is whole."""
        access = await self._access(principal)
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, dir=self._config.storage.state)
        target = Path(folder.name) / "audit.jsonl"
        try:
            await access.export(target)
        except BaseException:
            await asyncio.to_thread(folder.cleanup)
            raise
        return _chunks(folder, target)

    async def _access(self, principal: Principal) -> AuditAccess:
        authorise(principal, Permission.AUDIT_READ, now=self._clocks.now())
        actor = principal.actor(Permission.AUDIT_READ)
        return await asyncio.to_thread(connect.audit_access, self._config, self._database, actor)


async def _chunks(folder: "tempfile.TemporaryDirectory[str]", target: Path) -> AsyncGenerator[bytes, None]:
    try:
        with await asyncio.to_thread(target.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                yield chunk
    finally:
        await asyncio.to_thread(folder.cleanup)


def _read(one: Written) -> EntryRead:
    return EntryRead(
        seq=one.seq,
        at=one.at,
        fields=one.fields,
        personal={commitment.field: commitment.value for commitment in one.personal},
    )
