"""Rows of the ledger for the tests of its words: every reason, under the state it has."""

from ari_recorder.domain.ledger import LedgerState, Reason
from tests.site import IDLE, spoilt

# A call's row as each reason of the ledger has it: those that are recorded can be heard.
SOUNDS: dict[Reason, dict[str, tuple[bytes, bytes]]] = {Reason.SILENT_SIDE: {"sides": (spoilt(), IDLE)}}
STATES = {
    LedgerState.RECORDED: (
        Reason.TRUNCATED,
        Reason.LATE_START,
        Reason.ENDED_UNSEEN,
        Reason.ADOPTED,
        Reason.SILENT_SIDE,
        Reason.IMPORTED,
    ),
    LedgerState.NOT_RECORDED: (
        Reason.CALLER_REFUSED,
        Reason.NO_EVIDENCE,
        Reason.ABANDONED,
        Reason.UNANSWERED,
        Reason.QUEUE_NOT_RECORDED,
        Reason.NEVER_QUEUED,
        Reason.NOTHING_SAID,
        Reason.CAPTURE_FAILED,
        Reason.SERVICE_AWAY,
    ),
    LedgerState.UNEXPLAINED: (
        Reason.LENGTH_DIFFERS,
        Reason.NO_RECORDING,
        Reason.UNKNOWN_CALL,
        Reason.NOT_FINISHED,
    ),
    LedgerState.PENDING: (Reason.UNDER_WAY,),
}
