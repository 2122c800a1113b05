"""What takes two persons: asked for by one, agreed to by another, done by the first, once. Steps: domain/approvals.py.

`spend` is called in the transaction of what it allows: both happen, or neither. Who sees and decides what is asked for
needs the right to the thing itself, and must reach it: what is outside is not there.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise, check_person
from ari_recorder.domain.approvals import LASTS, NEEDS, Approval, ApprovalKind, ApprovalState
from ari_recorder.domain.audit import Action, Entry
from ari_recorder.domain.errors import ApprovalAsked, ApprovalOver, ApprovalUnknown, SecondPersonNeeded
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import approvals, audit, hold_scope
from ari_recorder.storage.db import Connection, Database

log = structlog.get_logger(__name__)


class Approvals:
    """`needed`: the setting. When nobody is needed, `spend` is content with nobody."""

    def __init__(self, *, database: Database, clocks: Clocks, needed: bool = True) -> None:
        self._database = database
        self._clocks = clocks
        self.needed = needed

    async def ask(self, principal: Principal, kind: ApprovalKind, subject: str, why: str) -> Approval:
        async with self._database.transaction() as conn:
            return await self.ask_within(conn, principal, kind, subject, why)

    async def ask_within(
        self,
        conn: Connection,
        principal: Principal,
        kind: ApprovalKind,
        subject: str,
        why: str,
        *,
        is_sealed: bool = False,
    ) -> Approval:
        """Within the transaction of what is asked for. `is_sealed`: why is kept there, sealed, and not here."""
        now = self._clocks.now()
        scope = authorise(principal, NEEDS[kind], now=now)
        told = check_person("reason", why)
        approval = Approval(
            id=uuid4(),
            kind=kind,
            subject=subject,
            state=ApprovalState.ASKED,
            why="" if is_sealed else told,
            asked_at=now,
            asked_by=principal.user_id,
            expires_at=now + LASTS,
        )
        await approvals.expire(conn, now)
        if not await self._reaches(conn, subject, scope):
            raise ApprovalUnknown(approval_id=approval.id)
        if not await approvals.insert(conn, approval):
            raise ApprovalAsked
        await self._tell(conn, principal, approval, Action.APPROVAL_ASK, now, why=told)
        log.info("approval_ask", approval_id=str(approval.id), kind=kind.value)
        return approval

    async def decide(self, principal: Principal, approval_id: UUID, *, approve: bool) -> Approval:
        """Somebody else agrees, or does not."""
        now = self._clocks.now()
        state = ApprovalState.APPROVED if approve else ApprovalState.REFUSED
        async with self._database.transaction() as conn:
            await approvals.expire(conn, now)
            found = await approvals.lock(conn, approval_id)
            scope = principal.scope(NEEDS[found.kind]) if found is not None else None
            if found is None or scope is None or not await self._reaches(conn, found.subject, scope):
                raise ApprovalUnknown(approval_id=approval_id)
            authorise(principal, NEEDS[found.kind], now=now, step_up=True)
            if found.asked_by == principal.user_id or principal.is_machine:
                raise SecondPersonNeeded
            if not await approvals.decide(conn, approval_id, state, principal.user_id, now):
                raise ApprovalOver(state=found.state.value)
            await self._tell(conn, principal, found, Action.APPROVAL_GIVE if approve else Action.APPROVAL_REFUSE, now)
        log.info("approval_decide", approval_id=str(approval_id), state=state.value)
        return replace(found, state=state, decided_by=principal.user_id, decided_at=now)

    async def waiting(self, principal: Principal) -> tuple[Approval, ...]:
        """What waits for a second person, or for who asked, as far as the rights reach."""
        now = self._clocks.now()
        scopes = {kind: principal.scope(permission) for kind, permission in NEEDS.items()}
        async with self._database.transaction() as conn:
            await approvals.expire(conn, now)
            found = await approvals.waiting(conn, [kind for kind, scope in scopes.items() if scope is not None])
            seen = []
            for one in found:
                scope = scopes[one.kind]
                if scope is not None and await self._reaches(conn, one.subject, scope):
                    seen.append(one)
        return tuple(seen)

    async def spend(self, conn: Connection, principal: Principal, kind: ApprovalKind, subject: str) -> UUID | None:
        """Within the transaction of what is done: SecondPersonNeeded, unless somebody else agreed."""
        if not self.needed:
            return None
        spent = await approvals.spend(conn, kind, subject, principal.user_id, self._clocks.now())
        if spent is None:
            raise SecondPersonNeeded
        return spent

    async def _reaches(self, conn: Connection, subject: str, scope: Scope) -> bool:
        """A hold, or a recording. What is neither is nowhere."""
        what, _, told = subject.partition(":")
        try:
            subject_id = UUID(told)
        except ValueError:
            return False
        if what == "hold":
            return bool(await hold_scope.reached(conn, [subject_id], scope))
        return what == "recording" and bool(await hold_scope.recordings_reached(conn, [subject_id], scope))

    async def _tell(
        self,
        conn: Connection,
        principal: Principal,
        approval: Approval,
        action: Action,
        now: datetime,
        why: str = "",
    ) -> None:
        permission: Permission = NEEDS[approval.kind]
        entry = Entry(
            action=action,
            actor=principal.actor(permission),
            object=approval.subject,
            because=approval.kind.value,
            facts={"approval": str(approval.id)},
            personal={"why": why},
        )
        await audit.append(conn, entry, now)
