"""The lab starts, stops and dies without leaving anything, and stands beside another of its kind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.ami_client import LabError
from tests.lab.lab import MEMORY_PREFIX, start_lab

pytestmark = pytest.mark.pbx

HOLD_A_LAB = """
import asyncio, pathlib, sys
from tests.lab.lab import start_lab

async def main():
    async with start_lab(pathlib.Path(sys.argv[1])) as lab:
        print(lab.pbx.run.parent, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def processes_in(folder: Path) -> list[str]:
    """The command lines that name this folder."""
    found = []
    for proc in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = proc.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # ended meanwhile
            continue
        if "asterisk" in line and f"{folder}/" in line:
            found.append(line)
    return found


async def test_a_killed_pbx_comes_back_with_its_logs_and_two_labs_do_not_meet(tmp_path: Path) -> None:
    async with start_lab(tmp_path / "one") as one, start_lab(tmp_path / "two") as two:
        assert {one.pbx.ami_port, one.pbx.sip_port}.isdisjoint({two.pbx.ami_port, two.pbx.sip_port})
        caller = await one.call("0195202001")
        await one.pbx.kill()
        with pytest.raises(LabError):
            await one.pbx.cli("core show version")
        assert await two.pbx.channels() == []
        await one.pbx.start()
        assert "Asterisk" in await one.pbx.cli("core show version")
        again = await one.call("0195202001")
        assert again.uniqueid != caller.uniqueid
        await again.wait_queued()
        memory = one.pbx.run.parent
        assert one.pbx.spool.is_dir()
    assert not memory.exists()
    assert (tmp_path / "one" / "pbx" / "log" / "queue_log").exists()
    assert processes_in(tmp_path) == []


async def test_when_the_test_dies_the_lab_dies_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD_A_LAB, str(tmp_path / "held")),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert holder.stdout
    memory = Path((await holder.stdout.readline()).decode().strip())
    assert len(processes_in(tmp_path)) == 2
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    deadline = time.monotonic() + 5
    while processes_in(tmp_path) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes
        await asyncio.sleep(0.05)
    assert processes_in(tmp_path) == []
    assert memory.name.startswith(MEMORY_PREFIX)
    async with start_lab(tmp_path / "next"):
        assert not memory.exists()  # noqa: ASYNC240
