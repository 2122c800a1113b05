"""The sweep destroys the recordings that are due. The rule: domain/retention.py; the steps of each: services/erase.py.

    finish what is erasing ─► is it the time? ─► the rules ─► queue after queue, quarantine ─► calls without recordings
      ─► certificates ─► day keys ─► reminders

What is `erasing` is finished whatever the clock says: that was decided before. All else waits when time moved
implausibly (domain/clock.py), until the clock is right again or a person has confirmed it.

Several services may sweep at once: what one has locked the other passes over, and each change of state has one winner.
Each run is a row of `sweep_run`; when none succeeded for six hours, an alarm says so.
Calls without recordings are forgotten by the same rule.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.audit import JSON, Action, Actor, Entry, Outcome
from ari_recorder.domain.clock import apart, booted_at, implausible
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import ClockJumped, ClocksDiffer, RecorderError
from ari_recorder.domain.retention import Erase, Policy, decide
from ari_recorder.services import kept
from ari_recorder.services.clock import Clocks
from ari_recorder.services.erase import BATCH, Eraser
from ari_recorder.services.policy import Night, Policies, bounds_of
from ari_recorder.storage import audit, calls, erasing, sweeps
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.erasing import Due
from ari_recorder.storage.recordings import Key
from ari_recorder.storage.sweeps import Run, SweepState
from ari_recorder.vault.copies import Copies

log = structlog.get_logger(__name__)

# Purging has to happen within the hour; after six, somebody has to look.
OVERDUE = timedelta(hours=6)
_WATCH_EVERY = timedelta(minutes=10)
_SELF = Actor.service("sweep")
# What is done after the recordings: certificates, day keys, reminders.
Chore = Callable[[Policy, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A recording that is due, and by which rule."""

    recording_id: UUID
    queue: str
    started_at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep did. `failed` are still there, their keys are not."""

    erased: int
    failed: tuple[UUID, ...]
    forgotten_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The newest run, which may be going on, and when one last succeeded."""

    newest: Run | None
    last_success: datetime | None


