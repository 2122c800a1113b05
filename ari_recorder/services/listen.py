"""Finding, showing and exporting recordings. What is personal is opened only where somebody asks for it by name.

For the command line: whoever may read the database and unlock the keyring may do this. Each look is an entry of the
audit log, in the transaction that reads: without it nothing is shown. What people see on the page: services/search.py,
services/recording_page.py.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from io import FileIO
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.audit import JSON, Action, Actor, Entry, Outcome
from ari_recorder.domain.calls import Mark, Member
from ari_recorder.domain.errors import (
    RecorderError,
    RecordingAmbiguous,
    RecordingErased,
    RecordingUnknown,
)
from ari_recorder.domain.events import Party
from ari_recorder.domain.evidence import Evidence
from ari_recorder.domain.ledger import Verdict
from ari_recorder.domain.recordings import EndReason, Label, StartedBy
from ari_recorder.domain.restriction import OpeningGround, Restriction, in_force
from ari_recorder.domain.retention import Keep, Policy, StoredState, decide, midnight
from ari_recorder.services import kept
from ari_recorder.services.audit_log import written
from ari_recorder.services.callers import open_caller
from ari_recorder.services.new_files import copy_of, create, fresh_name, give_name, refused
from ari_recorder.services.verify import verify
from ari_recorder.storage import audit, calls, exports, holds, importing, recordings, restrictions
from ari_recorder.storage.calls import StoredCall
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.exports import Export
from ari_recorder.storage.importing import Origin
from ari_recorder.storage.recordings import Sides, StoredRecording
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.parts import SAMPLE_RATE
from ari_recorder.vault.recordings import Vault

# A frame of the exported WAV file: two channels of 16 bit.
_FRAME_BYTES = 4

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which recordings; what is None does not matter. `day` is one of Europe/Helsinki."""

    day: date | None = None
    queue: str | None = None
    flagged: bool | None = None
    caller_index: bytes | None = None  # services/caller_index.py makes it of a number
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A recording in a list. Nothing of the caller is in it."""

    id: UUID
    started_at: datetime
    duration: timedelta | None
    queue: str
    agents: tuple[str, ...]
    state: StoredState
    flagged: bool
    quarantined: bool
    restricted: bool
    uniqueid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A recording and its call. `caller` is None unless it was asked for, or when it is gone; `keep_until` is None when
    the recording is due or gone, and while something keeps it whose end nobody knows."""

    id: UUID
    call_id: UUID
    segment: int
    state: StoredState
    queue: str
    number: str
    uniqueid: str
    proved_uniqueid: str
    linkedid: str
    started_at: datetime
    ended_at: datetime | None
    started_by: StartedBy
    late: bool
    end_reason: EndReason | None
    duration: timedelta | None
    sealed_bytes: int | None
    sha256: str | None
    sides: Sides | None
    truncated_because: str | None
    clock_at_start: timedelta
    joined_at: datetime | None
    hold_time: timedelta | None
    talk_time: timedelta
    members: tuple[Member, ...]
    marks: tuple[Mark, ...]
    evidence: Evidence | None
    verdict: Verdict
    keep_until: datetime | None
    kept_because: str
    restrictions: tuple[Restriction, ...]
    erased_at: datetime | None
    erased_because: str | None
    # Of one that was imported from an old PBX: which source gave its date, and what its file was.
    origin: Origin | None
    caller: Party | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    recording_id: UUID
    target: Path
    duration: timedelta
    size_bytes: int


async def find(database: Database, wanted: Wanted, actor: Actor) -> list[Line]:
    """The newest first. Tombstones of destroyed recordings are among them."""
    begin, end = _bounds(wanted.day)
    filters = recordings.Filters(
        queue=wanted.queue,
        started_from=begin,
        started_before=end,
        flagged=wanted.flagged,
        caller_index=wanted.caller_index,
    )
    async with database.transaction() as conn:
        found = await recordings.find(conn, filters, limit=wanted.limit)
        of = await calls.get(conn, {recording.call_id for recording in found})
        await audit.append(conn, _looked(wanted, len(found), actor), datetime.now(UTC))
    return [_line(recording, of[recording.call_id]) for recording in found]


async def identify(database: Database, wanted: str) -> UUID:
    """The recording whose id begins so."""
    async with database.transaction() as conn:
        found = await recordings.beginning_with(conn, wanted)
    if not found:
        raise RecordingUnknown(recording_id=wanted)
    if len(found) > 1:
        raise RecordingAmbiguous(begins=wanted)
    return found[0]


