"""By which decision a queue is recorded. Recording people at work is decided, and told to them, before it begins
(Finnish Act on the Protection of Privacy in Working Life, 759/2004, section 21).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """`approved_by`: number and paragraph of the document."""

    approved_by: str
    approved_on: date
    staff_informed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a configuration changed: which queues are recorded by a decision from now on, and which no more."""

    begun: Mapping[str, Approval]
    ended: frozenset[str]


def turn(known: Mapping[str, Approval], configured: Mapping[str, Approval]) -> Turn:
    """Another decision about the same queue ends the one before."""
    changed = {queue: approval for queue, approval in configured.items() if known.get(queue) != approval}
    return Turn(begun=changed, ended=frozenset(queue for queue in known if configured.get(queue) != known[queue]))


def too_early(approvals: Iterable[tuple[str, Approval]], today: date) -> tuple[str, ...]:
    """The queues of a decision, or of a word to the staff, that is still to come."""
    return tuple(
        queue for queue, approval in approvals if max(approval.approved_on, approval.staff_informed_on) > today
    )
