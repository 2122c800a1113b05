"""Whom this process connects to, and where anybody on this host listens in clear: the kernel says it, not the program.

    /proc/self/fd ─► inodes of our sockets ─┐
    /proc/self/net/{tcp,udp}{,6} ───────────┴─► each second: places we connected to ─► remembered as long as we run
                                                             addresses that are listened on

A connection that lasts for less than a second may be missed; what is meant to stay open, or to send more than a few
words, is not. Sockets of this host (loopback, Unix) lead nowhere. A place is the configuration's when one of its hosts
has, or had, that address; the name servers that tell addresses of hosts are asked by every program of the host.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import structlog

from ari_recorder.config import Config
from ari_recorder.config.connections import is_this_host
from ari_recorder.domain.promises import Network
from ari_recorder.services.destinations import targets

log = structlog.get_logger(__name__)

LOOK_EVERY = 1.0
# What a host may be called changes; an address that it had is its own for as long as we run.
_RESOLVE_EVERY = 60.0
_LISTEN = "0A"
_DNS = 53
_PROC = Path("/proc/self")
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, order=True)
class Place:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A row of the kernel's table. `remote` is None where nothing is connected."""

    local: Place
    remote: Place | None
    listens: bool
    inode: int


class Connections:
    """`run` is the service's job, `network` what it has seen; None before it has looked."""

    def __init__(self, config: Config, proc: Path = _PROC) -> None:
        self._config = config
        self._proc = proc
        self._seen: set[Place] = set()
        self._own: set[Place] = set()
        self._plain: tuple[str, ...] = ()
        self._looked = False
        self._resolved_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.to_thread(self.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY)

    def network(self) -> Network | None:
        if not self._looked:
            return None
        strangers = tuple(str(one) for one in sorted(self._seen) if one not in self._own)
        return Network(strangers=strangers, plain=self._plain)

    def look(self) -> None:
        """Not from the event loop: it reads files, and asks for addresses of hosts."""
        inodes = _inodes(self._proc / "fd")
        rows = list(_table(self._proc / "net", inodes))
        listening = {row.local.port for row in rows if row.listens and row.inode in inodes}
        fresh = {
            row.remote
            for row in rows
            if row.remote is not None
            and row.inode in inodes
            and row.local.port not in listening  # else somebody came to us
            and not ip_address(row.remote.host).is_loopback
        } - self._seen
        now = time.monotonic()
        if fresh or self._resolved_at is None or now - self._resolved_at > _RESOLVE_EVERY:
            self._own |= set(_configured(self._config)) | set(_name_servers())
            self._resolved_at = now
        for place in sorted(fresh - self._own):
            log.warning("connection_unknown", place=str(place))
        self._seen |= fresh
        self._plain = tuple(sorted({str(row.local) for row in rows if self._is_plain(row, inodes)}))
        self._looked = True

    def _is_plain(self, row: Socket, inodes: frozenset[int]) -> bool:
        """Beyond loopback, and not the page with its TLS; or the PBX's manager interface beside us, without."""
        if not row.listens or ip_address(row.local.host).is_loopback:
            return False
        pbx, web = self._config.pbx, self._config.web
        if row.inode not in inodes:
            return is_this_host(pbx.host) and not pbx.tls and row.local.port == pbx.port
        of_page = web.enabled and row.local.host == str(web.address) and web.port in (0, row.local.port)
        return not (of_page and web.tls)


def _inodes(folder: Path) -> frozenset[int]:
    found = set()
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(folder / name)
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return frozenset(found)


def _table(folder: Path, ours: frozenset[int]) -> Iterator[Socket]:
    """Our sockets, and everybody's that listen. A PBX has four more for each call: those are not taken apart."""
    for name in ("tcp", "tcp6", "udp", "udp6"):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in (folder / name).read_text().splitlines()[1:]:
                _, local, remote, state, *rest = line.split()
                listens, inode = state == _LISTEN and name.startswith("tcp"), int(rest[5])
                if listens or inode in ours:
                    there = _place(remote)
                    yield Socket(
                        local=_place(local), remote=there if there.port else None, listens=listens, inode=inode
                    )


def _place(text: str) -> Place:
    """Words of 32 bits as this host has them in memory: 0100007F:13AE is 127.0.0.1, port 5038."""
    address, _, port = text.partition(":")
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    return Place(str(_plain(ip_address(b"".join(words)))), int(port, 16))


def _plain(address: Address) -> Address:
    """An IPv4 address is one, however a socket of IPv6 has it."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def _configured(config: Config) -> Iterator[Place]:
    for one in targets(config):
        with contextlib.suppress(OSError):  # it cannot be found: then nothing connects to it either
            for *_, at in socket.getaddrinfo(one.host, one.port or None):
                yield Place(str(_plain(ip_address(str(at[0]).partition("%")[0]))), one.port)


def _name_servers() -> Iterator[Place]:
    with contextlib.suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text().splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                with contextlib.suppress(ValueError):
                    yield Place(str(ip_address(words[1].partition("%")[0])), _DNS)
