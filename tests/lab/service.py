"""The product's own service beside the lab's PBX: its configuration, process and commands. For tests and the demo."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.lab.lab import Lab
from tests.site import APPROVED, CALLED, CONTROLLER

RECORDED = ("asiakaspalvelu", "tekniikka", "paivystys", "hiljainen", "hidas", "etatyo")
# As its unit has it (docs/operations.md).
AFTER_THE_PBX = ("nice", "-n", "5")
SERVICE = [sys.executable, "-m", "ari_recorder"]


def _as_installed() -> dict[str, str]:
    """An installed service is compiled: it does not read its source anew at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(slots=True)
class Service:
    """One installation: `folder` holds its configuration, state and log."""

    lab: Lab
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    web_port: int = 0
    monitor_port: int = 0
    process: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        return self.folder / "ari-recorder.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def address(self) -> str:
        """Where its page is, when it was given a port."""
        return f"https://localhost:{self.web_port}"

    @property
    def log(self) -> Path:
        return self.folder / "log" / "service.log"

    def configure(self, queues: tuple[str, ...] = RECORDED) -> None:
        for folder in (self.folder, self.state, self.log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pbx = self.lab.pbx
        for name, secret in (("ami", pbx.ami_secret), ("dialplan", pbx.secret)):
            path = self.folder / f"{name}.secret"
            path.write_text(secret + "\n")
            path.chmod(0o600)
        sections = [
            "[pbx]",
            f"port = {self.settings.get('port', pbx.ami_port)}",
            f'username = "{pbx.ami_user}"',
            f'secret_file = "{self.folder}/ami.secret"',
            f'dialplan_secret_file = "{self.folder}/dialplan.secret"',
            f'spool = "{pbx.spool}"',
            f'sounds = "{pbx.sounds}"',
            f'queue_log = "{pbx.queue_log}"',
            f'config = "{pbx.folder / "etc"}"',
            'outside = ["PJSIP/operator-"]',
            *(f"{key} = {value}" for key, value in self.settings.items() if "." not in key and key != "port"),
            "[capture]",
            "heartbeat_seconds = 1",
            *self._of("capture"),
            "[accounts]",
            *self._of("accounts"),
            "[host]",
            *self._of("host"),
            "[database]",
            *self._of("database"),
            "[storage]",
            f'state = "{self.state}"',
            *self._of("storage"),
            "[monitor]",
            f"port = {self.monitor_port}",
            "[web]",
            f"port = {self.web_port}",
            "[log]",
            f'file = "{self.log}"',
            CONTROLLER,
            *(f'[[queues]]\nname = "{queue}"\nretention = "P3M"\n{APPROVED}{CALLED}' for queue in queues),
        ]
        self.config.write_text("\n".join(sections) + "\n")

    def _of(self, section: str) -> list[str]:
        return [
            f"{name} = {value}"
            for key, value in self.settings.items()
            for of, _, name in (key.partition("."),)
            if name and of == section
        ]

    async def start(self, ready_within: float = 20) -> None:
        """Until the dialplan has been told that the service is there."""
        before = await self.heartbeat()
        process = await self.spawn()
        async with asyncio.timeout(ready_within):
            while not await self.beats_since(before):
                if process.returncode is not None:
                    raise RuntimeError(f"the service ended: {(self.folder / 'stderr.txt').read_text()}")
                await asyncio.sleep(0.2)

    async def spawn(self) -> asyncio.subprocess.Process:
        with (self.folder / "stderr.txt").open("ab") as stderr:
            self.process = await asyncio.create_subprocess_exec(
                *AFTER_THE_PBX, *SERVICE, "run", "--config", str(self.config), stderr=stderr, env=_as_installed()
            )
        return self.process

    async def waiting_calls(self) -> float:
        """Calls that are over, and that the database has not got yet. It wants a `monitor_port`."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{self.monitor_port}/metrics") as response,
        ):
            lines = (await response.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("ari_recorder_store_waiting_calls "))

    async def heartbeat(self) -> str:
        return await self.lab.pbx.get_global("ARI_RECORDER_HEARTBEAT")

    async def beats_since(self, before: str) -> bool:
        """It is there again. "0" says that it looks for what it missed."""
        return await self.heartbeat() not in (before, "0")

    async def stop(self) -> None:
        """As systemd would: SIGTERM, and it ends by itself."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            code = await asyncio.wait_for(self.process.wait(), 30)
            assert code == 0, f"the service ended with {code}: {(self.folder / 'stderr.txt').read_text()}"
        self.process = None

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = None

    async def command(self, *words: str, code: int = 0, or_code: int | None = None) -> Any:
        """A command's JSON."""
        process = await asyncio.create_subprocess_exec(
            *SERVICE,
            *words,
            "--config",
            str(self.config),
            "--json",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
        )
        out, err = await process.communicate()
        assert process.returncode in (code, or_code), f"{words}: {process.returncode}\n{out.decode()}\n{err.decode()}"
        return json.loads(out)

    async def recordings(self) -> list[dict[str, Any]]:
        """Those that can be heard, the newest first."""
        return [line for line in await self.command("recordings", "list") if line["state"] == "sealed"]

    async def export(self, recording_id: str) -> Path:
        target = self.folder / "exported" / f"{recording_id}.wav"
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        await self.command("recordings", "export", recording_id, str(target))
        return target

    async def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.command("ledger")
        return found

    async def settled(self, uniqueids: list[str], within: float = 15) -> dict[str, dict[str, Any]]:
        """Until the ledger has the last word on these calls; their rows by Uniqueid."""
        async with asyncio.timeout(within):
            while True:
                # 3: some other call is unexplained, of a test that had no service.
                ledger = await self.command("ledger", or_code=3)
                rows = {row["uniqueid"]: row for row in ledger["calls"]}
                wanted = {
                    key: rows[key] for key in uniqueids if key in rows and rows[key]["verdict"]["state"] != "pending"
                }
                if len(wanted) == len(uniqueids):
                    return wanted
                await asyncio.sleep(0.5)


@asynccontextmanager
async def installed_service(
    lab: Lab,
    folder: Path,
    queues: tuple[str, ...] = RECORDED,
    web_port: int = 0,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Service]:
    """Configured and not started. Nothing of it runs any more afterwards, however that was."""
    service = Service(lab, folder, settings or {}, web_port)
    service.configure(queues)
    try:
        yield service
    finally:
        if service.process is not None and service.process.returncode is None:
            service.process.kill()
            await service.process.wait()


@asynccontextmanager
async def running_service(lab: Lab, folder: Path, *, web_port: int = 0, **settings: str) -> AsyncIterator[Service]:
    async with installed_service(lab, folder, RECORDED, web_port, settings) as service:
        await service.start()
        yield service
        await service.stop()
