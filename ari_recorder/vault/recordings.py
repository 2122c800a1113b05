"""Sealing a segment into the vault, opening it again, exporting it: the vault's parts put together. No policy here.

    spool (tmpfs)                                                  vault (durable)
    <base>.caller.sln -\
    <base>.agent.sln  --+- encode -> FLAC, anonymous file ----------> .new/… -> read back, compare -> <uuid>.sealed
    .parts/<uuid>.*   -/    (codec.py)     and peaks       seal under
    what was sealed of it                  (opened.py)     a new data key
    while it was made

Whatever fails on the way, nothing is left behind, and spool files and parts are untouched: sealing can be tried again.
All functions block (disk and ciphers): call them in a thread.
"""

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.errors import (
    AudioNotEncoded,
    AudioUnreadable,
    NothingCaptured,
    RecordingRelabelled,
    SealedDamaged,
    SealedForeign,
    SealedTruncated,
    SealNotVerified,
)
from ari_recorder.domain.importing import Reason, Unfit
from ari_recorder.domain.muting import Mute
from ari_recorder.domain.recordings import Label
from ari_recorder.vault import codec
from ari_recorder.vault.archived import Archived
from ari_recorder.vault.captured import Captured
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.files import NewFile, VaultFiles
from ari_recorder.vault.given import GivenCopy
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.opened import OpenedRecording, ending
from ari_recorder.vault.parts import SAMPLE_RATE, Parts
from ari_recorder.vault.remembered import Remembered
from ari_recorder.vault.sound import SideFacts
from ari_recorder.vault.stream import DATA_KEY_BYTES, SealedFile, Sink, context_of, seal, write_all

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A stored recording: what the database keeps of it. `plain_bytes` is the size of the audio inside.

    `truncated` says why something is missing; empty when nothing is. `cut_at`: when the last of what is left of a
    recording whose end is missing had been captured.
    """

    path: str
    key_name: str
    wrapped_key: bytes = field(repr=False)
    sha256: bytes
    sealed_bytes: int
    plain_bytes: int
    samples: int
    duration: timedelta
    caller: SideFacts
    agent: SideFacts
    truncated: str
    cut_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much was captured of a recording, before it is read. `cut_at` as in Sealed."""

    length: timedelta
    cut_at: datetime | None


