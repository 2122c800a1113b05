"""What happened while nobody listened, as spool and queue_log tell it: calls of the dialplan's net, codes, orphans.

What is proved by its name is told again as a call. The rest are orphans:

    it holds nothing                                                     removed
    somebody may write to it, own it still, or have stored it already    stays where it is, with one alarm
    audio, and nobody's                                                  told, to be put in quarantine

Every few minutes, and after each reconnect, the PBX is asked for all it has, and orphans are looked at anew.
queue_log is read in a thread, once for all that is wanted, and only the lines of the wanted callers are kept.
"""

import asyncio
import stat
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_watch import Writer, writer
from ari_recorder.domain.adoption import NetRecording, logged_codes, retell
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import QueueLogUnreadable, RecorderError, SpoolUnusable
from ari_recorder.domain.events import CallRetold, CodePressed, Uniqueid
from ari_recorder.domain.evidence import read_evidence, split_net_base
from ari_recorder.domain.quarantine import Orphaned, QuarantineReason
from ari_recorder.services.queue_logs import QUEUE_LOG, LogUnreadable, read_lines

log = structlog.get_logger(__name__)

# Codes are looked for in logs that far back.
LONGEST_CALL = timedelta(days=1)
# Files that began later may be of a call that became known after the question was asked.
YOUNG = timedelta(seconds=60)
# Where the kernel does not tell who writes (the files are another user's): no call waits this long in a queue. And so
# long a log that cannot be read is waited for, which may know the call.
ABANDONED = timedelta(days=1)
# Of ids made of a name, a length and a time; ours alone.
_NAMESPACE = UUID("0c0a5ca6-2e0f-5c8e-8c34-6d1c4f5b7f2e")

