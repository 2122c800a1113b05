"""The witness loses nothing, and says so when it would have."""

import asyncio
import contextlib
import hashlib
import signal
from pathlib import Path

import pytest

from ari_recorder.asterisk.spool import Spool
from ari_recorder.asterisk.spool_punch import SpoolPunch
from tests.faults.crowd import Crowd, name_calls
from tests.faults.witness import witness_of
from tests.lab.lab import CROWD_NUMBER_ARMED, start_lab

BLOCK = 32_768  # as MixMonitor writes


@pytest.mark.pbx
async def test_what_mixmonitor_wrote_of_many_calls_is_known_byte_for_byte(tmp_path: Path) -> None:
    """Without a service nothing is taken out of the spool: the files themselves tell what there was to be seen."""
    async with start_lab(tmp_path / "lab", crowd=12) as lab, Crowd(lab, seed=1) as crowd:
        async with witness_of(lab.pbx.spool, tmp_path) as witness:
            calling = asyncio.create_task(crowd.keep(8, (0.3, 5.0), (CROWD_NUMBER_ARMED,)))
            await asyncio.sleep(8)
            calling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await calling
            await lab.quiet()
        name_calls(crowd.facts, lab.pbx.queue_log)
        seen = {name: (file.bytes, file.sha256) for name, file in witness.testimony.files.items()}
        there = {path.name: path.read_bytes() for path in lab.pbx.spool.glob("*.sln")}
    assert not witness.testimony.doubts
    assert not witness.testimony.late
    assert seen == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in there.items()}
    assert len(crowd.facts) >= 8
    for fact in crowd.facts:
        (base,) = [base for base in witness.testimony.bases if base.startswith(f"net_{fact.uniqueid}_")]
        for side in witness.testimony.sides(base):
            assert side is not None
            assert abs(side.bytes / 16_000 - fact.talk) < 1


@pytest.mark.parametrize("in_time", [True, False])
async def test_what_is_taken_out_before_it_was_read_is_a_doubt(tmp_path: Path, in_time: bool) -> None:
    spool = Spool(tmp_path / "spool")
    spool.folder.mkdir()
    files = spool.files("one")
    async with witness_of(spool.folder, tmp_path) as witness:
        with files.caller.open("wb", buffering=0) as caller, files.agent.open("wb", buffering=0) as agent:
            await asyncio.sleep(0.3)
            if not in_time:
                witness.process.send_signal(signal.SIGSTOP)
            for side in (caller, agent):
                side.write(b"\x01" * BLOCK)
            await asyncio.sleep(0.3 if in_time else 0)
            SpoolPunch(spool).take_out("one", 0, BLOCK)
            witness.process.send_signal(signal.SIGCONT)
            for side in (caller, agent):
                side.write(b"\x02" * 100)
        for path in (files.caller, files.agent):
            path.unlink()
        await asyncio.sleep(0.3)
    assert len(witness.testimony.files) == 2
    assert bool(witness.testimony.late) is not in_time
    if in_time:
        digest = hashlib.sha256(b"\x01" * BLOCK + b"\x02" * 100).hexdigest()
        assert {file.sha256 for file in witness.testimony.files.values()} == {digest}
