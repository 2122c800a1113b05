"""A new root key: killed at any step it can be resumed, or taken back until the commit; reading works throughout."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from ari_recorder.domain.errors import (
    KeyDestroyed,
    KeyringLocked,
    PassphraseWrong,
    RecorderError,
    RootKeyWrong,
)
from ari_recorder.vault import key_rotation
from ari_recorder.vault.key_rotation import NewRoot
from ari_recorder.vault.keyring import Keyring
from tests.keyring_for_tests import cheap_passphrases, keyring_in, places

DAY = date(2026, 11, 24)
NAME = "day-2026-11-24"
RECORDING = UUID(int=7)
DATA_KEY = bytes(range(32))
OLD, NEW = "the old passphrase", "the new passphrase"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap_passphrases(monkeypatch)


class House:
    """A keyring, and what was wrapped before its root key was replaced."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.root = folder / "keys", folder / "root.key"
        self.ring = keyring_in(folder, DAY)
        self.wrapped = {name: self.ring.public.wrap(name, DATA_KEY, RECORDING) for name in (NAME, "hold-1", "fallback")}
        self.index = self.ring.index("number", "1")
        self.first = self.root.read_bytes()

    def opened(self) -> Keyring:
        ring = Keyring.open(self.keys)
        ring.unlock(root_key=self.root)
        return ring

    def reads(self, ring: Keyring) -> None:
        for wrapped in self.wrapped.values():
            assert ring.unwrap(wrapped, RECORDING) == DATA_KEY
        assert ring.index("number", "1") == self.index

    def rotate(self, ring: Keyring | None = None) -> None:
        (ring or self.ring).rotate(NewRoot.in_place_of(self.root), ready=lambda: None)

    def left(self) -> set[str]:
        return {path.name for path in self.keys.iterdir()} - {".lock"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


WHOLE = {"keyring.json", "public", "private"}


def test_after_a_rotation_only_the_new_root_key_opens(house: House, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (house.keys / "private").iterdir()}
    public = {path.name: path.read_bytes() for path in (house.keys / "public").iterdir()}
    house.rotate()
    assert house.root.read_bytes() != house.first
    house.reads(house.ring)
    house.reads(house.opened())
    assert house.left() == WHOLE
    assert not (tmp_path / "root.key.new").exists()
    after = {path.name: path.read_bytes() for path in (house.keys / "private").iterdir()}
    assert before.keys() == after.keys()
    assert not {*before.values()} & {*after.values()}
    assert public == {path.name: path.read_bytes() for path in (house.keys / "public").iterdir()}
    (tmp_path / "old.key").touch(0o600)
    (tmp_path / "old.key").write_bytes(house.first)
    with pytest.raises(RootKeyWrong):
        Keyring.open(house.keys).unlock(root_key=tmp_path / "old.key")


def test_it_can_be_done_again_and_again(house: House) -> None:
    for _ in range(3):
        house.rotate(house.opened())
        house.ring.publish([date(2026, 12, 1)])
        house.reads(house.opened())


def test_who_reads_meanwhile_goes_on_reading(house: House) -> None:
    """Readers unlocked before, in another process as it were, ask all the time while the root key is replaced."""
    reader = house.opened()
    done, trouble = threading.Event(), list[Exception]()
    count = 0

    def read() -> None:
        nonlocal count
        while not done.is_set():
            try:
                house.reads(reader)
                count += 1
            except Exception as error:
                trouble.append(error)
                return

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(5):
        house.rotate()
    done.set()
    thread.join()
    assert trouble == []
    assert count > 5


def test_who_was_told_the_new_passphrase_before_the_commit_goes_on_reading(tmp_path: Path) -> None:
    ring = Keyring.make(tmp_path / "keys", passphrase=OLD)
    wrapped = ring.public.wrap("hold-1", DATA_KEY, RECORDING)
    told, untold = Keyring.open(tmp_path / "keys"), Keyring.open(tmp_path / "keys")
    for reader in (told, untold):
        reader.unlock(passphrase=OLD)

    def tell() -> None:
        told.unlock(passphrase=NEW)
        assert told.unwrap(wrapped, RECORDING) == DATA_KEY

    ring.rotate(NewRoot.typed(NEW), ready=tell)
    assert told.unwrap(wrapped, RECORDING) == DATA_KEY
    assert told.publish([DAY]) == (NAME,)
    with pytest.raises(KeyringLocked):
        untold.unwrap(wrapped, RECORDING)
    assert untold.locked
    with pytest.raises(PassphraseWrong):
        untold.unlock(passphrase=OLD)
    untold.unlock(passphrase=NEW)
    assert untold.unwrap(wrapped, RECORDING) == DATA_KEY


def test_a_file_may_become_a_passphrase_and_a_passphrase_a_file(house: House, tmp_path: Path) -> None:
    house.ring.rotate(NewRoot.typed(NEW), ready=lambda: None)
    by_passphrase = Keyring.open(house.keys)
    by_passphrase.unlock(passphrase=NEW)
    house.reads(by_passphrase)
    with pytest.raises(KeyringLocked):
        Keyring.open(house.keys).unlock(root_key=house.root)
    elsewhere = tmp_path / "elsewhere.key"
    by_passphrase.rotate(NewRoot(file=elsewhere), ready=lambda: None)
    by_file = Keyring.open(house.keys)
    by_file.unlock(root_key=elsewhere)
    house.reads(by_file)


def test_a_no_before_the_commit_leaves_everything_as_it_was_and_can_be_taken_back(house: House, tmp_path: Path) -> None:
    def refuse() -> None:
        raise KeyringLocked

    with pytest.raises(KeyringLocked):
        house.ring.rotate(NewRoot.in_place_of(house.root), ready=refuse)
    assert house.ring.rotating
    house.reads(house.opened())
    assert house.ring.abandon_rotation(house.root)
    assert not house.ring.abandon_rotation(house.root)
    assert house.left() == WHOLE
    assert not (tmp_path / "root.key.new").exists()
    assert house.root.read_bytes() == house.first
    house.reads(house.opened())


def test_a_rotation_begun_with_one_passphrase_is_not_ended_with_another(house: House) -> None:
    def refuse() -> None:
        raise KeyringLocked

    with pytest.raises(KeyringLocked):
        house.ring.rotate(NewRoot.typed("the first try, forgotten"), ready=refuse)
    house.ring.rotate(NewRoot.typed(NEW), ready=lambda: None)
    ring = Keyring.open(house.keys)
    with pytest.raises(PassphraseWrong):
        ring.unlock(passphrase="the first try, forgotten")
    ring.unlock(passphrase=NEW)
    house.reads(ring)


def test_keys_made_and_destroyed_between_begin_and_end_are_what_they_should_be(house: House) -> None:
    def refuse() -> None:
        raise KeyringLocked

    with pytest.raises(KeyringLocked):
        house.ring.rotate(NewRoot.in_place_of(house.root), ready=refuse)
    house.ring.publish([date(2026, 12, 1)])
    house.ring.destroy(NAME)
    assert f"{NAME}.key" not in [path.name for path in house.keys.rglob("*")]
    wrapped = house.ring.public.wrap("day-2026-12-01", DATA_KEY, RECORDING)
    house.rotate()
    ring = house.opened()
    assert ring.unwrap(wrapped, RECORDING) == DATA_KEY
    with pytest.raises(KeyDestroyed):
        ring.unwrap(house.wrapped[NAME], RECORDING)
    assert f"{NAME}.key" not in [path.name for path in house.keys.rglob("*")]


@pytest.mark.parametrize("step", ["replace_root_key", "finish"])
@pytest.mark.parametrize("mend", ["rotate", "publish"])
def test_a_kill_right_after_the_commit_changes_nothing_for_who_reads(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, mend: str
) -> None:
    """The new root key still lies beside the old one, and the private halves in two folders."""
    real, calls = getattr(key_rotation, step), 0

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == (3 if step == "finish" else 1):  # two are before the commit
            raise KeyboardInterrupt
        return real(*arguments)

    reader = house.opened()
    with monkeypatch.context() as patch:
        patch.setattr(key_rotation, step, dying)
        with pytest.raises(KeyboardInterrupt):
            house.rotate(house.opened())
    assert "private.new" in house.left()
    house.reads(reader)
    again = house.opened()
    house.reads(again)
    if mend == "rotate":
        house.rotate(again)
        assert not (tmp_path / "root.key.new").exists()
    else:
        again.publish([date(2026, 12, 1)])
    assert house.left() == WHOLE
    house.reads(house.opened())
    house.reads(reader)


CRASH = """
import os, sys
from pathlib import Path
from ari_recorder.vault.key_rotation import NewRoot
from ari_recorder.vault.keyring import Keyring

folder, fatal = Path(sys.argv[1]), int(sys.argv[2])
ring = Keyring.open(folder / "keys")
ring.unlock(root_key=folder / "root.key")
seen = 0
def dying(call):
    def stepped(*args, **kwargs):
        global seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), 9)
        return call(*args, **kwargs)
    return stepped
for name in ("open", "write", "fsync", "mkdir", "link", "unlink", "rename", "pwrite", "rmdir"):
    setattr(os, name, dying(getattr(os, name)))
ring.rotate(NewRoot.in_place_of(folder / "root.key"), ready=lambda: print(seen))
print(seen)
"""


def crash(folder: Path, fatal: int) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, folder, str(fatal)], capture_output=True, text=True, check=False
    )
    assert done.returncode == (-9 if fatal else 0), done.stderr
    return [int(line) for line in done.stdout.split()]


