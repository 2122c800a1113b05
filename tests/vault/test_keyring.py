"""The keyring: made once, complete or not there, opened by its own root key only; locked it still publishes."""

import json
import os
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog

from ari_recorder.domain.errors import (
    KeyDestroyed,
    KeyNameRefused,
    KeyringDamaged,
    KeyringExists,
    KeyringExposed,
    KeyringForeign,
    KeyringLocked,
    KeyringMissing,
    KeyringNewer,
    KeyringUnreadable,
    KeyringWriteFailed,
    PassphraseWeak,
    PassphraseWrong,
    RecorderError,
    RootKeyExposed,
    RootKeyMissing,
    RootKeyUnfit,
    RootKeyWrong,
    WrappedKeyRefused,
)
from ari_recorder.vault import root_key
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.wrapping import key_name_of
from tests.keyring_for_tests import cheap_passphrases, places

DAY, NEXT = date(2026, 11, 24), date(2026, 11, 25)
NAME = "day-2026-11-24"
RECORDING = UUID(int=7)
DATA_KEY = bytes(range(32))
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap_passphrases(monkeypatch)


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    made = Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key")
    made.publish([DAY, NEXT])
    return made


def opened(folder: Path) -> Keyring:
    ring = Keyring.open(folder / "keys")
    ring.unlock(root_key=folder / "root.key")
    return ring


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


# --- made


def test_the_first_start_makes_what_only_its_owner_can_read(tmp_path: Path) -> None:
    old = os.umask(0)  # the widest there is: the modes must not lean on it
    try:
        ring = Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key")
    finally:
        os.umask(old)
    assert not ring.locked
    assert set(files(tmp_path)) == {
        "root.key",
        "keys/keyring.json",
        "keys/public/fallback.pub",
        "keys/public/hold-1.pub",
        "keys/private/fallback.key",
        "keys/private/hold-1.key",
        "keys/private/index-1.key",
    }
    for path in (tmp_path / "keys").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert (tmp_path / "root.key").stat().st_mode & 0o777 == 0o600


def test_what_it_wrapped_is_opened_after_a_restart(ring: Keyring, tmp_path: Path) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    sealed = ring.public.seal_text("hold-1", "Aino", "caller", RECORDING)
    again = opened(tmp_path)
    assert again.unwrap(wrapped, RECORDING) == DATA_KEY
    assert again.open_text(sealed, "caller", RECORDING) == "Aino"
    assert again.installation == ring.installation
    assert again.names() == {"fallback", "hold-1", "index-1", NAME, "day-2026-11-25"}
    assert again.public.names() == again.names() - {"index-1"}


def test_there_is_one_keyring_in_a_folder(ring: Keyring, tmp_path: Path) -> None:
    before = files(tmp_path)
    with pytest.raises(KeyringExists):
        Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key")
    assert files(tmp_path) == before


def test_keys_without_their_keyring_json_are_not_made_anew(ring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "keys" / "keyring.json").unlink()
    with pytest.raises(KeyringMissing):
        Keyring.open(tmp_path / "keys")
    before = files(tmp_path)
    with pytest.raises(KeyringDamaged, match="but keys are"):
        Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key")
    assert files(tmp_path) == before


def test_no_secret_lies_in_the_folder_in_clear(ring: Keyring, tmp_path: Path) -> None:
    root = (tmp_path / "root.key").read_bytes()
    for name, data in files(tmp_path / "keys").items():
        assert root not in data, name
        assert root.hex().encode() not in data, name
    shown = repr(ring) + str(ring) + repr(vars(ring))
    assert root.hex() not in shown
    assert "sealed_signer" not in shown


CRASH = """
import os, sys
from datetime import date
from pathlib import Path
from ari_recorder.vault.keyring import Keyring

folder, what, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if what != "make":
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
if what == "make":
    Keyring.make(folder / "keys", root_key=folder / "root.key")
elif what == "publish":
    ring.publish([date(2026, 11, 24)])
else:
    ring.destroy("day-2026-11-24")
print(seen)
"""


