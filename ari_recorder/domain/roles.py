"""Which host does which job of the service, and how many may do it at once. One table; daemon.py starts by it.

host   each host that has the role does it, for itself alone: its PBX, its disk, its connections
rows   any number at once: what one has locked the others pass over, or a second time changes nothing
lease  one at a time, by a lease in PostgreSQL (domain/leases.py); another takes over when that one is gone
vault  one at a time for each folder of sealed files, by a lease in its name
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ari_recorder.config.roles import EVERY_ROLE, Role

_CAPTURE, _WEB, _SWEEP = (frozenset({role}) for role in Role)
_WITH_KEYS = _WEB | _SWEEP


class AtOnce(StrEnum):
    HOST = "host"
    ROWS = "rows"
    LEASE = "lease"
    VAULT = "vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`roles`: a host with one of these does it. `what`: for docs/hosts.md."""

    roles: frozenset[Role]
    at_once: AtOnce
    what: str


def _task(roles: frozenset[Role], at_once: AtOnce, what: str) -> Task:
    return Task(roles=roles, at_once=at_once, what=what)


TASKS: Mapping[str, Task] = {
    "ami": _task(_CAPTURE, AtOnce.HOST, "the session with the PBX"),
    "hear": _task(_CAPTURE, AtOnce.HOST, "what the PBX tells, in order"),
    "decide": _task(_CAPTURE, AtOnce.HOST, "what is to be done about it; the host's journal has it first"),
    "spool-watch": _task(_CAPTURE, AtOnce.HOST, "files of the spool that were closed"),
    "catch-up": _task(_CAPTURE, AtOnce.HOST, "calls of the journal from before the start"),
    "live-seal": _task(_CAPTURE, AtOnce.HOST, "what grows in the spool, sealed"),
    "heartbeat": _task(_CAPTURE, AtOnce.HOST, "told to the dialplan"),
    "cross-check": _task(_CAPTURE, AtOnce.HOST, "calls that `queue_log` has and nobody heard of"),
    "store": _task(_CAPTURE, AtOnce.HOST, "calls of the host's journal into the database"),
    "absences": _task(_CAPTURE, AtOnce.HOST, "when nobody heard this PBX"),
    "ledger": _task(_CAPTURE, AtOnce.HOST, "the calls of this PBX weighed by its own `queue_log`, which lies there"),
    "erase": _task(_CAPTURE, AtOnce.VAULT, "files in this host's vault of recordings that are being erased"),
    "scrub": _task(_CAPTURE | _SWEEP, AtOnce.VAULT, "sealed files read again, and held against the database"),
    "uploads": _task(_CAPTURE | _SWEEP, AtOnce.ROWS, "sealed files to the S3 store; each is claimed before"),
    "web": _task(_WEB, AtOnce.HOST, "the page"),
    "listenings": _task(_WEB, AtOnce.ROWS, "told what was heard; rows are locked, others passed over"),
    "exports": _task(_WEB, AtOnce.ROWS, "told what was exported; rows are locked, others passed over"),
    "deliveries": _task(_WEB, AtOnce.ROWS, "packages whose time is over; rows are locked, others passed over"),
    "keys": _task(_WITH_KEYS, AtOnce.ROWS, "day keys made ahead; the folder of the keys is locked while it changes"),
    "key-copies": _task(EVERY_ROLE, AtOnce.ROWS, "public halves of keys to the database, and from there to `capture`"),
    "caller-index": _task(_SWEEP, AtOnce.ROWS, "callers found by number; a second time makes the same"),
    "fallback": _task(_SWEEP, AtOnce.ROWS, "what lies under the fallback key; only what was not changed meanwhile"),
    "mail": _task(_SWEEP, AtOnce.ROWS, "letters sent; each is claimed before"),
    "sweep": _task(_SWEEP, AtOnce.LEASE, "what is due is destroyed: certificates, day keys, reminders"),
    "sweep-watch": _task(_SWEEP, AtOnce.HOST, "that somebody sweeps"),
    "audit-sign": _task(_SWEEP, AtOnce.LEASE, "the tree of the audit log is signed and anchored"),
    "use": _task(_SWEEP, AtOnce.LEASE, "the weekly report of use"),
    "promises": _task(_SWEEP, AtOnce.LEASE, "the promises of the privacy notice"),
    "connections": _task(_SWEEP, AtOnce.HOST, "whom this process connects to"),
    "audit-log": _task(EVERY_ROLE, AtOnce.ROWS, "entries get their place; one transaction at a time, whoever's"),
    "hosts": _task(EVERY_ROLE, AtOnce.HOST, "that this host lives, and which others do not"),
    "migrate": _task(EVERY_ROLE, AtOnce.ROWS, "the tables, under a lock"),
    "postgresql": _task(EVERY_ROLE, AtOnce.HOST, "a database of the service's own, when it does everything"),
    "alarms": _task(EVERY_ROLE, AtOnce.HOST, "told to the receivers"),
    "control": _task(EVERY_ROLE, AtOnce.HOST, "commands on this host"),
    "figures": _task(EVERY_ROLE, AtOnce.HOST, "looked up in the background"),
    "monitor": _task(EVERY_ROLE, AtOnce.HOST, "figures and health over HTTP"),
    "health": _task(EVERY_ROLE, AtOnce.HOST, "told to systemd"),
}


def does(roles: frozenset[Role], job: str) -> bool:
    """Does a host with these roles do this job?"""
    return bool(TASKS[job].roles & roles)
