"""The people of the lab: callers in the public network and agents at their phones, all played by the Asterisk "world".

A person is heard by a tone of the own. Keys are real RFC 4733 events, hold is a re-INVITE with sendonly, a transfer
is keys or a REFER.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tests.lab.ami_client import AmiClient, LabError, Message
from tests.lab.asterisk import Asterisk

KEY_MS = 100  # how long a key is held; phones send 70 to 160 ms
KEY_GAP = 0.1  # s between two keys: a quick thumb, or a soft key
DIAL_PROMPT = 0.6  # s the PBX needs after a transfer code before it listens for the number


def _dialled(target: str) -> str:
    """The keys for a number. Inside numbers have a known length; # ends one outside, which could always go on."""
    return target if target.startswith("1") or target.startswith("01952") else f"{target}#"


class Surroundings(Protocol):
    """What the people know of the lab."""

    @property
    def pbx(self) -> Asterisk: ...

    @property
    def world(self) -> Asterisk: ...

    def note(self, who: str, what: str) -> None: ...


async def _press(lab: Surroundings, channel: str, keys: str, gap: float) -> None:
    # Asterisk answers PlayDTMF only when the key is up again, so each thumb has a session of its own.
    thumb = await AmiClient.connect(lab.world.ami_port, "lab", lab.world.lab_secret)
    try:
        for index, key in enumerate(keys):
            if index:
                await asyncio.sleep(gap)
            await thumb.action("PlayDTMF", Channel=channel, Digit=key, Duration=str(KEY_MS))
    finally:
        await thumb.close()


def _of(uniqueid: str, *names: str) -> Callable[[Message], bool]:
    return lambda event: event.name in names and event["Uniqueid"] == uniqueid


@dataclass(slots=True, kw_only=True)
class Caller:
    """One call from the public network. `uniqueid` and `channel` are the PBX's own: the ones the product sees."""

    lab: Surroundings
    name: str
    number: str
    tone: int
    phone_channel: str = ""
    uniqueid: str = ""
    channel: str = ""

    async def wait_connected(self, wait: float = 20) -> Message:
        """Until an agent has taken the call and both are in the bridge; the AgentConnect."""
        ami = self.lab.pbx.ami
        connect = await ami.wait_event(
            _of(self.uniqueid, "AgentConnect"), wait=wait, what=f"AgentConnect of {self.name}"
        )
        since = ami.events.index(connect)
        await ami.wait_event(_of(self.uniqueid, "BridgeEnter"), wait=5, since=since, what=f"BridgeEnter of {self.name}")
        return connect

    async def wait_queued(self, wait: float = 40) -> Message:
        return await self.wait("QueueCallerJoin", wait)

    async def wait_ended(self, wait: float = 20) -> Message:
        return await self.wait("Hangup", wait)

    async def wait(self, event: str, wait: float = 20) -> Message:
        """Until the PBX reports this event for the caller's channel."""
        return await self.lab.pbx.ami.wait_event(_of(self.uniqueid, event), wait=wait, what=f"{event} of {self.name}")

    def events(self, *names: str) -> list[Message]:
        """What the PBX has reported so far for the caller's channel."""
        return [event for event in self.lab.pbx.ami.events if _of(self.uniqueid, *names)(event)]

    def user_event(self, name: str) -> Message | None:
        return next((event for event in self.events("UserEvent") if event["UserEvent"] == name), None)

    async def press(self, keys: str, gap: float = KEY_GAP) -> None:
        self.lab.note(self.name, f"presses {keys}")
        await _press(self.lab, self.phone_channel, keys, gap)

    async def hangup(self) -> None:
        self.lab.note(self.name, "hangs up")
        await self.lab.world.ami.action("Hangup", Channel=self.phone_channel, Cause="16")


@dataclass(slots=True, kw_only=True)
class Agent:
    """One phone the PBX can ring: an agent's, an inside colleague's, or one outside, reached through the operator."""

    lab: Surroundings
    number: str
    tone: int
    channels: list[str] = field(default_factory=list)  # at the phone, oldest first

    @property
    def channel(self) -> str:
        if not self.channels:
            raise LabError(f"the phone {self.number} is in no call")
        return self.channels[-1]

    async def _set(self, what: str, value: str) -> None:
        await self.lab.world.set_global(f"LAB_{what}_{self.number}", value)

    async def answers(self, after: float = 0.2) -> None:
        await self._set("MODE", "answers")
        await self._set("AFTER", str(after))

    async def does_not_answer(self) -> None:
        await self._set("MODE", "silent")

    async def busy(self) -> None:
        await self._set("MODE", "busy")

    async def speaks(self, tone: int) -> None:
        """The voice from the next call on."""
        self.tone = tone
        await self._set("TONE", str(tone))

    async def wait_talking(self, wait: float = 10) -> None:
        """Until this phone is off the hook."""
        async with asyncio.timeout(wait):
            while not self.channels:  # noqa: ASYNC110 - the list is changed by events
                await asyncio.sleep(0.02)
        channel = self.channel
        await self.lab.world.ami.wait_event(
            lambda event: event.name == "Newstate" and event["Channel"] == channel and event["ChannelState"] == "6",
            wait=wait,
            what=f"{self.number} to answer",
        )

    async def press(self, keys: str, gap: float = KEY_GAP) -> None:
        self.lab.note(self.number, f"presses {keys}")
        await _press(self.lab, self.channel, keys, gap)

    async def blind_transfer(self, target: str, by: Literal["keys", "refer"] = "keys") -> None:
        self.lab.note(self.number, f"blind transfer to {target} by {by}")
        if by == "refer":
            await self.lab.world.ami.action("Setvar", Channel=self.channel, Variable="LAB_REFER", Value=target)
            await self._go("refer")
            return
        await _press(self.lab, self.channel, "##", KEY_GAP)
        await asyncio.sleep(DIAL_PROMPT)
        await _press(self.lab, self.channel, _dialled(target), KEY_GAP)

    async def attended_transfer(self, target: str, talk: float = 1.0) -> None:
        """*2 and the number; when they answer, talk to them for a while, then hang up, which connects the two."""
        self.lab.note(self.number, f"attended transfer to {target}: consults")
        since = len(self.lab.world.ami.events)
        await _press(self.lab, self.channel, "*2", KEY_GAP)
        await asyncio.sleep(DIAL_PROMPT)
        await _press(self.lab, self.channel, _dialled(target), KEY_GAP)
        await self.lab.world.ami.wait_event(
            lambda event: event.name == "Newstate" and event["Exten"] == "answers" and event["ChannelState"] == "6",
            since=since,
            what=f"{target} to answer the consultation",
        )
        await asyncio.sleep(talk)
        self.lab.note(self.number, f"attended transfer to {target}: hangs up")
        await self.hangup()

    async def hold(self) -> None:
        self.lab.note(self.number, "holds")
        await self._go("hold")

    async def unhold(self) -> None:
        self.lab.note(self.number, "takes back from hold")
        await self._go("talk")

    async def hangup(self) -> None:
        self.lab.note(self.number, "hangs up")
        await self.lab.world.ami.action("Hangup", Channel=self.channel, Cause="16")

    async def _go(self, exten: str) -> None:
        await self.lab.world.ami.action("Redirect", Channel=self.channel, Context="phone", Exten=exten, Priority="1")
