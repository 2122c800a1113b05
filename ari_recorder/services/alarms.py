"""Alarms on their way to people: what the log says is an alarm goes by mail and webhook too, and is counted.

    log line "alarm" ─► hear (any thread) ─► book: told within the hour? ─no─► waiting, on disk ─► each receiver
                                               └─yes─► counted, told with the next                  └─ away: again

Nothing here needs the database, and nobody waits for a receiver. What a receiver has not got is tried again until it
has it, across restarts; beyond the newest thousand the oldest go. A crash between a receiver's "yes" and the note of it
sends an alarm twice; its id is the same. That a receiver is away is a line in the log, and no alarm: it would feed
itself.
"""

import asyncio
import json
import os
import socket
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog
from pydantic import TypeAdapter, ValidationError

from ari_recorder.supervise import either

log = structlog.get_logger(__name__)

# Whoever was told an hour ago has not forgotten, and may have thought it was over.
QUIET = timedelta(hours=1)
# What belongs together comes within a moment, and goes in one message.
GATHER = timedelta(seconds=1)
RETRY_FIRST = timedelta(seconds=5)
RETRY_MOST = timedelta(minutes=5)
MOST_WAITING = 1000
BATCH = 50
# Where each alarm has a row with what to do about it.
RUNBOOK = "docs/operations.md#alarm-{alarm}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a receiver gets. `times`: how often it was raised since it was told last."""

    id: UUID
    alarm: str
    subject: str
    because: str
    at: datetime
    times: int
    host: str
    runbook: str


class Receiver(Protocol):
    """Takes some alarms, or raises DeliveryFailed."""

    @property
    def name(self) -> str: ...

    async def deliver(self, alarms: Sequence[Told]) -> None: ...


class DeliveryFailed(Exception):
    """The receiver has not taken them. The text says why, without addresses."""


@dataclass(slots=True, kw_only=True)
class _Known:
    """An alarm that was raised: how often since it was told, and when that was, by a clock that nobody sets."""

    because: str
    times: int = 0
    told_at: float | None = None


@dataclass(slots=True, kw_only=True)
class _Box:
    """What waits for one receiver."""

    receiver: Receiver
    waiting: list[Told] = field(default_factory=list)
    wait: timedelta = RETRY_FIRST
    not_before: float = 0.0


_WAITING = TypeAdapter(dict[str, list[Told]])


