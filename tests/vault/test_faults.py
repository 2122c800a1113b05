"""The disk fails at every single file operation of the vault: the error says where and why, and nothing is lost."""

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.domain.errors import RecorderError
from ari_recorder.vault.copies import Copies
from ari_recorder.vault.files import path_of
from ari_recorder.vault.key_check import back_up, verify
from ari_recorder.vault.key_rotation import NewRoot
from ari_recorder.vault.keyring import Keyring
from tests.faults.disk import EVERY_WAY, Fault, faults, open_files, told
from tests.keyring_for_tests import keyring_in
from tests.vault.live_house import DAY, RECORDING, STEP, LiveHouse

DATA_KEY = bytes(range(32))


@EVERY_WAY
def test_sealing_can_be_tried_again_whatever_failed(tmp_path: Path, code: int, lasting: bool) -> None:
    house = LiveHouse(tmp_path)
    house.say(STEP, STEP - 600)
    house.seal_live()
    house.say(5000)
    house.live.close()
    path = path_of(RECORDING, DAY)
    for fault in faults(code, lasting=lasting):
        sealed = None
        with told(fault):
            sealed = house.seal()
        if sealed is None:
            house.files.unlink(path)
            sealed = house.seal()
        assert house.heard(sealed) == house.expected(), str(fault)
        assert sealed.truncated == ""
        house.files.unlink(path)


@EVERY_WAY
def test_a_call_that_goes_on_loses_nothing_whatever_fails(tmp_path: Path, code: int, lasting: bool) -> None:
    ring = keyring_in(tmp_path, DAY)
    for fault in faults(code, lasting=lasting):
        (folder := tmp_path / f"{fault.number}").mkdir()
        house = LiveHouse(folder, ring)
        house.say(STEP)
        house.seal_live()
        house.say(STEP)
        house.restart()
        with told(fault):
            try:
                house.seal_live()
            finally:
                house.live.close()
        house.say(STEP)
        house.seal_live()
        sealed = house.seal()
        assert (house.heard(sealed) == house.expected(), sealed.truncated) == (True, ""), str(fault)
        fault_again = Fault(fault.number, code, lasting=lasting)
        with told(fault_again):
            house.vault.parts.remove(RECORDING)
        house.vault.parts.remove(RECORDING)
        assert house.parts() == []


@EVERY_WAY
def test_a_recording_is_removed_or_it_is_told_that_it_may_be_there(tmp_path: Path, code: int, lasting: bool) -> None:
    house = LiveHouse(tmp_path)
    house.say(STEP)
    house.seal_live()
    sealed = house.seal()
    whole = (house.files.folder / sealed.path).read_bytes()
    parts = {name: (house.files.folder / ".parts" / name).read_bytes() for name in house.parts()}
    for fault in faults(code, lasting=lasting):
        before = open_files()
        with fault:
            outcome = Copies(house.files.folder).remove({RECORDING: sealed.path})
        assert open_files() == before, str(fault)
        assert (RECORDING in outcome.removed) != (RECORDING in outcome.failed), str(fault)
        if RECORDING in outcome.removed:
            assert not (house.files.folder / sealed.path).exists(), str(fault)
            assert house.parts() == [], str(fault)
        again = Copies(house.files.folder).remove({RECORDING: sealed.path})
        assert RECORDING in again.removed
        assert house.parts() == []
        (house.files.folder / sealed.path).write_bytes(whole)
        for name, data in parts.items():
            (house.files.folder / ".parts" / name).write_bytes(data)


@EVERY_WAY
def test_listening_says_what_is_wrong_with_the_disk(tmp_path: Path, code: int, lasting: bool) -> None:
    house = LiveHouse(tmp_path)
    house.say(STEP)
    sealed = house.seal()
    for fault in faults(code, lasting=lasting):
        with told(fault):
            assert house.heard(sealed) == house.expected()


# --- keys


@EVERY_WAY
def test_a_keyring_that_could_not_be_made_is_made_by_the_next_start(tmp_path: Path, code: int, lasting: bool) -> None:
    for fault in faults(code, lasting=lasting, stride=3):
        (folder := tmp_path / f"{fault.number}").mkdir()
        with told(fault):
            Keyring.make(folder / "keys", root_key=folder / "root.key")
        try:
            ring = Keyring.open(folder / "keys")
            ring.unlock(root_key=folder / "root.key")
        except RecorderError:
            ring = Keyring.make(folder / "keys", root_key=folder / "root.key")
        assert ring.names() == {"fallback", "hold-1", "index-1"}, str(fault)
        assert verify(ring).problems == (), str(fault)


