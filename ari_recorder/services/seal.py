"""Spool files, and what was sealed of them while they grew, become a sealed recording. How one looks is the vault's
matter, when to seal the call machine's.

At most two are sealed at once: one per core, so that live calls do not notice. What fails for want of room or rights is
tried again until it works; what cannot work is told as final, and the spool files stay where they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import SealRecording
from ari_recorder.domain.errors import NothingCaptured, RecorderError
from ari_recorder.domain.events import Event, Sealed, SealedFacts, SealFailed, Side
from ari_recorder.domain.recordings import Label, Recording
from ari_recorder.domain.silence import silent_spans
from ari_recorder.services.live import LiveSealer
from ari_recorder.services.meters import Meters
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.files import day_of, path_of
from ari_recorder.vault.parts import SAMPLE_RATE
from ari_recorder.vault.recordings import Sealed as Stored
from ari_recorder.vault.recordings import Vault
from ari_recorder.vault.sound import SideFacts

log = structlog.get_logger(__name__)

AT_ONCE = 2
RETRY_FIRST = timedelta(seconds=1)
RETRY_MOST = timedelta(minutes=1)
FULL_SCALE = 32768


class Sealer:
    """`kept_as` tells of queues that are not kept as FLAC."""

    def __init__(
        self,
        *,
        vault: Vault,
        spool: Spool,
        live: LiveSealer,
        kept_as: Mapping[str, Codec],
        resume_guard: timedelta,
        tell: Callable[[Event], Awaitable[None]],
        meters: Meters | None = None,
    ) -> None:
        self._vault = vault
        self._spool = spool
        self._live = live
        self._kept_as = kept_as
        self._resume_guard = resume_guard
        self._tell = tell
        self._meters = meters or Meters()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def seal(self, call: Call, command: SealRecording) -> None:
        """Seal until it is done or cannot be done. A second order for the same recording finds the first at work."""
        if command.recording_id in self._running:
            return
        recording = next(r for r in call.recordings if r.id == command.recording_id)
        task = asyncio.create_task(self._until_done(call, recording))
        self._running[recording.id] = task
        try:
            await asyncio.wait({task})
            await task
        finally:
            self._running.pop(recording.id, None)

    async def destroy(self, recording: Recording) -> None:
        """Nothing sealed of this recording stays, whether it is known, half made, or being made right now."""
        running = self._running.get(recording.id)
        if running is not None:
            running.cancel()
            await asyncio.wait({running})
        await self._live.let_go(recording.id)
        await asyncio.to_thread(self._vault.parts.remove, recording.id)
        await asyncio.to_thread(self._vault.files.unlink, path_of(recording.id, day_of(recording.started_at)))

    async def forget(self, recording_id: UUID, base: str) -> None:
        """The recording is stored and will be known again: what it was made of goes."""
        await self._live.let_go(recording_id)
        await asyncio.to_thread(self._spool.discard, base)
        await asyncio.to_thread(self._vault.parts.remove, recording_id)

    async def finish(self) -> None:
        """Wait for what is being sealed now; what waits for a retry is left to the next start."""
        waiting = set(self._running.values())
        if waiting:
            await asyncio.wait(waiting, timeout=RETRY_FIRST.total_seconds())

    async def _until_done(self, call: Call, recording: Recording) -> None:
        wait = RETRY_FIRST
        await self._live.let_go(recording.id)
        while True:
            try:
                async with self._slots:
                    stored = await self._seal_once(call, recording)
            except NothingCaptured as error:
                await self._failed(recording, str(error), final=True)
                return
            except Exception as error:
                # Whatever it is, the audio is still in the spool; only what we know to be hopeless is given up.
                because = str(error) if isinstance(error, RecorderError) else type(error).__name__
                await self._failed(recording, because, final=False)
                await asyncio.sleep(wait.total_seconds())
                wait = min(wait * 2, RETRY_MOST)
            else:
                at, facts = datetime.now(UTC), _facts(stored, call.queue)
                if recording.ended_at is not None and call.quarantine is None:
                    self._meters.seal_seconds.observe(max((at - recording.ended_at).total_seconds(), 0.0))
                for side, heard in (("caller", facts.caller), ("agent", facts.agent)):
                    for trouble in heard.troubles:
                        self._meters.sound_troubles.labels(side=side, trouble=trouble.value).inc()
                await self._tell(Sealed(at=at, recording_id=recording.id, facts=facts, cut_at=stored.cut_at))
                return

    async def _seal_once(self, call: Call, recording: Recording) -> Stored:
        """In a thread, which a cancelled task waits for: nobody may think it over while it still writes."""
        work = asyncio.ensure_future(asyncio.to_thread(self._in_thread, call, recording))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise

    def _in_thread(self, call: Call, recording: Recording) -> Stored:
        files = self._spool.files(recording.base)
        day = day_of(recording.started_at)
        # A file from before a crash is of no use: its key was never written down, else nobody had ordered this.
        self._vault.files.unlink(path_of(recording.id, day))
        there = self._vault.extent(files.caller, files.agent, recording.id)
        silent = silent_spans(call, recording, there.length, self._resume_guard, there.cut_at)
        kept_as = self._kept_as.get(call.queue, Codec.FLAC)
        label = Label(
            uniqueid=call.uniqueid, queue=call.queue, segment=recording.segment, started_at=recording.started_at
        )
        return self._vault.seal_recording(files.caller, files.agent, recording.id, day, silent, kept_as, label)

    async def _failed(self, recording: Recording, because: str, *, final: bool) -> None:
        await self._tell(SealFailed(at=datetime.now(UTC), recording_id=recording.id, because=because, final=final))


def _facts(stored: Stored, queue: str) -> SealedFacts:
    return SealedFacts(
        path=stored.path,
        key_name=stored.key_name,
        wrapped_key=stored.wrapped_key.hex(),
        sha256=stored.sha256.hex(),
        sealed_bytes=stored.sealed_bytes,
        duration=stored.duration,
        caller=side_of(stored.caller),
        agent=side_of(stored.agent),
        truncated=stored.truncated,
        queue=queue,
    )


def side_of(side: SideFacts) -> Side:
    return Side(
        duration=timedelta(seconds=side.samples / SAMPLE_RATE),
        peak=side.peak / FULL_SCALE,
        rms=side.rms / FULL_SCALE,
        has_audio=side.carries_audio,
        clipped=side.clipped / side.samples if side.samples else 0.0,
        broken_off=timedelta(seconds=side.broken_off / SAMPLE_RATE),
    )
