"""What is inside a sealed recording: the audio, whole, and the waveform behind it."""

import io
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ari_recorder.domain.errors import AudioUnreadable, RecordingRelabelled, SealNotVerified
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.vault import codec
from ari_recorder.vault.codec import Codec
from ari_recorder.vault.opened import OpenedRecording, ending
from ari_recorder.vault.sound import PEAK_SAMPLES
from ari_recorder.vault.stream import SealedFile, context_of, seal
from tests.vault import sln
from tests.vault.live_house import LABEL, RECORDING, STEP, LiveHouse


@pytest.fixture
def house(tmp_path: Path) -> LiveHouse:
    return LiveHouse(tmp_path)


def opened(house: LiveHouse, kept_as: Codec = Codec.FLAC) -> OpenedRecording:
    sealed = house.seal(kept_as=kept_as)
    found = house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING)
    assert found.size == sealed.plain_bytes
    return found


def peaks_of(said: bytes) -> list[int]:
    samples = np.abs(np.frombuffer(said, "<i2").astype(int))
    return [min(int(samples[i : i + PEAK_SAMPLES].max()) >> 7, 255) for i in range(0, len(samples), PEAK_SAMPLES)]


def test_the_audio_is_a_flac_file_and_nothing_else(house: LiveHouse) -> None:
    house.say(STEP + 100)
    with opened(house) as recording:
        assert recording.codec is Codec.FLAC
        data = recording.read(0, recording.size + 1000)
        assert len(data) == recording.size
        assert recording.read(recording.size - 3, 100) == data[-3:]
        assert recording.read(recording.size, 1) == b""
        with recording.as_file() as file:
            assert file.read() == data
            assert file.seek(0, io.SEEK_END) == recording.size
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate == 8000
    assert samples.tobytes() == house.expected()


@pytest.mark.parametrize(
    "length", [2, 2 * PEAK_SAMPLES, 2 * PEAK_SAMPLES + 2, 5 * STEP + 6, 64_000 * 2, 64_000 * 4 + 2]
)
def test_there_is_a_peak_of_each_side_for_each_50_ms(house: LiveHouse, length: int) -> None:
    house.say(length)
    house.seal_live()
    with opened(house) as recording:
        peaks = recording.peaks()
    assert list(peaks[::2]) == peaks_of(house.said[0])
    assert list(peaks[1::2]) == peaks_of(house.said[1])
    assert any(peaks)


def test_the_peaks_of_the_shorter_side_end_in_silence_and_the_loudest_sample_fits(house: LiveHouse) -> None:
    loud = np.array([-32768] * PEAK_SAMPLES * 3, "<i2").tobytes()
    house.say(loud, np.array([127, 128, -300], "<i2").tobytes())
    with opened(house) as recording:
        assert list(recording.peaks()) == [255, 2, 255, 0, 255, 0]


def test_what_is_silenced_has_no_peak(house: LiveHouse) -> None:
    house.say(4 * STEP)
    sealed = house.seal(silent=[(timedelta(seconds=1), timedelta(seconds=2))])
    with house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING) as recording:
        peaks = recording.peaks()
    assert not any(peaks[40:80])
    assert all(peaks[:40] + peaks[80:160])


@pytest.mark.parametrize("seconds", [0.02, 0.5, 10.0])
def test_opus_is_smaller_keeps_every_second_and_sounds_alike(house: LiveHouse, seconds: float) -> None:
    house.say(sln.tone(440, seconds).tobytes(), sln.tone(880, seconds).tobytes())
    house.seal_live()
    with opened(house, Codec.OPUS) as recording:
        assert recording.codec is Codec.OPUS
        assert recording.read(0, 4) == b"OggS"
        assert recording.peaks()
        with recording.as_file() as file:
            heard = np.frombuffer(b"".join(codec.decode(file, "test")), "<i2").reshape(-1, 2)
        assert len(heard) == round(8000 * seconds)
        if seconds > 1:
            assert recording.size < 6_000 * seconds
            for side, hertz in enumerate((440, 880)):
                spectrum = np.abs(np.fft.rfft(heard[:, side]))
                assert round(float(np.argmax(spectrum)) / seconds) == hertz


