"""Run in the network of a host (host.py): the advisers' phones, a caller outside, and one call, flagged as a threat.

    python -m tests.hosts.first_call FOLDER NUMBER

The host's trunk and phones are at WORLD_PORT. Prints, as JSON, who answered and how long they talked.
"""

import asyncio
import json
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import cast

from tests.lab.asterisk import Asterisk, free_port
from tests.lab.lab import Lab, Pbx, agent_tone
from tests.lab.tree import ensure_tree

PBX_PORT, WORLD_PORT = 5060, 5070
PHONES = ("1001", "1002")
CALLER, CALLER_ID = 440, "0401234567"
TALK = 6.0
ANNOUNCED_WITHIN = 60.0


async def call(folder: Path, number: str) -> dict[str, object]:
    world = Asterisk(
        tree=await asyncio.to_thread(ensure_tree),
        name="world",
        folder=folder / "world",
        run=folder / "run",
        system_name="world",
        ami_port=free_port(socket.SOCK_STREAM),
        sip_port=WORLD_PORT,
        lab_secret=secrets.token_hex(16),
    )
    world.configure(shipped=False, pbx_sip_port=str(PBX_PORT))
    lab = Lab(pbx=cast(Pbx, world), world=world)  # the PBX is the host's own: the phones need to know of none
    world.on_event = lab.watch_phones
    await world.start()
    try:
        for phone in PHONES:
            await lab.agent(phone).speaks(agent_tone(phone))
        began = time.monotonic()
        await world.ami.action(
            "Originate",
            Channel=f"PJSIP/{number}@pbx",
            Context="phone",
            Exten="talk",
            Priority="1",
            CallerID=CALLER_ID,
            ChannelId="caller",
            Async="true",
            Timeout="60000",
            variables={"LAB_TONE": str(CALLER)},
        )
        made = await world.ami.wait_event(
            lambda event: event.name == "Newchannel" and event["Uniqueid"] == "caller", what="the caller's phone"
        )
        answered = await asyncio.wait_for(_who_answers(lab), ANNOUNCED_WITHIN)
        await lab.agent(answered).wait_talking()
        announced, talking = time.monotonic() - began, time.monotonic()
        await asyncio.sleep(TALK / 2)
        await lab.agent(answered).press("*91")
        await asyncio.sleep(TALK / 2)
        await world.ami.action("Hangup", Channel=made["Channel"], Cause="16")
        return {"phone": answered, "announced": announced, "talked": time.monotonic() - talking}
    finally:
        await world.stop()


async def _who_answers(lab: Lab) -> str:
    while True:
        for phone in PHONES:
            if lab.agent(phone).channels:
                return phone
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call(Path(sys.argv[1]), sys.argv[2]))))