class AlarmDesk:
    """`hear` is given every line of the log, `run` is the service's job."""

    def __init__(self, folder: Path, receivers: Sequence[Receiver], quiet: timedelta = QUIET) -> None:
        self._path = folder / "waiting.json"
        self._boxes = [_Box(receiver=receiver) for receiver in receivers]
        self._quiet = quiet
        self._heard: deque[tuple[str, str, str]] = deque(maxlen=MOST_WAITING)
        self._known: dict[tuple[str, str], _Known] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.counts: Counter[str] = Counter()

    def hear(self, line: Mapping[str, object]) -> None:
        """A line of the log; one that is no alarm is passed over. From any thread."""
        if line.get("action") != "alarm":
            return
        alarm, subject, because = (str(line.get(name, "")) for name in ("alarm", "subject", "because"))
        self.counts[alarm] += 1
        self._heard.append((alarm, subject, because))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    @property
    def waiting(self) -> Mapping[str, int]:
        return {box.receiver.name: len(box.waiting) for box in self._boxes}

    async def run(self, stop: asyncio.Event) -> None:
        self._loop = asyncio.get_running_loop()
        await self._load()
        while True:
            stopping = stop.is_set()  # what was raised while everything stopped is told once more, or kept
            self._wake.clear()
            self._enter()
            await self._deliver()
            if stopping:
                return
            await either(stop, self._wake, within=self._next())
            if not stop.is_set():
                await either(stop, within=GATHER)

    def _enter(self) -> None:
        """From what was heard to what is told."""
        now = asyncio.get_running_loop().time()
        while self._heard:
            alarm, subject, because = self._heard.popleft()
            known = self._known.setdefault((alarm, subject), _Known(because=because))
            known.because = because
            known.times += 1
        for (alarm, subject), known in self._known.items():
            if known.times and (known.told_at is None or now - known.told_at >= self._quiet.total_seconds()):
                self._queue(alarm, subject, known)
                known.times, known.told_at = 0, now
        # An alarm that has been quiet for long begins anew when it comes again.
        gone = [key for key, known in self._known.items() if not known.times and self._is_old(known, now)]
        for key in gone:
            del self._known[key]

    def _is_old(self, known: _Known, now: float) -> bool:
        return known.told_at is not None and now - known.told_at > 2 * self._quiet.total_seconds()

    def _queue(self, alarm: str, subject: str, known: _Known) -> None:
        told = Told(
            id=uuid4(),
            alarm=alarm,
            subject=subject,
            because=known.because,
            at=datetime.now(UTC),
            times=known.times,
            host=socket.gethostname(),
            runbook=RUNBOOK.format(alarm=alarm),
        )
        for box in self._boxes:
            box.waiting.append(told)
            if len(box.waiting) > MOST_WAITING:
                log.warning("alarm_drop", receiver=box.receiver.name, alarm_id=str(box.waiting[0].id))
                del box.waiting[0]

    async def _deliver(self) -> None:
        if not any(box.waiting for box in self._boxes):
            return
        await asyncio.to_thread(self._save)
        await asyncio.gather(*(self._deliver_to(box) for box in self._boxes))
        await asyncio.to_thread(self._save)

    async def _deliver_to(self, box: _Box) -> None:
        now = asyncio.get_running_loop().time()
        while box.waiting and box.not_before <= now:
            batch = tuple(box.waiting[:BATCH])
            try:
                await box.receiver.deliver(batch)
            except DeliveryFailed as failure:
                log.warning(
                    "alarm_delivery_retry",
                    receiver=box.receiver.name,
                    because=str(failure),
                    waiting=len(box.waiting),
                    retry_seconds=box.wait.total_seconds(),
                )
                box.not_before = asyncio.get_running_loop().time() + box.wait.total_seconds()
                box.wait = min(box.wait * 2, RETRY_MOST)
                return
            box.waiting = [one for one in box.waiting if one not in batch]
            box.wait = RETRY_FIRST

    def _next(self) -> timedelta:
        """When there is something to do without a new alarm."""
        now = asyncio.get_running_loop().time()
        tries = [box.not_before - now for box in self._boxes if box.waiting]
        counted = [
            known.told_at + self._quiet.total_seconds() - now
            for known in self._known.values()
            if known.times and known.told_at is not None
        ]
        return timedelta(seconds=min(max(min([*tries, *counted], default=3600.0), 0.1), 3600.0))

    # --- on disk. Without it everything works all the same, until the next restart.

    def _save(self) -> None:
        waiting = {box.receiver.name: [_plain(one) for one in box.waiting] for box in self._boxes}
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                json.dump(waiting, file, ensure_ascii=False)
                file.flush()
                os.fsync(fd)
            fresh.replace(self._path)
        except OSError as error:
            log.warning("alarm_keep_fail", code=error.strerror)

    async def _load(self) -> None:
        try:
            found = _WAITING.validate_json(await asyncio.to_thread(self._path.read_bytes))
        except FileNotFoundError:
            return
        except (OSError, ValidationError):
            log.warning("alarm_keep_fail", code="what waited cannot be read")
            return
        for box in self._boxes:
            box.waiting = [*found.get(box.receiver.name, []), *box.waiting]


def _plain(one: Told) -> dict[str, Any]:
    return {**asdict(one), "id": str(one.id), "at": one.at.isoformat()}


def body_of(alarms: Sequence[Told]) -> bytes:
    """As a webhook gets them."""
    return json.dumps({"alarms": [_plain(one) for one in alarms]}, ensure_ascii=False).encode()
