"""An export on its way out: a whole recording as WAV, once, decoded in memory piece by piece. Who asks: export_desk.py

    the approval is spent, an entry of the audit log, a row of the log of disclosures: one transaction
    └─► each piece: decoded ─► counted, committed ─► sent                 rights and session looked at again meanwhile
        └─► the end, whichever: how much, why not more, SHA-256 of what was sent ─► disclosure_sent, and an entry

On record *before* it is sent, as what is heard is (listenings.py). An export that broke off is over: whoever wants it
again asks again. What the service did not live to tell, `run` tells of the rows.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog

from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise
from ari_recorder.domain.approvals import LASTS, ApprovalKind
from ari_recorder.domain.audit import Action, Entry, Outcome
from ari_recorder.domain.disclosures import DisclosureEnd, download_name
from ari_recorder.domain.errors import (
    ExportOver,
    ExportUnknown,
    Forbidden,
    KeyDestroyed,
    KeyringLocked,
    RecorderError,
    RecordingErased,
    RecordingRestricted,
    RecordingUnknown,
    SecondPersonNeeded,
    Unauthenticated,
)
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.services import kept
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.services.disclosures import Parties, parties
from ari_recorder.services.export_desk import subject_of
from ari_recorder.services.listenings import CHECK_EVERY, Again
from ari_recorder.storage import accounts, approvals, audit, calls, disclosures
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.disclosures import Ask, Disclosure, Going, Sent
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.vault.codec import Wav
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=1)
# A piece has half a minute to be taken (web/house.py), and a look at the rights a few seconds.
LOST_AFTER = timedelta(minutes=5)
_BATCH = 50

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A download that has begun: `chunks` come once, and their end is on record when they are closed."""

    name: str
    size: int
    chunks: AsyncGenerator[bytes, None]


@dataclass(slots=True, kw_only=True)
class _Out:
    """What is being sent, and how far it is."""

    id: UUID
    recording_id: UUID
    again: Again
    scope: Scope
    ground: OpeningGround | None
    wav: Wav
    opened: ExitStack
    checked_at: float
    sent: int = 0
    because: DisclosureEnd = DisclosureEnd.FAILED
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)


