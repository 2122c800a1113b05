"""What was ordered for calls that were over before this start: given again one after the other, live calls going first.

Thousands of them may be in the journal, after an hour without a database. Without a PBX their spool files go, too.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from ari_recorder.domain.switchboard import Change

PBX_SHOWS_WITHIN = 10.0
PACE = 0.002  # s: 500 a second are no burden


class Backlog:
    def __init__(self) -> None:
        self._changes: deque[Change] = deque()

    def add(self, change: Change) -> None:
        self._changes.append(change)

    async def run(self, resynced: asyncio.Event, order: Callable[[Change], None]) -> None:
        """Once, after the PBX has shown what lives."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(resynced.wait(), PBX_SHOWS_WITHIN)
        while self._changes:
            order(self._changes.popleft())
            await asyncio.sleep(PACE)
        await asyncio.Event().wait()  # done; a job that ends would be started again