def crash(folder: Path, what: str, fatal: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, folder, what, str(fatal)], capture_output=True, text=True, check=False
    )
    assert done.returncode == (-9 if fatal else 0), done.stderr
    return int(done.stdout) if done.stdout else 0


def test_a_kill_while_the_keyring_is_made_is_made_good_by_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    for fatal in places(crash(tmp_path / "whole", "make", 0), 15):
        folder = tmp_path / str(fatal)
        folder.mkdir()
        crash(folder, "make", fatal)
        try:
            ring = Keyring.open(folder / "keys")
            ring.unlock(root_key=folder / "root.key")
        except KeyringMissing:
            ring = Keyring.make(folder / "keys", root_key=folder / "root.key")
        assert ring.names() == {"fallback", "hold-1", "index-1"}
        assert ring.unwrap(ring.public.wrap("fallback", DATA_KEY, RECORDING), RECORDING) == DATA_KEY
        ring.publish([DAY])  # whatever is changed next sweeps away what has no name
        assert not [name for name in files(folder / "keys") if "/." in f"/{name}"]


def test_a_kill_while_a_day_key_is_made_leaves_a_key_that_opens_or_none(ring: Keyring, tmp_path: Path) -> None:
    ring.destroy(NAME)
    for fatal in places(crash(tmp_path, "publish", 0), 15):
        ring.destroy(NAME)
        crash(tmp_path, "publish", fatal)
        name = ring.public.name_for(DAY)
        assert name in (NAME, "fallback")
        wrapped = ring.public.wrap(name, DATA_KEY, RECORDING)
        assert ring.unwrap(wrapped, RECORDING) == DATA_KEY
        ring.publish([DAY])
        assert ring.public.name_for(DAY) == NAME
        assert ring.unwrap(wrapped, RECORDING) == DATA_KEY


def test_a_kill_while_a_key_is_destroyed_leaves_nothing_to_wrap_to_without_its_private_half(
    ring: Keyring, tmp_path: Path
) -> None:
    steps = crash(tmp_path, "destroy", 0)
    for fatal in places(steps, 15):
        ring.publish([DAY])
        wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
        crash(tmp_path, "destroy", fatal)
        name = ring.public.name_for(DAY)
        assert ring.unwrap(ring.public.wrap(name, DATA_KEY, RECORDING), RECORDING) == DATA_KEY
        ring.destroy(NAME)
        with pytest.raises(KeyDestroyed):
            ring.unwrap(wrapped, RECORDING)


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_key_that_did_not_reach_the_disk_is_not_used(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(KeyringWriteFailed, match="Input/output error"):
            ring.publish([date(2026, 12, 1)])
    assert "day-2026-12-01" not in ring.public.names()
    assert ring.publish([date(2026, 12, 1)]) == ("day-2026-12-01",)


def test_a_private_half_is_on_disk_before_its_public_half_has_a_name(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def noted_fsync(fd: int) -> None:
        steps.append("fsync " + Path(os.readlink(f"/proc/self/fd/{fd}")).name.split(".")[0])
        fsync(fd)

    def noted_link(old: str, new: str, **more: object) -> None:
        steps.append(f"link {new}")
        link(old, new, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    ring.publish([date(2026, 12, 1)])
    file = "day-2026-12-01"
    assert steps == [
        *("fsync ", f"link {file}.key", "fsync private"),
        *("fsync ", f"link {file}.pub", "fsync public"),
    ]


MAKER = """
import sys
from datetime import date, timedelta
from pathlib import Path
from ari_recorder.domain.errors import KeyringExists
from ari_recorder.vault.keyring import Keyring

folder = Path(sys.argv[1])
sys.stdin.read()
try:
    ring = Keyring.make(folder / "keys", root_key=folder / "root.key")
except KeyringExists:
    ring = Keyring.open(folder / "keys")
    ring.unlock(root_key=folder / "root.key")
print(len(ring.publish(date(2026, 11, 1) + timedelta(days=ahead) for ahead in range(20))))
"""


def test_processes_that_start_at_once_have_the_same_keys(tmp_path: Path) -> None:
    held, release = os.pipe()
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKER, tmp_path], stdin=held, stdout=subprocess.PIPE) for _ in range(4)
    ]
    os.close(held)
    os.close(release)
    said = [maker.communicate()[0] for maker in makers]
    assert [maker.returncode for maker in makers] == [0] * 4
    assert sum(map(int, said)) == 20
    ring = opened(tmp_path)
    for name in ring.public.names():
        assert ring.unwrap(ring.public.wrap(name, DATA_KEY, RECORDING), RECORDING) == DATA_KEY