class Sweep:
    """`run` is the service's job, `run_once` one sweep, `preview` and `nights` what one would do."""

    def __init__(
        self,
        *,
        database: Database,
        copies: Copies,
        policies: Policies,
        clocks: Clocks,
        every: timedelta,
        at_most: float,
        chores: Sequence[Chore] = (),
        unfenced: Database | None = None,
    ) -> None:
        """`at_most`: recordings a second. `unfenced`: to see what others swept, for one who may not sweep now."""
        self._database = database
        self._copies = copies
        self._policies = policies
        self._clocks = clocks
        self._every = every
        self._at_most = at_most
        self._chores = chores
        self._unfenced = unfenced or database
        self._succeeded = time.monotonic()  # a clock that nobody sets
        self._seen: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """A supervised job: at once, and then again and again. An error ends it, the supervisor starts it anew."""
        while not stop.is_set():
            with contextlib.suppress(ClockJumped):  # told by an alarm; the clock may be right the next time
                await self.run_once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every.total_seconds())

    @property
    def since_success(self) -> timedelta:
        """Since a sweep was last seen to succeed, this service's or another's; before the first, since it was built."""
        return timedelta(seconds=time.monotonic() - self._succeeded)

    async def watch(self, stop: asyncio.Event) -> None:
        """A supervised job of its own, for a sweep that hangs tells nothing."""
        while not stop.is_set():
            with contextlib.suppress(RecorderError):
                await self._look_at_others()
            since = self.since_success
            if since > OVERDUE:
                because = f"no sweep succeeded for {since // timedelta(hours=1)} hours"
                log.error("alarm", alarm=AlarmCode.SWEEP_OVERDUE.value, subject="sweep", because=because)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _WATCH_EVERY.total_seconds())

    async def _look_at_others(self) -> None:
        """Whether there is a new success is all that is asked: its time is by another host's clock."""
        async with self._unfenced.transaction() as conn:
            last = await sweeps.last_success(conn)
        if last != self._seen:
            self._seen, self._succeeded = last, time.monotonic()

    async def preview(self) -> tuple[Doomed, ...]:
        """What a sweep would destroy now, and why. Changes nothing."""
        now = self._clocks.now()
        policy = await self._policies.in_force()
        found: list[Doomed] = []
        async with self._database.transaction() as conn:
            queues = await erasing.queues(conn)
        for queue in (*queues, None):  # and what is in quarantine
            after: Key | None = None
            while True:
                async with self._database.transaction() as conn:
                    if queue is None:
                        rows = await erasing.out_of_quarantine(conn, now, limit=BATCH, after=after, lock=False)
                    else:
                        bounds = bounds_of(queue, policy, now)
                        rows = await erasing.due(conn, queue, bounds, limit=BATCH, after=after, lock=False)
                if not rows:
                    break
                found += _doomed(rows, policy, now)
                after = Key(started_at=rows[-1].started_at, id=rows[-1].id)
        return tuple(found)

    async def nights(self, nights: int) -> tuple[Night, ...]:
        return await self._policies.nights(nights, self._clocks.now())

    async def progress(self) -> Progress:
        async with self._database.transaction() as conn:
            return Progress(newest=await sweeps.newest(conn), last_success=await sweeps.last_success(conn))

    async def confirm_time(self, actor: Actor) -> datetime:
        """The clock of this host is right, a person says. ClocksDiffer when the database has another time."""
        async with self._database.transaction() as conn:
            reading = await self._clocks.read(conn)
            if (because := apart(reading)) is not None:
                raise ClocksDiffer(because=because)
            booted = reading.wall - reading.since_boot
            await sweeps.begin(conn, reading, booted, SweepState.CONFIRMED, f"confirmed by {actor.label}")
            await audit.append(conn, Entry(action=Action.CLOCK_CONFIRM, actor=actor), reading.wall)
        log.warning("clock_confirm", at=reading.wall.isoformat())
        return reading.wall

    async def run_once(self) -> Swept:
        """Destroy what is due now; what an earlier sweep left unfinished comes first. ClockJumped says why not."""
        eraser = Eraser(database=self._database, copies=self._copies, clocks=self._clocks, at_most=self._at_most)
        before = _Count()
        await eraser.resume(before.add)
        # One time for all of it: should the clock jump meanwhile, the next sweep notices, and this one does not care.
        run_id, now = await self._begin()
        count = _Count(run_id, before.erased)
        forgotten = 0
        try:
            if before.erased:
                async with self._database.transaction() as conn:
                    await sweeps.add_erased(conn, run_id, before.erased)
            policy = await self._policies.adopt(now)
            async with self._database.transaction() as conn:
                queues = await erasing.queues(conn)
            for queue in queues:
                await eraser.queue(queue, policy, now, count.add)
            await eraser.quarantine(policy, now, count.add)
            forgotten = await self._forget_unrecorded(policy, now)
            await self._do_chores(policy, now)
        except Exception as error:
            # The reason may be that the database is away: then nobody can write it down, and the job's error tells.
            with contextlib.suppress(Exception):
                await self._finish(run_id, SweepState.FAILED, eraser, forgotten, type(error).__name__)
            raise
        await self._finish(run_id, SweepState.DONE, eraser, forgotten, "")
        self._succeeded = time.monotonic()
        if count.erased or eraser.failed or forgotten:
            log.info("sweep_finish", erased=count.erased, failed=len(eraser.failed), forgotten_calls=forgotten)
        return Swept(erased=count.erased, failed=tuple(sorted(eraser.failed)), forgotten_calls=forgotten)

    async def _do_chores(self, policy: Policy, now: datetime) -> None:
        """One that fails keeps none of the others from being done: nobody would be reminded. The first error counts."""
        failed: list[Exception] = []
        for chore in self._chores:
            try:
                await chore(policy, now)
            except Exception as error:
                failed.append(error)
        if failed:
            raise failed[0]

    async def _begin(self) -> tuple[int, datetime]:
        """A row for this run, and the time it is; refused, with an alarm, when that cannot be."""
        async with self._database.transaction() as conn:
            reading = await self._clocks.read(conn)
            trusted = await sweeps.trusted(conn, reading.boot_id)
            because = implausible(reading, trusted)
            run_id = 0
            if because is None:
                run_id = await sweeps.begin(conn, reading, booted_at(reading, trusted), SweepState.RUNNING)
            else:
                booted = reading.wall - reading.since_boot
                await sweeps.begin(conn, reading, booted, SweepState.REFUSED, because)
                entry = Entry(
                    action=Action.CLOCK_REFUSE, actor=_SELF, outcome=Outcome.REFUSED, facts={"because": because}
                )
                await audit.append(conn, entry, reading.wall)
        if because is not None:
            log.error("alarm", alarm=AlarmCode.CLOCK_JUMPED.value, subject="sweep", because=because)
            raise ClockJumped(because=because)
        return run_id, reading.wall

    async def _finish(self, run_id: int, state: SweepState, eraser: Eraser, forgotten: int, because: str) -> None:
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            await sweeps.finish(
                conn, run_id, state, now, failed=len(eraser.failed), forgotten_calls=forgotten, because=because
            )
            await sweeps.forget_old(conn, now)
            facts: dict[str, JSON] = {"run": run_id, "failed": len(eraser.failed), "forgotten_calls": forgotten}
            entry = Entry(
                action=Action.SWEEP_RUN,
                actor=_SELF,
                outcome=Outcome.OK if state is SweepState.DONE else Outcome.FAILED,
                because=because,
                facts=facts,
            )
            await audit.append(conn, entry, now)

    async def _forget_unrecorded(self, policy: Policy, now: datetime) -> int:
        forgotten = 0
        async with self._database.transaction() as conn:
            queues = await calls.queues(conn)
        for queue in queues:
            before = bounds_of(queue, policy, now).ordinary
            while True:
                async with self._database.transaction() as conn:
                    count = await calls.forget(conn, await calls.due(conn, queue, before, limit=BATCH), now)
                if not count:
                    break
                forgotten += count
        return forgotten


class _Count:
    """How many were buried, here and in the row of the run."""

    def __init__(self, run_id: int | None = None, erased: int = 0) -> None:
        self._run_id = run_id
        self.erased = erased

    async def add(self, conn: Connection, buried: int) -> None:
        self.erased += buried
        if self._run_id is not None:
            await sweeps.add_erased(conn, self._run_id, buried)


def _doomed(rows: Sequence[Due], policy: Policy, now: datetime) -> list[Doomed]:
    """The decision itself; the question to the database only narrows down whom it is about."""
    doomed = []
    for row in rows:
        decision = decide(kept.of_row(row), policy, (), (), now)
        if isinstance(decision, Erase):
            doomed.append(
                Doomed(recording_id=row.id, queue=row.queue, started_at=row.started_at, because=decision.because)
            )
    return doomed
