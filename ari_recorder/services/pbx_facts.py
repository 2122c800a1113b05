"""What `check` learned from the PBX itself, for the parts of it that judge files: where both are known, the PBX's own
word is the truth, and the file says where it was written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ari_recorder.asterisk.actions import Dialplan, QueueMember


@dataclass(slots=True, kw_only=True)
class PbxFacts:
    """None: the PBX was not asked, or did not say."""

    system_name: str | None = None
    dialplan: Dialplan | None = None
    members: tuple[QueueMember, ...] | None = None
    # The keys of each built-in feature, and the milliseconds between two keys.
    featuremap: Mapping[str, str] | None = None
    digit_timeout: int | None = None
    # Rights of our AMI user that were found to be too wide already.
    told_rights: set[str] = field(default_factory=set)


def listed(names: list[str], most: int = 3) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
