"""Somebody uses the audit log: reads, verifies, proves, exports. That is an entry too, written before the answer."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import AuditEntryUnknown, ExportTargetRefused
from ari_recorder.services import audit_check
from ari_recorder.services.audit_check import Verified
from ari_recorder.services.audit_log import AuditLog, Checkpointed, sequence, written
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit, audit_tree
from ari_recorder.storage.audit import Wanted, Written
from ari_recorder.storage.db import Database
from ari_recorder.vault.log_signer import LogSigner

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedLog:
    """`key`: the public key that verifies it."""

    target: Path
    entries: int
    key: str


class AuditAccess:
    """What `actor` may ask. Whether the actor may is decided before."""

    def __init__(
        self,
        *,
        database: Database,
        signer: LogSigner,
        log: AuditLog,
        clocks: Clocks,
        anchor_file: Path | None,
        actor: Actor,
    ) -> None:
        self._database = database
        self._signer = signer
        self._log = log
        self._clocks = clocks
        self._anchor_file = anchor_file
        self._actor = actor

    async def read(
        self, wanted: Wanted, *, before: int | None = None, after: int | None = None, limit: int = 100
    ) -> tuple[Written, ...]:
        """The newest first; `before` and `after` page."""
        await sequence(self._database)
        asked = {
            "since": wanted.since.isoformat() if wanted.since is not None else None,
            "until": wanted.until.isoformat() if wanted.until is not None else None,
            "actions": [one.value for one in wanted.actions] if wanted.actions is not None else None,
            "outcome": wanted.outcome.value if wanted.outcome is not None else None,
            "object": wanted.object,
        }
        facts = {name: value for name, value in asked.items() if value is not None}
        personal = {"wanted.actor": wanted.actor} if wanted.actor else {}
        async with self._database.transaction() as conn:
            found = await audit.page(conn, wanted, before=before, after=after, limit=limit)
            entry = Entry(
                action=Action.AUDIT_READ,
                actor=self._actor,
                facts={**facts, "entries": len(found)},
                personal=personal,
            )
            await audit.append(conn, entry, self._clocks.now())
        return found

    async def show(self, seq: int) -> Written:
        await sequence(self._database)
        async with self._database.transaction() as conn:
            found = await audit.get(conn, seq)
            if found is None:
                raise AuditEntryUnknown(seq=seq, size=(await audit_tree.head(conn)).size)
            entry = Entry(action=Action.AUDIT_READ, actor=self._actor, object=f"entry:{seq}", facts={"entries": 1})
            await audit.append(conn, entry, self._clocks.now())
        return found

    async def verify(self) -> Verified:
        """Everything looked at; an alarm when something is found."""
        verified = await audit_check.verify(self._database, self._signer, self._anchor_file)
        if verified.found:
            because = verified.found[0]
            log.error("alarm", alarm=AlarmCode.AUDIT_CHANGED.value, subject="audit", because=because)
        entry = Entry(
            action=Action.AUDIT_VERIFY,
            actor=self._actor,
            outcome=Outcome.FAILED if verified.found else Outcome.OK,
            facts={"size": verified.size, "found": len(verified.found)},
        )
        await written(self._database, entry, self._clocks.now())
        return verified

    async def checkpoint(self) -> Checkpointed:
        return await self._log.checkpoint()

    async def proof(self, seq: int) -> str:
        """As text; the log is signed anew when the entry is newer than the last time."""
        await self._log.cover(seq)
        text = await audit_check.prove(self._database, self._signer, seq)
        await written(
            self._database,
            Entry(action=Action.AUDIT_PROVE, actor=self._actor, object=f"entry:{seq}"),
            self._clocks.now(),
        )
        return text

    async def prove(self, seq: int, target: Path) -> None:
        await asyncio.to_thread(_write_new, target, await self.proof(seq))

    async def export(self, target: Path) -> ExportedLog:
        """All of it, signed first. The entry that tells of it is in it."""
        await written(self._database, Entry(action=Action.AUDIT_EXPORT, actor=self._actor), self._clocks.now())
        await self._log.checkpoint()
        entries = await audit_check.export(self._database, self._signer, target)
        return ExportedLog(target=target, entries=entries, key=self._signer.key)


def _write_new(target: Path, text: str) -> None:
    try:
        with open(target, "x", encoding="utf-8", opener=audit_check.private) as file:
            file.write(text)
    except OSError as error:
        raise ExportTargetRefused(path=target, reason=error.strerror) from None
