"""Recording calls: each event through the call machine, each new state into the journal, then each order carried out.

    AMI events ──┐
    closed files ┼─► inbox (bounded, in order) ─► switchboard ─► journal (fsync) ─► orders of that call, in sequence
    outcomes ────┘                                                                      │
         ▲──────────────────────────────────────────────────────────────────────────────┘

One consumer decides; nothing slow happens in it. What is decided is domain/, in which order it is carried out
services/orders.py, and how services/effects.py.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from ari_recorder.asterisk import sounds
from ari_recorder.asterisk.ami import AmiHealth, AmiSession
from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_watch import Closed, SpoolWatch, Unsure, Writer, writer
from ari_recorder.domain.calls import Call
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.events import (
    AgentConnect,
    ChannelRow,
    Event,
    FilesClosed,
    Gap,
    ResyncBegan,
    ResyncDone,
    Uniqueid,
)
from ari_recorder.domain.recordings import FINAL, Recording, RecordingState
from ari_recorder.domain.switchboard import Change, Switchboard
from ari_recorder.services.adopt import Adoption
from ari_recorder.services.backlog import Backlog
from ari_recorder.services.callers import SealedCallers
from ari_recorder.services.effects import Effects
from ari_recorder.services.keys import key_names
from ari_recorder.services.live import LiveSealer
from ari_recorder.services.meters import Meters
from ari_recorder.services.orders import NO_CALL, Orders
from ari_recorder.services.presence import NOTICED, Presence
from ari_recorder.services.retelling import Retelling
from ari_recorder.services.seal import Sealer
from ari_recorder.services.store import CallStore, Waiting, has_row
from ari_recorder.storage.db import Database
from ari_recorder.storage.journal import Journal
from ari_recorder.supervise import until
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.public_keys import PublicKeys
from ari_recorder.vault.recordings import Vault

log = structlog.get_logger(__name__)

# Enough for the burst of a resync; beyond it the AMI session's own bounded queue takes over.
INBOX = 10_000
# Files that MixMonitor has open, or has just closed.
WRITTEN = (RecordingState.CAPTURING, RecordingState.STOPPING)
# Longer than this a disk hangs: orders wait for it, so the dialplan's net is to record.
JOURNAL_WITHIN = 2.0
# Orders to the PBX take milliseconds; one that hangs is known to the journal.
GRACE_SECONDS = 5.0


class Recorder:
    """Built by daemon.py, which keeps its jobs: hear, decide, watch_spool, seal_live, catch_up, beat, store."""

    def __init__(
        self,
        *,
        ami: AmiSession,
        spool: Spool,
        vault: Vault,
        public: PublicKeys,
        journal: Journal,
        database: Database,
        switchboard: Switchboard,
        adoption: Adoption,
        sounds_folder: Path,
        pbx_name: str | None,
        live: LiveSealer,
        kept_as: Mapping[str, Codec],
        presence: Presence,
        growth_deadline_seconds: float,
        meters: Meters | None = None,
        place: tuple[str, UUID | None] | None = None,
    ) -> None:
        meters = meters or Meters()
        self._ami = ami
        self._spool = spool
        self._journal = journal
        self._board = switchboard
        self._sounds = sounds_folder
        self._pbx_name = pbx_name
        self.presence = presence
        self._inbox: asyncio.Queue[Event] = asyncio.Queue(INBOX)
        self._calls: dict[UUID, Call] = {}
        self._callers = SealedCallers(public)
        self._right = False  # the PBX at the other end is ours
        self._resynced = asyncio.Event()
        self._backlog = Backlog()
        self._store = CallStore(
            database=database,
            queues=switchboard.policy.queues,
            newest=self._calls.get,
            personal=self._callers.of,
            stored=self._over,
            meters=meters,
            place=place,
            bucket=vault.files.store.place.name if vault.files.store is not None else None,
        )
        self._live = live
        self._sealer = Sealer(
            vault=vault,
            spool=spool,
            live=live,
            kept_as=kept_as,
            resume_guard=switchboard.policy.resume_guard,
            tell=self._inbox.put,
            meters=meters,
        )
        self._effects = Effects(
            ami=ami,
            spool=spool,
            sealer=self._sealer,
            tell=self._inbox.put,
            store=self._store.put,
            growth_deadline=timedelta(seconds=growth_deadline_seconds),
        )
        self._orders = Orders(self._effects, presence)
        self._retelling = Retelling(
            adoption=adoption,
            inbox=self._inbox,
            presence=presence,
            calls=lambda: self.calls,
            busy=lambda: self._inbox.qsize() + self._orders.waiting,
        )

    # --- life

    async def load(self) -> None:
        """Calls from before the restart: their state, and what was ordered and may not have happened."""
        for call, personal in await asyncio.to_thread(self._journal.load):
            if personal is not None:
                self._callers.carry_on(call.id, personal)
            change = self._board.load(call, _now())
            if call.finished:  # as the journal has it: there is nothing to write, and no hurry
                self._calls[call.id] = call
                self._backlog.add(change)
            else:
                self._apply(change)
            if call.finished or any(r.state in FINAL for r in call.recordings):
                self._store.put(call.id)
        await self._live.tell_orphans(recording.id for call in self.calls for recording in call.recordings)

    async def catch_up(self, stop: asyncio.Event) -> None:
        await until(stop, self._backlog.run(self._resynced, self._order_again))

    def _order_again(self, change: Change) -> None:
        if change.call is not None and change.call.id in self._calls:  # it was not stored meanwhile
            self._orders.give(change.call.id, change.call, None, change.commands)

    async def hear(self, stop: asyncio.Event) -> None:
        await until(stop, self._hear())

    async def _hear(self) -> None:
        """Events of the PBX into the inbox. A full inbox makes the AMI session hold them back, bounded there too."""
        asked = _now()
        living: set[Uniqueid] = set()
        async for event in self._ami.events():
            match event:
                case Gap():
                    self._retelling.void()
                    await self._inbox.put(event)
                    self.presence.lost(event.at, event.because)
                    self._right = False  # who answers next is not known yet
                    continue
                case ResyncBegan():
                    self._retelling.void()
                    self._right = self._is_our_pbx(event.system_name)
                    asked, living = event.at, set()
                case ChannelRow():
                    living.add(event.uniqueid)
                case ResyncDone() if self._right and event.complete:
                    self._retelling.begin(event, living, asked)
                    continue
            if self._right:
                await self._inbox.put(event)

    def _is_our_pbx(self, system_name: str) -> bool:
        """Calls are known by system name and Uniqueid: those of another PBX must not be mixed in."""
        if self._pbx_name is None:
            self._board.system_name = system_name
        elif system_name != self._pbx_name:
            because = (
                f"the PBX calls itself {system_name!r}, pbx.system_name says {self._pbx_name!r}; nothing is recorded"
            )
            log.error("alarm", alarm=AlarmCode.WRONG_PBX.value, subject=system_name, because=because)
            return False
        return True

    async def watch_spool(self, stop: asyncio.Event) -> None:
        await until(stop, self._watch_spool())

    async def _watch_spool(self) -> None:
        """Files that were closed for good."""
        with SpoolWatch(self._spool) as watch:
            # From before we watched. One that is being started has no files yet, which would look like closed ones.
            await self._look_at(recording.base for recording in self.written)
            async for news in watch:
                match news:
                    case Closed():
                        await self._tell_closed(news.base)
                    case Unsure():
                        await self._look_at(news.bases)

    async def _look_at(self, bases: Iterable[str]) -> None:
        for base in tuple(bases):
            if await writer(self._spool, base) is Writer.CLOSED:
                await self._tell_closed(base)

    async def _tell_closed(self, base: str) -> None:
        recording_id = next((r.id for call in self.calls for r in call.recordings if r.base == base), None)
        if recording_id is not None:
            await self._inbox.put(FilesClosed(at=_now(), recording_id=recording_id))

    async def decide(self, stop: asyncio.Event) -> None:
        await until(stop, self._decide_all())

    async def _decide_all(self) -> None:
        """The one consumer."""
        while True:
            event = await self._inbox.get()
            if isinstance(event, AgentConnect):
                self._note_delay(event.at)
            try:
                self._decide(event)
                if isinstance(event, ResyncDone):
                    self.presence.back(_now())
                    self._resynced.set()
            except Exception as error:
                # One event that cannot be handled must not end recording; what call it was is in the journal.
                log.error("event_fail", name=type(event).__name__, error=type(error).__name__)

    def _note_delay(self, at: datetime) -> None:
        """An answer that had to wait is as if nobody had been there to hear it."""
        if (now := _now()) - at > NOTICED:
            self.presence.was_away(at, now, "the service had more to do than it could")

    async def beat(self, stop: asyncio.Event) -> None:
        beating = self.presence.beat(able=lambda: self.journal_works, ours=lambda: self._right, look=self._read_sounds)
        await until(stop, beating)
        await self.presence.tell("0", ours=lambda: self._right)  # from now on the dialplan's net records

    async def _read_sounds(self) -> None:
        """Take note of replaced ones."""
        found = await asyncio.to_thread(sounds.read, self._sounds)
        self._board.policy = replace(self._board.policy, sounds=found)

    async def talk(self, stop: asyncio.Event) -> None:
        await until(stop, self._ami.run())

    async def store(self, stop: asyncio.Event) -> None:
        await self._store.run(stop)

    async def aclose(self) -> None:
        """What was ordered is carried out as far as it goes; the journal and the spool hold the rest."""
        self._retelling.stop()
        await self._orders.settle(GRACE_SECONDS)
        await self._effects.aclose()

    async def seal_live(self, stop: asyncio.Event) -> None:
        await self._live.run(stop, lambda: self.written)

    def key_names(self) -> frozenset[str]:
        """The keys that calls need which are not in the database yet, or not finished."""
        return key_names(self.calls, self._callers.values())

    def is_over(self, uniqueid: str) -> bool:
        return self._board.is_over(Uniqueid(uniqueid))

    @property
    def caught_up(self) -> bool:
        """What the PBX told until now is decided. Who is behind has not missed anything yet."""
        return self._inbox.empty() and not self._ami.health().waiting and not self._retelling.holds

    async def ask(self) -> None:
        """Ask the PBX for all it has, as after a reconnect. AmiNotLive, AmiActionRefused or AmiOutcomeUnknown."""
        await self._ami.resync()

    # --- how it is, for monitoring

    @property
    def pbx(self) -> AmiHealth:
        return self._ami.health()

    @property
    def pbx_live(self) -> bool:
        return self._ami.live

    @property
    def is_our_pbx(self) -> bool:
        """Of the PBX at the other end, while there is one."""
        return self._right

    @property
    def system_name(self) -> str | None:
        """What the PBX calls itself, while it is ours and there."""
        return self._board.system_name if self._right else None

    @property
    def journal_works(self) -> bool:
        """It took what it was given last, and does not hang."""
        return self._orders.journal_took_last and self._journal.busy_seconds < JOURNAL_WITHIN

    @property
    def waiting(self) -> Waiting:
        """Calls whose row in the database is older than they are."""
        return self._store.waiting

    @property
    def unsealed(self) -> Waiting:
        """Recordings that are over and not sealed. A quarantine, which may be old, waits behind them."""
        ended = [
            r.ended_at
            for call in self.calls
            if call.quarantine is None
            for r in call.recordings
            if r.state is RecordingState.CLOSED and r.ended_at is not None
        ]
        return Waiting(count=len(ended), oldest_at=min(ended, default=None))

    @property
    def calls(self) -> tuple[Call, ...]:
        return self._board.calls

    @property
    def written(self) -> tuple[Recording, ...]:
        """The recordings whose files MixMonitor has open, or has just closed."""
        return tuple(r for call in self.calls for r in call.recordings if r.state in WRITTEN)

    # --- one event

    def _decide(self, event: Event) -> None:
        for change in self._board.feed(event):
            self._apply(change)

    def _apply(self, change: Change) -> None:
        call = change.call
        if call is None:
            for command in change.commands:
                self._orders.give(NO_CALL, None, None, (command,))
            return
        self._calls[call.id] = call
        durable = asyncio.ensure_future(self._journal.append(replace(call, caller=None), self._callers.of(call)))
        self._orders.give(call.id, call, durable, change.commands)

    async def _over(self, call: Call) -> None:
        """The call is finished and stored: nothing of it is needed here any more. Unless more was told of it meanwhile:
        then it is stored anew, and this is not its end."""
        await self._orders.of(call.id)
        for recording in call.recordings:  # its key is in the database, if it was not in the journal
            if recording.state is RecordingState.SEALED:
                await self._sealer.forget(recording.id, recording.base)
        if self._calls.get(call.id) is call:
            await self._journal.retire(call.id)  # a newer state, from here on, is behind that
        if self._calls.get(call.id) is not call:
            self._store.put(call.id)
            return
        self._board.forget(call.uniqueid, stored=has_row(call))
        self._calls.pop(call.id, None)
        self._callers.forget(call.id)


def _now() -> datetime:
    return datetime.now(UTC)
