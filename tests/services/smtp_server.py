"""A mail server on loopback that also does what good ones do not: hang, refuse, forget TLS, drop the line.

It is written here, on asyncio: a library's server is well behaved, and these tests are about one that is not.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class SmtpServer:
    """What it does wrong is set by the fields; `messages` is what it accepted, with the recipient of each."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    messages: list[tuple[str, EmailMessage]] = field(default_factory=list)
    sessions: int = 0
    # The verb on which it falls silent for ever; "" is the greeting.
    hangs_on: str | None = None
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    # Verbs it answers with another code, and recipients it does.
    answers: dict[str, int] = field(default_factory=dict)
    recipients: dict[str, int] = field(default_factory=dict)
    password: str = ""
    # Says nothing for good, but keeps sending: a byte now and then resets everybody's patience.
    drips: bool = False
    in_clear: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            try:
                await self._talk(reader, writer)
            finally:
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(*lines: str) -> None:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())
            await writer.drain()

        while self.drips:
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(0.05)
        if self.hangs_on == "":
            await asyncio.Event().wait()
        await say("220 mail.test ESMTP")
        is_secure = False
        recipient = ""
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].upper()
            if not is_secure:
                self.in_clear.append(line)
            if verb == self.hangs_on:
                self.silent.set()
                await asyncio.Event().wait()
            if verb in self.answers:
                await say(f"{self.answers[verb]} no")
            elif verb == "EHLO":
                more = ["250-STARTTLS"] if self.tls is not None and not is_secure else []
                await say("250-mail.test", *more, "250 AUTH PLAIN")
            elif verb == "STARTTLS" and self.tls is not None:
                await say("220 go on")
                await writer.start_tls(self.tls)
                is_secure = True
            elif verb == "AUTH":
                given = base64.b64decode(line.split(" ")[2]).decode().split("\0")[-1]
                await say("235 welcome" if given == self.password else "535 no")
            elif verb == "RCPT":
                recipient = line.partition("<")[2].rstrip(">")
                code = self.recipients.get(recipient, 250)
                await say(f"{code} so")
            elif verb == "DATA":
                await say("354 go on")
                raw = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                message = message_from_bytes(raw, policy=policy.default)
                assert isinstance(message, EmailMessage)
                self.messages.append((recipient, message))
                await say("250 accepted")
            elif verb == "QUIT":
                await say("221 bye")
                return
            else:
                await say("250 so")


@contextlib.asynccontextmanager
async def smtp_server(**fields: object) -> AsyncIterator[SmtpServer]:
    server = SmtpServer(**fields)  # type: ignore[arg-type]
    tasks: set[asyncio.Task[None]] = set()

    def begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.talk(reader, writer))
        tasks.add(task)

    listening = await asyncio.start_server(begun, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