class ExportSending:
    """`run` is the service's job: it tells what nobody lived to tell, and forgets what nobody can make use of."""

    def __init__(
        self, *, database: Database, vault: Vault, keyring: Keyring, approvals: Approvals, clocks: Clocks
    ) -> None:
        self._database = database
        self._vault = vault
        self._keyring = keyring
        self._texts = CallTexts(keyring)
        self._approvals = approvals
        self._clocks = clocks

    async def begin(self, principal: Principal, export_id: UUID, again: Again) -> Sending:
        """From here on it is on record that this user was given this recording, and the approval is used up. A file
        that cannot be opened is found before. `again`: who asks, with the rights of the moment it is called."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_EXPORT, now=now, step_up=True)
        if self._keyring.locked:
            raise KeyringLocked
        async with self._database.transaction() as conn:
            ask = await self._mine(conn, principal, export_id, scope)
            row, _ = await kept.to_be_opened(conn, ask.recording_id, scope, ask.ground)
            call = (await calls.get(conn, [row.call_id]))[row.call_id]
            told = (await parties(conn, self._texts, [ask.text_id])).get(ask.text_id)
        label = kept.label_of(row, call)
        opened = ExitStack()
        try:
            wav = await whole(asyncio.to_thread(self._open, opened, row, label))
            await self._begun(principal, ask, told, scope, wav.size)
        except BaseException:
            opened.close()
            raise
        out = _Out(
            id=export_id,
            recording_id=row.id,
            again=again,
            scope=scope,
            ground=ask.ground,
            wav=wav,
            opened=opened,
            checked_at=asyncio.get_running_loop().time(),
        )
        log.info("recording_export", export_id=str(export_id), recording_id=str(row.id))
        return Sending(name=download_name(row.id, row.started_at), size=wav.size, chunks=self._chunks(out))

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.run_once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def run_once(self) -> int:
        """How many were told that nobody sends any more."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            await approvals.expire(conn, now)
            await disclosures.forget_asks(conn, now - LASTS)
            rows = await disclosures.lost(conn, now - LOST_AFTER, limit=_BATCH)
            for row in rows:
                await self._tell(conn, row, DisclosureEnd.LOST, row.sent_bytes, None)
        return len(rows)

    # --- how it begins

    async def _mine(self, conn: Connection, principal: Principal, export_id: UUID, scope: Scope) -> Ask:
        """What this user asked for, and what nobody was sent yet."""
        ask = await disclosures.ask(conn, export_id, scope, self._clocks.now() - LASTS)
        if ask is None and await disclosures.one(conn, export_id, scope) is None:
            raise ExportUnknown(export_id=export_id)
        if ask is None or ask.is_going:
            raise ExportOver
        if ask.asked_by != principal.user_id:
            raise SecondPersonNeeded
        return ask

    def _open(self, opened: ExitStack, row: StoredRecording, label: Label) -> Wav:
        assert row.path is not None  # noqa: S101 -- what is sealed has both
        assert row.wrapped_key is not None  # noqa: S101
        return opened.enter_context(self._vault.wav(row.path, row.wrapped_key, row.id, label))

    async def _begun(self, principal: Principal, ask: Ask, told: Parties | None, scope: Scope, size: int) -> None:
        now = self._clocks.now()
        actor = principal.actor(Permission.RECORDING_EXPORT)
        async with self._database.transaction() as conn:
            await kept.to_be_opened(conn, ask.recording_id, scope, ask.ground)
            approved_by, approver = await self._spend(conn, principal, ask)
            disclosure = Disclosure(
                id=ask.id,
                recording_id=ask.recording_id,
                asked_at=ask.asked_at,
                begun_at=now,
                user_id=principal.user_id,
                user_name=principal.name,
                approved_by=approved_by,
                approved_by_name=approver,
                receiver_kind=ask.receiver_kind,
                reference=ask.reference,
                text_id=ask.text_id,
                size_bytes=size,
                ground=ask.ground,
            )
            if not await disclosures.begin(conn, disclosure, actor):
                raise ExportOver
            entry = Entry(
                action=Action.RECORDING_EXPORT,
                actor=actor,
                object=subject_of(ask.recording_id),
                because=ask.receiver_kind.value,
                facts={
                    "export": str(ask.id),
                    "format": "wav",
                    "bytes": size,
                    "reference": ask.reference,
                    "approved_by": str(approved_by) if approved_by is not None else None,
                    **kept.as_fact(ask.ground),
                },
                personal={"receiver": told.receiver, "why": told.reason} if told is not None else {},
            )
            await audit.append(conn, entry, now)

    async def _spend(self, conn: Connection, principal: Principal, ask: Ask) -> tuple[UUID | None, str]:
        """Who agreed to these very terms: an agreement to another export of this recording is none."""
        spent = await self._approvals.spend(conn, principal, ApprovalKind.EXPORT, subject_of(ask.recording_id))
        if spent is None:
            return None, ""
        approval = await approvals.lock(conn, spent)
        if spent != ask.id or approval is None or approval.decided_by is None:
            raise SecondPersonNeeded
        account = next(iter(await accounts.several(conn, [approval.decided_by])), None)
        return approval.decided_by, account.name if account is not None else str(approval.decided_by)

    # --- how it goes

    async def _chunks(self, out: _Out) -> AsyncGenerator[bytes, None]:
        try:
            blocks = out.wav.blocks()
            while block := await whole(asyncio.to_thread(next, blocks, b"")):
                if asyncio.get_running_loop().time() - out.checked_at > CHECK_EVERY:
                    await self._check(out)
                await self._let_out(out, len(block))
                out.digest.update(block)
                out.sent += len(block)
                yield block
            out.because = DisclosureEnd.COMPLETE
        except (GeneratorExit, asyncio.CancelledError):
            out.because = DisclosureEnd.BROKEN_OFF
            raise
        except RecordingRestricted:
            out.because = DisclosureEnd.RESTRICTED
            raise
        except (Forbidden, Unauthenticated, RecordingUnknown):
            out.because = DisclosureEnd.RIGHT_ENDED
            raise
        except (RecordingErased, KeyDestroyed):
            out.because = DisclosureEnd.RECORDING_GONE
            raise
        finally:
            out.opened.close()
            # Who was sent it may have gone, and with them whoever waits here: the end is told all the same.
            await whole(self._end(out))

    async def _check(self, out: _Out) -> None:
        """May this go on? Asked of the session, the rights and the audit log; of the recording, with each piece."""
        who = await out.again()
        out.scope = authorise(who, Permission.RECORDING_EXPORT, now=self._clocks.now())
        async with self._database.transaction() as conn:
            await audit.is_there(conn)
        out.checked_at = asyncio.get_running_loop().time()

    async def _let_out(self, out: _Out, count: int) -> None:
        """On record first. The data key is in memory; that the key over it is there still, is asked every time."""
        async with self._database.transaction() as conn:
            key_name = await disclosures.let_out(conn, out.id, out.scope, count, self._clocks.now())
            if key_name is None:
                await kept.to_be_opened(conn, out.recording_id, out.scope, out.ground)  # says why
                raise ExportOver
        if self._keyring.locked:
            raise KeyringLocked
        if key_name and key_name not in await asyncio.to_thread(self._keyring.names):
            raise KeyDestroyed(name=key_name)

    # --- how it ends

    async def _end(self, out: _Out) -> None:
        """That it could not be written down must not hide why it ended; `run` tells it later."""
        try:
            async with self._database.transaction() as conn:
                if (row := await disclosures.lock_going(conn, out.id)) is not None:
                    await self._tell(conn, row, out.because, out.sent, out.digest.hexdigest())
        except RecorderError as error:
            log.warning("export_end_retry", export_id=str(out.id), code=error.code)

    async def _tell(
        self, conn: Connection, row: Going, because: DisclosureEnd, sent_bytes: int, sha256: str | None
    ) -> None:
        now = self._clocks.now()
        await disclosures.end(conn, row.id, Sent(ended_at=now, because=because, bytes=sent_bytes, sha256=sha256))
        entry = Entry(
            action=Action.RECORDING_EXPORTED,
            actor=row.actor,
            outcome=Outcome.OK if because is DisclosureEnd.COMPLETE else Outcome.FAILED,
            object=subject_of(row.recording_id),
            because=because.value,
            facts={"export": str(row.id), "bytes": sent_bytes, "of": row.size_bytes, "sha256": sha256},
        )
        await audit.append(conn, entry, now)
        log.info("recording_exported", export_id=str(row.id), because=because.value, bytes=sent_bytes)


async def whole(work: Coroutine[Any, Any, _T]) -> _T:
    """Done to its end, whoever goes away: no file is closed under a thread that reads it, and what ends is told."""
    done = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(done)
    finally:
        await asyncio.wait({done})