def test_a_folder_another_process_makes_at_the_same_moment_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def mkdir_too_late(*args: Any, **options: Any) -> None:
        real(*args, **options)
        real(*args, **options)  # what is seen by who comes second

    monkeypatch.setattr(os, "mkdir", mkdir_too_late)
    Keyring.make(tmp_path / "keys", root_key=tmp_path / "root.key")
    assert not opened(tmp_path).locked


def test_threads_that_make_the_same_key_make_one(ring: Keyring, tmp_path: Path) -> None:
    start = threading.Barrier(4)
    made: list[tuple[str, ...]] = []

    def publish() -> None:
        start.wait()
        made.append(opened(tmp_path).publish([date(2026, 12, 1)]))

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [(), (), (), ("day-2026-12-01",)]


# --- opened


def test_locked_it_wraps_and_destroys_but_opens_nothing(ring: Keyring, tmp_path: Path) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    sealed = ring.public.seal_text(NAME, "Aino", "caller", "x")
    ring.lock()
    assert ring.locked
    assert key_name_of(ring.public.wrap(ring.public.name_for(NEXT), DATA_KEY, RECORDING)) == "day-2026-11-25"
    for attempt in (
        lambda: ring.unwrap(wrapped, RECORDING),
        lambda: ring.open_text(sealed, "caller", "x"),
        lambda: ring.rewrap(wrapped, RECORDING, "hold-1"),
        lambda: ring.reseal_text(sealed, "caller", "x", "hold-1"),
        lambda: ring.index("number", "+358401234567"),
        lambda: ring.sign("certificate", b""),
        lambda: ring.publish([date(2026, 12, 1)]),
        lambda: ring.make_hold(),
        lambda: ring.make_index(),
    ):
        with pytest.raises(KeyringLocked):
            attempt()
    ring.destroy("day-2026-11-25")
    assert "day-2026-11-25" not in ring.names()
    ring.unlock(root_key=tmp_path / "root.key")
    assert ring.unwrap(wrapped, RECORDING) == DATA_KEY


