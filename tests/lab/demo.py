"""`make demo`: a real PBX, callers, agents and the service, from nothing; every call ends as it should, or it says so.

With --once it ends after the calls: 0 only if every call is accounted for as the callers and agents know it. Then the
last line is one JSON object (docs/operations.md).
"""

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ari_recorder import config, logs
from ari_recorder.domain.accounts import Role
from ari_recorder.services import connect
from tests.lab.asterisk import free_port
from tests.lab.lab import Lab, start_lab
from tests.lab.service import RECORDED, Service, running_service
from tests.people import ClocksAhead, Person, enrol, open_desk

_VERIFY_AUDIT = Path(__file__).parent.parent.parent / "tools" / "verify_audit.py"

console = Console(stderr=True, highlight=False)
# Callers of the demo; a search of everything on disk for these must find nothing.
NUMBERS = ["0401000001", "0401000002", "0401000003", "0401000004", "0401000005", "0401000006", "0401000007"]
TALK = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens in one call, and how the ledger must end."""

    title: str
    number: str
    tone: int
    play: Callable[[Lab, Any], Awaitable[None]]
    state: str
    reason: str = ""
    flagged: bool = False


async def _agent_of(lab: Lab, caller: Any) -> Any:
    connect = await caller.wait_connected(40)
    return lab.agent(connect["MemberName"].rpartition(" ")[2])


async def _plain(lab: Lab, caller: Any) -> None:
    await _agent_of(lab, caller)
    await asyncio.sleep(TALK)
    await caller.hangup()


async def _threat(lab: Lab, caller: Any) -> None:
    agent = await _agent_of(lab, caller)
    await asyncio.sleep(2)
    await agent.press("*91")
    await asyncio.sleep(TALK - 2)
    await caller.hangup()


async def _paused(lab: Lab, caller: Any) -> None:
    agent = await _agent_of(lab, caller)
    await asyncio.sleep(2)
    await agent.press("*92")
    await asyncio.sleep(2)
    await agent.press("*93")
    await asyncio.sleep(TALK - 2)
    await caller.hangup()


async def _says_no(lab: Lab, caller: Any) -> None:
    agent = await _agent_of(lab, caller)
    await asyncio.sleep(2)
    await agent.press("*94")
    await asyncio.sleep(TALK - 2)
    await caller.hangup()


async def _gives_up(lab: Lab, caller: Any) -> None:
    await caller.wait_queued()
    await asyncio.sleep(1.5)
    await caller.hangup()


async def _sent_on(lab: Lab, caller: Any) -> None:
    agent = await _agent_of(lab, caller)
    await asyncio.sleep(2)
    await agent.blind_transfer("1003")
    await lab.agent("1003").wait_talking(20)
    await asyncio.sleep(TALK - 2)
    await caller.hangup()


STORIES = [
    Story(title="plain", number="0195202000", tone=440, play=_plain, state="recorded"),
    Story(title="threat flagged (*91)", number="0195202000", tone=480, play=_threat, state="recorded", flagged=True),
    Story(title="paused (*92, *93)", number="0195202001", tone=520, play=_paused, state="recorded"),
    Story(
        title="caller says no (*94)",
        number="0195202005",
        tone=560,
        play=_says_no,
        state="not_recorded",
        reason="caller-refused",
    ),
    Story(
        title="caller gives up", number="0195202003", tone=360, play=_gives_up, state="not_recorded", reason="abandoned"
    ),
    Story(title="sent on to a colleague (##)", number="0195202004", tone=400, play=_sent_on, state="recorded"),
]


async def run(folder: Path, *, once: bool) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C: nothing is left running
    console.print("Starting a PBX, the world around it, and the service …")
    started = time.monotonic()
    port = free_port(socket.SOCK_STREAM)
    async with (
        start_lab(folder / "lab") as lab,
        running_service(lab, folder / "service", web_port=port) as service,
    ):
        console.print(f"… up after {time.monotonic() - started:.0f} s. Calls:")
        await lab.agent("1006").does_not_answer()
        uniqueids = await asyncio.gather(
            *(place(lab, story, number) for story, number in zip(STORIES, NUMBERS, strict=False))
        )
        rows = await service.settled(uniqueids, within=30)
        ended_well = _show(uniqueids, rows)
        summary = await _summary(lab, service, rows)
        if not once:
            _show_people(service, await enrol_everybody(service))
            console.print(f"\nThe service goes on until Ctrl-C. In another shell:\n  CONFIG={service.config}")
            for command in (
                "ledger",
                "recordings list",
                "recordings show ID",
                "recordings export ID call.wav",
                "check",
            ):
                console.print(f"  .venv/bin/ari-recorder {command} --config $CONFIG")
            await _until_interrupted()
    good = ended_well and not summary["unexplained"] and not summary["plaintext_bytes_left"] and summary["audit_ok"]
    print(json.dumps(summary))
    return 0 if good else 1


async def place(lab: Lab, story: Story, caller_id: str) -> str:
    """One story from the first ring to the end; the call's Uniqueid."""
    caller = await lab.call(story.number, caller_id=caller_id, tone=story.tone)
    console.print(f"  {story.number}: {story.title}")
    await story.play(lab, caller)
    await caller.wait_ended()
    return str(caller.uniqueid)


