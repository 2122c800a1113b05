"""What the PBX's queue_log tells, held against what AMI told, while it happens: did we miss something?

    queue_log says              the recorder thinks                       so
    answered, our queue         nothing, or that the caller waits         ask the PBX
    answered, our queue         answered, and no announcement proved      ask the PBX, once: the proof may have got lost
    over, not sent on           that it goes on                           ask the PBX

AMI is believed as long as nothing speaks against it. Asking costs one list of channels; what it shows goes through the
same steps as after a reconnect. After a transfer queue_log is silent, so nothing is concluded from it then.
"""

from collections.abc import Collection
from enum import StrEnum

from ari_recorder.domain.calls import Call, CallState
from ari_recorder.domain.queue_log import QueueLogCall, QueueOutcome


class Doubt(StrEnum):
    ANSWER_MISSED = "answer-missed"
    PROOF_MISSED = "proof-missed"
    END_MISSED = "end-missed"


_OVER = frozenset({QueueOutcome.COMPLETED, QueueOutcome.ABANDONED})


def doubt(entry: QueueLogCall, call: Call | None, queues: Collection[str]) -> Doubt | None:
    """`call` is None when the recorder does not know it; one that is stored is not asked about."""
    if entry.outcome is QueueOutcome.TALKING and entry.legs[-1].queue in queues:
        if call is None or call.connected_at is None:
            return Doubt.ANSWER_MISSED
        if call.evidence is None and call.refused_at is None:
            return Doubt.PROOF_MISSED
    if entry.outcome in _OVER and not entry.transferred and call is not None and call.state is not CallState.ENDED:
        return Doubt.END_MISSED
    return None