async def show(
    database: Database, recording_id: UUID, policy: Policy, keyring: Keyring | None, actor: Actor
) -> Details:
    """With a keyring the caller's number and name are opened too."""
    facts_told: dict[str, JSON] = {"caller": True} if keyring is not None else {}
    async with database.transaction() as conn:
        recording, call = await _get(conn, recording_id)
        entry = Entry(action=Action.RECORDING_VIEW, actor=actor, object=f"recording:{recording_id}", facts=facts_told)
        await audit.append(conn, entry, datetime.now(UTC))
        keeping = (await holds.of_recordings(conn, [recording_id])).get(recording_id, holds.NOTHING)
        known = await restrictions.of_recordings(conn, [recording_id])
        origins = await importing.origins(conn, [recording_id])
    fate = decide(kept.of_recording(recording, call), policy, keeping.holds, keeping.freezes, datetime.now(UTC))
    caller = None
    if keyring is not None and call.personal is not None:
        caller = open_caller(keyring, call.id, call.personal.sealed)
    return Details(
        id=recording.id,
        call_id=call.id,
        segment=recording.segment,
        state=recording.state,
        queue=recording.queue,
        number=call.number,
        uniqueid=call.uniqueid,
        proved_uniqueid=call.proved_uniqueid,
        linkedid=call.linkedid,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
        started_by=recording.started_by,
        late=recording.late,
        end_reason=recording.end_reason,
        duration=recording.duration,
        sealed_bytes=recording.sealed_bytes,
        sha256=recording.sha256,
        sides=recording.sides,
        truncated_because=recording.truncated_because,
        clock_at_start=recording.clock_at_start,
        joined_at=call.joined_at,
        hold_time=call.hold_time,
        talk_time=call.talk_time,
        members=call.members,
        marks=call.marks,
        evidence=call.evidence,
        verdict=call.verdict,
        keep_until=fate.until if isinstance(fate, Keep) and recording.state is StoredState.SEALED else None,
        kept_because=fate.because,
        restrictions=in_force(known.get(recording_id, ())),
        erased_at=recording.erased_at,
        erased_because=recording.erased_because,
        origin=origins.get(recording_id),
        caller=caller,
    )


async def export_wav(
    database: Database,
    vault: Vault,
    recording_id: UUID,
    target: Path,
    progress: Progress,
    actor: Actor,
    ground: OpeningGround | None = None,
) -> Exported:
    """Write a recording as WAV, in clear, for this user alone. `target` appears when it is complete, or not at all.
    `ground`: on which something restricted is opened.

    Each name the file has is known before it has it, so that it goes when the recording goes, whatever ends this.
    """
    async with database.transaction() as conn:
        row, _ = await kept.to_be_opened(conn, recording_id, kept.EVERYWHERE, ground)
    ground = kept.told_ground(row, ground)
    sealed = await _sealed(database, recording_id)
    fresh = fresh_name(target)
    begun, named = await asyncio.to_thread(_begun, recording_id, target, fresh, ground)
    over = [begun, named]
    try:
        await _known(database, begun)
        expected = (sealed.recording.duration or timedelta()).total_seconds() * SAMPLE_RATE * _FRAME_BYTES
        size, duration = await asyncio.to_thread(_write, vault, sealed, target, fresh, expected, progress)
        facts = {"format": "wav", **kept.as_fact(ground)}
        entry = Entry(action=Action.RECORDING_EXPORT, actor=actor, object=f"recording:{recording_id}", facts=facts)
        await _known(database, named, entry)  # and no copy has its name without an entry
        async with database.transaction() as conn:
            # Nobody begins to erase it before the file has its name, and is found by it.
            if not await exports.insert(conn, named, datetime.now(UTC)):
                raise _gone(recording_id)
            await asyncio.to_thread(give_name, fresh, target)
        over.remove(named)
    finally:
        await asyncio.to_thread(fresh.unlink, missing_ok=True)
        with contextlib.suppress(RecorderError):  # a row too many does no harm
            async with database.transaction() as conn:
                await exports.forget(conn, over)
    return Exported(recording_id=recording_id, target=target, duration=duration, size_bytes=size)