def test_another_root_key_is_refused_and_the_ring_stays_as_it_was(ring: Keyring, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    root_key.make_root_key(other)
    locked = Keyring.open(tmp_path / "keys")
    with pytest.raises(RootKeyWrong):
        locked.unlock(root_key=other)
    assert locked.locked
    with pytest.raises(RootKeyWrong):
        ring.unlock(root_key=other)
    assert not ring.locked
    with pytest.raises(RootKeyMissing):
        locked.unlock(root_key=tmp_path / "none.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_root_key_open_to_others_is_refused(ring: Keyring, tmp_path: Path, mode: int) -> None:
    (tmp_path / "root.key").chmod(mode)
    with pytest.raises(RootKeyExposed, match=f"mode {mode:04o}.*chmod 600"):
        opened(tmp_path)


@pytest.mark.parametrize("size", [0, 31, 33, 4096])
def test_a_root_key_of_the_wrong_length_is_refused_and_left_alone(tmp_path: Path, size: int) -> None:
    path = tmp_path / "root.key"
    path.touch(0o600)
    path.write_bytes(bytes(size))
    with pytest.raises(RootKeyUnfit, match=f"it has {size} bytes"):
        Keyring.make(tmp_path / "keys", root_key=path)
    assert path.read_bytes() == bytes(size)


def test_a_link_a_folder_and_a_pipe_are_no_root_keys(ring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "link.key").symlink_to("root.key")
    (tmp_path / "folder.key").mkdir()
    os.mkfifo(tmp_path / "pipe.key")
    for name in ("link.key", "folder.key", "pipe.key"):
        with pytest.raises(RootKeyUnfit):
            Keyring.open(tmp_path / "keys").unlock(root_key=tmp_path / name)


def test_a_passphrase_opens_it_however_its_letters_were_composed(tmp_path: Path, cheap: None) -> None:
    ring = Keyring.make(tmp_path / "keys", passphrase="p\u00e4iv\u00e4n pitk\u00e4 salasana")
    wrapped = ring.public.wrap("hold-1", DATA_KEY, RECORDING)
    again = Keyring.open(tmp_path / "keys")
    assert again.locked
    with pytest.raises(KeyringLocked):
        again.unlock(root_key=tmp_path / "root.key")
    with pytest.raises(PassphraseWrong, match="not the passphrase"):
        again.unlock(passphrase="another one, also long")
    assert again.locked
    again.unlock(passphrase="pa\u0308iva\u0308n pitka\u0308 salasana")
    assert again.unwrap(wrapped, RECORDING) == DATA_KEY


def test_a_short_passphrase_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(PassphraseWeak, match="12"):
        Keyring.make(tmp_path / "keys", passphrase="hunter2")
    assert files(tmp_path) == {}


def test_a_passphrase_costs_at_least_what_rfc_9106_asks(tmp_path: Path) -> None:
    Keyring.make(tmp_path / "keys", passphrase=PASSPHRASE)
    argon2 = json.loads((tmp_path / "keys" / "keyring.json").read_text())["argon2id"]
    assert (argon2["iterations"], len(argon2["salt"])) == (3, 32)
    assert argon2["memory_kib"] >= 64 << 10


# --- tampered with


@pytest.mark.parametrize("what", ["installation", "generation", "root", "signer", "sealed_signer", "check"])
def test_a_keyring_json_with_anything_changed_is_refused(ring: Keyring, tmp_path: Path, what: str) -> None:
    path = tmp_path / "keys" / "keyring.json"
    facts = json.loads(path.read_text())
    other = Keyring.make(tmp_path / "b" / "keys", root_key=tmp_path / "b" / "root.key")
    theirs = json.loads((other.folder / "keyring.json").read_text())
    facts[what] = {"generation": 2, "root": "passphrase"}.get(what, theirs[what])
    path.write_text(json.dumps(facts))
    with pytest.raises((RootKeyWrong, KeyringForeign, KeyringDamaged)):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", KeyringDamaged),
        ("[]", KeyringDamaged),
        ("{}", KeyringDamaged),
        ('{"format": 2}', KeyringNewer),
        ("\x00\xff", KeyringDamaged),
    ],
)
def test_a_keyring_json_that_says_nothing_is_told(
    ring: Keyring, tmp_path: Path, text: str, error: type[RecorderError]
) -> None:
    (tmp_path / "keys" / "keyring.json").write_text(text)
    with pytest.raises(error, match=r"keyring\.json"):
        Keyring.open(tmp_path / "keys")


def test_a_keyring_json_cannot_make_this_host_work_for_hours(tmp_path: Path, cheap: None) -> None:
    Keyring.make(tmp_path / "keys", passphrase=PASSPHRASE)
    path = tmp_path / "keys" / "keyring.json"
    for name, value in (("memory_kib", 1 << 30), ("iterations", 10**9), ("lanes", 0), ("salt", "00"), ("salt", "x")):
        facts = json.loads(path.read_text())
        facts["argon2id"][name] = value
        (tmp_path / "changed.json").write_text(json.dumps(facts))
        with pytest.raises(KeyringDamaged):
            root_key.Facts.read((tmp_path / "changed.json").read_bytes(), path)


def test_a_private_half_with_any_byte_changed_or_cut_is_refused(ring: Keyring, tmp_path: Path) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    path = tmp_path / "keys" / "private" / f"{NAME}.key"
    whole = path.read_bytes()
    assert len(whole) == 146
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises((KeyringDamaged, KeyringForeign), match=f"{NAME}.key"):
            ring.unwrap(wrapped, RECORDING)
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(KeyringDamaged):
            ring.unwrap(wrapped, RECORDING)


