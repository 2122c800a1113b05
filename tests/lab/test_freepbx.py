"""The README's steps for FreePBX, done as it says, on an /etc/asterisk as FreePBX writes it; then a call is recorded.

What FreePBX writes is conf/freepbx: its include lines, sections, order and names, with one trunk, one inbound
route, the queue 400 and two agents. The steps are read from README.md, so that what is tried is what it says.
"""

import asyncio
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from ari_recorder.domain.cel import EVENTS, read_cel
from ari_recorder.domain.queue_log import QueueOutcome
from tests.lab.heard import CALLER, assert_only_voices, ledger_row, the_recording
from tests.lab.lab import Install, Lab, Pbx, start_lab
from tests.lab.service import Service, installed_service
from tests.lab.test_check import troubles

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

ROOT = Path(__file__).parents[2]
QUEUE, NUMBER, AGENTS = "400", "0800123456", ("1001", "1002")


def chapter(title: str) -> str:
    found = re.search(rf"^### {title}\n(.*?)^##", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def fenced(text: str) -> list[str]:
    """The blocks between ```, without what they are indented by."""
    return [
        re.sub(rf"^{indent}", "", block, flags=re.M)
        for indent, block in re.findall(r"( *)```\n(.*?)\n *```", text, re.S)
    ]


def lines_of_the_table(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each file of the table with the lines that go into it; what is said of one agent is done for each."""
    for file, what in re.findall(r"^\| `([a-z._]+)`[^|]* \| (.*) \|$", text, re.MULTILINE):
        lines = re.findall(r"`([^`]+)`", what)
        agents = AGENTS if what.startswith("for each agent") else AGENTS[:1]
        yield file, [line.replace(AGENTS[0], agent) for agent in agents for line in lines]


def custom_destination() -> str:
    found = re.search(r"\*Custom Destination\* `([^`]+)`", chapter("FreePBX"))
    assert found is not None
    return found[1]


def as_the_readme_says(pbx: Pbx) -> None:
    etc, steps = pbx.folder / "etc", chapter("FreePBX")
    for command in fenced(chapter("Plain Asterisk"))[0].splitlines():
        if "/etc/asterisk" in command:
            there = command.partition("#")[0].replace("/etc/asterisk", shlex.quote(str(etc)))
            subprocess.run(there, shell=True, check=True, cwd=ROOT)  # noqa: S602 - the README's own line
    for path in list(etc.glob("*.conf")):  # FreePBX makes each custom file that its own include
        for included in re.findall(r"^#include (\S*(?:custom|override)\S*)", path.read_text(), re.MULTILINE):
            (etc / included).touch()
    for file, lines in lines_of_the_table(steps):
        assert (etc / file).exists(), f"FreePBX has no {file}"
        append(etc / file, *lines)
    site = etc / "ari_recorder_site"
    values = {"SECRET": pbx.secret, "SPOOL": pbx.spool, "SOUNDS": pbx.sounds, "START": "ami"}
    append(etc / "globals_custom.conf", *(f"ARI_RECORDER_{name} = {value}" for name, value in values.items()))
    extensions = (site / "extensions.conf").read_text()
    without = [line for line in extensions.splitlines() if not line.startswith(("[globals]", "ARI_RECORDER_"))]
    (numbers,) = fenced(steps)
    (site / "extensions.conf").write_text("\n".join([*without, numbers, ""]))
    manager = (site / "manager.conf").read_text()
    assert "\nsecret =\n" in manager
    (site / "manager.conf").write_text(manager.replace("\nsecret =\n", f"\nsecret = {pbx.ami_secret}\n"))


def append(file: Path, *lines: str) -> None:
    with file.open("a") as out:
        out.writelines(f"{line}\n" for line in lines)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("freepbx")
    values = {"number": NUMBER, "destination": custom_destination()}
    install = Install(templates="freepbx", values=values, steps=as_the_readme_says)
    async with start_lab(folder / "lab", install=install) as lab:
        assert f"{QUEUE} has 0 calls" in await lab.pbx.cli("queue show")
        async with installed_service(lab, folder / "service", (QUEUE,)) as service:
            await service.start(ready_within=60)
            yield service
            await service.stop()


def disliked(lab: Lab) -> list[str]:
    """What Asterisk did not like in its files, but `_.`, which FreePBX has itself, and what check asks."""
    said = r"(WARNING|ERROR)\[\d+\] (config|features_config|pbx_config|app_queue|logger|manager|cel)\.c: "
    lines = (lab.pbx.log / "full").read_text().splitlines()
    return [
        line for line in lines if re.search(said, line) and "use of '_.' for" not in line and "FEATUREMAP()" not in line
    ]


async def test_check_tells_the_queues_own_extension_and_nothing_else(site: Service) -> None:
    # FreePBX has the queue's own extension too, which the README says: who dials it is not recorded.
    (told,) = await troubles(site)
    assert told["what"].startswith("400 in the context ext-queues leads into the queue 400 without the announcement")
    assert disliked(site.lab) == []


async def test_a_call_through_trunk_route_and_queue_is_recorded_and_flagged_by_its_agent(site: Service) -> None:
    caller = await site.lab.call(NUMBER, tone=CALLER)
    connect = await caller.wait_connected(30)
    assert (connect["Interface"], connect["MemberName"]) == ("Local/1001@from-queue/n", "Anna Adviser")
    agent = site.lab.agent("1001")
    await caller.press("*92")  # gives a caller nothing
    await agent.press("*91")
    await asyncio.sleep(3)
    # Anna's phone is in use, by the hint FreePBX gives her membership; the next call is Bertil's.
    second = await site.lab.call(NUMBER, tone=CALLER)
    assert (await second.wait_connected(30))["Interface"] == "Local/1002@from-queue/n"
    await asyncio.sleep(2)
    await second.hangup()
    await caller.hangup()
    await site.settled([caller.uniqueid, second.uniqueid], within=90)
    recording = await the_recording(site, caller)
    assert_only_voices(recording, agent.tone)
    assert [member["interface"] for member in recording.facts["members"]] == ["Local/1001@from-queue/n"]
    assert len(recording.marks("threat")) == 1
    assert recording.marks("pause") == []
    for call in (caller, second):
        verdict = (await ledger_row(site, call))["verdict"]
        assert (verdict["state"], verdict["reason"]) == ("recorded", "")
    # Not `balanced`: this log begins today, and such a day never is.
    totals = (await site.ledger())["totals"]
    assert (totals.get("unexplained", 0), totals.get("pending", 0)) == (0, 0)


async def test_the_other_witness_sees_the_calls_beside_freepbx_own_events(site: Service, tmp_path: Path) -> None:
    """CEL adds up the events of all lines, so FreePBX's events=all stays; our file has no keys for all that."""
    lab = site.lab
    status = await lab.pbx.cli("cel show status")
    assert "CEL Logging: Enabled" in status
    assert all(re.search(rf"CEL Tracking Event: {event}$", status, re.M) for event in (*EVENTS, "DTMF")), status
    caller = await lab.call(NUMBER, tone=CALLER)
    await caller.wait_connected(30)
    await asyncio.sleep(2)  # of talk
    await caller.hangup()
    await site.settled([caller.uniqueid], within=90)
    witness = read_cel(lab.pbx.cel.read_text().splitlines())[caller.uniqueid]
    assert witness.outcome is QueueOutcome.COMPLETED
    # What FreePBX gives Dial() has a contact in it, with colons.
    assert not any(word in lab.pbx.cel.read_text() for word in ("0401234567", "PJSIP", "1001@", "sip:"))
    service = Service(lab, tmp_path, {"cel": f'"{lab.pbx.cel}"'})
    service.configure((QUEUE,))
    (found,) = [one for one in await troubles(service) if one["area"] == "cel"]
    assert found["level"] == "warn"
    assert "cel_general_additional.conf" in found["what"]
    assert "(DTMF)" in found["what"]
