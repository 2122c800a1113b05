"""Restriction of processing: set, and lifted when the person was told. What it means: domain/restriction.py.

    set    rows of whole calls locked ─► restriction ─► frozen (holds.py), where the person opposes the erasure, so that
           no sweep destroys it ─► audit entry                                                          one transaction
    lift   the person was told ─► frozen no more, data keys back to their days ─► lifted ─► audit entry         another

Whoever opens a recording locks the row that is counted in (kept.py): it is opened before the restriction, or not
without a ground. Who listens at that moment is stopped by the next chunk (listenings.py), an export by its next piece.
An order that comes twice is carried out once (storage/commands.py). Who may do this is decided by whoever calls.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain import restriction as domain
from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.errors import (
    CallNotOver,
    RecordingErased,
    RecordingUnknown,
    RestrictionLifted,
    RestrictionThere,
    RestrictionUnknown,
)
from ari_recorder.domain.holds import Freeze
from ari_recorder.domain.quarantine import check_open
from ari_recorder.domain.restriction import Restriction, RestrictionTerms, SubjectTold, check_lift, check_terms
from ari_recorder.domain.retention import Policy, StoredState, local_day
from ari_recorder.services import fates
from ari_recorder.services.clock import Clocks
from ari_recorder.services.fates import Fate
from ari_recorder.services.holds import Holds
from ari_recorder.services.policy import Policies
from ari_recorder.storage import audit, keeping, restrictions
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.keeping import Locked
from ari_recorder.storage.restrictions import Stored

log = structlog.get_logger(__name__)

# Of a case with many calls, whose keys are wrapped anew: as for a hold.
_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionView:
    """A restriction as it is listed. `fates`: of what is there, what becomes of it once this is lifted. `overdue`: how
    many of them are kept by nothing else, though their time is up; `overdue_since`: the day the first of those would
    have been destroyed on."""

    restriction: Restriction
    recordings: tuple[UUID, ...]
    fates: tuple[Fate, ...] = ()
    overdue: int = 0
    overdue_since: date | None = None


class Restrictions:
    def __init__(self, *, database: Database, holds: Holds, policies: Policies, clocks: Clocks) -> None:
        self._database = database
        self._holds = holds
        self._policies = policies
        self._clocks = clocks

    async def restrict(self, recordings: Collection[UUID], terms: RestrictionTerms, actor: Actor) -> RestrictionView:
        async with self._database.transaction(within=_SECONDS) as conn:
            return await self.restrict_within(conn, recordings, terms, actor)

    async def restrict_within(
        self, conn: Connection, recordings: Collection[UUID], terms: RestrictionTerms, actor: Actor
    ) -> RestrictionView:
        """Within the transaction of whoever decides on the request: these recordings, and all others of their calls.
        RecordingUnknown, RecordingErased, RecordingQuarantined, CallNotOver, RestrictionThere; KeyringLocked where
        the person opposes the erasure, for then keys are wrapped anew."""
        terms = check_terms(terms)
        rows = await _lock_sealed(conn, recordings)
        known = await restrictions.of_recordings(conn, recordings)
        for recording_id in recordings:
            for one in domain.in_force(known.get(recording_id, ())):
                if (one.ground, one.case_number) == (terms.ground, terms.case_number):
                    raise RestrictionThere(recording_id=recording_id, case_number=one.case_number)
        made = Restriction(
            id=uuid4(),
            ground=terms.ground,
            case_number=terms.case_number,
            case_id=terms.case_id,
            set_at=self._clocks.now(),
            set_by=actor.label,
        )
        ids = [row.id for row in rows]
        if made.keeps:
            freeze = Freeze(
                id=made.id,
                reference=made.case_number,
                opened_at=made.set_at,
                opened_by=actor.label,
                restricts=True,
            )
            await self._holds.freeze(conn, freeze, ids, actor)
        await restrictions.insert(conn, made, actor, ids)
        # From here on whoever stores something of these calls waits; what was stored meanwhile is restricted, too.
        await keeping.lock_calls(conn, {row.call_id for row in rows})
        ids += await restrictions.join(conn, {row.call_id for row in rows})
        await self._written(conn, Action.RESTRICTION_SET, actor, made, made.ground.value, {"recordings": _told(ids)})
        log.info("restriction_set", restriction_id=str(made.id), ground=made.ground.value, recordings=len(ids))
        return RestrictionView(restriction=made, recordings=tuple(ids))

    async def lift(
        self, restriction_id: UUID, told: SubjectTold, actor: Actor, *, yes: bool = False
    ) -> tuple[Fate, ...]:
        async with self._database.transaction(within=_SECONDS) as conn:
            return await self.lift_within(conn, restriction_id, told, actor, yes=yes)

    async def lift_within(
        self, conn: Connection, restriction_id: UUID, told: SubjectTold, actor: Actor, *, yes: bool = False
    ) -> tuple[Fate, ...]:
        """What becomes of what it kept. RestrictionUnknown, RestrictionLifted, SubjectNotTold; ReleaseDestroys when the
        next sweep destroys some of it, and nobody said `yes`."""
        found = await restrictions.lock(conn, restriction_id)
        if found is None:
            raise RestrictionUnknown(restriction_id=restriction_id)
        if found.lifted_at is not None:
            raise RestrictionLifted(restriction_id=restriction_id, lifted_on=local_day(found.lifted_at))
        now = self._clocks.now()
        told = check_lift(found, told, local_day(now))
        rows = await keeping.lock(conn, await restrictions.recordings_of(conn, restriction_id))
        ends: tuple[Fate, ...] = ()
        if found.keeps:
            ends = await self._holds.unfreeze(conn, restriction_id, actor, yes=yes)
        # What is being stored of these calls just now is restricted by it until it is committed.
        await keeping.lock_calls(conn, {row.call_id for row in rows})
        await restrictions.lift(conn, restriction_id, told, actor, now)
        facts: dict[str, JSON] = {"told_on": told.on.isoformat(), "recordings": _told([row.id for row in rows])}
        await self._written(conn, Action.RESTRICTION_LIFT, actor, found, told.how.value, facts)
        log.info("restriction_lift", restriction_id=str(restriction_id), recordings=len(rows))
        return ends

    async def listed(self, *, ended: bool = False) -> tuple[RestrictionView, ...]:
        """Those in force of recordings that are there, the oldest first; `ended`: all there ever were."""
        async with self._database.transaction() as conn:
            return await self._views(conn, await restrictions.stored(conn, ended=ended))

    async def one(self, restriction_id: UUID) -> RestrictionView:
        async with self._database.transaction() as conn:
            found = await restrictions.stored(conn, ids=[restriction_id], ended=True)
            if not found:
                raise RestrictionUnknown(restriction_id=restriction_id)
            return (await self._views(conn, found))[0]

    async def _views(self, conn: Connection, found: Sequence[Stored]) -> tuple[RestrictionView, ...]:
        now = self._clocks.now()
        policy = await self._policies.within(conn)
        views = []
        for one in found:
            if one.restriction.lifted_at is not None:
                views.append(RestrictionView(restriction=one.restriction, recordings=one.recordings))
                continue
            rows = {row.id: row for row in await keeping.read(conn, one.there)}
            told = await fates.of_rows(conn, tuple(rows.values()), policy, now, one.restriction.id)
            late = [_due_on(rows[fate.recording_id], policy) for fate in told if fate.at_once]
            views.append(
                RestrictionView(
                    restriction=one.restriction,
                    recordings=one.recordings,
                    fates=told,
                    overdue=len(late),
                    overdue_since=min(late, default=None),
                )
            )
        return tuple(views)

    async def _written(
        self,
        conn: Connection,
        action: Action,
        actor: Actor,
        one: Restriction,
        because: str,
        facts: Mapping[str, JSON],
    ) -> None:
        case = {"case": str(one.case_id)} if one.case_id is not None else {}
        entry = Entry(
            action=action,
            actor=actor,
            object=f"restriction:{one.id}",
            because=because,
            facts={"reference": one.case_number, **case, **facts},
        )
        await audit.append(conn, entry, self._clocks.now())


async def _lock_sealed(conn: Connection, wanted: Collection[UUID]) -> tuple[Locked, ...]:
    """The rows of these recordings, and of all others of their calls that are there. No key is needed for it."""
    rows = await keeping.lock(conn, await keeping.of_same_calls(conn, wanted))
    by_id = {row.id: row for row in rows}
    for one in wanted:
        row = by_id.get(one)
        if row is None:
            raise RecordingUnknown(recording_id=one)
        if row.state is not StoredState.SEALED:
            raise RecordingErased(recording_id=one, because=row.erased_because or row.state.value)
        check_open(one, row.quarantined_until)
        if not row.call_over:
            raise CallNotOver(recording_id=one)
    return tuple(row for row in rows if row.state is StoredState.SEALED)


def _due_on(row: Locked, policy: Policy) -> date:
    """The day on which its rule would have destroyed it."""
    began = local_day(row.kept_from)
    last_days = [rules.last_day(row.queue, began, undecided=row.undecided) for rules in policy.all_rules]
    return max(last_days) + timedelta(days=1)


def _told(ids: Collection[UUID]) -> list[str]:
    return [str(one) for one in ids]