# Which of these recordings the database has already. RecorderError when it cannot be asked.
Stored = Callable[[Collection[UUID]], Awaitable[frozenset[UUID]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What has to be told afterwards: codes, whole calls; and files that are nobody's (`dispose` of them)."""

    codes: tuple[CodePressed, ...]
    calls: tuple[CallRetold, ...]
    orphans: "tuple[Orphan, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two files of the spool that belong to no call we have."""

    base: str
    length: timedelta
    written_at: datetime
    ordinary: bool  # what stands there are files

    @property
    def began(self) -> datetime:
        """At the latest: MixMonitor writes only while the caller is bridged."""
        return self.written_at - self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A pair that is nobody's, and why. `uniqueid`: of its call, which is over; empty where the name proves none.
    `unsure`: a log that cannot be read may know the call."""

    pair: _Pair
    because: QuarantineReason
    uniqueid: Uniqueid
    unsure: bool = False


class Adoption:
    """One for a run of the service: it remembers which orphans it has told of."""

    def __init__(
        self, *, spool: Spool, queue_log: Path, secret: str, over: Callable[[Uniqueid], bool], stored: Stored
    ) -> None:
        """`over`: this call was here, and is stored."""
        self._spool = spool
        self._queue_log = queue_log
        self._secret = secret
        self._over = over
        self._stored = stored
        self._told: set[str] = set()

    async def missed(
        self, *, known: Collection[str], living: Collection[Uniqueid], open_calls: Collection[Uniqueid], asked: datetime
    ) -> Missed:
        """`known` are the bases of recordings we have, `living` the Uniqueids of channels the PBX has, by its answer to
        what we asked at `asked`; `open_calls` those whose codes are wanted.

        A call that was announced after that told of itself.
        """
        return await asyncio.to_thread(self._missed, frozenset(known), frozenset(living), tuple(open_calls), asked)

    async def dispose(self, orphans: Collection["Orphan"], tell: Callable[[Orphaned], Awaitable[None]]) -> None:
        """Tells of those to be put in quarantine. What holds nothing is removed; of the others there is one alarm."""
        looked = await asyncio.gather(*(self._dispose(orphan) for orphan in orphans))
        for told in await self._not_stored([told for told in looked if told is not None]):
            await tell(told)

    async def _not_stored(self, found: Collection[Orphaned]) -> tuple[Orphaned, ...]:
        """What was sealed once is not sealed again, though the journal that knew it was lost."""
        try:
            stored = await self._stored([told.fresh for told in found]) if found else frozenset()
        except RecorderError as error:
            log.warning("quarantine_wait", code=error.code, waiting=len(found))  # in the spool, until the next look
            return ()
        for told in found:
            if told.fresh in stored:
                self._tell(told.base)
        return tuple(told for told in found if told.fresh not in stored)

    # --- in a thread

    def _missed(
        self, known: frozenset[str], living: frozenset[str], open_calls: tuple[Uniqueid, ...], asked: datetime
    ) -> Missed:
        nets: dict[Uniqueid, list[tuple[NetRecording, _Pair]]] = {}
        orphans: list[Orphan] = []
        for base in self._spool.scan().bases:
            if base in known or (pair := self._pair(base)) is None:
                continue
            uniqueid, net = self._net(pair)
            if net is None:
                orphans.append(Orphan(pair=pair, because=QuarantineReason.NO_EVIDENCE, uniqueid=uniqueid))
            elif uniqueid not in living and self._over(uniqueid):
                orphans.append(Orphan(pair=pair, because=QuarantineReason.SECOND_RECORDING, uniqueid=uniqueid))
            elif uniqueid not in living and net.claim.done < asked:
                nets.setdefault(uniqueid, []).append((net, pair))
        begins = [net.claim.started for several in nets.values() for net, _ in several]
        lines, is_whole = self._lines({*nets, *open_calls}, min([asked - LONGEST_CALL, *begins]))
        calls = []
        for uniqueid, several in nets.items():
            # A caller nobody took, and who came to a second queue, has an empty pair of the first. Only one can talk.
            net, told = max(several, key=lambda one: (one[0].length, one[0].claim.done))
            call = retell(self._secret, uniqueid, net, lines[uniqueid])
            because = QuarantineReason.UNKNOWN_CALL if call is None else QuarantineReason.SECOND_RECORDING
            orphans += [
                Orphan(pair=pair, because=because, uniqueid=uniqueid, unsure=call is None and not is_whole)
                for _, pair in several
                if pair is not told or call is None
            ]
            if call is not None:
                calls.append(call)
        wanted = (line for uniqueid in open_calls for line in lines[uniqueid])
        return Missed(codes=logged_codes(self._secret, wanted), calls=tuple(calls), orphans=tuple(orphans))

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
            length=self._spool.sizes(base).length,
            written_at=datetime.fromtimestamp(max(one.st_mtime for one in there), UTC),
            ordinary=all(stat.S_ISREG(one.st_mode) for one in there),
        )

    def _net(self, pair: _Pair) -> tuple[Uniqueid, NetRecording | None]:
        parts = split_net_base(pair.base)
        claim = read_evidence(self._secret, *parts) if parts is not None else None
        if parts is None or claim is None:
            return Uniqueid(""), None
        return Uniqueid(parts[0]), NetRecording(
            base=pair.base, claim=claim, length=pair.length, written_at=pair.written_at
        )

    def _lines(self, callers: Collection[Uniqueid], since: datetime) -> tuple[Mapping[Uniqueid, list[str]], bool]:
        """The lines of these callers, in order. What cannot be read is told, and is as if it were not there; then the
        answer is not whole."""
        found: dict[Uniqueid, list[str]] = {caller: [] for caller in callers}
        if not found:
            return found, True
        faults: list[LogUnreadable] = []
        try:
            lines = read_lines(
                self._queue_log,
                since,
                kind=QUEUE_LOG,
                wanted=lambda line: _caller_of(line) in found,
                unreadable=faults.append,
            )
        except QueueLogUnreadable as error:
            lines = []
            faults.append(error)
        for fault in faults:
            log.error("queue_log_unreadable", because=str(fault))
        for line in lines:
            found[_caller_of(line)].append(line)
        return found, not faults

    # --- orphans

    async def _dispose(self, orphan: Orphan) -> Orphaned | None:
        """What becomes of it now: audio that is nobody's is given back."""
        if datetime.now(UTC) - orphan.pair.began < YOUNG:
            return None
        state = await writer(self._spool, orphan.pair.base)
        # Looked at once more: what was closed just now has grown since.
        pair = await asyncio.to_thread(self._pair, orphan.pair.base)
        if pair is None:
            return None
        forgotten = datetime.now(UTC) - pair.written_at > ABANDONED
        if not pair.length:
            if state is Writer.CLOSED or (state is Writer.QUIET and forgotten):
                await self._discard(pair)
            return None
        # Without its channel nothing can be written any more; of most files nobody knows a channel.
        closed = state is Writer.CLOSED or (state is Writer.QUIET and (forgotten or bool(orphan.uniqueid)))
        if not closed or not pair.ordinary or (orphan.unsure and not forgotten):
            self._tell(pair.base)
            return None
        return _orphaned(replace(orphan, pair=pair))

    async def _discard(self, pair: _Pair) -> None:
        try:
            await asyncio.to_thread(self._spool.discard, pair.base)
        except SpoolUnusable as error:
            log.warning("empty_orphan_remove_fail", code=error.code)

    def _tell(self, base: str) -> None:
        if base not in self._told:
            self._told.add(base)
            log.error("alarm", alarm=AlarmCode.ORPHAN_IN_SPOOL.value, subject=_subject(base))


def _orphaned(orphan: Orphan) -> Orphaned:
    """Its id is made of what is known of the files, so that it is the same after any crash. One that is named by an id
    keeps it: what was sealed of it while it was made lies under that one."""
    pair = orphan.pair
    return Orphaned(
        at=datetime.now(UTC),
        base=pair.base,
        fresh=_own_id(pair.base) or uuid5(_NAMESPACE, f"{pair.base} {pair.written_at.isoformat()}"),
        because=orphan.because,
        uniqueid=orphan.uniqueid,
        began=pair.began,
        ended=pair.written_at,
    )


def _caller_of(line: str) -> Uniqueid:
    return Uniqueid(line.partition("|")[2].partition("|")[0])


def _subject(base: str) -> str:
    """A name from the spool may be anybody's: only what is certainly an id is repeated."""
    parts = split_net_base(base)
    if parts is not None:
        return parts[0]
    own = _own_id(base)
    return str(own) if own is not None else "a file in the spool"


def _own_id(base: str) -> UUID | None:
    """Of a recording that this service ordered, in this run or an earlier one."""
    try:
        return UUID(base) if str(UUID(base)) == base else None
    except ValueError:
        return None
