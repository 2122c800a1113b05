"""All that is known of one recording, for those whose rights reach it; looking at it is on record. Changes nothing.

Outside the scope it does not exist. With the keyring locked everything is shown but what is sealed: who called, what
was corrected, why somebody listened.
"""

import asyncio
import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from ari_recorder.domain.accounts import Permission, Principal, Scope, authorise
from ari_recorder.domain.audit import Action, Entry
from ari_recorder.domain.calls import Member
from ari_recorder.domain.errors import KeyringLocked, RecorderError, RecordingUnknown, Unavailable
from ari_recorder.domain.events import Party
from ari_recorder.domain.evidence import Evidence
from ari_recorder.domain.importing import DateSource, Doubt
from ari_recorder.domain.ledger import Verdict
from ari_recorder.domain.listening import Purpose
from ari_recorder.domain.recordings import EndReason, StartedBy
from ari_recorder.domain.restriction import OpeningGround, Restriction, in_force
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.retention_told import Retention, Rule, told
from ari_recorder.domain.timeline import NOTE, Moment, in_order, moments
from ari_recorder.services import kept
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.callers import open_caller
from ari_recorder.services.clock import Clocks
from ari_recorder.services.corrections import Corrected, Corrections, fields_of, notes_of
from ari_recorder.services.disclosures import Disclosed, disclosed
from ari_recorder.services.policy import Policies
from ari_recorder.storage import audit, calls, disclosures, holds, importing, listenings, recordings, restrictions
from ari_recorder.storage.calls import StoredCall
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.holds import Keeping
from ari_recorder.storage.listenings import Heard
from ari_recorder.storage.recordings import Sides, StoredRecording
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault

log = structlog.get_logger(__name__)


