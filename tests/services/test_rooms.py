"""Little room is told while there is time, once; a disk that hangs hides no other and is told, too."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from ari_recorder.services import rooms
from ari_recorder.services.rooms import LEAST_BYTES, Room, RoomWatch, trouble

MIB = 1 << 20


def room(free_mib: float, size_mib: float = 100_000) -> Room:
    return Room(free_bytes=int(free_mib * MIB), size_bytes=int(size_mib * MIB), at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("name", "found", "told", "because"),
    [
        ("vault", room(1024), False, ""),
        ("vault", room(1023), False, "1023 MiB of 100000 MiB are free"),
        ("vault", room(2047), True, "2047 MiB of 100000 MiB are free"),
        ("vault", room(2048), True, ""),
        ("spool", room(64, 64), False, ""),
        ("spool", room(16, 64), False, ""),
        ("spool", room(15, 64), False, "15 MiB of 64 MiB are free"),
        ("spool", room(31, 64), True, "31 MiB of 64 MiB are free"),
        ("keys", None, False, "how much room it has cannot be told: it is missing, or does not answer"),
    ],
)
def test_the_least_is_told_and_forgotten_at_twice_the_least(
    name: str, found: Room | None, told: bool, because: str
) -> None:
    assert trouble(name, found, told=told) == because


class Disks:
    """Free room by path; a path without any is missing; `hung` ones answer when they are let go."""

    def __init__(self) -> None:
        self.free = {name: 100 * LEAST_BYTES[name] for name in LEAST_BYTES}
        self.hung: dict[str, threading.Event] = {}
        self.asked: list[str] = []

    def statvfs(self, folder: Path) -> SimpleNamespace:
        self.asked.append(folder.name)
        if folder.name in self.hung:
            assert self.hung[folder.name].wait(30)
        if folder.name not in self.free:
            raise FileNotFoundError(folder)
        return SimpleNamespace(f_bavail=self.free[folder.name], f_frsize=1, f_blocks=1000 * LEAST_BYTES[folder.name])


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disks]:
    found = Disks()
    monkeypatch.setattr(os, "statvfs", found.statvfs)
    yield found
    for hung in found.hung.values():
        hung.set()


@pytest.fixture
def watch(disks: Disks) -> Iterator[RoomWatch]:
    with ThreadPoolExecutor(len(LEAST_BYTES) + 1) as threads:
        yield RoomWatch({name: Path("/x") / name for name in LEAST_BYTES}, threads)
        for hung in disks.hung.values():
            hung.set()


def alarms_of(watch: RoomWatch, seconds: float = 10) -> list[tuple[str, str]]:
    with capture_logs() as lines:
        watch.look(seconds)
    return [(line["alarm"], line["subject"]) for line in lines if line["event"] == "alarm"]


def test_told_once_and_again_only_after_it_was_fine(disks: Disks, watch: RoomWatch) -> None:
    least = LEAST_BYTES["vault"]
    assert alarms_of(watch) == []
    disks.free["vault"] = least - 1
    assert alarms_of(watch) == [("disk-trouble", "vault")]
    assert watch.rooms()["vault"].free_bytes == least - 1
    disks.free["vault"] = least + 1
    assert alarms_of(watch) == []
    disks.free["vault"] = least - 1
    assert alarms_of(watch) == [], "it was not fine in between"
    disks.free["vault"] = 2 * least
    assert alarms_of(watch) == []
    disks.free["vault"] = least - 1
    assert alarms_of(watch) == [("disk-trouble", "vault")]


def test_a_missing_folder_is_told_and_has_no_figure(disks: Disks, watch: RoomWatch) -> None:
    del disks.free["spool"]
    assert alarms_of(watch) == [("disk-trouble", "spool")]
    assert set(watch.rooms()) == {"vault", "state", "keys"}


def test_a_disk_that_hangs_hides_no_other_and_is_told_when_it_has_been_waited_for(
    disks: Disks, watch: RoomWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alarms_of(watch) == []
    disks.hung["vault"] = threading.Event()
    disks.free["spool"] = 0
    assert alarms_of(watch, 0.2) == [("disk-trouble", "spool")]
    assert watch.rooms()["vault"].free_bytes == 100 * LEAST_BYTES["vault"], "it was seen within the minute"
    monkeypatch.setattr(rooms, "LOOKED_UP_WITHIN", timedelta(0))
    assert ("disk-trouble", "vault") in alarms_of(watch, 0.2)
    assert disks.asked.count("vault") == 2, "it is not asked again before it has answered"
    assert "vault" not in watch.rooms()
    monkeypatch.undo()
    monkeypatch.setattr(os, "statvfs", disks.statvfs)
    disks.hung.pop("vault").set()
    assert alarms_of(watch) == []
    assert watch.rooms()["vault"].free_bytes == 100 * LEAST_BYTES["vault"]
