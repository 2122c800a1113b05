"""What the privacy notice promises, each with its check: kept, broken, or nobody can tell. Nothing is looked up.

    Facts (counted) ─► CHECKS, one function each ─► Verdict ─► Promise: state, figure, what was found, since when

To add one: a name in PromiseName, a function that decides from Facts, and a row of CHECKS; what it needs to know is a
field of Facts, None while it is not known. A figure is how much was found that should not be there: 0 is a promise
kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ari_recorder.domain.notice import Destination


class PromiseState(StrEnum):
    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"  # it cannot be told


class PromiseName(StrEnum):
    """Stable: in figures, alarms and the database."""

    FIELDS = "fields-filled"
    RULE = "retention-rule"
    BYTES = "bytes-past-rule"
    HOLDS = "holds-in-order"
    HOLDERS = "holds-by-supervisors"
    QUEUES = "configured-queues"
    PURPOSES = "purpose-stated"
    ENTITLED = "listeners-entitled"
    DERIVED = "nothing-derived"
    EXPORTS = "exports-justified"
    DESTINATIONS = "destinations"
    TWO_STEPS = "two-steps"
    LISTENERS = "no-plain-listener"
    AUDIT = "audit-tree"
    SAMPLES = "samples-reviewed"
    ON_TIME = "requests-on-time"
    MATCHES = "matches-kept"
    CORRECTIONS = "corrections-kept"
    WITHDRAWALS = "withdrawals-carried-out"
    REFUSALS = "refusals-certified"
    PUBLISHED = "published-copy"
    RIGHTS = "rights-attested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How many there are that should not be, and the ids or names of the first of them."""

    count: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the database tells. `oldest`: of the recordings nothing keeps beyond its rule. `sessions`: how many."""

    past_rule: Found
    oldest: datetime | None
    holds: Found
    holders: Found
    queues: Found
    purposes: Found
    entitled: Found
    derived: Found
    exports: Found
    sessions: int
    two_steps: Found
    samples: Found
    on_time: Found
    matches: Found
    corrections: Found
    withdrawals: Found
    refusals: Found
    rights: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class OldBytes:
    """Bytes that are older than the rule, by the place they are in; and copies that lie where nobody here can look."""

    places: Mapping[str, int]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What the process has connected to since it began and is not configured, and where anybody listens in clear."""

    strangers: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """When the audit log was last read against its signatures, and what was found."""

    verified_at: datetime
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A published notice. `unread_since`: it cannot be read since then. `differences`: texts that are not the same."""

    language: str
    place: str
    differences: int = 0
    unread_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """None: nobody knows now."""

    now: datetime
    missing: tuple[str, ...]
    destinations: tuple[Destination, ...]
    copies: tuple[Copy, ...]
    stored: Stored | None = None
    old_bytes: OldBytes | None = None
    network: Network | None = None
    tree: Tree | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`proved_at`: when that was so, if not now."""

    state: PromiseState
    figure: int | None = None
    names: tuple[str, ...] = ()
    proved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`sections`: where the notice says it. `fresh`: how long a verdict counts when the next one cannot be told."""

    name: PromiseName
    sections: tuple[int, ...]
    judge: Callable[[Facts], Verdict]
    fresh: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise as it stands. `since`: in this state. `proved_at`: when it was last seen to be kept; None never."""

    name: PromiseName
    sections: tuple[int, ...]
    state: PromiseState
    figure: int | None
    names: tuple[str, ...]
    since: datetime
    looked_at: datetime
    proved_at: datetime | None


UNKNOWN = Verdict(state=PromiseState.UNKNOWN)


def judge(check: Check, facts: Facts, before: Promise | None) -> Promise:
    """What is so now. A verdict that cannot be told now is the one before, while that is fresh."""
    verdict = check.judge(facts)
    if verdict.state is PromiseState.UNKNOWN and before is not None and before.looked_at + check.fresh > facts.now:
        return before
    proved_at = before.proved_at if before is not None else None
    if verdict.state is PromiseState.KEPT:
        proved_at = verdict.proved_at or facts.now
    same = before is not None and before.state is verdict.state
    return Promise(
        name=check.name,
        sections=check.sections,
        state=verdict.state,
        figure=verdict.figure,
        names=verdict.names,
        since=before.since if before is not None and same else facts.now,
        looked_at=facts.now,
        proved_at=proved_at,
    )


def turned(before: Promise | None, now: Promise) -> PromiseState | None:
    """The state it has turned to, when somebody is to be told: broken, and kept again after that."""
    was_broken = before is not None and before.state is PromiseState.BROKEN
    if now.state is PromiseState.BROKEN:
        return None if was_broken else PromiseState.BROKEN
    return PromiseState.KEPT if was_broken and now.state is PromiseState.KEPT else None


# --- how each is decided


def _verdict(found: Found | None) -> Verdict:
    if found is None:
        return UNKNOWN
    state = PromiseState.BROKEN if found.count else PromiseState.KEPT
    return Verdict(state=state, figure=found.count, names=found.names)


def _listed(names: tuple[str, ...]) -> Verdict:
    return _verdict(Found(count=len(names), names=names))


def _stored(pick: Callable[[Stored], Found]) -> Callable[[Facts], Verdict]:
    return lambda facts: _verdict(pick(facts.stored) if facts.stored is not None else None)


