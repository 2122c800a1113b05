"""A package on its way to who has its link and its passphrase: nobody is logged in. What there is: deliveries.py.

    the try is counted ─► the passphrase opens the file ─► opened, entries, rows of the log of disclosures ─► pieces
                           └─ it does not ─► an entry; the tenth closes the link ─► officers are told

Each arrow is a commit. Two who send the right passphrase at once wait for each other at the row, and one is sent the
package. What broke off may be tried again from its beginning, for an hour, by the browser that opened it; the log of
disclosures has one row for each recording, however often it was tried, with how much went out the last time.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import structlog

from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry, Outcome
from ari_recorder.domain.deliveries import LIVE, MOST_TRIES, Delivery, DeliveryState, refusal, standing
from ari_recorder.domain.disclosures import DisclosureEnd, DisclosureWay
from ari_recorder.domain.errors import (
    Conflict,
    DeliveryOver,
    DeliveryPassphraseWrong,
    DeliveryUnknown,
    Forbidden,
    NotFound,
    RecorderError,
)
from ari_recorder.domain.packages import PackageKind
from ari_recorder.domain.throttle import of_address, of_delivery
from ari_recorder.services import kept, tokens
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.services.deliveries import Deliveries, about
from ari_recorder.services.disclosures import parties
from ari_recorder.services.export_desk import subject_of
from ari_recorder.services.export_sending import Sending, whole
from ari_recorder.services.login import Where, paused
from ari_recorder.services.throttle import Counted
from ari_recorder.storage import audit, deliveries, disclosures
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.disclosures import Disclosure
from ari_recorder.vault.delivered import Deliveries as Files
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.stream import SealedFile

log = structlog.get_logger(__name__)

# A quarter of a second of a telephone line's worth of WAV for each commit would be waste; this is eight seconds.
_PIECE = 256 << 10
AT_ONCE = 2
_LONGEST_QUEUE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What the page of a link tells: nothing of whom it is about."""

    kind: PackageKind
    state: DeliveryState
    size_bytes: int
    made_at: datetime
    until: datetime


@dataclass(slots=True, kw_only=True)
class _Out:
    one: Delivery
    attempt: int
    package: SealedFile
    actor: Actor
    sent: int = 0
    because: DisclosureEnd = DisclosureEnd.FAILED
    digest: "hashlib._Hash" = field(default_factory=sha256)


