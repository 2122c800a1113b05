"""The lab: a real PBX as shipped, a second Asterisk as the rest of the world, and people who call each other.

    async with start_lab(folder) as lab:
        caller = await lab.call("0195202000", caller_id="0401234567", tone=440)
        await caller.wait_connected()
        await lab.agent("1001").press("*91")
        await caller.hangup()

Everything is on 127.0.0.1, on ports found free; several labs can run at once. Numbers and who answers them are in
conf/pbx/ari_recorder_site.

    callers, outside numbers  <- SIP/RTP ->  pbx (shipped asterisk_conf)  <- SIP/RTP ->  agents' phones
         \\________________________ world, driven by the lab over AMI ____________________/
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.lab.ami_client import Message
from tests.lab.asterisk import SHIPPED_CONF, Asterisk, free_port
from tests.lab.phones import Agent, Caller
from tests.lab.tree import AsteriskTree, ensure_tree

SHIPPED = SHIPPED_CONF / "sounds"  # as a site has them: 8 to 12 s for each language
SHORT = Path(__file__).parent / "sounds"  # about a second for each language
PHONES = [str(number) for number in range(1001, 1021)]
# A crowd has agents of its own, in one queue of its own, which a lab has when it is asked for them.
CROWD_QUEUE = "ruuhka"
CROWD_NUMBER, CROWD_NUMBER_ARMED = "0195202100", "0195202101"  # the second: the dialplan starts every recording
_CROWD_FIRST = 1101
MOST_OF_A_CROWD = 290
COLLEAGUE_WITHOUT_CODES = "1013"  # an inside phone that is no agent's
MUSIC_ON_HOLD = 1850  # Hz; far from the voices people are given
OUTSIDE_TONE = 2000  # Hz; any number outside, unless told otherwise (conf/world/extensions.conf)
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the tmpfs every Linux has; folders in it are made private
MEMORY_PREFIX = "ari-recorder-lab-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something the lab did, by the clock of this machine: what a test compares the product's story with."""

    at: float
    who: str
    what: str


def agent_tone(number: str) -> int:
    """700 Hz for 1001, 100 Hz more for each next: 20 ms of sound tell that apart. 1011 speaks like 1001, and so on."""
    return 700 + 100 * ((int(number) - 1001) % 10)


