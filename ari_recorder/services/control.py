"""The running service's ear for commands of this host: a socket in storage.state. One question, one answer, both JSON.

    {"do": "unlock", "passphrase": "…"}\\n   ──►   {"state": …}\\n   or   {"error": {"code": …, "message": …}}\\n

Only the service's own user and root are heard: the kernel says who asks (SO_PEERCRED), and the socket is mode 0600.
What is answered is decided by whoever built this.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from ari_recorder.domain.errors import RecorderError, ServiceAway, ServiceRefused
from ari_recorder.supervise import where

log = structlog.get_logger(__name__)

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, object]]]

# A question is a passphrase at most.
_MOST_BYTES = 1 << 14
# Who connects and says nothing is let go.
_QUESTION_SECONDS = 5.0
# Argon2id takes 0.6 s here, and several may be asked for at once.
_ANSWER_SECONDS = 60.0
_UCRED = struct.Struct("3i")


class ControlSocket:
    """`run` is the service's job. `answers` tells who answers to which "do"."""

    def __init__(self, path: Path, answers: dict[str, Answer]) -> None:
        self._path = path
        self._answers = answers

    async def run(self, stop: asyncio.Event) -> None:
        """A supervised job. The journal's lock keeps a second service out, so what is there is a leftover."""
        with _listening(self._path) as listener:
            server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_MOST_BYTES)
            async with server:
                await stop.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            uid = _peer(writer.get_extra_info("socket"))
            if uid not in (0, os.geteuid()):
                log.warning("control_refuse", uid=uid)
                return
            line = await asyncio.wait_for(reader.readline(), _QUESTION_SECONDS)
            writer.write(json.dumps(await self._answered(line)).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), _QUESTION_SECONDS)
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked is gone, or said too much
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answered(self, line: bytes) -> dict[str, object]:
        try:
            question = json.loads(line)
            do = question["do"]
            answer = self._answers[do]
        except (ValueError, KeyError, TypeError):
            return {"error": {"code": "question_unknown", "message": "This service does not know what is asked."}}
        try:
            return await answer(question)
        except RecorderError as error:
            return {"error": {"code": error.code, "message": str(error)}}
        except Exception as error:
            log.error("control_fail", do=do, error=type(error).__name__, where=where(error))
            return {"error": {"code": "fault", "message": f"A fault in the service: {type(error).__name__}."}}


def _peer(connected: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    uid: int = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1]
    return uid


async def ask(path: Path, do: str, **question: object) -> dict[str, Any]:
    """The running service's answer. ServiceAway when there is none; ServiceRefused holds what it said instead."""
    try:
        with _short(path) as short:
            reader, writer = await asyncio.open_unix_connection(short)
    except OSError as error:
        raise ServiceAway(path=path, reason=error.strerror) from None
    try:
        writer.write(json.dumps({"do": do, **question}).encode() + b"\n")
        line = await asyncio.wait_for(reader.readline(), _ANSWER_SECONDS)
    except (OSError, TimeoutError):
        line = b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not line:
        raise ServiceAway(path=path, reason="it gave no answer")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ServiceRefused(told=answer["error"]["code"], message=answer["error"]["message"])
    return answer


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name: nobody else ever sees it open
        with _short(path) as short:
            listener.bind(short)
        listener.setblocking(False)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """The same path in a few characters: the kernel takes 107 (unix(7)), folders may be deep."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
