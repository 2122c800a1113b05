"""The retention rules as configured, held against those in force: taken over, or proposed until a person confirms them.

Rules that would destroy recordings at once, where those in force would not, only wait (domain/retention.py says what
counts until then). Everything else is in force from the moment it is seen; each version stays in the table.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from ari_recorder.domain.audit import Action, Actor, Entry
from ari_recorder.domain.errors import PolicyNotProposed
from ari_recorder.domain.retention import QUARANTINE, Policy, Rules, due_before, local_day, midnight
from ari_recorder.storage import audit, erasing, policy
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.erasing import Bounds
from ari_recorder.storage.policy import Version

log = structlog.get_logger(__name__)

_SELF = Actor.service("configuration")

# Counting may read every recording that is due.
_COUNT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """What rules would destroy at once that the rules in force keep."""

    queue: str
    because: str
    recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The versions, the newest first, and what confirming the proposed one would destroy by the next sweep."""

    versions: tuple[Version, ...]
    proposed: int | None
    at_once: tuple[AtOnce, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What becomes due with the beginning of a day. The first of a preview is what is due already."""

    day: date
    queue: str
    because: str
    recordings: int


class Policies:
    """`configured`: the rules of this service's configuration."""

    def __init__(self, database: Database, configured: Rules) -> None:
        self._database = database
        self._configured = configured

    @property
    def configured(self) -> Rules:
        return self._configured

    async def adopt(self, now: datetime) -> Policy:
        """The policy to go by now, after the configuration was taken into account."""
        async with self._database.transaction() as conn:
            known = await policy.current(conn)
            if known is not None and self._configured == (known.proposed or known.rules):
                return known
        async with self._database.transaction(within=_COUNT_SECONDS) as conn:
            await policy.lock(conn)
            known = await policy.current(conn)
            if known is None or self._configured not in known.all_rules:
                version = await policy.propose(conn, self._configured, now)
                await _written(conn, Action.POLICY_PROPOSE, _SELF, version, now)
                at_once = await self._at_once(conn, known, self._configured, now) if known is not None else ()
                if not at_once:
                    await policy.put_in_force(conn, version, None, now)
                    await _written(conn, Action.POLICY_CONFIRM, _SELF, version, now)
                log.info("policy_change", version=version, proposed=bool(at_once))
            elif self._configured == known.rules and known.proposed is not None:
                await policy.withdraw(conn)
                await audit.append(conn, Entry(action=Action.POLICY_WITHDRAW, actor=_SELF), now)
                log.info("policy_withdraw")
            current = await policy.current(conn)
        assert current is not None  # noqa: S101 -- there is one in force now
        return current

    async def in_force(self) -> Policy:
        """The policy to go by, for those who only show it."""
        async with self._database.transaction() as conn:
            return await self.within(conn)

    async def within(self, conn: Connection) -> Policy:
        known = await policy.current(conn)
        return known if known is not None else Policy(rules=self._configured)

    async def show(self, now: datetime) -> Standing:
        await self.adopt(now)
        async with self._database.transaction(within=_COUNT_SECONDS) as conn:
            versions = await policy.versions(conn)
            known = await policy.current(conn)
            proposed = next((one for one in versions if one.state is policy.PolicyState.PROPOSED), None)
            at_once = await self._at_once(conn, known, proposed.rules, now) if known and proposed else ()
        return Standing(versions=versions, proposed=proposed.version if proposed else None, at_once=at_once)

    async def confirm(self, version: int, actor: Actor, now: datetime) -> None:
        """The rules of that version are in force from now on, whatever they destroy."""
        async with self._database.transaction() as conn:
            if not await policy.put_in_force(conn, version, actor.label, now):
                raise PolicyNotProposed(version=version)
            await _written(conn, Action.POLICY_CONFIRM, actor, version, now)
        log.info("policy_confirm", version=version)

    async def nights(self, nights: int, now: datetime) -> tuple[Night, ...]:
        """What is due now, and what becomes due with each of the next nights. Held recordings are not counted."""
        current = await self.in_force()
        found: list[Night] = []
        async with self._database.transaction(within=_COUNT_SECONDS) as conn:
            for queue in await erasing.queues(conn):
                before: Bounds | None = None
                for ahead in range(nights + 1):
                    day = local_day(now) + timedelta(days=ahead)
                    bounds = bounds_of(queue, current, midnight(day))
                    found += _nights(day, queue, current, await erasing.count_due(conn, queue, bounds, before))
                    before = bounds
            today = local_day(now)
            ends = await erasing.quarantine_ends(conn, midnight(today + timedelta(days=nights)))
            for day, count in Counter(max(today, local_day(end)) for end in ends).items():
                found.append(Night(day=day, queue="", because=QUARANTINE, recordings=count))
        return tuple(sorted(found, key=lambda night: (night.day, night.queue, night.because)))

    async def _at_once(self, conn: Connection, known: Policy, rules: Rules, now: datetime) -> tuple[AtOnce, ...]:
        found: list[AtOnce] = []
        for queue in await erasing.queues(conn):
            old = bounds_of(queue, Policy(rules=known.rules), now)
            new = bounds_of(queue, Policy(rules=rules), now)
            for because, count in _with_reasons(queue, rules, now, await erasing.count_due(conn, queue, new, old)):
                found.append(AtOnce(queue=queue, because=because, recordings=count))
        return tuple(found)


async def _written(conn: Connection, action: Action, actor: Actor, version: int, now: datetime) -> None:
    await audit.append(conn, Entry(action=action, actor=actor, object=f"policy:{version}"), now)


def bounds_of(queue: str, current: Policy, now: datetime) -> Bounds:
    return Bounds(ordinary=due_before(queue, current, now), undecided=due_before(queue, current, now, undecided=True))


def _nights(day: date, queue: str, current: Policy, counts: tuple[int, int]) -> Sequence[Night]:
    reasons = _with_reasons(queue, current.rules, midnight(day), counts)
    return [Night(day=day, queue=queue, because=because, recordings=count) for because, count in reasons]


def _with_reasons(queue: str, rules: Rules, now: datetime, counts: tuple[int, int]) -> Sequence[tuple[str, int]]:
    _, because = rules.of(queue, local_day(now))
    grace = f"{because}, and {rules.undecided_grace.text} for a flag nobody decided on"
    return [(why, count) for why, count in zip((because, grace), counts, strict=True) if count]
