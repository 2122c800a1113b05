"""That the service is there: told to the dialplan by a heartbeat, and when it was not, kept for the ledger.

    there ──Gap──► away since the PBX was heard last ──ResyncDone──► there
      ├──the program ended──► away since the last heartbeat ──ResyncDone──► there
      ├──the journal hangs──► away since an order waits for it ──none waits──► there
      └──an answer waits to be heard, or nothing at all is done──► away for that time ──► there
    what was missed in an absence is told again after the resync: it lasts until that is done, too

Several of these at once are one absence, until the last of them is over.

A file in the state folder holds the time of the last heartbeat: how it ended, nobody has to tell. And the absences the
database does not have yet, or a service killed soon after its start would take one with it. Before the first start
there was no service at all. Of an absence that goes on, the row is written anew until it is over: who looks at the
ledger meanwhile sees why.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import structlog
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.domain.absences import Absence
from ari_recorder.domain.errors import RecorderError
from ari_recorder.storage import absences
from ari_recorder.storage.db import Database

log = structlog.get_logger(__name__)

# A disk that works takes milliseconds.
_PATIENCE = timedelta(seconds=1)
# Who could do nothing for so long was not there. Half of what the ledger forgives a recording in length.
NOTICED = timedelta(seconds=0.5)
STORED_EVERY = timedelta(seconds=5)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_FILE = "presence"
_VARIABLE = "ARI_RECORDER_HEARTBEAT"


class Lack(Enum):
    """What the service cannot do without."""

    PBX = "pbx"
    JOURNAL = "journal"
    MISSED = "missed"  # that what was missed is told again


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    heartbeat: AwareDatetime
    over: tuple[Absence, ...]


_KEPT = TypeAdapter(_Kept)


def _kept(over: Iterable[Absence]) -> bytes:
    return _KEPT.dump_json(_Kept(heartbeat=datetime.now(UTC), over=tuple(over)))


class Presence:
    """`beat` and `store` are jobs of the service. `folder` is the state folder."""

    def __init__(
        self, *, ami: AmiSession, database: Database, folder: Path, heartbeat_seconds: float, pbx: str | None = None
    ) -> None:
        """`pbx`: what it calls itself, as the configuration has it."""
        self._ami = ami
        self._database = database
        self._pbx = pbx
        self._path = folder / _FILE
        self._heartbeat_seconds = heartbeat_seconds
        self._again = asyncio.Event()
        # Until a resync is through, nobody is there: since the last run's last heartbeat.
        self._open: Absence | None = None
        self._lacks: set[Lack] = set()
        self._over: list[Absence] = []
        self._keeping: asyncio.Future[None] | None = None

    def load(self) -> None:
        """Where the last run ended, and what it had not stored. What cannot be read is as if there had been no run."""
        try:
            kept = _KEPT.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            kept = _Kept(heartbeat=NEVER, over=())
        self._over = list(kept.over)
        because = "the service did not run" if kept.heartbeat > NEVER else "the service was not there yet"
        self.lost(kept.heartbeat, because)

    def lost(self, at: datetime, because: str, lack: Lack = Lack.PBX) -> None:
        """It was there last at `at`. Nothing changes when nobody was there anyway."""
        self._lacks.add(lack)
        if self._open is None:
            self._open = Absence(since=at, until=at, because=because, over=False)

    def extend(self, lack: Lack) -> None:
        """An absence that goes on lasts until that is there, too. Nothing changes when somebody is there."""
        if self._open is not None:
            self._lacks.add(lack)

    def back(self, at: datetime, lack: Lack = Lack.PBX) -> None:
        """The PBX: what it has is known again."""
        self._lacks.discard(lack)
        if self._open is not None and not self._lacks:
            self._over.append(replace(self._open, until=max(self._open.since, at), over=True))
            self._open = None
        self._again.set()

    def was_away(self, since: datetime, until: datetime, because: str) -> None:
        """It was there, and could not do anything in that time. Nothing changes when nobody was there anyway."""
        if self._open is not None:
            return
        if self._over and self._over[-1].because == because and since <= self._over[-1].until:
            before = self._over.pop()
            since, until = min(since, before.since), max(until, before.until)
        self._over.append(Absence(since=since, until=until, because=because))

    def _note_pause(self, late: timedelta) -> None:
        """Nothing at all is done in a program that does not get the processor."""
        if late > NOTICED:
            now = datetime.now(UTC)
            self.was_away(now - late, now, "the service did not get the processor")

    async def beat(
        self, *, able: Callable[[], bool], ours: Callable[[], bool], look: Callable[[], Awaitable[None]]
    ) -> None:
        """Tell the dialplan again and again that its net may stay off; or, when we are not `able` or do not know yet
        what was missed, that it is needed. `look` before each, as long as a disk that hangs does not keep it."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(look(), _PATIENCE.total_seconds())
            there = able() and self._open is None
            await self.tell(str(int(time.time())) if there else "0", ours=ours)
            self._again.clear()
            due = time.monotonic() + self._heartbeat_seconds
            with contextlib.suppress(TimeoutError):  # at once when live again: until then its net is on
                await asyncio.wait_for(self._again.wait(), self._heartbeat_seconds)
            self._note_pause(timedelta(seconds=time.monotonic() - due))

    async def tell(self, heartbeat: str, *, ours: Callable[[], bool]) -> None:
        if not (self._ami.live and ours()):
            return
        try:
            await self._ami.set_global(_VARIABLE, heartbeat)
        except RecorderError as error:
            log.warning("heartbeat_fail", code=error.code)
            return
        if self._open is None and (self._keeping is None or self._keeping.done()):
            self._keeping = asyncio.get_running_loop().run_in_executor(None, self._keep, _kept(self._over))
            await asyncio.wait({self._keeping}, timeout=_PATIENCE.total_seconds())

    def _keep(self, kept: bytes) -> None:
        """At once or not at all; the disk is not waited for, so a loss of power may cost the last ones. What cannot be
        written is told elsewhere, and the absence begins earlier then."""
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.write_bytes(kept)
            fresh.replace(self._path)

    async def store(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._store()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), STORED_EVERY.total_seconds())
        await self._store()

    def newest(self) -> tuple[Absence, ...]:
        """Those the database may not have, or not as they are now."""
        now = datetime.now(UTC)
        going_on = () if self._open is None else (replace(self._open, until=max(self._open.since, now)),)
        return (*self._over, *going_on)

    async def _store(self) -> None:
        over = len(self._over)
        if not (found := self.newest()):
            return
        try:
            async with self._database.transaction() as conn:
                await absences.upsert(conn, found, self._pbx)
        except RecorderError as error:
            log.warning("absence_store_fail", code=error.code)  # kept, and tried again
        else:
            self._over = self._over[over:]
