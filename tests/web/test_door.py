"""A crowd at the door of the page: what it may cost the process that records has an end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog

from ari_recorder.storage.db import Database
from ari_recorder.web import door
from ari_recorder.web.serve import WebServer
from tests.web.house import Visitor, away_site, client, serving

CROWD = 100
ROOM = 20


@asynccontextmanager
async def page(folder: Path, more: str = "") -> AsyncIterator[WebServer]:
    _, site = away_site(folder, Database(f"postgresql:///nowhere?host={folder}"), {"web.more": more})
    site.usable.set()
    async with serving(site) as server:
        yield server


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_who_never_says_a_word_of_tls_takes_little_and_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_COMING", ROOM)
    async with page(tmp_path) as server, client() as http:
        before = files()
        silent = [await asyncio.open_connection("127.0.0.1", urlsplit(server.address).port) for _ in range(CROWD)]
        await asyncio.sleep(0.2)
        assert files() - before - CROWD <= ROOM + 1
        assert (await Visitor(http, server.address).get("/accessibility")).status == 200
        for _, writer in silent:
            writer.close()


async def test_who_sends_forms_for_ever_finds_the_door_shut_before_recording_lacks_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is idle: the next one is not let in, and when they are gone everybody is."""
    monkeypatch.setattr(door, "MOST_CONNECTIONS", ROOM)
    async with page(tmp_path, "tls = false") as server, client() as http:
        before = files()
        host = server.address.removeprefix("http://")
        begun = (
            f"POST /login HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 1000\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
        )
        slow = []
        with structlog.testing.capture_logs() as logged:
            for _ in range(CROWD):
                reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.address).port)
                writer.write(begun.encode())
                slow.append((reader, writer))
                await asyncio.sleep(0.01)  # it is being answered when the next one comes
            assert files() - before - CROWD <= ROOM + 1
            for _, writer in slow:
                writer.close()
            await asyncio.sleep(0.2)
        assert not [one for one in logged if one["log_level"] == "error"]
        assert (await Visitor(http, server.address).get("/accessibility")).status == 200
