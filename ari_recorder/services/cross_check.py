"""Follows queue_log as it grows, and has the PBX asked when AMI seems to have missed something (domain/cross_check.py).

    queue_log ──five times a second──► a line, and what the recorder thinks a moment later ──doubt──► ask the PBX

And every five minutes without any doubt. The log is one witness, AMI the other: what both miss, the ledger finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from ari_recorder.domain.calls import Call
from ari_recorder.domain.cross_check import Doubt, doubt
from ari_recorder.domain.errors import AmiNotLive, QueueLogUnreadable, RecorderError
from ari_recorder.services.queue_logs import QueueLogTail

log = structlog.get_logger(__name__)

# A recording that begins this late is recorded all the same: the ledger forgives 2.5 s (domain/ledger.py). A look is a
# stat() of the log.
LOOK_EVERY = 0.2
# What AMI tells comes within milliseconds of the line, the proof of the announcement long before it. An end takes
# longer: first comes the log, then the hangup.
GRACE = {Doubt.ANSWER_MISSED: 0.15, Doubt.PROOF_MISSED: 0.0, Doubt.END_MISSED: 1.0}
# The PBX may say the same again: who was asked about one thing three times has said what there is to say.
MOST_ASKED = 3
AGAIN_AFTER = 1.0
RECONCILE_EVERY = timedelta(minutes=5)
# Calls that began before the service are asked about after every reconnect anyway.
_BACK = timedelta(minutes=10)


@dataclass(slots=True)
class _Suspect:
    since: float
    asked: int = 0


class CrossCheck:
    """`run` is the service's job."""

    def __init__(
        self,
        *,
        tail: QueueLogTail,
        queues: frozenset[str],
        calls: Callable[[], Iterable[Call]],
        is_over: Callable[[str], bool],
        caught_up: Callable[[], bool],
        ask: Callable[[], Awaitable[None]],
    ) -> None:
        """`is_over`: the recorder has had this call, and stored it. `caught_up`: what AMI told is decided; who is
        behind has missed nothing yet, and asking makes more to do. `ask`: the PBX is asked for all it has."""
        self._tail = tail
        self._queues = queues
        self._calls = calls
        self._is_over = is_over
        self._caught_up = caught_up
        self._ask = ask
        self._suspects: dict[tuple[str, Doubt], _Suspect] = {}
        self._asked_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                await self.look()
                try:
                    await asyncio.wait_for(stop.wait(), LOOK_EVERY)
                except TimeoutError:
                    continue
        finally:
            self._tail.close()

    async def look(self) -> None:
        now = asyncio.get_running_loop().time()
        try:
            await asyncio.to_thread(self._tail.read, datetime.now(UTC) - _BACK)
        except QueueLogUnreadable:
            return  # told by the ledger, which cannot do without
        if not self._caught_up():
            return
        if self._asked_at is None:  # whoever is connected has just asked
            self._asked_at = now
        known: Mapping[str, Call] = {call.uniqueid: call for call in self._calls()}
        doubts = self._doubts(known, now)
        if doubts or now - self._asked_at >= RECONCILE_EVERY.total_seconds():
            self._asked_at = now
            if doubts:
                log.warning("pbx_doubt", because=sorted({one.value for _, one in doubts}), calls=len(doubts))
            try:
                await self._ask()
            except AmiNotLive:
                pass  # the reconnect asks
            except RecorderError as error:
                log.info("pbx_ask_fail", code=error.code)

    def _doubts(self, known: Mapping[str, Call], now: float) -> list[tuple[str, Doubt]]:
        """What has been in doubt for long enough. What is not in doubt any more is forgotten."""
        found = {}
        settled = []
        for uniqueid, entry in self._tail.calls.items():
            if uniqueid not in known and (self._is_over(uniqueid) or entry.ended_at is not None):
                settled.append(uniqueid)
            elif (one := doubt(entry, known.get(uniqueid), self._queues)) is not None:
                key = (uniqueid, one)
                found[key] = self._suspects.get(key) or _Suspect(since=now)
        self._tail.forget(settled)
        self._suspects = found
        due = [
            key
            for key, suspect in found.items()
            if suspect.asked < MOST_ASKED and now - suspect.since >= GRACE[key[1]] + suspect.asked * AGAIN_AFTER
        ]
        for key in due:
            found[key].asked += 1
        return due
