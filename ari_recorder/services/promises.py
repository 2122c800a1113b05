"""The promises of the privacy notice, looked at while the service runs: facts are gathered, decided, kept, and told.

    every five minutes     the database is counted, published copies are read, versions of the notice are kept
    once a day             the audit log is read against its signatures, the folders are walked for what is too old
    every second           whom the process connects to (services/connections.py)

What is decided: domain/promises.py. An alarm when a promise turns broken, once, whoever restarts; a line in the log
when it is kept again. A page shows what was seen last; a command looks for itself, and borrows from the service what
only the service's own process can tell.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from ari_recorder.config import Config
from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.due_dates import Pace
from ari_recorder.domain.errors import AuditRolledBack, RecorderError, Unavailable
from ari_recorder.domain.promises import (
    CHECKS,
    Copy,
    Facts,
    Promise,
    PromiseName,
    PromiseState,
    Tree,
    judge,
    turned,
)
from ari_recorder.services.audit_check import Verified
from ari_recorder.services.clock import Clocks
from ari_recorder.services.connections import Connections
from ari_recorder.services.notice import Notices
from ari_recorder.services.old_bytes import old_bytes
from ari_recorder.services.policy import Policies
from ari_recorder.services.promise_counts import Counter, overdue
from ari_recorder.storage import promise_states
from ari_recorder.storage.db import Database

__all__ = ["PromiseDesk"]

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=5)
# Reading the audit log and walking the folders takes minutes of a large site.
_DEEP_EVERY = timedelta(days=1)
_DEEP = (PromiseName.AUDIT, PromiseName.BYTES)
_SECONDS = 60.0


class PromiseDesk:
    """`run` and `watch` are the service's jobs. `verify` reads the audit log against its signatures."""

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        notices: Notices,
        policies: Policies,
        clocks: Clocks,
        verify: Callable[[], Awaitable[Verified]],
        pace: Pace,
        connections: Connections | None = None,
    ) -> None:
        """`pace`: how soon requests are answered here. `connections`: of the service's own process; a command has
        none."""
        self._config = config
        self._database = database
        self._notices = notices
        self._policies = policies
        self._clocks = clocks
        self._verify = verify
        self._connections = connections
        self._counter = Counter(database=database, config=config, clocks=clocks, pace=pace)
        self._unread: dict[str, datetime] = {}
        self.newest: tuple[Promise, ...] = ()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._notices.adopt()
            await self.look(deep=await self._deep_is_due())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY.total_seconds())

    async def watch(self, stop: asyncio.Event) -> None:
        """Whom the process connects to."""
        if self._connections is None:
            await stop.wait()
        else:
            await self._connections.run(stop)

    async def shown(self, principal: Principal) -> tuple[Promise, ...]:
        """As the service saw them last, in the order of the notice; looked at now when nobody has yet."""
        authorise(principal, Permission.AUDIT_READ, now=self._clocks.now())
        async with self._database.transaction() as conn:
            known = await promise_states.known(conn)
        if any(check.name not in known for check in CHECKS):
            return await self.look(deep=False, keep=False)
        return tuple(known[check.name] for check in CHECKS)

    async def look(self, *, deep: bool, keep: bool = True) -> tuple[Promise, ...]:
        """All of them, now. `keep`: what is seen is what was seen last, and who is to be told is told."""
        facts = await self._facts(deep=deep)
        async with self._database.transaction() as conn:
            before = await promise_states.known(conn, lock=keep)
            seen = tuple(judge(check, facts, before.get(check.name)) for check in CHECKS)
            if keep:
                await promise_states.keep(conn, seen)
        if keep:
            self.newest = seen
            for one in seen:
                _tell(one, turned(before.get(one.name), one))
        return seen

    async def _deep_is_due(self) -> bool:
        async with self._database.transaction() as conn:
            known = await promise_states.known(conn)
        now = self._clocks.now()
        return any((one := known.get(name)) is None or now - one.looked_at >= _DEEP_EVERY for name in _DEEP)

    async def _facts(self, *, deep: bool) -> Facts:
        now = self._clocks.now()
        of_notice = await self._notices.facts()
        facts = Facts(
            now=now, missing=of_notice.missing, destinations=of_notice.destinations, copies=await self._copies(now)
        )
        if self._connections is not None:
            if self._connections.network() is None:  # the service has just begun
                await asyncio.to_thread(self._connections.look)
            facts = replace(facts, network=self._connections.network())
        try:
            policy = await self._policies.in_force()
            late = await overdue(self._database, policy, now)
            facts = replace(facts, stored=await self._counter.count(late, now))
            if deep:
                found = await old_bytes(self._config, self._database, policy, late, now)
                facts = replace(facts, old_bytes=found, tree=await self._tree())
        except Unavailable as error:
            log.warning("promises_retry", code=error.code)
        return facts

    async def _tree(self) -> Tree | None:
        try:
            verified = await self._verify()
        except AuditRolledBack as error:
            return Tree(verified_at=self._clocks.now(), found=(error.code,))
        except RecorderError as error:
            log.warning("promises_retry", code=error.code)
            return None
        return Tree(verified_at=self._clocks.now(), found=verified.found)

    async def _copies(self, now: datetime) -> tuple[Copy, ...]:
        found = []
        for one in await self._notices.differences():
            if one.trouble:
                self._unread.setdefault(one.language, now)
            else:
                self._unread.pop(one.language, None)
            found.append(
                Copy(
                    language=one.language,
                    place=one.place,
                    differences=len(one.missing) + len(one.more),
                    unread_since=self._unread.get(one.language),
                )
            )
        return tuple(found)


def _tell(one: Promise, to: PromiseState | None) -> None:
    if to is PromiseState.BROKEN:
        because = f"{one.figure} found: {', '.join(one.names)}"
        log.error("alarm", alarm=AlarmCode.PROMISE_BROKEN.value, subject=one.name.value, because=because)
    elif to is PromiseState.KEPT:
        log.warning("promise_kept_again", promise=one.name.value)
