"""Sealing a recording while it is made: what both spool files hold goes, encrypted, to durable disk. No policy here.

    caller.sln ─┐ what both hold,         full chunks,
    agent.sln  ─┴ interleaved ──────────► append, fsync ──► parts.py      what is sealed may leave the spool now

What is told as sealed is on disk; taking it out of the spool is the caller's part, and comes after. Whatever fails, the
spool still holds what is not told as sealed, and the next attempt begins a new part there.
All of it blocks (disk and ciphers): call it in a thread.
"""

import os
from datetime import date
from io import FileIO
from pathlib import Path
from uuid import UUID

import numpy as np

from ari_recorder.domain.errors import SpoolFileRefused
from ari_recorder.vault.files import open_ordinary
from ari_recorder.vault.parts import CHUNK_SAMPLES, NewPart, Parts

_SAMPLE_BYTES = 2
_BATCH_SAMPLES = 64 * CHUNK_SAMPLES  # 1 MiB of both sides: after a while without a vault there may be much to do


class LiveSeal:
    """The live seal of one recording, in one run of the service. For one thread at a time."""

    def __init__(self, parts: Parts, recording_id: UUID, day: date, caller_sln: Path, agent_sln: Path) -> None:
        self._parts = parts
        self._recording_id = recording_id
        self._day = day
        self._paths = (caller_sln, agent_sln)
        self._sealed: int | None = None  # samples of each side
        self._part: NewPart | None = None

    def advance(self) -> int:
        """Seal what both sides hold; how many samples of each side are sealed by now, from the start.

        After an error less may have been done, but nothing is lost; call it again.
        """
        if self._sealed is None:
            # An earlier run's last chunks may be in memory only. Nobody has taken them out of the spool before that.
            self._parts.settle(self._recording_id)
            earlier = self._parts.of(self._recording_id)
            self._sealed = earlier[-1].end_sample if earlier else 0
        try:
            with _open(self._paths[0]) as caller, _open(self._paths[1]) as agent:
                while plain := _interleaved(caller, agent, self._paths, self._sealed):
                    self._append(memoryview(plain))
        except FileNotFoundError:
            pass  # nothing was written yet, or it is gone; a side that is missing is no reason to seal the other alone
        return self._sealed

    def close(self) -> None:
        """No more of it in this run; a later one goes on with a part of its own."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def _append(self, plain: memoryview) -> None:
        assert self._sealed is not None  # noqa: S101 -- advance has just seen to it
        part = self._part or self._parts.begin(self._recording_id, self._day, self._sealed)
        self._part = None  # should it fail, the next attempt begins another
        part.append(plain)
        self._part = part
        self._sealed += len(plain) // (2 * _SAMPLE_BYTES)


def _open(path: Path) -> FileIO:
    try:
        return open_ordinary(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SpoolFileRefused(name=path.name, reason=error.strerror) from None


def _interleaved(caller: FileIO, agent: FileIO, paths: tuple[Path, Path], since: int) -> bytes:
    """The full chunks both hold from sample `since` on, a batch at most."""
    held = min(os.fstat(file.fileno()).st_size for file in (caller, agent)) // _SAMPLE_BYTES - since
    wanted = min(held, _BATCH_SAMPLES) // CHUNK_SAMPLES * CHUNK_SAMPLES
    if wanted <= 0:
        return b""
    stereo = np.empty((wanted, 2), "<i2")
    for side, (file, path) in enumerate(zip((caller, agent), paths, strict=True)):
        try:
            data = _read_at(file, since * _SAMPLE_BYTES, wanted * _SAMPLE_BYTES)
        except OSError as error:
            raise SpoolFileRefused(name=path.name, reason=error.strerror) from error
        if len(data) < wanted * _SAMPLE_BYTES:  # it was cut meanwhile
            return b""
        stereo[:, side] = np.frombuffer(data, "<i2")
    return stereo.tobytes()


def _read_at(file: FileIO, offset: int, length: int) -> bytes:
    """As many bytes as there are, up to `length`."""
    pieces = []
    while length:
        piece = os.pread(file.fileno(), length, offset)
        if not piece:
            break
        pieces.append(piece)
        offset, length = offset + len(piece), length - len(piece)
    return b"".join(pieces)
