"""Many callers at once, and what the lab itself knows of each: whom it called, who answered, when it was over.

    async with Crowd(lab, seed=7) as crowd:
        await crowd.keep(20, talk=(1.0, 8.0))       until cancelled: 20 at a time, a new one for each that ends
        await crowd.come(5.0, seconds=60, …)        five a second

A caller is told apart by a pair of tones, a second voice by no other; by a number of the own, which the agent's phone
shows; and by a name. All is heard at the world, from Asterisk as the phones have it: the PBX is not asked, and neither
is the service. What the PBX called the call is in its queue_log, by the caller's number.
"""

import asyncio
import contextlib
import itertools
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.ami_client import AmiClient, LabError, Message
from tests.lab.asterisk import LAB_USER
from tests.lab.lab import CROWD_NUMBER, Lab

# Heard through A-law at 8000 Hz, 100 Hz apart; 1850 is the music, 2000 whoever has no other tone (the agents).
TONES = tuple(hertz for hertz in range(400, 3401, 100) if hertz not in (1800, 1900, 2000))
PAIRS = tuple(itertools.combinations(TONES, 2))
ANSWERED_WITHIN = 60.0


@dataclass(slots=True, kw_only=True)
class Fact:
    """One call as the lab knows it; times by this machine's clock, None when it did not come to that."""

    name: str
    caller_id: str
    number: str
    tones: tuple[int, int]
    begun: float
    agent: str = ""
    connected: float | None = None
    ended: float | None = None
    uniqueid: str = ""  # the PBX's; filled in by `name_calls`

    @property
    def talk(self) -> float:
        return self.ended - self.connected if self.ended is not None and self.connected is not None else 0.0

    def __str__(self) -> str:
        talked = f"{self.agent} for {self.talk:.2f} s" if self.connected else "nobody"
        return f"{self.name} ({self.uniqueid or 'no Uniqueid'}, {self.number}) talked to {talked}"


@dataclass(slots=True)
class _Call:
    fact: Fact
    channel: str = ""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Crowd:
    def __init__(self, lab: Lab, seed: int) -> None:
        self._lab = lab
        self._rng = random.Random(f"{seed} crowd")
        self._numbers = itertools.count(1)
        self._calls: dict[str, _Call] = {}  # under way, by the name: the world's Uniqueid of the caller's phone
        self._by_caller_id: dict[str, _Call] = {}
        self._phones: dict[str, _Call] = {}  # agents' phones in a call, by their Uniqueid
        self.facts: list[Fact] = []
        self.most = 0  # conversations at the same time

    async def __aenter__(self) -> Self:
        await self.quieten()
        world = self._lab.world
        self._ami = await AmiClient.connect(
            world.ami_port, LAB_USER, world.lab_secret, self._heard, keep=False, classes="call"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._ami.close()

    async def quieten(self) -> None:
        """The lab's own sessions keep every event, which a crowd would make a million. Again after a restart."""
        for asterisk in (self._lab.pbx, self._lab.world):
            await asterisk.ami.action("Events", EventMask="off")
            asterisk.ami.events.clear()

    @property
    def talking(self) -> int:
        return sum(call.connected.is_set() for call in self._calls.values())

    @property
    def there(self) -> int:
        return len(self._calls)

    async def keep(self, at_once: int, talk: tuple[float, float], numbers: tuple[str, ...] = (CROWD_NUMBER,)) -> None:
        """So many callers at a time, until it is cancelled; those who are there then talk to their end."""
        slots = asyncio.Semaphore(at_once)
        tasks: set[asyncio.Task[Fact]] = set()
        try:
            while True:
                await slots.acquire()
                task = asyncio.create_task(self._one(self._rng.choice(numbers), self._rng.uniform(*talk)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: slots.release())
                await asyncio.sleep(self._rng.uniform(0.02, 0.1))  # not all in the same moment
        finally:
            await asyncio.gather(*tasks)

    async def come(
        self, a_second: float, seconds: float, talk: tuple[float, float], numbers: tuple[str, ...] = (CROWD_NUMBER,)
    ) -> None:
        """Callers one after the other, so many a second, until the last of them has hung up."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for n in range(round(a_second * seconds)):
                await asyncio.sleep(max(0.0, began + n / a_second - time.monotonic()))
                group.create_task(self._one(self._rng.choice(numbers), self._rng.uniform(*talk)))

    async def call(self, talk: float, number: str = CROWD_NUMBER) -> Fact:
        """One call from the first ring to its end."""
        return await self._one(number, talk)

    async def _one(self, number: str, talk: float) -> Fact:
        n = next(self._numbers)
        # Neighbours in time are far apart: 325 pairs come before one comes again.
        pair = PAIRS[n * 89 % len(PAIRS)]
        fact = Fact(name=f"crowd-{n}", caller_id=f"0402{n:06}", number=number, tones=pair, begun=time.time())
        call = self._calls[fact.name] = self._by_caller_id[fact.caller_id] = _Call(fact)
        self.facts.append(fact)
        try:
            await self._ami.action(
                "Originate",
                Channel=f"PJSIP/{number}@pbx",
                Context="phone",
                Exten="talk",
                Priority="1",
                CallerID=fact.caller_id,
                ChannelId=fact.name,
                Async="true",
                Timeout="60000",
                variables={"LAB_TONE": f"{pair[0]}+{pair[1]}"},
                wait=30,
            )
            await _first_of(call.connected, call.ended, within=ANSWERED_WITHIN)
            if call.connected.is_set():
                await _first_of(call.ended, within=talk)
            if not call.ended.is_set():
                with contextlib.suppress(LabError):  # it ended in this moment
                    await self._ami.action("Hangup", Channel=call.channel, Cause="16", wait=30)
            async with asyncio.timeout(30):
                await call.ended.wait()
        finally:
            self._calls.pop(fact.name, None)
            self._by_caller_id.pop(fact.caller_id, None)
        return fact

    def _heard(self, event: Message) -> None:
        uniqueid = event["Uniqueid"]
        if event.name == "Newchannel":
            if uniqueid in self._calls:
                self._calls[uniqueid].channel = event["Channel"]
            elif event["Context"] == "from-pbx" and (call := self._by_caller_id.get(event["CallerIDNum"])) is not None:
                self._phones[uniqueid] = call
                call.fact.agent = event["Exten"]
        elif event.name == "Newstate" and event["ChannelState"] == "6" and uniqueid in self._phones:
            call = self._phones[uniqueid]
            call.fact.connected = call.fact.connected or event.received
            call.connected.set()
            self.most = max(self.most, self.talking)
        elif event.name == "Hangup":
            if (at_phone := self._phones.pop(uniqueid, None)) is not None and at_phone.fact.connected:
                at_phone.fact.ended = at_phone.fact.ended or event.received
            if (call_over := self._calls.get(uniqueid)) is not None:
                call_over.fact.ended = call_over.fact.ended or event.received
                call_over.ended.set()


async def _first_of(*events: asyncio.Event, within: float) -> None:
    """Until one of them is set, or the time is over."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def name_calls(facts: list[Fact], queue_log: Path) -> None:
    """The PBX's Uniqueid of each call that came to the queue."""
    by_caller_id = {fact.caller_id: fact for fact in facts}
    for line in queue_log.read_text().splitlines():
        fields = line.split("|")
        if len(fields) > 6 and fields[4] == "ENTERQUEUE" and fields[6] in by_caller_id:
            by_caller_id[fields[6]].uniqueid = fields[1]
