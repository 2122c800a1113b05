"""What happened while nobody listened, as spool and queue_log tell it: calls of the dialplan's net, codes, orphans.

What is proved by its name is told again as a call; the rest stays where it is, with one alarm, unless it holds nothing.
queue_log is read in a thread, once for all that is wanted, and only the lines of the wanted callers are kept.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_watch import Writer, writer
from ari_recorder.domain.adoption import NetRecording, logged_codes, retell
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.errors import QueueLogUnreadable, SpoolUnusable
from ari_recorder.domain.events import CallRetold, CodePressed, Uniqueid
from ari_recorder.domain.evidence import read_evidence, split_net_base
from ari_recorder.services.queue_logs import read_lines

log = structlog.get_logger(__name__)

# Codes are looked for in logs that far back.
LONGEST_CALL = timedelta(days=1)
# Files that began later may be of a call that became known after the question was asked.
YOUNG = timedelta(seconds=60)
# Where the kernel does not tell who writes (the files are another user's): no call waits this long in a queue.
ABANDONED = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What has to be told afterwards: codes, whole calls; and files that are nobody's (`dispose` of them)."""

    codes: tuple[CodePressed, ...]
    calls: tuple[CallRetold, ...]
    orphans: "tuple[_Pair, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two files of the spool that belong to no call we have."""

    base: str
    length: timedelta
    written_at: datetime


class Adoption:
    """One for a run of the service: it remembers which orphans it has told of."""

    def __init__(self, *, spool: Spool, queue_log: Path, secret: str) -> None:
        self._spool = spool
        self._queue_log = queue_log
        self._secret = secret
        self._told: set[str] = set()

    async def missed(
        self, *, known: Collection[str], living: Collection[Uniqueid], open_calls: Collection[Uniqueid], asked: datetime
    ) -> Missed:
        """`known` are the bases of recordings we have, `living` the Uniqueids of channels the PBX has, by its answer to
        what we asked at `asked`; `open_calls` those whose codes are wanted.

        A call that was announced after that told of itself.
        """
        return await asyncio.to_thread(self._missed, frozenset(known), frozenset(living), tuple(open_calls), asked)

    async def dispose(self, orphans: Collection["_Pair"]) -> None:
        """Tell of each once; remove those that hold nothing."""
        await asyncio.gather(*(self._dispose(pair) for pair in orphans))

    # --- in a thread

    def _missed(
        self, known: frozenset[str], living: frozenset[str], open_calls: tuple[Uniqueid, ...], asked: datetime
    ) -> Missed:
        nets: dict[Uniqueid, list[tuple[NetRecording, _Pair]]] = {}
        orphans: list[_Pair] = []
        for base in self._spool.scan().bases:
            if base in known or (pair := self._pair(base)) is None:
                continue
            uniqueid, net = self._net(pair)
            if net is None:
                orphans.append(pair)
            elif uniqueid not in living and net.claim.done < asked:
                nets.setdefault(uniqueid, []).append((net, pair))
        begins = [net.claim.started for several in nets.values() for net, _ in several]
        lines = self._lines({*nets, *open_calls}, min([asked - LONGEST_CALL, *begins]))
        calls = []
        for uniqueid, several in nets.items():
            # A caller nobody took, and who came to a second queue, has an empty pair of the first. Only one can talk.
            net, told = max(several, key=lambda one: (one[0].length, one[0].claim.done))
            call = retell(self._secret, uniqueid, net, lines[uniqueid])
            orphans += [pair for _, pair in several if pair is not told or call is None]
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
        """The lines of these callers, in order. What cannot be read is told, and is as if it were not there."""
        found: dict[Uniqueid, list[str]] = {caller: [] for caller in callers}
        if not found:
            return found
        try:
            lines = read_lines(
                self._queue_log, since, wanted=lambda line: _caller_of(line) in found, unreadable=_tell_unreadable
            )
        except QueueLogUnreadable as error:
            _tell_unreadable(error)
            return found
        for line in lines:
            found[_caller_of(line)].append(line)
        return found

    # --- orphans

    async def _dispose(self, pair: _Pair) -> None:
        now = datetime.now(UTC)
        if now - (pair.written_at - pair.length) < YOUNG:
            return
        if not pair.length:
            state = await writer(self._spool, pair.base)
            if state is Writer.CLOSED or (state is Writer.QUIET and now - pair.written_at > ABANDONED):
                try:
                    await asyncio.to_thread(self._spool.discard, pair.base)
                except SpoolUnusable as error:
                    log.warning("empty_orphan_remove_fail", code=error.code)
        elif pair.base not in self._told:
            self._told.add(pair.base)
            log.error("alarm", alarm=AlarmCode.ORPHAN_IN_SPOOL.value, subject=_subject(pair.base))


def _caller_of(line: str) -> Uniqueid:
    return Uniqueid(line.partition("|")[2].partition("|")[0])


def _tell_unreadable(error: QueueLogUnreadable) -> None:
    log.error("queue_log_unreadable", because=str(error))


def _subject(base: str) -> str:
    """A name from the spool may be anybody's: only what is certainly an id is repeated."""
    parts = split_net_base(base)
    if parts is not None:
        return parts[0]
    try:
        return str(UUID(base))
    except ValueError:
        return "a file in the spool"
