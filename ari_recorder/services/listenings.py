"""Listening to a recording: the purpose first, then the audio in ranges, and what went out is on record before it goes.

    begin   right ─► row and audit entry, committed ─► from here on something of the audio may be opened
    part    right, session, recording, audit log ─► opened ─┐
              ┌─────────────────────────────────────────────┘
              └► range on record, committed ─► decrypted (a thread) ─► sent ─► the next, at most 64 KiB
                   every chunk: the listening, the recording and its key are there, in the scope, and may be opened
                   every 20 s:  the session and the rights are asked for anew, and whether the audit log can be written
    told    a minute without audio, or the end ─► one audit entry with the ranges since the last one, by a job

On record *before* it is sent: no crash, and no connection that breaks, can leave audio that somebody heard and nobody
wrote down. The price is that the record may hold a chunk that never arrived. Whatever fails on the way ends the
stream: nothing is sent that was not written down. Erasing a recording, or ending a right, is noticed by the next chunk.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain import ranges
from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise
from ari_recorder.domain.audit import Action, Entry
from ari_recorder.domain.errors import (
    Forbidden,
    KeyDestroyed,
    KeyringLocked,
    ListeningOver,
    ListeningUnknown,
    RecorderError,
    RecordingErased,
    RecordingRestricted,
    RecordingUnknown,
    Unauthenticated,
)
from ari_recorder.domain.listening import IDLE, TOLD_AFTER, Listening, ListeningEnd, Why, check_why
from ari_recorder.domain.ranges import Span, Unsatisfiable, Whole
from ari_recorder.domain.retention import StoredState
from ari_recorder.services import kept
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit, listenings
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.listenings import Goes, Untold
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.opened import OpenedRecording
from ari_recorder.vault.recordings import Vault

log = structlog.get_logger(__name__)

# Some seconds of a call: little enough to stop soon, and one short transaction each.
CHUNK_BYTES = 64 << 10
# Rights that ended stop what is being heard within a minute (SECURITY Z4).
CHECK_EVERY = 20.0
LOOK_EVERY = timedelta(seconds=20)
_BATCH = 50
_MEDIA_TYPES = {Codec.FLAC: "audio/flac", Codec.OPUS: "audio/ogg"}

# Who asks, with the rights of the moment it is called; an error when there is no session any more.
Again = Callable[[], Awaitable[Principal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is sent of the audio: all of it (200), a span (206), or nothing (416). `chunks` is consumed once."""

    asked: ranges.Asked
    size: int
    etag: str
    media_type: str
    chunks: AsyncIterator[bytes]


