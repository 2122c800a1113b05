"""Background jobs with a name: started, watched, started again after a failure, stopped in good order.

    waiting ──► running ──► failed ──(backoff)──► running ──► … ──► stopped

What the jobs do is not here. A job is an `async def job(stop)`; it ends when `stop` is set. One that ends before that,
with or without an exception, has failed and is started again: recording must not end because something else did.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import structlog

log = structlog.get_logger(__name__)

Job = Callable[[asyncio.Event], Awaitable[None]]

# The first restart comes at once to a person's eye, the later ones do not fill the log or the CPU.
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
# Who ran that long has recovered: the next failure is a new one.
HEALTHY_AFTER_SECONDS = 60.0


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` until it ends or `stop` is set, whichever comes first; in the second case it is cancelled."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            await asyncio.wait({doing})


async def either(*events: asyncio.Event, within: timedelta | None = None) -> None:
    """Until one of the events is set, or the time is over."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        seconds = within.total_seconds() if within is not None else None
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a job is. `last_error` names the kind of the error only: its text may hold anything."""

    name: str
    state: JobState = JobState.WAITING
    running_since: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    restarts: int = 0


class Supervisor:
    """Keeps jobs running. Leaving `async with` stops them all, the last started first."""

    def __init__(
        self,
        *,
        grace_seconds: float = 10.0,
        first_backoff_seconds: float = FIRST_BACKOFF_SECONDS,
        longest_backoff_seconds: float = LONGEST_BACKOFF_SECONDS,
    ) -> None:
        self._grace = grace_seconds
        self._first_backoff = first_backoff_seconds
        self._longest_backoff = longest_backoff_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Event] = {}
        self._health: dict[str, Health] = {}
        self._stopping = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self, name: str, job: Job) -> None:
        """Run `job` under `name` from now on."""
        if name in self._tasks:
            raise ValueError(f"there is a job {name} already")
        self._stops[name] = asyncio.Event()
        self._health[name] = Health(name=name)
        self._tasks[name] = asyncio.create_task(self._keep(name, job), name=name)

    def health(self) -> tuple[Health, ...]:
        return tuple(self._health.values())

    async def stop(self) -> None:
        """Ask each job to end, the last started first; one that does not within the grace is cancelled."""
        self._stopping = True
        for name in reversed(list(self._tasks)):
            task = self._tasks[name]
            self._stops[name].set()
            done, _ = await asyncio.wait({task}, timeout=self._grace)
            if not done:
                log.warning("job_cancel", job=name, grace_seconds=self._grace)
                task.cancel()
                await asyncio.wait({task}, timeout=self._grace)
            self._change(name, state=JobState.STOPPED, running_since=None)
            del self._tasks[name]
            log.info("job_stop", job=name)

    async def _keep(self, name: str, job: Job) -> None:
        loop = asyncio.get_running_loop()
        stop = self._stops[name]
        backoff = self._first_backoff
        while not stop.is_set():
            began = loop.time()
            self._change(name, state=JobState.RUNNING, running_since=datetime.now(UTC))
            try:
                await job(stop)
                failure: Exception | None = None
            except Exception as error:
                failure = error
            # Jobs live on others: the events of a session that was stopped come to an end.
            if failure is None and (stop.is_set() or self._stopping):
                return
            if loop.time() - began > HEALTHY_AFTER_SECONDS:
                backoff = self._first_backoff
            self._failed(name, failure, backoff)
            try:
                await asyncio.wait_for(stop.wait(), backoff)
            except TimeoutError:
                backoff = min(backoff * 2, self._longest_backoff)
                self._change(name, restarts=self._health[name].restarts + 1)

    def _failed(self, name: str, failure: Exception | None, backoff: float) -> None:
        kind = type(failure).__name__ if failure is not None else "ended by itself"
        self._change(name, state=JobState.FAILED, running_since=None, last_error=kind, last_error_at=datetime.now(UTC))
        # No traceback with values: exception texts of libraries may hold what must not be logged. Where it happened
        # is enough to find it.
        log.error("job_fail", job=name, error=kind, where=where(failure), retry_seconds=backoff)

    def _change(self, name: str, **changes: object) -> None:
        self._health[name] = replace(self._health[name], **changes)  # type: ignore[arg-type]


def where(failure: BaseException | None) -> list[str]:
    """Where it happened: file, line and function of the frames, innermost last. No values."""
    frames = []
    trace = failure.__traceback__ if failure is not None else None
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[1:]
