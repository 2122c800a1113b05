"""Quarantine: audio whose announcement nobody can prove is sealed, heard by nobody, and destroyed after some days.

    a pair in the spool that is nobody's ──► quarantined ── until its day ──► destroyed, by the ordinary sweep
                                             (nobody listens to it, gives it out, holds it or flags it)

Such audio must not be kept as a recording, for its caller may never have been told; it must not lie in the spool in
clear; and it must not go unseen, for something made it. So it becomes a call of its own, known by an id that says what
it is. The Uniqueid that the files' name proves is kept beside that id and not in its place: that call may have a row of
its own, today or later. What the ledger makes of it: domain/ledger.py. How it is sealed is the call machine's matter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.errors import RecordingQuarantined
from ari_recorder.domain.events import Event, Uniqueid
from ari_recorder.domain.retention import local_day, midnight

# Long enough for a privacy officer to come back from a week's leave and find out what made it.
USUAL_DAYS = 14


class QuarantineReason(StrEnum):
    """Why it is not a recording. The values are those of the ledger's reasons, where it is one."""

    NO_EVIDENCE = "no-announcement-evidence"  # the name of the files proves nothing
    UNKNOWN_CALL = "unknown-call"  # the announcement was played, and the PBX's log has no such call
    SECOND_RECORDING = "second-recording"  # of a call whose recording is another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """`uniqueid`: of the call, where the name of the files proves it; empty otherwise. `until`: the moment from which
    on it is destroyed; its date in Helsinki is the date that is told."""

    because: QuarantineReason
    uniqueid: Uniqueid
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphaned(Event):
    """Two files of the spool with audio that belong to no call and are written to no more. `fresh`: the id it is sealed
    under, always the same for the same files."""

    base: str
    fresh: UUID
    because: QuarantineReason
    uniqueid: Uniqueid
    began: datetime
    ended: datetime


def uniqueid_of(event: Orphaned) -> Uniqueid:
    """Made up, and says so: no channel of a PBX is called this."""
    return Uniqueid(f"quarantine-{event.fresh}")


def last_moment(at: datetime, days: int) -> datetime:
    """Whole days, as people are told a date: the day it came does not count."""
    return midnight(local_day(at) + timedelta(days=days + 1))


def check_open(recording_id: UUID, until: datetime | None) -> None:
    """RecordingQuarantined, whoever asks: no right reaches what the caller was perhaps never told of."""
    if until is not None:
        raise RecordingQuarantined(recording_id=recording_id, day=local_day(until))