@EVERY_WAY
def test_whatever_fails_while_a_day_key_is_made_calls_are_sealed_and_open(
    tmp_path: Path, code: int, lasting: bool
) -> None:
    """On a full disk the fallback does, and what was sealed to it opens for ever."""
    ring = keyring_in(tmp_path, DAY)
    other = Keyring.open(tmp_path / "keys")  # the capture side: it has no private key
    for fault in faults(code, lasting=lasting):
        day = date.fromordinal(DAY.toordinal() + fault.number)
        recording = UUID(int=fault.number)
        with told(fault):
            ring.publish([day])
        name = other.public.name_for(day)
        wrapped = other.public.wrap(name, DATA_KEY, recording)
        with told(Fault(fault.number, code, lasting=lasting)):
            assert other.public.name_for(day)
            other.public.wrap(name, DATA_KEY, recording)
        assert ring.unwrap(wrapped, recording) == DATA_KEY, str(fault)
        ring.publish([day])
        assert ring.public.name_for(day) == f"day-{day}", str(fault)
        assert ring.unwrap(wrapped, recording) == DATA_KEY, str(fault)
        again = ring.public.wrap(f"day-{day}", DATA_KEY, recording)
        assert ring.unwrap(again, recording) == DATA_KEY


@EVERY_WAY
def test_a_key_is_destroyed_or_it_is_told_that_it_may_be_there(tmp_path: Path, code: int, lasting: bool) -> None:
    ring = keyring_in(tmp_path, DAY)
    for fault in faults(code, lasting=lasting):
        ring.publish([DAY])
        wrapped = ring.public.wrap(f"day-{DAY}", DATA_KEY, RECORDING)
        done = False
        with told(fault):
            ring.destroy(f"day-{DAY}")
            done = True
        if done:
            assert f"day-{DAY}" not in ring.names(), str(fault)
        ring.destroy(f"day-{DAY}")
        with pytest.raises(RecorderError):
            ring.unwrap(wrapped, RECORDING)
        assert ring.public.name_for(DAY) == "fallback"
        assert verify(ring).problems == (), str(fault)


@EVERY_WAY
def test_a_new_root_key_or_the_old_one_opens_all_whatever_fails(tmp_path: Path, code: int, lasting: bool) -> None:
    root = tmp_path / "root.key"
    ring = keyring_in(tmp_path, DAY)
    wrapped = ring.public.wrap(f"day-{DAY}", DATA_KEY, RECORDING)
    for fault in faults(code, lasting=lasting, stride=8):
        ring = Keyring.open(tmp_path / "keys")
        ring.unlock(root_key=root)
        reader = Keyring.open(tmp_path / "keys")
        reader.unlock(root_key=root)
        with told(fault):
            ring.rotate(NewRoot.in_place_of(root), ready=lambda: None)
        assert reader.unwrap(wrapped, RECORDING) == DATA_KEY, str(fault)
        again = Keyring.open(tmp_path / "keys")
        again.unlock(root_key=root)
        assert again.unwrap(wrapped, RECORDING) == DATA_KEY, str(fault)
        with told(Fault(fault.number, code, lasting=lasting)):
            again.abandon_rotation(root)
        again = Keyring.open(tmp_path / "keys")
        again.unlock(root_key=root)
        again.abandon_rotation(root)
        again.publish([DAY])
        assert verify(again).problems == (), str(fault)


@EVERY_WAY
def test_a_backup_of_the_keys_is_whole_or_not_there(tmp_path: Path, code: int, lasting: bool) -> None:
    ring = keyring_in(tmp_path, DAY)
    for fault in faults(code, lasting=lasting, stride=4):
        target = tmp_path / f"copy-{fault.number}"
        with told(fault):
            problems = back_up(ring, target).verified.problems
            assert all(fault.reason in problem for problem in problems), str(fault)
        assert verify(ring).problems == (), str(fault)
        if (target / "keyring.json").exists():
            copy = Keyring.open(target)
            copy.unlock(root_key=tmp_path / "root.key")
            assert copy.names() == ring.names(), str(fault)
