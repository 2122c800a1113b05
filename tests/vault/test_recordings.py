"""A segment sealed into the vault, opened again, exported: whole, once, or not at all."""

import hashlib
import io
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile

from ari_recorder.domain.errors import (
    AudioNotEncoded,
    NothingCaptured,
    RecorderError,
    SealedAlready,
    SealedDamaged,
    SealedForeign,
    SealNotVerified,
    VaultWriteFailed,
    WrappedKeyRefused,
)
from ari_recorder.vault import codec
from ari_recorder.vault.files import NewFile, VaultFiles
from ari_recorder.vault.public_keys import PublicKeys
from ari_recorder.vault.recordings import Sealed, Vault
from ari_recorder.vault.stream import seal
from tests.keyring_for_tests import keyring_in
from tests.vault import sln

RECORDING = UUID("0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f")
DAY = date(2026, 3, 29)


class House:
    """A vault, a spool, and a segment in it."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.keyring = keyring_in(folder, DAY)
        self.files = VaultFiles(folder / "vault")
        self.files.prepare()
        self.vault = Vault(self.files, self.keyring, self.spool)
        self.caller = sln.write(self.spool / "x.caller.sln", sln.tone(440, 12.5))
        self.agent = sln.write(self.spool / "x.agent.sln", sln.noise(12.0))

    def seal(self, recording_id: UUID = RECORDING) -> Sealed:
        return self.vault.seal_recording(self.caller, self.agent, recording_id, DAY)

    def in_vault(self) -> list[str]:
        folder = self.files.folder
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def in_spool(self) -> list[str]:
        return sorted(os.listdir(self.spool))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_sealed_recording_holds_what_was_captured(house: House) -> None:
    sealed = house.seal()
    with house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING) as opened:
        assert opened.size == sealed.plain_bytes
        samples, rate = soundfile.read(io.BytesIO(opened.read(0, opened.size)), dtype="int16")
    assert rate == 8000
    assert np.array_equal(samples[:, 0], sln.tone(440, 12.5))
    assert np.array_equal(samples[:96_000, 1], sln.noise(12.0))
    assert not samples[96_000:, 1].any()


def test_what_is_said_about_a_sealed_recording_is_true(house: House) -> None:
    sealed = house.seal()
    data = (house.files.folder / sealed.path).read_bytes()
    assert sealed.path == f"2026/03/29/{RECORDING}.sealed"
    assert hashlib.sha256(data).digest() == sealed.sha256
    assert len(data) == sealed.sealed_bytes
    assert sealed.samples == 100_000
    assert sealed.duration == timedelta(seconds=12.5)
    assert (sealed.caller.samples, sealed.agent.samples) == (100_000, 96_000)
    assert sealed.caller.carries_audio
    assert sealed.agent.carries_audio
    assert house.in_vault() == [sealed.path]
    assert house.in_spool() == ["x.agent.sln", "x.caller.sln"]


def test_nothing_of_the_audio_or_the_key_shows_in_the_sealed_file(house: House) -> None:
    sealed = house.seal()
    data = (house.files.folder / sealed.path).read_bytes()
    pcm = house.caller.read_bytes()
    assert b"fLaC" not in data
    assert not any(pcm[i : i + 16] in data for i in range(0, 20_000, 16))
    assert house.keyring.unwrap(sealed.wrapped_key, RECORDING) not in data
    assert repr(sealed.wrapped_key) not in repr(sealed)


def test_each_recording_has_a_data_key_of_its_own(house: House) -> None:
    keys = set()
    for i in range(20):
        sealed = house.seal(UUID(int=i))
        keys.add(house.keyring.unwrap(sealed.wrapped_key, UUID(int=i)))
    assert len(keys) == 20


def test_sealing_again_after_an_unlink_uses_another_key(house: House) -> None:
    first = house.seal()
    house.files.unlink(first.path)
    second = house.seal()
    assert house.keyring.unwrap(first.wrapped_key, RECORDING) != house.keyring.unwrap(second.wrapped_key, RECORDING)


def test_an_export_holds_the_same_samples(house: House) -> None:
    sealed = house.seal()
    wav = io.BytesIO()
    assert house.vault.export_wav(sealed.path, sealed.wrapped_key, RECORDING, wav) == timedelta(seconds=12.5)
    samples, _ = soundfile.read(io.BytesIO(wav.getvalue()), dtype="int16")
    assert np.array_equal(samples[:, 0], sln.tone(440, 12.5))


def test_a_recording_opens_with_its_own_key_and_name_only(house: House, tmp_path: Path) -> None:
    one, other = house.seal(), house.seal(UUID(int=2))
    with pytest.raises(WrappedKeyRefused):
        house.vault.open_recording(one.path, one.wrapped_key, UUID(int=2))
    with pytest.raises(SealedForeign):
        house.vault.open_recording(other.path, one.wrapped_key, RECORDING)
    stranger = Vault(house.files, keyring_in(tmp_path / "other", DAY), house.spool)
    with pytest.raises(WrappedKeyRefused):
        stranger.open_recording(one.path, one.wrapped_key, RECORDING)


def test_damage_comes_out_of_an_export_as_damage(house: House) -> None:
    sealed = house.seal()
    path = house.files.folder / sealed.path
    data = bytearray(path.read_bytes())
    data[60_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(SealedDamaged, match=rf"{sealed.path} was changed or cut: chunk 3 of"):
        house.vault.export_wav(sealed.path, sealed.wrapped_key, RECORDING, io.BytesIO())


def test_a_segment_without_any_sample_is_not_sealed(house: House) -> None:
    house.caller.write_bytes(b"")
    house.agent.unlink()
    with pytest.raises(NothingCaptured, match=str(RECORDING)):
        house.seal()
    assert house.in_vault() == []


def test_a_segment_with_one_side_is_kept_and_says_so(house: House) -> None:
    house.agent.unlink()
    sealed = house.seal()
    assert (sealed.agent.missing, sealed.agent.carries_audio, sealed.caller.carries_audio) == (True, False, True)


def test_sealing_twice_never_makes_a_second_file(house: House) -> None:
    sealed = house.seal()
    before = (house.files.folder / sealed.path).read_bytes()
    with pytest.raises(SealedAlready):
        house.seal()
    assert (house.files.folder / sealed.path).read_bytes() == before
    assert house.in_vault() == [sealed.path]


def flip_on_disk(house: House) -> None:
    (fresh,) = (house.files.folder / ".new").iterdir()
    data = bytearray(fresh.read_bytes())
    data[20_000] ^= 1
    fresh.write_bytes(data)


def test_a_disk_that_stores_something_else_is_noticed_before_the_file_has_its_name(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = NewFile.finish

    def rotten(new: NewFile) -> int:
        fd = finish(new)
        flip_on_disk(house)
        return fd

    monkeypatch.setattr(NewFile, "finish", rotten)
    with pytest.raises(SealNotVerified, match="differs in its encrypted bytes; nothing was stored"):
        house.seal()
    assert house.in_vault() == []


def test_a_flac_that_holds_other_samples_is_noticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the encoder had lost a sample: the FLAC is sealed faithfully, but is not what was captured."""
    decode = codec.decode

    def lossy(*args: Any) -> Any:
        blocks = list(decode(*args))
        blocks[0] = blocks[0][4:]
        return blocks

    monkeypatch.setattr(codec, "decode", lossy)
    with pytest.raises(SealNotVerified, match="differs in its samples"):
        house.seal()
    assert house.in_vault() == []