def take_back(house: House) -> None:
    house.opened().abandon_rotation(house.root)


def resume(house: House) -> None:
    house.rotate(house.opened())


@pytest.mark.parametrize("mend", [resume, take_back], ids=["resume", "take-back"])
def test_killed_at_any_step_it_reads_and_is_resumed_or_taken_back(
    house: House, tmp_path: Path, mend: Callable[[House], None]
) -> None:
    """Also a reader that was unlocked before goes on, and keys can be made in whatever state it is."""
    prepared, steps = crash(tmp_path, 0)
    committed = 0
    for fatal in places(steps, 12):
        reader, root = house.opened(), house.root.read_bytes()
        crash(tmp_path, fatal)
        house.reads(reader)
        again = house.opened()
        house.reads(again)
        day = date.fromordinal(DAY.toordinal() + fatal)
        again.publish([day])
        mend(house)
        assert house.left() == WHOLE
        house.reads(house.opened())
        house.reads(reader)
        again.destroy(f"day-{day}")
        committed += mend is take_back and house.opened().root_generation > again.root_generation
        if fatal < prepared and mend is take_back:
            assert house.root.read_bytes() == root


@pytest.mark.parametrize("call", ["fsync", "rename", "link"])
def test_a_disk_that_fails_is_told_and_nothing_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real, seen = getattr(os, call), 0

    for fatal in places(80, 12):
        seen = 0

        def failing(*args: object, fatal: int = fatal, **more: object) -> object:
            nonlocal seen
            seen += 1
            if seen >= fatal:
                raise OSError(28, "No space left on device")
            return real(*args, **more)

        ring = house.opened()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                house.rotate(ring)
            except RecorderError as error:
                assert "No space left on device" in str(error)  # noqa: PT017 -- it may also succeed
        house.reads(house.opened())
    house.rotate(house.opened())
    assert house.left() == WHOLE
