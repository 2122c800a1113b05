"""AMI events per second over loopback TCP: our session, other clients as they come, and a bare parser.

Each variant does the same with the same stream: the 15 % of events that concern a queue become typed events
(asterisk/messages.py), which are either only delivered to a consumer that counts them, or decided upon: fed to the
switchboard. Each of them begins a call of its own, so deciding costs here as much as it ever can, the same for all.
The variants differ in what lies between the socket and the consumer:

    session   AmiSession: frames, refusals, ordered bounded stream, one consumer
    stock     panoramisk 1.4 as it comes: pattern "*", a synchronous callback
    pyami     pyami-asterisk: asyncio, pattern "*", a synchronous callback
    threads   asterisk-ami: a thread that reads, an event listener
    bare      split at the blank line, look at the name, split the headers of what is of interest; no check whatever

The sender is a process of its own; each measurement is a fresh process, and all take turns in an order made anew each
round. Deciding with a bare parser is the fastest anybody could be.
"""

import asyncio
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.asterisk.messages import WANTED, Reader
from ari_recorder.domain.calls import Policy
from ari_recorder.domain.events import Event, Language
from ari_recorder.domain.evidence import Sound
from ari_recorder.domain.switchboard import Switchboard
from benchmarks import stream
from benchmarks.figures import Figure, Goal, middle

EVENTS = 60_000
ROUNDS = 5
TOKEN_SECRET = "ab" * 32
ANSWERS = {
    "Login": b"Message: Authentication accepted\r\n\r\nEvent: FullyBooted\r\nPrivilege: system,all\r\n",
    "CoreStatus": b"CoreStartupDate: 2024-08-04\r\nCoreStartupTime: 12:00:00\r\n",
    "CoreSettings": b"AsteriskVersion: 22.10.1\r\nSystemName: bench\r\n",
    "Status": b"EventList: start\r\n\r\n"
    b"Event: StatusComplete\r\nActionID: %b\r\nEventList: Complete\r\nListItems: 0\r\n",
    "Setvar": b"",
}


# --- the sender


def serve() -> None:
    """Print the port; then to each connection: answer, and after Setvar send the stream."""
    wire = stream.make(EVENTS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, wire), daemon=True).start()


def _answer(connection: socket.socket, wire: bytes) -> None:
    with connection, connection.makefile("rb") as lines:
        connection.sendall(b"Asterisk Call Manager/11.0.0\r\n")
        action: dict[str, bytes] = {}
        for line in lines:
            name, _, value = line.rstrip().partition(b": ")
            if name:
                action[name.decode()] = value
                continue
            name_of, identity = action.get("Action", b"").decode(), action.get("ActionID", b"")
            body = ANSWERS.get(name_of, b"").replace(b"%b", identity)
            connection.sendall(b"Response: Success\r\nActionID: " + identity + b"\r\n" + body + b"\r\n")
            if name_of == "Setvar":
                connection.sendall(wire)
            action = {}


# --- the variants


class Consumer:
    """What every variant does with an event in the end. `done` when the last one came."""

    def __init__(self, *, decides: bool) -> None:
        self._decides = decides
        sound = Sound(language=Language.FI, sha256="00" * 32, duration=timedelta(seconds=3))
        ids = random.Random(1)
        self.switchboard = Switchboard(
            policy=Policy(queues=frozenset({stream.QUEUE}), sounds={Language.FI: sound}),
            secret=TOKEN_SECRET,
            system_name="bench",
            new_id=lambda: UUID(int=ids.getrandbits(128)),
        )
        self.taken = 0
        self.done = asyncio.Event()
        self.tell: Callable[[], object] = self.done.set

    def feed(self, event: Event) -> None:
        if self._decides:
            self.switchboard.feed(event)
        self.taken += 1
        if getattr(event, "uniqueid", "") == stream.END_UNIQUEID:
            self.tell()


async def timed(consumer: Consumer, go: Callable[[], Awaitable[Any] | None]) -> tuple[float, float]:
    """Wall and processor seconds from `go` to the last event."""
    began, cpu = time.perf_counter(), time.process_time()
    waiting = go()
    async with asyncio.timeout(60):
        await consumer.done.wait()
    took = time.perf_counter() - began, time.process_time() - cpu
    if waiting is not None:
        await waiting
    return took


async def session(port: int, consumer: Consumer) -> tuple[float, float]:
    ami = AmiSession(host="127.0.0.1", port=port, username="bench", secret="bench", token_secret=TOKEN_SECRET)
    run = asyncio.create_task(ami.run())

    async def consume() -> None:
        async for event in ami.events():
            consumer.feed(event)

    consuming = asyncio.create_task(consume())
    await ami.wait_live(10)
    took = await timed(consumer, lambda: asyncio.create_task(ami.set_global("GO", "1")))
    assert ami.health().counters.gaps == 0
    await ami.aclose()
    await asyncio.gather(run, consuming)
    return took


async def stock(port: int, consumer: Consumer) -> tuple[float, float]:
    from panoramisk.manager import Manager

    reader = Reader(TOKEN_SECRET)

    def callback(_: object, message: Any) -> None:
        if message["event"] in WANTED and (event := reader.read(message)) is not None:
            consumer.feed(event)

    manager = Manager(host="127.0.0.1", port=port, username="bench", secret="bench")
    manager.loop = asyncio.get_running_loop()
    manager.register_event("*", callback)
    manager.connect()
    while not manager.authenticated:  # noqa: ASYNC110  (the library tells nobody)
        await asyncio.sleep(0.01)
    took = await timed(consumer, lambda: manager.send_action({"Action": "Setvar", "Variable": "GO", "Value": "1"}))
    manager.close()
    return took


