"""`ari-recorder check` on a real Asterisk with the shipped configuration: nothing to mend, and each fault found."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.lab.asterisk import free_port
from tests.lab.lab import Lab
from tests.lab.service import RECORDED, Service

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("fresh_heartbeat")]

# What concerns this host is tested without a PBX.
OF_THE_PBX = (
    *("ami", "rights", "version", "dialplan", "queues", "features", "endpoints", "files", "sounds", "queue_log", "cel"),
)
FOUND = 3


async def troubles(service: Service) -> list[dict[str, Any]]:
    """Of the PBX only; the lab's spool and folders are not a site's, so there is always something found."""
    findings = (await service.command("check", code=FOUND))["findings"]
    return [finding for finding in findings if finding["level"] != "ok" and finding["area"] in OF_THE_PBX]


def service_beside(lab: Lab, folder: Path, queues: tuple[str, ...] = RECORDED, start: str = "ami") -> Service:
    service = Service(lab, folder, {"capture.start": f'"{start}"'})
    service.configure(queues)
    return service


async def test_the_shipped_configuration_leaves_nothing_to_mend(lab: Lab, tmp_path: Path) -> None:
    assert await troubles(service_beside(lab, tmp_path)) == []


async def test_a_wrong_ami_secret_is_told(lab: Lab, tmp_path: Path) -> None:
    service = service_beside(lab, tmp_path)
    (tmp_path / "ami.secret").write_text("not-the-secret\n")
    (trouble,) = await troubles(service)
    assert "refused the AMI user ari-recorder" in trouble["what"]
    assert "manager.conf" in trouble["what"]
    assert "not-the-secret" not in str(trouble)


async def test_a_pbx_that_is_down_is_told(lab: Lab, tmp_path: Path) -> None:
    service = service_beside(lab, tmp_path)
    nobody = free_port(socket.SOCK_STREAM)
    service.config.write_text(service.config.read_text().replace(f"port = {lab.pbx.ami_port}", f"port = {nobody}"))
    (trouble,) = await troubles(service)
    assert f"127.0.0.1:{nobody} cannot be reached" in trouble["what"]


async def test_another_dialplan_secret_is_told(lab: Lab, tmp_path: Path) -> None:
    service = service_beside(lab, tmp_path)
    (tmp_path / "dialplan.secret").write_text("0a" * 32 + "\n")
    (trouble,) = await troubles(service)
    assert "ARI_RECORDER_SECRET on the PBX is not what" in trouble["what"]


async def test_a_start_that_differs_from_the_dialplan_is_told(lab: Lab, tmp_path: Path) -> None:
    found = await troubles(service_beside(lab, tmp_path, start="dialplan"))
    told = [trouble["what"] for trouble in found]
    assert "ARI_RECORDER_START is 'ami' on the PBX, but capture.start is 'dialplan' here" in told
    assert "the AMI user has the right system, which this service does not need" in told


async def test_a_queue_the_pbx_does_not_have_is_told(lab: Lab, tmp_path: Path) -> None:
    found = await troubles(service_beside(lab, tmp_path, (*RECORDED, "asiakaspalvelo")))
    assert {trouble["area"] for trouble in found} == {"queues", "dialplan"}
    assert all("asiakaspalvelo" in trouble["what"] for trouble in found)


async def test_a_number_that_leads_nowhere_is_told(lab: Lab, tmp_path: Path) -> None:
    service = service_beside(lab, tmp_path)
    with service.config.open("a") as file:
        file.write('numbers = ["0195202005", "0195202999"]\n')  # of the last queue
    (trouble,) = await troubles(service)
    assert trouble["what"] == 'queues["etatyo"].numbers: the dialplan does not lead 0195202999 to this queue'


async def test_a_recorded_number_without_a_section_is_told(lab: Lab, tmp_path: Path) -> None:
    (trouble,) = await troubles(service_beside(lab, tmp_path, RECORDED[:-1]))
    assert "0195202005 leads to the queue etatyo, which is not configured here" in trouble["what"]


async def test_ways_past_the_announcement_and_codes_for_everybody_are_told(lab: Lab, tmp_path: Path) -> None:
    service = service_beside(lab, tmp_path)
    past = "0195202666 in the context numbers leads into the queue etatyo without the announcement"
    added = (("1", "Queue(etatyo,tx)"), ("2", "MixMonitor(/tmp/other.wav)"))
    for priority, application in added:
        await lab.pbx.cli(f"dialplan add extension 0195202666,{priority},{application} into numbers")
    await lab.pbx.set_global("DYNAMIC_FEATURES", "ari-recorder")
    try:
        told = [(one["level"], one["what"]) for one in await troubles(service)]
    finally:
        await lab.pbx.cli("dialplan remove extension 0195202666@numbers")
        await lab.pbx.set_global("DYNAMIC_FEATURES", "")
    assert [level for level, _ in told] == ["fail", "warn", "warn", "warn"]
    assert told[0][1].startswith(past)
    assert "option x of Queue() lets a key stop" in told[1][1]
    assert "MixMonitor() makes a recording of its own" in told[2][1]
    assert "everybody may have the agents' codes" in told[3][1]
    assert await troubles(service) == []
