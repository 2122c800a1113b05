"""The lab's own small AMI client: it drives the world and watches the PBX, independently of the product's AMI session.

It trusts its peer (an Asterisk the lab started itself), so it has none of the product's defences.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


class LabError(Exception):
    """Something the lab wanted from an Asterisk did not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One AMI message. A repeated header keeps its lines, joined by a newline."""

    headers: dict[str, str]
    received: float
    raw: str

    @property
    def name(self) -> str:
        return self.headers.get("Event", "")

    def __getitem__(self, header: str) -> str:
        return self.headers.get(header, "")


Wanted = Callable[[Message], bool]


@dataclass(slots=True, kw_only=True)
class AmiClient:
    """One logged-in session. `events` grows for as long as it is open; `wait_event` looks at the past first.

    Who does not `keep` them has but `on_event`: a crowd makes thousands a minute.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[Message] = field(default_factory=list)
    _waiting: list[tuple[Wanted, asyncio.Future[Message]]] = field(default_factory=list)
    _answers: dict[str, asyncio.Future[Message]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _task: asyncio.Task[None] | None = None
    on_event: Callable[[Message], None] | None = None
    keep: bool = True

    @classmethod
    async def connect(
        cls,
        port: int,
        user: str,
        secret: str,
        on_event: Callable[[Message], None] | None = None,
        *,
        keep: bool = True,
        classes: str = "on",
    ) -> Self:
        """`classes` of events, as manager.conf calls them; `off` for none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self = cls(reader=reader, writer=writer, on_event=on_event, keep=keep)
        try:
            await reader.readline()  # the banner
            self._task = asyncio.create_task(self._read(), name=f"lab-ami-{port}")
            await self.action("Login", Username=user, Secret=secret, Events=classes)
        except BaseException:
            await self.close()
            raise
        return self

    async def _read(self) -> None:
        try:
            while block := (await self.reader.readuntil(b"\r\n\r\n")).decode(errors="replace"):
                self._take(block)
        except (asyncio.IncompleteReadError, ConnectionError):
            lost = LabError("the PBX closed the lab's AMI connection")
            for future in [*self._answers.values(), *(future for _, future in self._waiting)]:
                if not future.done():
                    future.set_exception(lost)

    def _take(self, block: str) -> None:
        headers: dict[str, str] = {}
        for line in block.strip().split("\r\n"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            headers[key] = f"{headers[key]}\n{value}" if key in headers else value
        message = Message(headers=headers, received=time.time(), raw=block)
        if "Event" not in headers:
            answer = self._answers.pop(headers.get("ActionID", ""), None)
            if answer and not answer.done():
                answer.set_result(message)
            return
        if self.keep:
            self.events.append(message)
        if self.on_event:
            self.on_event(message)
        for wanted, future in self._waiting:
            if not future.done() and wanted(message):
                future.set_result(message)

    async def action(
        self, action: str, *, variables: dict[str, str] | None = None, wait: float = 10, **headers: str
    ) -> Message:
        """Send one action; a refusal is an error."""
        action_id = f"lab-{next(self._numbers)}"
        lines = [f"Action: {action}", f"ActionID: {action_id}", *(f"{key}: {value}" for key, value in headers.items())]
        lines += [f"Variable: {key}={value}" for key, value in (variables or {}).items()]
        if self._task is None or self._task.done():
            raise LabError(f"{action}: the lab's AMI connection is closed")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[action_id] = answer
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(wait):
            message = await answer
        if message["Response"] not in ("Success", "Goodbye"):
            raise LabError(f"{action} was refused: {message['Message']}")
        return message

    async def wait_event(self, wanted: Wanted, *, wait: float = 10, since: int = 0, what: str = "an event") -> Message:
        """The first event from index `since` on that is wanted, past or to come."""
        for message in self.events[since:]:
            if wanted(message):
                return message
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        entry = (wanted, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(wait):
                return await future
        except TimeoutError:
            raise LabError(f"waited {wait} s in vain for {what}") from None
        finally:
            self._waiting.remove(entry)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
