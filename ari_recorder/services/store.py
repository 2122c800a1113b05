"""Finished calls on their way into the database. With it away they wait, in the journal, and are stored later.

The row of a call and those of its recordings are written in one transaction that may be repeated: the same call twice
is one call. Only after it was committed is the journal's copy retired. Several calls are written at once, but of each
call one state after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.calls import Call, MarkKind
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.ledger import LedgerState, Reason, Verdict, judge
from ari_recorder.domain.quarantine import Quarantine
from ari_recorder.domain.recordings import RecordingState
from ari_recorder.domain.retention import local_day
from ari_recorder.services import object_store
from ari_recorder.services.meters import Meters
from ari_recorder.storage import audit, calls, places, remote_copies
from ari_recorder.storage.db import Database
from ari_recorder.supervise import where
from ari_recorder.vault.wrapping import key_name_of

log = structlog.get_logger(__name__)

# A database that is back is used again within this time (DESIGN section 10 asks for 5 s).
RETRY = timedelta(seconds=2)
# While one waits for the database or the disk, others go on. More would take the cores of a small PBX from it.
AT_ONCE = 4
_SELF = Actor.service("store")
_LESS = frozenset({Reason.TRUNCATED, Reason.LATE_START, Reason.ENDED_UNSEEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What something is to be done with; the oldest has waited since `oldest_at`."""

    count: int
    oldest_at: datetime | None


class CallStore:
    """`put` a call whenever its row must change; `run` keeps the database up with it."""

    def __init__(
        self,
        *,
        database: Database,
        queues: frozenset[str],
        newest: Callable[[UUID], Call | None],
        personal: Callable[[Call], bytes | None],
        stored: Callable[[Call], Awaitable[None]],
        meters: Meters | None = None,
        retry: timedelta = RETRY,
        place: tuple[str, UUID | None] | None = None,
        bucket: str | None = None,
    ) -> None:
        """`newest` gives a call as it is now, `personal` its caller sealed, `stored` hears of calls that are over.
        `place`: this host's name, and which folder its sealed files lie in. `bucket`: the S3 store that recordings are
        copied to, if there is one."""
        self._database = database
        self._queues = queues
        self._newest = newest
        self._personal = personal
        self._stored = stored
        self._meters = meters or Meters()
        self._retry = retry
        self._place = place
        self._bucket = bucket
        self._waiting: dict[UUID, datetime] = {}  # since when
        self._busy: set[UUID] = set()  # being written: a newer state of theirs waits
        self._wake = asyncio.Event()

    def put(self, call_id: UUID) -> None:
        self._waiting.setdefault(call_id, datetime.now(UTC))
        self._wake.set()

    @property
    def waiting(self) -> Waiting:
        return Waiting(count=len(self._waiting), oldest_at=min(self._waiting.values(), default=None))

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._keep_up(stop))

    async def _keep_up(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            call_id = next((one for one in self._waiting if one not in self._busy), None)
            if call_id is None:
                self._wake.clear()
                await _either(self._wake, stop, None)
                continue
            self._busy.add(call_id)
            try:
                await self._store(call_id)
            except RecorderError as error:
                log.warning("call_store_retry", code=error.code, waiting=len(self._waiting))
                await _either(None, stop, self._retry)
            except Exception as error:
                # One call that cannot be stored, whatever it is, must not hold up the others: it went to the end.
                log.error("call_store_fail", call_id=str(call_id), error=type(error).__name__, where=where(error))
                await _either(None, stop, self._retry)
            finally:
                self._busy.discard(call_id)  # not before the wait: nobody else is to try it meanwhile
                self._wake.set()  # whoever saw it busy looks again

    async def _store(self, call_id: UUID) -> None:
        call = self._newest(call_id)
        since = self._waiting.pop(call_id)  # a `put` from here on is a newer one
        if call is None:
            return
        try:
            if has_row(call):
                await self._write(call)
            if call.finished:
                await self._stored(call)
        except BaseException:
            self._waiting[call_id] = min(since, self._waiting.get(call_id, since))
            raise

    async def _write(self, call: Call) -> None:
        verdict = judge(call, self._queues)
        sealed = self._personal(call) if _is_kept(call) else None  # whose voice is not kept, whose number is not kept
        personal = calls.Personal(sealed=sealed, key_name=key_name_of(sealed)) if sealed is not None else None
        async with self._database.transaction() as conn:
            now = datetime.now(UTC)
            row_id = await calls.upsert(conn, call, personal, verdict.state, verdict.reason, call.talk_time, now)
            if self._place is not None and call.recordings:
                await places.set_place(conn, row_id, *self._place)
            if self._bucket is not None:
                sealed_ids = [one.id for one in call.recordings if one.state is RecordingState.SEALED]
                await remote_copies.enqueue(conn, sealed_ids, self._bucket, object_store.host(), now)
            if call.finished and (why := _incomplete(call, verdict)):
                entry = Entry(
                    action=Action.RECORDING_INCOMPLETE,
                    actor=_SELF,
                    outcome=Outcome.FAILED,
                    object=f"call:{call.id}",
                    because=why,
                )
                await audit.append_once(conn, entry, now, f"{entry.action.value} {call.id} {why}")
            if call.quarantine is not None:
                for entry in _quarantined(call, call.quarantine):
                    await audit.append_once(conn, entry, now, f"{entry.action.value} {entry.object}")
        log.info(
            "call_store",
            call_id=str(call.id),
            queue=call.queue,
            ledger=verdict.state.value,
            reason=verdict.reason.value,
        )
        if call.finished:
            self._meters.calls.labels(verdict.state.value, verdict.reason.value).inc()
            if call.ended_at is not None and call.quarantine is None:  # that one may have lain there for days
                self._meters.store_seconds.observe(max((now - call.ended_at).total_seconds(), 0.0))


def has_row(call: Call) -> bool:
    """Whoever was recorded has talked, and is kept, even where nobody heard of the queue. Who hung up before a queue is
    no call of ours."""
    return call.joined_at is not None or _is_kept(call)


def _is_kept(call: Call) -> bool:
    return any(r.state is RecordingState.SEALED for r in call.recordings)


def _quarantined(call: Call, quarantine: Quarantine) -> list[Entry]:
    """Why, how long each side is, and when it goes."""
    return [
        Entry(
            action=Action.RECORDING_QUARANTINE,
            actor=_SELF,
            object=f"recording:{recording.id}",
            because=quarantine.because.value,
            facts={
                "caller_seconds": round(recording.sealed.caller.duration.total_seconds()),
                "agent_seconds": round(recording.sealed.agent.duration.total_seconds()),
                "destroyed_on": local_day(quarantine.until).isoformat(),
            },
        )
        for recording in call.recordings
        if recording.sealed is not None
    ]


def _incomplete(call: Call, verdict: Verdict) -> str:
    """Why there is less of a call than there should be; empty when there is not, and of what is in quarantine: it is
    no call."""
    if call.quarantine is not None:
        return ""
    if verdict.state is LedgerState.UNEXPLAINED or verdict.reason in _LESS:
        return verdict.reason.value
    return "gap" if any(mark.kind is MarkKind.GAP for mark in call.marks) else ""


async def _either(wake: asyncio.Event | None, stop: asyncio.Event, timeout: timedelta | None) -> None:
    """Until one of the events is set, or the time is over."""
    events = [asyncio.ensure_future(event.wait()) for event in (wake, stop) if event is not None]
    try:
        seconds = timeout.total_seconds() if timeout is not None else None
        await asyncio.wait(events, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in events:
            event.cancel()
