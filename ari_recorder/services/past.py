"""What was so at a moment of the past, and what has come since: of a case, or of a recording. How: domain/past.py.

    case       ─► its steps until then ─► where it stood, its certificates, whose calls ─► their recordings
    recording  ─► was it there ─► what stood in its fields, with the original ─► restricted? given to whom? ─► its cases

What a person's recording held dies with the call: of a correction whose call is gone it can be shown that it was made,
when and by whom, and not what it said. Whoever looks is on record, as whoever looks at what is so now; who may is
decided by whoever calls.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from ari_recorder.domain.audit import JSON, Action, Actor, Entry
from ari_recorder.domain.corrections import Correctable, Version
from ari_recorder.domain.errors import KeyringLocked, RecordingUnknown
from ari_recorder.domain.past import Lasting, Stood, Versions, lasting_at, stood, versions_at
from ari_recorder.domain.refusal_certificates import number_told
from ari_recorder.domain.refusal_templates import Ground
from ari_recorder.domain.restriction import Restriction
from ari_recorder.domain.retention import StoredState
from ari_recorder.domain.subject_requests import Channel, Kind, Step
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.callers import open_caller
from ari_recorder.services.casebook import Casebook, number_of
from ari_recorder.services.clock import Clocks
from ari_recorder.services.corrections import Corrected, Corrections, fields_of, notes_of
from ari_recorder.services.disclosures import Disclosed, disclosed
from ari_recorder.services.kept import EVERYWHERE
from ari_recorder.services.request_list import StepTold, history
from ari_recorder.storage import (
    audit,
    calls,
    disclosures,
    notice_versions,
    recordings,
    refusal_certificates,
    request_matches,
    restrictions,
    subject_requests,
)
from ari_recorder.storage.db import Connection, Database
from ari_recorder.storage.notice_versions import NoticeVersion
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.storage.request_matches import Match
from ari_recorder.storage.subject_requests import StoredCase
from ari_recorder.vault.keyring import Keyring

# A case may be about a thousand calls: a few questions for each recording.
_SECONDS = 60.0
# All there ever were: a notice says something new a few times a year.
_EVERY_NOTICE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """A recording came into this state. `because`: by which rule or decision it was destroyed."""

    state: StoredState
    at: datetime
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldThen:
    """What was to be read there: the original before the first correction. A note has no original. None when it cannot
    be opened, or is gone."""

    field: Correctable
    subject: str
    original: str | None = dataclasses.field(repr=False)
    value: str | None = dataclasses.field(repr=False)
    versions: Versions[Version]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingThen:
    """`refused_at`: when the caller said no, if they did. `states`: nothing in force before it began."""

    id: UUID
    call_id: UUID
    queue: str
    started_at: datetime
    refused_at: datetime | None
    states: Versions[Became]
    fields: tuple[FieldThen, ...]
    restrictions: Lasting[Restriction]
    disclosures: Lasting[Disclosed]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateThen:
    """A certificate of refusal; its files: `request certificate`."""

    number: str
    ground: Ground
    languages: tuple[str, ...]
    issued_at: datetime
    issued_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallThen:
    """A call that the case had found. `is_theirs`: None while nobody had looked at it."""

    call_id: UUID
    found_at: datetime
    is_theirs: bool | None
    is_granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseThen:
    """`stood` is None before it was opened. `steps` until then, `since` those that came after; their words are opened
    where the case itself was asked for. `paper_reference`: of a document, the decision by which it was refused."""

    id: UUID
    number: str
    kind: Kind
    channel: Channel
    language: str
    is_proxy: bool
    received_on: date
    stood: Stood | None
    paper_reference: str
    steps: tuple[StepTold, ...]
    since: tuple[StepTold, ...]
    calls: tuple[CallThen, ...]
    certificates: Versions[CertificateThen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was so at `at`. Of a case: its recordings, without those that are another person's, as is known by now. Of
    a recording: its cases."""

    at: datetime
    notice: Versions[NoticeVersion]
    cases: tuple[CaseThen, ...]
    recordings: tuple[RecordingThen, ...]


