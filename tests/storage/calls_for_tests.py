"""Snapshots of calls as the call machine leaves them, for the tests of what stores them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from ari_recorder.domain.calls import Call, CallState, Mark, MarkKind, Member
from ari_recorder.domain.events import Language, Party, SealedFacts, Side, Uniqueid
from ari_recorder.domain.evidence import Evidence, Sound
from ari_recorder.domain.recordings import EndReason, Recording, RecordingState, StartedBy
from ari_recorder.domain.retention import local_day
from ari_recorder.storage.calls import Personal

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIDE = Side(duration=timedelta(seconds=60), peak=0.5, rms=0.1, has_audio=True)
CALLER = Personal(sealed=b"sealed caller", key_name="day-2026-11-24")


def sealed_facts(recording_id: UUID, started_at: datetime = BEGAN) -> SealedFacts:
    return SealedFacts(
        path=f"{local_day(started_at):%Y/%m/%d}/{recording_id}.sealed",
        key_name="day-2026-11-24",
        wrapped_key="00" * 40,
        sha256="ab" * 32,
        sealed_bytes=123456,
        duration=timedelta(seconds=60.02),
        caller=SIDE,
        agent=replace(SIDE, peak=0.25),
    )


def sealed_recording(segment: int = 1, started_at: datetime = BEGAN) -> Recording:
    recording_id = uuid4()
    return Recording(
        id=recording_id,
        base=str(recording_id),
        segment=segment,
        started_at=started_at,
        started_by=StartedBy.SERVICE,
        clock_at_start=timedelta(),
        state=RecordingState.SEALED,
        mixmonitor_id="0x7f0001",
        grew=True,
        end_reason=EndReason.HANGUP,
        ended_at=started_at + timedelta(minutes=1),
        sealed=sealed_facts(recording_id, started_at),
    )


def discarding(recording: Recording) -> Recording:
    """The caller said no."""
    return replace(recording, state=RecordingState.DISCARDING, end_reason=EndReason.REFUSED)


def discarded(recording: Recording) -> Recording:
    return replace(discarding(recording), state=RecordingState.DISCARDED, sealed=None)


def finished_call(*recordings: Recording, at: datetime = BEGAN, queue: str = "advice") -> Call:
    """A call with one agent that ended after a minute."""
    uniqueid = Uniqueid(f"{at.timestamp():.0f}.{uuid4().int % 10**9}")
    return Call(
        id=uuid4(),
        system_name="pbx1",
        uniqueid=uniqueid,
        linkedid=uniqueid,
        channel="PJSIP/trunk-00000001",
        first_seen_at=at - timedelta(seconds=30),
        state=CallState.ENDED,
        number="0800123456",
        queue=queue,
        caller=Party(num="+358401234567", name="Päivi Ääkkönen"),
        evidence=Evidence(
            number="0800123456",
            sounds=(Sound(language=Language.FI, sha256="cd" * 32, duration=timedelta(seconds=7.25)),),
            started=at - timedelta(seconds=28),
            done=at - timedelta(seconds=20),
        ),
        evidence_problem="",
        joined_at=at - timedelta(seconds=19),
        connected_at=at,
        ended_at=at + timedelta(minutes=1),
        end_reason=EndReason.HANGUP,
        members=(
            Member(
                uniqueid=Uniqueid(uniqueid + "1"),
                queue=queue,
                interface="PJSIP/1001",
                name="Outi Neuvoja",
                connected_at=at,
                hold_time=timedelta(seconds=19),
                ring_time=timedelta(seconds=3),
                talk_time=timedelta(seconds=60),
                end_reason="caller",
            ),
        ),
        marks=(Mark(kind=MarkKind.THREAT, at=at + timedelta(seconds=9), offset=timedelta(seconds=9), by="PJSIP/1001"),),
        recordings=recordings,
        bridged_before=timedelta(seconds=60),
    )
