"""What may put memory on disk is found: swap that is not encrypted, and core dumps. /proc and /sys are made up here."""

import os
from pathlib import Path

import pytest

from ari_recorder.asterisk import spool as spool_module
from ari_recorder.asterisk.spool import Spool
from ari_recorder.services import check_memory
from ari_recorder.services.findings import Finding, Level

HEADER = "Filename\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
OURS, ASTERISK = 4001, 4002


class Host:
    """One with nothing to mend, until a test spoils it."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.sys = folder / "proc", folder / "sys"
        self.spool = Spool(folder / "spool")
        self.spool.folder.mkdir()
        self.proc.mkdir()
        self.swap("")
        for pid, name, cmdline in (
            (OURS, "ari-recorder", b"/usr/bin/python3\0/usr/local/bin/ari-recorder\0run"),
            (ASTERISK, "asterisk", b"/usr/sbin/asterisk\0-f"),
        ):
            process = self.proc / str(pid)
            process.mkdir()
            (process / "comm").write_text(f"{name}\n")
            (process / "cmdline").write_bytes(cmdline)
            (process / "cgroup").write_text(f"0::/system.slice/{name}.service\n")
            self.core_limit(pid, "0")
            group = self.sys / "fs" / "cgroup" / "system.slice" / f"{name}.service"
            group.mkdir(parents=True)
            (group / "memory.swap.max").write_text("0\n")
        (self.spool.folder / ".ari-recorder.lock").write_text(f"{OURS}\n")

    def swap(self, lines: str) -> None:
        (self.proc / "swaps").write_text(HEADER + lines)

    def core_limit(self, pid: int, soft: str) -> None:
        head = "Limit                     Soft Limit           Hard Limit           Units     \n"
        line = f"Max core file size        {soft:<20} unlimited            bytes     \n"
        (self.proc / str(pid) / "limits").write_text(head + line)

    def may_swap(self, name: str, most: str = "max") -> None:
        (self.sys / "fs" / "cgroup" / "system.slice" / f"{name}.service" / "memory.swap.max").write_text(f"{most}\n")

    def swap_file(self, folder: Path, **device: str) -> None:
        """A swap file on a device that /sys describes so."""
        file = folder / "swapfile"
        file.touch()
        self.swap(f"{file}\tfile\t1000\t0\t-2\n")
        number = os.stat(file).st_dev
        block = self.sys / "devices" / device.get("name", "vda1")
        block.mkdir(parents=True)
        (self.sys / "dev" / "block").mkdir(parents=True)
        (self.sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").symlink_to(block)
        if "uuid" in device:
            (block / "dm").mkdir()
            (block / "dm" / "uuid").write_text(device["uuid"] + "\n")
        if "below" in device:
            slave = self.sys / "devices" / "dm-7"
            (slave / "dm").mkdir(parents=True)
            (slave / "dm" / "uuid").write_text(device["below"] + "\n")
            (block / "slaves").mkdir()
            (block / "slaves" / "dm-7").symlink_to(slave)

    def findings(self) -> list[Finding]:
        return list(check_memory.check(self.spool, proc=self.proc, sys=self.sys))

    def warnings(self) -> list[str]:
        return [f"{one.what} → {one.mend}" for one in self.findings() if one.level is not Level.OK]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_without_swap_and_core_dumps_there_is_nothing_to_mend(host: Host) -> None:
    assert [(one.level, one.what) for one in host.findings()] == [
        (Level.OK, "there is no swap"),
        (Level.OK, "a crash leaves no core dump: Asterisk, ari-recorder"),
    ]


def test_a_spool_that_may_be_swapped_to_a_plain_disk_is_told(host: Host, tmp_path: Path) -> None:
    host.swap_file(tmp_path)
    (text,) = host.warnings()
    assert "the spool may be swapped" in text
    assert "noswap" in text


def test_programs_that_may_be_swapped_to_a_plain_disk_are_told(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_mount", lambda _: ("tmpfs", ("rw", "noswap")))
    host.swap_file(tmp_path)
    assert host.warnings() == []
    host.may_swap("asterisk")
    host.may_swap("ari-recorder", "1048576")
    texts = host.warnings()
    assert [("Asterisk" in text, "ari-recorder" in text) for text in texts] == [(False, True), (True, False)]
    assert all("MemorySwapMax=0" in text for text in texts)
    (host.sys / "fs" / "cgroup" / "system.slice" / "memory.swap.max").write_text("0\n")
    assert host.warnings() == [], "the slice above forbids it"


@pytest.mark.parametrize(
    "device",
    [{"uuid": "CRYPT-PLAIN-swap"}, {"uuid": "LVM-abc", "below": "CRYPT-LUKS2-xyz"}, {"name": "zram0"}],
    ids=["dm-crypt", "LVM on dm-crypt", "zram"],
)
def test_swap_that_is_encrypted_or_in_memory_is_fine(host: Host, tmp_path: Path, device: dict[str, str]) -> None:
    host.swap_file(tmp_path, **device)
    assert host.warnings() == []


@pytest.mark.parametrize("device", [{"uuid": "LVM-abc"}, {"uuid": "LVM-abc", "below": "LVM-xyz"}])
def test_swap_on_a_plain_volume_is_not(host: Host, tmp_path: Path, device: dict[str, str]) -> None:
    host.swap_file(tmp_path, **device)
    assert len(host.warnings()) == 1


def test_swap_that_cannot_be_looked_at_is_taken_for_plain(host: Host) -> None:
    host.swap("/dev/no-such-device partition 1000 0 -2\n")
    assert len(host.warnings()) == 1


@pytest.mark.parametrize(("pid", "name"), [(OURS, "ari-recorder"), (ASTERISK, "Asterisk")])
def test_a_program_that_would_leave_a_core_dump_is_told(host: Host, pid: int, name: str) -> None:
    host.core_limit(pid, "unlimited")
    (text,) = host.warnings()
    assert f"when {name} crashes" in text
    assert f"LimitCORE=0 in the unit of {name}" in text


def test_a_process_that_only_has_the_number_of_the_last_service_is_not_looked_at(host: Host) -> None:
    (host.proc / str(OURS) / "cmdline").write_bytes(b"/bin/sleep\0100")
    host.core_limit(OURS, "unlimited")
    assert host.warnings() == []


def test_this_host_can_be_looked_at(tmp_path: Path) -> None:
    assert list(check_memory.check(Spool(tmp_path)))