def test_a_mistake_while_sealing_is_noticed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(source: Any, sink: Any, data_key: bytes, context: bytes) -> int:
        return seal(io.BytesIO(b"something else"), sink, data_key, context)

    monkeypatch.setattr("ari_recorder.vault.recordings.seal", wrong)
    with pytest.raises(SealNotVerified, match="encrypted bytes"):
        house.seal()
    assert house.in_vault() == []


@pytest.mark.parametrize("name", ["write", "fsync", "link"])
def test_a_failing_disk_leaves_the_spool_whole_and_sealing_can_be_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(VaultWriteFailed, match="No space left"):
            house.seal()
    assert house.in_vault() == []
    assert house.in_spool() == ["x.agent.sln", "x.caller.sln"]
    house.seal()


def test_a_key_that_cannot_be_wrapped_stores_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise RecorderError

    monkeypatch.setattr(PublicKeys, "wrap", fail)
    with pytest.raises(RecorderError):
        house.seal()
    assert house.in_vault() == []


def test_a_missing_workspace_is_told(house: House, tmp_path: Path) -> None:
    vault = Vault(house.files, house.keyring, tmp_path / "absent")
    with pytest.raises(AudioNotEncoded, match=r"absent.*No such file"):
        vault.seal_recording(house.caller, house.agent, RECORDING, DAY)


def test_no_descriptor_stays_open_whatever_happens(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    sealed = house.seal()
    with house.vault.open_recording(sealed.path, sealed.wrapped_key, RECORDING):
        pass
    with pytest.raises(SealedAlready):
        house.seal()
    house.caller.write_bytes(b"")
    house.agent.write_bytes(b"")
    with pytest.raises(NothingCaptured):
        house.seal(UUID(int=3))
    assert count() == before


CRASH = """
import os, sys
from datetime import date
from pathlib import Path
from uuid import UUID
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault

folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
seen = 0
def dying(call):
    def stepped(*args, **kwargs):
        global seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), 9)
        return call(*args, **kwargs)
    return stepped
keyring = Keyring.open(folder / "keys")
for name in ("open", "write", "fsync", "mkdir", "link", "unlink", "close", "preadv"):
    setattr(os, name, dying(getattr(os, name)))
vault = Vault(VaultFiles(folder / "vault"), keyring, folder / "spool")
vault.seal_recording(folder / "spool/x.caller.sln", folder / "spool/x.agent.sln",
                     UUID("0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f"), date(2026, 3, 29))
print(seen)
"""


def test_a_kill_at_any_step_leaves_the_spool_and_at_most_one_whole_file(house: House, tmp_path: Path) -> None:
    """Every system call of the way is a place to die. What is left: the segment, and no half recording with a name."""
    whole = subprocess.run([sys.executable, "-c", CRASH, tmp_path, "0"], capture_output=True, text=True, check=True)
    steps = int(whole.stdout)
    (path,) = house.in_vault()
    full_size = (house.files.folder / path).stat().st_size
    house.files.unlink(path)
    named = 0
    for fatal in range(1, steps + 1):
        killed = subprocess.run([sys.executable, "-c", CRASH, tmp_path, str(fatal)], check=False)
        assert killed.returncode == -9
        house.files.prepare()
        assert house.in_spool() == ["x.agent.sln", "x.caller.sln"]
        left = house.in_vault()
        assert left in ([], [path])
        if left:
            named += 1
            assert (house.files.folder / path).stat().st_size == full_size
            house.files.unlink(path)
    assert 0 < named < steps
    house.seal()
