"""One recording: one MixMonitor of ours on the caller's channel, from the order to start it to the sealed file.

                  Refused
    starting ─────────────────────────────► failed ◄── SealFailed (final) ── closed
       │ Accepted                                                            ▲  │ Sealed
       ▼              stop / channel gone              FilesClosed           │  ▼
    capturing ─────────────────────────────► stopping ───────────────────────┘ sealed
       └───────────── FilesClosed ───────────────────────────────────────────┘
    any but failed ── caller says no / never told ──► discarding ── Destroyed ──► discarded
    failed ── Accepted, after it was given up ──► discarding

Pausing is not a state but a flag: MixMonitorMute writes silence and the file goes on.
What becomes of a sealed recording later (retention, holds) is not here: domain/retention.py.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.events import SealedFacts, Uniqueid


class RecordingState(StrEnum):
    STARTING = "starting"
    CAPTURING = "capturing"
    STOPPING = "stopping"
    CLOSED = "closed"
    SEALED = "sealed"
    FAILED = "failed"
    DISCARDING = "discarding"
    DISCARDED = "discarded"


# Nothing is written to the files any more that we would want.
FINAL = frozenset({RecordingState.SEALED, RecordingState.FAILED, RecordingState.DISCARDED})
# MixMonitor runs, or may run, for us.
RUNNING = frozenset({RecordingState.STARTING, RecordingState.CAPTURING})


class EndReason(StrEnum):
    """Why a recording ended."""

    HANGUP = "hangup"
    TRANSFERRED = "transferred"  # the next segment records who came after
    LEFT_ORGANISATION = "left-organisation"
    QUEUE_NOT_RECORDED = "queue-not-recorded"
    STOPPED_BY_OTHERS = "stopped-by-others"
    ENDED_UNSEEN = "ended-unseen"  # while the service was away or cut off from the PBX
    REFUSED = "refused"
    NO_EVIDENCE = "no-evidence"


class StartedBy(StrEnum):
    SERVICE = "service"
    DIALPLAN = "dialplan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """`clock_at_start` is the call's bridged time at the beginning: offsets in the audio are counted from it.
    `doubtful`: the order to start it was given before a gap, so no answer may come, and the PBX is asked."""

    id: UUID
    base: str
    segment: int
    started_at: datetime
    started_by: StartedBy
    clock_at_start: timedelta
    state: RecordingState = RecordingState.STARTING
    mixmonitor_id: str = ""
    doubtful: bool = False
    late: bool = False
    grew: bool = False
    muted: bool = False
    heard: frozenset[str] = frozenset()  # the channels whose voices it holds
    end_reason: EndReason | None = None
    ended_at: datetime | None = None
    sealed: SealedFacts | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Which recording a sealed file is, sealed in it: a row that says otherwise was changed, or is another's.
    `uniqueid` is the call's."""

    uniqueid: Uniqueid
    queue: str
    segment: int
    started_at: datetime

    def differs(self, other: "Label") -> tuple[str, ...]:
        """In what."""
        names = ("uniqueid", "queue", "segment", "started_at")
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))