class PastDesk:
    def __init__(self, *, database: Database, keyring: Keyring, clocks: Clocks) -> None:
        self._database = database
        self._keyring = keyring
        self._clocks = clocks
        self._book = Casebook(keyring)
        self._texts = CallTexts(keyring)
        self._corrections = Corrections(database=database, keyring=keyring, clocks=clocks)

    async def of_case(self, number: str, at: datetime, reader: Actor) -> Past:
        """RequestUnknown, KeyringLocked: what was typed is sealed."""
        if self._keyring.locked:
            raise KeyringLocked
        async with self._database.transaction(within=_SECONDS) as conn:
            stored = await self._book.find(conn, number)
            matches = await request_matches.of_case(conn, stored.id)
            case = await self._case(conn, stored, matches, at, opened=True)
            # By what is known now: another person's were shown as anybody's before somebody looked at them.
            others = {one.call_id for one in matches if one.is_theirs is False}
            there: list[RecordingThen] = []
            for one in case.calls:
                if one.call_id not in others:
                    there += await self._recordings(conn, one.call_id, at)
            told: dict[str, JSON] = {"case": case.number, "on": at.isoformat()}
            seen = [
                _entry(Action.RECORDING_VIEW, reader, f"recording:{one.id}", {**told, "caller": True}) for one in there
            ]
            await audit.append_many(
                conn, [_entry(Action.REQUEST_READ, reader, f"case:{case.id}", told), *seen], self._clocks.now()
            )
            return Past(at=at, notice=await _notice(conn, at), cases=(case,), recordings=tuple(there))

    async def of_recording(self, recording_id: UUID, at: datetime, reader: Actor) -> Past:
        """With the keyring locked what is sealed stays so. RecordingUnknown."""
        async with self._database.transaction(within=_SECONDS) as conn:
            row = await recordings.get(conn, recording_id)
            if row is None:
                raise RecordingUnknown(recording_id=recording_id)
            those = [one for one in await self._recordings(conn, row.call_id, at) if one.id == recording_id]
            cases = [
                await self._case(conn, one, await request_matches.of_case(conn, one.id), at, opened=False)
                for one in await subject_requests.of_call(conn, row.call_id)
            ]
            told: dict[str, JSON] = {"on": at.isoformat(), **({} if self._keyring.locked else {"caller": True})}
            entry = _entry(Action.RECORDING_VIEW, reader, f"recording:{recording_id}", told)
            await audit.append(conn, entry, self._clocks.now())
            return Past(at=at, notice=await _notice(conn, at), cases=tuple(cases), recordings=tuple(those))

    async def _case(
        self, conn: Connection, case: StoredCase, matches: Sequence[Match], at: datetime, *, opened: bool
    ) -> CaseThen:
        steps = await subject_requests.steps(conn, case.id)
        told: Sequence[StepTold] = [StepTold(step=one, words={}) for one in steps]
        if opened:
            told = await history(conn, self._book, steps)
        # One after the other, as versions are; and all of those until then count.
        parted = versions_at(told, at, lambda one: one.step.made_at)
        until = told[: len(told) - len(parted.since)]
        then = stood([one.step for one in until])
        certificates = [
            CertificateThen(
                number=number_told(one.year, one.running),
                ground=one.ground,
                languages=tuple(one.languages),
                issued_at=one.issued_at,
                issued_by=one.issued_by_name,
            )
            for one in await refusal_certificates.of_case(conn, case.id)
        ]
        return CaseThen(
            id=case.id,
            number=number_of(case),
            kind=case.kind,
            channel=case.channel,
            language=case.language,
            is_proxy=case.is_proxy,
            received_on=case.received_on,
            stood=then,
            paper_reference=case.paper_reference if any(one.step.step is Step.REFUSE for one in until) else "",
            steps=tuple(until),
            since=parted.since,
            calls=tuple(
                CallThen(
                    call_id=one.call_id,
                    found_at=one.found_at,
                    is_theirs=then.theirs.get(one.call_id),
                    is_granted=one.call_id in then.granted,
                )
                for one in matches
                if then is not None and one.found_at <= at
            ),
            certificates=versions_at(certificates, at, lambda one: one.issued_at),
        )

    async def _recordings(self, conn: Connection, call_id: UUID, at: datetime) -> list[RecordingThen]:
        """All of a call: what was corrected belongs to all of them."""
        locked = self._keyring.locked
        call = (await calls.get(conn, [call_id]))[call_id]
        rows = await recordings.of_call(conn, call_id, EVERYWHERE)
        caller = None
        if call.personal is not None and not locked:
            caller = await asyncio.to_thread(open_caller, self._keyring, call.id, call.personal.sealed)
        versions = await self._corrections.of_call(conn, call_id, opened=not locked)
        restricted = await restrictions.of_recordings(conn, [row.id for row in rows])
        found = []
        for row in rows:
            given = await disclosed(conn, self._texts, (await disclosures.of_recording(conn, row.id))[::-1])
            fields = (*fields_of(row.queue, call, caller, versions), *notes_of(versions))
            found.append(
                RecordingThen(
                    id=row.id,
                    call_id=call_id,
                    queue=row.queue,
                    started_at=row.started_at,
                    refused_at=call.refused_at,
                    states=versions_at(_states(row), at, lambda one: one.at),
                    fields=tuple(_field(one, at) for one in fields),
                    restrictions=lasting_at(
                        sorted(restricted.get(row.id, ()), key=lambda one: one.set_at),
                        at,
                        lambda one: one.set_at,
                        lambda one: one.lifted_at,
                    ),
                    disclosures=lasting_at(given, at, lambda one: one.begun_at, lambda one: one.ended_at),
                )
            )
        return found


def _states(row: StoredRecording) -> Sequence[Became]:
    """What the caller refused before it was sealed never was."""
    because = row.erased_because or ""
    known = [
        (StoredState.SEALED, row.started_at if row.sealed_bytes is not None else None, ""),
        (StoredState.ERASING, row.erasing_at, because),
        (StoredState.ERASED, row.erased_at, because),
    ]
    return [Became(state=state, at=at, because=why) for state, at, why in known if at is not None]


def _field(one: Corrected, at: datetime) -> FieldThen:
    versions = versions_at(one.versions, at, lambda version: version.made_at)
    original = one.original if one.field is not Correctable.NOTE else None
    return FieldThen(
        field=one.field,
        subject=one.subject,
        original=original,
        value=versions.in_force.value if versions.in_force is not None else original,
        versions=versions,
    )


async def _notice(conn: Connection, at: datetime) -> Versions[NoticeVersion]:
    newest_first = await notice_versions.versions(conn, limit=_EVERY_NOTICE)
    return versions_at(newest_first[::-1], at, lambda one: one.since)


def _entry(action: Action, reader: Actor, what: str, facts: dict[str, JSON]) -> Entry:
    return Entry(action=action, actor=reader, object=what, facts=facts)