class Integrity(StrEnum):
    """What a look at the sealed file just now has shown: does it belong to this key and recording, is its end there?"""

    INTACT = "intact"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"  # it could not be looked at: keys locked, disk away
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Who listened to it, and why. `ground`: on which it was opened, if it was restricted. `share`: how much of the
    audio went out, of 100."""

    id: UUID
    by: str
    begun_at: datetime
    purpose: Purpose
    reference: str
    text: str | None = dataclasses.field(repr=False)
    ground: OpeningGround | None
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Another recording of the same call."""

    id: UUID
    started_at: datetime
    queue: str
    duration: timedelta | None
    state: StoredState


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPage:
    """`locked`: what is sealed is not shown, for the keyring is locked. `opened`, and `exports` (whom it was given
    to), are None for those they are not for. `quarantined`: nobody may listen to it; `proved_uniqueid` says whose call
    it is, if that is known. `restrictions`: those in force, the oldest first; with one it is opened on a ground only.
    `dated_by`: of one that was imported, which source gave its date.
    `waiting`: its flag waits for a decision. `others`: of the same call, as far as the right reaches."""

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
    joined_at: datetime | None
    hold_time: timedelta | None
    talk_time: timedelta
    members: tuple[Member, ...]
    evidence: Evidence | None
    evidence_problem: str
    verdict: Verdict
    dated_by: DateSource | None
    date_doubt: Doubt
    flagged: bool
    quarantined: bool
    restrictions: tuple[Restriction, ...]
    undecided: bool
    waiting: bool
    others: tuple[Segment, ...]
    locked: bool
    caller: Party | None = dataclasses.field(repr=False)
    moments: tuple[Moment, ...]
    integrity: Integrity
    retention: Retention
    hold_ids: tuple[UUID, ...]
    erased_at: datetime | None
    erased_because: str | None
    fields: tuple[Corrected, ...]
    notes: tuple[Corrected, ...]
    opened: tuple[Opened, ...] | None
    exports: tuple[Disclosed, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """How long the audio is, and what happened when in it. `waiting`: for a decision on its flag."""

    duration: timedelta | None
    waiting: bool
    moments: tuple[Moment, ...]


class RecordingPages:
    def __init__(
        self, *, database: Database, vault: Vault, keyring: Keyring, policies: Policies, clocks: Clocks
    ) -> None:
        self._database = database
        self._vault = vault
        self._keyring = keyring
        self._policies = policies
        self._clocks = clocks
        self._texts = CallTexts(keyring)
        self._corrections = Corrections(database=database, keyring=keyring, clocks=clocks)

    async def show(self, principal: Principal, recording_id: UUID) -> RecordingPage:
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_VIEW, now=now)
        locked = self._keyring.locked
        async with self._database.transaction() as conn:
            row = await recordings.visible(conn, recording_id, scope)
            if row is None:
                raise RecordingUnknown(recording_id=recording_id)
            call = (await calls.get(conn, [row.call_id]))[row.call_id]
            keeping = (await holds.of_recordings(conn, [recording_id])).get(recording_id, holds.NOTHING)
            restricted = in_force((await restrictions.of_recordings(conn, [recording_id])).get(recording_id, ()))
            others = await recordings.of_call(conn, call.id, scope)
            versions = await self._corrections.of_call(conn, call.id, opened=not locked)
            opened, exports = None, None
            if principal.may(Permission.USE_REPORT):
                opened = await self._opened(conn, recording_id)
                exports = await disclosed(conn, self._texts, await disclosures.of_recording(conn, recording_id))
            origin = (await importing.origins(conn, [recording_id])).get(recording_id)
            retention = await self._retention(conn, row, call, keeping, now)
            entry = Entry(
                action=Action.RECORDING_VIEW,
                actor=principal.actor(Permission.RECORDING_VIEW),
                object=f"recording:{recording_id}",
            )
            await audit.append(conn, entry, now)
        caller = None
        if call.personal is not None and not locked:
            caller = await asyncio.to_thread(open_caller, self._keyring, call.id, call.personal.sealed)
        integrity = await asyncio.to_thread(self._look, row)
        notes = notes_of(versions)
        return RecordingPage(
            id=row.id,
            call_id=call.id,
            segment=row.segment,
            state=row.state,
            queue=row.queue,
            number=call.number,
            uniqueid=call.uniqueid,
            proved_uniqueid=call.proved_uniqueid,
            linkedid=call.linkedid,
            started_at=row.started_at,
            ended_at=row.ended_at,
            started_by=row.started_by,
            late=row.late,
            end_reason=row.end_reason,
            duration=row.duration,
            sealed_bytes=row.sealed_bytes,
            sha256=row.sha256,
            sides=row.sides,
            truncated_because=row.truncated_because,
            joined_at=call.joined_at,
            hold_time=call.hold_time,
            talk_time=call.talk_time,
            members=call.members,
            evidence=call.evidence,
            evidence_problem=call.evidence_problem,
            verdict=call.verdict,
            dated_by=origin.date_source if origin is not None else None,
            date_doubt=origin.date_doubt if origin is not None else Doubt.NONE,
            flagged=call.flagged,
            quarantined=row.quarantined_until is not None,
            restrictions=restricted,
            undecided=call.flagged and not row.decided,
            waiting=_waiting(row, call, keeping),
            others=tuple(_segment(other) for other in others if other.id != row.id),
            locked=locked,
            caller=caller,
            moments=_moments(row, call, notes),
            integrity=integrity,
            retention=retention,
            hold_ids=tuple(hold.id for hold in keeping.holds if hold.released_at is None),
            erased_at=row.erased_at,
            erased_because=row.erased_because,
            fields=fields_of(row.queue, call, caller, versions),
            notes=notes,
            opened=opened,
            exports=exports,
        )

    async def timeline(self, scope: Scope, recording_id: UUID) -> Timeline:
        """For somebody who listens to it: that is on record already."""
        async with self._database.transaction() as conn:
            row = await recordings.visible(conn, recording_id, scope)
            if row is None:
                raise RecordingUnknown(recording_id=recording_id)
            call = (await calls.get(conn, [row.call_id]))[row.call_id]
            keeping = (await holds.of_recordings(conn, [recording_id])).get(recording_id, holds.NOTHING)
            versions = await self._corrections.of_call(conn, call.id, opened=not self._keyring.locked)
        return Timeline(
            duration=row.duration,
            waiting=_waiting(row, call, keeping),
            moments=_moments(row, call, notes_of(versions)),
        )

    async def inside(self, scope: Scope, recording_ids: Collection[UUID]) -> None:
        """RecordingUnknown when one of them lies outside."""
        async with self._database.transaction() as conn:
            for recording_id in recording_ids:
                if await recordings.visible(conn, recording_id, scope) is None:
                    raise RecordingUnknown(recording_id=recording_id)

    async def _opened(self, conn: Connection, recording_id: UUID) -> tuple[Opened, ...]:
        heard = await listenings.of_recording(conn, recording_id)
        ids = [one.text_id for one in heard if one.text_id is not None]
        try:
            texts = await self._texts.read(conn, ids)
        except KeyringLocked:
            texts = {}
        return tuple(
            Opened(
                id=one.id,
                by=one.user_name,
                begun_at=one.begun_at,
                purpose=one.purpose,
                reference=one.reference,
                text=texts.get(one.text_id) if one.text_id is not None else None,
                ground=one.ground,
                share=_share(one),
            )
            for one in heard
        )

    async def _retention(
        self, conn: Connection, row: StoredRecording, call: StoredCall, keeping: Keeping, now: datetime
    ) -> Retention:
        if row.state is not StoredState.SEALED:
            return Retention(rule=Rule.GONE)
        return told(
            kept.of_recording(row, call), await self._policies.within(conn), keeping.holds, keeping.freezes, now
        )

    def _look(self, row: StoredRecording) -> Integrity:
        """Key, commitment, last chunk: milliseconds. That every byte is there, the nightly scrub finds out."""
        if row.state is not StoredState.SEALED or row.path is None or row.wrapped_key is None:
            return Integrity.GONE
        try:
            self._vault.open_recording(row.path, row.wrapped_key, row.id).close()
        except Unavailable:
            return Integrity.UNKNOWN
        except RecorderError as error:
            log.error("recording_look_fail", recording_id=str(row.id), code=error.code)
            return Integrity.DAMAGED
        return Integrity.INTACT


def _waiting(row: StoredRecording, call: StoredCall, keeping: Keeping) -> bool:
    """As the review list has it: what is kept by something waits for nobody."""
    return row.state is StoredState.SEALED and call.flagged and not row.decided and keeping == holds.NOTHING


def _segment(row: StoredRecording) -> Segment:
    return Segment(id=row.id, started_at=row.started_at, queue=row.queue, duration=row.duration, state=row.state)


def _share(heard: Heard) -> int:
    """Once heard is heard, however often."""
    if not heard.size_bytes:
        return 0
    return round(100 * sum(end - first for first, end in heard.ranges) / heard.size_bytes)


def _moments(row: StoredRecording, call: StoredCall, notes: Sequence[Corrected]) -> tuple[Moment, ...]:
    marked = moments(call.marks, row.clock_at_start, row.duration)
    noted = [
        Moment(kind=NOTE, offset=offset, at=newest.made_at, by=newest.made_by, text=newest.value or "")
        for note in notes
        if (offset := (newest := note.versions[-1]).audio_offset) is not None and newest.recording_id == row.id
    ]
    return in_order([*marked, *noted])
