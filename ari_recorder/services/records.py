"""What a controller has to keep in writing, as this site is, from the facts of the notice. What: domain/records.py.

The promises are given by whoever calls: a page shows what the service saw last, a command looks for itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.activations import Approval
from ari_recorder.domain.errors import Unavailable
from ari_recorder.domain.promises import Promise
from ari_recorder.domain.records import PromiseWords, Record, RecordFacts, RecordKind, record
from ari_recorder.domain.retention import local_day
from ari_recorder.services.clock import Clocks
from ari_recorder.services.notice import Notices
from ari_recorder.storage import searching
from ari_recorder.storage.db import Database

# Of a site with more it is enough to know that; counting takes its time.
_MOST_COUNTED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    database: Database
    notices: Notices
    approvals: Mapping[str, Approval]
    clocks: Clocks

    async def facts(self, promises: Sequence[Promise]) -> RecordFacts:
        return RecordFacts(
            notice=await self.notices.facts(),
            promises=tuple(promises),
            approvals=self.approvals,
            recordings=await self._recordings(),
            dated=local_day(self.clocks.now()),
        )

    async def made(
        self, kind: RecordKind, language: str, words: PromiseWords, promises: Sequence[Promise] = ()
    ) -> Record:
        """Promises stand in the impact assessment alone."""
        facts = await self.facts(promises)
        return await asyncio.to_thread(record, kind, facts, language, words)

    async def _recordings(self) -> int | None:
        """None: the database is away, or there are more than are counted."""
        everything = Scope(queues=None, interfaces=None)
        try:
            async with self.database.transaction() as conn:
                found = await searching.count(conn, searching.Wanted(), everything, at_most=_MOST_COUNTED)
        except Unavailable:
            return None
        return found if found < _MOST_COUNTED else None
