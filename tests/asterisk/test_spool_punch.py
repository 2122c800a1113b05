"""Audio that is sealed leaves the spool while Asterisk writes, and nobody takes it for the end of the recording."""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ari_recorder.asterisk import spool_punch
from ari_recorder.asterisk.spool import PUNCH_FOLDER, Spool
from ari_recorder.asterisk.spool_punch import SpoolPunch
from ari_recorder.asterisk.spool_watch import Closed, SpoolWatch, Writer, writer

BASE = "0b8f2c5e-3f5e-4f0e-9b0a-0a1b2c3d4e5f"
STEP = 32768


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o770)
    return Spool(folder)


class Written:
    """Both files of a segment, being written."""

    def __init__(self, spool: Spool) -> None:
        files = spool.files(BASE)
        self.paths = (files.caller, files.agent)
        self._files = [path.open("wb", buffering=0) for path in self.paths]

    def grow(self, data: bytes) -> None:
        for file in self._files:
            file.write(data)

    def close(self) -> None:
        for file in self._files:
            file.close()


@pytest.fixture
def written(spool: Spool) -> Iterator[Written]:
    written = Written(spool)
    yield written
    written.close()


def test_what_is_taken_out_is_freed_and_the_rest_stays_where_it_is(spool: Spool, written: Written) -> None:
    written.grow(b"a" * 4 * STEP)
    SpoolPunch(spool).take_out(BASE, 0, 3 * STEP)
    written.grow(b"b" * STEP)
    for path in written.paths:
        data = path.read_bytes()
        assert data == bytes(3 * STEP) + b"a" * STEP + b"b" * STEP
        assert path.stat().st_blocks * 512 <= 2 * STEP
        assert path.stat().st_nlink == 1
    assert spool.scan().strangers == ()
    assert os.listdir(spool.folder / PUNCH_FOLDER) == []


async def test_nobody_takes_it_for_the_end_of_the_recording(spool: Spool, written: Written) -> None:
    written.grow(b"a" * STEP)
    with SpoolWatch(spool) as watch:
        told = asyncio.ensure_future(anext(watch))
        for end in (8192, 16384, STEP):
            SpoolPunch(spool).take_out(BASE, 0, end)
        await asyncio.sleep(0.05)
        assert not told.done()
        assert await writer(spool, BASE) is Writer.OPEN
        written.close()
        assert await asyncio.wait_for(told, 1) == Closed(base=BASE)
        assert await writer(spool, BASE) is Writer.CLOSED


def test_a_name_left_by_a_kill_is_no_obstacle_and_goes_with_the_files(spool: Spool, written: Written) -> None:
    written.grow(b"a" * STEP)
    (spool.folder / PUNCH_FOLDER).mkdir()
    own = [spool.folder / PUNCH_FOLDER / path.name for path in written.paths]
    for path, link in zip(written.paths, own, strict=True):
        os.link(path, link)
    SpoolPunch(spool).take_out(BASE, 0, 8192)
    assert not any(link.exists() for link in own)
    for path, link in zip(written.paths, own, strict=True):
        os.link(path, link)
    spool.discard(BASE)
    assert not any(path.exists() for path in (*written.paths, *own))


def test_files_that_are_gone_are_nothing_to_tell(spool: Spool) -> None:
    with capture_logs() as logs:
        SpoolPunch(spool).take_out(BASE, 0, 8192)
    assert logs == []


def test_a_link_put_there_by_somebody_else_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"v" * STEP)
    for path in (spool.files(BASE).caller, spool.files(BASE).agent):
        path.symlink_to(victim)
    SpoolPunch(spool).take_out(BASE, 0, STEP)
    assert victim.read_bytes() == b"v" * STEP


@pytest.mark.parametrize(("number", "because"), [(errno.EOPNOTSUPP, "not supported"), (errno.EACCES, "UMask=0007")])
def test_where_it_cannot_be_done_it_goes_on_and_says_so_once(
    spool: Spool, written: Written, monkeypatch: pytest.MonkeyPatch, number: int, because: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(spool_punch, "punch_hole", refuse)
    written.grow(b"a" * STEP)
    punch = SpoolPunch(spool)
    with capture_logs() as logs:
        for _ in range(3):
            punch.take_out(BASE, 0, STEP)
    assert [line["event"] for line in logs] == ["spool_punch_unavailable"]
    assert because in logs[0]["because"]
    assert written.paths[0].read_bytes() == b"a" * STEP
