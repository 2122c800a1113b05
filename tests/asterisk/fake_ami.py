"""An AMI server on loopback, byte for byte as Asterisk 22 writes, whose every answer a test can change or withhold."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
SECRET = "insecure-ami-secret"


def frame(*headers: tuple[str, object]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n"


def snapshot(uniqueid: str, prefix: str = "", **changes: str) -> list[tuple[str, object]]:
    """A channel's headers (manager_channels.c), in their order."""
    values = {
        "Channel": f"PJSIP/trunk-{uniqueid[-6:]}",
        "ChannelState": "6",
        "ChannelStateDesc": "Up",
        "CallerIDNum": "+358401234567",
        "CallerIDName": "Aino Mäkinen",
        "ConnectedLineNum": "<unknown>",
        "ConnectedLineName": "<unknown>",
        "Language": "fi",
        "AccountCode": "",
        "Context": "from-trunk",
        "Exten": "s",
        "Priority": "7",
        "Uniqueid": uniqueid,
        "Linkedid": uniqueid,
        **changes,
    }
    return [(prefix + name, value) for name, value in values.items()]


def event(name: str, *headers: tuple[str, object], timestamp: str = "1795464416.339298") -> bytes:
    return frame(("Event", name), ("Privilege", "call,all"), ("Timestamp", timestamp), *headers)


def hangup(uniqueid: str, **changes: str) -> bytes:
    return event("Hangup", *snapshot(uniqueid, **changes), ("Cause", "16"), ("Cause-txt", "Normal Clearing"))


def join(uniqueid: str, **changes: str) -> bytes:
    return event("QueueCallerJoin", *snapshot(uniqueid, **changes), ("Queue", "support"), ("Position", 1), ("Count", 1))


def row(uniqueid: str, action_id: str, **variables: str) -> bytes:
    """A row of Status: its ActionID is its last header."""
    names = [f"ARI_RECORDER_{name}" for name in ("QUEUE", "EVIDENCE", "ARMED", "MIXMONITOR", "CODES")]
    return frame(
        ("Event", "Status"),
        ("Privilege", "Call"),
        *snapshot(uniqueid),
        ("Type", "PJSIP"),
        ("DNID", ""),
        ("BridgeID", variables.pop("bridge", "")),
        ("Application", "Queue"),
        ("Data", "support"),
        *(("Variable", f"{name}={variables.get(name, '(null)')}") for name in names),
        ("ActionID", action_id),
    )


def rows_end(action_id: str, count: int) -> bytes:
    return frame(("Event", "StatusComplete"), ("ActionID", action_id), ("EventList", "Complete"), ("ListItems", count))


def rows_begin(action_id: str) -> bytes:
    return frame(("Response", "Success"), ("ActionID", action_id), ("EventList", "start"), ("Message", "follows"))


Action = dict[str, str]
Answer = Callable[["Client", Action], bytes | None]


@dataclass(eq=False)
class Client:
    """One accepted connection."""

    server: "FakeAmi"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def send_in_bytes(self, data: bytes) -> None:
        """Each byte in a segment of its own (as far as the kernel keeps them apart)."""
        for position in range(len(data)):
            self.writer.write(data[position : position + 1])
            await asyncio.sleep(0)

    def drop(self) -> None:
        self.writer.transport.abort()


def _accept(client: Client, action: Action) -> bytes:
    return frame(("Response", "Success"), ("ActionID", action["ActionID"]), ("Message", "done"))


@dataclass(eq=False)
class FakeAmi:
    """`answers[name]` replaces the answer to an action: bytes, or None for none at all."""

    fully_booted: bool = True
    greeting: bytes = GREETING
    started: str = "20:06:23"
    zone: str = "Etc/UTC"
    channels: list[str] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    accepted: int = 0
    seen: list[Action] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for client in self.clients:
            client.drop()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.clients.clear()

    def count(self, name: str) -> int:
        return sum(action["Action"] == name for action in self.seen)

    async def wait_for(self, name: str, count: int = 1, timeout: float = 5.0) -> Action:
        """Until this action has come so often; the latest of them."""
        async with asyncio.timeout(timeout):
            while self.count(name) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return [action for action in self.seen if action["Action"] == name][-1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        client = Client(self, reader, writer)
        self.clients.append(client)
        try:
            client.send(self.greeting)
            while True:
                text = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
                action: Action = {}
                for line in text.split("\r\n"):
                    name, _, value = line.partition(": ")
                    action.setdefault(name, value)
                self.seen.append(action)
                self._arrived.set()
                answer = self.answers.get(action["Action"], self._answer)(client, action)
                if answer is not None:
                    client.send(answer)
                if action["Action"] == "Login" and answer is not None and b"Response: Error" in answer:
                    await writer.drain()
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if client in self.clients:
                self.clients.remove(client)
            writer.close()

    def _answer(self, client: Client, action: Action) -> bytes:
        done = [("Response", "Success"), ("ActionID", action["ActionID"])]
        match action["Action"]:
            case "Login":
                if action.get("Secret") != SECRET:
                    return frame(("Response", "Error"), *done[1:], ("Message", "Authentication failed"))
                booted = frame(("Event", "FullyBooted"), ("Privilege", "system,all"), ("Status", "Fully Booted"))
                return frame(*done, ("Message", "Authentication accepted")) + (booted if self.fully_booted else b"")
            case "Ping":
                return frame(*done, ("Ping", "Pong"), ("Timestamp", "1795464426.357247"))
            case "CoreStatus":
                return frame(*done, ("CoreStartupDate", "2026-11-23"), ("CoreStartupTime", self.started))
            case "Getvar" if found := re.fullmatch(r"STRPTIME\((.*),,(.*)\)", action.get("Variable", "")):
                local = datetime.strptime(found[1], found[2]).replace(tzinfo=ZoneInfo(self.zone))
                return frame(*done, ("Variable", action["Variable"]), ("Value", int(local.timestamp())))
            case "CoreSettings":
                return frame(*done, ("AsteriskVersion", "22.10.1"), ("SystemName", "fakepbx"))
            case "Status":
                identity = action["ActionID"]
                rows = b"".join(row(uniqueid, identity) for uniqueid in self.channels)
                return rows_begin(identity) + rows + rows_end(identity, len(self.channels))
            case _:
                return _accept(client, action)


@asynccontextmanager
async def fake_ami(**settings: object) -> AsyncIterator[FakeAmi]:
    server = FakeAmi(**settings)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
