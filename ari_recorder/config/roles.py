"""What a host may do of the service. Imports nothing: the domain knows these, too."""

from enum import StrEnum


class Role(StrEnum):
    """`capture`: records beside a PBX. `web`: the page, listening, exports. `sweep`: destroys what is due, signs."""

    CAPTURE = "capture"
    WEB = "web"
    SWEEP = "sweep"


EVERY_ROLE = frozenset(Role)
