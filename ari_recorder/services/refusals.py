"""Somebody who is logged in asks for what is not theirs: that is on record, and fills nothing.

On record is who, what was asked for, and why not: a permission that is missing, or an object that is not there for
them. Whether it is there for others is not known here, so trying ids is seen either way, and takes equally long. Where
nobody is logged in, the log-in counts (services/throttle.py).

    refusals of one user within an hour   1 … 20 | 32  64  128 …     each has an entry, with its number
"""

from datetime import datetime, timedelta

import structlog

from ari_recorder.domain.accounts import Permission, Principal
from ari_recorder.domain.audit import Action, Entry, Outcome
from ari_recorder.domain.errors import Unavailable
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit
from ari_recorder.storage.db import Database

log = structlog.get_logger(__name__)

# More than anybody clicks by mistake, and enough to see what is sought.
EACH = 20
HOUR = timedelta(hours=1)


class Refusals:
    """Counts in memory: a restart gives each user twenty more, not more than that."""

    def __init__(self, *, database: Database, clocks: Clocks) -> None:
        self._database = database
        self._clocks = clocks
        self._counts: dict[str, tuple[datetime, int]] = {}

    async def note(self, principal: Principal, permission: Permission | None, what: str, why: str, route: str) -> None:
        """Never raises: a refusal gives nothing away, so it stands without its entry, too."""
        now = self._clocks.now()
        count = self._count(str(principal.user_id), now)
        if count > EACH and count & (count - 1):
            return
        entry = Entry(
            action=Action.ACCESS_REFUSE,
            actor=principal.actor(permission),
            outcome=Outcome.REFUSED,
            object=what,
            because=why,
            facts={"route": route, "within_hour": count},
        )
        try:
            async with self._database.transaction() as conn:
                await audit.append(conn, entry, now)
        except Unavailable as error:
            log.error("audit_write_fail", entry=entry.action.value, code=error.code)

    def _count(self, user: str, now: datetime) -> int:
        self._counts = {who: one for who, one in self._counts.items() if timedelta() <= now - one[0] < HOUR}
        began, count = self._counts.get(user, (now, 0))
        self._counts[user] = (began, count + 1)
        return count + 1
