"""A recording as it is given out of the house: WAV, and FLAC or Opus, decoded piece by piece. The recording stays.

    sealed file ─► decoded ─► muted (domain/muting.py) ─┬─► WAV, streamed
                                                        └─► FLAC, through a file without a name in the workspace
    nothing to mute ─► the file that was sealed, byte for byte, as it is

The workspace is the spool, in memory: what is in clear there has no name and goes with the process.
"""

from collections.abc import Iterator, Sequence
from io import BufferedRandom
from typing import Self

from ari_recorder.domain.muting import Mute, muted
from ari_recorder.vault import codec
from ari_recorder.vault.codec import Codec, Wav
from ari_recorder.vault.opened import OpenedRecording

_READ_BYTES = 1 << 18
SUFFIXES = {Codec.FLAC: "flac", Codec.OPUS: "opus"}


class GivenCopy:
    """A recording opened to be given out. For one reader at a time: each of its two forms is read from its start."""

    def __init__(self, opened: OpenedRecording, mutes: Sequence[Mute], empty: BufferedRandom | None) -> None:
        """Take over both: they are closed with this object. `empty`: a file for the other form, if parts are mute."""
        self._opened = opened
        self._mutes = mutes
        self._made = empty
        with self._decoded() as wav:
            self.samples = wav.samples
            self.wav_bytes = wav.size
        self.codec = opened.codec
        self.size = opened.size
        if empty is not None:
            self.codec = Codec.FLAC
            with self._decoded() as wav:
                codec.encode_flac(muted(wav.samples_blocks(), mutes), empty, opened.name)
            self.size = empty.seek(0, 2)

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.codec]

    def wav(self) -> Iterator[bytes]:
        """As WAV, `wav_bytes` in all."""
        with self._decoded() as wav:
            yield wav.header()
            yield from muted(wav.samples_blocks(), self._mutes)

    def compressed(self) -> Iterator[bytes]:
        """As FLAC or Ogg Opus, `size` bytes in all."""
        if self._made is not None:
            self._made.seek(0)
            while block := self._made.read(_READ_BYTES):
                yield block
            return
        for offset in range(0, self.size, _READ_BYTES):
            yield self._opened.read(offset, _READ_BYTES)

    def close(self) -> None:
        self._opened.close()
        if self._made is not None:
            self._made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _decoded(self) -> Wav:
        return Wav(self._opened.as_file(), self._opened.name)
