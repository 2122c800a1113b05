"""The master key file, wrapped data keys, sealed personal texts."""

import os
import threading
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.errors import (
    MasterKeyExposed,
    MasterKeyMissing,
    MasterKeyUnfit,
    SealedTextRefused,
    WrappedKeyRefused,
)
from ari_recorder.vault.keyring import Keyring

RECORDING = UUID(int=7)
RING = Keyring(bytes(range(32)))


def test_the_first_start_makes_a_key_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    old = os.umask(0)  # the widest there is: the mode must not lean on it
    try:
        ring = Keyring.open(path, sealed_recordings_exist=False)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert os.listdir(tmp_path) == ["master.key"]
    wrapped = ring.wrap(bytes(32), RECORDING)
    assert Keyring.open(path, sealed_recordings_exist=True).unwrap(wrapped, RECORDING) == bytes(32)


def test_key_and_folder_are_on_disk_before_the_key_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def noted_fsync(fd: int) -> None:
        steps.append("fsync " + ("folder" if os.readlink(f"/proc/self/fd/{fd}") == str(tmp_path) else "file"))
        fsync(fd)

    def noted_link(old: Path, new: Path) -> None:
        steps.append("link")
        link(old, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    Keyring.open(tmp_path / "master.key", sealed_recordings_exist=False)
    assert steps == ["fsync file", "link", "fsync folder"]


def test_of_services_that_start_at_once_all_have_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    rings: list[Keyring] = []
    start = threading.Barrier(8)

    def first_start() -> None:
        start.wait()
        rings.append(Keyring.open(path, sealed_recordings_exist=False))

    threads = [threading.Thread(target=first_start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrapped = rings[0].wrap(bytes(32), RECORDING)
    assert [ring.unwrap(wrapped, RECORDING) for ring in rings] == [bytes(32)] * 8
    assert os.listdir(tmp_path) == ["master.key"]


def test_a_lost_key_is_not_replaced_while_recordings_need_it(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyMissing, match="there are sealed recordings"):
        Keyring.open(tmp_path / "master.key", sealed_recordings_exist=True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    with pytest.raises(MasterKeyExposed, match=f"mode {mode:04o}.*chmod 600"):
        Keyring.open(path, sealed_recordings_exist=False)


@pytest.mark.parametrize("size", [0, 31, 33, 4096])
def test_a_key_of_the_wrong_length_is_refused_and_left_alone(tmp_path: Path, size: int) -> None:
    path = tmp_path / "master.key"
    path.touch(0o600)
    path.write_bytes(bytes(size))
    with pytest.raises(MasterKeyUnfit, match=f"it has {size} bytes"):
        Keyring.open(path, sealed_recordings_exist=False)
    assert path.read_bytes() == bytes(size)


def test_a_link_a_folder_a_pipe_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real.key").touch(0o600)
    (tmp_path / "real.key").write_bytes(bytes(32))
    (tmp_path / "link.key").symlink_to("real.key")
    (tmp_path / "folder.key").mkdir()
    os.mkfifo(tmp_path / "pipe.key")
    for name in ("link.key", "folder.key", "pipe.key", "absent/master.key"):
        with pytest.raises(MasterKeyUnfit):
            Keyring.open(tmp_path / name, sealed_recordings_exist=False)


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_key_that_did_not_reach_the_disk_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(MasterKeyUnfit, match="cannot be made"):
        Keyring.open(tmp_path / "master.key", sealed_recordings_exist=False)
    assert os.listdir(tmp_path) == []


def test_data_keys_are_never_the_same() -> None:
    assert len({RING.new_data_key() for _ in range(10_000)}) == 10_000


@given(st.binary(min_size=32, max_size=32), st.uuids())
def test_a_wrapped_key_comes_back(data_key: bytes, recording_id: UUID) -> None:
    wrapped = RING.wrap(data_key, recording_id)
    assert (len(wrapped), wrapped[0]) == (61, 1)
    assert data_key not in wrapped
    assert RING.unwrap(wrapped, recording_id) == data_key


def test_the_same_key_wrapped_twice_looks_different() -> None:
    assert RING.wrap(bytes(32), RECORDING) != RING.wrap(bytes(32), RECORDING)


def test_a_wrapped_key_opens_for_its_recording_and_master_key_only() -> None:
    wrapped = RING.wrap(bytes(32), RECORDING)
    with pytest.raises(WrappedKeyRefused, match="another recording"):
        RING.unwrap(wrapped, UUID(int=8))
    with pytest.raises(WrappedKeyRefused):
        Keyring(bytes(32)).unwrap(wrapped, RECORDING)


def test_a_wrapped_key_with_any_bit_changed_or_cut_is_refused() -> None:
    wrapped = RING.wrap(bytes(32), RECORDING)
    for bit in range(len(wrapped) * 8):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WrappedKeyRefused):
            RING.unwrap(bytes(changed), RECORDING)
    for length in range(len(wrapped)):
        with pytest.raises(WrappedKeyRefused):
            RING.unwrap(wrapped[:length], RECORDING)


@given(st.text(max_size=200), st.sampled_from(["caller_number", "caller_name"]), st.uuids() | st.text(max_size=40))
def test_a_sealed_text_comes_back(text: str, purpose: str, owner: UUID | str) -> None:
    assert RING.open_text(RING.seal_text(text, purpose, owner), purpose, owner) == text


def test_a_sealed_text_shows_nothing_and_opens_for_its_purpose_and_owner_only() -> None:
    sealed = RING.seal_text("+358401234567", "caller_number", RECORDING)
    assert b"358" not in sealed
    for ring, purpose, owner in (
        (RING, "caller_name", RECORDING),
        (RING, "caller_number", UUID(int=8)),
        (Keyring(bytes(32)), "caller_number", RECORDING),
    ):
        with pytest.raises(SealedTextRefused) as caught:
            ring.open_text(sealed, purpose, owner)
        assert "358" not in str(caught.value)
    with pytest.raises(SealedTextRefused):
        RING.open_text(b"", "caller_number", RECORDING)


def test_a_sealed_text_is_no_wrapped_key() -> None:
    with pytest.raises(SealedTextRefused):
        RING.open_text(RING.wrap(bytes(32), RECORDING), "caller_number", RECORDING)


def test_the_key_does_not_show_when_the_ring_is_printed() -> None:
    assert bytes(range(32)).hex() not in repr(RING) + str(RING)
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(b"short")
