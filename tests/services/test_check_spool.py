"""May Asterisk write to the spool? Told from what the kernel says of its process, not from what its user may."""

import os
from pathlib import Path

import pytest

from ari_recorder.asterisk.spool import Spool
from ari_recorder.services import check_spool
from ari_recorder.services.check_spool import Identity
from ari_recorder.services.findings import Level

NOBODY, GROUP, OTHER = 65534, 4242, 4343


def process(proc: Path, pid: int, *, uid: int, gid: int, groups: str = "", name: str = "asterisk") -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "status").write_text(
        f"Name:\t{name}\nUid:\t0\t{uid}\t{uid}\t{uid}\nGid:\t0\t{gid}\t{gid}\t{gid}\nGroups:\t{groups} \n"
    )


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(0o2770)
    return Spool(folder)


def told(spool: Spool, proc: Path) -> list[str]:
    return [one.what for one in check_spool.check(spool, proc=proc) if one.level is Level.FAIL]


def test_an_asterisk_without_its_group_is_told(spool: Spool, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    process(proc, 10, uid=NOBODY, gid=OTHER)
    (found,) = told(spool, proc)
    assert found.startswith("Asterisk, as nobody, may not write to ")


def test_who_is_the_owner_or_in_the_group_or_root_may_write(spool: Spool, tmp_path: Path) -> None:
    mine = spool.folder.stat()
    for number, (uid, groups) in enumerate(((mine.st_uid, ""), (NOBODY, f"{OTHER} {mine.st_gid}"), (0, ""))):
        proc = tmp_path / f"proc{number}"
        process(proc, 10, uid=uid, gid=OTHER, groups=groups)
        assert told(spool, proc) == [], (uid, groups)


def test_another_asterisk_on_the_host_does_not_matter_and_neither_does_none(spool: Spool, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    assert told(spool, proc) == []
    process(proc, 10, uid=NOBODY, gid=OTHER)
    process(proc, 11, uid=4321, gid=spool.folder.stat().st_gid)
    process(proc, 12, uid=NOBODY, gid=OTHER, name="freeswitch")
    assert told(spool, proc) == []


def test_a_console_of_roots_says_nothing_of_the_daemon(spool: Spool, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    process(proc, 10, uid=NOBODY, gid=OTHER)
    process(proc, 11, uid=0, gid=0)
    assert len(told(spool, proc)) == 1


def test_an_asterisk_in_a_container_is_not_of_this_host(spool: Spool, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    process(proc, 10, uid=NOBODY, gid=OTHER)
    with (proc / "10" / "status").open("a") as status:
        status.write("NSpid:\t10\t3\n")
    assert told(spool, proc) == []


def test_an_asterisk_that_hides_is_told_as_unseen(spool: Spool, tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    process(proc, 10, uid=NOBODY, gid=OTHER)
    (proc / "10" / "status").unlink()
    assert [one.what for one in check_spool.check(spool, proc=proc) if one.level is Level.UNSEEN] != []


@pytest.mark.parametrize(
    ("mode", "uid", "groups", "may"),
    [
        (0o700, 1, (), True),
        (0o500, 1, (), False),
        (0o070, 1, (2,), False),  # the owner's bits count for the owner, and no others
        (0o070, 3, (2,), True),
        (0o020, 3, (2,), False),  # without x a name in it is not reached
        (0o707, 3, (2,), False),
        (0o007, 3, (), True),
        (0o000, 0, (), True),
    ],
)
def test_the_first_class_that_fits_decides(mode: int, uid: int, groups: tuple[int, ...], may: bool) -> None:
    folder = os.stat_result((mode | 0o040000, 0, 0, 0, 1, 2, 0, 0, 0, 0))
    assert Identity(uid=uid, groups=frozenset(groups)).may_write(folder) is may
