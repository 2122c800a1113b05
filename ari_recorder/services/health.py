"""What works and what does not, and since when, for monitoring and for systemd. Judged in domain/health.py.

Asking costs nothing: what takes a disk or the database was looked up before, by services/figures.py.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ari_recorder.asterisk.ami import AmiHealth
from ari_recorder.config import EVERY_ROLE, Role
from ari_recorder.domain.health import Facts, Part, State, judge, overall
from ari_recorder.services.figures import FigureDesk
from ari_recorder.services.keys import days_left
from ari_recorder.services.record import Recorder
from ari_recorder.services.sweep import Sweep
from ari_recorder.storage.hosts import Word
from ari_recorder.supervise import JobState, Supervisor
from ari_recorder.systemd import notify, watchdog_seconds
from ari_recorder.vault.keyring import Keyring

# A job that was started again and has run so long is well.
_LATELY = timedelta(minutes=1)
# systemd is told three times in the time it allows: one that is late by a garbage collection is not killed.
_WATCHDOG_SHARE = 3
_STATUS_EVERY = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSince:
    part: Part
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    state: State
    parts: tuple[PartSince, ...]
    started_at: datetime


class HealthDesk:
    """`look` at any time; `watch` is the service's job."""

    def __init__(
        self,
        *,
        roles: frozenset[Role] = EVERY_ROLE,
        recorder: Recorder | None,
        keyring: Keyring,
        sweep: Sweep,
        figures: FigureDesk,
        jobs: Supervisor,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`recorder`: of a host that captures."""
        self._roles = roles
        self._recorder = recorder
        self._keyring = keyring
        self._sweep = sweep
        self._figures = figures
        self._jobs = jobs
        self._now = now
        self._started_at = now()
        self._seen: dict[str, PartSince] = {}

    def look(self) -> Report:
        """`since`: when the part was first seen in this state."""
        now = self._now()
        parts = judge(self.facts())
        for part in parts:
            before = self._seen.get(part.name)
            since = before.since if before is not None and before.part.state is part.state else now
            self._seen[part.name] = PartSince(part=part, since=since)
        return Report(
            state=overall(parts), parts=tuple(self._seen[part.name] for part in parts), started_at=self._started_at
        )

    def facts(self) -> Facts:
        now, newest = self._now(), self._figures.newest
        stored = newest.stored
        vault = newest.rooms.get("vault")
        facts = Facts(
            roles=self._roles,
            vault_free_bytes=vault.free_bytes if vault is not None else None,
            database_trouble=newest.database_trouble,
            keyring_locked=self._keyring.locked,
            key_days_left=days_left(self._keyring.public, now),
            since_sweep=self._sweep.since_success,
            audit_waits_for=now - stored.audit_oldest_at if stored and stored.audit_oldest_at is not None else None,
            anchor_troubles=tuple(f"{target}: {because}" for target, because in stored.anchor_troubles.items())
            if stored is not None
            else (),
            failed_jobs=tuple(
                job.name
                for job in self._jobs.health()
                if job.state is JobState.FAILED or (job.last_error_at is not None and now - job.last_error_at < _LATELY)
            ),
        )
        return facts if self._recorder is None else self._of_capture(facts, self._recorder, now)

    def _of_capture(self, facts: Facts, recorder: Recorder, now: datetime) -> Facts:
        spool = self._figures.newest.rooms.get("spool")
        waiting, unsealed = recorder.waiting, recorder.unsealed
        return replace(
            facts,
            pbx_live=recorder.pbx_live,
            pbx_trouble=_trouble(recorder.pbx),
            is_our_pbx=recorder.is_our_pbx,
            journal_works=recorder.journal_works,
            spool_free_bytes=spool.free_bytes if spool is not None else None,
            unsealed=unsealed.count,
            unsealed_for=now - unsealed.oldest_at if unsealed.oldest_at is not None else timedelta(),
            waiting_calls=waiting.count,
            waiting_for=now - waiting.oldest_at if waiting.oldest_at is not None else timedelta(),
        )

    def word(self) -> Word:
        """What the other hosts are told of this one."""
        report, facts = self.look(), self.facts()
        return Word(
            health=report.state.value,
            troubles="; ".join(f"{one.part.name}: {one.part.because}" for one in report.parts if one.part.because),
            waiting_calls=facts.waiting_calls,
            waiting_for=facts.waiting_for,
            keys_needed=self._recorder.key_names() if self._recorder is not None else (),
        )

    async def watch(self, stop: asyncio.Event) -> None:
        """Tells systemd that the service is ready, how it is, and that its event loop turns."""
        notify("READY=1")
        seconds = watchdog_seconds()
        every = min(seconds / _WATCHDOG_SHARE, _STATUS_EVERY) if seconds is not None else _STATUS_EVERY
        while not stop.is_set():
            report = self.look()
            troubles = [f"{one.part.name}: {one.part.because}" for one in report.parts if one.part.because]
            notify(f"WATCHDOG=1\nSTATUS={'; '.join([report.state.value, *troubles])[:500]}")
            try:
                await asyncio.wait_for(stop.wait(), every)
            except TimeoutError:
                continue
        notify("STOPPING=1")


def _trouble(pbx: AmiHealth) -> str:
    return str(pbx.trouble) if pbx.trouble is not None else f"the AMI session is {pbx.phase.value}"