def test_an_opus_recording_is_exported_like_any_other(house: LiveHouse) -> None:
    house.say(sln.tone(440, 3).tobytes())
    sealed = house.seal(kept_as=Codec.OPUS)
    wav = io.BytesIO()
    assert house.vault.export_wav(sealed.path, sealed.wrapped_key, RECORDING, wav) == timedelta(seconds=3)
    assert soundfile.info(io.BytesIO(wav.getvalue())).frames == 24_000


def test_an_opus_encoder_that_loses_time_is_noticed(house: LiveHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = codec.decode
    monkeypatch.setattr(codec, "decode", lambda *args: list(decode(*args))[1:])
    house.say(sln.tone(440, 20).tobytes())
    with pytest.raises(SealNotVerified, match="differs in its length"):
        house.seal(kept_as=Codec.OPUS)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"fLaC",
        b"fLaC" + bytes(100),
        b"fLaC" + ending(Codec.FLAC, b"")[:-8] + b"\x01" + bytes(7),  # more peaks than there are bytes
        b"fLaC" + ending(Codec.FLAC, b"").replace(b"ARIR\x02\x01", b"ARIR\x03\x01"),
        b"fLaC" + ending(Codec.FLAC, b"").replace(b"ARIR\x02\x01", b"ARIR\x02\x09"),
    ],
)
def test_what_does_not_end_like_a_recording_is_refused_and_closed(tmp_path: Path, plain: bytes) -> None:
    path = tmp_path / "x"
    with path.open("wb", buffering=0) as file:
        seal(io.BytesIO(plain), file, bytes(32), context_of(RECORDING))
    fd = os.open(path, os.O_RDONLY)
    sealed = SealedFile(fd, bytes(32), context_of(RECORDING), name="x")
    with pytest.raises(AudioUnreadable, match="does not end like a recording"):
        OpenedRecording(sealed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def plain_file(folder: Path, plain: bytes) -> SealedFile:
    path = folder / "x"
    with path.open("wb", buffering=0) as file:
        seal(io.BytesIO(plain), file, bytes(32), context_of(RECORDING))
    return SealedFile(os.open(path, os.O_RDONLY), bytes(32), context_of(RECORDING), name="x")


def test_the_label_says_whose_recording_it_is_and_is_no_part_of_the_audio(house: LiveHouse) -> None:
    house.say(STEP)
    sealed = house.seal()
    with house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING, LABEL) as recording:
        assert recording.label == LABEL
        assert recording.size == sealed.plain_bytes
        assert len(recording.peaks()) == 2 * -(-STEP // 2 // PEAK_SAMPLES)
        assert b"neuvonta" not in recording.read(0, recording.size)
    helsinki = replace(LABEL, started_at=LABEL.started_at.astimezone(HELSINKI))
    house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING, helsinki).close()


@pytest.mark.parametrize(
    "change",
    [
        {"uniqueid": "1774765200.2"},
        {"queue": "neuvonta"},
        {"segment": 2},
        {"started_at": LABEL.started_at + timedelta(microseconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_row_that_says_something_else_is_refused_by_name(house: LiveHouse, change: dict[str, Any]) -> None:
    house.say(STEP)
    sealed = house.seal()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RecordingRelabelled, match=next(iter(change))) as caught:
        house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING, replace(LABEL, **change))
    assert sealed.path in str(caught.value)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_was_sealed_without_a_label_opens(tmp_path: Path) -> None:
    """Version 1, as it was written; and version 2 where nobody gave one."""
    old = b"ARIR\x01\x01\x00\x00" + (1).to_bytes(8, "big")
    for end in (b"pp" + old, ending(Codec.FLAC, b"pp")):
        with OpenedRecording(plain_file(tmp_path, b"fLaC" + end)) as recording:
            assert (recording.label, recording.size, recording.peaks()) == (None, 4, b"pp")


@pytest.mark.parametrize("label", [b"", b"x", b"{}", b"[1]", b"\xff", b'{"uniqueid":"1","queue":"q","segment":1}'])
def test_a_label_that_says_nothing_is_refused(tmp_path: Path, label: bytes) -> None:
    size = max(len(label), 1).to_bytes(2, "big") if label else (9).to_bytes(2, "big")
    sealed = plain_file(tmp_path, label + b"ARIR\x02\x01" + size + bytes(8))
    with pytest.raises(AudioUnreadable):
        OpenedRecording(sealed)
