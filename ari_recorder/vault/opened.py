"""What is inside a sealed recording: the audio, its peaks behind it, a label, and a footer that tells them apart.

    offset        bytes   what
    0             a       the audio: a whole FLAC or Ogg Opus file, two channels, the caller's first (codec.py)
    a             2 n     peaks: for each 50 ms a byte of the caller's side, one of the agent's: the largest absolute
                          sample (16 bit) / 128, at most 255
    a + 2 n       m       the label: JSON of the call's "uniqueid", the recording's "queue", "segment" (a number) and
                          "started_at" (UTC, RFC 3339, microseconds); none (m = 0) where none was given
    a + 2 n + m   4       "ARIR"
                  1       version, 02; in version 01 there is no label, and m is not told
                  1       codec: 01 FLAC, 02 Ogg Opus
                  2       m, big-endian
                  8       n, big-endian

The peaks are in the same file under the same key: what erases the recording erases them, re-wrapping its key re-wraps
theirs, and nobody can leave one of the two behind. They come after the audio, so that the audio begins at 0 and a range
of it is a range of the file.

The label says whose recording this is, where nobody who can change rows can reach it: a row that says otherwise was
changed, or is another's.
"""

import io
import json
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from ari_recorder.domain.errors import AudioUnreadable
from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.recordings import Label
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.stream import SealedFile

_MAGIC = b"ARIR"
_VERSION, _UNLABELLED = 2, 1
_FOOTER_BYTES = 16
_CODECS = {1: Codec.FLAC, 2: Codec.OPUS}
_NUMBERS = {codec: number for number, codec in _CODECS.items()}


def _told(label: Label) -> bytes:
    at = label.started_at.astimezone(UTC).isoformat(timespec="microseconds")
    told = {"uniqueid": label.uniqueid, "queue": label.queue, "segment": label.segment, "started_at": at}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def ending(codec: Codec, peaks: bytes, label: Label | None = None) -> bytes:
    """What comes after the audio."""
    told = _told(label) if label is not None else b""
    numbers = bytes((_VERSION, _NUMBERS[codec])) + len(told).to_bytes(2, "big") + (len(peaks) // 2).to_bytes(8, "big")
    return peaks + told + _MAGIC + numbers


class OpenedRecording:
    """A sealed recording opened: its audio in ranges. Every byte was authenticated. For one reader at a time."""

    def __init__(self, sealed: SealedFile) -> None:
        """Take over `sealed`: it is closed with this object, and also when it is not what a recording looks like."""
        self._sealed = sealed
        try:
            footer = sealed.read(max(sealed.size - _FOOTER_BYTES, 0), _FOOTER_BYTES)
            ours = len(footer) == _FOOTER_BYTES and footer.startswith(_MAGIC) and footer[4] in (_VERSION, _UNLABELLED)
            codec = _CODECS.get(footer[5]) if ours else None
            peaks_bytes = 2 * int.from_bytes(footer[8:], "big")
            label_bytes = int.from_bytes(footer[6:8], "big") if ours and footer[4] == _VERSION else 0
            if codec is None or peaks_bytes + label_bytes > sealed.size - _FOOTER_BYTES:
                raise AudioUnreadable(name=sealed.name, reason="it does not end like a recording of this program")
            self.label = _label(sealed, label_bytes)
        except BaseException:
            sealed.close()
            raise
        self.codec = codec
        self.size = sealed.size - _FOOTER_BYTES - label_bytes - peaks_bytes
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


def _label(sealed: SealedFile, length: int) -> Label | None:
    if not length:
        return None
    try:
        found = json.loads(sealed.read(sealed.size - _FOOTER_BYTES - length, length))
        return Label(
            uniqueid=Uniqueid(found["uniqueid"]),
            queue=found["queue"],
            segment=found["segment"],
            started_at=datetime.fromisoformat(found["started_at"]),
        )
    except (ValueError, KeyError, TypeError):
        raise AudioUnreadable(name=sealed.name, reason="its label does not say what it should") from None