def test_a_public_half_with_any_byte_changed_is_not_wrapped_to(ring: Keyring, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "public" / f"{NAME}.pub"
    whole = path.read_bytes()
    assert len(whole) == 1297
    for place in (*range(0, 40), *range(40, len(whole), 29), len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises((KeyringDamaged, KeyringForeign), match=f"{NAME}.pub"):
            ring.public.wrap(NAME, DATA_KEY, RECORDING)


def test_halves_that_changed_places_are_refused(ring: Keyring, tmp_path: Path) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    for folder, suffix in (("public", "pub"), ("private", "key")):
        one, two = (tmp_path / "keys" / folder / f"{name}.{suffix}" for name in (NAME, "day-2026-11-25"))
        ours, theirs = one.read_bytes(), two.read_bytes()
        one.write_bytes(theirs)
        two.write_bytes(ours)
    with pytest.raises(KeyringDamaged, match="did not sign it as"):
        ring.public.wrap(NAME, DATA_KEY, RECORDING)
    with pytest.raises(KeyringDamaged, match="does not open as"):
        ring.unwrap(wrapped, RECORDING)


def test_a_key_of_another_installation_is_refused_by_name(ring: Keyring, tmp_path: Path) -> None:
    other = Keyring.make(tmp_path / "b" / "keys", root_key=tmp_path / "b" / "root.key")
    other.publish([DAY])
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    for file in (f"public/{NAME}.pub", f"private/{NAME}.key"):
        (tmp_path / "keys" / file).write_bytes((other.folder / file).read_bytes())
    with pytest.raises(KeyringForeign, match="another installation"):
        ring.public.wrap(NAME, DATA_KEY, RECORDING)
    with pytest.raises(KeyringForeign, match="another installation"):
        ring.unwrap(wrapped, RECORDING)


def test_what_another_keyring_wrapped_does_not_open(ring: Keyring, tmp_path: Path) -> None:
    other = Keyring.make(tmp_path / "b" / "keys", root_key=tmp_path / "b" / "root.key")
    other.publish([DAY])
    with pytest.raises(WrappedKeyRefused):
        ring.unwrap(other.public.wrap(NAME, DATA_KEY, RECORDING), RECORDING)


def test_links_in_the_folder_are_refused(ring: Keyring, tmp_path: Path) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    private = tmp_path / "keys" / "private"
    (private / f"{NAME}.key").rename(tmp_path / "elsewhere.key")
    (private / f"{NAME}.key").symlink_to(tmp_path / "elsewhere.key")
    with pytest.raises(KeyringUnreadable, match="link"):
        ring.unwrap(wrapped, RECORDING)
    private.rename(tmp_path / "elsewhere")
    private.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyringUnreadable, match="link"):
        Keyring.open(tmp_path / "keys")


def test_a_pipe_in_the_place_of_a_key_holds_up_nobody(ring: Keyring, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "public" / f"{NAME}.pub"
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyringUnreadable, match="not an ordinary file"):
        ring.public.wrap(NAME, DATA_KEY, RECORDING)


@pytest.mark.parametrize("what", ["", "private", "public", "keyring.json"])
def test_a_keyring_that_others_can_use_is_refused(ring: Keyring, tmp_path: Path, what: str) -> None:
    path = tmp_path / "keys" / what
    path.chmod(0o750 if path.is_dir() else 0o640)
    with pytest.raises(KeyringExposed, match=f"chmod {'700' if path.is_dir() else '600'}"):
        Keyring.open(tmp_path / "keys")


@pytest.mark.parametrize("what", ["public", "private", "keyring.json", "public/fallback.pub"])
def test_a_keyring_that_is_not_whole_is_not_made_anew(ring: Keyring, tmp_path: Path, what: str) -> None:
    (tmp_path / "keys" / what).rename(tmp_path / "aside")
    with pytest.raises(KeyringMissing):
        Keyring.open(tmp_path / "keys")


# --- what it does


def test_a_day_without_a_key_is_sealed_to_the_fallback_and_told_once(ring: Keyring) -> None:
    with structlog.testing.capture_logs() as lines:
        names = {ring.public.name_for(date(2027, 1, 1)) for _ in range(3)}
    assert names == {"fallback"}
    assert [(line["alarm"], line["subject"]) for line in lines] == [("key-fallback", "2027-01-01")]
    wrapped = ring.public.wrap("fallback", DATA_KEY, RECORDING)
    assert ring.unwrap(wrapped, RECORDING) == DATA_KEY


def test_without_its_folder_a_running_service_still_seals(ring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "keys").rename(tmp_path / "away")
    name = ring.public.name_for(DAY)
    wrapped = ring.public.wrap(name, DATA_KEY, RECORDING)
    assert name == "fallback"
    with pytest.raises(KeyringMissing):
        ring.unwrap(wrapped, RECORDING)
    (tmp_path / "away").rename(tmp_path / "keys")
    assert ring.unwrap(wrapped, RECORDING) == DATA_KEY


def test_a_destroyed_key_is_not_wrapped_to_even_if_it_was_just_used(ring: Keyring) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    ring.destroy(NAME)
    ring.destroy(NAME)
    assert ring.public.name_for(DAY) == "fallback"
    with pytest.raises(KeyDestroyed, match=NAME):
        ring.public.wrap(NAME, DATA_KEY, RECORDING)
    with pytest.raises(KeyDestroyed, match=NAME):
        ring.unwrap(wrapped, RECORDING)
    with pytest.raises(KeyNameRefused):
        ring.destroy("../keyring")
    with pytest.raises(ValueError, match="fallback"):
        ring.destroy("fallback")


def test_a_key_made_again_after_its_destruction_opens_nothing_old(ring: Keyring) -> None:
    wrapped = ring.public.wrap(NAME, DATA_KEY, RECORDING)
    ring.destroy(NAME)
    ring.publish([DAY])
    with pytest.raises(WrappedKeyRefused):
        ring.unwrap(wrapped, RECORDING)


def test_what_is_wrapped_anew_outlives_the_old_key(ring: Keyring) -> None:
    held = ring.rewrap(ring.public.wrap(NAME, DATA_KEY, RECORDING), RECORDING, ring.public.hold_name)
    text = ring.reseal_text(ring.public.seal_text(NAME, "Aino", "caller", "x"), "caller", "x", ring.public.hold_name)
    ring.destroy(NAME)
    assert (key_name_of(held), key_name_of(text)) == ("hold-1", "hold-1")
    assert ring.unwrap(held, RECORDING) == DATA_KEY
    assert ring.open_text(text, "caller", "x") == "Aino"


def test_the_newest_hold_and_index_keys_are_used(ring: Keyring) -> None:
    old = ring.index("number", "+358401234567")
    for _ in range(10):
        ring.make_hold()
        ring.make_index()
    assert ring.public.hold_name == "hold-11"
    assert ring.index_version == 11
    assert ring.index("number", "+358401234567") != old
    assert ring.index("number", "+358401234567", version=1) == old
    ring.destroy("index-1")
    with pytest.raises(KeyDestroyed):
        ring.index("number", "x", version=1)


def test_an_index_tells_purposes_texts_and_installations_apart(ring: Keyring, tmp_path: Path) -> None:
    other = Keyring.make(tmp_path / "b" / "keys", root_key=tmp_path / "b" / "root.key")
    indexes = [
        ring.index("number", "1"),
        ring.index("number", "2"),
        ring.index("name", "1"),
        other.index("number", "1"),
    ]
    assert len({*indexes, ring.index("a", "bc"), ring.index("ab", "c")}) == 6
    assert {len(index) for index in indexes} == {32}
    assert opened(tmp_path).index("number", "1") == indexes[0]


def test_a_signature_is_for_its_purpose_and_never_one_of_a_public_half(ring: Keyring) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = ring.sign("certificate", b"day-2026-11-24")
    key = Ed25519PublicKey.from_public_bytes(ring.signer)
    key.verify(signature, b"certificate\0day-2026-11-24")
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"certificat\0eday-2026-11-24")
    for purpose in ("ari-recorder/public-key/v1", "a\0b"):
        with pytest.raises(ValueError, match="purpose"):
            ring.sign(purpose, b"")
