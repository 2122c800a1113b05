"""Recordings under way are sealed as they grow: so little is lost with the power, and so little lies in the spool.

    every second, each recording whose files are being written: vault/live.py seals what both hold,
    then asterisk/spool_punch.py takes it out of the spool

MixMonitor's files grow by 2.05 s at a time; a second later at most that is sealed. Whatever fails, the call goes on
from the spool alone, there is one alarm, and it is tried again. How a recording ends is services/seal.py's matter.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_punch import SpoolPunch
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import RecorderError
from ari_recorder.domain.recordings import Recording
from ari_recorder.supervise import until
from ari_recorder.vault.files import day_of
from ari_recorder.vault.live import LiveSeal
from ari_recorder.vault.parts import CHUNK_SAMPLES
from ari_recorder.vault.recordings import Vault

log = structlog.get_logger(__name__)

# 2.05 s in MixMonitor's buffer, this, and the round itself: together less than the 5 s a loss of power may cost.
EVERY = timedelta(seconds=1)
# One per core, like sealing: 200 calls are 100 fsyncs a second.
AT_ONCE = 2
RETRY = timedelta(seconds=10)
# Kept free for recordings that end: a part goes only when its recording is stored, so parts must leave some room.
RESERVE_BYTES = 128 << 20
_SAMPLE_BYTES = 2


@dataclass(slots=True)
class _Live:
    """One recording. `taken_out`: bytes of each file that left the spool in this run."""

    base: str
    seal: LiveSeal | None = None
    sealed: int = 0
    looked: bool = False
    taken_out: int = 0
    again_at: float = 0.0


class LiveSealer:
    def __init__(self, *, vault: Vault, spool: Spool) -> None:
        self._vault = vault
        self._spool = spool
        self._punch = SpoolPunch(spool)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._lives: dict[UUID, _Live] = {}
        self._working: dict[UUID, asyncio.Future[None]] = {}
        self._troubles: dict[str, set[UUID]] = {}
        self._room = True

    async def run(self, stop: asyncio.Event, written: Callable[[], Collection[Recording]]) -> None:
        """`written` tells which recordings' files are being written."""
        await until(stop, self._run(written))

    async def _run(self, written: Callable[[], Collection[Recording]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                await self.look(written())
                await asyncio.sleep(max(EVERY.total_seconds() - (loop.time() - began), 0.1))
        finally:
            for recording_id in list(self._lives):
                self._drop(recording_id)

    async def look(self, recordings: Collection[Recording]) -> None:
        """Once: seal what has come of these."""
        self._keep_only(recordings)
        due = [recording for recording in recordings if self._is_due(recording)]
        if due and await self._is_room():
            await asyncio.gather(*(self._seal(recording) for recording in due))

    async def let_go(self, recording_id: UUID) -> None:
        """It is over: what is being sealed of it is finished, and nothing more is begun."""
        working = self._working.get(recording_id)
        if working is not None:
            await asyncio.wait({working})
        self._drop(recording_id)

    async def tell_orphans(self, known: Iterable[UUID]) -> None:
        """Parts of recordings that nobody knows: told, and left where they are."""
        for recording_id in sorted(await asyncio.to_thread(self._vault.parts.recordings) - set(known)):
            because = "a part of a recording that the journal does not know"
            log.error("alarm", alarm=AlarmCode.ORPHAN_PART.value, subject=str(recording_id), because=because)

    # --- one look

    def _keep_only(self, recordings: Collection[Recording]) -> None:
        there = {recording.id for recording in recordings}
        for recording_id in set(self._lives) - there - set(self._working):
            self._drop(recording_id)
        for recording in recordings:
            if recording.id not in self._lives:
                self._lives[recording.id] = _Live(base=recording.base)

    def _is_due(self, recording: Recording) -> bool:
        """Two stat() of files in memory, so that a thread is troubled only when there is something to do."""
        live = self._lives[recording.id]
        if live.again_at > asyncio.get_running_loop().time():
            return False
        try:
            sizes = self._spool.sizes(recording.base)
        except (RecorderError, OSError) as error:  # the others are looked at all the same
            self._failed(recording.id, live, error)
            return False
        held = min(sizes.caller or 0, sizes.agent or 0) // _SAMPLE_BYTES
        if held < live.sealed:
            self._trouble(recording.id, "spool_lost", "its spool files are gone, or shorter than what was sealed")
            return False
        return held - live.sealed >= CHUNK_SAMPLES or (not live.looked and held > 0)

    async def _is_room(self) -> bool:
        try:
            free = await asyncio.to_thread(self._vault.files.free_bytes)
        except OSError as error:
            room, because = False, f"the vault cannot be looked at ({error.strerror})"
        else:
            room, because = free >= RESERVE_BYTES, f"the vault has only {free >> 20} MiB left"
        if not room and self._room:
            because += "; running calls are kept in the spool alone"
            log.error("alarm", alarm=AlarmCode.LIVE_SEAL_FAILED.value, subject="vault", because=because)
        elif room and not self._room:
            log.info("live_seal_again", because="the vault has room")
        self._room = room
        return room

    async def _seal(self, recording: Recording) -> None:
        async with self._slots:
            live = self._lives.get(recording.id)
            if live is None:  # it was let go meanwhile
                return
            work = asyncio.ensure_future(asyncio.to_thread(self._in_thread, recording, live))
            self._working[recording.id] = work
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait({work})  # nobody may think it over while it still writes
                raise
            except Exception as error:
                self._failed(recording.id, live, error)
            else:
                self._well(recording.id)
            finally:
                del self._working[recording.id]

    def _in_thread(self, recording: Recording, live: _Live) -> None:
        if live.seal is None:
            files = self._spool.files(recording.base)
            day = day_of(recording.started_at)
            live.seal = LiveSeal(self._vault.parts, recording.id, day, files.caller, files.agent)
        live.sealed = live.seal.advance()
        live.looked = True
        sealed_bytes = live.sealed * _SAMPLE_BYTES
        if sealed_bytes > live.taken_out:
            self._punch.take_out(live.base, live.taken_out, sealed_bytes)
            live.taken_out = sealed_bytes

    def _drop(self, recording_id: UUID) -> None:
        live = self._lives.pop(recording_id, None)
        if live is not None and live.seal is not None:
            live.seal.close()
        self._well(recording_id)

    # --- what is told: the first of a kind, until none is left

    def _failed(self, recording_id: UUID, live: _Live, error: Exception) -> None:
        live.again_at = asyncio.get_running_loop().time() + RETRY.total_seconds()
        kind = type(error).__name__  # the text of others may hold anything
        told = (error.code, str(error)) if isinstance(error, RecorderError) else (kind, kind)
        self._trouble(recording_id, *told)

    def _trouble(self, recording_id: UUID, kind: str, because: str) -> None:
        having = self._troubles.setdefault(kind, set())
        if not having:
            log.error(
                "alarm", alarm=AlarmCode.LIVE_SEAL_FAILED.value, subject=str(recording_id), because=because, code=kind
            )
        having.add(recording_id)

    def _well(self, recording_id: UUID) -> None:
        for kind, having in list(self._troubles.items()):
            having.discard(recording_id)
            if not having:
                del self._troubles[kind]
                log.info("live_seal_again", code=kind)
