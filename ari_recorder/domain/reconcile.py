"""Rows and files held against each other: what should not be, and why. Nothing is done about it here.

row              file             so it is
sealed           there            well, if its size is that of the row
sealed           not there        missing, unless the S3 store has it
erasing          either           the sweep is at work
erased           there            outlived: its key is gone, but it should be gone too
none             there            unknown, unless it is so young that its row may still be on its way

A part of a stored recording may go, for all of it is in the sealed file; but not where that file is missing, cut or
damaged: then the part is the last there is of the call.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ari_recorder.domain.retention import StoredState

# A row waits for the database, a file in the making for its sealing. Whoever waits longer has an alarm of its own.
ON_ITS_WAY = timedelta(hours=1)


class DifferenceKind(StrEnum):
    MISSING = "missing"
    SIZE_DIFFERS = "size-differs"
    OUTLIVED = "outlived"
    UNKNOWN = "unknown"
    LEFTOVER = "leftover"
    PART_LEFT = "part-left"
    PART_NEEDED = "part-needed"
    STRANGER = "stranger"


# What may go: its recording was erased or is stored elsewhere. All else is a person's to decide.
MENDABLE = frozenset({DifferenceKind.OUTLIVED, DifferenceKind.PART_LEFT})
# The sealed file is not what it was.
BROKEN = frozenset({DifferenceKind.MISSING, DifferenceKind.SIZE_DIFFERS})

BECAUSE = {
    DifferenceKind.MISSING: "the row is there, its sealed file is not: restore it from a backup",
    DifferenceKind.SIZE_DIFFERS: "the sealed file is longer or shorter than it was when it was sealed",
    DifferenceKind.OUTLIVED: "the recording was destroyed and its key is gone, but its file was still there",
    DifferenceKind.UNKNOWN: "a sealed file without a row: nobody has its key. Is the database an older one?",
    DifferenceKind.LEFTOVER: "a file that was being written, and is not any more",
    DifferenceKind.PART_LEFT: "its recording is stored or destroyed: what was sealed during the call should be gone",
    DifferenceKind.PART_NEEDED: "its sealed file is not whole: what was sealed during the call is all there is of it",
    DifferenceKind.STRANGER: "a file in the vault whose name is none of ours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFacts:
    """`sealed_bytes`: None when the row has no file any more. `in_store`: the S3 store has it, verified."""

    state: StoredState
    sealed_bytes: int | None
    in_store: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    size: int
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`subject`: the recording's id, or a path in the vault. `mended`: it has been put right."""

    kind: DifferenceKind
    subject: str
    because: str
    mended: bool = False


def difference(kind: DifferenceKind, subject: object) -> Difference:
    return Difference(kind=kind, subject=str(subject), because=BECAUSE[kind])


def compare(rows: Mapping[UUID, RowFacts], files: Mapping[UUID, FileFacts], now: datetime) -> tuple[Difference, ...]:
    """The sealed files of a day against the rows of the same recordings."""
    found = []
    for recording_id, row in rows.items():
        file = files.get(recording_id)
        if row.state is StoredState.SEALED and file is None and not row.in_store:
            found.append(difference(DifferenceKind.MISSING, recording_id))
        elif row.state is StoredState.SEALED and file is not None and file.size != row.sealed_bytes:
            found.append(difference(DifferenceKind.SIZE_DIFFERS, recording_id))
        elif row.state is StoredState.ERASED and file is not None:
            found.append(difference(DifferenceKind.OUTLIVED, recording_id))
    for recording_id in files.keys() - rows.keys():
        if now - files[recording_id].written_at > ON_ITS_WAY:
            found.append(difference(DifferenceKind.UNKNOWN, recording_id))
    return tuple(found)


def compare_parts(
    rows: Mapping[UUID, RowFacts], parts: Mapping[UUID, FileFacts], broken: Collection[UUID], now: datetime
) -> tuple[Difference, ...]:
    """Parts of calls that go on have no row yet; one that has a row should be gone. `broken`: recordings whose sealed
    file is not whole."""
    found = []
    for recording_id, part in parts.items():
        if now - part.written_at <= ON_ITS_WAY:
            continue
        if recording_id not in rows:
            kind = DifferenceKind.UNKNOWN
        elif recording_id in broken and rows[recording_id].state is StoredState.SEALED:
            kind = DifferenceKind.PART_NEEDED
        else:
            kind = DifferenceKind.PART_LEFT
        found.append(difference(kind, recording_id))
    return tuple(found)
