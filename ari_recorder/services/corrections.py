"""Corrections of what is kept of a call: a version more, its words sealed so that they die with the call.

    right ─► recording and call locked ─► the version seen is the newest ─► words sealed ─► version ─► audit entry

What becomes of the words: under the key of a recording of the call; with a hold to the hold key and back
(kept_keys.py); with a key that is replaced to the new one (rewrap.py); gone when the last recording of the call is
erased, and then the row of the version says only that there was one, and when. The key of a day is not destroyed while
words need it.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from ari_recorder.domain.accounts import Permission, Principal, authorise
from ari_recorder.domain.audit import Action, Entry
from ari_recorder.domain.corrections import Correctable, Proposed, Version, check
from ari_recorder.domain.errors import CorrectionOutdated, CorrectionRefused, RecordingErased, RecordingUnknown
from ari_recorder.domain.events import Party
from ari_recorder.domain.retention import StoredState
from ari_recorder.services.call_texts import CallTexts
from ari_recorder.services.clock import Clocks
from ari_recorder.storage import audit, caller_index, calls, corrections, keeping, recordings
from ari_recorder.storage.calls import StoredCall
from ari_recorder.storage.corrections import Stored
from ari_recorder.storage.db import Connection, Database
from ari_recorder.vault.keyring import Keyring

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """A field with its original and all versions, the oldest first. `current`: what is to be read there; None when it
    cannot be opened."""

    field: Correctable
    subject: str
    original: str | None = dataclasses.field(repr=False)
    current: str | None = dataclasses.field(repr=False)
    versions: tuple[Version, ...]


class Corrections:
    def __init__(self, *, database: Database, keyring: Keyring, clocks: Clocks) -> None:
        self._database = database
        self._texts = CallTexts(keyring)
        self._clocks = clocks

    async def correct(self, principal: Principal, recording_id: UUID, proposed: Proposed) -> Version:
        """CorrectionOutdated when somebody was faster than who read the page."""
        now = self._clocks.now()
        scope = authorise(principal, Permission.RECORDING_CORRECT, now=now)
        async with self._database.transaction() as conn:
            row = await recordings.share(conn, recording_id, scope)
            if row is None:
                raise RecordingUnknown(recording_id=recording_id)
            if row.state is not StoredState.SEALED or row.key_name is None:
                raise RecordingErased(recording_id=recording_id, because=row.erased_because or row.state.value)
            proposed = check(proposed, row.duration)
            await keeping.lock_calls(conn, [row.call_id])
            call = (await calls.get(conn, [row.call_id]))[row.call_id]
            known = await corrections.of_call(conn, row.call_id)
            subject, version = _next(proposed, call, known)
            text = json.dumps({"value": proposed.value, "because": proposed.because}, ensure_ascii=False)
            stored = Stored(
                id=uuid4(),
                call_id=row.call_id,
                recording_id=recording_id,
                field=proposed.field,
                subject=subject,
                version=version,
                audio_offset=proposed.audio_offset,
                text_id=await self._texts.write(conn, recording_id, row.call_id, row.key_name, text),
                made_at=now,
                made_by=principal.user_id,
                made_by_name=principal.name,
            )
            await corrections.insert(conn, stored)
            if proposed.field is Correctable.CALLER_NUMBER:
                await caller_index.to_index_anew(conn, row.call_id)
            entry = Entry(
                action=Action.RECORDING_CORRECT,
                actor=principal.actor(Permission.RECORDING_CORRECT),
                object=f"recording:{recording_id}",
                because=proposed.field.value,
                facts={"correction": str(stored.id), "subject": subject, "version": version},
            )
            await audit.append(conn, entry, now)
        log.info("recording_correct", recording_id=str(recording_id), field=proposed.field.value, version=version)
        return told(stored, text)

    async def of_call(self, conn: Connection, call_id: UUID, *, opened: bool) -> tuple[Version, ...]:
        """The oldest first; `opened`: with what they say. KeyringLocked then."""
        stored = await corrections.of_call(conn, call_id)
        texts = await self._texts.read(conn, [one.text_id for one in stored]) if opened else {}
        return tuple(told(one, texts.get(one.text_id)) for one in stored)


def told(stored: Stored, text: str | None) -> Version:
    words = json.loads(text) if text is not None else {}
    return Version(
        id=stored.id,
        recording_id=stored.recording_id,
        field=stored.field,
        subject=stored.subject,
        version=stored.version,
        audio_offset=stored.audio_offset,
        made_at=stored.made_at,
        made_by=stored.made_by_name,
        value=words.get("value"),
        because=words.get("because"),
    )


def fields_of(queue: str, call: StoredCall, caller: Party | None, versions: Sequence[Version]) -> tuple[Corrected, ...]:
    """`queue`: of the recording; `caller`: None when it cannot be opened."""
    originals = [
        (Correctable.CALLER_NUMBER, "", caller.num if caller is not None else None),
        (Correctable.CALLER_NAME, "", caller.name if caller is not None else None),
        (Correctable.QUEUE_MEANING, "", queue),
        *((Correctable.AGENT, member.uniqueid, member.name or member.interface) for member in call.members),
    ]
    found = []
    for field, subject, original in originals:
        those = tuple(one for one in versions if (one.field, one.subject) == (field, subject))
        current = those[-1].value if those else original
        found.append(Corrected(field=field, subject=subject, original=original, current=current, versions=those))
    return tuple(found)


def notes_of(versions: Sequence[Version]) -> tuple[Corrected, ...]:
    subjects = dict.fromkeys(one.subject for one in versions if one.field is Correctable.NOTE)
    found = []
    for subject in subjects:
        those = tuple(one for one in versions if one.field is Correctable.NOTE and one.subject == subject)
        found.append(
            Corrected(
                field=Correctable.NOTE,
                subject=subject,
                original=those[0].value,
                current=those[-1].value,
                versions=those,
            )
        )
    return tuple(found)


def _next(proposed: Proposed, call: StoredCall, known: Sequence[Stored]) -> tuple[str, int]:
    """Which one it is, and the number of its version."""
    subject, field = proposed.subject, proposed.field
    of_field = [one for one in known if one.field is field]
    if field is Correctable.NOTE and not subject:
        subject = str(1 + len({one.subject for one in of_field}))
    elif field is Correctable.NOTE and subject not in {one.subject for one in of_field}:
        raise CorrectionRefused(field=field.value, reason="there is no such note")
    elif field is Correctable.AGENT and subject not in {member.uniqueid for member in call.members}:
        raise CorrectionRefused(field=field.value, reason="this call had no such agent")
    elif field not in (Correctable.NOTE, Correctable.AGENT) and subject:
        raise CorrectionRefused(field=field.value, reason="there is only one")
    newest = max((one.version for one in of_field if one.subject == subject), default=0)
    if proposed.version != newest:
        raise CorrectionOutdated(field=field.value)
    return subject, newest + 1
