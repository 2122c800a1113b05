"""What happened while nobody listened, as spool and queue_log tell it: calls of the dialplan's net, codes, orphans.

What is proved by its name is told again as a call; the rest stays where it is, with one alarm, unless it holds nothing.
queue_log is read in a thread, once for all that is wanted, and only the lines of the wanted callers are kept. Its
rotated predecessors (queue_log.1, queue_log.2.gz, queue_log-20260101 …) are read where they may hold a wanted line.
"""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from glob import escape
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_watch import Writer, writer
from ari_recorder.domain.adoption import LoggedCode, NetRecording, logged_codes, retell
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import SpoolUnusable
from ari_recorder.domain.events import Event, Uniqueid
from ari_recorder.domain.evidence import read_evidence, split_net_base

log = structlog.get_logger(__name__)

BYTES_PER_SECOND = 16_000  # 16 bit, 8000 Hz, mono
# Files that began later may be of a call that became known after the question was asked.
YOUNG = timedelta(seconds=60)
# Where the kernel does not tell who writes (the files are another user's): no call waits this long in a queue.
ABANDONED = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A call to be told again: its events, after which it is over, and was so at `ended_at`.

    `announced_at`: a call that was announced after the PBX was asked for its channels may still be alive.
    """

    uniqueid: Uniqueid
    events: tuple[Event, ...]
    announced_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two files of the spool that belong to no call we have."""

    base: str
    size: int  # of the longer one
    written_at: datetime

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.size / BYTES_PER_SECOND)


class Adoption:
    """One for a run of the service: it remembers which orphans it has told of."""

    def __init__(self, *, spool: Spool, queue_log: Path, secret: str) -> None:
        self._spool = spool
        self._queue_log = queue_log
        self._secret = secret
        self._told: set[str] = set()

    async def find(self, known: Collection[str], living: Collection[str]) -> AsyncIterator[Found]:
        """`known` are the bases of calls we have, `living` the Uniqueids of calls that still go on.

        Orphans are told of after the last one was found.
        """
        found, orphans = await asyncio.to_thread(self._look, frozenset(known), frozenset(living))
        for call in found:
            yield call
        await asyncio.gather(*(self._dispose(pair) for pair in orphans))

    async def codes(self, callers: Collection[Uniqueid], since: datetime) -> tuple[LoggedCode, ...]:
        """The codes pressed in the calls of these callers since then, as queue_log has them, oldest first."""
        lines = await asyncio.to_thread(self._lines, frozenset(callers), since)
        codes = logged_codes(self._secret, (line for one in lines.values() for line in one))
        return tuple(code for code in codes if code.event.pressed >= since)

    # --- in a thread

    def _look(self, known: frozenset[str], living: frozenset[str]) -> tuple[list[Found], list[_Pair]]:
        nets: dict[Uniqueid, list[tuple[NetRecording, _Pair]]] = {}
        orphans: list[_Pair] = []
        for base in self._spool.scan().bases:
            if base in known or (pair := self._pair(base)) is None:
                continue
            uniqueid, net = self._net(pair)
            if net is None:
                orphans.append(pair)
            elif uniqueid not in living:
                nets.setdefault(uniqueid, []).append((net, pair))
        if not nets:
            return [], orphans
        oldest = min(net.claim.started for several in nets.values() for net, _ in several)
        lines = self._lines(nets.keys(), oldest)
        found = []
        for uniqueid, several in nets.items():
            # A caller nobody took, and who came to a second queue, has an empty pair of the first. Only one can talk.
            net, told = max(several, key=lambda one: (one[0].length, one[0].claim.done))
            call = retell(self._secret, uniqueid, net, lines[uniqueid])
            orphans += [pair for _, pair in several if pair is not told or call is None]
            if call is not None:
                found.append(
                    Found(
                        uniqueid=uniqueid,
                        events=call.events,
                        announced_at=max(net.claim.done for net, _ in several),
                        ended_at=call.ended_at,
                    )
                )
        return found, orphans

    def _pair(self, base: str) -> _Pair | None:
        files = self._spool.files(base)
        there = []
        for path in (files.caller, files.agent):
            try:
                there.append(path.lstat())
            except FileNotFoundError:
                continue
        if not there:  # gone since it was seen
            return None
        return _Pair(
            base=base,
            size=max(one.st_size for one in there),
            written_at=datetime.fromtimestamp(max(one.st_mtime for one in there), UTC),
        )

    def _net(self, pair: _Pair) -> tuple[Uniqueid, NetRecording | None]:
        parts = split_net_base(pair.base)
        claim = read_evidence(self._secret, *parts) if parts is not None else None
        if parts is None or claim is None:
            return Uniqueid(""), None
        return Uniqueid(parts[0]), NetRecording(
            base=pair.base, claim=claim, length=pair.length, written_at=pair.written_at
        )

    def _lines(self, callers: Collection[Uniqueid], since: datetime) -> Mapping[Uniqueid, list[str]]:
        """The lines of these callers, in order."""
        wanted = {caller.encode(): caller for caller in callers}
        found: dict[Uniqueid, list[str]] = {caller: [] for caller in callers}
        for path in self._logs(since) if wanted else ():
            try:
                with _opened(path) as file:
                    for line in file:
                        fields = line.split(b"|", 2)
                        if len(fields) == 3 and (caller := wanted.get(fields[1])) is not None:
                            found[caller].append(line.decode(errors="replace"))
            except (OSError, EOFError, zlib.error) as error:
                log.error("queue_log_unreadable", error=type(error).__name__)
        return found

    def _logs(self, since: datetime) -> Iterator[Path]:
        """queue_log, after those of its predecessors that were still written to then, oldest first."""
        before = []
        for path in self._queue_log.parent.glob(f"{escape(self._queue_log.name)}[.-]*"):
            try:
                changed = path.stat().st_mtime
            except OSError:
                continue
            if changed >= since.timestamp() - 1:  # queue_log is in whole seconds
                before.append((changed, path))
        yield from (path for _, path in sorted(before))
        yield self._queue_log

    # --- orphans

    async def _dispose(self, pair: _Pair) -> None:
        now = datetime.now(UTC)
        if now - (pair.written_at - pair.length) < YOUNG:
            return
        if pair.size == 0:
            state = await writer(self._spool, pair.base)
            if state is Writer.CLOSED or (state is Writer.QUIET and now - pair.written_at > ABANDONED):
                try:
                    await asyncio.to_thread(self._spool.discard, pair.base)
                except SpoolUnusable as error:
                    log.warning("empty_orphan_remove_fail", code=error.code)
        elif pair.base not in self._told:
            self._told.add(pair.base)
            log.error("alarm", alarm=AlarmCode.ORPHAN_IN_SPOOL.value, subject=_subject(pair.base))


def _opened(path: Path) -> BinaryIO:
    # A file of gzip is read as what it holds; both give bytes line by line.
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _subject(base: str) -> str:
    """A name from the spool may be anybody's: only what is certainly an id is repeated."""
    parts = split_net_base(base)
    if parts is not None:
        return parts[0]
    try:
        return str(UUID(base))
    except ValueError:
        return "a file in the spool"