def _rule(facts: Facts) -> Verdict:
    if facts.stored is None:
        return UNKNOWN
    oldest = facts.stored.oldest
    names = facts.stored.past_rule.names or ((oldest.date().isoformat(),) if oldest is not None else ())
    return _verdict(Found(count=facts.stored.past_rule.count, names=names))


def _bytes(facts: Facts) -> Verdict:
    if facts.old_bytes is None:
        return UNKNOWN
    found = {place: count for place, count in facts.old_bytes.places.items() if count}
    names = (*(f"{place}: {count}" for place, count in found.items()), *facts.old_bytes.elsewhere)
    state = PromiseState.BROKEN if names else PromiseState.KEPT
    return Verdict(state=state, figure=sum(found.values()), names=names)


def _destinations(facts: Facts) -> Verdict:
    """Countries are known at any time; where the process connects to, only to itself."""
    outside = tuple(f"{one.kind}: {one.host} {one.country or '?'}" for one in facts.destinations if not one.is_within)
    if facts.network is None:
        return _listed(outside) if outside else UNKNOWN
    return _listed((*outside, *facts.network.strangers))


def _two_steps(facts: Facts) -> Verdict:
    if facts.stored is None:
        return UNKNOWN
    found = facts.stored.two_steps
    passed = f"{facts.stored.sessions - found.count}/{facts.stored.sessions}"
    return _verdict(Found(count=found.count, names=(passed, *found.names)))


def _listeners(facts: Facts) -> Verdict:
    return _listed(facts.network.plain) if facts.network is not None else UNKNOWN


def _tree(facts: Facts) -> Verdict:
    if facts.tree is None:
        return UNKNOWN
    state = PromiseState.BROKEN if facts.tree.found else PromiseState.KEPT
    return Verdict(state=state, figure=len(facts.tree.found), names=facts.tree.found, proved_at=facts.tree.verified_at)


def _published(facts: Facts) -> Verdict:
    """A copy that differs is seen whatever becomes of the others."""
    differing = [one for one in facts.copies if one.differences]
    if differing:
        names = tuple(f"{one.language}: {one.place}" for one in differing)
        return Verdict(state=PromiseState.BROKEN, figure=sum(one.differences for one in differing), names=names)
    unread = tuple(
        f"{one.language}: {one.place} {one.unread_since.isoformat(timespec='minutes')}"
        for one in facts.copies
        if one.unread_since is not None
    )
    if unread or not facts.copies:
        return Verdict(state=PromiseState.UNKNOWN, names=unread or ("notice.published",))
    return Verdict(state=PromiseState.KEPT, figure=0)


_DAY = timedelta(hours=26)

CHECKS: tuple[Check, ...] = (
    Check(name=PromiseName.FIELDS, sections=(1, 2, 3, 4, 5, 7), judge=lambda facts: _listed(facts.missing)),
    Check(name=PromiseName.RULE, sections=(6,), judge=_rule),
    Check(name=PromiseName.BYTES, sections=(6,), judge=_bytes, fresh=_DAY),
    Check(name=PromiseName.HOLDS, sections=(6,), judge=_stored(lambda stored: stored.holds)),
    Check(name=PromiseName.HOLDERS, sections=(6,), judge=_stored(lambda stored: stored.holders)),
    Check(name=PromiseName.QUEUES, sections=(7,), judge=_stored(lambda stored: stored.queues)),
    Check(name=PromiseName.PURPOSES, sections=(7,), judge=_stored(lambda stored: stored.purposes)),
    Check(name=PromiseName.ENTITLED, sections=(7, 12), judge=_stored(lambda stored: stored.entitled)),
    Check(name=PromiseName.DERIVED, sections=(8,), judge=_stored(lambda stored: stored.derived)),
    Check(name=PromiseName.EXPORTS, sections=(10,), judge=_stored(lambda stored: stored.exports)),
    Check(name=PromiseName.DESTINATIONS, sections=(11,), judge=_destinations),
    Check(name=PromiseName.TWO_STEPS, sections=(12,), judge=_two_steps),
    Check(name=PromiseName.LISTENERS, sections=(12,), judge=_listeners),
    Check(name=PromiseName.AUDIT, sections=(12,), judge=_tree, fresh=_DAY),
    Check(name=PromiseName.SAMPLES, sections=(12,), judge=_stored(lambda stored: stored.samples)),
    Check(name=PromiseName.ON_TIME, sections=(14,), judge=_stored(lambda stored: stored.on_time)),
    Check(name=PromiseName.MATCHES, sections=(14,), judge=_stored(lambda stored: stored.matches)),
    Check(name=PromiseName.CORRECTIONS, sections=(15,), judge=_stored(lambda stored: stored.corrections)),
    Check(name=PromiseName.WITHDRAWALS, sections=(16,), judge=_stored(lambda stored: stored.withdrawals)),
    Check(name=PromiseName.REFUSALS, sections=(18,), judge=_stored(lambda stored: stored.refusals)),
    Check(name=PromiseName.PUBLISHED, sections=(19, 20), judge=_published, fresh=timedelta()),
    Check(name=PromiseName.RIGHTS, sections=(20,), judge=_stored(lambda stored: stored.rights)),
)