def _show(uniqueids: list[str], rows: dict[str, dict[str, Any]]) -> bool:
    table = Table("call", "ledger", "flag", "as it should be")
    well = True
    for story, uniqueid in zip(STORIES, uniqueids, strict=True):
        row = rows[uniqueid]
        verdict = row["verdict"]
        right = (verdict["state"], verdict["reason"], row["flagged"]) == (story.state, story.reason, story.flagged)
        well = well and right
        told = f"{verdict['state']} {verdict['reason']}".strip()
        table.add_row(story.title, told, "threat" if row["flagged"] else "", "yes" if right else "NO")
    console.print(table)
    return well


async def _summary(lab: Lab, service: Service, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    recordings = await service.recordings()
    voices = [await asyncio.to_thread(_voice, await service.export(recording["id"])) for recording in recordings]
    shutil.rmtree(service.folder / "exported")
    left = await asyncio.to_thread(_clear_bytes, service, lab.pbx.spool, [voice for voice in voices if voice])
    totals = (await service.ledger())["totals"]
    return {
        "calls": len(rows),
        "recorded": totals["recorded"],
        "sealed": len(recordings),
        "flagged": sum(row["flagged"] for row in rows.values()),
        "unexplained": totals["unexplained"] + totals["pending"],
        "plaintext_bytes_left": left,
        "audit_ok": await _audit_ok(service),
    }


async def _audit_ok(service: Service) -> bool:
    """What the program says of its audit log, and what the tool says that knows nothing of the program."""
    target = service.folder / "audit.jsonl"
    exported = await service.command("audit", "export", str(target))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(_VERIFY_AUDIT), "--key", exported["key"], str(target)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    alone = await process.wait() == 0
    target.unlink()
    try:
        verified = await service.command("audit", "verify")
    except AssertionError:  # exit code 3: it found something
        return False
    return alone and bool(verified["ok"]) and exported["entries"] > 0


async def enrol_everybody(service: Service) -> dict[Role, Person]:
    """One of each role. A minute ago, as far as their authenticators know: the code of now is not used yet."""
    settings = config.load(service.config)
    clocks = ClocksAhead(timedelta(minutes=-1))
    async with connect.database(settings) as database:
        desk = connect.people(settings, database, clocks)
        await open_desk(desk, RECORDED)
        return {role: await enrol(desk, role, clocks) for role in Role}


def _show_people(service: Service, people: dict[Role, Person]) -> None:
    console.print(f"\nThe page: {service.address}  (its certificate is self-made: a browser asks)")
    for role, person in people.items():
        console.print(f"  {role.value}: user name {person.name}, password {person.password}")
        console.print(f"      a code: .venv/bin/python -m tests.lab.code {person.secret}", soft_wrap=True)
        console.print(f"      for an app: {person.uri}", soft_wrap=True)


def _voice(wav: Path) -> bytes:
    """A piece of the caller's voice as raw samples. A steady tone repeats: it would be found wherever it were left."""
    with wave.open(str(wav)) as file:
        stereo = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    caller = stereo[:, 0]
    middle = next(i for i in range(4000, len(caller)) if abs(int(caller[i])) > 1000)
    return caller[middle : middle + 64].tobytes()


def _clear_bytes(service: Service, spool: Path, voices: list[bytes]) -> int:
    """Bytes of audio in clear: spool files that stayed, and any file of state or log that holds a caller's voice."""
    left = sum(file.stat().st_size for file in spool.glob("*.sln"))
    for file in service.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            if any(voice in content for voice in voices):
                left += len(content)
            if any(number.encode() in content for number in NUMBERS):
                raise RuntimeError(f"a caller's number is in {file}")
    return left


async def _until_interrupted() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print("Stopping …")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the calls")
    once = parser.parse_args().once
    logs.set_up(level="warning", json_lines=False)
    with tempfile.TemporaryDirectory(prefix="ari-recorder-demo-") as folder:
        try:
            sys.exit(asyncio.run(run(Path(folder), once=once)))
        except (KeyboardInterrupt, asyncio.CancelledError):
            sys.exit(130)


if __name__ == "__main__":
    main()
