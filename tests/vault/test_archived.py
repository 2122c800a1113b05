"""Files of old PBXs: every format they write comes in as it sounds, and what is none of them is refused."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import soundfile

from ari_recorder.domain.events import Uniqueid
from ari_recorder.domain.importing import Reason, Unfit
from ari_recorder.domain.recordings import Label
from ari_recorder.vault.archived import Archived, Heard, hear, suffix_of
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from tests.archive import voice, write

AT = datetime(2025, 1, 31, 8, tzinfo=UTC)


def heard(path: Path, *, accept_truncated: bool = False) -> Heard:
    fd = os.open(path, os.O_RDONLY)
    try:
        return hear(fd, suffix_of(path.name), accept_truncated=accept_truncated)
    finally:
        os.close(fd)


def sides(path: Path) -> np.ndarray:
    fd = os.open(path, os.O_RDONLY)
    try:
        with Archived(fd, suffix_of(path.name)) as archived:
            return np.concatenate(list(archived.blocks()))
    finally:
        os.close(fd)


def reason(path: Path) -> Reason:
    with pytest.raises(Unfit) as caught:
        heard(path)
    return caught.value.refused.reason


@pytest.mark.parametrize(
    ("name", "form", "subtype", "exact"),
    [
        ("a.wav", "WAV", "PCM_16", True),
        ("a.WAV", "WAV", "GSM610", False),
        ("a.wav49", "WAV", "GSM610", False),
        ("a.wav", "WAV", "ULAW", False),
        ("a.gsm", "RAW", "GSM610", False),
        ("a.ulaw", "RAW", "ULAW", False),
        ("a.alaw", "RAW", "ALAW", False),
        ("a.sln", "RAW", "PCM_16", True),
        ("a.mp3", "MP3", "MPEG_LAYER_III", False),
        ("a.ogg", "OGG", "VORBIS", False),
        ("a.flac", "FLAC", "PCM_16", True),
        ("a.au", "AU", "ULAW", False),
    ],
)
def test_every_format_comes_in_as_it_sounds(tmp_path: Path, name: str, form: str, subtype: str, exact: bool) -> None:
    # nine seconds: longer than a block, and its end is no whole one
    path = write(tmp_path / name, 440, seconds=9.0125, form=form, subtype=subtype)
    found = heard(path)
    assert found.mixed
    assert abs(found.samples - 72100) <= 1152  # what is coded in frames is filled up
    assert found.file_sha256 == hashlib.sha256(path.read_bytes()).digest()
    both = sides(path)
    assert found.pcm_sha256 == hashlib.sha256(both.tobytes()).digest()
    assert (both[:, 0] == both[:, 1]).all()
    wanted = voice(440, 9.0125)
    if exact:
        assert (both[:, 0] == wanted).all()
    else:
        spectrum = np.abs(np.fft.rfft(both[8000:16000, 0]))
        assert spectrum.argmax() == 440
        assert spectrum[435:446].sum() > 0.5 * spectrum.sum()


@pytest.mark.parametrize(("rate", "suffix"), [(16000, "wav"), (16000, "sln16"), (32000, "sln32"), (48000, "wav")])
def test_a_higher_rate_is_brought_down(tmp_path: Path, rate: int, suffix: str) -> None:
    """What can be heard at 8000 Hz stays as it was, from the first sample on; what cannot is gone."""
    seconds = 9.0
    sound = (voice(440, seconds, rate) // 2 + voice(5000, seconds, rate) // 2).astype(np.int16)
    raw = suffix.startswith("sln")
    form, subtype = ("RAW", "PCM_16") if raw else (None, None)
    path = write(tmp_path / f"a.{suffix}", 0, rate=rate, sound=sound, form=form, subtype=subtype)
    both = sides(path)
    assert len(both) == seconds * 8000
    wanted = voice(440, seconds) // 2
    assert np.abs(both[100:-100, 0].astype(int) - wanted[100:-100]).max() < 60  # of 4000: -36 dB, mostly the alias


def test_of_two_channels_the_left_one_is_the_callers(tmp_path: Path) -> None:
    sound = np.stack([voice(440), voice(880)], axis=1)
    path = write(tmp_path / "a.wav", 0, sound=sound)
    assert not heard(path).mixed
    assert (sides(path) == sound).all()


@pytest.mark.parametrize(
    ("name", "rate", "channels"), [("a.wav", 44100, 1), ("a.wav", 11025, 1), ("a.wav", 96000, 1), ("a.wav", 8000, 3)]
)
def test_other_rates_and_channels_are_refused(tmp_path: Path, name: str, rate: int, channels: int) -> None:
    soundfile.write(tmp_path / name, np.zeros((8000, channels), np.int16), rate)
    assert reason(tmp_path / name) is Reason.FORMAT


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.wav", b"", Reason.EMPTY),
        ("a.ulaw", b"", Reason.EMPTY),
        ("a.txt", b"hello\n", Reason.NOT_AUDIO),
        ("a.wav", b"hello, this is text\n" * 9, Reason.NOT_AUDIO),
        ("a.ulaw", b"hello, this is text\n" * 9, Reason.NOT_AUDIO),
        ("a.gsm", bytes(33), Reason.NOT_AUDIO),
        ("a.sln", b"PK\x03\x04" + bytes(96), Reason.NOT_AUDIO),
        ("a.mp3", b"ID3" + bytes(3000), Reason.NOT_AUDIO),
        ("a.mp3", b"\xff\xfb" + bytes(3000), Reason.NOT_AUDIO),
        ("a.g729", bytes(1000), Reason.NOT_AUDIO),
        ("a.ogg", b"OggS" + bytes(1000), Reason.NOT_AUDIO),
        ("a.wav", b"RIFF\x10\0\0\0WAVEdata\0\0\0\0", Reason.NOT_AUDIO),
        ("a.wav", b"RIFF", Reason.TRUNCATED),
        ("noname", b"\x01\x02", Reason.NOT_AUDIO),
    ],
)
def test_what_is_no_audio_is_refused(tmp_path: Path, name: str, content: bytes, wanted: Reason) -> None:
    (tmp_path / name).write_bytes(content)
    assert reason(tmp_path / name) is wanted


@pytest.mark.parametrize(
    ("name", "form", "subtype"), [("a.wav", "WAV", "PCM_16"), ("a.gsm", "RAW", "GSM610"), ("a.sln", "RAW", "PCM_16")]
)
def test_what_is_cut_off_is_refused_unless_it_is_wanted(tmp_path: Path, name: str, form: str, subtype: str) -> None:
    path = write(tmp_path / name, 440, form=form, subtype=subtype)
    path.write_bytes(path.read_bytes()[:-1001])
    assert reason(path) is Reason.TRUNCATED
    found = heard(path, accept_truncated=True)
    assert found.truncated
    assert 0 < found.samples < 16000


def test_a_header_that_was_never_finished(tmp_path: Path) -> None:
    """Asterisk was killed: the header says that there is nothing, and libsndfile believes it."""
    path = write(tmp_path / "a.wav", 440)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(4) + whole[8:40] + bytes(4) + whole[44:])
    assert reason(path) is Reason.TRUNCATED
    with pytest.raises(Unfit) as caught:
        heard(path, accept_truncated=True)
    assert "never finished" in caught.value.refused.because


def test_silence_is_told(tmp_path: Path) -> None:
    assert heard(write(tmp_path / "a.wav", 0, sound=np.zeros(8000, np.int16))).silent
    assert not heard(write(tmp_path / "b.wav", 440)).silent


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    files = VaultFiles(tmp_path / "vault")
    files.prepare()
    keyring = Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key")
    keyring.publish([day_of(AT)])
    (tmp_path / "spool").mkdir()
    return Vault(files, keyring, tmp_path / "spool")


def sealed_as(vault: Vault, path: Path, pcm_sha256: bytes) -> np.ndarray:
    recording_id, label = uuid4(), Label(uniqueid=Uniqueid("1.1"), queue="advice", segment=1, started_at=AT)
    fd = os.open(path, os.O_RDONLY)
    try:
        with Archived(fd, suffix_of(path.name)) as archived:
            sealed = vault.seal_archived(archived, recording_id, day_of(AT), "day-2025-01-31", label, pcm_sha256)
    finally:
        os.close(fd)
    vault.files.settle([sealed.path])
    with vault.wav(sealed.path, sealed.wrapped_key, recording_id, label) as wav:
        return np.frombuffer(b"".join(wav.samples_blocks()), "<i2").reshape(-1, 2)


@pytest.mark.parametrize("stereo", [False, True])
def test_it_is_sealed_as_any_recording_and_heard_again(vault: Vault, tmp_path: Path, stereo: bool) -> None:
    sound = np.stack([voice(440, 9), voice(880, 9)], axis=1) if stereo else voice(440, 9)
    path = write(tmp_path / "a.wav", 0, sound=sound)
    opened = sealed_as(vault, path, heard(path).pcm_sha256)
    assert (opened == (sound if stereo else np.repeat(sound[:, None], 2, axis=1))).all()


def test_what_became_another_one_is_not_sealed(vault: Vault, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 440)
    with pytest.raises(Unfit) as caught:
        sealed_as(vault, path, bytes(32))
    assert caught.value.refused.reason is Reason.CHANGED
    assert list((tmp_path / "vault").rglob("*.sealed")) == []
    assert list((tmp_path / "vault" / ".new").iterdir()) == []