async def pyami(port: int, consumer: Consumer) -> tuple[float, float]:
    from pyami_asterisk import AMIClient

    reader = Reader(TOKEN_SECRET)

    def callback(message: dict[str, str]) -> None:
        if message.get("Event") in WANTED and (event := reader.read(message)) is not None:
            consumer.feed(event)

    manager = AMIClient(host="127.0.0.1", port=port, username="bench", secret="bench", ping_delay=0)
    manager.register_event(["*"], callback)
    running = asyncio.create_task(manager.connect_ami())
    while not manager._authenticated:  # noqa: ASYNC110  (the library tells nobody)
        await asyncio.sleep(0.01)
    go = {"Action": "Setvar", "Variable": "GO", "Value": "1"}
    took = await timed(consumer, lambda: asyncio.create_task(manager._send_action(go)))
    running.cancel()
    return took


async def threads(port: int, consumer: Consumer) -> tuple[float, float]:
    from asterisk.ami import AMIClient, SimpleAction

    reader, loop, done = Reader(TOKEN_SECRET), asyncio.get_running_loop(), consumer.done
    consumer.tell = lambda: loop.call_soon_threadsafe(done.set)

    def listener(event: Any, **_: object) -> None:
        if event.name in WANTED and (typed := reader.read(event.keys)) is not None:
            consumer.feed(typed)

    manager = AMIClient(address="127.0.0.1", port=port)
    manager.add_event_listener(listener)
    await asyncio.to_thread(lambda: manager.login(username="bench", secret="bench").response)

    def go() -> None:
        manager.send_action(SimpleAction("Setvar", Variable="GO", Value="1"))

    took = await timed(consumer, go)
    manager.finished.set()
    return took


class Bare(asyncio.Protocol):
    """The least a parser can do."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer, self._reader, self._rest = consumer, Reader(TOKEN_SECRET), b""
        self._wanted = frozenset(name.encode() for name in WANTED)

    def data_received(self, data: bytes) -> None:
        frames = (self._rest + data).split(b"\r\n\r\n")
        self._rest = frames.pop()
        for frame in frames:
            if frame[7 : frame.find(b"\r\n")] in self._wanted:
                headers = dict([line.split(": ", 1) for line in frame.decode().split("\r\n")])
                event = self._reader.read(headers)
                if event is not None:
                    self._consumer.feed(event)


async def bare(port: int, consumer: Consumer) -> tuple[float, float]:
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: Bare(consumer), "127.0.0.1", port)

    def go() -> None:
        transport.write(b"Action: Setvar\r\nActionID: 1\r\n\r\n")

    took = await timed(consumer, go)
    transport.close()
    return took


VARIANTS = {"session": session, "stock": stock, "pyami": pyami, "threads": threads, "bare": bare}


def client(variant: str, mode: str, port: int) -> None:
    async def measure() -> None:
        consumer = Consumer(decides=mode == "decided")
        wall, cpu = await VARIANTS[variant](port, consumer)
        print(json.dumps({"wall": wall, "cpu": cpu, "typed_events": consumer.taken}))

    asyncio.run(measure())


# --- the figure


MODES = ("delivered", "decided")
GOALS = {
    ("stock", "decided"): 8.0,
    ("bare", "decided"): 0.6,
    ("pyami", "decided"): None,
    ("threads", "decided"): None,
    # What is demanded is decided; these show which part of it is the way to the consumer.
    ("stock", "delivered"): None,
    ("bare", "delivered"): None,
}


def measure() -> list[Figure]:
    """Every variant in every mode, ROUNDS times."""
    sender = subprocess.Popen([sys.executable, "-m", "benchmarks.ami", "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert sender.stdout is not None
        port = sender.stdout.readline().strip()
        which = [(variant, mode) for variant in VARIANTS for mode in MODES]
        taken: dict[tuple[str, str], list[dict[str, float]]] = {one: [] for one in which}
        order = random.Random(stream.SEED)
        for _ in range(ROUNDS):
            for one in order.sample(which, len(which)):
                command = [sys.executable, "-m", "benchmarks.ami", *one, port]
                done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=90)
                taken[one].append(json.loads(done.stdout.splitlines()[-1]))
    finally:
        sender.terminate()
        sender.wait()
    rates = {one: [EVENTS / run["wall"] for run in runs] for one, runs in taken.items()}
    figures = []
    for (peer, mode), least in GOALS.items():
        details = {
            variant: {
                "events_per_s": round(middle(rates[variant, mode])),
                "least": round(min(rates[variant, mode])),
                "most": round(max(rates[variant, mode])),
                "cpu_us_per_event": round(middle([run["cpu"] for run in taken[variant, mode]]) / EVENTS * 1e6, 2),
                "typed_events": taken[variant, mode][0]["typed_events"],
            }
            for variant in ("session", peer)
        }
        figures.append(
            Figure(
                name=f"AMI events parsed and {mode} per second, against {peer}",
                ratio=middle(rates["session", mode]) / middle(rates[peer, mode]),
                goal=None if least is None else Goal(at_least=least),
                measured="\n".join(_in_words(variant, found) for variant, found in details.items()),
                details=details,
                key=f"ami-{mode}-{peer}",
                bars={
                    {"session": "ari-recorder"}.get(variant, variant): found["events_per_s"]
                    for variant, found in details.items()
                },
                unit="events/s",
            )
        )
    return figures


def _in_words(variant: str, found: dict[str, Any]) -> str:
    rates = f"{found['events_per_s']:,}/s ({found['least']:,}..{found['most']:,})"
    return f"{variant}: {rates}, {found['cpu_us_per_event']} us of processor an event"


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        client(sys.argv[1], sys.argv[2], int(sys.argv[3]))
