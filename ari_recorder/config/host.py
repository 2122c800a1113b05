"""Which host this is, and what it does of the service: one process per host, any number of hosts over one database."""

import socket
from typing import Annotated

from pydantic import BeforeValidator, Field

from ari_recorder.config.roles import Role
from ari_recorder.config.values import Section


def _role(value: object) -> object:
    return Role(value) if isinstance(value, str) and value in set(Role) else value


class Host(Section):
    """This host among others of one installation (docs/hosts.md). Without this section it is alone and does all."""

    name: str = Field(
        default_factory=lambda: socket.gethostname()[:80] or "localhost",
        pattern=r"^[A-Za-z0-9_.-]{1,80}$",
        description="What it is called in lists and alarms; each host has a name of its own. Without it, the "
        "machine's.",
        examples=["pbx1"],
    )
    roles: Annotated[tuple[Annotated[Role, BeforeValidator(_role)], ...], Field(strict=False, min_length=1)] = Field(
        default=(Role.CAPTURE, Role.WEB, Role.SWEEP),
        description="What this host does: `capture` records beside a PBX, `web` is the page, `sweep` destroys what is "
        "due and signs the audit log.",
    )
    not_seen_seconds: float = Field(
        default=60,
        ge=30,
        le=3600,
        description="After so long without a word of another host there is an alarm.",
    )

    @property
    def does(self) -> frozenset[Role]:
        return frozenset(self.roles)