class Listenings:
    """`run` is the service's job: it tells the audit log what was heard."""

    def __init__(self, *, database: Database, vault: Vault, keyring: Keyring, clocks: Clocks) -> None:
        self._database = database
        self._vault = vault
        self._keyring = keyring
        self._texts = CallTexts(keyring)
        self._clocks = clocks

    async def begin(self, principal: Principal, recording_id: UUID, why: Why) -> Listening:
        """From here on this user may hear this recording, in this session. Nothing of it was opened yet."""
        now = self._clocks.now()
        why = check_why(why)
        scope = authorise(principal, Permission.RECORDING_PLAY, now=now)
        if self._keyring.locked:
            raise KeyringLocked
        actor = principal.actor(Permission.RECORDING_PLAY)
        async with self._database.transaction() as conn:
            row, key_name = await kept.to_be_opened(conn, recording_id, scope, why.ground)
            listening = Listening(
                id=uuid4(),
                recording_id=recording_id,
                user_id=principal.user_id,
                session=principal.session_id,
                purpose=why.purpose,
                reference=why.reference,
                begun_at=now,
                active_at=now,
                ground=kept.told_ground(row, why.ground),
            )
            told = {"listening": str(listening.id), "reference": why.reference}
            entry = Entry(
                action=Action.RECORDING_PLAY,
                actor=actor,
                object=f"recording:{recording_id}",
                because=why.purpose.value,
                facts={**told, **kept.as_fact(listening.ground)},
                personal={"text": why.text},
            )
            text_id = None
            if why.text:
                text_id = await self._texts.write(conn, recording_id, row.call_id, key_name, why.text)
            await listenings.insert(conn, listening, principal.name, actor, text_id)
            await audit.append(conn, entry, now)
        log.info("recording_play", listening_id=str(listening.id), recording_id=str(recording_id))
        return listening

    @contextlib.asynccontextmanager
    async def part(
        self,
        listening_id: UUID,
        again: Again,
        *,
        wanted: str | None = None,
        if_range: str | None = None,
        sent: bool = True,
    ) -> AsyncIterator[Part]:
        """A part of the audio. `wanted` and `if_range`: the headers Range and If-Range. Its first chunk is on record
        and decrypted when this is given back: what refuses the audio refuses it before anything is answered. With
        `sent` False only what is known of the part is wanted: no chunk comes, and none is on record."""
        heard = _Heard(listening_id=listening_id, again=again)
        goes = await self._check(heard)
        with await asyncio.to_thread(self._open, goes) as opened:
            etag = f'"{goes.sha256}"'
            asked = ranges.asked(wanted, opened.size) if ranges.still_that(if_range, etag) else Whole()
            span = Span(first=0, end=opened.size) if isinstance(asked, Whole) else asked
            begun = b""
            if sent and isinstance(span, Span) and span.size:
                begun = await self._chunk(heard, opened, span.first, span.end)
            chunks = self._chunks(heard, opened, span, begun)
            try:
                yield Part(
                    asked=asked, size=opened.size, etag=etag, media_type=_MEDIA_TYPES[opened.codec], chunks=chunks
                )
            finally:
                await chunks.aclose()

    async def get(self, listening_id: UUID, again: Again) -> Listening:
        """A listening that goes on."""
        return (await self._check(_Heard(listening_id=listening_id, again=again))).listening

    async def peaks(self, listening_id: UUID, again: Again) -> bytes:
        """The waveform: two bytes for each 50 ms, the caller's and the agent's. They tell who spoke when."""
        goes = await self._check(_Heard(listening_id=listening_id, again=again))
        return await asyncio.to_thread(self._peaks, goes)

    async def close(self, listening_id: UUID, principal: Principal) -> Listening:
        """The listener has done. Twice is fine."""
        scope = authorise(principal, Permission.RECORDING_PLAY, now=self._clocks.now())
        async with self._database.transaction() as conn:
            goes = await listenings.get(conn, listening_id, principal.user_id, principal.session_id, scope)
            if goes is None:
                raise ListeningUnknown(listening_id=listening_id)
            await listenings.end(conn, listening_id, ListeningEnd.CLOSED, self._clocks.now())
            if (row := await listenings.lock(conn, listening_id)) is not None:
                await self._tell(conn, row)
        return goes.listening

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.run_once()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def run_once(self) -> int:
        """Tells what was heard and ends what nobody listens to any more; how many were told or ended. What a crash left
        behind is among them: it is in the rows."""
        done = 0
        while True:
            now = self._clocks.now()
            async with self._database.transaction() as conn:
                rows = await listenings.to_tell(conn, now - TOLD_AFTER, now - IDLE, limit=_BATCH)
                for row in rows:
                    if row.state is not StoredState.SEALED:
                        await listenings.end(conn, row.listening.id, ListeningEnd.RECORDING_GONE, now)
                    elif row.listening.over(now):
                        await listenings.end(conn, row.listening.id, ListeningEnd.IDLE, now)
                    await self._tell(conn, row)
            done += len(rows)
            if len(rows) < _BATCH:
                return done

    # --- how

    async def _check(self, heard: "_Heard") -> Goes:
        """May this go on? Asked of the session, the rights, the audit log and the recording, all as they are now."""
        try:
            who = await heard.again()
            scope = authorise(who, Permission.RECORDING_PLAY, now=self._clocks.now())
        except (Forbidden, Unauthenticated):
            await self._end(heard.listening_id, ListeningEnd.RIGHT_ENDED)
            raise
        heard.who, heard.scope = who, scope
        goes = await self._ask(heard)
        if goes.listening.over(self._clocks.now()):
            await self._end(heard.listening_id, ListeningEnd.IDLE)
            raise ListeningOver(because=ListeningEnd.IDLE.value)
        heard.checked_at = asyncio.get_running_loop().time()
        return goes

    async def _ask(self, heard: "_Heard") -> Goes:
        """The listening and its recording, if there is nothing against it. What is, ends the listening."""
        who, scope = heard.who, heard.scope
        assert who is not None  # noqa: S101 -- _check was here
        assert scope is not None  # noqa: S101
        async with self._database.transaction() as conn:
            await audit.is_there(conn)
            goes = await listenings.get(conn, heard.listening_id, who.user_id, who.session_id, scope)
        if goes is None:
            raise ListeningUnknown(listening_id=heard.listening_id)
        recording_id = goes.listening.recording_id
        if not goes.in_scope:
            await self._end(heard.listening_id, ListeningEnd.RIGHT_ENDED)
            raise RecordingUnknown(recording_id=recording_id)
        if goes.state is not StoredState.SEALED:
            await self._end(heard.listening_id, ListeningEnd.RECORDING_GONE)
            raise RecordingErased(recording_id=recording_id, because=goes.erased_because or goes.state.value)
        if goes.ended_because is not None:
            raise ListeningOver(because=goes.ended_because.value)
        if goes.restricted and goes.listening.ground is None:
            await self._end(heard.listening_id, ListeningEnd.RESTRICTED)
            raise RecordingRestricted(recording_id=recording_id)
        return goes

    def _open(self, goes: Goes) -> OpenedRecording:
        assert goes.path is not None  # noqa: S101 -- what is sealed has both
        assert goes.wrapped_key is not None  # noqa: S101
        return self._vault.open_recording(goes.path, goes.wrapped_key, goes.listening.recording_id, goes.label)

    def _peaks(self, goes: Goes) -> bytes:
        with self._open(goes) as opened:
            return opened.peaks()

    async def _chunks(
        self, heard: "_Heard", opened: OpenedRecording, span: Span | Unsatisfiable, begun: bytes
    ) -> AsyncGenerator[bytes, None]:
        if not isinstance(span, Span):
            return
        at = span.first
        while begun:
            yield begun
            at += len(begun)
            if at >= span.end:
                return
            if asyncio.get_running_loop().time() - heard.checked_at > CHECK_EVERY:
                await self._check(heard)
            begun = await self._chunk(heard, opened, at, span.end)

    async def _chunk(self, heard: "_Heard", opened: OpenedRecording, first: int, end: int) -> bytes:
        """On record first, then decrypted."""
        assert heard.scope is not None  # noqa: S101 -- _check was here
        end = min(end, first + CHUNK_BYTES)
        now = self._clocks.now()
        async with self._database.transaction() as conn:
            name = await listenings.grant(conn, heard.listening_id, heard.scope, first, end, opened.size, now)
        if name is None:
            await self._ask(heard)  # says why
            raise ListeningUnknown(listening_id=heard.listening_id)
        reading = asyncio.ensure_future(asyncio.to_thread(self._read, opened, first, end, name))
        try:
            return await asyncio.shield(reading)
        finally:
            await asyncio.wait({reading})  # the listener may have gone; the file is not closed under the thread

    def _read(self, opened: OpenedRecording, first: int, end: int, key_name: str) -> bytes:
        """The data key is in memory; that the key over it is there still, is asked every time."""
        if self._keyring.locked:
            raise KeyringLocked
        if key_name and key_name not in self._keyring.names():
            raise KeyDestroyed(name=key_name)
        return opened.read(first, end - first)

    async def _end(self, listening_id: UUID, because: ListeningEnd) -> None:
        """What refuses the listener is told; that it could not be written down must not hide it."""
        try:
            async with self._database.transaction() as conn:
                await listenings.end(conn, listening_id, because, self._clocks.now())
                if (row := await listenings.lock(conn, listening_id)) is not None:
                    await self._tell(conn, row)
        except RecorderError as error:
            log.warning("listening_end_retry", listening_id=str(listening_id), code=error.code)

    async def _tell(self, conn: Connection, row: Untold) -> None:
        """Into the audit log what it does not know yet, in one transaction with the row that says so."""
        listening = row.listening
        if row.ranges and row.actor is not None:
            entry = Entry(
                action=Action.RECORDING_PLAYED,
                actor=row.actor,
                object=f"recording:{listening.recording_id}",
                because=listening.purpose.value,
                facts={
                    "listening": str(listening.id),
                    "ranges": [f"{first}-{end - 1}" for first, end in row.ranges],
                    "bytes": row.bytes,
                    "of": row.size_bytes,
                    **kept.as_fact(listening.ground),
                },
            )
            await audit.append(conn, entry, self._clocks.now())
        await listenings.told(conn, listening.id)


@dataclass(slots=True, kw_only=True)
class _Heard:
    """Somebody who is being sent audio."""

    listening_id: UUID
    again: Again
    who: Principal | None = None
    scope: Scope | None = None
    checked_at: float = 0.0
