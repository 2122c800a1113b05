"""Exports as privacy officers work with them: asked for by one, agreed to by another, and what was given out so far.

Who gets it and why is sealed with the call from the first moment; nobody agrees to what cannot be read. The bytes on
their way: services/export_sending.py. At the command line none of this is asked (services/listen.py).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.approvals import LASTS, ApprovalKind, ApprovalState
from ari_recorder.domain.disclosures import ExportStage, ReceiverKind, Terms, check_terms
from ari_recorder.domain.errors import ExportUnknown, KeyringLocked, PersonNeeded
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.services import kept
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.services.disclosures import Disclosed, Parties, disclosed, parties, sealed_text
from ari_recorder.storage import approvals, disclosures
from ari_recorder.storage.db import Database
from ari_recorder.storage.disclosures import Ask
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

# The newest of the log of disclosures that a page shows; there is to be one a month, or fewer.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export in any stage. `receiver` and `reason` are None when they cannot be opened. `is_mine`: asked for by who
    looks, who then cannot agree, and alone can download. `ground`: on which something restricted is opened.
    `disclosed`: what was sent of it, once that has begun."""

    id: UUID
    recording_id: UUID
    stage: ExportStage
    receiver_kind: ReceiverKind
    receiver: str | None = dataclasses.field(repr=False)
    reference: str
    reason: str | None = dataclasses.field(repr=False)
    asked_at: datetime
    asked_by: str
    is_mine: bool
    expires_at: datetime
    ground: OpeningGround | None
    disclosed: Disclosed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """`locked`: who gets them, and why, cannot be opened. `waiting`: the oldest first; `log`: the newest first."""

    locked: bool
    waiting: tuple[Export, ...]
    log: tuple[Disclosed, ...]


class ExportDesk:
    def __init__(self, *, database: Database, keyring: Keyring, approvals: Approvals, clocks: Clocks) -> None:
        self._database = database
        self._keyring = keyring
        self._texts = CallTexts(keyring)
        self._approvals = approvals
        self._clocks = clocks

    async def ask(self, principal: Principal, recording_id: UUID, terms: Terms) -> UUID:
        """What is asked for waits for a second person, where the settings want one, and for a week at most."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_EXPORT, now=now)
        if principal.is_machine:
            raise PersonNeeded
        terms = check_terms(terms)
        async with self._database.transaction() as conn:
            row, key_name = await kept.to_be_opened(conn, recording_id, scope, terms.ground)
            export_id = uuid4()
            if self._approvals.needed:
                approval = await self._approvals.ask_within(
                    conn, principal, ApprovalKind.EXPORT, subject_of(recording_id), terms.reason, is_sealed=True
                )
                export_id = approval.id
            text_id = await self._texts.write(conn, recording_id, row.call_id, key_name, sealed_text(terms))
            asked = Ask(
                id=export_id,
                recording_id=recording_id,
                receiver_kind=terms.receiver_kind,
                reference=terms.reference,
                text_id=text_id,
                asked_at=now,
                asked_by=principal.user_id,
                asked_by_name=principal.name,
                ground=kept.told_ground(row, terms.ground),
            )
            await disclosures.insert_ask(conn, asked)
        log.info("export_ask", export_id=str(export_id), recording_id=str(recording_id))
        return export_id

    async def decide(self, principal: Principal, export_id: UUID, *, approve: bool) -> None:
        """Somebody else agrees, or does not."""
        await self._ask(principal, export_id)
        if self._keyring.locked:
            raise KeyringLocked
        await self._approvals.decide(principal, export_id, approve=approve)

    async def exports(self, principal: Principal) -> Exports:
        """What waits, and what was given out, as far as the right reaches."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_EXPORT, now=now)
        async with self._database.transaction() as conn:
            await approvals.expire(conn, now)
            asks = await disclosures.asks(conn, scope, now - LASTS)
            told = await disclosed(conn, self._texts, await disclosures.newest(conn, scope, limit=MOST_SHOWN))
            known = await parties(conn, self._texts, [ask.text_id for ask in asks])
        going = {one.id: one for one in told}
        return Exports(
            locked=self._keyring.locked,
            waiting=tuple(_waiting(ask, principal, known, going.get(ask.id)) for ask in asks),
            log=told,
        )

    async def export(self, principal: Principal, export_id: UUID) -> Export:
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_EXPORT, now=now)
        async with self._database.transaction() as conn:
            await approvals.expire(conn, now)
            ask = await disclosures.ask(conn, export_id, scope, now - LASTS)
            row = await disclosures.one(conn, export_id, scope)
            told = (await disclosed(conn, self._texts, [row]))[0] if row is not None else None
            if ask is not None:
                return _waiting(ask, principal, await parties(conn, self._texts, [ask.text_id]), told)
        if row is None or told is None:
            raise ExportUnknown(export_id=export_id)
        return Export(
            id=told.id,
            recording_id=told.recording_id,
            stage=ExportStage.OVER,
            receiver_kind=told.receiver_kind,
            receiver=told.receiver,
            reference=told.reference,
            reason=told.reason,
            asked_at=told.asked_at,
            asked_by=told.by,
            is_mine=row.disclosure.user_id == principal.user_id,
            expires_at=told.asked_at + LASTS,
            ground=row.disclosure.ground,
            disclosed=told,
        )

    async def _ask(self, principal: Principal, export_id: UUID) -> Ask:
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_EXPORT, now=now)
        async with self._database.transaction() as conn:
            found = await disclosures.ask(conn, export_id, scope, now - LASTS)
        if found is None or found.state is None:
            raise ExportUnknown(export_id=export_id)
        return found


def subject_of(recording_id: UUID) -> str:
    return f"recording:{recording_id}"


def _waiting(ask: Ask, principal: Principal, known: Mapping[UUID, Parties], going: Disclosed | None) -> Export:
    told = known.get(ask.text_id)
    return Export(
        id=ask.id,
        recording_id=ask.recording_id,
        stage=_stage(ask),
        receiver_kind=ask.receiver_kind,
        receiver=told.receiver if told is not None else None,
        reference=ask.reference,
        reason=told.reason if told is not None else None,
        asked_at=ask.asked_at,
        asked_by=ask.asked_by_name,
        is_mine=ask.asked_by == principal.user_id,
        expires_at=ask.asked_at + LASTS,
        ground=ask.ground,
        disclosed=going,
    )


def _stage(ask: Ask) -> ExportStage:
    if ask.is_going:
        return ExportStage.GOING
    return ExportStage.ASKED if ask.state is ApprovalState.ASKED else ExportStage.AGREED
