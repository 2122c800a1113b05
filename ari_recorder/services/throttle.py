"""Counts tries at the door, before anything is checked. How many are let in: domain/throttle.py.

It fails closed: without the database nobody is let in, for nobody can count.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from ari_recorder.domain import throttle as rules
from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.throttle import Tries
from ari_recorder.storage import audit, throttle
from ari_recorder.storage.db import Connection


class Counted:
    """The tries of some subjects, whose rows are locked until the transaction ends."""

    def __init__(self, conn: Connection, tries: dict[str, Tries | None], now: datetime) -> None:
        self._conn = conn
        self._tries = tries
        self._now = now

    @classmethod
    async def lock(cls, conn: Connection, subjects: Collection[str], now: datetime) -> "Counted":
        return cls(conn, await throttle.lock(conn, subjects, now), now)

    async def count(self, actor: Actor, about: str = "") -> timedelta | None:
        """One more try. How long to wait instead, when there were too many; then it does not count."""
        counted: dict[str, Tries] = {}
        for subject, before in self._tries.items():
            after = rules.tried(before, self._now)
            if isinstance(after, timedelta):
                await self._tell(subject, after, actor, about)
                return after
            counted[subject] = after
        await throttle.write(self._conn, counted)
        self._tries = dict(counted)
        return None

    async def give_back(self) -> None:
        """It was right."""
        after = {subject: rules.given_back(tries) for subject, tries in self._tries.items() if tries is not None}
        await throttle.write(self._conn, after)

    async def _tell(self, subject: str, wait: timedelta, actor: Actor, about: str) -> None:
        """The first refusal, the second, the fourth …: who knocks all night does not fill the log."""
        count = await throttle.refuse(self._conn, subject)
        if count & (count - 1) == 0:
            entry = Entry(
                action=Action.SESSION_LOCKOUT,
                actor=actor,
                outcome=Outcome.REFUSED,
                object=about,
                because=subject.partition(":")[0],
                facts={"refused": count, "wait_seconds": int(wait.total_seconds())},
            )
            await audit.append(self._conn, entry, self._now)
