"""One file of an old archive: looked at, and sealed. In a thread; nothing of the database is known here.

look: read to its end ─► name, CDR ─► is it taken? ─► Candidate     seal: the same file again ─► vault ─► its rows
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from ari_recorder.domain.archive_names import name_facts, stem_of
from ari_recorder.domain.calls import Member
from ari_recorder.domain.errors import KeyDestroyed, RecordingTooLong, SealNotVerified, VaultWriteFailed
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.importing import Found, Reason, Refused, Taken, Terms, Unfit, weigh
from ari_recorder.domain.recordings import Label
from ari_recorder.services.callers import CALLER_PURPOSE, caller_text
from ari_recorder.services.clock import Clocks
from ari_recorder.services.importing_cdr import Cdr
from ari_recorder.services.importing_files import Archive, Place, Seen
from ari_recorder.services.seal import side_of
from ari_recorder.storage.importing import Stored
from ari_recorder.storage.recordings import Sides
from ari_recorder.vault.archived import Archived
from ari_recorder.vault.files import day_of, path_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that is to be sealed, unless its audio is known."""

    place: Place
    seen: Seen
    taken: Taken
    audio_sha256: bytes
    recording_id: UUID
    call_id: UUID
    key_name: str = ""


class OneFile:
    def __init__(
        self,
        *,
        archive: Archive,
        cdr: Cdr | None,
        terms: Terms,
        vault: Vault,
        keyring: Keyring,
        clocks: Clocks,
        accept_truncated: bool,
    ) -> None:
        self._archive = archive
        self._cdr = cdr
        self._terms = terms
        self._vault = vault
        self._keyring = keyring
        self._clocks = clocks
        self._accept_truncated = accept_truncated

    def look(self, found: Place | tuple[Place, Refused]) -> tuple[Place, Candidate | Refused]:
        if isinstance(found, tuple):
            return found
        return found, self._candidate(found)

    def _candidate(self, place: Place) -> Candidate | Refused:
        seen = self._archive.look(place, accept_truncated=self._accept_truncated)
        if isinstance(seen, Refused):
            return seen
        name = name_facts(place.name, place.folders)
        cdr = self._cdr.find(stem_of(place.name), name.uniqueid) if self._cdr is not None else None
        found = Found(name=name, cdr=cdr, written_at=seen.written_at)
        taken = weigh(found, self._terms, self._clocks.now())
        if isinstance(taken, Refused):
            return taken
        told = seen.heard.pcm_sha256 + (taken.started_at.isoformat().encode() if seen.heard.silent else b"")
        return Candidate(
            place=place,
            seen=seen,
            taken=taken,
            audio_sha256=hashlib.sha256(told).digest(),
            recording_id=uuid4(),
            call_id=uuid4(),
        )

    def seal(self, one: Candidate) -> Stored | Refused:
        try:
            try:
                return self._sealed(one)
            except VaultWriteFailed:
                return self._sealed(one)  # a service that starts sweeps what it finds half written, once
        except Unfit as unfit:
            refused = unfit.refused
        except (SealNotVerified, RecordingTooLong, KeyDestroyed) as error:
            refused = Refused(reason=Reason.NOT_SEALED, detail=str(error))
        # It may have been sealed before it was found to be another one by now.
        self._vault.files.unlink(path_of(one.recording_id, day_of(one.taken.started_at)))
        return refused

    def _sealed(self, one: Candidate) -> Stored:
        taken, heard, started_at = one.taken, one.seen.heard, one.taken.started_at
        uniqueid = Uniqueid(taken.uniqueid or f"import-{one.recording_id}")
        label = Label(uniqueid=uniqueid, queue=taken.queue, segment=1, started_at=started_at)
        with (
            self._archive.again(one.place, one.seen.stamp) as fd,
            Archived(fd, one.place.suffix, accept_truncated=self._accept_truncated) as archived,
        ):
            sealed = self._vault.seal_archived(
                archived, one.recording_id, day_of(started_at), one.key_name, label, heard.pcm_sha256
            )
        personal = None
        if taken.caller is not None:
            text = caller_text(taken.caller)
            personal = self._keyring.public.seal_text(one.key_name, text, CALLER_PURPOSE, one.call_id)
        return Stored(
            recording_id=one.recording_id,
            call_id=one.call_id,
            uniqueid=uniqueid,
            linkedid=taken.linkedid or uniqueid,
            number=taken.number,
            queue=taken.queue,
            started_at=started_at,
            duration=sealed.duration,
            members=_members(taken, sealed.duration),
            personal=personal,
            personal_key_name=one.key_name if personal is not None else None,
            path=sealed.path,
            key_name=sealed.key_name,
            wrapped_key=sealed.wrapped_key,
            sha256=sealed.sha256,
            sealed_bytes=sealed.sealed_bytes,
            sides=Sides(caller=side_of(sealed.caller), agent=side_of(sealed.agent)),
            truncated=heard.truncated,
        )


def _members(taken: Taken, duration: timedelta) -> tuple[Member, ...]:
    """The agent, where one is known."""
    if not taken.agent:
        return ()
    one = Member(
        uniqueid=Uniqueid(""),
        queue=taken.queue,
        interface=taken.agent,
        name="",
        connected_at=taken.started_at,
        hold_time=timedelta(),
        ring_time=timedelta(),
        talk_time=duration,
    )
    return (one,)
