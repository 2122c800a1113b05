"""The running service's socket: who is heard, what is answered, and that nobody can hold it up."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ari_recorder.domain.errors import KeyringLocked, ServiceAway, ServiceRefused
from ari_recorder.services import control
from ari_recorder.services.control import ControlSocket, ask


def there(path: Path) -> bool:
    return path.exists()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def echo(question: dict[str, Any]) -> dict[str, object]:
    return {"said": question["text"]}


async def refuse(_: dict[str, Any]) -> dict[str, object]:
    raise KeyringLocked


async def fault(_: dict[str, Any]) -> dict[str, object]:
    raise RuntimeError("0401234567")


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(ControlSocket(path, {"echo": echo, "refuse": refuse, "fault": fault}).run(stop))
    async with asyncio.timeout(5):
        while not there(path):  # noqa: ASYNC110 - the file is all there is to see
            await asyncio.sleep(0.005)
    yield
    stop.set()
    await running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Deeper than a socket's address may be long."""
    folder = tmp_path / ("d" * 100)
    folder.mkdir(mode=0o700)
    return folder / "control.sock"


async def test_a_question_is_answered_and_a_no_has_its_code(path: Path) -> None:
    async with listening(path):
        assert mode(path) == 0o600
        assert await ask(path, "echo", text="ä") == {"said": "ä"}
        with pytest.raises(ServiceRefused, match="The keyring is locked") as caught:
            await ask(path, "refuse")
        assert caught.value.code == "keyring_locked", "the code of its own error, as without a service"
        with pytest.raises(ServiceRefused, match="does not know"):
            await ask(path, "dance")
        with pytest.raises(ServiceRefused, match="RuntimeError") as caught:
            await ask(path, "fault")
        assert "0401234567" not in str(caught.value)
    assert not there(path)
    with pytest.raises(ServiceAway):
        await ask(path, "echo", text="")


async def test_what_a_killed_service_left_is_no_obstacle(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead, control._short(path) as short:
        dead.bind(short)
    with pytest.raises(ServiceAway):
        await ask(path, "echo", text="")
    stop = asyncio.Event()
    running = asyncio.create_task(ControlSocket(path, {"echo": echo}).run(stop))
    async with asyncio.timeout(5):
        while True:
            try:
                assert await ask(path, "echo", text="x") == {"said": "x"}
                break
            except ServiceAway:
                await asyncio.sleep(0.01)
    stop.set()
    await running


async def test_another_user_is_not_heard(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(path):
        with monkeypatch.context() as patch:
            patch.setattr(control, "_peer", lambda _: 4711)
            with pytest.raises(ServiceAway, match="no answer"):
                await ask(path, "echo", text="x")
        assert await ask(path, "echo", text="x") == {"said": "x"}


@pytest.mark.parametrize(
    "said", [b"\n", b"[]\n", b"{}\n", b'{"do": []}\n', b"\xff\xfe\n", b'{"do": "echo"', b"x" * 20_000]
)
async def test_nonsense_ends_nothing(path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_QUESTION_SECONDS", 0.2)
    async with listening(path):
        with control._short(path) as short:
            reader, writer = await asyncio.open_unix_connection(short)
        writer.write(said)
        if said.endswith(b'"'):
            writer.write_eof()
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer == b"" or "error" in json.loads(answer)
        writer.close()
        assert await ask(path, "echo", text="x") == {"said": "x"}


async def test_who_says_nothing_is_let_go_and_holds_up_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_QUESTION_SECONDS", 0.2)
    async with listening(path):
        with control._short(path) as short:
            silent = [await asyncio.open_unix_connection(short) for _ in range(20)]
        assert await ask(path, "echo", text="x") == {"said": "x"}
        async with asyncio.timeout(5):
            assert [await reader.read() for reader, _ in silent] == [b""] * 20
        for _, writer in silent:
            writer.close()


async def test_the_kernel_says_who_asks(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, control._short(path) as short:
        server.bind(short)
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(short)
            peer, _ = server.accept()
            with peer:
                assert control._peer(peer) == os.geteuid()
