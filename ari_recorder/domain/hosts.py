"""The hosts of one installation: when one lives, and who may have a name and a PBX.

    (none) ──claim──► living ──says that it stops──► stopped
                       ▲  │                            │
                       │  └──no word for 30 s──► silent│
                       └──claim, or a word──────────┴──┘
                          a claim of another host takes the name: who had it ends when it comes back

How long a host has been silent is PostgreSQL's to say; no clock of a host is compared with that of another. A host
comes back at once under its own name, for one state folder serves one process at a time: the earlier one is dead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.config.roles import Role
from ari_recorder.domain.errors import HostNameTaken, HostPbxTaken, RecorderError

TELLS_EVERY = timedelta(seconds=5)
# Nobody else takes what is its own before that.
EXPIRES = timedelta(seconds=30)
# It stops doing what only one may do after so long without having been heard, by its own monotonic clock; the rest is
# for what it is in the middle of. What takes longer is fenced (leases.py).
STOPS_AFTER = timedelta(seconds=20)


class HostState(StrEnum):
    LIVING = "living"
    SILENT = "silent"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A host as the table has it; `silent` for so long."""

    name: str
    instance: UUID
    system_name: str | None
    silent: timedelta
    stopped: bool = False

    @property
    def state(self) -> HostState:
        if self.stopped:
            return HostState.STOPPED
        return HostState.SILENT if self.silent >= EXPIRES else HostState.LIVING


def refusal(
    name: str, instance: UUID, roles: frozenset[Role], system_name: str | None, known: Iterable[Known]
) -> RecorderError | None:
    """Why this host may not have this name and this PBX; None when it may, and takes them from whoever had them."""
    for other in known:
        if other.instance == instance or other.state is not HostState.LIVING:
            continue
        seconds = int(other.silent.total_seconds())
        if other.name == name:
            return HostNameTaken(name=name, seconds=seconds, expires=int(EXPIRES.total_seconds()))
        if system_name is not None and Role.CAPTURE in roles and other.system_name == system_name:
            return HostPbxTaken(name=other.name, system_name=system_name, seconds=seconds)
    return None
