"""Holds, freezes and decisions on flagged calls: placed, extended, ended. What a hold means: domain/retention.py.

One transaction: lock the rows of the recordings ─► nothing is being erased ─► hold and keeping ─► data keys wrapped to
the hold key, callers sealed to it (kept_keys.py). So an acknowledged hold outlives the key of its day, and the sweep,
which locks the same rows, comes before all of it or after all of it. Ending goes the other way.

A call is kept as a whole, as far as `queues` reach: of a call that was transferred, each unit keeps and decides on
what is its own, and the other's recordings stay untouched. Keys are needed for all of this: KeyringLocked says to
unlock them first. Who may do this is decided elsewhere (hold_desk.py); without `queues` it is everything, for whoever
can unlock the keyring.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import (
    CallNotOver,
    FreezeClosed,
    FreezeOfRequest,
    FreezeRestricts,
    FreezeUnknown,
    HoldReleased,
    HoldUnknown,
    KeyringLocked,
    NotFlagged,
    RecordingErased,
    RecordingUnknown,
    ReleaseDestroys,
)
from ari_recorder.domain.holds import Freeze, Hold, ThreatDecision, check_reference, check_review, check_text
from ari_recorder.domain.quarantine import check_open
from ari_recorder.domain.retention import StoredState, local_day
from ari_recorder.services import fates
from ari_recorder.services.clock import Clocks
from ari_recorder.services.fates import Fate
from ari_recorder.services.kept_keys import REASON_PURPOSE, KeptKeys
from ari_recorder.services.policy import Policies
from ari_recorder.storage import audit, holds, keeping, subject_requests
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.keeping import Locked
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)

# Is this hold released with the consent of whoever has to agree?
Agreed = Callable[[Connection, Hold], Awaitable[None]]

# Within whose reach: those queues, or all of them.
Queues: TypeAlias = frozenset[str] | None

# A thousand recordings take half a second of ciphers.
_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTerms:
    """What a person says when placing a hold."""

    reason: str
    reference: str
    owner: str
    review_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """A hold as it is listed. `reason` is None when it is gone."""

    hold: Hold
    reason: str | None
    recordings: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeView:
    freeze: Freeze
    recordings: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDecide:
    """A flagged call nobody decided on in this queue: without a decision it is destroyed on `destroyed_on`."""

    call_id: UUID
    recording_id: UUID
    queue: str
    started_at: datetime
    ordinary_end: date
    destroyed_on: date


class Holds:
    def __init__(self, *, database: Database, keyring: Keyring, policies: Policies, clocks: Clocks) -> None:
        self._database = database
        self._keyring = keyring
        self._keys = KeptKeys(keyring)
        self._policies = policies
        self._clocks = clocks

    # --- holds

    async def place(
        self, recordings: Collection[UUID], terms: HoldTerms, actor: Actor, queues: Queues = None
    ) -> HoldView:
        """Hold these recordings, and all others of their calls in these queues."""
        terms = self._checked(terms)
        async with self._database.transaction(within=_SECONDS) as conn:
            rows = await self._lock_sealed(conn, recordings, queues)
            view = await self._place(conn, rows, terms, actor, queues)
        return _told("hold_place", view)

    async def extend(self, hold_id: UUID, review_on: date, actor: Actor) -> Hold:
        check_review(review_on, local_day(self._clocks.now()))
        async with self._database.transaction() as conn:
            hold = _active(hold_id, await holds.lock_hold(conn, hold_id))
            await holds.extend(conn, hold_id, review_on)
            facts = {"review_on": review_on.isoformat(), "before": hold.review_on.isoformat()}
            entry = Entry(action=Action.HOLD_EXTEND, actor=actor, object=f"hold:{hold_id}", facts=facts)
            await audit.append(conn, entry, self._clocks.now())
        log.info("hold_extend", hold_id=str(hold_id), review_on=review_on.isoformat())
        return replace(hold, review_on=review_on)

    async def release(
        self, hold_id: UUID, actor: Actor, *, yes: bool = False, agreed: Agreed | None = None
    ) -> tuple[Fate, ...]:
        """What it kept goes by the ordinary rule again. ReleaseDestroys when that is at once, and nobody said `yes`.
        `agreed` is asked within the transaction, and refuses by raising."""
        async with self._database.transaction(within=_SECONDS) as conn:
            hold = _active(hold_id, await holds.lock_hold(conn, hold_id))
            if agreed is not None:
                await agreed(conn, hold)
            rows = await keeping.lock(conn, await keeping.kept_by(conn, hold_id))
            told = await self._fates(conn, rows, hold_id)
            if (count := sum(fate.at_once for fate in told)) and not yes:
                raise ReleaseDestroys(count=count)
            await holds.release(conn, hold_id, actor.label, self._clocks.now())
            await self._keys.let_go(conn, hold_id, rows, self._clocks.now())
            await self._written(conn, Action.HOLD_RELEASE, actor, f"hold:{hold_id}", [row.id for row in rows])
        log.info("hold_release", hold_id=str(hold_id), recordings=len(rows))
        return told

    async def preview_release(self, hold_id: UUID) -> tuple[Fate, ...]:
        """What would become of its recordings. Changes nothing."""
        async with self._database.transaction() as conn:
            _active(hold_id, next(iter(await holds.holds(conn, ids=[hold_id])), None))
            return await self._ending(conn, hold_id)

    async def list_holds(self, *, ended: bool = False) -> tuple[HoldView, ...]:
        """Those that are active; `ended`: all there ever were. Reasons are opened: KeyringLocked."""
        async with self._database.transaction() as conn:
            found = await holds.holds(conn, active=not ended)
            sealed = await holds.reasons(conn, [hold.id for hold in found])
            kept = await keeping.of_keepers(conn, [hold.id for hold in found])
        opened = await asyncio.to_thread(self._open_reasons, sealed)
        return tuple(
            HoldView(hold=hold, reason=opened.get(hold.id), recordings=kept.get(hold.id, ())) for hold in found
        )

    # --- flagged calls

    async def review(self) -> tuple[ToDecide, ...]:
        """The flagged calls nobody decided on, those that are destroyed first first."""
        policy = await self._policies.in_force()
        async with self._database.transaction() as conn:
            found = await holds.undecided(conn)
        listed = []
        for one in found:
            began = local_day(one.kept_from)
            ends = [
                max(rules.last_day(one.queue, began, undecided=undecided) for rules in policy.all_rules)
                for undecided in (False, True)
            ]
            listed.append(
                ToDecide(
                    call_id=one.call_id,
                    recording_id=one.recording_id,
                    queue=one.queue,
                    started_at=one.started_at,
                    ordinary_end=ends[0],
                    destroyed_on=ends[1] + timedelta(days=1),
                )
            )
        return tuple(sorted(listed, key=lambda one: one.destroyed_on))

    async def decide_hold(self, recording_id: UUID, terms: HoldTerms, actor: Actor, queues: Queues = None) -> HoldView:
        """A supervisor's decision: this flagged call is kept."""
        terms = self._checked(terms)
        async with self._database.transaction(within=_SECONDS) as conn:
            rows = await self._lock_sealed(conn, [recording_id], queues)
            await self._decide(conn, rows, recording_id, ThreatDecision.HOLD, actor)
            view = await self._place(conn, rows, terms, actor, queues)
        return _told("hold_place", view)

    async def decide_no_threat(
        self, recording_id: UUID, actor: Actor, *, yes: bool = False, queues: Queues = None
    ) -> tuple[Fate, ...]:
        """A supervisor's decision: it goes by the ordinary rule. ReleaseDestroys when that is at once, and nobody said
        `yes`."""
        async with self._database.transaction() as conn:
            rows = await self._lock_sealed(conn, [recording_id], queues)
            await self._decide(conn, rows, recording_id, ThreatDecision.NOT_A_THREAT, actor)
            told = await self._fates_of_no_threat(conn, rows)
            if (count := sum(fate.at_once for fate in told)) and not yes:
                raise ReleaseDestroys(count=count)
        log.info("threat_decide", recording_id=str(recording_id), decision=ThreatDecision.NOT_A_THREAT.value)
        return told

    async def preview_no_threat(self, recording_id: UUID, queues: Queues = None) -> tuple[Fate, ...]:
        """What would become of the call's recordings in these queues. Changes nothing."""
        async with self._database.transaction() as conn:
            rows = await keeping.read(conn, await keeping.of_same_calls(conn, [recording_id]))
            sealed = [row for row in rows if row.state is StoredState.SEALED and _within(row, queues)]
            return await self._fates_of_no_threat(conn, sealed)

    # --- freezes

    async def open_freeze(self, recordings: Collection[UUID], reference: str, actor: Actor) -> FreezeView:
        """Keep what a subject request is about, until it is closed."""
        freeze = Freeze(
            id=uuid4(), reference=check_reference(reference), opened_at=self._clocks.now(), opened_by=actor.label
        )
        async with self._database.transaction(within=_SECONDS) as conn:
            view = await self.freeze(conn, freeze, recordings, actor)
        log.info("freeze_open", freeze_id=str(freeze.id), recordings=len(view.recordings))
        return view

    async def freeze(self, conn: Connection, freeze: Freeze, recordings: Collection[UUID], actor: Actor) -> FreezeView:
        """The same within the transaction of whoever opens the request."""
        rows = await self._lock_sealed(conn, recordings)
        await holds.insert_freeze(conn, freeze)
        await self._keys.keep(conn, freeze.id, rows, self._clocks.now())
        await self._written(conn, Action.FREEZE_OPEN, actor, f"freeze:{freeze.id}", [row.id for row in rows])
        return FreezeView(freeze=freeze, recordings=tuple(row.id for row in rows))

    async def close_freeze(self, freeze_id: UUID, actor: Actor, *, yes: bool = False) -> tuple[Fate, ...]:
        """One that somebody opened by hand; that of a case ends with the case."""
        async with self._database.transaction(within=_SECONDS) as conn:
            freeze = _open(freeze_id, await holds.lock_freeze(conn, freeze_id))
            if await subject_requests.known(conn, freeze_id):
                raise FreezeOfRequest(case=freeze.reference)
            if freeze.restricts:
                raise FreezeRestricts(freeze_id=freeze_id)
            told = await self.unfreeze(conn, freeze_id, actor, yes=yes)
        log.info("freeze_close", freeze_id=str(freeze_id), recordings=len(told))
        return told

    async def unfreeze(self, conn: Connection, freeze_id: UUID, actor: Actor, *, yes: bool) -> tuple[Fate, ...]:
        """The same within the transaction of whoever closes the request, or lifts the restriction."""
        _open(freeze_id, await holds.lock_freeze(conn, freeze_id))
        rows = await keeping.lock(conn, await keeping.kept_by(conn, freeze_id))
        told = await self._fates(conn, rows, freeze_id)
        if (count := sum(fate.at_once for fate in told)) and not yes:
            raise ReleaseDestroys(count=count)
        await holds.close_freeze(conn, freeze_id, actor.label, self._clocks.now())
        await self._keys.let_go(conn, freeze_id, rows, self._clocks.now())
        await self._written(conn, Action.FREEZE_CLOSE, actor, f"freeze:{freeze_id}", [row.id for row in rows])
        return told

    async def preview_close(self, freeze_id: UUID) -> tuple[Fate, ...]:
        async with self._database.transaction() as conn:
            _open(freeze_id, next(iter(await holds.freezes(conn, ids=[freeze_id])), None))
            return await self._ending(conn, freeze_id)

    async def list_freezes(self, *, ended: bool = False) -> tuple[FreezeView, ...]:
        async with self._database.transaction() as conn:
            found = await holds.freezes(conn, active=not ended)
            kept = await keeping.of_keepers(conn, [freeze.id for freeze in found])
        return tuple(FreezeView(freeze=freeze, recordings=kept.get(freeze.id, ())) for freeze in found)

    # --- how

    def _checked(self, terms: HoldTerms) -> HoldTerms:
        return HoldTerms(
            reason=check_text("reason", terms.reason),
            reference=check_reference(terms.reference),
            owner=check_text("owner", terms.owner),
            review_on=check_review(terms.review_on, local_day(self._clocks.now())),
        )

    async def _lock_sealed(self, conn: Connection, wanted: Collection[UUID], queues: Queues = None) -> Sequence[Locked]:
        """The rows of these recordings and of all others of their calls in these queues that are sealed. What was asked
        for and is being erased is refused: its key may be gone."""
        if self._keyring.locked:
            raise KeyringLocked
        rows = await keeping.lock(conn, await keeping.of_same_calls(conn, wanted))
        by_id = {row.id: row for row in rows}
        for one in wanted:
            row = by_id.get(one)
            if row is None or not _within(row, queues):
                raise RecordingUnknown(recording_id=one)
            if row.state is not StoredState.SEALED:
                raise RecordingErased(recording_id=one, because=row.erased_because or row.state.value)
            check_open(one, row.quarantined_until)
            if not row.call_over:
                raise CallNotOver(recording_id=one)
        return [row for row in rows if row.state is StoredState.SEALED and _within(row, queues)]

    async def _place(
        self, conn: Connection, rows: Sequence[Locked], terms: HoldTerms, actor: Actor, queues: Queues
    ) -> HoldView:
        hold = Hold(
            id=uuid4(),
            reference=terms.reference,
            owner=terms.owner,
            placed_at=self._clocks.now(),
            placed_by=actor.label,
            review_on=terms.review_on,
            queues=queues,
        )
        name = await self._keys.hold_name(conn)
        reason = await asyncio.to_thread(self._keyring.public.seal_text, name, terms.reason, REASON_PURPOSE, hold.id)
        await holds.insert_hold(conn, hold, reason, name)
        await self._keys.keep(conn, hold.id, rows, self._clocks.now())
        await self._written(conn, Action.HOLD_PLACE, actor, f"hold:{hold.id}", [row.id for row in rows])
        return HoldView(hold=hold, reason=terms.reason, recordings=tuple(row.id for row in rows))

    async def _decide(
        self, conn: Connection, rows: Sequence[Locked], recording_id: UUID, decision: ThreatDecision, actor: Actor
    ) -> None:
        row = next(row for row in rows if row.id == recording_id)
        if not row.flagged:
            raise NotFlagged(recording_id=recording_id)
        decided = [one.id for one in rows]
        await holds.decide(conn, decided, decision, actor.label, self._clocks.now())
        entry = Entry(
            action=Action.FLAG_DECIDE,
            actor=actor,
            object=f"call:{row.call_id}",
            because=decision.value,
            facts={"recordings": [str(one) for one in decided]},
        )
        await audit.append(conn, entry, self._clocks.now())

    async def _written(
        self, conn: Connection, action: Action, actor: Actor, what: str, recordings: Sequence[UUID]
    ) -> None:
        """Reference, owner and reason are not written down: they go when the last recording goes, and this stays."""
        entry = Entry(action=action, actor=actor, object=what, facts={"recordings": [str(one) for one in recordings]})
        await audit.append(conn, entry, self._clocks.now())

    def _open_reasons(self, sealed: Mapping[UUID, bytes]) -> dict[UUID, str]:
        return {one: self._keyring.open_text(text, REASON_PURPOSE, one) for one, text in sealed.items()}

    async def _fates_of_no_threat(self, conn: Connection, rows: Sequence[Locked]) -> tuple[Fate, ...]:
        return await self._fates(conn, [replace(row, undecided=False) for row in rows])

    async def _ending(self, conn: Connection, keeper: UUID) -> tuple[Fate, ...]:
        return await self._fates(conn, await keeping.read(conn, await keeping.kept_by(conn, keeper)), keeper)

    async def _fates(self, conn: Connection, rows: Sequence[Locked], without: UUID | None = None) -> tuple[Fate, ...]:
        policy = await self._policies.within(conn)
        return await fates.of_rows(conn, rows, policy, self._clocks.now(), without)


def _within(row: Locked, queues: Queues) -> bool:
    return queues is None or row.queue in queues


def _told(action: str, view: HoldView) -> HoldView:
    log.info(action, hold_id=str(view.hold.id), recordings=len(view.recordings))
    return view


def _active(hold_id: UUID, hold: Hold | None) -> Hold:
    if hold is None:
        raise HoldUnknown(hold_id=hold_id)
    if hold.released_at is not None:
        raise HoldReleased(hold_id=hold_id, released_on=local_day(hold.released_at))
    return hold


def _open(freeze_id: UUID, freeze: Freeze | None) -> Freeze:
    if freeze is None:
        raise FreezeUnknown(freeze_id=freeze_id)
    if freeze.closed_at is not None:
        raise FreezeClosed(freeze_id=freeze_id, closed_on=local_day(freeze.closed_at))
    return freeze
