"""How well the service is, part by part, from what is known at one moment. Nothing is measured here.

    well      it does what it is for
    degraded  calls are recorded, and something else does not work, or soon will not
    failed    calls are not recorded, or may not be

`failed` is for what capture stands on: the PBX, the journal, the spool. All else may be away and calls are kept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from ari_recorder.config.roles import EVERY_ROLE, Role

# As `check` says: a call needs 2 MB a minute in a spool whose calls cannot be sealed.
SPOOL_LEAST_BYTES = 16 << 20
# Live sealing leaves this to recordings that end (services/live.py): below it running calls stay in the spool.
VAULT_LEAST_BYTES = 128 << 20
# A finished call is sealed and stored within seconds. Who waits for minutes waits for something.
SEALING_LATE = timedelta(minutes=2)
STORED_WITHIN = timedelta(minutes=2)
SWEPT_WITHIN = timedelta(hours=1)
SEQUENCED_WITHIN = timedelta(minutes=1)
# What was looked up in the background is of some use for so long.
LOOKED_UP_WITHIN = timedelta(minutes=1)
FEW_KEY_DAYS = 7


class State(StrEnum):
    WELL = "well"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`because` is empty when the part is well."""

    name: str
    state: State
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known. None: nothing is known yet, or not any more."""

    roles: frozenset[Role] = EVERY_ROLE
    pbx_live: bool = False
    pbx_trouble: str = ""
    is_our_pbx: bool = True
    journal_works: bool = True
    spool_free_bytes: int | None = None
    vault_free_bytes: int | None = None
    unsealed: int = 0
    unsealed_for: timedelta = timedelta()
    database_trouble: str = ""
    waiting_calls: int = 0
    waiting_for: timedelta = timedelta()
    keyring_locked: bool = False
    key_days_left: int | None = None
    since_sweep: timedelta | None = None
    audit_waits_for: timedelta | None = None
    anchor_troubles: tuple[str, ...] = ()
    failed_jobs: tuple[str, ...] = ()


# Which parts a host has that does not do everything.
_OF = {
    "pbx": {Role.CAPTURE},
    "journal": {Role.CAPTURE},
    "spool": {Role.CAPTURE},
    "sealing": {Role.CAPTURE},
    "store": {Role.CAPTURE},
    "sweep": {Role.SWEEP},
    "audit-log": {Role.SWEEP},
    "anchors": {Role.SWEEP},
}


def judge(facts: Facts) -> tuple[Part, ...]:
    """Each part that this host has, always all of them and in the same order."""
    return tuple(part for part in _all(facts) if _OF.get(part.name, facts.roles) & facts.roles)


def _all(facts: Facts) -> tuple[Part, ...]:
    return (
        _pbx(facts),
        _part("journal", State.FAILED, "" if facts.journal_works else "it cannot be written: new calls are not begun"),
        _room("spool", State.FAILED, facts.spool_free_bytes, SPOOL_LEAST_BYTES),
        _room("vault", State.DEGRADED, facts.vault_free_bytes, VAULT_LEAST_BYTES),
        _part("sealing", State.DEGRADED, _unsealed(facts)),
        _part("database", State.DEGRADED, facts.database_trouble),
        _part("store", State.DEGRADED, _waiting(facts)),
        _part("keyring", State.DEGRADED, _keyring(facts)),
        _part("sweep", State.DEGRADED, _late("no sweep has succeeded", facts.since_sweep, SWEPT_WITHIN)),
        _part(
            "audit-log", State.DEGRADED, _late("an entry waits for its place", facts.audit_waits_for, SEQUENCED_WITHIN)
        ),
        _part("anchors", State.DEGRADED, "; ".join(facts.anchor_troubles)),
        _part("jobs", State.DEGRADED, ", ".join(facts.failed_jobs) and f"failed: {', '.join(facts.failed_jobs)}"),
    )


def overall(parts: Iterable[Part]) -> State:
    """As bad as the worst part."""
    order = list(State)
    return max((part.state for part in parts), key=order.index, default=State.WELL)


def _pbx(facts: Facts) -> Part:
    if not facts.pbx_live:
        return _part("pbx", State.FAILED, facts.pbx_trouble or "there is no AMI session")
    if not facts.is_our_pbx:
        return _part("pbx", State.FAILED, "it is not the PBX that pbx.system_name says")
    return _part("pbx", State.FAILED, "")


def _part(name: str, when_not: State, because: str) -> Part:
    return Part(name=name, state=when_not if because else State.WELL, because=because)


def _room(name: str, when_not: State, free: int | None, least: int) -> Part:
    if free is None:
        return _part(name, when_not, "how much room it has cannot be told")
    return _part(name, when_not, f"only {free >> 20} MiB are free" if free < least else "")


def _unsealed(facts: Facts) -> str:
    if facts.unsealed_for <= SEALING_LATE:
        return ""
    return f"{facts.unsealed} recording(s) wait in the spool to be sealed, the first for {_minutes(facts.unsealed_for)}"


def _waiting(facts: Facts) -> str:
    if facts.waiting_for <= STORED_WITHIN:
        return ""
    return f"{facts.waiting_calls} finished call(s) wait for the database, the first for {_minutes(facts.waiting_for)}"


def _keyring(facts: Facts) -> str:
    return "; ".join(_keyring_troubles(facts))


def _keyring_troubles(facts: Facts) -> Iterator[str]:
    if facts.keyring_locked and facts.roles != {Role.CAPTURE}:
        yield "it is locked: nobody can listen"
    if facts.key_days_left is not None and facts.key_days_left < FEW_KEY_DAYS:
        yield f"there are day keys for {facts.key_days_left} more day(s)"


def _late(what: str, since: timedelta | None, within: timedelta) -> str:
    return f"{what} for {_minutes(since)}" if since is not None and since > within else ""


def _minutes(span: timedelta) -> str:
    return f"{span // timedelta(minutes=1)} min"
