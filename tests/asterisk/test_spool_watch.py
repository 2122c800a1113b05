"""Files known to be closed for good: by the kernel's events, and by its answers; against a writer like Asterisk."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ari_recorder.asterisk import spool_watch
from ari_recorder.asterisk.spool import Sizes, Spool
from ari_recorder.asterisk.spool_watch import Closed, SpoolWatch, Unsure, Writer, writer
from ari_recorder.domain.errors import SpoolUnusable
from tests.asterisk.writer_process import WriterProcess

SHORT = timedelta(seconds=0.2)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


@pytest.fixture
def pbx(spool: Spool) -> Iterator[WriterProcess]:
    with WriterProcess(spool.folder) as process:
        yield process


class Heard:
    """What a watch tells, collected by a task of its own."""

    def __init__(self, watch: SpoolWatch) -> None:
        self._told: asyncio.Queue[Closed | Unsure] = asyncio.Queue()
        self.task = asyncio.ensure_future(self._collect(watch))

    async def _collect(self, watch: SpoolWatch) -> None:
        async for news in watch:
            self._told.put_nowait(news)

    async def next(self) -> Closed | Unsure:
        return await asyncio.wait_for(self._told.get(), 20)

    async def nothing(self) -> bool:
        await asyncio.sleep(0.1)
        return self._told.empty()


@contextlib.asynccontextmanager
async def watching(spool: Spool) -> AsyncIterator[Heard]:
    with SpoolWatch(spool) as watch:
        heard = Heard(watch)
        yield heard
        heard.task.cancel()
        await asyncio.wait({heard.task})


def close_both(spool: Spool, base: str) -> None:
    for path in (spool.files(base).agent, spool.files(base).caller):
        path.write_bytes(b"12")


# --- the kernel's answer


async def test_the_kernel_tells_who_has_a_file_open(spool: Spool, pbx: WriterProcess) -> None:
    pbx.do("open x")
    assert await writer(spool, "x") is Writer.OPEN
    pbx.do("write 3")
    assert await writer(spool, "x") is Writer.OPEN
    pbx.do("close")
    assert await writer(spool, "x") is Writer.CLOSED
    assert await writer(spool, "never-there") is Writer.CLOSED


async def test_one_open_side_is_enough(spool: Spool) -> None:
    spool.files("x").caller.touch()
    with spool.files("x").agent.open("wb"):
        assert await writer(spool, "x") is Writer.OPEN
    assert await writer(spool, "x") is Writer.CLOSED


async def test_a_reader_is_no_writer(spool: Spool) -> None:
    spool.files("x").caller.touch()
    with spool.files("x").caller.open("rb"):
        assert await writer(spool, "x") is Writer.CLOSED


async def test_a_killed_pbx_has_nothing_open_and_its_last_buffer_is_lost(spool: Spool, pbx: WriterProcess) -> None:
    pbx.do("open x")
    pbx.do("write 5")
    pbx.kill()
    assert await writer(spool, "x") is Writer.CLOSED
    assert spool.sizes("x") == Sizes(caller=65536, agent=65536)


@pytest.fixture(params=[errno.EACCES, errno.EINVAL], ids=["another user's file", "no leases here"])
def untold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.fcntl

    def refuse(fd: int, command: int, argument: int = 0) -> Any:
        if command == fcntl.F_SETLEASE:
            raise OSError(request.param, os.strerror(request.param))
        return real(fd, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refuse)


@pytest.mark.usefixtures("untold")
async def test_where_the_kernel_does_not_tell_growth_does(spool: Spool, pbx: WriterProcess) -> None:
    pbx.do("open x")
    assert await writer(spool, "x", quiet_for=SHORT) is Writer.QUIET
    asking = asyncio.ensure_future(writer(spool, "x", quiet_for=SHORT))
    await asyncio.sleep(0.05)
    pbx.do("write 2.1")
    assert await asking is Writer.OPEN
    pbx.do("close")
    assert await writer(spool, "x", quiet_for=SHORT) is Writer.QUIET


def test_growth_is_watched_for_longer_than_a_buffer_holds() -> None:
    assert spool_watch.FLUSHED_WITHIN.total_seconds() > 32768 / 16000


async def test_a_link_in_the_spool_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    spool.files("x").caller.symlink_to(tmp_path / "elsewhere")
    assert await writer(spool, "x", quiet_for=SHORT) is Writer.QUIET


async def test_a_file_that_is_opened_while_we_ask_does_not_end_this_process(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken lease is told by a signal, whose default would be death. Here the lease is broken each time."""
    path = spool.files("x").caller
    path.touch()
    real = fcntl.fcntl
    openers = []

    def slow(fd: int, command: int, argument: int = 0) -> Any:
        if command == fcntl.F_SETLEASE and argument == fcntl.F_UNLCK:
            openers.append(subprocess.Popen([sys.executable, "-c", f"open({str(path)!r}, 'ab').close()"]))
            assert signal.sigtimedwait({signal.SIGURG}, 5), "the lease was not broken"
        return real(fd, command, argument)

    # Blocked and waited for: with the default disposition (ignored) the moment could not be seen.
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
    try:
        monkeypatch.setattr(fcntl, "fcntl", slow)
        assert await writer(spool, "x") is Writer.CLOSED
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    assert [opener.wait(5) for opener in openers] == [0]


