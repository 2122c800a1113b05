"""Paths of the vault, durable writing, and removal: in the right order, or not at all."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ari_recorder.domain.errors import SealedAlready, SealedMissing, VaultPathRefused, VaultWriteFailed
from ari_recorder.vault.files import VaultFiles, day_of, path_of

RECORDING = UUID("0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f")
DAY = date(2026, 3, 29)
PATH = "2026/03/29/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed"


@pytest.fixture
def vault(tmp_path: Path) -> VaultFiles:
    files = VaultFiles(tmp_path / "vault")
    assert files.prepare() == 0
    return files


def put(vault: VaultFiles, data: bytes = b"sealed", recording_id: UUID = RECORDING) -> str:
    with vault.create(recording_id, DAY) as new:
        new.write(memoryview(data))
        os.close(new.finish())
        new.store()
    return new.path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(
    ("started_at", "day"),
    [
        (datetime(2026, 1, 31, 21, 59, 59, tzinfo=UTC), date(2026, 1, 31)),
        (datetime(2026, 1, 31, 22, 0, tzinfo=UTC), date(2026, 2, 1)),  # winter: two hours ahead
        (datetime(2026, 7, 31, 21, 0, tzinfo=UTC), date(2026, 8, 1)),  # summer: three
    ],
)
def test_the_day_of_a_recording_is_that_of_helsinki(started_at: datetime, day: date) -> None:
    assert day_of(started_at) == day


def test_a_path_shows_day_and_recording() -> None:
    assert path_of(RECORDING, DAY) == PATH


def test_only_the_owner_can_look_into_the_vault(vault: VaultFiles) -> None:
    old = os.umask(0)
    try:
        put(vault)
    finally:
        os.umask(old)
    for path in (vault.folder, *vault.folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_what_is_put_is_there_once_and_can_be_read(vault: VaultFiles) -> None:
    with vault.create(RECORDING, DAY) as new:
        new.write(memoryview(b"first "))
        new.write(memoryview(b"second"))
        os.close(new.finish())
        assert everything(vault.folder) != [PATH]
        new.store()
    assert everything(vault.folder) == [PATH]
    assert new.sealed_bytes == 12
    assert new.sha256 == hashlib.sha256(b"first second").digest()
    with os.fdopen(vault.open(PATH), "rb") as file:
        assert file.read() == b"first second"


class Steps:
    """Notes the calls that matter for durability, and lets the n-th one fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.seen: list[str] = []
        self.fail_at = -1
        self._folder = folder
        for name in ("open", "mkdir", "write", "fsync", "link"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))

    def _noting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            if name == "fsync":
                target = os.readlink(f"/proc/self/fd/{args[0]}")
                self.seen.append(
                    "fsync " + (os.path.relpath(target, self._folder) if os.path.isdir(target) else "file")
                )
            else:
                self.seen.append(name)
            if len(self.seen) - 1 == self.fail_at:
                raise OSError(5, "Input/output error")
            return call(*args, **kwargs)

        return noted


def test_each_step_is_on_disk_before_the_next(vault: VaultFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch, vault.folder)
    put(vault)
    order = [step for step in steps.seen if step not in ("open", "mkdir")]
    assert order == [
        "write",
        "fsync file",
        "link",
        "fsync 2026/03/29",
        "fsync 2026/03",
        "fsync 2026",
        "fsync .",
    ]


