"""One Asterisk process of the lab: its folder, ports, configuration, life and death. Its use is in lab.py."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.ami_client import AmiClient, LabError, Message
from tests.lab.tree import AsteriskTree

CONF = Path(__file__).parent / "conf"
SHIPPED_CONF = Path(__file__).parents[2] / "asterisk_conf"
LAB_USER = "lab"
RTP_PORTS = 1200  # two legs of two ports for each call at each of the two; more than a machine of two cores can carry
STARTED_WITHIN = 30.0  # s; it takes about 2, but a machine that compiles something at the same time is slow


def free_port(kind: socket.SocketKind) -> int:
    """A port nobody holds, below the range the kernel hands out itself, so that no client's port takes it meanwhile."""
    for _ in range(200):
        port = random.randrange(10_000, 30_000)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise LabError("no free port on 127.0.0.1 between 10000 and 30000")


@dataclass(slots=True, kw_only=True)
class Asterisk:
    """A private Asterisk. `ami` is the lab's own session, which sees every event and is opened anew at each start."""

    tree: AsteriskTree
    name: str
    folder: Path  # configuration and logs, kept after the run
    run: Path  # control socket; a short path, in memory
    system_name: str
    ami_port: int
    sip_port: int
    lab_secret: str
    templates: str = ""  # the folder of conf/ when it is not that of its name
    on_event: Callable[[Message], None] | None = None
    ami: AmiClient = field(init=False)
    _process: subprocess.Popen[bytes] | None = None
    _ended: int = 0

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def configure(self, shipped: bool, **values: str) -> None:
        """Write the configuration: the templates of conf/<templates>, and beside them the shipped files."""
        etc = self.folder / "etc"
        rtp_start = random.randrange(30_000, 50_000, 2)
        values |= {
            "etc": str(etc),
            "modules": str(self.tree.modules),
            "share": str(self.tree.share),
            "folder": str(self.folder),
            "run": str(self.run),
            "log": str(self.log),
            "system_name": self.system_name,
            "ami_port": str(self.ami_port),
            "sip_port": str(self.sip_port),
            "lab_secret": self.lab_secret,
            "rtp_start": str(rtp_start),
            "rtp_end": str(rtp_start + RTP_PORTS),
        }
        for made in (etc, self.log, self.run, self.folder / "moh", self.folder / "keys"):
            made.mkdir(parents=True, exist_ok=True)
        own = CONF / (self.templates or self.name)
        for template in [*CONF.glob("*.conf"), *own.rglob("*.conf")]:
            base = CONF if template.parent == CONF else own
            target = etc / template.relative_to(base)
            target.parent.mkdir(exist_ok=True)
            target.write_text(string.Template(template.read_text()).substitute(values))
        if shipped:
            for file in SHIPPED_CONF.glob("*.conf"):
                shutil.copyfile(file, etc / file.name)

    async def start(self) -> None:
        """Start the process and wait until it has booted."""
        if self._process:
            raise LabError(f"{self.name} runs already")
        # A Uniqueid is the second and a counter from 0. Only a lab's PBX is quick enough to give one out twice.
        await asyncio.sleep(max(0.0, self._ended + 1 - time.time()))
        command = [*self.tree.command, "-f", "-C", str(self.folder / "etc" / "asterisk.conf")]
        with (self.log / "console").open("ab") as console:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - a fork, milliseconds; asyncio's would be tied to one loop
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # a Ctrl-C in the terminal is for the test, which then stops us in order
            )
        deadline = time.monotonic() + STARTED_WITHIN
        while True:
            try:
                self.ami = await AmiClient.connect(self.ami_port, LAB_USER, self.lab_secret, self.on_event)
                break
            except (OSError, LabError, TimeoutError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise LabError(f"{self.name} did not start: see {self.log}") from error
                await asyncio.sleep(0.05)
        await self.ami.wait_event(lambda event: event.name == "FullyBooted", wait=STARTED_WITHIN, what="FullyBooted")
        while not await self._takes_commands():  # on a busy host it has booted, and still refuses the first
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} takes no commands: see {self.log}")
            await asyncio.sleep(0.05)
        if f"127.0.0.1:{self.sip_port}" not in await self.cli("pjsip show transports"):
            await self.stop()
            raise LabError(f"{self.name} could not have the port {self.sip_port}")

    async def _takes_commands(self) -> bool:
        try:
            return "Asterisk" in await self.cli("core show version")
        except LabError:
            return False

    async def stop(self) -> None:
        """Stop as an operator would: SIGTERM, all calls hung up, files closed."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Stop as a power cut would."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if not process:
            return
        process.send_signal(how)
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        self._ended = int(time.time())
        if hasattr(self, "ami"):
            await self.ami.close()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LabError(f"{self.name} does not run")
        return self._process.pid

    async def cli(self, command: str) -> str:
        """What the Asterisk console would print."""
        return (await self.ami.action("Command", Command=command))["Output"]

    async def get_global(self, name: str) -> str:
        return (await self.ami.action("Getvar", Variable=name))["Value"]

    async def set_global(self, name: str, value: str) -> None:
        await self.ami.action("Setvar", Variable=name, Value=value)

    async def channels(self) -> list[str]:
        """The names of all channels there are."""
        lines = (await self.cli("core show channels concise")).splitlines()
        return [line.split("!")[0] for line in lines if "!" in line]