# --- the kernel's events


async def test_a_segment_is_closed_when_both_files_are(spool: Spool, pbx: WriterProcess) -> None:
    async with watching(spool) as heard:
        pbx.do("open x")
        pbx.do("write 5")
        assert await heard.nothing()
        pbx.do("close")
        assert await heard.next() == Closed(base="x")
        assert spool.sizes("x") == Sizes(caller=80_000, agent=80_000)


async def test_one_closed_side_is_not_enough(spool: Spool) -> None:
    async with watching(spool) as heard:
        with spool.files("x").agent.open("wb"):
            spool.files("x").caller.write_bytes(b"1")
            spool.files("x").caller.write_bytes(b"2")
            assert await heard.nothing()
        assert await heard.next() == Closed(base="x")


async def test_a_segment_is_told_once(spool: Spool) -> None:
    async with watching(spool) as heard:
        for _ in range(3):
            close_both(spool, "x")
        assert await heard.next() == Closed(base="x")
        assert await heard.nothing()
        spool.discard("x")
        close_both(spool, "x")
        assert await heard.next() == Closed(base="x")


async def test_a_side_that_was_discarded_is_forgotten(spool: Spool) -> None:
    async with watching(spool) as heard:
        spool.files("x").caller.write_bytes(b"1")
        spool.discard("x")
        spool.files("x").agent.write_bytes(b"1")
        assert await heard.nothing()


async def test_a_killed_pbx_closes_its_files(spool: Spool, pbx: WriterProcess) -> None:
    async with watching(spool) as heard:
        pbx.do("open x")
        pbx.do("write 3")
        pbx.kill()
        assert await heard.next() == Closed(base="x")


async def test_a_recording_open_since_before_the_watch_is_told(spool: Spool, pbx: WriterProcess) -> None:
    """The service was restarted in mid-call."""
    pbx.do("open x")
    async with watching(spool) as heard:
        pbx.do("write 3")
        pbx.do("close")
        assert await heard.next() == Closed(base="x")


async def test_what_was_closed_before_anybody_iterated_is_told(spool: Spool) -> None:
    with SpoolWatch(spool) as watch:
        close_both(spool, "x")
        assert await anext(watch) == Closed(base="x")


async def test_many_segments_are_all_told_and_strangers_are_not(spool: Spool) -> None:
    bases = {f"call-{i}" for i in range(300)}
    async with watching(spool) as heard:
        for base in bases:
            (spool.folder / f"{base}.caller.wav").write_bytes(b"a stranger")
            close_both(spool, base)
        assert {await heard.next() for _ in bases} == {Closed(base=base) for base in bases}
        assert await heard.nothing()


def lose_events(spool: Spool) -> None:
    """More than the kernel keeps: nobody reads while this runs. Two names in turn, as equal events are merged."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for i in range(most + 10):
        os.close(os.open(spool.folder / f"stranger{i % 2}", os.O_WRONLY | os.O_CREAT, 0o600))


async def test_lost_events_are_told_with_every_segment_that_may_be_closed(spool: Spool, pbx: WriterProcess) -> None:
    pbx.do("open running")
    with SpoolWatch(spool) as watch:
        close_both(spool, "told")
        assert await anext(watch) == Closed(base="told")
        spool.files("half").caller.write_bytes(b"1")
        close_both(spool, "told-later")
        spool.discard("told-later")
        lose_events(spool)
        spool.discard("told")
        close_both(spool, "missed")
        news = [await asyncio.wait_for(anext(watch), 20) for _ in range(2)]
        assert news[0] == Closed(base="told-later")
        assert isinstance(news[1], Unsure)
        assert set(news[1].bases) == {"running", "half", "missed"}
        assert [await writer(spool, base) for base in ("running", "missed")] == [Writer.OPEN, Writer.CLOSED]
        # It goes on as before, and knows what it knew.
        spool.files("half").agent.write_bytes(b"1")
        pbx.do("close")
        close_both(spool, "told")
        after = {await anext(watch) for _ in range(3)}
        assert after == {Closed(base="half"), Closed(base="running"), Closed(base="told")}


async def test_a_spool_that_goes_away_is_an_error_and_not_silence(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    with SpoolWatch(Spool(tmp_path / "spool")) as watch:
        (tmp_path / "spool").rename(tmp_path / "elsewhere")
        with pytest.raises(SpoolUnusable, match="removed, renamed or unmounted"):
            await asyncio.wait_for(anext(watch), 5)


async def test_a_spool_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(SpoolUnusable, match="cannot be watched"), SpoolWatch(Spool(tmp_path / name)):
            pass
