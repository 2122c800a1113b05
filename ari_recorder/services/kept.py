"""What the decision to keep or destroy goes by (domain/retention.py), from the rows that hold it: in one place, so that
nothing that keeps or destroys is known to one asker and not to another. And who may be opened at all.
"""

from uuid import UUID

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.errors import RecordingErased, RecordingUnknown
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.quarantine import check_open
from ari_recorder.domain.recordings import Label
from ari_recorder.domain.retention import Kept, StoredState
from ari_recorder.storage import recordings
from ari_recorder.storage.calls import StoredCall
from ari_recorder.storage.db import Connection
from ari_recorder.storage.erasing import Due
from ari_recorder.storage.keeping import Locked
from ari_recorder.storage.recordings import StoredRecording


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


async def to_be_opened(conn: Connection, recording_id: UUID, scope: Scope) -> tuple[StoredRecording, str]:
    """A recording that may be listened to or given out, and the name of its key; nobody erases it until the transaction
    ends. RecordingUnknown (also when it is another unit's), RecordingErased, RecordingQuarantined."""
    row = await recordings.share(conn, recording_id, scope)
    if row is None:
        raise RecordingUnknown(recording_id=recording_id)
    if row.state is not StoredState.SEALED or row.key_name is None:
        raise RecordingErased(recording_id=recording_id, because=row.erased_because or row.state.value)
    check_open(recording_id, row.quarantined_until)
    return row, row.key_name
