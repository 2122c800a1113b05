"""Quarantine for those who look: what is there, and whether files were sealed before. How audio comes there:
services/adopt.py, domain/capture.py.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.retention import local_day
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import quarantine
from ari_recorder.storage.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many are there, and when the first of them is destroyed."""

    count: int
    first_on: date


class Quarantines:
    def __init__(self, *, database: Database, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks

    async def waiting(self, principal: Principal) -> Waiting | None:
        """For the first page of who has to find out what made them."""
        scope = authorise(principal, Permission.RECORDING_VIEW, now=self._clocks.now())
        async with self._database.transaction() as conn:
            found = await quarantine.waiting(conn, scope)
        return Waiting(count=len(found), first_on=local_day(found[0].until)) if found else None


async def stored(database: Database, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of these recordings that the database has already."""
    async with database.transaction() as conn:
        return await quarantine.known(conn, ids)
