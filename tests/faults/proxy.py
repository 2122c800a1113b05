"""A TCP proxy that does on purpose what networks do: cut, stall, slice, delay, and lose the last word.

    client ──► proxy ──► server          `proxy.port` on 127.0.0.1; the server is a port or a Unix socket

What it does is set while it runs. Chances are taken from a seed, so a run can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_READ = 65536


@dataclass
class FaultProxy:
    """`server`: a port on 127.0.0.1, or the path of a Unix socket."""

    server: int | Path
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    port: int = 0
    # Nothing gets through, in neither direction, and nobody is told: what a firewall does that lost its state.
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    refusing: bool = False  # new connections are reset at once
    delay_seconds: float = 0.0
    slice_bytes: int = 0  # what comes goes on in pieces of so many bytes
    pause_seconds: float = 0.0  # after each piece
    # How many of the answers to a request that `is_last_word` knows get lost with the connection.
    loses: float = 0.0
    is_last_word: Callable[[bytes], bool] = lambda _: False
    # What becomes of the server's words, made anew for each connection.
    editor: Callable[[], Callable[[bytes], bytes]] | None = None
    lost: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stalled.set()  # set: it flows

    def stall(self) -> None:
        self.stalled.clear()

    def flow(self) -> None:
        self.stalled.set()

    def reset(self) -> None:
        """Every connection ends at once, and both sides are told so (RST)."""
        for writer in list(self._open):
            _abort(writer)

    def half_open(self) -> None:
        """The server's ends are gone, and clients hear nothing of it."""
        for writer in [one for one in self._open if getattr(one, "is_server_end", False)]:
            _abort(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            _abort(writer)
            return
        try:
            if isinstance(self.server, int):
                back, forth = await asyncio.open_connection("127.0.0.1", self.server)
            else:
                back, forth = await asyncio.open_unix_connection(str(self.server))
        except OSError:
            _abort(writer)
            return
        forth.is_server_end = True  # type: ignore[attr-defined]
        self._open |= {writer, forth}
        doomed = asyncio.Event()  # the next answer is not passed on
        up = asyncio.create_task(self._pump(reader, forth, doomed, is_request=True))
        down = asyncio.create_task(self._pump(back, writer, doomed, is_request=False))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= {writer, forth}
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            for end in (writer, forth):
                end.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, doomed: asyncio.Event, *, is_request: bool
    ) -> None:
        edit = self.editor() if self.editor is not None and not is_request else None
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_READ):
                await self.stalled.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if is_request and self.loses and self.is_last_word(data) and self.dice.random() < self.loses:
                    doomed.set()
                elif not is_request and doomed.is_set():
                    # The server has done it and said so; nobody hears it.
                    self.lost += 1
                    _abort(target)
                    return
                for piece in self._pieces(edit(data) if edit is not None else data):
                    target.write(piece)
                    await target.drain()
                    if self.pause_seconds:
                        await asyncio.sleep(self.pause_seconds)

    def _pieces(self, data: bytes) -> list[bytes]:
        size = self.slice_bytes or max(len(data), 1)
        return [data[at : at + size] for at in range(0, len(data), size)]


def _abort(writer: asyncio.StreamWriter) -> None:
    """With a reset, not with a polite end."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def fault_proxy(server: int | Path, seed: int = 1) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(server=server, dice=random.Random(seed))
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        proxy.flow()
        for task in list(proxy._tasks):
            task.cancel()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
        await listener.wait_closed()
