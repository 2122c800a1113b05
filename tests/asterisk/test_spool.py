"""The spool: names that cannot lead out of it, sizes, one holder, and what is said about its fitness."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ari_recorder.asterisk import spool as spool_module
from ari_recorder.asterisk.spool import Sizes, Spool
from ari_recorder.domain.errors import SpoolInUse, SpoolNameRefused, SpoolUnusable
from tests.asterisk.writer_process import WriterProcess

UUID_BASE = "0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f"
NET_BASE = f"net_pbx1-1764000000.1234_+358195202000_fi-sv_1764000000123_1764000004567_{'0123456789' * 4}"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o770)
    return Spool(folder)


@pytest.fixture
def writer(spool: Spool) -> Iterator[WriterProcess]:
    with WriterProcess(spool.folder) as writer:
        yield writer


# --- names


@pytest.mark.parametrize("base", [UUID_BASE, NET_BASE, "a", "a" * 220])
def test_the_files_of_a_segment_lie_in_the_spool(spool: Spool, base: str) -> None:
    files = spool.files(base)
    assert files.caller == spool.folder / f"{base}.caller.sln"
    assert files.agent == spool.folder / f"{base}.agent.sln"
    files.caller.touch()  # no name is too long for the file system
    assert spool.scan().bases == (base,)


@pytest.mark.parametrize(
    "base",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/x",
        ".hidden",
        "a\n",
        "a\0",
        "a b",
        "a,b",
        "a)b",
        "a;b",
        "ä",
        "a" * 221,
        "-x",
        "+x",
    ],
)
def test_a_name_that_is_not_ours_makes_no_path(spool: Spool, base: str) -> None:
    for use in (spool.files, spool.sizes, spool.discard):
        with pytest.raises(SpoolNameRefused, match="not a name of a recording"):
            use(base)


def test_a_scan_finds_segments_oldest_first_and_nothing_else(spool: Spool) -> None:
    for age, name in enumerate(
        ["young.caller.sln", "young.agent.sln", f"{NET_BASE}.agent.sln", f"{UUID_BASE}.caller.sln", "old.caller.sln"]
    ):
        (spool.folder / name).touch()
        os.utime(spool.folder / name, (1000 - age, 1000 - age))
    os.utime(spool.folder / "young.caller.sln", (5000, 5000))
    for name in (".hidden.caller.sln", "x.other.sln", "x.caller.wav", "x y.caller.sln", ".ari-recorder.lock"):
        (spool.folder / name).touch()
    contents = spool.scan()
    assert contents.bases == ("old", UUID_BASE, NET_BASE, "young")
    assert contents.strangers == (".hidden.caller.sln", "x y.caller.sln", "x.caller.wav", "x.other.sln")


def test_a_spool_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnusable, match=r"absent.*No such file"):
        Spool(tmp_path / "absent").scan()


# --- sizes and discarding


def test_sizes_grow_only_when_a_buffer_is_full(spool: Spool, writer: WriterProcess) -> None:
    assert spool.sizes("x") == Sizes(caller=None, agent=None)
    assert not spool.sizes("x").both_hold_samples
    writer.do("open x")
    assert spool.sizes("x") == Sizes(caller=0, agent=0)
    writer.do("write 2")
    assert not spool.sizes("x").both_hold_samples
    writer.do("write 0.1")
    assert spool.sizes("x").both_hold_samples
    writer.do("close")
    assert spool.sizes("x") == Sizes(caller=33600, agent=33600)


def test_one_side_alone_is_not_enough(spool: Spool) -> None:
    spool.files("x").caller.write_bytes(b"12")
    assert not spool.sizes("x").both_hold_samples
    spool.files("x").agent.touch()
    assert not spool.sizes("x").both_hold_samples
    spool.files("x").agent.write_bytes(b"12")
    assert spool.sizes("x").both_hold_samples


def test_discarding_removes_both_files_and_only_those_and_can_be_repeated(spool: Spool) -> None:
    for name in ("x.caller.sln", "x.agent.sln", "y.caller.sln", "x.y.caller.sln"):
        (spool.folder / name).touch()
    spool.discard("x")
    spool.discard("x")
    assert sorted(os.listdir(spool.folder)) == ["x.y.caller.sln", "y.caller.sln"]


def test_a_file_that_cannot_be_removed_is_an_error(spool: Spool) -> None:
    spool.files("x").agent.mkdir()
    with pytest.raises(SpoolUnusable, match=r"x\.agent\.sln.*cannot be removed"):
        spool.discard("x")


# --- one holder


HOLDER = """
import os, sys
from pathlib import Path
from ari_recorder.asterisk.spool import Spool
with Spool(Path(sys.argv[1])).held():
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