async def verify_sealed(database: Database, vault: Vault, recording_id: UUID, actor: Actor) -> tuple[str, ...]:
    """What was checked of a recording, in words; an error when it is not what was sealed."""
    sealed = await _sealed(database, recording_id)
    sha256 = bytes.fromhex(sealed.recording.sha256 or "")
    entry = Entry(action=Action.RECORDING_VERIFY, actor=actor, object=f"recording:{recording_id}")
    try:
        checked = await asyncio.to_thread(
            verify, vault, sealed.path, sealed.wrapped_key, recording_id, sha256, sealed.label
        )
    except RecorderError as error:
        await written(database, replace(entry, outcome=Outcome.FAILED, because=error.code), datetime.now(UTC))
        raise
    await written(database, entry, datetime.now(UTC))
    return checked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """A recording that is there, and what its row says that it is."""

    recording: StoredRecording
    path: str
    wrapped_key: bytes
    label: Label


async def _sealed(database: Database, recording_id: UUID) -> _Sealed:
    async with database.transaction() as conn:
        recording, call = await _get(conn, recording_id)
    if recording.state is not StoredState.SEALED or recording.path is None or recording.wrapped_key is None:
        raise RecordingErased(recording_id=recording_id, because=recording.erased_because or recording.state.value)
    label = kept.label_of(recording, call)
    return _Sealed(recording=recording, path=recording.path, wrapped_key=recording.wrapped_key, label=label)


async def _known(database: Database, copy: Export, *entries: Entry) -> None:
    async with database.transaction() as conn:
        if not await exports.insert(conn, copy, datetime.now(UTC)):
            raise _gone(copy.recording_id)
        await audit.append_many(conn, entries, datetime.now(UTC))


def _gone(recording_id: UUID) -> RecordingErased:
    return RecordingErased(recording_id=recording_id, because="while it was exported")


def _begun(recording_id: UUID, target: Path, fresh: Path, ground: OpeningGround | None) -> tuple[Export, Export]:
    """An empty file under its first name, `fresh`, and what it will be when it has the other one."""
    with refused(target):
        fd = create(fresh, target)
        try:
            begun = replace(copy_of(recording_id, fresh, os.fstat(fd)), ground=ground)
        finally:
            os.close(fd)
    return begun, replace(begun, path=str(target.absolute()))


def _write(
    vault: Vault, sealed: _Sealed, target: Path, fresh: Path, expected: float, progress: Progress
) -> tuple[int, timedelta]:
    """How many bytes, and how long it is."""
    with refused(target), FileIO(os.open(fresh, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "wb") as file:
        sink = _Counting(file, expected, progress)
        duration = vault.export_wav(sealed.path, sealed.wrapped_key, sealed.recording.id, sink, sealed.label)
        os.fsync(file.fileno())
    return sink.written, duration


class _Counting:
    """A sink that tells how far it is."""

    def __init__(self, file: FileIO, expected: float, progress: Progress) -> None:
        self._file = file
        self._expected = max(expected, 1.0)
        self._progress = progress
        self.written = 0

    def write(self, data: memoryview, /) -> int:
        count = self._file.write(data)
        self.written += count
        self._progress(min(self.written / self._expected, 1.0))
        return count


def _looked(wanted: Wanted, found: int, actor: Actor) -> Entry:
    """What was looked for; of a number only that there was one."""
    asked: dict[str, JSON] = {
        "day": wanted.day.isoformat() if wanted.day is not None else None,
        "queue": wanted.queue,
        "flagged": wanted.flagged,
        "number": True if wanted.caller_index is not None else None,
    }
    facts = {name: value for name, value in asked.items() if value is not None}
    action = Action.RECORDING_SEARCH if facts else Action.RECORDING_LIST
    return Entry(action=action, actor=actor, facts={**facts, "found": found})


async def _get(conn: Connection, recording_id: UUID) -> tuple[StoredRecording, StoredCall]:
    recording = await recordings.get(conn, recording_id)
    if recording is None:
        raise RecordingUnknown(recording_id=recording_id)
    of = await calls.get(conn, [recording.call_id])
    return recording, of[recording.call_id]


def _line(recording: StoredRecording, call: StoredCall) -> Line:
    return Line(
        id=recording.id,
        started_at=recording.started_at,
        duration=recording.duration,
        queue=recording.queue,
        agents=tuple(dict.fromkeys(member.name or member.interface for member in call.members)),
        state=recording.state,
        flagged=call.flagged,
        quarantined=recording.quarantined_until is not None,
        restricted=recording.restricted,
        uniqueid=call.uniqueid,
    )


def _bounds(day: date | None) -> tuple[datetime | None, datetime | None]:
    if day is None:
        return None, None
    return midnight(day), midnight(day + timedelta(days=1))