@dataclass(slots=True, kw_only=True)
class Pbx(Asterisk):
    """The PBX under test, and what the product has to be told about it."""

    spool: Path
    sounds: Path
    secret: str
    ami_secret: str
    ami_user: str = "ari-recorder"

    @property
    def queue_log(self) -> Path:
        return self.log / "queue_log"

    @property
    def cel(self) -> Path:
        return self.log / "cel-custom" / "ari-recorder.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """A PBX as it was before the recorder, and what is done to its files before it is started."""

    templates: str  # its folder of conf/
    values: Mapping[str, str]  # for the templates
    steps: Callable[[Pbx], None]


@dataclass(slots=True, kw_only=True)
class Lab:
    pbx: Pbx
    world: Asterisk
    facts: list[Fact] = field(default_factory=list)
    _agents: dict[str, Agent] = field(default_factory=dict)
    _phones: dict[str, Agent] = field(default_factory=dict)  # by the Uniqueid of the phone's channel

    def note(self, who: str, what: str) -> None:
        self.facts.append(Fact(at=time.time(), who=who, what=what))

    def agent(self, number: str) -> Agent:
        """The phone with this number: an agent, a colleague, or one outside."""
        if number not in self._agents:
            tone = agent_tone(number) if number in PHONES else OUTSIDE_TONE
            self._agents[number] = Agent(lab=self, number=number, tone=tone)
        return self._agents[number]

    async def call(self, number: str, *, caller_id: str = "0401234567", tone: int = 440) -> Caller:
        """Somebody calls this number; returns when the call has reached the PBX, not yet answered."""
        name = f"caller-{secrets.token_hex(4)}"
        caller = Caller(lab=self, name=name, number=number, tone=tone)
        self.note(name, f"calls {number}")
        await self.world.ami.action(
            "Originate",
            Channel=f"PJSIP/{number}@pbx",
            Context="phone",
            Exten="talk",
            Priority="1",
            CallerID=caller_id,
            ChannelId=name,
            Async="true",
            Timeout="60000",
            variables={"LAB_TONE": str(tone), "PJSIP_HEADER(add,X-Lab-Call)": name},
        )
        arrived = await self.pbx.ami.wait_event(
            lambda event: event.name == "VarSet" and event["Variable"] == "LAB_CALL" and event["Value"] == name,
            what=f"{name} at the PBX",
        )
        caller.uniqueid, caller.channel = arrived["Uniqueid"], arrived["Channel"]
        made = await self.world.ami.wait_event(
            lambda event: event.name == "Newchannel" and event["Uniqueid"] == name, what=f"the phone of {name}"
        )
        caller.phone_channel = made["Channel"]
        return caller

    def watch_phones(self, event: Message) -> None:
        """Keep who is in which call at the phones, from the world's own events."""
        uniqueid = event["Uniqueid"]
        if event.name == "Newchannel" and event["Context"] == "from-pbx" and event["Exten"] != "s":  # s: a caller
            agent = self._phones[uniqueid] = self.agent(event["Exten"])
            agent.channels.append(event["Channel"])
            self.note(agent.number, "rings")
        elif uniqueid in self._phones and event.name == "Newstate" and event["ChannelState"] == "6":
            self.note(self._phones[uniqueid].number, "answers")
        elif uniqueid in self._phones and event.name == "Hangup":
            agent = self._phones.pop(uniqueid)
            agent.channels.remove(event["Channel"])
            self.note(agent.number, "on hook")

    async def quiet(self, wait: float = 10) -> None:
        """Until there is no call left at the PBX."""
        async with asyncio.timeout(wait):
            while await self.pbx.channels():  # noqa: ASYNC110 - a question to another process
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def _private_memory(folder: Path) -> Iterator[Path]:
    """A folder in memory, gone at the end. What a killed run left goes first: nobody holds its lock any more."""
    base = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else folder
    for left in base.glob(f"{MEMORY_PREFIX}*"):
        with contextlib.suppress(OSError), (left / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)
    memory = Path(tempfile.mkdtemp(prefix=MEMORY_PREFIX, dir=base))
    with (memory / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield memory
        finally:
            shutil.rmtree(memory)


def _phones_config(world_sip_port: int, crowd: int) -> str:
    lines = []
    for number in [*PHONES, *_crowd_phones(crowd)]:
        template = "" if number == COLLEAGUE_WITHOUT_CODES else "(ari-recorder-agent)"
        lines += [
            f"[{number}]{template}",
            *(["type = endpoint", "disallow = all", "allow = alaw", "direct_media = no"] if not template else []),
            f'transport = lab-udp\ncontext = inside\naors = {number}\ncallerid = "Phone {number}" <{number}>\n',
            f"[{number}]\ntype = aor\ncontact = sip:{number}@127.0.0.1:{world_sip_port}\n",
        ]
    return "\n".join(lines)


def _crowd_phones(crowd: int) -> list[str]:
    return [str(_CROWD_FIRST + n) for n in range(crowd)]


def _crowd_queue(crowd: int) -> str:
    members = [f"member => PJSIP/{number},0,Adviser {number}" for number in _crowd_phones(crowd)]
    # Strategy: by default all who are free would be rung.
    return "\n".join([f"[{CROWD_QUEUE}](ari-recorder-queue)", "strategy = rrmemory", *members]) if members else ""


def _crowd_numbers(crowd: int) -> str:
    enter = f"Gosub(ari-recorder-enter,s,1({CROWD_QUEUE},en,%s))"
    lines = [
        f"exten => {CROWD_NUMBER},1,{enter % CROWD_NUMBER}",
        " same => n,Hangup()",
        f"exten => {CROWD_NUMBER_ARMED},1,Set(ARI_RECORDER_START=dialplan)",
        f" same => n,{enter % CROWD_NUMBER_ARMED}",
        " same => n,Hangup()",
    ]
    return "\n".join(lines) if crowd else ""


def _write_music(folder: Path) -> None:
    seconds, rate = 10, 8000
    wave_form = 8000 * np.sin(2 * np.pi * MUSIC_ON_HOLD * np.arange(seconds * rate) / rate)
    with wave.open(str(folder / "music.wav"), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(wave_form.astype("<i2").tobytes())


@contextlib.asynccontextmanager
async def start_lab(
    folder: Path,
    *,
    sounds: Path = SHORT,
    start: str = "ami",
    system_name: str = "",
    tree: AsteriskTree | None = None,
    crowd: int = 0,
    cel: bool = False,
    install: Install | None = None,
) -> AsyncIterator[Lab]:
    """A running lab. `folder` gets the configuration and the logs, which stay.

    `start` is ARI_RECORDER_START of the dialplan. `sounds` is copied, so that a test may spoil the copy, which is
    `lab.pbx.sounds`. `crowd`: so many more agents, who are in the queue CROWD_QUEUE (tests/faults/crowd.py).
    `cel`: the PBX writes its channel event log too, which is optional. `install`: another site than the lab's own.
    """
    assert crowd <= MOST_OF_A_CROWD
    if tree is None:
        tree = await asyncio.to_thread(ensure_tree)
    with _private_memory(folder) as memory:
        spool, own_sounds = memory / "spool", folder / "sounds"
        spool.mkdir(mode=0o770)
        await asyncio.to_thread(shutil.copytree, sounds, own_sounds, dirs_exist_ok=True)
        ports = [free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)]
        world = Asterisk(
            tree=tree,
            name="world",
            folder=folder / "world",
            run=memory / "world",
            system_name="world",
            ami_port=free_port(socket.SOCK_STREAM),
            sip_port=ports[0],
            lab_secret=secrets.token_hex(16),
        )
        pbx = Pbx(
            tree=tree,
            name="pbx",
            folder=folder / "pbx",
            run=memory / "pbx",
            system_name=system_name or f"lab{secrets.token_hex(3)}",
            ami_port=free_port(socket.SOCK_STREAM),
            sip_port=ports[1],
            lab_secret=secrets.token_hex(16),
            spool=spool,
            sounds=own_sounds,
            secret=secrets.token_hex(32),
            ami_secret=secrets.token_hex(16),
            templates=install.templates if install else "",
        )
        world.configure(shipped=False, pbx_sip_port=str(pbx.sip_port))
        pbx.configure(
            shipped=True,
            secret=pbx.secret,
            ami_secret=pbx.ami_secret,
            spool=str(spool),
            sounds=str(own_sounds),
            start=start,
            world_sip_port=str(world.sip_port),
            phones=_phones_config(world.sip_port, crowd),
            crowd_queue=_crowd_queue(crowd),
            crowd_numbers=_crowd_numbers(crowd),
            cel="#include cel_ari_recorder.conf" if cel else "",
            cel_modules="load = res_cdrel_custom.so\nload = cel_custom.so" if cel else "",
            **(install.values if install else {}),
        )
        if install:
            install.steps(pbx)
        pbx.cel.parent.mkdir(exist_ok=True)
        _write_music(pbx.folder / "moh")
        _write_music(world.folder / "moh")
        lab = Lab(pbx=pbx, world=world)
        world.on_event = lab.watch_phones
        try:
            await asyncio.gather(world.start(), pbx.start())
            for number in PHONES:
                await lab.agent(number).speaks(agent_tone(number))
            yield lab
        finally:
            await asyncio.gather(pbx.stop(), world.stop())
