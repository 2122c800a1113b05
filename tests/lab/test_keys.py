"""A keyring that is locked, beside a real PBX: calls are recorded and sealed, nobody listens until it is unlocked."""

import asyncio
import json
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.services import key_admin
from ari_recorder.vault.stream import HEADER_BYTES
from tests.lab.lab import start_lab
from tests.lab.service import Service
from tests.site import write_secret

pytestmark = [pytest.mark.pbx, pytest.mark.asyncio(loop_scope="session")]

PASSPHRASE = "correct horse battery staple"


async def test_locked_it_records_and_seals_and_what_a_kill_cut_in_two_waits_for_the_passphrase(tmp_path: Path) -> None:
    """Of a call that was killed in two, the first half is sealed in a part, which nobody opens without the root key."""
    async with start_lab(tmp_path / "lab") as lab:
        service = Service(lab, tmp_path / "service")
        service.configure()
        key_admin.make(config.load(service.config), PASSPHRASE, despite_recordings=False)
        passphrase = write_secret(tmp_path / "passphrase", PASSPHRASE)
        given = ("--passphrase-file", str(passphrase))
        await service.start()
        try:
            caller = await lab.call("0195202000", tone=440)
            await caller.wait_connected(40)
            await asyncio.sleep(2)
            await caller.hangup()
            assert (await verdict(service, caller.uniqueid)) == "recorded"
            (line,) = await service.recordings()
            show = ("recordings", "show", line["id"], "--with-caller")
            assert (await service.command(*show, code=1))["error"]["code"] == "passphrase_needed"
            assert (await service.command(*show, *given))["caller"]["num"]

            caller = await lab.call("0195202000", tone=440)
            await caller.wait_connected(40)
            await sealed_in_part(service)
            await service.kill()
            await service.start()
            await asyncio.sleep(3)
            await caller.hangup()
            assert (await service.command("keys", "status"))["service_locked"] is True
            assert len(await service.recordings()) == 1
            assert (await service.command("keys", "unlock", *given)) == {"locked": False}
            assert (await verdict(service, caller.uniqueid)) == "recorded"
            newest, _ = await service.recordings()
            shown = await service.command("recordings", "show", newest["id"], "--with-caller", *given)
            assert shown["caller"]["num"], "the caller's number was lost with the restart"
            target = tmp_path / "call.wav"
            await service.command("recordings", "export", newest["id"], str(target), *given)
            assert size(target) > 5 * 32_000
            locked = [line for line in logged(service) if line.get("alarm") == "keyring-locked"]
            assert len(locked) == 2, "once for each start"
            await service.stop()
        finally:
            if service.process is not None:
                await service.kill()


async def sealed_in_part(service: Service) -> None:
    """Until a chunk of the call is in a part, and no more in the spool: MixMonitor writes every 2 s."""
    async with asyncio.timeout(10):
        while not any(  # noqa: ASYNC110 - the folder is all there is to see
            part.stat().st_size > HEADER_BYTES for part in (service.state / "vault" / ".parts").glob("*.part")
        ):
            await asyncio.sleep(0.1)


async def verdict(service: Service, uniqueid: str) -> object:
    return (await service.settled([uniqueid], within=60))[uniqueid]["verdict"]["state"]


def logged(service: Service) -> list[dict[str, object]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def size(path: Path) -> int:
    return path.stat().st_size