def test_an_error_at_any_step_leaves_nothing_behind_and_is_not_tried_again(
    vault: VaultFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = Steps(monkeypatch, vault.folder)
    put(vault)
    count = len(clean.seen)
    vault.unlink(PATH)
    monkeypatch.undo()
    assert count > 10
    for fail_at in range(count):
        with monkeypatch.context() as patch:
            steps = Steps(patch, vault.folder)
            steps.fail_at = fail_at
            with pytest.raises(VaultWriteFailed, match=rf"{PATH}: Input/output error. Nothing was left behind"):
                put(vault)
        assert steps.seen[fail_at:] == steps.seen[fail_at : fail_at + 1], "something was tried after the error"
        assert everything(vault.folder) == []
    put(vault)
    assert everything(vault.folder) == [PATH]


def test_a_full_disk_leaves_nothing_behind(vault: VaultFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(VaultWriteFailed, match="No space left on device"):
        put(vault)
    assert everything(vault.folder) == []


def test_leaving_early_leaves_nothing_behind(vault: VaultFiles) -> None:
    def change_of_mind() -> None:
        with vault.create(RECORDING, DAY) as new:
            new.write(memoryview(b"x"))
            os.close(new.finish())
            raise KeyError

    with pytest.raises(KeyError):
        change_of_mind()
    assert everything(vault.folder) == []


def test_a_recording_is_never_overwritten(vault: VaultFiles) -> None:
    put(vault, b"the first")
    with pytest.raises(SealedAlready, match=PATH):
        put(vault, b"the second")
    with os.fdopen(vault.open(PATH), "rb") as file:
        assert file.read() == b"the first"


def test_of_two_who_store_the_same_recording_at_once_one_wins(vault: VaultFiles) -> None:
    with vault.create(RECORDING, DAY) as one, vault.create(RECORDING, DAY) as two:
        one.write(memoryview(b"one"))
        two.write(memoryview(b"two"))
        one.store()
        with pytest.raises(SealedAlready):
            two.store()
    with os.fdopen(vault.open(PATH), "rb") as file:
        assert file.read() == b"one"
    assert everything(vault.folder) == [PATH]


def test_a_crash_leaves_a_leftover_that_the_next_start_sweeps_away(vault: VaultFiles) -> None:
    put(vault)
    program = (
        "import os, sys; from datetime import date; from pathlib import Path; from uuid import UUID\n"
        "from ari_recorder.vault.files import VaultFiles\n"
        "with VaultFiles(Path(sys.argv[1])).create(UUID(int=1), date(2026, 3, 29)) as new:\n"
        "    new.write(memoryview(b'half'))\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(vault.folder)], check=False)
    assert killed.returncode == -9
    assert len(everything(vault.folder)) == 2
    assert vault.prepare() == 1
    assert everything(vault.folder) == [PATH]
    assert vault.prepare() == 0


def test_what_another_host_is_writing_is_no_leftover(vault: VaultFiles) -> None:
    with vault.create(RECORDING, DAY) as new:
        assert VaultFiles(vault.folder).prepare() == 0
        new.write(memoryview(b"sealed"))
        new.finish()
        new.store()
    assert everything(vault.folder) == [PATH]


def test_a_folder_is_known_by_its_id_wherever_it_is_mounted(vault: VaultFiles, tmp_path: Path) -> None:
    assert vault.identity() is None
    mine = vault.known()
    vault.prepare()
    assert vault.known() == mine
    moved = tmp_path / "moved"
    vault.folder.rename(moved)
    assert VaultFiles(moved).identity() == mine
    (moved / ".id").write_text("half")
    assert VaultFiles(moved).identity() is None


def test_unlinking_can_be_repeated_and_is_on_disk(vault: VaultFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    put(vault)
    steps = Steps(monkeypatch, vault.folder)
    for _ in range(2):
        steps.seen.clear()
        vault.unlink(PATH)
        assert steps.seen[-1] == "fsync 2026/03/29"
    assert everything(vault.folder) == []
    vault.unlink("2020/01/01/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed")


def test_an_unlink_that_may_not_have_happened_is_an_error(vault: VaultFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    put(vault)

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    for name in ("unlink", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(VaultWriteFailed, match="Input/output"):
                vault.unlink(PATH)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../outside.sealed",
        "2026/03/29/../../../outside.sealed",
        "2026/03/29/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed/",
        "2026/03/29/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed\n",
        "2026/03/29/0B8F2C5E-3F5E-4F0E-9B0A-0A1B2C3D4E5F.sealed",
        "2026/3/29/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed",
        "./2026/03/29/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed",
        "2026/03/29/x.sealed",
        ".new/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f",
        "٢٠٢٦/03/29/0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f.sealed",
    ],
)
def test_a_path_that_is_not_ours_is_refused(vault: VaultFiles, path: str) -> None:
    for use in (vault.open, vault.unlink):
        with pytest.raises(VaultPathRefused):
            use(path)


@pytest.mark.parametrize("link", ["2026", "2026/03", "2026/03/29", PATH])
def test_no_symbolic_link_leads_out_of_the_vault(vault: VaultFiles, tmp_path: Path, link: str) -> None:
    put(vault)
    outside = tmp_path / "outside"
    (vault.folder / link).rename(outside)
    (vault.folder / link).symlink_to(outside)
    with pytest.raises(VaultPathRefused):
        vault.open(PATH)
    if link != PATH:
        with pytest.raises(VaultPathRefused):
            vault.unlink(PATH)
        with pytest.raises(VaultPathRefused):
            put(vault, recording_id=UUID(int=5))
    else:  # the link goes, what it points to stays
        vault.unlink(PATH)
        assert not os.path.lexists(vault.folder / PATH)
    assert len(everything(outside)) == (0 if outside.is_file() else 1)
    assert outside.exists()


def test_a_missing_file_is_told_by_its_name(vault: VaultFiles) -> None:
    with pytest.raises(SealedMissing, match=PATH):
        vault.open(PATH)
    (vault.folder / "2026/03/29").mkdir(parents=True)
    with pytest.raises(SealedMissing, match=PATH):
        vault.open(PATH)


def test_it_knows_whether_there_is_any_recording(vault: VaultFiles, tmp_path: Path) -> None:
    assert not VaultFiles(tmp_path / "absent").any_sealed()
    assert not vault.any_sealed()
    put(vault)
    assert vault.any_sealed()
    vault.unlink(PATH)
    assert not vault.any_sealed()


def test_free_room_is_that_of_the_disk(vault: VaultFiles, tmp_path: Path) -> None:
    room = os.statvfs(tmp_path)
    assert vault.free_bytes() == pytest.approx(room.f_bavail * room.f_frsize, rel=0.05)


def test_a_vault_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VaultWriteFailed, match="file/vault"):
        VaultFiles(tmp_path / "file" / "vault").prepare()
