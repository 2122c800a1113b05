"""The call machine's orders carried out: one method for each command. What it led to comes back as an event.

Every order may come twice. An order whose outcome is unknown is not repeated here: after the reconnect the PBX shows
what it did, and the call machine orders again what is still missing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

import structlog

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_watch import Writer, writer
from ari_recorder.domain import commands as order
from ari_recorder.domain.calls import Call
from ari_recorder.domain.errors import AmiActionRefused, AmiNotLive, AmiOutcomeUnknown, AmiValueRefused, RecorderError
from ari_recorder.domain.events import (
    CheckDue,
    Destroyed,
    Event,
    FilesClosed,
    FilesGrew,
    FilesMissing,
    MixMonitorAccepted,
    MixMonitorRefused,
    ResumeDue,
)
from ari_recorder.services.seal import Sealer

log = structlog.get_logger(__name__)

# How often files are looked at while waiting: half the time a person notices, and little work for 200 calls.
LOOK_EVERY = timedelta(seconds=0.25)
# Closing follows a hangup within some 10 ms; inotify is given this long before the kernel is asked.
INOTIFY_FIRST = timedelta(seconds=1)
# A pause must not wait: whatever is said meanwhile is recorded.
MUTE_AGAIN = timedelta(seconds=1)
AGAIN_FIRST = timedelta(seconds=1)
AGAIN_MOST = timedelta(minutes=1)


class Effects:
    """`tell` takes the events that tell what became of an order."""

    def __init__(
        self,
        *,
        ami: AmiSession,
        spool: Spool,
        sealer: Sealer,
        tell: Callable[[Event], Awaitable[None]],
        store: Callable[[UUID], None],
        growth_deadline: timedelta,
    ) -> None:
        self._ami = ami
        self._spool = spool
        self._sealer = sealer
        self._tell = tell
        self._store = store
        self._growth_deadline = growth_deadline
        self._tasks: set[asyncio.Task[None]] = set()
        self._muted: dict[UUID, order.MuteMixMonitor] = {}  # the newest order for each recording
        self._not_stopped: set[UUID] = set()

    async def carry_out(self, command: order.Command, call: Call | None, *, journaled: bool) -> None:
        """Do it. Only what lasts long goes on behind: watching files, sealing, timers."""
        match command:
            case order.Alarm():
                _raise_alarm(command)
            case order.StartMixMonitor():
                await self._start(command, journaled=journaled)
            case order.StopMixMonitor():
                await self._stop(command)
            case order.MuteMixMonitor():
                self._muted[command.recording_id] = command
                self._behind(self._until_muted(command))
            case order.WatchGrowth():
                self._behind(self._watch_growth(command))
            case order.AwaitClosed():
                if call is not None and call.ended_at is not None:
                    self._behind(self._await_closed(command))
            case order.ResumeLater():
                self._behind(self._later(command.after, ResumeDue, command.recording_id))
            case order.CheckLater():
                self._behind(self._later(command.after, CheckDue, command.recording_id))
            case order.SealRecording():
                if call is not None:
                    self._behind(self._sealer.seal(call, command))
            case order.ForgetFiles() if not journaled:
                pass  # the key of the sealed file is not on disk for sure: after a crash they would be sealed again
            case order.ForgetFiles():
                self._behind(self._until_done("ForgetFiles", command.recording_id, lambda: self._forget(command)))
            case order.DestroyRecording():
                if call is not None:
                    self._behind(
                        self._until_done("DestroyRecording", command.recording_id, lambda: self._destroy(command, call))
                    )
            case order.StoreCall():
                self._store(command.call_id)
            case _:
                assert_never(command)

    async def aclose(self) -> None:
        """Seals under way are finished; watches and timers are dropped, the journal knows what is still to be done."""
        await self._sealer.finish()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _behind(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("effect_fail", error=type(error).__name__)

    async def _start(self, command: order.StartMixMonitor, *, journaled: bool) -> None:
        if not journaled:  # without the intent on disk, a crash would leave audio that nobody accounts for
            await self._refused(command, "the journal cannot be written")
            return
        files = self._spool.files(command.base)
        await asyncio.sleep(command.settle.total_seconds())
        try:
            mixmonitor_id = await self._ami.start_mixmonitor(command.channel, str(files.caller), str(files.agent))
        except (AmiActionRefused, AmiValueRefused) as error:
            await self._refused(command, str(error))
        except (AmiNotLive, AmiOutcomeUnknown) as error:
            # The PBX's own state will tell: it is asked when the session is live again.
            log.warning("mixmonitor_outcome_unknown", code=error.code, recording_id=str(command.recording_id))
            self._ami.doubt("the answer to a MixMonitor order did not come")
        else:
            await self._tell(
                MixMonitorAccepted(at=_now(), recording_id=command.recording_id, mixmonitor_id=mixmonitor_id)
            )

    async def _refused(self, command: order.StartMixMonitor, because: str) -> None:
        await self._tell(MixMonitorRefused(at=_now(), recording_id=command.recording_id, because=because))

    async def _stop(self, command: order.StopMixMonitor) -> None:
        try:
            await self._ami.stop_mixmonitor(command.channel, command.mixmonitor_id)
        except AmiActionRefused:
            pass  # the channel or the MixMonitor is gone: the files say the rest
        except RecorderError as error:
            log.warning("mixmonitor_stop_unknown", code=error.code, recording_id=str(command.recording_id))
            self._not_stopped.add(command.recording_id)
            self._ami.doubt("the answer to StopMixMonitor did not come")
            return
        else:
            # Asterisk closes the files before it answers (app_mixmonitor.c, stop_mixmonitor_full).
            await self._tell(FilesClosed(at=_now(), recording_id=command.recording_id))
        self._not_stopped.discard(command.recording_id)

    async def _until_muted(self, command: order.MuteMixMonitor) -> None:
        """The agent has heard that it is paused: it is ordered until it is so, or ordered otherwise, or over."""
        first = True
        while self._muted.get(command.recording_id) is command:
            try:
                await self._ami.mute_mixmonitor(command.channel, command.mixmonitor_id, command.muted)
            except AmiNotLive:
                break  # ordered again when the session is live
            except AmiActionRefused as error:
                if "No such channel" in str(error):
                    break
                trouble: RecorderError = error
            except RecorderError as error:
                trouble = error
            else:
                break
            if first and command.muted:
                _order_failed("MuteMixMonitor", command.recording_id, trouble)
            first = False
            await asyncio.sleep(MUTE_AGAIN.total_seconds())
        if self._muted.get(command.recording_id) is command:
            del self._muted[command.recording_id]

    async def _until_done(self, name: str, recording_id: UUID, work: Callable[[], Awaitable[None]]) -> None:
        """Disks come back: what has to go is tried until it is gone. What is cut off by a stop, the journal knows."""
        wait = AGAIN_FIRST
        while True:
            try:
                return await work()
            except Exception as error:
                if wait == AGAIN_FIRST:
                    _order_failed(name, recording_id, error)
            await asyncio.sleep(wait.total_seconds())
            wait = min(wait * 2, AGAIN_MOST)

    async def _forget(self, command: order.ForgetFiles) -> None:
        await self._sealer.forget(command.recording_id, command.base)

    async def _watch_growth(self, command: order.WatchGrowth) -> None:
        """MixMonitor writes 32768 bytes at a time, that is every 2.05 s; the deadline is a little longer."""
        deadline = asyncio.get_running_loop().time() + self._growth_deadline.total_seconds()
        while asyncio.get_running_loop().time() < deadline:
            if self._spool.sizes(command.base).both_hold_samples:  # two stat() of files in memory
                await self._tell(FilesGrew(at=_now(), recording_id=command.recording_id))
                return
            await asyncio.sleep(LOOK_EVERY.total_seconds())
        await self._tell(FilesMissing(at=_now(), recording_id=command.recording_id))

    async def _await_closed(self, command: order.AwaitClosed) -> None:
        """The channel is gone. Mostly inotify has told by now; after a restart nobody was there to hear it."""
        while True:
            await asyncio.sleep(INOTIFY_FIRST.total_seconds())
            # Quiet is enough here: without a channel nothing can be written any more.
            if await writer(self._spool, command.base) is not Writer.OPEN:
                await self._tell(FilesClosed(at=_now(), recording_id=command.recording_id))
                return

    async def _later(self, after: timedelta, event: type[ResumeDue] | type[CheckDue], recording_id: UUID) -> None:
        await asyncio.sleep(after.total_seconds())
        await self._tell(event(at=_now(), recording_id=recording_id))

    async def _destroy(self, command: order.DestroyRecording, call: Call) -> None:
        recording = next(r for r in call.recordings if r.id == command.recording_id)
        await self._sealer.destroy(recording)
        await asyncio.to_thread(self._spool.discard, command.base)
        # While MixMonitor may still write, it is not destroyed: both are ordered again after the resync.
        if command.recording_id not in self._not_stopped or call.ended_at is not None:
            await self._tell(Destroyed(at=_now(), recording_id=command.recording_id))


def _order_failed(name: str, recording_id: UUID, error: Exception) -> None:
    because = f"{name}: {error if isinstance(error, RecorderError) else type(error).__name__}"
    _raise_alarm(order.Alarm(code=order.AlarmCode.ORDER_FAILED, subject=str(recording_id), because=because))


def _raise_alarm(alarm: order.Alarm) -> None:
    log.error("alarm", alarm=alarm.code.value, subject=alarm.subject, because=alarm.because)


def _now() -> datetime:
    return datetime.now(UTC)
