"""Who is let in to the page: connections are taken one by one, and no more of them than there is room for.

    accepted ─► TLS, MOST_COMING at a time ─► a connection, MOST_CONNECTIONS of them ─► web/serve.py
                └ one more: the oldest goes      └ one more: the one idle for longest goes; if none is, the newcomer

Each costs a file and a third of a megabyte, and the process that answers here is the one that records.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp.web_protocol import RequestHandler

# Far more than a city's supervisors have. Recording keeps at least half of the files a process may open.
MOST_CONNECTIONS = 1000
# A browser needs some milliseconds for its handshake; who says nothing at all has as long as others leave it.
MOST_COMING = 200
_HANDSHAKE_SECONDS = 10.0
_GOODBYE_SECONDS = 5.0
WAITING = 512
_AGAIN_SECONDS = 0.1


class Connection(RequestHandler):
    """One connection; remembers whether it is asking something."""

    __slots__ = ()

    @property
    def is_idle(self) -> bool:
        return not self._request_in_progress

    @property
    def is_leaving(self) -> bool:
        return bool(self._force_close)


class Door:
    """`run` until it is cancelled. `connections`: those that are open, the oldest first."""

    def __init__(
        self,
        listener: socket.socket,
        connections: Callable[[], Sequence[RequestHandler]],
        connection: Callable[[], Connection],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listener = listener
        self._connections = connections
        self._connection = connection
        self._tls = tls
        self._coming: dict[asyncio.Task[None], None] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    peer, _ = await loop.sock_accept(self._listener)
                except OSError:  # it has gone again, or there is no file for it
                    await asyncio.sleep(_AGAIN_SECONDS)
                    continue
                task = asyncio.create_task(self._welcome(peer))
                self._coming[task] = None
                task.add_done_callback(partial(self._arrived, peer))
                self._make_room()
        finally:
            for task in tuple(self._coming):
                task.cancel()

    async def _welcome(self, peer: socket.socket) -> None:
        is_tls = self._tls is not None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection,
                peer,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if is_tls else None,
                ssl_shutdown_timeout=_GOODBYE_SECONDS if is_tls else None,
            )
        except OSError:  # no TLS, none we speak, too late, or gone
            peer.close()

    def _arrived(self, peer: socket.socket, task: asyncio.Task[None]) -> None:
        self._coming.pop(task, None)
        if task.cancelled():
            peer.close()  # it may not have begun
        else:
            task.result()

    def _make_room(self) -> None:
        coming = list(self._coming)
        for task in coming[: max(len(coming) - MOST_COMING, 0)]:
            self._coming.pop(task, None)
            task.cancel()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        here = [one for one in self._connections() if not isinstance(one, Connection) or not one.is_leaving]
        surplus = len(here) + len(self._coming) - min(MOST_CONNECTIONS, files // 2)
        for one in here:
            if surplus <= 0:
                return
            if isinstance(one, Connection) and one.is_idle:
                one.force_close()
                surplus -= 1
        for task in list(reversed(self._coming))[: max(surplus, 0)]:
            self._coming.pop(task, None)
            task.cancel()
