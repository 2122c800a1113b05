"""domain/cross_check.py: what queue_log knows and AMI did not tell is doubted, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ari_recorder.domain.calls import Call, CallState
from ari_recorder.domain.cross_check import Doubt, doubt
from ari_recorder.domain.queue_log import Leg, QueueLogCall, QueueOutcome
from tests.storage.calls_for_tests import BEGAN, finished_call

QUEUES = frozenset({"advice"})
CALL = replace(finished_call(), state=CallState.TALKING, ended_at=None, end_reason=None)
TALKING = QueueLogCall(
    uniqueid=CALL.uniqueid,
    queue="advice",
    entered_at=BEGAN,
    outcome=QueueOutcome.TALKING,
    legs=(Leg(queue="advice", connected_at=BEGAN),),
)
OVER = replace(TALKING, outcome=QueueOutcome.COMPLETED, ended_at=BEGAN + timedelta(minutes=1))
WAITING = replace(CALL, state=CallState.WAITING, connected_at=None)


@pytest.mark.parametrize(
    ("entry", "call", "expected"),
    [
        (TALKING, None, Doubt.ANSWER_MISSED),
        (TALKING, WAITING, Doubt.ANSWER_MISSED),
        (TALKING, replace(CALL, evidence=None), Doubt.PROOF_MISSED),
        (OVER, CALL, Doubt.END_MISSED),
        (replace(OVER, outcome=QueueOutcome.ABANDONED), WAITING, Doubt.END_MISSED),
        # What is as it should be, and what queue_log says nothing about.
        (TALKING, CALL, None),
        (TALKING, replace(CALL, evidence=None, refused_at=BEGAN), None),
        (replace(TALKING, legs=(Leg(queue="other", connected_at=BEGAN),)), None, None),
        (replace(TALKING, outcome=QueueOutcome.WAITING, legs=()), None, None),
        (OVER, None, None),
        (OVER, finished_call(), None),
        (replace(OVER, transferred=True), CALL, None),
        (replace(OVER, outcome=QueueOutcome.LEFT), WAITING, None),
    ],
)
def test_the_pbx_is_asked_when_its_log_knows_more(
    entry: QueueLogCall, call: Call | None, expected: Doubt | None
) -> None:
    assert doubt(entry, call, QUEUES) is expected
