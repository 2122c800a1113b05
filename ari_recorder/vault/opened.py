"""What is inside a sealed recording: the audio, its peaks behind it, and a footer that tells them apart.

    offset        bytes   what
    0             a       the audio: a whole FLAC or Ogg Opus file, two channels, the caller's first (codec.py)
    a             2 n     peaks: for each 50 ms a byte of the caller's side, one of the agent's: the largest absolute
                          sample (16 bit) / 128, at most 255
    a + 2 n       4       "ARIR"
                  1       version, 01
                  1       codec: 01 FLAC, 02 Ogg Opus
                  2       00 00
                  8       n, big-endian

The peaks are in the same file under the same key: what erases the recording erases them, re-wrapping its key re-wraps
theirs, and nobody can leave one of the two behind. They come after the audio, so that the audio begins at 0 and a range
of it is a range of the file.
"""

import io
from types import TracebackType
from typing import Self

from ari_recorder.domain.errors import AudioUnreadable
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.stream import SealedFile

_MAGIC = b"ARIR\x01"
_FOOTER_BYTES = 16
_CODECS = {1: Codec.FLAC, 2: Codec.OPUS}
_NUMBERS = {codec: number for number, codec in _CODECS.items()}


def ending(codec: Codec, peaks: bytes) -> bytes:
    """What comes after the audio."""
    return peaks + _MAGIC + bytes((_NUMBERS[codec], 0, 0)) + (len(peaks) // 2).to_bytes(8, "big")


class OpenedRecording:
    """A sealed recording opened: its audio in ranges. Every byte was authenticated. For one reader at a time."""

    def __init__(self, sealed: SealedFile) -> None:
        """Take over `sealed`: it is closed with this object, and also when it is not what a recording looks like."""
        self._sealed = sealed
        try:
            footer = sealed.read(max(sealed.size - _FOOTER_BYTES, 0), _FOOTER_BYTES)
            peaks_bytes = 2 * int.from_bytes(footer[8:], "big")
            codec = _CODECS.get(footer[5]) if len(footer) == _FOOTER_BYTES and footer.startswith(_MAGIC) else None
            if codec is None or peaks_bytes > sealed.size - _FOOTER_BYTES:
                raise AudioUnreadable(name=sealed.name, reason="it does not end like a recording of this program")
        except BaseException:
            sealed.close()
            raise
        self.codec = codec
        self.size = sealed.size - _FOOTER_BYTES - peaks_bytes
        self._peaks_bytes = peaks_bytes

    @property
    def name(self) -> str:
        return self._sealed.name

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes of the audio from `offset`; fewer only where it ends."""
        return self._sealed.read(offset, max(min(length, self.size - offset), 0))

    def peaks(self) -> bytes:
        """The waveform: two bytes for each 50 ms, the caller's and the agent's."""
        return self._sealed.read(self.size, self._peaks_bytes)

    def as_file(self) -> io.BufferedReader:
        """The audio as an ordinary seekable file. Closing it leaves this object open."""
        return self._sealed.as_file(self.size)

    def close(self) -> None:
        self._sealed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