class DeliverySending:
    def __init__(
        self, *, database: Database, files: Files, keyring: Keyring, deliveries: Deliveries, clocks: Clocks
    ) -> None:
        self._database = database
        self._files = files
        self._texts = CallTexts(keyring)
        self._deliveries = deliveries
        self._clocks = clocks
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def look(self, token: str) -> Waiting:
        """Changes nothing, however often and whoever looks. DeliveryUnknown."""
        async with self._database.transaction() as conn:
            one = await deliveries.by_token(conn, tokens.hashed(token))
        if one is None:
            raise DeliveryUnknown
        return Waiting(
            kind=one.package_kind,
            state=standing(one, self._clocks.now()),
            size_bytes=one.size_bytes,
            made_at=one.made_at,
            until=one.until,
        )

    async def begin(self, token: str, passphrase: str, secret: str, where: Where) -> Sending:
        """`secret`: of the browser's cookie; empty where there is none. From here on it is on record that the package
        was given out. DeliveryUnknown, DeliveryOver, DeliveryBusy, DeliveryPassphraseWrong, LogInPaused."""
        actor = Actor(kind=ActorKind.SERVICE, id="delivery", address=where.address, request=where.request_id)
        holder = tokens.hashed(secret) if secret else None
        async with self._turn():
            one = await self._counted(token, holder, actor)
            try:
                package = await whole(asyncio.to_thread(self._files.open, one.id, passphrase))
            except OSError:
                log.warning("delivery_file_missing", delivery_id=str(one.id))
                raise DeliveryOver from None
            if package is None:
                raise await self._wrong(one, actor)
        try:
            attempt = await self._begun(one, holder, actor)
        except BaseException:
            package.close()
            raise
        log.info("delivery_open", delivery_id=str(one.id), attempt=attempt)
        out = _Out(one=one, attempt=attempt, package=package, actor=actor)
        return Sending(name=one.package_name, size=package.size, chunks=self._chunks(out))

    # --- how it begins

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Each try takes 19 MiB and waits at a row: a crowd leaves connections and memory to those who are in."""
        try:
            async with asyncio.timeout(_LONGEST_QUEUE.total_seconds()):
                await self._turns.acquire()
        except TimeoutError:
            raise paused(_LONGEST_QUEUE) from None
        try:
            yield
        finally:
            self._turns.release()

    async def _counted(self, token: str, holder: bytes | None, actor: Actor) -> Delivery:
        """Before the passphrase is tried: so many at once are no more tries than one after the other."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            one = await deliveries.lock_by_token(conn, tokens.hashed(token))
            if one is None:
                raise DeliveryUnknown
            if (error := refusal(one, holder, now)) is not None:
                raise error
            if one.tries >= MOST_TRIES:
                raise DeliveryOver
            subjects = (of_delivery(str(one.id)), of_address(actor.address))
            wait = await (await Counted.lock(conn, subjects, now)).count(actor, about(one.id))
            if wait is None:
                await deliveries.tried(conn, one.id, now)
        if wait is not None:
            raise paused(wait.left)
        return one

    async def _wrong(self, tried: Delivery, actor: Actor) -> RecorderError:
        async with self._database.transaction() as conn:
            one = await deliveries.lock(conn, tried.id)
            if one is None:
                return DeliveryUnknown()
            entry = Entry(
                action=Action.DELIVERY_TRY,
                actor=actor,
                outcome=Outcome.REFUSED,
                object=about(one.id),
                facts={"tries": one.tries},
            )
            await audit.append(conn, entry, self._clocks.now())
            is_last = one.tries >= MOST_TRIES and one.state in LIVE
            if is_last:
                opened = one.state is DeliveryState.OPENED
                state = DeliveryState.BROKEN_OFF if opened else DeliveryState.BLOCKED
                await self._deliveries.end(conn, one, state, actor)
        if is_last:
            await self._deliveries.remove(one)
        return DeliveryPassphraseWrong(left=max(MOST_TRIES - one.tries, 0)) if one.state in LIVE else DeliveryOver()

    async def _begun(self, tried: Delivery, holder: bytes | None, actor: Actor) -> int:
        """Of two who come at once the second finds it opened, by another browser or being sent."""
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            one = await deliveries.lock(conn, tried.id)
            if one is None:
                raise DeliveryUnknown
            if (error := refusal(one, holder, now)) is not None:
                raise error
            packed = (await deliveries.packed(conn, [one.id]))[one.id]
            for each in packed:  # nobody erases one of them until this transaction ends
                try:
                    await kept.to_be_opened(conn, each.recording_id, kept.EVERYWHERE, each.ground)
                except (NotFound, Conflict, Forbidden):  # gone, or restricted since
                    raise DeliveryOver from None
            await (await Counted.lock(conn, (of_delivery(str(one.id)), of_address(actor.address)), now)).give_back()
            attempt = await deliveries.open_(conn, one.id, holder, now)
            if one.opened_at is None:
                await self._disclose(conn, one, actor, now)
            entry = Entry(
                action=Action.DELIVERY_OPEN,
                actor=actor,
                object=about(one.id),
                facts={"attempt": attempt, "bytes": one.size_bytes, "reference": one.reference},
            )
            await audit.append(conn, entry, now)
        return attempt

    async def _disclose(self, conn: Connection, one: Delivery, actor: Actor, now: datetime) -> None:
        packed = (await deliveries.packed(conn, [one.id]))[one.id]
        known = await parties(conn, self._texts, [each.text_id for each in packed])
        for each in packed:
            disclosure = Disclosure(
                id=uuid4(),
                recording_id=each.recording_id,
                asked_at=one.made_at,
                begun_at=now,
                user_id=None,
                user_name=one.made_by,
                approved_by=None,
                approved_by_name="",
                receiver_kind=one.receiver_kind,
                reference=one.reference,
                text_id=each.text_id,
                size_bytes=one.size_bytes,
                ground=each.ground,
                way=DisclosureWay.LINK,
                delivery_id=one.id,
            )
            await disclosures.insert(conn, disclosure)
            told = known.get(each.text_id)
            entry = Entry(
                action=Action.RECORDING_EXPORT,
                actor=actor,
                object=subject_of(each.recording_id),
                because=one.receiver_kind.value,
                facts={
                    "delivery": str(one.id),
                    "format": "package",
                    "package": str(one.package_id),
                    "kind": one.package_kind.value,
                    "bytes": one.size_bytes,
                    "reference": one.reference,
                    **kept.as_fact(each.ground),
                },
                personal={"receiver": told.receiver, "why": told.reason} if told is not None else {},
            )
            await audit.append(conn, entry, now)

    # --- how it goes, and ends

    async def _chunks(self, out: _Out) -> AsyncGenerator[bytes, None]:
        try:
            while block := await whole(asyncio.to_thread(out.package.read, out.sent, _PIECE)):
                async with self._database.transaction() as conn:
                    now = self._clocks.now()
                    if not await deliveries.let_out(conn, out.one.id, out.attempt, len(block), now):
                        raise DeliveryOver
                out.digest.update(block)
                out.sent += len(block)
                yield block
            out.because = DisclosureEnd.COMPLETE
        except (GeneratorExit, asyncio.CancelledError):
            out.because = DisclosureEnd.BROKEN_OFF
            raise
        finally:
            out.package.close()
            # Who was sent it may have gone, and with them whoever waits here: the end is told all the same.
            await whole(self._end(out))

    async def _end(self, out: _Out) -> None:
        """That it could not be written down must not hide why it ended; the service's next look goes on from there."""
        is_whole = out.because is DisclosureEnd.COMPLETE
        try:
            async with self._database.transaction() as conn:
                one = await deliveries.lock(conn, out.one.id)
                is_mine = one is not None and one.state is DeliveryState.OPENED and one.attempt == out.attempt
                facts = {"attempt": out.attempt, "bytes": out.sent, "of": out.one.size_bytes}
                entry = Entry(
                    action=Action.DELIVERY_SEND,
                    actor=out.actor,
                    outcome=Outcome.OK if is_whole else Outcome.FAILED,
                    object=about(out.one.id),
                    because=out.because.value,
                    facts=facts,
                )
                await audit.append(conn, entry, self._clocks.now())
                if one is not None and is_mine:
                    if is_whole:
                        state, digest = DeliveryState.DELIVERED, out.digest.hexdigest()
                        await self._deliveries.end(conn, one, state, out.actor, digest)
                    else:
                        await deliveries.rest(conn, one.id)
            if is_whole and is_mine:
                await self._deliveries.remove(out.one)
        except RecorderError as error:
            log.warning("delivery_end_retry", delivery_id=str(out.one.id), code=error.code)