class Vault:
    def __init__(self, files: VaultFiles, keyring: Keyring, workspace: Path) -> None:
        """`workspace` takes the audio while it is made, in clear: the spool, because that is in memory."""
        self.files = files
        # Who has no private half at all cannot open what an earlier run has sealed; whose keyring is locked, can later.
        remembered = None if keyring.names() else Remembered(workspace / ".keys")
        self.parts = Parts(files.folder, keyring, remembered)
        self._keyring = keyring
        self._workspace = workspace

    def extent(self, caller_sln: Path, agent_sln: Path, recording_id: UUID) -> Extent:
        """What there is to be sealed of a segment that is closed for good."""
        with Captured(self.parts, recording_id, caller_sln, agent_sln) as captured:
            return Extent(length=captured.length, cut_at=captured.cut_at)

    def seal_recording(
        self,
        caller_sln: Path,
        agent_sln: Path,
        recording_id: UUID,
        day: date,
        silent: Sequence[codec.Span] = (),
        kept_as: Codec = Codec.FLAC,
        label: Label | None = None,
    ) -> Sealed:
        """Seal one segment, its parts and the rest from the spool, its data key wrapped to the key of `day`. A locked
        keyring will do, unless a part is from an earlier run. A side whose file is missing is kept as silence, and its
        facts say so.

        What lies in the spans `silent` (times from the start) is replaced by silence. `label` is sealed with it:
        without one, nobody notices when its row is taken for another's.

        Once it has returned, the recording is on disk and was read back; spool files and parts are the caller's to
        remove.
        """
        key_name = self._keyring.public.name_for(day)
        with Captured(self.parts, recording_id, caller_sln, agent_sln) as captured:
            sealed = self._seal(captured, recording_id, day, key_name, silent, kept_as, label)
            return replace(sealed, truncated=captured.truncated, cut_at=captured.cut_at)

    def seal_archived(
        self, archived: Archived, recording_id: UUID, day: date, key_name: str, label: Label, pcm_sha256: bytes
    ) -> Sealed:
        """The same for a recording of an old PBX, its data key wrapped to that key. `pcm_sha256`: what was heard of it
        before; Unfit when it is another one by now. Its name is on disk when `files.settle` has returned."""
        return self._seal(archived, recording_id, day, key_name, (), Codec.FLAC, label, pcm_sha256, settled=False)

    def _seal(
        self,
        sides: codec.TwoSides,
        recording_id: UUID,
        day: date,
        key_name: str,
        silent: Sequence[codec.Span],
        kept_as: Codec,
        label: Label | None,
        wanted: bytes | None = None,
        *,
        settled: bool = True,
    ) -> Sealed:
        data_key = os.urandom(DATA_KEY_BYTES)
        with self._anonymous_file() as file:
            audio = codec.encode(sides, file, silent, kept_as)
            if audio.samples == 0:
                raise NothingCaptured(recording_id=recording_id)
            if wanted is not None and audio.pcm_sha256 != wanted:
                raise Unfit(Reason.CHANGED)
            plain_bytes = file.seek(0, io.SEEK_END)
            expected = audio.pcm_sha256 if kept_as is Codec.FLAC else _heard(file, audio.samples, recording_id)
            file.seek(0, io.SEEK_END)
            self._write_ending(file, ending(kept_as, audio.peaks, label))
            file.seek(0)
            with self.files.create(recording_id, day) as new:
                source = _Hashing(file)
                seal(source, new, data_key, context_of(recording_id))
                _verify(new, data_key, recording_id, source.digest(), expected)
                wrapped_key = self._keyring.public.wrap(key_name, data_key, recording_id)
                new.store(settled=settled)
        return Sealed(
            path=new.path,
            key_name=key_name,
            wrapped_key=wrapped_key,
            sha256=new.sha256,
            sealed_bytes=new.sealed_bytes,
            plain_bytes=plain_bytes,
            samples=audio.samples,
            duration=audio.duration,
            caller=audio.caller,
            agent=audio.agent,
            truncated="",
            cut_at=None,
        )

    def open_recording(
        self, path: str, wrapped_key: bytes, recording_id: UUID, row: Label | None = None
    ) -> OpenedRecording:
        """The audio of a recording, to be read in ranges, and its peaks. Close it. `row`: what its row says that it is;
        RecordingRelabelled when it is another."""
        data_key = self._keyring.unwrap(wrapped_key, recording_id)
        opened = OpenedRecording(SealedFile(self.files.reading(path), data_key, context_of(recording_id), name=path))
        if row is not None and opened.label is not None and (wrong := opened.label.differs(row)):
            opened.close()
            raise RecordingRelabelled(recording_id=recording_id, wrong=", ".join(wrong), name=path)
        return opened

    def export_wav(
        self, path: str, wrapped_key: bytes, recording_id: UUID, wav: Sink, row: Label | None = None
    ) -> timedelta:
        """Write a recording as WAV into `wav`, front to back; its duration. After an error `wav` is not to be used."""
        with self.wav(path, wrapped_key, recording_id, row) as decoded:
            for block in decoded.blocks():
                write_all(wav, memoryview(block))
            return timedelta(seconds=decoded.samples / SAMPLE_RATE)

    @contextlib.contextmanager
    def wav(self, path: str, wrapped_key: bytes, recording_id: UUID, row: Label | None = None) -> Iterator[codec.Wav]:
        """A recording as WAV, decoded block by block in memory."""
        with (
            self.open_recording(path, wrapped_key, recording_id, row) as opened,
            opened.as_file() as audio,
            codec.Wav(audio, path) as decoded,
        ):
            yield decoded

    def given(
        self, path: str, wrapped_key: bytes, recording_id: UUID, row: Label | None = None, mutes: Sequence[Mute] = ()
    ) -> GivenCopy:
        """A copy to be given out, with those parts silent. Close it."""
        opened = self.open_recording(path, wrapped_key, recording_id, row)
        try:
            return GivenCopy(opened, mutes, self._anonymous_file() if mutes else None)
        except BaseException:
            opened.close()
            raise

    def _anonymous_file(self) -> io.BufferedRandom:
        """A file without a name: gone when this process is, whatever happens."""
        try:
            return tempfile.TemporaryFile(dir=self._workspace)
        except OSError as error:
            raise AudioNotEncoded(name=self._workspace, reason=f"{error.strerror}.") from error

    def _write_ending(self, file: io.BufferedRandom, data: bytes) -> None:
        try:
            file.write(data)
            file.flush()
        except OSError as error:
            raise AudioNotEncoded(name=self._workspace, reason=f"{error.strerror}.") from error


class _Hashing:
    """A source that remembers the SHA-256 of what was taken from it."""

    def __init__(self, file: io.BufferedRandom) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._file.readinto(buffer)
        self._hash.update(buffer[:count])
        return count

    def digest(self) -> bytes:
        return self._hash.digest()


def _heard(file: io.BufferedRandom, samples: int, recording_id: UUID) -> bytes:
    """What a lossy file sounds like, as a hash over its samples: what is read back later must sound the same."""
    file.seek(0)
    digest, decoded_bytes = hashlib.sha256(), 0
    for block in codec.decode(file, str(recording_id)):
        digest.update(block)
        decoded_bytes += len(block)
    if decoded_bytes != samples * codec.STEREO_BYTES:
        raise SealNotVerified(recording_id=recording_id, part="length")
    return digest.digest()


def _verify(new: NewFile, data_key: bytes, recording_id: UUID, plain_sha256: bytes, pcm_sha256: bytes) -> None:
    """Read the file back from the disk: the same bytes, and in them the samples that were encoded."""
    try:
        sealed = SealedFile(new.finish(), data_key, context_of(recording_id), name=new.path)
        with sealed:
            digest = hashlib.sha256()
            for offset in range(0, sealed.size, _READ_BYTES):
                digest.update(sealed.read(offset, _READ_BYTES))
            if digest.digest() != plain_sha256:
                raise SealNotVerified(recording_id=recording_id, part="encrypted bytes")
            digest = hashlib.sha256()
            with OpenedRecording(sealed) as opened, opened.as_file() as audio:
                for block in codec.decode(audio, new.path):
                    digest.update(block)
            if digest.digest() != pcm_sha256:
                raise SealNotVerified(recording_id=recording_id, part="samples")
    except (SealedTruncated, SealedForeign, SealedDamaged) as error:
        raise SealNotVerified(recording_id=recording_id, part="encrypted bytes") from error
    except AudioUnreadable as error:
        raise SealNotVerified(recording_id=recording_id, part="samples") from error
