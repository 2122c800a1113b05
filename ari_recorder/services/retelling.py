"""What happened while nobody listened is told again, and what happens now does not wait for it.

    ResyncDone ─► what was missed is looked for ─► codes, calls that we have ─► ResyncDone ─► other calls, orphans
                        └── events go on meanwhile ──┘                                  └── a few at a time ──┘

Of a call that we have, how it went on has to be known before it is ended: so the ResyncDone is held. One that was held
when the PBX is asked again, or lost, never comes: the channels it tells the end of are not those that are told then.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

import structlog

from ari_recorder.domain.calls import Call
from ari_recorder.domain.events import CallRetold, Event, ResyncDone, Uniqueid
from ari_recorder.services.adopt import Adoption, Missed
from ari_recorder.services.presence import Lack, Presence
from ari_recorder.supervise import where

log = structlog.get_logger(__name__)

# So many calls of an absence stand before one that lives now.
FEW = 8
# queue_log is read within a second; on a disk that hangs, calls that live now go first.
MISSED_WITHIN = 10.0


class Retelling:
    """`busy`: how many events and orders wait. A newer look takes the place of the one under way: what that had not
    told yet is found again."""

    def __init__(
        self,
        *,
        adoption: Adoption,
        inbox: "asyncio.Queue[Event]",
        presence: Presence,
        calls: Callable[[], tuple[Call, ...]],
        busy: Callable[[], int],
    ) -> None:
        self._adoption = adoption
        self._inbox = inbox
        self._presence = presence
        self._calls = calls
        self._busy = busy
        self._held: ResyncDone | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def holds(self) -> bool:
        """What lives is not known yet: a ResyncDone is held."""
        return self._held is not None

    @property
    def under_way(self) -> bool:
        return self._task is not None and not self._task.done()

    def void(self) -> None:
        """The PBX tells anew what it has, or is lost."""
        self._held = None

    def begin(self, done: ResyncDone, living: Collection[Uniqueid], asked: datetime) -> None:
        """The PBX has told what it has: `living`, by its answer to what it was asked at `asked`."""
        self.stop()
        self._held = done
        self._task = asyncio.create_task(self._run(done, frozenset(living), asked))
        self._task.add_done_callback(_ended)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self, done: ResyncDone, living: frozenset[Uniqueid], asked: datetime) -> None:
        missed = await self._look(living, asked)
        # Of a call that we have, how it went on has to be known before it is ended.
        ours = {call.uniqueid for call in self._calls()}
        for event in (*missed.codes, *(call for call in missed.calls if call.uniqueid in ours)):
            await self._inbox.put(event)
        self._presence.extend(Lack.MISSED)
        if self._held is done:
            await self._inbox.put(done)
            self._held = None
        await self._tell(call for call in missed.calls if call.uniqueid not in ours)
        self._presence.back(datetime.now(UTC), Lack.MISSED)
        await self._adoption.dispose(missed.orphans, self._inbox.put)

    async def _look(self, living: frozenset[Uniqueid], asked: datetime) -> Missed:
        calls = self._calls()
        try:
            async with asyncio.timeout(MISSED_WITHIN):
                return await self._adoption.missed(
                    known={r.base for call in calls if not call.unanswered for r in call.recordings},
                    living=living,
                    open_calls=living | {call.uniqueid for call in calls},
                    asked=asked,
                )
        except Exception as error:  # whatever it is: what lives has to be known
            log.error("missed_unknown", error=type(error).__name__)
            return Missed(codes=(), calls=(), orphans=())

    async def _tell(self, calls: Iterable[CallRetold]) -> None:
        """Hundreds of calls, after a long absence: those that live now do not wait for them."""
        for call in calls:
            while self._busy() > FEW:  # noqa: ASYNC110 -- nobody tells how many they are
                await asyncio.sleep(0.01)
            await self._inbox.put(call)
            await asyncio.sleep(0)  # what came meanwhile is next


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("retelling_fail", error=type(error).__name__, where=where(error))
