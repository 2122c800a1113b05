"""What the decision to keep or destroy goes by (domain/retention.py), from the rows that hold it: in one place, so that
nothing that keeps or destroys is known to one asker and not to another. And who may be opened at all.
"""

from uuid import UUID

from ari_recorder.domain import quarantine, restriction
from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.audit import JSON
from ari_recorder.domain.errors import RecordingErased, RecordingUnknown
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.restriction import OpeningGround
from ari_recorder.domain.retention import Kept, StoredState
from ari_recorder.storage import recordings
from ari_recorder.storage.calls import StoredCall
from ari_recorder.storage.db import Connection
from ari_recorder.storage.erasing import Due
from ari_recorder.storage.keeping import Locked
from ari_recorder.storage.recordings import StoredRecording

# Of who may open anything: the command line.
EVERYWHERE = Scope(queues=None, interfaces=None)


def of_row(row: Due | Locked) -> Kept:
    return Kept(
        queue=row.queue,
        kept_from=row.kept_from,
        undecided=row.undecided,
        quarantined_until=row.quarantined_until,
    )


def of_recording(recording: StoredRecording, call: StoredCall) -> Kept:
    return Kept(
        queue=recording.queue,
        kept_from=recording.kept_from,
        undecided=call.flagged and not recording.decided,
        quarantined_until=recording.quarantined_until,
    )


def label_of(recording: StoredRecording, call: StoredCall) -> Label:
    """What its file has to say that it is."""
    return Label(
        uniqueid=Uniqueid(call.uniqueid),
        queue=recording.queue,
        segment=recording.segment,
        started_at=recording.started_at,
    )


async def to_be_opened(
    conn: Connection, recording_id: UUID, scope: Scope, ground: OpeningGround | None = None
) -> tuple[StoredRecording, str]:
    """A recording that may be listened to or given out, and the name of its key; nobody erases or restricts it until
    the transaction ends. RecordingUnknown (also when it is another unit's), RecordingErased, RecordingQuarantined;
    RecordingRestricted without a ground (GDPR, article 18(2)). Every way to audio comes through here.
    """
    row = await recordings.share(conn, recording_id, scope)
    if row is None:
        raise RecordingUnknown(recording_id=recording_id)
    if row.state is not StoredState.SEALED or row.key_name is None:
        raise RecordingErased(recording_id=recording_id, because=row.erased_because or row.state.value)
    quarantine.check_open(recording_id, row.quarantined_until)
    restriction.check_open(recording_id, ground, restricted=row.restricted)
    return row, row.key_name


def told_ground(row: StoredRecording, ground: OpeningGround | None) -> OpeningGround | None:
    """What goes on record: of what is not restricted none, whatever was said. If it is restricted later, a ground that
    was said before does not open it."""
    return ground if row.restricted else None


def as_fact(ground: OpeningGround | None) -> dict[str, JSON]:
    """For the audit log: only of what is restricted."""
    return {"ground": ground.value} if ground is not None else {}
