"""What the PBX says of calls, from all it writes down: queue_log, and CEL where that is configured. How the two are put
together: domain/cel.py.

    queue_log ──tail──┐
    CEL       ──tail──┴─► one entry a call ─► the ledger

Without the one, what the other says is all there is; each can be read again at any look. `read` and `missing` block:
call them in a thread, one at a time.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ari_recorder.domain.cel import CelCall, Witness, lacking, union
from ari_recorder.domain.errors import CelUnreadable, QueueLogUnreadable
from ari_recorder.domain.queue_log import QueueLogCall
from ari_recorder.services.queue_logs import CelTail, LogUnreadable, QueueLogTail


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The Uniqueids of calls that something new is known of, and which log could not be read, and why."""

    changed: frozenset[str]
    unread: Mapping[Witness, LogUnreadable]


class Witnesses:
    def __init__(self, *, queue_log: Path, cel: Path | None, queues: frozenset[str]) -> None:
        self._queue_log = QueueLogTail(queue_log)
        self._cel = CelTail(cel) if cel is not None else None
        self._queues = queues

    @property
    def begin(self) -> datetime | None:
        """How far queue_log reaches back. CEL counts for nothing here: it may be set to tell less than all."""
        return self._queue_log.begin

    def read(self, since: datetime) -> Look:
        changed: set[str] = set()
        unread: dict[Witness, LogUnreadable] = {}
        for witness, tail in ((Witness.QUEUE_LOG, self._queue_log), (Witness.CEL, self._cel)):
            if tail is None:
                continue
            try:
                changed |= tail.read(since)
            except (QueueLogUnreadable, CelUnreadable) as error:
                unread[witness] = error
        return Look(changed=frozenset(changed), unread=unread)

    def __contains__(self, uniqueid: str) -> bool:
        return uniqueid in self._queue_log.calls or uniqueid in self._heard_by_cel

    @property
    def _heard_by_cel(self) -> Mapping[str, CelCall]:
        return self._cel.calls if self._cel is not None else {}

    def of(self, uniqueids: Iterable[str], now: datetime) -> Collection[QueueLogCall]:
        """What they say of these calls; nothing of those that they do not know."""
        wanted = set(uniqueids)
        logged, cel = self._queue_log.calls, self._heard_by_cel
        return union(
            {one: logged[one] for one in wanted & logged.keys()},
            {one: cel[one] for one in wanted & cel.keys()},
            self._queues,
            now,
        ).values()

    def between(self, begin: datetime, end: datetime, now: datetime) -> dict[str, QueueLogCall]:
        """Those that came from `begin` on and before `end`, by Uniqueid. queue_log tells when, if it knows the call."""
        logged = {one: call for one, call in self._queue_log.calls.items() if begin <= call.entered_at < end}
        cel = {
            one: call
            for one, call in self._heard_by_cel.items()
            if one in logged or (one not in self._queue_log.calls and begin <= call.entered_at < end)
        }
        return union(logged, cel, self._queues, now)

    def missing(self, now: datetime) -> dict[str, Witness]:
        """Where they contradict each other: by Uniqueid, which of them does not know that an agent talked."""
        if self._cel is None:
            return {}
        since = {Witness.QUEUE_LOG: self._queue_log.begin, Witness.CEL: self._cel.begin}
        logged, cel = self._queue_log.calls, self._heard_by_cel
        found = {one: lacking(logged.get(one), cel.get(one), self._queues, now, since) for one in {*logged, *cel}}
        return {uniqueid: witness for uniqueid, witness in found.items() if witness is not None}

    def forget(self, uniqueids: Iterable[str]) -> None:
        """Nothing more will be asked of these."""
        gone = list(uniqueids)
        self._queue_log.forget(gone)
        if self._cel is not None:
            self._cel.forget(gone)

    def close(self) -> None:
        self._queue_log.close()
        if self._cel is not None:
            self._cel.close()
