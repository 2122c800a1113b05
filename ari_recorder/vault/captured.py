"""What was captured of a recording, read once more from its start: the parts, and the rest from the spool.

    part 1 ────────► part 2 ──────► spool file of each side ──────────►
    0                first sample    what no part holds

What a part should hold and does not give (a chunk was damaged) is looked for in the spool. Where the spool has a hole
the audio is gone: it reads as silence, so that the time line stays whole, and `truncated` says it.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import numpy as np

from ari_recorder.domain.errors import SealedDamaged, SealedForeign, SealedTruncated, SpoolFileRefused
from ari_recorder.vault.files import open_ordinary
from ari_recorder.vault.parts import CHUNK_SAMPLES, SAMPLE_RATE, Part, Parts
from ari_recorder.vault.stream import SealedPart

_SAMPLE_BYTES = 2
_CHUNK_SIDE_BYTES = CHUNK_SAMPLES * _SAMPLE_BYTES
_NO_HOLES = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENXIO})


class Captured:
    """Both sides of a recording that is closed for good. Use it in a `with`; it can be read once."""

    mixed = False

    def __init__(self, parts: Parts, recording_id: UUID, caller_sln: Path, agent_sln: Path) -> None:
        self.name = caller_sln.name
        self._found = parts.of(recording_id)
        self._parts = parts
        self._paths = (caller_sln, agent_sln)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._enter()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _enter(self) -> None:
        opened = []
        for part, after in zip(self._found, (*self._found, None)[1:], strict=True):
            end = part.end_sample if after is None else min(part.end_sample, after.first_sample)
            if part.first_sample < end:
                opened.append(_Span(part.first_sample, end, self._open(part)))
        files = [self._spool_file(path) for path in self._paths]
        # Up to here it was sealed while it was made. What the spool lacks of that is no loss.
        self.sealed_samples = max((span.end for span in opened), default=0)
        self.caller, self.agent = (
            SideAudio(opened, self.sealed_samples, file, side=side, name=path.name)
            for side, (file, path) in enumerate(zip(files, self._paths, strict=True))
        )

    @property
    def length(self) -> timedelta:
        """Of the longer side."""
        return timedelta(seconds=max(self.caller.size, self.agent.size) / _SAMPLE_BYTES / SAMPLE_RATE)

    @property
    def cut_at(self) -> datetime | None:
        """When the audio that is left had been captured, if the end of the recording is not among it."""
        spool_is_shorter = not (self.caller.reaches_spool and self.agent.reaches_spool)
        return self._found[-1].written_at if self._found and spool_is_shorter else None

    @property
    def truncated(self) -> str:
        """Why something is missing; empty when nothing is. Known when everything has been read."""
        reasons = []
        if self.cut_at is not None:
            sealed = self.sealed_samples / SAMPLE_RATE
            reasons.append(f"the spool was lost in mid-call; what was sealed by then is here, {sealed:.1f} s")
        lost = max(self.caller.lost, self.agent.lost) / _SAMPLE_BYTES / SAMPLE_RATE
        if lost:
            reasons.append(f"{lost:.1f} s could not be read back and are silent here")
        return "; ".join(reasons)

    def _open(self, part: Part) -> SealedPart | None:
        """None: not one byte of it is what was sealed. A key that cannot be had is an error: it may be had later."""
        try:
            return self._stack.enter_context(self._parts.open(part))
        except (SealedForeign, SealedTruncated):
            return None

    def _spool_file(self, path: Path) -> FileIO | None:
        try:
            return self._stack.enter_context(open_ordinary(path))
        except FileNotFoundError:
            return None  # the other side is still worth keeping; the facts say that this one is missing
        except OSError as error:
            raise SpoolFileRefused(name=path.name, reason=error.strerror) from None


class _Span:
    """Samples `first` to `end` are in this part."""

    def __init__(self, first: int, end: int, sealed: SealedPart | None) -> None:
        self.first = first
        self.end = end
        self._sealed = sealed

    def chunk_of(self, sample: int, side: int) -> bytes | None:
        """What one side holds in the chunk with this sample; None when it is not what was sealed."""
        if self._sealed is None:
            return None
        try:
            stereo = self._sealed.chunk((sample - self.first) // CHUNK_SAMPLES)
        except (SealedDamaged, SealedTruncated):
            return None
        return np.frombuffer(stereo, "<i2")[side::2].tobytes()


class SideAudio:
    """The bytes of one side, from front to back. `lost` counts those that are nowhere any more."""

    def __init__(
        self, spans: Sequence[_Span], sealed_samples: int, file: FileIO | None, *, side: int, name: str
    ) -> None:
        self._name = name
        self._spans = spans
        self._sealed_bytes = sealed_samples * _SAMPLE_BYTES
        self._file = file
        self._side = side
        self._position = 0
        in_spool = os.fstat(file.fileno()).st_size if file is not None else 0
        self.reaches_spool = in_spool >= self._sealed_bytes
        self.size = max(in_spool, self._sealed_bytes)
        self.missing = file is None and not self._sealed_bytes
        self.lost = 0

    def read(self, length: int) -> bytes:
        """Exactly `length` bytes, fewer only at the end."""
        pieces = []
        while length and self._position < self.size:
            piece = self._piece(length)
            if not piece:
                break
            pieces.append(piece)
            length -= len(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def _piece(self, length: int) -> bytes:
        at = self._position
        if at >= self._sealed_bytes:
            return self._from_spool(at, length)
        # Parts begin and end where chunks do, and a chunk is where it is by its number: all of them line up.
        begin = at // _CHUNK_SIDE_BYTES * _CHUNK_SIDE_BYTES
        length = min(length, begin + _CHUNK_SIDE_BYTES - at)
        sample = begin // _SAMPLE_BYTES
        span = next((span for span in self._spans if span.first <= sample < span.end), None)
        held = span.chunk_of(sample, self._side) if span is not None else None
        if held is not None:
            return held[at - begin : at - begin + length]
        found = self._from_spool(at, length)
        self.lost += length - len(found)
        return found + bytes(length - len(found))

    def _from_spool(self, at: int, length: int) -> bytes:
        if self._file is None:
            return b""
        try:
            data = os.pread(self._file.fileno(), length, at)
            self.lost += self._holes(at, at + len(data))
        except OSError as error:
            raise SpoolFileRefused(name=self._name, reason=error.strerror) from error
        return data

    def _holes(self, since: int, until: int) -> int:
        """How many of these bytes were taken out of the file. MixMonitor's silence is written, and no hole."""
        if self._file is None or since >= until:
            return 0
        fd, missing = self._file.fileno(), 0
        try:
            while since < until:
                hole = min(os.lseek(fd, since, os.SEEK_HOLE), until)
                if hole >= until:
                    break
                try:
                    since = min(os.lseek(fd, hole, os.SEEK_DATA), until)
                except OSError as error:
                    if error.errno != errno.ENXIO:
                        raise
                    since = until  # a hole to the end of the file
                missing += since - hole
        except OSError as error:
            if error.errno not in _NO_HOLES:
                raise
        return missing