def test_two_services_on_one_spool_are_refused_and_the_first_is_named(spool: Spool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(spool.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout
        pid = first.stdout.readline().strip()
        with pytest.raises(SpoolInUse, match=rf"process {pid}\).*One spool serves one service"), spool.held():
            pass
        first.kill()  # no farewell: the kernel lets go
        first.wait()
        with spool.held(), pytest.raises(SpoolInUse, match=str(os.getpid())), spool.held():
            pass
    with spool.held():
        pass


def test_a_child_process_does_not_hold_the_spool_on(spool: Spool) -> None:
    with spool.held():
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with child, spool.held():
        child.kill()


def test_a_spool_that_cannot_be_held_says_how_to_mend_it(tmp_path: Path) -> None:
    with (
        pytest.raises(SpoolUnusable, match="does not exist; make it: install -d -m 2770"),
        Spool(tmp_path / "no").held(),
    ):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(SpoolUnusable, match="cannot be locked"), Spool(tmp_path / "file").held():
        pass


def test_a_lock_file_that_is_a_link_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (spool.folder / ".ari-recorder.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(SpoolUnusable), spool.held():
        pass
    assert (tmp_path / "precious").read_text() == "x"


# --- fit for use


def shared(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o2770)
    return folder


def test_a_good_spool_is_in_memory_and_shared_by_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_mount", lambda _: ("tmpfs", ()))
    folder = shared(tmp_path / "s")
    (folder / f"{UUID_BASE}.agent.sln").touch()
    report = Spool(folder).check()
    assert report.in_memory
    assert report.advice == ()
    room = os.statvfs(folder)
    assert report.free_bytes == pytest.approx(room.f_bavail * room.f_frsize, rel=0.05)
    assert os.listdir(folder) == [f"{UUID_BASE}.agent.sln"]


def test_a_tmpfs_is_known_from_a_disk() -> None:
    assert spool_module._mount(os.stat("/proc").st_dev)[0] == "proc"
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    for _, point, kind, *_rest in mounts:
        if kind == "tmpfs" and os.access(point, os.X_OK):
            assert spool_module._mount(os.stat(point).st_dev)[0] == "tmpfs"
    assert spool_module._mount(os.makedev(4095, 1)) == ("unknown", ())


@pytest.mark.parametrize(
    ("mode", "advice"),
    [
        (0o2770, ["not on a tmpfs"]),
        (0o770, ["not on a tmpfs", "not shared by a group"]),
        (0o2750, ["not on a tmpfs", "not shared by a group"]),
        (0o2777, ["not on a tmpfs", "open to every user"]),
        (0o2771, ["not on a tmpfs", "open to every user"]),
    ],
)
def test_what_should_be_better_is_told_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, advice: list[str]
) -> None:
    monkeypatch.setattr(spool_module, "_mount", lambda _: ("ext4", ()))
    folder = shared(tmp_path / "s")
    folder.chmod(mode)
    told = Spool(folder).check().advice
    assert len(told) == len(advice)
    for text, expected in zip(told, advice, strict=True):
        assert expected in text
        assert "; " in text


def test_files_that_are_no_recordings_are_told(tmp_path: Path) -> None:
    folder = shared(tmp_path / "s")
    (folder / "core.123").touch()
    assert "1 file(s)" in Spool(folder).check().advice[-1]
    assert "core.123" in Spool(folder).check().advice[-1]


def test_a_spool_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, why in (
        (tmp_path / "absent", "install -d -m 2770"),
        (tmp_path / "file", "not a folder"),
        (Path("/proc/self"), "nothing can be written"),
    ):
        with pytest.raises(SpoolUnusable, match=why):
            Spool(folder).check()
