"""Counts tries at the door, before anything is checked. How many are let in: domain/throttle.py.

It fails closed: without the database nobody is let in, for nobody can count.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ari_recorder.domain import throttle as rules
from ari_recorder.domain.audit import Action, Actor, Entry, Outcome
from ari_recorder.domain.throttle import Tries
from ari_recorder.storage import audit, throttle
from ari_recorder.storage.db import Connection

# Of one process. Beyond that the database answers, which is slower and as right.
_MOST_REMEMBERED = 10_000
# What others do meanwhile (a reset, a try given back) counts so soon.
_REMEMBERED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Too many tries of this subject."""

    subject: str
    left: timedelta


class Waits:
    """Who has to wait, remembered for a moment, so that a flood of tries does not reach the database."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def left(self, subjects: Collection[str], now: datetime) -> timedelta | None:
        """None: as far as is known here, none of them has to."""
        waits = [until - now for subject in subjects if (until := self._until.get(subject)) is not None]
        # A clock that was set back is not waited for.
        return max((wait for wait in waits if timedelta() < wait <= _REMEMBERED), default=None)

    def remember(self, wait: Wait, now: datetime) -> None:
        if len(self._until) >= _MOST_REMEMBERED:
            self._until.clear()
        self._until[wait.subject] = now + min(wait.left, _REMEMBERED)


class Counted:
    """The tries of some subjects, whose rows are locked until the transaction ends."""

    def __init__(self, conn: Connection, tries: dict[str, Tries | None], now: datetime) -> None:
        self._conn = conn
        self._tries = tries
        self._now = now

    @classmethod
    async def lock(cls, conn: Connection, subjects: Collection[str], now: datetime) -> "Counted":
        return cls(conn, await throttle.lock(conn, subjects, now), now)

    async def count(self, actor: Actor, about: str = "") -> Wait | None:
        """One more try. A wait instead, when there were too many; then it does not count."""
        counted: dict[str, Tries] = {}
        for subject, before in self._tries.items():
            after = rules.tried(before, self._now)
            if isinstance(after, timedelta):
                await self._tell(subject, after, actor, about)
                return Wait(subject=subject, left=after)
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
