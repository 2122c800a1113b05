"""Sealing a segment into the vault, opening it again, exporting it: the vault's parts put together. No policy here.

    spool (tmpfs)                                                  vault (durable)
    <base>.caller.sln \\                                 seal under
    <base>.agent.sln  -+- encode -> FLAC, anonymous file ----------> .new/… -> read back, compare -> <uuid>.sealed
                                                        a new data key

Whatever fails on the way, nothing is left behind, and the spool files are untouched: sealing can be tried again.
All functions block (disk and ciphers): call them in a thread.
"""

import hashlib
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

from ari_recorder.domain.errors import (
    AudioNotEncoded,
    AudioUnreadable,
    NothingCaptured,
    SealedDamaged,
    SealedForeign,
    SealedTruncated,
    SealNotVerified,
)
from ari_recorder.vault import codec
from ari_recorder.vault.codec import AudioFacts, SideFacts
from ari_recorder.vault.files import NewFile, VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.stream import DATA_KEY_BYTES, SealedFile, Sink, context_of, seal

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A stored recording: what the database keeps of it. `plain_bytes` is the size of the FLAC inside."""

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


class Vault:
    def __init__(self, files: VaultFiles, keyring: Keyring, workspace: Path) -> None:
        """`workspace` takes the FLAC while it is made, in clear: the spool, because that is in memory."""
        self.files = files
        self._keyring = keyring
        self._workspace = workspace

    def seal_recording(
        self, caller_sln: Path, agent_sln: Path, recording_id: UUID, day: date, silent: Sequence[codec.Span] = ()
    ) -> Sealed:
        """Seal one segment, its data key wrapped to the key of `day`; a locked keyring will do. A side whose file is
        missing is kept as silence, and its facts say so.

        What lies in the spans `silent` (times from the start) is replaced by silence.

        Once it has returned, the recording is on disk and was read back; the spool files are the caller's to remove.
        """
        data_key = os.urandom(DATA_KEY_BYTES)
        key_name = self._keyring.public.name_for(day)
        with self._anonymous_file() as flac:
            audio = codec.encode(caller_sln, agent_sln, flac, silent)
            if audio.samples == 0:
                raise NothingCaptured(recording_id=recording_id)
            flac.seek(0)
            with self.files.create(recording_id, day) as new:
                source = _Hashing(flac)
                plain_bytes = seal(source, new, data_key, context_of(recording_id))
                _verify(new, data_key, recording_id, source.digest(), audio)
                wrapped_key = self._keyring.public.wrap(key_name, data_key, recording_id)
                new.store()
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
        )

    def open_recording(self, path: str, wrapped_key: bytes, recording_id: UUID) -> SealedFile:
        """The FLAC of a recording, to be read in ranges. Close it."""
        data_key = self._keyring.unwrap(wrapped_key, recording_id)
        return SealedFile(self.files.open(path), data_key, context_of(recording_id), name=path)

    def export_wav(self, path: str, wrapped_key: bytes, recording_id: UUID, wav: Sink) -> timedelta:
        """Write a recording as WAV into `wav`, front to back; its duration. After an error `wav` is not to be used."""
        with self.open_recording(path, wrapped_key, recording_id) as sealed, sealed.as_file() as flac:
            return timedelta(seconds=codec.write_wav(flac, wav, path) / codec.SAMPLE_RATE)

    def _anonymous_file(self) -> io.BufferedRandom:
        """A file without a name: gone when this process is, whatever happens."""
        try:
            return tempfile.TemporaryFile(dir=self._workspace)
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


def _verify(new: NewFile, data_key: bytes, recording_id: UUID, flac_sha256: bytes, audio: AudioFacts) -> None:
    """Read the file back from the disk: the same FLAC, and in it the samples that were encoded."""
    try:
        with SealedFile(new.finish(), data_key, context_of(recording_id), name=new.path) as sealed:
            digest = hashlib.sha256()
            for offset in range(0, sealed.size, _READ_BYTES):
                digest.update(sealed.read(offset, _READ_BYTES))
            if digest.digest() != flac_sha256:
                raise SealNotVerified(recording_id=recording_id, part="encrypted bytes")
            digest = hashlib.sha256()
            with sealed.as_file() as flac:
                for block in codec.decode(flac, new.path):
                    digest.update(block)
            if digest.digest() != audio.pcm_sha256:
                raise SealNotVerified(recording_id=recording_id, part="samples")
    except (SealedTruncated, SealedForeign, SealedDamaged) as error:
        raise SealNotVerified(recording_id=recording_id, part="encrypted bytes") from error
    except AudioUnreadable as error:
        raise SealNotVerified(recording_id=recording_id, part="samples") from error
