"""Packages that wait to be fetched by a link: what there is, how one ends, and that its file goes. Made:
delivery_making.py; fetched: delivery_sending.py.

    live ─► over, an entry, the log of disclosures where something was sent: one transaction ─► the file is unlinked
         ─► what was told of the file is forgotten

`run` is the service's job. Whatever ends the service between two of these, its next look goes on: a file that no live
delivery stands behind is removed, and nobody but who has its passphrase could have read it meanwhile.
"""

import asyncio
import contextlib
import dataclasses
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise
from ari_recorder.domain.audit import JSON, Action, Actor, Entry, Outcome
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.deliveries import LIVE, Delivery, DeliveryState, standing
from ari_recorder.domain.disclosures import DisclosureEnd
from ari_recorder.domain.errors import DeliveryEnded, DeliveryIdUnknown
from ari_recorder.domain.letters import Letter, LetterKind
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.services.disclosures import parties
from ari_recorder.services.export_desk import subject_of
from ari_recorder.services.kept import EVERYWHERE
from ari_recorder.services.mail import Post
from ari_recorder.storage import audit, deliveries, disclosures, exports
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.disclosures import Sent
from ari_recorder.vault.delivered import Deliveries as Files
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=1)
# The newest that are shown; there are to be a few a month.
MOST_SHOWN = 200
_BATCH = 50
# A file nobody knows may be one that is being made: it is written to all the time.
_STRAY_AFTER = timedelta(hours=1)
# Why nothing more went out, where something had begun to.
_ENDS = {
    DeliveryState.DELIVERED: DisclosureEnd.COMPLETE,
    DeliveryState.WITHDRAWN: DisclosureEnd.RIGHT_ENDED,
    DeliveryState.GONE: DisclosureEnd.RECORDING_GONE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A delivery as officers see it. `receiver` and `reason` are None when they cannot be opened."""

    id: UUID
    state: DeliveryState
    reference: str
    receiver_kind: str
    receiver: str | None = dataclasses.field(repr=False)
    reason: str | None = dataclasses.field(repr=False)
    recordings: tuple[UUID, ...]
    size_bytes: int
    made_at: datetime
    made_by: str
    expires_at: datetime
    tries: int
    opened_at: datetime | None
    ended_at: datetime | None
    ended_by: str


class Deliveries:
    def __init__(self, *, database: Database, files: Files, keyring: Keyring, post: Post, clocks: Clocks) -> None:
        self._database = database
        self._files = files
        self._keyring = keyring
        self._texts = CallTexts(keyring)
        self._post = post
        self._clocks = clocks
        self._host = socket.gethostname()

    # --- for officers

    async def listed(self, principal: Principal) -> tuple[Shown, ...]:
        return await self._listed(authorise(principal, Permission.RECORDING_EXPORT, now=self._clocks.now()))

    async def withdraw(self, principal: Principal, delivery_id: UUID) -> None:
        scope = authorise(principal, Permission.RECORDING_EXPORT, now=self._clocks.now())
        await self._withdraw(delivery_id, scope, principal.actor(Permission.RECORDING_EXPORT))

    async def listed_all(self) -> tuple[Shown, ...]:
        """For the command line."""
        return await self._listed(EVERYWHERE)

    async def withdraw_by(self, actor: Actor, delivery_id: UUID) -> None:
        await self._withdraw(delivery_id, EVERYWHERE, actor)

    async def _listed(self, scope: Scope) -> tuple[Shown, ...]:
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            found = await deliveries.newest(conn, scope, limit=MOST_SHOWN)
            packed = await deliveries.packed(conn, [one.id for one in found])
            known = await parties(conn, self._texts, [one.text_id for several in packed.values() for one in several])
        shown = []
        for one in found:
            told = next((known[each.text_id] for each in packed[one.id] if each.text_id in known), None)
            shown.append(
                Shown(
                    id=one.id,
                    state=standing(one, now),
                    reference=one.reference,
                    receiver_kind=one.receiver_kind.value,
                    receiver=told.receiver if told is not None else None,
                    reason=told.reason if told is not None else None,
                    recordings=tuple(each.recording_id for each in packed[one.id]),
                    size_bytes=one.size_bytes,
                    made_at=one.made_at,
                    made_by=one.made_by,
                    expires_at=one.expires_at,
                    tries=one.tries,
                    opened_at=one.opened_at,
                    ended_at=one.ended_at,
                    ended_by=one.ended_by,
                )
            )
        return tuple(shown)

    async def _withdraw(self, delivery_id: UUID, scope: Scope, actor: Actor) -> None:
        async with self._database.transaction() as conn:
            one = await deliveries.lock(conn, delivery_id)
            if one is None or not await deliveries.within_scope(conn, delivery_id, scope):
                raise DeliveryIdUnknown(delivery_id=delivery_id)
            if one.state not in LIVE:
                raise DeliveryEnded
            await self.end(conn, one, DeliveryState.WITHDRAWN, actor)
        await self.remove(one)

    # --- how one ends

    async def end(
        self, conn: Connection, one: Delivery, state: DeliveryState, actor: Actor, sha256: str | None = None
    ) -> None:
        """Its row is locked. What has begun to be given out is told with how much of it was; then `remove` it."""
        now = self._clocks.now()
        await deliveries.end(conn, one.id, state, actor.label, now)
        because = _ENDS.get(state, DisclosureEnd.BROKEN_OFF)
        if one.opened_at is not None:
            sent = Sent(ended_at=now, because=because, bytes=one.sent_bytes, sha256=sha256)
            for disclosure_id, recording_id in await disclosures.of_delivery(conn, one.id):
                await disclosures.insert_sent(conn, disclosure_id, sent)
                facts: dict[str, JSON] = {"delivery": str(one.id), "bytes": one.sent_bytes, "of": one.size_bytes}
                exported = Entry(
                    action=Action.RECORDING_EXPORTED,
                    actor=actor,
                    outcome=Outcome.OK if because is DisclosureEnd.COMPLETE else Outcome.FAILED,
                    object=subject_of(recording_id),
                    because=because.value,
                    facts={**facts, "sha256": sha256},
                )
                await audit.append(conn, exported, now)
        entry = Entry(
            action=Action.DELIVERY_END,
            actor=actor,
            object=about(one.id),
            because=state.value,
            facts={"package": str(one.package_id), "tries": one.tries},
        )
        await audit.append(conn, entry, now)
        if state is DeliveryState.BLOCKED:
            letter = Letter(
                kind=LetterKind.DELIVERY_BLOCKED,
                once=f"delivery:{one.id}",
                path="/deliveries",
                facts={"tries": one.tries},
            )
            await self._post.queue(conn, letter, now)
            because_of = f"{one.tries} wrong passphrases were tried; its package was removed"
            log.error("alarm", alarm=AlarmCode.DELIVERY_BLOCKED.value, subject=str(one.id), because=because_of)
        log.info("delivery_end", delivery_id=str(one.id), because=state.value)

    async def remove(self, one: Delivery) -> None:
        """The file of one that is over. What cannot be removed now, `run` tries again."""
        if one.host == self._host:
            await self._remove(one.id)

    async def _remove(self, delivery_id: UUID) -> None:
        try:
            await asyncio.to_thread(self._files.remove, delivery_id)
        except OSError as error:
            because = error.strerror or type(error).__name__
            log.error("alarm", alarm=AlarmCode.ERASE_FAILED.value, subject=str(delivery_id), because=because)
            return
        async with self._database.transaction() as conn:
            await exports.forget_delivery(conn, delivery_id)

    # --- the service's job

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.run_once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def run_once(self) -> int:
        """How many were over and not called so. Then no file is left that no live one stands behind."""
        service, ended = Actor.service("delivery"), 0
        async with self._database.transaction() as conn:
            now = self._clocks.now()
            for one in await deliveries.to_look_at(conn, now, limit=_BATCH):
                state = standing(one, now)
                if state is not one.state:
                    await self.end(conn, one, state, service)
                    ended += 1
                elif one.active_at is not None:
                    await deliveries.rest(conn, one.id)
            live, over = await self._known(conn)
        # Asked of the disk after the database: one that was made meanwhile is there in both.
        there = dict(await asyncio.to_thread(lambda: list(self._files.there())))
        async with self._database.transaction() as conn:
            states = await deliveries.states(conn, there)
            for delivery_id in live - set(there):
                lost = await deliveries.lock(conn, delivery_id)
                if lost is not None and lost.state in LIVE:
                    await self.end(conn, lost, DeliveryState.GONE, service)
                    ended += 1
        stray = (now - _STRAY_AFTER).timestamp()
        doomed = {one for one, at in there.items() if (states[one] not in LIVE if one in states else at < stray)}
        for delivery_id in over | doomed:
            await self._remove(delivery_id)
        return ended

    async def _known(self, conn: Connection) -> tuple[frozenset[UUID], frozenset[UUID]]:
        return await deliveries.live_on(conn, self._host), await deliveries.known_files(conn, self._host)


def of(config: Config, database: Database, keyring: Keyring, clocks: Clocks | None = None) -> Deliveries:
    return Deliveries(
        database=database,
        files=Files(config.storage.deliveries),
        keyring=keyring,
        post=Post(config.mail, config.web.language),
        clocks=clocks or Clocks(),
    )


def about(delivery_id: UUID) -> str:
    return f"delivery:{delivery_id}"
